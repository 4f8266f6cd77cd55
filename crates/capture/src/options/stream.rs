//! Streams as the user writes them: a list of `NAME=SOURCE`, or a table.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, bail};
use fanlight_cli::secret::Secret;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::StreamSettings;
use super::overrides::StreamOverrides;
use crate::source::SourceSpec;
use crate::source::mode::Mode;
use crate::source::spec::{is_command, is_half_a_url, is_url};

/// A stream in the table of a file: a source, or a table with a source and options.
#[derive(Debug, Clone)]
pub(super) struct StreamInFile(StreamOverrides);

/// Returns the streams of a file.
pub(super) fn of_table(
    table: &BTreeMap<String, StreamInFile>,
    of_all: &StreamOverrides,
) -> anyhow::Result<Vec<StreamSettings>> {
    let stream = |(name, StreamInFile(own)): (&String, &StreamInFile)| {
        let source = own.source.as_ref().map_or("", Secret::expose);
        let settings = settings(name, source, own, of_all);
        settings.with_context(|| format!("streams.{name}"))
    };
    table.iter().map(stream).collect()
}

/// Returns the streams of flags or environment.
pub(super) fn of_list(
    list: &[Secret],
    of_all: &StreamOverrides,
) -> anyhow::Result<Vec<StreamSettings>> {
    let items = list.iter().flat_map(|item| split(item.expose())).enumerate();
    items
        .map(|(number, item)| {
            // If the name is missing, the text before the first `=` may be a part of a password.
            let Some((name, source)) = item.split_once('=').filter(|(name, _)| is_showable(name))
            else {
                bail!(
                    "--stream {}: write it as NAME=SOURCE, for example cam=/dev/video0",
                    shown(item, number)
                );
            };
            // Not the source: it may hold a password, and the inner error shows the part that matters.
            settings(name, source, &StreamOverrides::default(), of_all)
                .with_context(|| format!("--stream {name}"))
        })
        .collect()
}

/// Returns the stream of a source that needs no name.
pub(super) fn of_source(source: &str, of_all: &StreamOverrides) -> anyhow::Result<StreamSettings> {
    settings("probe", source, &StreamOverrides::default(), of_all)
}

/// Returns an item of the list as an error shows it: the item if it can be a name, or else its number.
fn shown(item: &str, number: usize) -> String {
    match is_showable(item) {
        true => item.to_owned(),
        false => format!("number {}", number + 1),
    }
}

/// Returns whether a text is at worst an invalid name, but no part of a URL.
fn is_showable(text: &str) -> bool {
    let odd = |c: char| matches!(c, ':' | '/' | '@' | '?' | '#' | '$' | '%' | '\\');
    text.len() <= 200 && !text.contains(odd)
}

fn settings(
    name: &str,
    source: &str,
    own: &StreamOverrides,
    of_all: &StreamOverrides,
) -> anyhow::Result<StreamSettings> {
    let name = name.parse()?;
    let (source, pairs) = split_source(source);
    let overrides = StreamOverrides::of_pairs(&pairs)?;
    let source = SourceSpec::with_variables(source, |name| std::env::var(name).ok())?;
    overrides.or(own)?.or(of_all)?.settle(name, source)
}

/// Splits a source from the options behind it: `/dev/video0#rotate=180#quality=70`. Another `#` belongs to the source. An
/// option without a value has an empty one.
///
/// A URL or a command may contain `#` anywhere, even in a password. Options behind them must be the end of the text, and
/// their values have only letters, digits and a few signs: no `@`, `/` or white space.
fn split_source(text: &str) -> (&str, Vec<(&str, &str)>) {
    let starts: Vec<usize> =
        text.match_indices('#').map(|(at, _)| at).filter(|at| key_at(&text[at + 1..])).collect();
    let any_text = is_url(text) || is_command(text) || is_half_a_url(text);
    let from = |start: &usize| text[*start..].strip_prefix('#').unwrap_or_default();
    let first = starts.iter().position(|start| {
        !any_text || from(start).split('#').all(|option| key_at(option) && is_plain(option))
    });
    let starts = first.map_or(&[][..], |first| &starts[first..]);
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let options = starts.iter().zip(ends).map(|(start, end)| &text[start + 1..end]);
    let pairs = options.map(|option| option.split_once('=').unwrap_or((option, "")));
    (&text[..starts.first().copied().unwrap_or(text.len())], pairs.collect())
}

