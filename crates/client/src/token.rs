//! `fanlight token`: makes an access token.

use std::io::{Write, stdout};

use anyhow::Context as _;
use fanlight_grant::random_token;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest as _, Sha256};

/// The use of a token, for `--help`.
pub const USE: &str = "\
The relay needs the token or its hash, and clients need the token. In the relay's file (--config):
  [[access]]
  name = \"wall\"
  token-sha256 = \"…\"
  may = [\"view\"]
  streams = [\"*\"]
Clients send the token as ?token=…, as Authorization: Bearer …, or as the password of a Basic login.";

/// Prints a new token and its hash.
///
/// # Errors
/// Fails if the system has no random numbers.
pub fn run() -> anyhow::Result<()> {
    let mut bytes = [0; random_token::BYTES];
    let filled = getrandom(&mut bytes, GetRandomFlags::empty()).context("no random numbers")?;
    anyhow::ensure!(filled == bytes.len(), "no random numbers");
    let token = random_token::of(bytes);
    let hash = Sha256::digest(&token).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = format!("token         {token}\ntoken-sha256  {hash}\n");
    stdout().write_all(text.as_bytes()).context("cannot write to stdout")
}
