//! What the user wrote, and what the program works with.

mod bus;
mod overrides;
mod stream;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use anyhow::{bail, ensure};
use fanlight_bus::{Endpoint, PublisherKeys};
use fanlight_cli::secret::Secret;
use fanlight_protocol::StreamName;
use fanlight_protocol::catalog::MAX_STREAMS;
use serde::Deserialize;

use crate::encode::h264::EncoderName;
use crate::pixels::orientation::Orientation;
use crate::rendition::RenditionSettings;
use crate::source::SourceSpec;
use crate::wall_clock::Zone;
use bus::BusOptions;
use overrides::StreamOverrides;
use stream::StreamInFile;

const SOURCES: &str = "\
Sources:
  /dev/video0, 0          a webcam; /dev/video0:640x480@15 asks it for another mode than 1280x720@30
  usb:046d:0825           a webcam by what it is on the USB: usb:VID:PID, usb:VID:PID:SERIAL, or usb:NAME, a part of
                          its name; --list-devices shows what to write
  clip.mp4                a video file, paced by its own time stamps, looped; clip.mp4?loop=0 ends
  rtsp://, rtsps://       a network camera, over TCP
  http://, https://       MJPEG, or any video that FFmpeg reads
  exec:COMMAND            MJPEG or H.264 (Annex B) from the stdout of a command, run by /bin/sh while somebody watches
  test, test:640x360@15   a picture made by this program
Behind a source, #KEY=VALUE says of its stream alone what a flag says of all: /dev/video0#rotate=180#quality=70
  (quality, encoder, rendition, reencode, keep-open, rotate, flip, drop-same, overlay); and of a webcam what to ask it for:
  #format=YUYV #size=640x480 #fps=15 #control.brightness=120. --list-devices shows what each offers
  Behind a URL or a command they come last, with values of letters, digits and .,-_%+= only: another # is the source's.
${NAME} in a source is replaced from the environment, so that a password need not be written here. (Of a command, by its
  shell. In FANLIGHT_STREAM a command comes last: all that follows belongs to it.) In a URL its value is plain text, which
  is percent-encoded for its place. Written in the URL itself, a user or password with / ? # needs %2F %3F %23 where more
  than one host is possible, and a path needs %40 for @ unless the host is an IP address.

Limits:
  the bus: 16 endpoints; from each relay 512 bytes a part, 128 asks a second (512 at once; an ask for the catalog counts as
    32), from all together 4096; 8192 subscriptions that match no stream; handshakes of 5 s; 1024 allowed keys
  128 streams; names of 1 to 64 of a-z, 0-9, '_' and '-', beginning with a letter or digit
  modes: sides from 16 to 8192 pixels, 0.1 to 240 frames per second
  renditions: 8 a stream, full among them; 64 controls of a camera
  one encoded picture: 16 MiB, and 65500 pixels a side (H.264: 8192)
  H.264: 4 Mbit/s at 1280x720, a third of it at a fourth of the pixels; a keyframe every 2 s, and one a second at most when
    asked for; a camera's own is passed on while its keyframes are no more than 4.5 s apart
  a URL: 4000 bytes, percent-encoded; user and password 1023 of them, for RTSP 127
  32 MiB from a host until its source is open or until the next frame, 16 MiB of headers; FFmpeg gets 256 MiB of memory at one
    time (RTSP and the segments of playlists are limited by that and by time alone)
  5 s to connect, 10 s to open; no picture for 2 s (or 5 frame intervals) is a stall
  MJPEG over HTTP and commands: a stall is 10 s until it is known how fast pictures come, 50 s at most
  a command: 4096 bytes, 20 s to its first byte, 400 bytes a line of its stderr in the log; when nobody watches any more it
    is asked to end (SIGTERM), and killed after 2 s, or after 0.5 s when the program ends
  a source that fails is tried again after 0.25 s, doubling to 5 s
  a driver that does not answer for 20 s (a URL: 60 s) is left alone, and another thread tries. After two of one source
    none does until one returns; after 5 minutes of that the program exits with code 1 if no other stream is well
  an encoder or decoder that makes no progress for 10 s is replaced, two of one track at most; 20 s when it is tried at the
    start. 8 threads stuck in sources, encoders and decoders end the program, with code 1
  a track whose encoder fails for 1 s leaves the catalog, and is tried again after 1 s, doubling to 30 s
  a source without a keyframe for a new decoder is opened again after 5 s, doubling to 160 s

