//! Prints a link.

use std::io::{Write, stderr, stdout};

use anyhow::Context as _;
use fanlight_protocol::{StreamName, Timestamp};
use serde::{Deserialize, Serialize};

/// A link that was made, as relays answer and as `--json` prints it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Made {
    /// The link itself.
    pub link: String,
    /// The address to open with it.
    pub address: String,
    /// The stream.
    pub stream: StreamName,
    /// Its right.
    pub role: String,
    /// The end of its validity.
    pub expires: Timestamp,
    /// True if the relay knows the stream at present; absent if it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<bool>,
}

/// Prints the address, or everything as JSON. Warns on stderr of a stream that the relay does not know.
pub(super) fn print(made: &Made, json: bool) -> anyhow::Result<()> {
    if made.known == Some(false) && made.role == "view" {
        let name = &made.stream;
        let _ = writeln!(
            stderr(),
            "note: the relay knows no stream {name} at present; the link works once there is one"
        );
    }
    let text = match json {
        true => serde_json::to_string(made).context("JSON")?,
        false => made.address.clone(),
    };
    stdout().write_all(format!("{text}\n").as_bytes()).context("cannot write to stdout")
}
