//! The stream that an address means: by its name, or by the id that a client of another server has for it.

use std::sync::Arc;

use fanlight_protocol::StreamName;
use fanlight_protocol::name::MAX_STREAM_NAME;

use crate::access::Identity;
use crate::error::Error;
use crate::hub::{Hub, Stream};

/// Most names of streams in the refusal of an unknown one.
const MAX_NAMES: usize = 20;
/// Most parts of a path that are tried as a name. A name has no more characters.
const MAX_PARTS: usize = MAX_STREAM_NAME;

/// The stream that an address means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The stream of this name, as the client wrote it.
    Named(String),
    /// The stream with this number as its name, else the one at this position, from 0, in the list of those that the
    /// client may see and that a publisher has; if there are none, of those that are gone.
    At(usize),
    /// The stream with the first of these names that the client may see. `asked` is what the client wrote.
    AnyOf {
        /// The id, as the client wrote it.
        asked: String,
        /// Names, the most specific first.
        names: Vec<StreamName>,
    },
}

impl From<&StreamName> for Target {
    fn from(name: &StreamName) -> Self {
        Self::Named(name.to_string())
    }
}

impl Target {
    /// Returns the target of an id that another server has given to a stream; `None` is the first stream.
    ///
    /// A name is its own id. A number that is no name is a position, from 0. Anything else is taken for a path, such as the topic
    /// `/robot/front/image_raw`: its parts, in lower case and joined by `_`, are a name, and so are they without their
    /// last ones.
    pub fn of_id(id: Option<&str>) -> Self {
        let Some(id) = id.filter(|id| !id.is_empty()) else { return Self::At(0) };
        if id.bytes().all(|byte| byte.is_ascii_digit()) {
            return id.parse().map_or_else(|_| Self::Named(id.into()), Self::At);
        }
        if id.parse::<StreamName>().is_ok() {
            return Self::Named(id.into());
        }
        Self::AnyOf { asked: id.into(), names: names(id) }
    }

    /// Returns the stream on which the access rules decide before it is known whether it exists.
    pub fn name(&self) -> Option<StreamName> {
        match self {
            Self::Named(name) => name.parse().ok(),
            Self::At(_) | Self::AnyOf { .. } => None,
        }
    }

    /// Returns whether a stream that is not known yet could be meant. The stream at a position is certain only when
    /// all are known.
    pub fn may_change(&self, hub: &Hub, client: &Identity) -> bool {
        match self {
            Self::Named(name) => hub.stream(name).is_none() && name.parse::<StreamName>().is_ok(),
            Self::At(_) => true,
            Self::AnyOf { names, .. } => !names.is_empty() && self.known(hub, client).is_none(),
        }
    }

    /// Returns the stream.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`] with the streams that the client may see if there is none.
    pub fn find(&self, hub: &Hub, client: &Identity) -> Result<Arc<Stream>, Error> {
        self.known(hub, client).ok_or_else(|| {
            let known = listed(hub, client);
            Error::NotFound(match self {
                Self::Named(asked) | Self::AnyOf { asked, .. } => {
                    let asked: String = asked.chars().take(MAX_STREAM_NAME).collect();
                    format!("unknown stream {asked:?}; known streams: {known}")
                }
                Self::At(0) => "there are no streams yet".into(),
                Self::At(position) => {
                    format!("no stream has the number {position} (from 0); known streams: {known}")
                }
            })
        })
    }

    fn known(&self, hub: &Hub, client: &Identity) -> Option<Arc<Stream>> {
        match self {
            // The access rules have decided on it.
            Self::Named(name) => hub.stream(name),
            Self::At(position) => {
                let (mut streams, name) = (visible(hub, client), position.to_string());
                if let Some(named) = streams.iter().find(|stream| stream.name().as_str() == name) {
                    return Some(named.clone());
                }
                if streams.iter().any(|stream| !stream.status().gone) {
                    streams.retain(|stream| !stream.status().gone);
                }
                (*position < streams.len()).then(|| streams.swap_remove(*position))
            }
            Self::AnyOf { names, .. } => {
                let mut covered = names.iter().filter(|name| client.sees(name));
                covered.find_map(|name| hub.stream(name.as_str()))
            }
        }
    }
}

/// Returns the names that a path may mean, the longest first.
fn names(path: &str) -> Vec<StreamName> {
    let parts: Vec<String> =
        path.split('/').map(plain).filter(|part| !part.is_empty()).take(MAX_PARTS).collect();
    let shorter = (1..=parts.len()).rev().map(|count| parts[..count].join("_"));
    shorter.filter_map(|name| name.parse().ok()).collect()
}

/// Returns a part of a path in the characters of a name.
fn plain(part: &str) -> String {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    let lower = part.trim().chars().map(|character| match allowed(character) {
        true => character.to_ascii_lowercase(),
        false => '_',
    });
    lower.take(MAX_STREAM_NAME + 1).collect::<String>().trim_start_matches(['_', '-']).to_owned()
}

fn visible(hub: &Hub, client: &Identity) -> Vec<Arc<Stream>> {
    let mut streams = hub.streams();
    streams.retain(|stream| client.sees(stream.name()));
    streams
}

/// Returns the names of the streams that a client may see, for an error message.
fn listed(hub: &Hub, client: &Identity) -> String {
    let streams = visible(hub, client);
    let mut known: Vec<String> =
        streams.iter().take(MAX_NAMES).map(|stream| stream.name().to_string()).collect();
    if streams.len() > MAX_NAMES {
        known.push(format!("and {} more (see api/streams)", streams.len() - MAX_NAMES));
    }
    if known.is_empty() { "none yet".into() } else { known.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(id: &str) -> Vec<String> {
        match Target::of_id(Some(id)) {
            Target::AnyOf { names, .. } => names.iter().map(ToString::to_string).collect(),
            other => panic!("{id} is {other:?}"),
        }
    }

    #[test]
    fn no_id_is_the_first_stream_and_a_number_is_a_position() {
        assert_eq!(Target::of_id(None), Target::At(0));
        assert_eq!(Target::of_id(Some("")), Target::At(0));
        assert_eq!(Target::of_id(Some("2")), Target::At(2));
        let huge = "9".repeat(30);
        assert_eq!(Target::of_id(Some(&huge)), Target::Named(huge));
    }

    #[test]
    fn a_name_is_its_own_id() {
        assert_eq!(Target::of_id(Some("front_door-2")), Target::Named("front_door-2".into()));
    }

    #[test]
    fn a_topic_is_tried_as_a_name_and_then_without_its_last_parts() {
        let front = ["robot_front_image_raw", "robot_front", "robot"];
        assert_eq!(tried("/robot/front/image_raw"), front);
        assert_eq!(tried("robot//Front/image_raw/"), front);
        assert_eq!(tried("Front Door"), ["front_door"]);
        assert_eq!(tried("/__hidden/_x"), ["hidden_x", "hidden"]);
    }

    #[test]
    fn what_cannot_be_a_name_is_none() {
        let long = "a".repeat(MAX_STREAM_NAME + 1);
        for id in ["/", "///", "..", "é", &format!("/{long}")] {
            assert_eq!(tried(id), [""; 0], "{id}");
        }
        assert_eq!(tried(&format!("/cam/{long}")), ["cam"]);
        assert_eq!(tried(&"/a".repeat(500)).len(), 32);
    }
}
