//! What a user may write as SOURCE.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use fanlight_program::secret::{Masked, mask_url};

use super::exec::{CommandLine, InvalidCommand};
use super::mode::{InvalidMode, Mode};
use super::webcam::Asked;
use super::webcam::which::Which;

/// A source as the user named it. Prints without user and password.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceSpec {
    /// `test[:WxH@FPS]`: a picture this program makes itself.
    Test(Mode),
    /// `/dev/video0[:WxH@FPS]`, or only its number, or `usb:` and what it is.
    Webcam(Asked),
    /// A path: a video on this machine, played at its own pace.
    File {
        /// The file.
        path: PathBuf,
        /// Whether it begins again at its end.
        looped: bool,
    },
    /// `rtsp://`, `http://` and the like.
    Url(Masked),
    /// `exec:COMMAND`: what a command writes. It does whatever this user may do: who takes sources from elsewhere than
    /// command line, environment and file must refuse it.
    Exec(CommandLine),
}

/// A text that is not a source, with the rule it breaks. Holds no user or password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSource {
    /// Nothing at all.
    #[error("a source is missing: write /dev/video0, a file, rtsp://…, http://…, exec:… or test")]
    Empty,
    /// A kind of URL that cannot be read.
    #[error(
        "{0}:// cannot be read: rtsp://, rtsps://, http:// and https:// can, and a file by its path"
    )]
    Scheme(String),
    /// Not a URL.
    #[error("{0:?} is not a URL: {1}")]
    Url(String, String),
    /// Not a command.
    #[error(transparent)]
    Command(#[from] InvalidCommand),
    /// `usb:` and nothing.
    #[error(
        "usb: and what? write usb:VID:PID, usb:VID:PID:SERIAL or usb:NAME, as --list-devices shows them"
    )]
    Usb,
    /// A bad size or rate.
    #[error(transparent)]
    Mode(#[from] InvalidMode),
    /// An option of a file that does not exist.
    #[error("{0:?}: after a file's name only ?loop=0 or ?loop=1 can follow")]
    FileOption(String),
}

/// What a command begins with.
const EXEC: &str = "exec:";

const SCHEMES: [&str; 4] = ["rtsp", "rtsps", "http", "https"];

impl SourceSpec {
    /// The size and rate that it is asked for, where that can be asked.
    pub fn mode_mut(&mut self) -> Option<&mut Mode> {
        match self {
            Self::Test(mode) => Some(mode),
            Self::Webcam(asked) => Some(&mut asked.mode),
            Self::File { .. } | Self::Url(_) | Self::Exec(_) => None,
        }
    }
}

impl FromStr for SourceSpec {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        match text {
            "" => Err(InvalidSource::Empty),
            "test" => Ok(Self::Test(Mode::default())),
            _ if let Some(command) = text.strip_prefix(EXEC) => Ok(Self::Exec(command.parse()?)),
            _ if text.contains("://") => url(text),
            _ if let Some(mode) = text.strip_prefix("test:") => Ok(Self::Test(mode.parse()?)),
            _ if is_webcam(text) => webcam(text),
            _ => file(text),
        }
    }
}

/// Whether a source is a command, in which a shell replaces variables and white space and `=` mean nothing to us.
pub fn is_command(text: &str) -> bool {
    text.starts_with(EXEC)
}

fn url(text: &str) -> Result<SourceSpec, InvalidSource> {
    let scheme = text.split("://").next().unwrap_or_default().to_ascii_lowercase();
    if !SCHEMES.contains(&scheme.as_str()) {
        return Err(InvalidSource::Scheme(quoted(&scheme)));
    }
    let invalid = |why: &str| InvalidSource::Url(quoted(text), why.into());
    let url = url::Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
    match url.host() {
        Some(_) => Ok(SourceSpec::Url(text.into())),
        None => Err(invalid("its host is missing")),
    }
}

/// A number, `usb:`, or anything below `/dev`, where videos to be played do not lie.
fn is_webcam(text: &str) -> bool {
    let name = text.split(':').next().unwrap_or_default();
    text.starts_with("/dev/")
        || text.starts_with("usb:")
        || !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit())
}

fn webcam(text: &str) -> Result<SourceSpec, InvalidSource> {
    let (device, mode) = match text.rsplit_once(':') {
        // Names in /dev/v4l/by-path hold colons as well.
        Some((device, mode)) if looks_like_size(mode) => (device, mode.parse()?),
        _ => (text, Mode::default()),
    };
    let which = match (device.strip_prefix("usb:"), device.parse::<u32>()) {
        (Some(usb), _) => Which::of_usb(usb).ok_or(InvalidSource::Usb)?,
        (None, Ok(number)) => Which::Path(format!("/dev/video{number}").into()),
        (None, Err(_)) => Which::Path(device.into()),
    };
    Ok(SourceSpec::Webcam(Asked::plain(which, mode)))
}

/// Whether what follows a colon is meant as a mode.
pub(super) fn looks_like_size(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &text[digits..];
    rest.starts_with('x') && digits > 0 || text.contains('@')
}

