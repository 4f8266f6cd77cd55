//! Key files.
//!
//! - `NAME.secret`, mode 0600: two lines, `public KEY` and `secret KEY`;
//! - `NAME.pub`: one line, `KEY NAME`; a list of allowed keys has one such line per key.
//!
//! Empty lines and lines that begin with `#` are comments; no key begins with `#`.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{AllowedKeys, InvalidKey, KeyPair, PublicKey, SecretKey, z85};

/// Most keys in one list: more relays than one capture can serve.
pub const MAX_ALLOWED: usize = 1024;
/// Largest key file, in bytes: a full list with names of 200 bytes.
const MAX_FILE: u64 = 256 * 1024;
/// Longest name of a key, in bytes: the same as for other texts on the bus.
const MAX_NAME: usize = 200;
/// The permission bits of other users.
const OTHERS: u32 = 0o077;

/// A key file that cannot be used. The error never contains the text of a line, which may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Other users can read a secret.
    #[error("{}: other users can read this secret key (mode {mode:04o}); run chmod 600", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file is too large.
    #[error("{}: larger than {MAX_FILE} bytes, the limit for key files", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A line is wrong.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The fault.
        problem: Problem,
    },
    /// A line is missing.
    #[error("{}: {missing}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The missing part.
        missing: &'static str,
    },
}

/// The fault of a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A key is malformed.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// A line of a secret file is neither of the two.
    #[error(
        "a secret key file has the lines `public KEY` and `secret KEY`; a .pub file holds no secret key"
    )]
    NotSecretFile,
    /// A secret file is given instead of a public one.
    #[error("this is a secret key file; use the .pub file beside it")]
    NotPublicFile,
    /// The key occurs twice.
    #[error("this key is listed twice")]
    Twice,
    /// The list is too long.
    #[error("more than {MAX_ALLOWED} keys")]
    TooMany,
    /// The name is too long.
    #[error("the name of a key has at most {MAX_NAME} bytes")]
    Name,
}

/// Returns the paths of the files that [`KeyPair::write`] writes for a path: the secret file and the public one.
pub fn written(path: &Path) -> (PathBuf, PathBuf) {
    let with = |extension: &str| {
        let mut path = path.as_os_str().to_owned();
        path.push(extension);
        PathBuf::from(path)
    };
    (with(".secret"), with(".pub"))
}

impl KeyPair {
    /// Reads a secret key file, which only its owner may read.
    ///
    /// # Errors
    /// Fails if it cannot be read, other users can read it, or a line is wrong.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let pair = Self::parse(path, &read(path)?)?;
        let mode = fs::metadata(path).map_err(io_error(path))?.permissions().mode() & 0o7777;
        match mode & OTHERS {
            0 => Ok(pair),
            _ => Err(KeyFileError::Open { path: path.into(), mode }),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, KeyFileError> {
        let (mut public, mut secret) = (None, None);
        for (number, line) in lines(text) {
            let wrong = |problem| KeyFileError::Line { path: path.into(), line: number, problem };
            match line.split_once(char::is_whitespace) {
                Some(("public", key)) => {
                    public = Some(key.trim().parse().map_err(Problem::from).map_err(wrong)?);
                }
                Some(("secret", key)) => {
                    let key = z85::decode(key.trim()).ok_or_else(|| wrong(InvalidKey.into()))?;
                    secret = Some(SecretKey(key));
                }
                _ => return Err(wrong(Problem::NotSecretFile)),
            }
        }
        let missing = |missing| KeyFileError::Missing { path: path.into(), missing };
        Ok(Self {
            public: public.ok_or_else(|| missing("the line `public KEY` is missing"))?,
            secret: secret.ok_or_else(|| missing("the line `secret KEY` is missing"))?,
        })
    }

    /// Writes `PATH.secret`, which only its owner can read, and `PATH.pub`. The last part of the path names the key.
    ///
    /// # Errors
    /// Fails if one of them exists or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), KeyFileError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (secret_path, public_path) = written(path);
        let public = format!("{} {name}\n", self.public);
        let secret = format!(
            "# Secret key of {name:?} for Fanlight's bus. Keep it on one machine, readable by its user alone.\n\
             public {}\nsecret {}\n",
            self.public,
            z85::encode(&self.secret.0),
        );
        create(&public_path, 0o644, &public)?;
        create(&secret_path, 0o600, &secret).inspect_err(|_| {
            // Half a pair is useless, and would prevent the next attempt.
            let _ = fs::remove_file(&public_path);
        })
    }
}

impl PublicKey {
    /// Reads a public key file: one line, `KEY NAME`.
    ///
    /// # Errors
    /// Fails if it cannot be read, a line is wrong, or it contains no key or several.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let keys = AllowedKeys::read(path)?;
        let mut keys = keys.0.into_keys();
        match (keys.next(), keys.next()) {
            (Some(key), None) => Ok(key),
            _ => Err(KeyFileError::Missing {
                path: path.into(),
                missing: "exactly one line `KEY NAME` is needed",
            }),
        }
    }
}

