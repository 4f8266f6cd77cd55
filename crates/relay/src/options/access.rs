//! The access table as the user writes it: `--token`, and `[[access]]` in the file.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail, ensure};
use fanlight_cli::secret::{Secret, expand_env};
use fanlight_grant::signer::SECRET;
use fanlight_grant::{Signer, TokenHash};
use rustix::rand::{GetRandomFlags, getrandom};
use serde::Deserialize;

use crate::access::AccessTable;
use crate::access::entry::{AccessEntry, Rights};
use crate::access::pattern::StreamPattern;
use crate::limits::EntryLimit;

/// Shortest and longest token, in letters.
const TOKEN: std::ops::RangeInclusive<usize> = 8..=512;
/// Fewest different letters of a token: `aaaaaaaa` is among the first guesses.
const MIN_DIFFERENT: usize = 5;
/// Longest name of an entry, in characters.
const MAX_NAME: usize = 64;
/// Most patterns of an entry.
const MAX_PATTERNS: usize = 128;
/// The entries of `--token` and `--publish-token`.
const TOKEN_ENTRY: &str = "token";
const PUBLISH_ENTRY: &str = "publish-token";

/// An entry of `[[access]]` as the user wrote it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AccessInFile {
    name: Option<String>,
    token: Option<Secret>,
    token_sha256: Option<String>,
    may: Vec<Right>,
    streams: Vec<String>,
    max_viewers: Option<usize>,
    max_publishers: Option<usize>,
}

/// An action that an entry allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Right {
    View,
    Publish,
    Admin,
}

/// Returns the table of `--token`, of `--publish-token` and of the file's entries.
pub(super) fn table(
    token: Option<&Secret>,
    publish_token: Option<&Secret>,
    entries: &[AccessInFile],
) -> anyhow::Result<AccessTable> {
    let publish = Rights { publish: true, ..Rights::default() };
    let of_flags = [
        ("--token", TOKEN_ENTRY, token, Rights::VIEW),
        ("--publish-token", PUBLISH_ENTRY, publish_token, publish),
    ];
    let mut table = Vec::new();
    for (flag, name, token, rights) in of_flags {
        let Some(token) = token else { continue };
        check_token(token.expose()).context(flag)?;
        table.push(AccessEntry {
            name: name.into(),
            token: TokenHash::of(token.expose()),
            rights,
            streams: vec![StreamPattern::all()],
            viewers: None,
            publishers: None,
        });
    }
    for (number, entry) in (1..).zip(entries) {
        let shown = match &entry.name {
            Some(name) => format!("access {name:?}"),
            None => format!("access, entry {number}"),
        };
        table.push(entry.parse().context(shown)?);
    }
    AccessTable::new(table).context("access")
}

/// Returns the signer of sessions and links, with the secret of this file, or else a random one.
pub(super) fn signer(file: Option<&Path>) -> anyhow::Result<Signer> {
    let Some(file) = file else { return random_signer().context("no random numbers") };
    let shown = || format!("--secret-file {}", file.display());
    let bytes = std::fs::read(file).with_context(shown)?;
    Signer::of_file(&bytes).map_err(|error| anyhow!("{}: {error}", shown()))
}

