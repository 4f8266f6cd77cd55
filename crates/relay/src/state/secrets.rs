//! The secrets that the relay makes itself, once, and keeps.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanlight_cli::secret::Secret;
use fanlight_cli::state_folder::{SECRET, TOKEN};
use fanlight_grant::{Signer, random_token};
use rustix::rand::{GetRandomFlags, getrandom};

use super::folder::StateFolder;

/// Random bytes of the secret.
const SECRET_BYTES: usize = 32;

/// The secrets that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSettings {
    /// The folder where they are kept.
    pub folder: PathBuf,
    /// The relay keeps a token: the user gave none.
    pub token: bool,
    /// The relay keeps the secret for sessions and links: the user gave none.
    pub secret: bool,
}

/// The secrets, read or made.
#[derive(Debug)]
pub struct KeptSecrets {
    /// The token.
    pub token: Option<KeptToken>,
    /// Has the secret for sessions and links.
    pub signer: Option<Signer>,
}

/// A token and its file.
#[derive(Debug, Clone)]
pub struct KeptToken {
    /// The token.
    pub token: Secret,
    /// Its file.
    pub file: PathBuf,
}

impl KeptSettings {
    /// Reads the secrets, and makes each one that does not exist. Relays that start at the same time get the same ones.
    ///
    /// # Errors
    /// Fails with the folder or file that is unusable: other users can read it, or it is damaged.
    pub fn open(&self) -> anyhow::Result<KeptSecrets> {
        let folder = StateFolder::lock(&self.folder)?;
        let token = self.token.then(|| text(&folder, TOKEN, random_token::of)).transpose()?;
        let file = folder.path(TOKEN);
        let is_one = |token: &String| !token.trim().contains(char::is_whitespace);
        ensure!(token.as_ref().is_none_or(is_one), "{}: one token, without spaces", file.display());
        let token = token.map(|token| KeptToken { token: token.trim().into(), file });
        let signer = self.secret.then(|| signer(&folder)).transpose()?;
        Ok(KeptSecrets { token, signer })
    }
}

fn signer(folder: &StateFolder) -> anyhow::Result<Signer> {
    text(folder, SECRET, |random: [u8; SECRET_BYTES]| URL_SAFE_NO_PAD.encode(random))?;
    let file = folder.path(SECRET);
    // The file as it is: `--secret-file` means the same bytes.
    let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
    Signer::of_file(&bytes).with_context(|| file.display().to_string())
}

/// Returns the text in a file of the folder, which is made of random bytes if it does not exist.
fn text<const BYTES: usize>(
    folder: &StateFolder,
    name: &str,
    of: impl Fn([u8; BYTES]) -> String,
) -> anyhow::Result<String> {
    if let Some(known) = folder.read_secret(name)? {
        return Ok(known);
    }
    let made = format!("{}\n", of(random().context("no random numbers")?));
    folder.write_secret(name, &made)?;
    tracing::info!(file = %folder.path(name).display(), "{name} made; only this user can read it");
    Ok(made)
}

fn random<const BYTES: usize>() -> anyhow::Result<[u8; BYTES]> {
    let mut random = [0; BYTES];
    let filled = getrandom(&mut random, GetRandomFlags::empty())?;
    ensure!(filled == BYTES, "the system returned too few");
    Ok(random)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::thread;

    use super::*;

    fn settings(folder: &std::path::Path) -> KeptSettings {
        KeptSettings { folder: folder.to_owned(), token: true, secret: true }
    }

    #[test]
    fn secrets_are_made_once_even_by_relays_that_start_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let open = || settings(folder.path()).open().unwrap().token.unwrap();
        let tokens: Vec<_> = thread::scope(|scope| {
            let relays: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            relays.into_iter().map(|relay| relay.join().unwrap()).collect()
        });
        let token = tokens[0].token.expose();
        assert_eq!(token.len(), 32);
        assert!(tokens.iter().all(|other| other.token.expose() == token));
        for name in [TOKEN, SECRET] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_secret_that_is_not_kept_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let kept = KeptSettings { token: false, secret: false, ..settings(folder.path()) }.open();
        let kept = kept.unwrap();
        assert!(kept.token.is_none() && kept.signer.is_none());
        assert!(!folder.path().join(TOKEN).exists() && !folder.path().join(SECRET).exists());
    }

    #[test]
    fn a_damaged_secret_is_refused_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(SECRET);
        fs::write(&file, "too short").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let refused = format!("{:#}", settings(folder.path()).open().unwrap_err());
        assert!(refused.contains("secret") && refused.contains("32 to 4096"), "{refused}");
    }
}
