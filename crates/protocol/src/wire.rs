//! The encoding of bus values: one version byte, then bincode 2 with its standard configuration.
//!
//! This is the only module that knows bincode, so that another encoder of the same bytes can replace it.

use bincode::config::{self, Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The protocol version of this build; the first byte of every bus value.
pub const VERSION: u8 = 1;

/// Largest encoded bus value (header, catalog, request or answer), in bytes. Decoding allocates no more than this.
pub const MAX_VALUE: usize = 256 * 1024;

/// Bytes that are not a value of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No bytes.
    #[error("empty: the version byte is missing")]
    Empty,
    /// Another version of this protocol.
    #[error(
        "bus protocol version {0}, this program supports version {VERSION}: run the same release on both sides"
    )]
    Version(u8),
    /// Too many bytes.
    #[error("{length} bytes long, more than the {limit} allowed")]
    TooLarge {
        /// Its length, in bytes.
        length: usize,
        /// The most allowed, in bytes.
        limit: usize,
    },
    /// Bytes that are no value of this type.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Bytes after the value.
    #[error("{0} bytes left over after the value")]
    Trailing(usize),
    /// A value that breaks a rule.
    #[error("invalid: {0}")]
    Invalid(&'static str),
}

impl WireError {
    /// Returns the kind of the error, in words that contain nothing of the bytes: safe for a log that peers can fill.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Version(_) => {
                "another version of the bus protocol: run the same release on both sides"
            }
            Self::TooLarge { .. } => "too large",
            Self::Malformed(_) => "malformed",
            Self::Trailing(_) => "bytes left over",
            Self::Invalid(rule) => rule,
        }
    }
}

type Bounded = Configuration<LittleEndian, Varint, Limit<MAX_VALUE>>;

fn format() -> Bounded {
    config::standard().with_limit::<MAX_VALUE>()
}

/// Encodes a value. Cannot fail: the values of this crate hold nothing that bincode cannot write.
pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bincode::serde::encode_into_std_write(value, &mut bytes, config::standard())
        .expect("plain structs, enums, strings and integers always encode");
    bytes
}

/// Decodes a value from untrusted bytes.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    if bytes.len() > MAX_VALUE {
        return Err(WireError::TooLarge { length: bytes.len(), limit: MAX_VALUE });
    }
    let (&version, rest) = bytes.split_first().ok_or(WireError::Empty)?;
    if version != VERSION {
        return Err(WireError::Version(version));
    }
    let (value, consumed) = bincode::serde::decode_from_slice(rest, format())
        .map_err(|error| WireError::Malformed(error.to_string()))?;
    match rest.len() - consumed {
        0 => Ok(value),
        left => Err(WireError::Trailing(left)),
    }
}