In the file given by --config, streams are a table:
  [streams]
  cam = \"/dev/video0\"
  desk = { source = \"usb:046d:0825\", size = \"640x480\", controls = { brightness = 120 } }
  door = { source = \"rtsp://${DOOR_USER}:${DOOR_PASSWORD}@192.168.1.20/stream1\", quality = 70 }";

/// Reads cameras, files and URLs, encodes their frames as JPEG and H.264, and publishes them for relays.
#[derive(Debug, Default, clap::Parser, Deserialize)]
#[command(name = "fanlight-capture", version, after_help = SOURCES)]
#[serde(rename_all = "kebab-case", default)]
pub struct Options {
    /// A stream: its name and its source; repeatable. In the environment: separated by spaces
    #[arg(long, env = "FANLIGHT_STREAM", hide_env_values = true, value_name = "NAME=SOURCE")]
    stream: Vec<Secret>,

    /// The streams of the file; streams given by flag or environment replace them.
    #[arg(skip)]
    streams: BTreeMap<String, StreamInFile>,

    /// Where to publish, ipc:///PATH or tcp://HOST:PORT; repeatable. In the environment: separated by commas
    /// [default: an endpoint of its own in $XDG_RUNTIME_DIR/fanlight, where relays look]
    #[arg(long, env = "FANLIGHT_PUBLISH", value_delimiter = ',', value_name = "ENDPOINT")]
    publish: Vec<String>,

    /// This program's secret key, made by `fanlight keys new`: over tcp://, only relays that --bus-allow lists can connect,
    /// and everything is encrypted
    #[arg(long, env = "FANLIGHT_BUS_KEY", value_name = "FILE")]
    bus_key: Option<PathBuf>,

    /// The public keys of the relays that can connect over tcp://: a line `KEY NAME` for each, at most 1024
    #[arg(long, env = "FANLIGHT_BUS_ALLOW", value_name = "FILE")]
    bus_allow: Option<PathBuf>,

    /// Publish without keys at tcp:// addresses that other machines can reach: everyone there can watch, and can stop this
    /// program
    #[arg(long, env = "FANLIGHT_INSECURE_BUS", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_name = "BOOL")]
    insecure_bus: Option<bool>,

    /// The options of all streams, unless a stream has its own.
    #[command(flatten)]
    #[serde(flatten)]
    of_all: StreamOverrides,

    /// List the webcams of this machine with their modes and controls, and exit
    #[arg(long, num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_name = "BOOL")]
    #[serde(skip)]
    list_devices: Option<bool>,
}

impl fanlight_cli::Options for Options {
    const FLAGS_ONLY: &'static [&'static str] = &["list-devices"];
    const FILE_ONLY: &'static [&'static str] = &["streams"];
}

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// List the webcams.
    ListDevices,
    /// Capture.
    Capture(Settings),
}

/// What a capture works with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The streams, each name once.
    pub streams: Vec<StreamSettings>,
    /// Where to publish; empty: in the default folder.
    pub publish: Vec<Endpoint>,
    /// Keys for endpoints of TCP.
    pub bus_keys: Option<PublisherKeys>,
}

/// One stream.
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// Its name.
    pub name: StreamName,
    /// Where its pictures come from.
    pub source: SourceSpec,
    /// In which sizes it can be had, the full one first.
    pub renditions: Vec<RenditionSettings>,
    /// What encodes H.264; absent: nothing does, and they can be had as JPEG only.
    pub encoder: Option<EncoderName>,
    /// Encode anew also what came as JPEG.
    pub reencode: bool,
    /// Keep the source open while nobody watches.
    pub keep_open: bool,
    /// How its frames are rotated and mirrored.
    pub orientation: Orientation,
    /// So many pictures in a row that are the same as the one before are skipped; 0: none.
    pub drop_same: u32,
    /// Name and time are written into its pictures, the time in this zone.
    pub overlay: Option<Zone>,
}

impl TryFrom<Options> for Command {
    type Error = anyhow::Error;

    fn try_from(options: Options) -> anyhow::Result<Self> {
        if options.list_devices == Some(true) {
            return Ok(Self::ListDevices);
        }
        Settings::try_from(options).map(Self::Capture)
    }
}

impl TryFrom<Options> for Settings {
    type Error = anyhow::Error;

