//! `fanlight link`: makes a link, the signed stand-in for a token.
//!
//! - [`options`]: the user's options; [`settings`]: the settings made from them, with [`validity`];
//! - [`sign`]: signs a link with the secret of a relay, without a connection to it;
//! - [`ask`]: asks a relay for a link;
//! - [`print()`]: prints it.

pub mod ask;
pub mod options;
mod print;
pub mod settings;
pub mod sign;
pub mod validity;

pub use options::Options;
pub use settings::Settings;

use settings::Maker;

/// Makes a link and prints its address.
///
/// # Errors
/// Fails if the relay cannot be reached or refuses.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let made = match &settings.maker {
        Maker::Secret(signing) => sign::sign(&settings.wanted, signing),
        Maker::Relay(relay) => ask::ask(&settings.wanted, relay)?,
    };
    print::print(&made, settings.json)
}
