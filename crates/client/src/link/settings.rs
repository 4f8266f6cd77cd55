//! The settings of `fanlight link`, made from its options.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use fanlight_cli::secret::{Secret, expand_env, mask_url};
use fanlight_cli::state_folder::{self, ADDRESS, SECRET, TOKEN};
use fanlight_grant::{LinkRight, Signer, TokenHash};
use fanlight_protocol::StreamName;
use url::Url;

use super::options::Options;
use super::validity;

/// Longest token, in letters.
const MAX_TOKEN: usize = 512;
/// The entry of the relay's `--token`.
const TOKEN_ENTRY: &str = "token";

/// The settings of `fanlight link`.
#[derive(Debug)]
pub struct Settings {
    /// The link to make.
    pub wanted: Wanted,
    /// The maker of it.
    pub maker: Maker,
    /// Print it as JSON.
    pub json: bool,
}

/// A link that must be made.
#[derive(Debug)]
pub struct Wanted {
    /// The stream.
    pub stream: StreamName,
    /// The right.
    pub right: LinkRight,
    /// The time for which it is valid.
    pub validity: Duration,
}

/// The maker of a link.
#[derive(Debug)]
pub enum Maker {
    /// This program, with the secret of a relay.
    Secret(Signing),
    /// A relay.
    Relay(AskedRelay),
}

/// The secret and the token with which a link is signed.
#[derive(Debug)]
pub struct Signing {
    /// Has the secret.
    pub signer: Signer,
    /// The token for which the link stands.
    pub token: TokenHash,
    /// The name of its entry.
    pub entry: String,
    /// The address of the relay; absent: the link's address is relative to it.
    pub relay: Option<Url>,
}

/// A relay that is asked for a link.
#[derive(Debug)]
pub struct AskedRelay {
    /// Its address, which ends in a slash.
    pub url: Url,
    /// The token to present.
    pub token: Secret,
    /// The authorities that its certificate may be of.
    pub ca_cert: Option<PathBuf>,
}

impl TryFrom<Options> for Settings {
    type Error = anyhow::Error;

    fn try_from(options: Options) -> anyhow::Result<Self> {
        let stream = options.stream.parse().map_err(|error| anyhow!("{error}"))?;
        let role = options.role.as_deref().unwrap_or("view");
        let right =
            LinkRight::parse(role).with_context(|| format!("--role {role}: view or publish"))?;
        let validity = validity::parse(options.validity.as_deref())?;
        let json = options.json;
        Ok(Self { wanted: Wanted { stream, right, validity }, maker: maker(options)?, json })
    }
}

fn maker(options: Options) -> anyhow::Result<Maker> {
    let folder = || options.state_folder.clone().map_or_else(state_folder::default_folder, Ok);
    let relay = options.relay.as_deref().map(relay_url).transpose()?;
    let token = match &options.token {
        Some(token) => expand_env(token.expose()).context("--token")?,
        None => kept(&folder()?, TOKEN)?.with_context(|| {
            format!(
                "a token is missing: give --token TOKEN, or set FANLIGHT_TOKEN ({})",
                no_relay(&folder())
            )
        })?,
    };
    ensure!((1..=MAX_TOKEN).contains(&token.len()), "--token: 1 to {MAX_TOKEN} letters");
    let asked = relay.clone().filter(|_| options.secret_file.is_none());
    if let Some(url) = asked {
        ensure!(
            options.entry.is_none(),
            "--entry is for --secret-file: the relay knows the entry of the token"
        );
        return Ok(Maker::Relay(AskedRelay { url, token: token.into(), ca_cert: options.ca_cert }));
    }
    ensure!(
        options.ca_cert.is_none(),
        "--ca-cert is for --relay without --secret-file: nothing is connected to"
    );
    let (signer, relay) = match &options.secret_file {
        Some(file) => (signer(file, "--secret-file ")?, relay),
        None => {
            let folder = folder()?;
            let file = folder.join(SECRET);
            ensure!(
                file.is_file(),
                "give --relay URL, so that the relay makes the link, or --secret-file FILE ({})",
                no_relay(&Ok(folder))
            );
            let address = kept(&folder, ADDRESS)?.as_deref().map(relay_url).transpose()?;
            (signer(&file, "")?, address)
        }
    };
    let entry = options.entry.unwrap_or_else(|| TOKEN_ENTRY.into());
    Ok(Maker::Secret(Signing { signer, token: TokenHash::of(&token), entry, relay }))
}

/// Returns the hint that no relay has left its secrets.
fn no_relay(folder: &Result<PathBuf, state_folder::NoFolder>) -> String {
    match folder {
        Ok(folder) => format!("no relay with --lan has left them in {}", folder.display()),
        Err(error) => error.to_string(),
    }
}

/// Returns the text in a file that a relay keeps, if it exists.
fn kept(folder: &Path, name: &str) -> anyhow::Result<Option<String>> {
    let file = folder.join(name);
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}

fn signer(file: &Path, option: &str) -> anyhow::Result<Signer> {
    let shown = || format!("{option}{}", file.display());
    let bytes = fs::read(file).with_context(shown)?;
    Signer::of_file(&bytes).map_err(|error| anyhow!("{}: {error}", shown()))
}

/// Returns the address of a relay, which ends in a slash.
fn relay_url(text: &str) -> anyhow::Result<Url> {
    let shown = mask_url(text);
    let form = "write http://HOST:PORT/ or https://HOST:PORT/";
    let mut url = Url::parse(text).map_err(|error| anyhow!("--relay {shown}: {error}: {form}"))?;
    ensure!(matches!(url.scheme(), "http" | "https") && url.has_host(), "--relay {shown}: {form}");
    if !url.username().is_empty() || url.password().is_some() {
        bail!("--relay {shown}: user and password do not belong into it: give --token");
    }
    ensure!(
        url.query().is_none() && url.fragment().is_none(),
        "--relay {shown}: without a query: {form}"
    );
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_relay_ends_in_a_slash_and_has_no_secret() {
        assert_eq!(relay_url("http://h:7474").unwrap().as_str(), "http://h:7474/");
        assert_eq!(relay_url("https://h/cams").unwrap().as_str(), "https://h/cams/");
        for bad in
            ["h:7474", "ws://h/", "http://", "http://h/?token=hunter2", "http://u:hunter2@h/"]
        {
            let error = relay_url(bad).unwrap_err().to_string();
            assert!(error.contains("--relay") && !error.contains("hunter2"), "{error}");
        }
    }
}
