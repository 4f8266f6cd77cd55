//! The syntax of SOURCE: how users write a source.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;

use fanlight_cli::secret::{ExpandError, expand, mask_url};

use super::address::{Address, InvalidAddress};
use super::exec::{CommandLine, InvalidCommand};
use super::mode::{InvalidMode, Mode, looks_like_mode, starts_with_size};
use super::url::UrlRequest;
use super::webcam::request::WebcamRequest;
use super::webcam::selector::Selector;

/// A source as the user wrote it. Prints without user and password.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceSpec {
    /// `test[:WxH@FPS]`: the test picture.
    Test(Mode),
    /// `/dev/video0[:WxH@FPS]`, only its number, or `usb:` and the camera's USB identity.
    Webcam(WebcamRequest),
    /// A path: a video file, played at its own pace.
    File {
        /// The path of the file.
        path: PathBuf,
        /// True to restart it at its end.
        looped: bool,
    },
    /// A URL: `rtsp://`, `rtsps://`, `http://` or `https://`.
    Url(UrlRequest),
    /// `exec:COMMAND`: the output of a command. It runs with this user's rights: code that accepts sources from
    /// anywhere but the command line, the environment and the configuration file must refuse it.
    Exec(CommandLine),
}

/// A text that is not a source, with the rule it breaks. Contains no user or password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSource {
    /// The text is empty.
    #[error("a source is missing: write /dev/video0, a file, rtsp://…, http://…, exec:… or test")]
    Empty,
    /// An invalid URL.
    #[error(transparent)]
    Url(#[from] InvalidAddress),
    /// A URL without its scheme, or with an incomplete `://`. None of it is shown.
    #[error(
        "this looks like a URL without its scheme or its \"://\": write rtsp://HOST/PATH or http://HOST/PATH, with user and \
         password before the host, or ./NAME for a file with such a name"
    )]
    HalfUrl,
    /// A variable that cannot be expanded.
    #[error(transparent)]
    Variable(#[from] ExpandError),
    /// An invalid command.
    #[error(transparent)]
    Command(#[from] InvalidCommand),
    /// `usb:` without an identity.
    #[error(
        "usb: names no camera: write usb:VID:PID, usb:VID:PID:SERIAL or usb:NAME, as --list-devices shows them"
    )]
    Usb,
    /// An invalid size or frame rate.
    #[error(transparent)]
    Mode(#[from] InvalidMode),
    /// An unknown option of a file.
    #[error("{0:?}: unknown option of a file: write ?loop=0 or ?loop=1")]
    FileOption(String),
}

/// The prefix of a command.
const EXEC: &str = "exec:";

impl SourceSpec {
    /// Returns the requested size and frame rate, if the source has them.
    pub fn mode_mut(&mut self) -> Option<&mut Mode> {
        match self {
            Self::Test(mode) => Some(mode),
            Self::Webcam(request) => Some(&mut request.mode),
            Self::File { .. } | Self::Url(_) | Self::Exec(_) => None,
        }
    }

    /// Parses a source in which `${NAME}` stands for an environment variable.
    ///
    /// In a URL, the value is encoded for its position. If the scheme itself comes from a variable, and in all other
    /// sources, the value is inserted unchanged. In a command, the shell expands variables.
    ///
    /// # Errors
    /// Fails if it is not a source, or a variable is missing.
    pub fn with_variables(
        text: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidSource> {
        if is_command(text) {
            return text.parse();
        }
        if is_url(text) {
            return Ok(Self::Url(Address::with_variables(text, lookup)?.into()));
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
            _ if text.contains("://") => Ok(Self::Url(Address::literal(text)?.into())),
            _ if is_half_a_url(text) => Err(InvalidSource::HalfUrl),
            _ if let Some(mode) = text.strip_prefix("test:") => Ok(Self::Test(mode.parse()?)),
            _ if is_webcam(text) => webcam(text),
            _ => file(text),
        }
    }
}

/// Returns whether a source is written as a URL, with a scheme that is not a variable.
pub fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains("${"))
}

/// Returns whether a source is a command. Its variables, white space and `=` are left to the shell.
pub fn is_command(text: &str) -> bool {
    text.starts_with(EXEC)
}

/// Returns whether a text looks like an incomplete URL: it starts with a URL scheme or a host, or contains `USER:PASSWORD@` that
/// is not a size and frame rate.
pub fn is_half_a_url(text: &str) -> bool {
    let has_scheme = ["rtsp:", "rtsps:", "http:", "https:"].iter().any(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let user = text.rsplit_once('@').map_or("", |(user, _)| user);
    let mode = text.rsplit_once(':').is_some_and(|(_, mode)| starts_with_size(mode));
    let path = text.starts_with(['/', '.']);
    has_scheme || !path && !mode && (user.contains(':') || starts_with_host(text))
}

/// Returns whether a text starts with an IPv4 address, or with a host and a port, before a path: `192.168.1.21/live`,
/// `cam:554/live`.
fn starts_with_host(text: &str) -> bool {
    let Some((start, _)) = text.split_once('/') else { return false };
    let (host, port) = start.split_once(':').unwrap_or((start, "0"));
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_port && (start.contains(':') || host.parse::<Ipv4Addr>().is_ok())
}

/// Returns whether a source is a webcam: a number, `usb:`, or a path below `/dev`, which contains no video files.
fn is_webcam(text: &str) -> bool {
    let name = text.split(':').next().unwrap_or_default();
    text.starts_with("/dev/")
        || text.starts_with("usb:")
        || !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit())
}

