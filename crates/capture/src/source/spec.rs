//! What a user may write as SOURCE.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use fanlight_cli::secret::{ExpandError, expand, mask_url};

use super::address::{Address, InvalidAddress};
use super::exec::{CommandLine, InvalidCommand};
use super::mode::{InvalidMode, Mode};
use super::webcam::Asked;
use super::webcam::selector::Selector;

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
    Url(Address),
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
    /// Not a URL of a source.
    #[error(transparent)]
    Url(#[from] InvalidAddress),
    /// A URL without its scheme, or with half of its `://`. Nothing of it is shown.
    #[error(
        "this looks like a URL without its scheme or its \"://\": write rtsp://HOST/PATH or http://HOST/PATH, with user and \
         password before the host; a file with such a name can be given as ./NAME"
    )]
    HalfUrl,
    /// A variable that cannot be replaced.
    #[error(transparent)]
    Variable(#[from] ExpandError),
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

impl SourceSpec {
    /// Reads a source in which `${NAME}` stands for a variable; in a command it is left to the shell. In a URL the value is
    /// encoded for its place. Where the scheme itself comes from a variable, and in all other sources, it is taken as it is.
    ///
    /// # Errors
    /// Fails if it is no source, or a variable is missing.
    pub fn with_variables(
        text: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidSource> {
        if is_command(text) {
            return text.parse();
        }
        if is_url(text) {
            return Ok(Self::Url(Address::with_variables(text, lookup)?));
        }
        expand(text, lookup)?.parse()
    }
}

impl FromStr for SourceSpec {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        match text {
            "" => Err(InvalidSource::Empty),
            "test" => Ok(Self::Test(Mode::default())),
            _ if let Some(command) = text.strip_prefix(EXEC) => Ok(Self::Exec(command.parse()?)),
            _ if text.contains("://") => Ok(Self::Url(Address::literal(text)?)),
            _ if is_half_a_url(text) => Err(InvalidSource::HalfUrl),
            _ if let Some(mode) = text.strip_prefix("test:") => Ok(Self::Test(mode.parse()?)),
            _ if is_webcam(text) => webcam(text),
            _ => file(text),
        }
    }
}

/// Whether a source is written as a URL: its scheme is not left to a variable.
pub fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains("${"))
}

/// Whether a source is a command, in which a shell replaces variables and white space and `=` mean nothing to us.
pub fn is_command(text: &str) -> bool {
    text.starts_with(EXEC)
}

/// Whether a text is most of a URL: it begins with a scheme that a source has, or holds `USER:PASSWORD@`, where no size and
/// rate explains the `@`.
pub fn is_half_a_url(text: &str) -> bool {
    let schemed = ["rtsp:", "rtsps:", "http:", "https:"].iter().any(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let user = text.rsplit_once('@').map_or("", |(user, _)| user);
    let mode = text.rsplit_once(':').is_some_and(|(_, mode)| begins_with_size(mode));
    let path = text.starts_with(['/', '.']);
    schemed || !path && !mode && user.contains(':')
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
        (Some(usb), _) => Selector::of_usb(usb).ok_or(InvalidSource::Usb)?,
        (None, Ok(number)) => Selector::Path(format!("/dev/video{number}").into()),
        (None, Err(_)) => Selector::Path(device.into()),
    };
    Ok(SourceSpec::Webcam(Asked::plain(which, mode)))
}

/// Whether what follows a colon is meant as a mode.
pub(super) fn looks_like_size(text: &str) -> bool {
    begins_with_size(text) || text.contains('@')
}

fn begins_with_size(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && text[digits..].starts_with('x')
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
            Self::File { path, .. } => f.write_str(&mask_url(&path.to_string_lossy())),
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
            let which = Selector::Path(device.into());
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
            let which = Selector::of_usb(usb).unwrap();
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
    fn a_file_may_be_named_like_half_a_url_when_its_path_is_written() {
        let path = "./u:p@host.mp4";
        assert_eq!(parse(path), SourceSpec::File { path: path.into(), looped: true });
        assert!(!parse(path).to_string().contains("u:p"));
        assert!(matches!(parse("2026@home.mp4"), SourceSpec::File { .. }));
    }

    #[test]
    fn the_value_of_a_variable_fills_its_place_in_a_url_and_is_taken_as_it_is_elsewhere() {
        let env = |name: &str| match name {
            "PW" => Some("p@ss/w#rd".to_owned()),
            "URL" => Some("rtsp://u:hunter2@cam/live".to_owned()),
            "FOLDER" => Some("/srv/clips".to_owned()),
            _ => None,
        };
        let with = |text: &str| SourceSpec::with_variables(text, env);
        let Ok(SourceSpec::Url(url)) = with("rtsp://u:${PW}@cam/live") else { panic!("a URL") };
        assert_eq!(url.expose(), "rtsp://u:p%40ss%2Fw%23rd@cam/live");
        let Ok(SourceSpec::Url(url)) = with("${URL}") else { panic!("a URL") };
        assert_eq!(url.expose(), "rtsp://u:hunter2@cam/live");
        assert_eq!(with("${FOLDER}/a.mp4").unwrap().to_string(), "/srv/clips/a.mp4");
        assert_eq!(with("exec:cat ${PW}").unwrap().to_string(), "exec:cat ${PW}");
        assert!(with("${MISSING}").unwrap_err().to_string().contains("MISSING is not set"));
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
        assert!(refused("rtsp://").contains("no valid host"));
        for bad in [
            "ftp://u:hunter2@host/a",
            "rtsp://u:hunter2@host:99999/a",
            "u:hunter2://@host/a",
            "rtsp:/u:hunter2@host/a",
            "rtsp:u:hunter2@host/a",
            "u:hunter2@host/a",
            "1234:hunter2@host/a",
            "test:hunter2@host/a",
            "/dev/video0:hunter2@host",
        ] {
            assert!(!refused(bad).contains("hunter2"), "{bad}: {}", refused(bad));
        }
    }
}