fn file(text: &str) -> Result<SourceSpec, InvalidSource> {
    let (path, looped) = match text.rsplit_once('?') {
        Some((path, "loop=0")) => (path, false),
        Some((path, "loop=1")) => (path, true),
        Some((_, option)) if option.contains('=') => {
            return Err(InvalidSource::FileOption(quoted(text)));
        }
        _ => (text, true),
    };
    if path.is_empty() {
        return Err(InvalidSource::Empty);
    }
    Ok(SourceSpec::File { path: path.into(), looped })
}

fn quoted(text: &str) -> String {
    mask_url(text).chars().take(80).collect()
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test(mode) => write!(f, "test:{mode}"),
            Self::Webcam(asked) => write!(f, "{}", asked.which),
            Self::File { path, .. } => write!(f, "{}", path.display()),
            Self::Url(url) => write!(f, "{url}"),
            Self::Exec(command) => write!(f, "{EXEC}{command}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> SourceSpec {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refused(text: &str) -> String {
        text.parse::<SourceSpec>().expect_err(text).to_string()
    }

    #[test]
    fn the_test_picture_has_a_mode() {
        assert_eq!(parse("test"), SourceSpec::Test(Mode::default()));
        assert_eq!(parse("test:640x360@15").to_string(), "test:640x360@15");
        assert!(refused("test:640").contains("WIDTHxHEIGHT@FPS"));
    }

    #[test]
    fn a_webcam_is_a_number_or_a_device() {
        let webcam = |device: &str, mode: &str| {
            let which = Which::Path(device.into());
            SourceSpec::Webcam(Asked::plain(which, mode.parse().unwrap()))
        };
        assert_eq!(parse("0"), webcam("/dev/video0", "1280x720@30"));
        assert_eq!(parse("/dev/video2"), webcam("/dev/video2", "1280x720@30"));
        assert_eq!(parse("2:640x480@15"), webcam("/dev/video2", "640x480@15"));
        let by_path = "/dev/v4l/by-path/pci-0000:00:14.0-usb-0:1:1.0-video-index0";
        assert_eq!(parse(by_path), webcam(by_path, "1280x720@30"));
        assert_eq!(parse(&format!("{by_path}:64x64@5")), webcam(by_path, "64x64@5"));
        assert!(refused("/dev/video0:640x@30").contains("WIDTHxHEIGHT@FPS"));
    }

    #[test]
    fn a_webcam_is_also_what_it_is_on_the_usb() {
        let webcam = |usb: &str, mode: &str| {
            let which = Which::of_usb(usb).unwrap();
            SourceSpec::Webcam(Asked::plain(which, mode.parse().unwrap()))
        };
        assert_eq!(parse("usb:046d:0825"), webcam("046d:0825", "1280x720@30"));
        assert_eq!(parse("usb:046d:0825:A1:640x480@15"), webcam("046d:0825:A1", "640x480@15"));
        assert_eq!(parse("usb:HD Webcam:640x480").to_string(), "usb:HD Webcam");
        assert!(refused("usb:").contains("usb:VID:PID"));
        assert!(refused("usb::640x480").contains("usb:VID:PID"));
    }

    #[test]
    fn a_path_is_a_file_and_loops_unless_told() {
        let file = |path: &str, looped| SourceSpec::File { path: path.into(), looped };
        assert_eq!(parse("clips/a.mp4"), file("clips/a.mp4", true));
        assert_eq!(parse("a.mp4?loop=0"), file("a.mp4", false));
        assert_eq!(parse("what?.mp4"), file("what?.mp4", true));
        assert!(refused("a.mp4?lop=0").contains("?loop=0"));
    }

    #[test]
    fn a_url_prints_without_its_password() {
        let url = parse("rtsp://admin:hunter2@10.0.0.7/live");
        assert_eq!(url.to_string(), "rtsp://***:***@10.0.0.7/live");
        assert!(!format!("{url:?}").contains("hunter2"));
    }

    #[test]
    fn a_command_is_taken_as_it_is_and_prints_without_a_password() {
        let command = "ffmpeg -i rtsp://u:hunter2@cam/ -f mjpeg - | cat";
        let exec = parse(&format!("exec: {command}"));
        assert_eq!(exec, SourceSpec::Exec(command.parse().unwrap()));
        assert_eq!(exec.to_string(), "exec:ffmpeg -i rtsp://***:***@cam/ -f mjpeg - | cat");
        assert!(refused("exec: ").contains("missing"));
    }

    #[test]
    fn what_is_no_source_is_refused_with_the_rule_and_without_the_password() {
        assert!(refused("").contains("missing"));
        assert!(refused("ftp://u:hunter2@host/a").starts_with("ftp:// cannot be read"));
        assert!(refused("rtsp://").contains("not a URL"));
        for bad in ["ftp://u:hunter2@host/a", "rtsp://u:hunter2@host:99999/a"] {
            assert!(!refused(bad).contains("hunter2"), "{bad}");
        }
    }
}