    fn try_from(options: Options) -> anyhow::Result<Self> {
        let of_all = options.of_all.defaults();
        of_all.check()?;
        let bus = BusOptions {
            publish: &options.publish,
            key: options.bus_key.as_deref(),
            allow: options.bus_allow.as_deref(),
            insecure: options.insecure_bus == Some(true),
        };
        let publish = bus.endpoints()?;
        let bus_keys = bus.keys(&publish)?;
        let streams = match options.stream.as_slice() {
            [] => stream::of_table(&options.streams, &of_all)?,
            list => stream::of_list(list, &of_all)?,
        };
        check(&streams)?;
        Ok(Self { streams, publish, bus_keys })
    }
}

fn check(streams: &[StreamSettings]) -> anyhow::Result<()> {
    ensure!(
        !streams.is_empty(),
        "no stream is given: write --stream NAME=SOURCE, for example --stream cam=/dev/video0 or --stream test=test"
    );
    ensure!(
        streams.len() <= MAX_STREAMS,
        "{} streams are given, more than the {MAX_STREAMS} one capture may have: start a second capture",
        streams.len()
    );
    let mut names = HashSet::new();
    if let Some(twice) = streams.iter().find(|stream| !names.insert(&stream.name)) {
        bail!("stream {} is given twice: every stream needs a name of its own", twice.name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn settings(arguments: &[&str]) -> anyhow::Result<Settings> {
        let arguments = std::iter::once("fanlight-capture").chain(arguments.iter().copied());
        Settings::try_from(Options::try_parse_from(arguments).expect("flags that clap knows"))
    }

    fn refused(arguments: &[&str]) -> String {
        format!("{:#}", settings(arguments).expect_err("refused"))
    }

    #[test]
    fn every_wrong_option_is_named_with_its_rule() {
        for (arguments, culprit, rule) in [
            (vec![], "no stream", "--stream NAME=SOURCE"),
            (vec!["--stream", "cam"], "cam", "NAME=SOURCE"),
            (vec!["--stream", "Cam=test"], "Cam", "a-z"),
            (vec!["--stream", "a=test", "--stream", "a=test"], "stream a", "twice"),
            (vec!["--stream", "a=ftp://host/"], "--stream a: unsupported scheme ftp://", "rtsp://"),
            (vec!["--stream", "a=test:0x0@30"], "--stream a: \"0x0@30\"", "WIDTHxHEIGHT@FPS"),
            (vec!["--stream", "a=test", "--quality", "101"], "--quality", "1 to 100"),
            (vec!["--stream", "a=test", "--encoder", "h265"], "--encoder", "libx264"),
            (vec!["--stream", "a=test#encoder=mjpeg"], "--stream a: --encoder", "H.264"),
            (vec!["--stream", "a=test", "--rotate", "45"], "--rotate", "270"),
            (vec!["--stream", "a=test", "--rendition", "half=2"], "--rendition", "100%"),
            (vec!["--stream", "a=test", "--publish", "here"], "--publish: \"here\"", "ipc:///PATH"),
            (vec!["--stream", "a=${FANLIGHT_NOT_SET}"], "FANLIGHT_NOT_SET", "not set"),
        ] {
            let text = refused(&arguments);
            assert!(text.contains(culprit) && text.contains(rule), "{arguments:?}: {text}");
        }
    }

    #[test]
    fn too_many_streams_are_refused() {
        let streams: Vec<String> =
            (0..=MAX_STREAMS).map(|n| format!("--stream=s{n}=test")).collect();
        let streams: Vec<&str> = streams.iter().map(String::as_str).collect();
        assert!(refused(&streams).contains("128"));
        assert_eq!(settings(&streams[1..]).unwrap().streams.len(), MAX_STREAMS);
    }

    #[test]
    fn what_is_given_is_what_is_used() {
        let settings = settings(&[
            "--stream",
            "a=test",
            "--stream",
            "b=clip.mp4?loop=0",
            "--quality",
            "70",
            "--publish",
            "tcp://127.0.0.1:5555,ipc:///tmp/a",
        ])
        .unwrap();
        assert_eq!(settings.streams.len(), 2);
        assert_eq!(settings.streams[1].source.to_string(), "clip.mp4");
        let half = &settings.streams[1].renditions[1];
        assert_eq!(half.name.as_str(), "half");
        assert_eq!(half.quality, 70.try_into().unwrap());
        assert_eq!(settings.publish.len(), 2);
    }
}
