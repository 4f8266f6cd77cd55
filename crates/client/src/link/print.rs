//! Prints a link.

use std::io::{Write, stdout};

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
}

/// Prints the address, or everything as JSON.
pub(super) fn print(made: &Made, json: bool) -> anyhow::Result<()> {
    let text = match json {
        true => serde_json::to_string(made).context("JSON")?,
        false => made.address.clone(),
    };
    stdout().write_all(format!("{text}\n").as_bytes()).context("cannot write to stdout")
}