/// Returns a signer whose secret ends with the relay.
fn random_signer() -> std::io::Result<Signer> {
    let mut secret = [0; SECRET];
    let filled = getrandom(&mut secret, GetRandomFlags::empty())?;
    match filled == SECRET {
        true => Ok(Signer::new(secret)),
        false => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}

impl AccessInFile {
    fn parse(&self) -> anyhow::Result<AccessEntry> {
        let name = self.name.as_deref().unwrap_or_default();
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._- @".contains(c);
        ensure!(
            !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(is_name),
            "name: 1 to {MAX_NAME} letters, digits, spaces and ._-@, shown in the log"
        );
        ensure!(self.max_viewers != Some(0), "max-viewers: at least 1");
        ensure!(self.max_publishers != Some(0), "max-publishers: at least 1");
        Ok(AccessEntry {
            name: name.into(),
            token: self.token()?,
            rights: self.rights()?,
            streams: self.patterns()?,
            viewers: self.max_viewers.map(EntryLimit::new),
            publishers: self.max_publishers.map(EntryLimit::new),
        })
    }

    fn token(&self) -> anyhow::Result<TokenHash> {
        match (&self.token, &self.token_sha256) {
            (Some(token), None) => {
                let token = expand_env(token.expose()).context("token")?;
                check_token(&token).context("token")?;
                Ok(TokenHash::of(&token))
            }
            (None, Some(hash)) => TokenHash::from_hex(hash)
                .context("token-sha256: 64 hexadecimal digits, as `fanlight token` prints them"),
            (Some(_), Some(_)) => bail!("give either token or token-sha256, not both"),
            (None, None) => bail!("token or token-sha256 is missing: `fanlight token` makes both"),
        }
    }

    fn rights(&self) -> anyhow::Result<Rights> {
        ensure!(!self.may.is_empty(), "may is missing: for example may = [\"view\"]");
        let may = |right| self.may.contains(&right);
        Ok(Rights {
            view: may(Right::View),
            publish: may(Right::Publish),
            admin: may(Right::Admin),
        })
    }

    fn patterns(&self) -> anyhow::Result<Vec<StreamPattern>> {
        ensure!(
            !self.streams.is_empty(),
            "streams is missing: for example streams = [\"door\", \"cam*\"], or [\"*\"] for all"
        );
        ensure!(
            self.streams.len() <= MAX_PATTERNS,
            "streams: {} of them, at most {MAX_PATTERNS} are possible",
            self.streams.len()
        );
        let patterns = self.streams.iter().map(|pattern| pattern.parse());
        patterns.collect::<Result<_, _>>().context("streams")
    }
}

/// Refuses a token that is too short, too long or too simple.
fn check_token(token: &str) -> anyhow::Result<()> {
    let (length, different) = (token.len(), token.chars().collect::<HashSet<_>>().len());
    ensure!(
        TOKEN.contains(&length),
        "{} to {} letters; this one has {length}",
        TOKEN.start(),
        TOKEN.end()
    );
    ensure!(
        different >= MIN_DIFFERENT,
        "it is too simple: at least {MIN_DIFFERENT} different letters; `fanlight token` makes a good one"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use fanlight_protocol::StreamName;

    use super::*;
    use crate::access::credentials::Parts;
    use crate::access::{Access, Action, Credentials, HostRule, OriginRule};

    fn parsed(text: &str) -> anyhow::Result<AccessTable> {
        #[derive(Deserialize)]
        struct File {
            access: Vec<AccessInFile>,
        }
        let file: File = fanlight_cli::options::from_table(toml::from_str(text)?)?;
        table(None, None, &file.access)
    }

    fn refused(text: &str) -> String {
        format!("{:#}", parsed(text).map(|table| table.len()).unwrap_err())
    }

    #[test]
    fn an_entry_has_a_token_rights_and_streams() {
        let table = parsed(
            "[[access]]\nname = 'wall'\ntoken = 's3cr3t-s3cr3t'\nmay = ['view']\nstreams = ['cam*']\n\
             [[access]]\nname = 'owner'\nmay = ['view', 'publish', 'admin']\nstreams = ['*']\nmax-viewers = 2\n\
             token-sha256 = '3870eb758a844ff49e442c133ec731c04dd408b91aeddff87994ccb29a814334'",
        )
        .unwrap();
        assert_eq!(table.len(), 2);
        let (hosts, origins) = (HostRule::new(&[]), OriginRule::new(&[], true));
        let access = Access::new(table, Signer::new([1; SECRET]), hosts, origins);
        let parts = Parts { token: Some("s3cr3t-s3cr3t"), ..Parts::default() };
        let client = Credentials::new(parts, false);
        let may = |stream: &str| {
            let stream: StreamName = stream.parse().unwrap();
            access.authorize(Action::View, Some(&stream), &client).is_ok()
        };
        assert!(may("cam1") && !may("door"));
    }

    #[test]
    fn every_invalid_entry_is_refused_with_its_name_and_without_its_token() {
        let entry = |more: &str| format!("[[access]]\nname = 'wall'\n{more}");
        let with_token = |more: &str| entry(&format!("token = 's3cr3t-s3cr3t'\n{more}"));
        for (text, rule) in [
            (entry("may = ['view']\nstreams = ['*']"), "token or token-sha256 is missing"),
            (with_token("streams = ['*']"), "may is missing"),
            (with_token("may = ['view']"), "streams is missing"),
            (with_token("may = ['see']\nstreams = ['*']"), "\"see\" is not one of"),
            (with_token("may = ['view']\nstreams = ['Cam']"), "\"Cam\" is no stream"),
            (with_token("may = ['view']\nstreams = ['*']\nmax-viewers = 0"), "at least 1"),
            (with_token("may = ['view']\nstreams = ['*']\nlimit = 3"), "no option \"limit\""),
            (with_token("token-sha256 = 'x'\nmay = ['view']\nstreams = ['*']"), "not both"),
            (entry("token = 'hunter2'\nmay = ['view']\nstreams = ['*']"), "8 to 512"),
            (entry("token = 'hunter2hunter2'\nmay = ['view']\nstreams = ['?']"), "\"?\""),
            (entry("token = 'aaaaaaaaaaaaaaa'\nmay = ['view']\nstreams = ['*']"), "too simple"),
            (entry("token = '${NOT_SET_HERE}'\nmay = ['view']\nstreams = ['*']"), "NOT_SET_HERE"),
            (entry("token-sha256 = 'ab'\nmay = ['view']\nstreams = ['*']"), "64 hexadecimal"),
        ] {
            let error = refused(&text);
            assert!(error.contains(rule) && !error.contains("hunter2"), "{text}: {error}");
        }
        assert!(refused("[[access]]\ntoken = 's3cr3t-s3cr3t'").contains("entry 1"));
    }
}