impl AllowedKeys {
    /// Reads a list of public keys, one line `KEY NAME` per key, at most [`MAX_ALLOWED`].
    ///
    /// # Errors
    /// Fails if it cannot be read, a line is wrong, or it contains no key.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        Self::parse(path, &read(path)?)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, KeyFileError> {
        let mut allowed = Self::default();
        for (number, line) in lines(text) {
            let added = allowed.add(line);
            added.map_err(|problem| KeyFileError::Line {
                path: path.into(),
                line: number,
                problem,
            })?;
        }
        match allowed.is_empty() {
            true => Err(KeyFileError::Missing {
                path: path.into(),
                missing: "no line `KEY NAME` in it",
            }),
            false => Ok(allowed),
        }
    }

    fn add(&mut self, line: &str) -> Result<(), Problem> {
        let (key, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if ["public", "secret"].contains(&key) {
            return Err(Problem::NotPublicFile);
        }
        let key: PublicKey = key.parse()?;
        let name = name.trim();
        match () {
            () if name.len() > MAX_NAME => Err(Problem::Name),
            () if self.0.len() == MAX_ALLOWED => Err(Problem::TooMany),
            () if self.0.insert(key, name.to_owned()).is_some() => Err(Problem::Twice),
            () => Ok(()),
        }
    }
}

/// Returns the lines of a key file that are not comments, with their numbers from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn read(path: &Path) -> Result<String, KeyFileError> {
    let file = fs::File::open(path).map_err(io_error(path))?;
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(io_error(path))?;
    match text.len() as u64 > MAX_FILE {
        true => Err(KeyFileError::TooLarge { path: path.into() }),
        false => Ok(text),
    }
}

/// Creates a new file. Fails if it exists, so that no key is overwritten.
fn create(path: &Path, mode: u32, text: &str) -> Result<(), KeyFileError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(io_error(path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io_error(path))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> KeyFileError {
    move |source| KeyFileError::Io { path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str) -> Result<AllowedKeys, KeyFileError> {
        AllowedKeys::parse(Path::new("relays"), text)
    }

    fn pair() -> KeyPair {
        KeyPair::generate().unwrap()
    }

    #[test]
    fn a_written_pair_can_be_read_and_its_secret_only_by_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hall.v2");
        let pair = pair();
        pair.write(&path).unwrap();
        let (secret, public) = written(&path);
        assert!(secret.ends_with("hall.v2.secret") && public.ends_with("hall.v2.pub"));
        assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(KeyPair::read(&secret).unwrap(), pair);
        assert_eq!(PublicKey::read(&public).unwrap(), pair.public);
        assert_eq!(AllowedKeys::read(&public).unwrap().name_of(&pair.public), Some("hall.v2"));
        assert!(!fs::read_to_string(&public).unwrap().contains("secret"));
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hall");
        let first = pair();
        first.write(&path).unwrap();
        let refused = pair().write(&path).unwrap_err().to_string();
        assert!(refused.contains("hall.pub") && refused.contains("exists"), "{refused}");
        assert_eq!(KeyPair::read(&written(&path).0).unwrap(), first);
        fs::remove_file(written(&path).1).unwrap();
        let refused = pair().write(&path).unwrap_err().to_string();
        assert!(refused.contains("hall.secret"), "{refused}");
        assert!(!written(&path).1.exists(), "half a pair must not remain");
    }

    #[test]
    fn a_secret_that_other_users_can_read_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hall");
        pair().write(&path).unwrap();
        let (secret, _) = written(&path);
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = KeyPair::read(&secret).unwrap_err().to_string();
        assert!(refused.contains("0640") && refused.contains("chmod 600"), "{refused}");
    }

    #[test]
    fn an_error_names_the_file_and_line_without_its_text() {
        let (one, two) = (pair().public, pair().public);
        for (text, line, rule) in [
            (format!("# relays\n\n{one} hall\nhunter2\n"), ":4:", "40 characters"),
            (format!("{one} hall\n{two}\n{one} again\n"), ":3:", "twice"),
            (format!("public {one}\n"), ":1:", ".pub file"),
            (format!("{one} {}\n", "x".repeat(201)), ":1:", "200 bytes"),
        ] {
            let error = allowed(&text).unwrap_err().to_string();
            assert!(error.starts_with("relays") && error.contains(line), "{error}");
            assert!(error.contains(rule) && !error.contains("hunter2"), "{error}");
        }
        let parse = |text: &str| KeyPair::parse(Path::new("hall.secret"), text);
        for (text, words) in [
            ("secret hunter2", "hall.secret:1: not a key"),
            ("hunter2", "hall.secret:1: a secret key file has"),
            (&format!("public {one}"), "`secret KEY` is missing"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_list_holds_at_most_1024_keys_and_at_least_one() {
        let line = |number: usize| {
            let mut key = [7; z85::KEY_LENGTH];
            key[..8].copy_from_slice(&number.to_be_bytes());
            format!("{} relay {number}\n", PublicKey(key))
        };
        let text: String = (0..MAX_ALLOWED).map(line).collect();
        assert_eq!(allowed(&text).unwrap().len(), MAX_ALLOWED);
        let error = allowed(&(text + &line(MAX_ALLOWED))).unwrap_err().to_string();
        assert!(error.contains(":1025:") && error.contains("1024"), "{error}");
        assert!(allowed("# none\n").unwrap_err().to_string().contains("no line"));
    }

    #[test]
    fn no_key_can_be_mistaken_for_a_comment() {
        let largest = PublicKey([0xff; z85::KEY_LENGTH]).to_string();
        assert!(
            largest.starts_with('%'),
            "the first digit of a word is at most that of 2^32 - 1: {largest}"
        );
    }
}
