//! A command as the user wrote it. Prints without secrets, as far as they can be recognized.

use std::fmt;

use fanlight_cli::secret::mask_url;

/// The longest command, in bytes. A longer one belongs in a script.
const MAX_BYTES: usize = 4096;
/// Printed instead of a secret.
const MASK: &str = "***";
/// Flags that precede a user and password, or a password, though their names do not say so: those of curl, wget and
/// sshpass.
const SECRET_FLAGS: [&str; 2] = ["-u", "-p"];
/// The ends of names of secret HTTP headers. Their value ends with the quotation.
const HEADERS: [&str; 6] = ["authorization:", "cookie:", "token:", "-key:", "apikey:", "password:"];
/// The program that takes a password directly after `-p`.
const SSHPASS: &str = "sshpass";

/// A command for a shell.
#[derive(Clone, PartialEq)]
pub struct CommandLine(String);

/// A text that is not a valid command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommand {
    /// The text is empty.
    #[error("exec: a command is missing: write one that outputs MJPEG or H.264 on stdout")]
    Empty,
    /// The text is longer than [`MAX_BYTES`].
    #[error("exec: a command of {0} bytes is above the limit of {MAX_BYTES}: put it into a script")]
    TooLong(usize),
    /// The text contains a zero byte, which no argument of a program can.
    #[error("exec: a command cannot contain a zero byte")]
    Zero,
}

impl CommandLine {
    /// Returns the command with its secrets; not for logs, errors, the catalog or the API.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for CommandLine {
    type Err = InvalidCommand;

    fn from_str(text: &str) -> Result<Self, InvalidCommand> {
        match text.trim() {
            "" => Err(InvalidCommand::Empty),
            text if text.len() > MAX_BYTES => Err(InvalidCommand::TooLong(text.len())),
            text if text.contains('\0') => Err(InvalidCommand::Zero),
            text => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_url(&mask_flags(&mask_headers(&self.0))))
    }
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandLine({self})")
    }
}

/// Masks the word after each flag that announces a secret.
fn mask_flags(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let (mut secret, mut sshpass) = (false, false);
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let space = &word[bare.len()..];
        if bare.is_empty() {
            masked += word;
        } else if std::mem::take(&mut secret) {
            masked = masked + MASK + space;
        } else if holds_secret(bare, std::mem::take(&mut sshpass)) {
            masked = masked + &bare[..2] + MASK + space;
        } else {
            secret = announces_secret(bare);
            sshpass = bare.rsplit('/').next() == Some(SSHPASS);
            masked += word;
        }
    }
    masked
}

/// Returns whether a one-letter flag is directly followed by a secret: `-uUSER:PASSWORD` of curl and `-pPASSWORD` of
/// sshpass.
fn holds_secret(word: &str, of_sshpass: bool) -> bool {
    let of_curl = word.strip_prefix("-u").and_then(|user| user.find(':')).is_some_and(|at| at > 0);
    of_curl || of_sshpass && word.len() > 2 && word.starts_with("-p")
}

/// Returns whether a flag announces that the next word is secret. Values after a `=` are masked in any case.
fn announces_secret(word: &str) -> bool {
    let flag = word.starts_with('-') && !word.contains('=');
    flag && (SECRET_FLAGS.contains(&word) || mask_url(&format!("{word}=x")) != format!("{word}=x"))
}

fn mask_headers(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    let next = |from: usize| {
        let ends = HEADERS.iter().filter_map(|header| {
            lower[from..].find(header).map(|found| from + found + header.len())
        });
        ends.min()
    };
    while let Some(start) = next(from) {
        let end = text[start..].find(['"', '\'', '\n']).map_or(text.len(), |end| start + end);
        masked = masked + &text[from..start] + " " + MASK;
        from = end;
    }
    masked + &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<CommandLine>().unwrap().to_string()
    }

    #[test]
    fn recognizable_secrets_are_masked() {
        for (text, masked) in [
            (
                "ffmpeg -i rtsp://u:hunter2@cam/ -f mjpeg -",
                "ffmpeg -i rtsp://***:***@cam/ -f mjpeg -",
            ),
            ("curl -s -u admin:hunter2 http://cam/", "curl -s -u *** http://cam/"),
            ("get --password hunter2 --fps 5", "get --password *** --fps 5"),
            ("get --password=hunter2 --fps 5", "get --password=*** --fps 5"),
            ("curl -H 'Authorization: Basic aHVudGVyMg==' cam", "curl -H 'Authorization: ***' cam"),
            ("TOKEN=hunter2 get | cat", "TOKEN=*** get | cat"),
            ("curl -u  admin:hunter2 cam", "curl -u  *** cam"),
            ("curl -uadmin:hunter2 cam", "curl -u*** cam"),
            ("curl --proxy-user admin:hunter2 cam", "curl --proxy-user *** cam"),
            (
                "curl -H 'X-Api-Key: hunter2' -H \"Cookie: id=hunter2\" cam",
                "curl -H 'X-Api-Key: ***' -H \"Cookie: ***\" cam",
            ),
            ("/usr/bin/sshpass -phunter2 ssh cam", "/usr/bin/sshpass -p*** ssh cam"),
            ("CAM_PW=hunter2 rtspsrc user-pw=hunter2", "CAM_PW=*** rtspsrc user-pw=***"),
        ] {
            assert_eq!(shown(text), masked);
        }
    }

    #[test]
    fn a_command_without_secrets_is_printed_unchanged() {
        for text in [
            "rpicam-vid -t 0 --codec mjpeg -o -",
            "ffmpeg -pix_fmt yuv420p -b:v 2M -use_wallclock_as_timestamps 1",
            "ffmpeg -i \"${DOOR_URL}\" -f mjpeg - | tee a=b",
        ] {
            assert_eq!(shown(text), text);
            assert_eq!(
                format!("{:?}", text.parse::<CommandLine>().unwrap()),
                format!("CommandLine({text})")
            );
        }
    }

    #[test]
    fn an_invalid_command_is_refused_with_the_rule() {
        let refused = |text: &str| text.parse::<CommandLine>().unwrap_err().to_string();
        assert!(refused(" ").contains("missing"));
        assert!(refused("a\0b").contains("zero byte"));
        assert!(refused(&"x".repeat(5000)).contains("4096"));
    }
}