fn webcam(text: &str) -> Result<SourceSpec, InvalidSource> {
    let (device, mode) = match text.rsplit_once(':') {
        // Names in /dev/v4l/by-path contain colons too.
        Some((device, mode)) if looks_like_mode(mode) => (device, mode.parse()?),
        _ => (text, Mode::default()),
    };
    let selector = match (device.strip_prefix("usb:"), device.parse::<u32>()) {
        (Some(usb), _) => Selector::from_usb(usb).ok_or(InvalidSource::Usb)?,
        (None, Ok(number)) => Selector::Path(format!("/dev/video{number}").into()),
        (None, Err(_)) => Selector::Path(device.into()),
    };
    Ok(SourceSpec::Webcam(WebcamRequest::new(selector, mode)))
}

fn file(text: &str) -> Result<SourceSpec, InvalidSource> {
    let (path, looped) = match text.rsplit_once('?') {
        Some((path, "loop=0")) => (path, false),
        Some((path, "loop=1")) => (path, true),
        Some((_, option)) if option.contains('=') => {
            return Err(InvalidSource::FileOption(printable(text)));
        }
        _ => (text, true),
    };
    if path.is_empty() {
        return Err(InvalidSource::Empty);
    }
    Ok(SourceSpec::File { path: path.into(), looped })
}

fn printable(text: &str) -> String {
    mask_url(text).chars().take(80).collect()
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test(mode) => write!(f, "test:{mode}"),
            Self::Webcam(request) => write!(f, "{}", request.selector),
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
            let selector = Selector::Path(device.into());
            SourceSpec::Webcam(WebcamRequest::new(selector, mode.parse().unwrap()))
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
    fn a_webcam_is_also_its_usb_identity() {
        let webcam = |usb: &str, mode: &str| {
            let selector = Selector::from_usb(usb).unwrap();
            SourceSpec::Webcam(WebcamRequest::new(selector, mode.parse().unwrap()))
        };
        assert_eq!(parse("usb:046d:0825"), webcam("046d:0825", "1280x720@30"));
        assert_eq!(parse("usb:046d:0825:A1:640x480@15"), webcam("046d:0825:A1", "640x480@15"));
        assert_eq!(parse("usb:HD Webcam:640x480").to_string(), "usb:HD Webcam");
        assert!(refused("usb:").contains("usb:VID:PID"));
        assert!(refused("usb::640x480").contains("usb:VID:PID"));
    }

    #[test]
    fn a_path_is_a_file_and_loops_by_default() {
        let file = |path: &str, looped| SourceSpec::File { path: path.into(), looped };
        assert_eq!(parse("clips/a.mp4"), file("clips/a.mp4", true));
        assert_eq!(parse("a.mp4?loop=0"), file("a.mp4", false));
        assert_eq!(parse("what?.mp4"), file("what?.mp4", true));
        assert!(refused("a.mp4?lop=0").contains("?loop=0"));
    }

    #[test]
    fn a_file_named_like_an_incomplete_url_is_accepted_with_a_path() {
        let path = "./u:p@host.mp4";
        assert_eq!(parse(path), SourceSpec::File { path: path.into(), looped: true });
        assert!(!parse(path).to_string().contains("u:p"));
        assert!(matches!(parse("2026@home.mp4"), SourceSpec::File { .. }));
    }

    #[test]
    fn a_variable_is_encoded_in_a_url_and_inserted_unchanged_elsewhere() {
        let env = |name: &str| match name {
            "PW" => Some("p@ss/w#rd".to_owned()),
            "URL" => Some("rtsp://u:hunter2@cam/live".to_owned()),
            "FOLDER" => Some("/srv/clips".to_owned()),
            _ => None,
        };
        let with = |text: &str| SourceSpec::with_variables(text, env);
        let Ok(SourceSpec::Url(url)) = with("rtsp://u:${PW}@cam/live") else { panic!("a URL") };
        assert_eq!(url.address.expose(), "rtsp://u:p%40ss%2Fw%23rd@cam/live");
        let Ok(SourceSpec::Url(url)) = with("${URL}") else { panic!("a URL") };
        assert_eq!(url.address.expose(), "rtsp://u:hunter2@cam/live");
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
    fn a_command_is_kept_unchanged_and_prints_without_a_password() {
        let command = "ffmpeg -i rtsp://u:hunter2@cam/ -f mjpeg - | cat";
        let exec = parse(&format!("exec: {command}"));
        assert_eq!(exec, SourceSpec::Exec(command.parse().unwrap()));
        assert_eq!(exec.to_string(), "exec:ffmpeg -i rtsp://***:***@cam/ -f mjpeg - | cat");
        assert!(refused("exec: ").contains("missing"));
    }

    #[test]
    fn an_invalid_source_is_refused_with_the_rule_and_without_the_password() {
        assert!(refused("").contains("missing"));
        assert!(refused("ftp://u:hunter2@host/a").starts_with("unsupported scheme ftp://"));
        assert!(refused("rtsp://").contains("no valid host"));
        for bad in [
            "ftp://u:hunter2@host/a",
            "rtsp://u:hunter2@host:99999/a",
            "u:hunter2://@host/a",
            "rtsp:/u:hunter2@host/a",
            "rtsp:u:hunter2@host/a",
            "u:hunter2@host/a",
            "192.168.1.21/live",
            "192.168.1.21:554/live",
            "cam:554/live",
            "1234:hunter2@host/a",
            "test:hunter2@host/a",
            "/dev/video0:hunter2@host",
        ] {
            assert!(!refused(bad).contains("hunter2"), "{bad}: {}", refused(bad));
        }
    }
}
