//! Signs a link with the secret of a relay.

use std::time::Duration;

use fanlight_clock as clock;
use fanlight_grant::{Link, seconds};
use fanlight_protocol::Timestamp;

use super::print::Made;
use super::settings::{Signing, Wanted};

/// Returns a link that relays with this secret accept, if they know the token.
pub fn sign(wanted: &Wanted, signing: &Signing) -> Made {
    // A link states whole seconds.
    let expires = seconds::of(clock::now() + wanted.validity);
    let expires = Timestamp::from_micros(0) + Duration::from_secs(expires);
    let link = Link { right: wanted.right, stream: wanted.stream.clone(), expires };
    let signed = link.sign(&signing.signer, &signing.entry, &signing.token);
    let address = link.address(&signed);
    let address = match &signing.relay {
        Some(relay) => format!("{relay}{address}"),
        None => address,
    };
    Made { link: signed, address, stream: link.stream, role: link.right.as_str().into(), expires }
}