/// Returns whether a text has only the characters that values of options have.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".,-_%+=".contains(c);
    text.chars().all(plain)
}

fn key_at(text: &str) -> bool {
    // Only names of controls contain digits and underscores.
    let (text, more) = match text.strip_prefix("control.") {
        Some(name) => (name, "_0123456789"),
        None => (text, "-"),
    };
    let end = text.find(|c: char| !c.is_ascii_lowercase() && !more.contains(c));
    let (key, rest) = text.split_at(end.unwrap_or(text.len()));
    match rest.chars().next() {
        Some('=') => !key.is_empty(),
        // The name of a file may contain `#` and a word, but hardly that of an option.
        None | Some('#') => StreamOverrides::has_key(key),
        Some(_) => false,
    }
}

/// Splits at white space before another `NAME=`, as in the environment. Other white space belongs to the name of a file,
/// and all text after `exec:` belongs to the command.
fn split(text: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(char::is_whitespace) {
        let item = text[start..].trim_start().split_once('=');
        if item.is_some_and(|(_, source)| is_command(source)) {
            break;
        }
        let rest = text[at..].trim_start();
        let name = rest.find(|c: char| c.is_whitespace() || "=/:?@#".contains(c));
        let named = name.is_some_and(|end| end > 0 && rest[end..].starts_with('='));
        if named && !within_user(&text[start..at], rest) {
            items.push(text[start..at].trim());
            start = at;
        }
    }
    items.push(text[start..].trim());
    items.retain(|item| !item.is_empty());
    items
}

/// Returns whether the white space between an item and `rest` may be part of a user or password: the item is a URL, and an
/// `@` other than that of a mode (`640x480@15`) precedes the next URL.
fn within_user(item: &str, rest: &str) -> bool {
    let (others, _) = rest.split_once("://").unwrap_or((rest, ""));
    let explained = |word: &str| !word.contains('@') || mode_of(word).is_some();
    item.contains("://") && !others.split_whitespace().all(explained)
}

/// Returns the mode at the end of a source, if there is one.
fn mode_of(source: &str) -> Option<Mode> {
    let (source, _) = split_source(source);
    source.rsplit_once(':')?.1.parse().ok()
}

impl<'de> Deserialize<'de> for StreamInFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrTable)
    }
}

/// Written by hand, because the error of an untagged enum does not say which value is invalid.
struct TextOrTable;

impl<'de> Visitor<'de> for TextOrTable {
    type Value = StreamInFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a source in quotes, or a table with a source")
    }

    fn visit_str<E>(self, text: &str) -> Result<StreamInFile, E> {
        Ok(StreamInFile(StreamOverrides {
            source: Some(text.into()),
            ..StreamOverrides::default()
        }))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<StreamInFile, M::Error> {
        let options = StreamOverrides::deserialize(MapAccessDeserializer::new(map))?;
        match options.source {
            Some(_) => Ok(StreamInFile(options)),
            None => Err(M::Error::missing_field("source")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::url::Transport;

    #[test]
    fn streams_in_the_environment_are_separated_by_spaces() {
        assert_eq!(split("a=test b=/dev/video0"), ["a=test", "b=/dev/video0"]);
        assert_eq!(split("  a=test\n\tB=x  "), ["a=test", "B=x"]);
        assert_eq!(split("a=my holiday.mp4?loop=0 b=test"), ["a=my holiday.mp4?loop=0", "b=test"]);
        assert_eq!(split("a=rtsp://u:p w=x@host/"), ["a=rtsp://u:p w=x@host/"], "a password");
        let spaced = "a=rtsp://host/Front Door 1#transport=udp";
        assert_eq!(split(spaced), [spaced], "a name has no #");
        let both = ["a=rtsp://host:80/", "b=/dev/video0:64x48@5"];
        assert_eq!(split(&both.join(" ")), both);
        assert!(split(" ").is_empty());
        let command = "b=exec:A=1 ffmpeg -i testsrc2=rate=10 c=d";
        assert_eq!(split(&format!("a=test {command}")), ["a=test", command]);
        assert_eq!(split(command), [command]);
    }

    #[test]
    fn an_error_names_the_stream_but_no_password() {
        let error =
            of_list(&["Door=rtsp://admin:hunter2@host/".into()], &StreamOverrides::default());
        let text = format!("{:#}", error.unwrap_err());
        assert!(text.contains("Door") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn the_shell_expands_the_variables_of_a_command() {
        let streams = ["a=exec:cat ${NOT_SET_HERE:-x} #quality=70".into()];
        let streams = of_list(&streams, &StreamOverrides::default()).unwrap();
        assert_eq!(streams[0].source.to_string(), "exec:cat ${NOT_SET_HERE:-x}");
        assert_eq!(streams[0].renditions[0].quality, 70.try_into().unwrap());
    }

    #[test]
    fn options_behind_a_source_apply_to_its_stream_only() {
        assert_eq!(split_source("/dev/video0"), ("/dev/video0", vec![]));
        assert_eq!(split_source("take #3.mp4"), ("take #3.mp4", vec![]));
        let (source, pairs) = split_source("rtsp://host/a?b=c#rotate=180#rendition=half=50%,fps=5");
        assert_eq!(source, "rtsp://host/a?b=c");
        assert_eq!(pairs, [("rotate", "180"), ("rendition", "half=50%,fps=5")]);
        for whole in ["rtsp://u:pa#x=1@h", "rtsp://u:p#rotate=90@h/a", "http://u:p#a=b/c#d=e@h/"] {
            assert_eq!(split_source(whole), (whole, vec![]), "belongs to a password");
            let behind_it = format!("{whole}#rotate=180#flip=horizontal");
            assert_eq!(
                split_source(&behind_it),
                (whole, vec![("rotate", "180"), ("flip", "horizontal")])
            );
        }
        let command = "exec:curl -u u:p#a=b http://cam/ | cat";
        assert_eq!(split_source(command), (command, vec![]));
        let of_all =
            StreamOverrides { quality: Some(60), drop_same: Some(3), ..StreamOverrides::default() };
        let streams = ["a=test#quality=70#rotate=90 b=test".into()];
        let streams = of_list(&streams, &of_all).unwrap();
        assert_eq!(streams[0].renditions[0].quality, 70.try_into().unwrap());
        assert_eq!(streams[1].renditions[0].quality, 60.try_into().unwrap());
        assert_eq!(
            (streams[0].orientation.is_none(), streams[1].orientation.is_none()),
            (false, true)
        );
        assert!(streams.iter().all(|stream| stream.drop_same == 3));
        for (bad, rule) in [
            ("a=test#rotat=90", "rotate"),
            ("a=test#rotat=90", "size, fps, and a camera has control.NAME"),
            ("a=test#source=0", "before the #"),
            ("a=0#controls=1", "#control.NAME=VALUE"),
            ("a=0#keep-open=maybe", "#keep-open=maybe: true or false is required"),
            ("a=test#rotate", "#rotate: a value is required"),
            ("a=rtsp://cam/#rotate#flip=vertical", "#rotate: a value is required"),
            ("a=clip.mp4#quality=", "#quality: a value is required"),
            ("a=test#rotate=45", "270"),
            ("a=test#quality=x", "#quality=x: a whole number"),
            ("a=test#rendition=half", "NAME=SIZE"),
            ("a=test#rendition=a=50%#rendition=a=25%", "twice"),
            ("a=test#drop-same=1000000", "100000"),
            ("a=test#frozen=maybe", "off, bytes or blocks"),
            ("a=test#quality=70#quality=80", "twice"),
            ("a=test#rendition=none#rendition=a=50%", "none and other renditions"),
            ("a=test#format=YUYV", "of a camera"),
            ("a=clip.mp4#size=640x480", "test picture"),
            ("a=0#format=MJPEG", "four letters"),
            ("a=0#size=640", "WIDTHxHEIGHT@FPS"),
            ("a=0#fps=1000", "WIDTHxHEIGHT@FPS"),
            ("a=0#fps=many", "#fps=many: a number is required"),
            ("a=0#control.focus=far", "whole number"),
            ("a=0#control.focus=1#control.focus=2", "twice"),
            ("a=rtsp://cam/#transport=http", "must be tcp or udp"),
            ("a=rtsps://cam/#transport=udp", "over tcp only"),
            ("a=http://cam/#transport=udp", "rtsp://"),
            ("a=test#transport=udp", "an rtsp:// URL"),
        ] {
            let error =
                format!("{:#}", of_list(&[bad.into()], &StreamOverrides::default()).unwrap_err());
            assert!(error.contains("--stream a") && error.contains(rule), "{bad}: {error}");
        }
    }

    #[test]
    fn a_switch_needs_no_value_and_another_word_belongs_to_the_source() {
        let streams = ["a=0#reencode#keep-open".into()];
        let streams = of_list(&streams, &StreamOverrides::default()).unwrap();
        assert!(streams[0].reencode && streams[0].keep_open);
        assert_eq!(split_source("take#three"), ("take#three", vec![]));
        assert_eq!(split_source("take#three.mp4#flip=vertical").0, "take#three.mp4");
    }

    #[test]
    fn options_behind_a_camera_are_requested_from_it() {
        let streams =
            ["a=0:320x240#fps=15#format=YUYV#control.focus_2=-4#control.auto=true".into()];
        let streams = of_list(&streams, &StreamOverrides::default()).unwrap();
        let SourceSpec::Webcam(asked) = &streams[0].source else { panic!("{streams:?}") };
        assert_eq!(asked.mode.to_string(), "320x240@15");
        assert_eq!(asked.format, Some("YUYV".parse().unwrap()));
        let controls: Vec<(&str, i32)> =
            asked.controls.iter().map(|(name, value)| (name.as_str(), value.0)).collect();
        assert_eq!(controls, [("auto", 1), ("focus_2", -4)]);
        let streams = of_list(&["a=test#size=64x48".into()], &StreamOverrides::default()).unwrap();
        assert_eq!(streams[0].source.to_string(), "test:64x48@30");
    }

    #[test]
    fn the_transport_of_a_network_camera_is_an_option() {
        let streams = ["a=rtsp://cam/x#transport=udp b=rtsp://cam/x".into()];
        let streams = of_list(&streams, &StreamOverrides::default()).unwrap();
        let transports = streams.iter().map(|stream| match &stream.source {
            SourceSpec::Url(url) => url.transport,
            other => panic!("{other}"),
        });
        assert!(transports.eq([Some(Transport::Udp), None]));
    }

    #[test]
    fn a_camera_has_at_most_64_controls() {
        let controls = |count| (0..count).map(|n| format!("#control.c{n}=1")).collect::<String>();
        let parsed = |count| {
            of_list(
                &[format!("a=0{}", controls(count)).as_str().into()],
                &StreamOverrides::default(),
            )
        };
        assert!(parsed(64).is_ok());
        assert!(format!("{:#}", parsed(65).unwrap_err()).contains("at most 64"));
    }
}
