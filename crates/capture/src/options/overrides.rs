//! Options of one stream or of all streams: flags, keys of the file, and `#key=value` behind a source.

use anyhow::{Context, anyhow, bail, ensure};
use fanlight_cli::options::{InvalidOption, Mismatch, from_table, from_text};
use fanlight_cli::secret::Secret;
use fanlight_protocol::catalog::MAX_RENDITIONS;
use fanlight_protocol::{RenditionName, StreamName};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::StreamSettings;
use crate::encode::h264::{EncoderName, EncoderRequest, InvalidEncoder};
use crate::encode::jpeg::Quality;
use crate::frame::frozen::FrozenMode;
use crate::pixels::orientation::{Flip, Orientation, Rotation};
use crate::rendition_settings::{RenditionOption, RenditionSettings, RenditionSize};
use crate::source::SourceSpec;
use crate::source::mode::{InvalidMode, Mode};
use crate::source::webcam::controls::{self, Controls, MAX_CONTROLS};
use crate::wall_clock::Zone;

/// Most equal frames dropped in a row: nearly an hour at 30 frames per second.
const MAX_DROP_SAME: u32 = 100_000;
/// Switches, which are on without a value, as the flags are.
const SWITCHES: [&str; 2] = ["reencode", "keep-open"];
/// Renditions beside the full one if the user sets none.
const DEFAULT_RENDITIONS: [(&str, f64); 2] = [("half", 0.5), ("quarter", 0.25)];

// The options of a stream that the user set. (Not rustdoc: clap would show it instead of the program's own.)
#[derive(Debug, Clone, Default, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct StreamOverrides {
    /// Quality of the JPEG frames, 1 to 100 [default: 80]
    #[arg(long, env = "FANLIGHT_QUALITY", value_name = "N")]
    pub(super) quality: Option<u32>,

    /// FFmpeg's encoder for H.264; none: JPEG only [default: libx264]
    #[arg(long, env = "FANLIGHT_ENCODER", value_name = "NAME")]
    pub(super) encoder: Option<String>,

    /// A rendition of the streams beside the full one: NAME=50%, or NAME=480px for the width, then optionally ,quality=N and
    /// ,fps=N; repeatable; none: only the full one. In the environment: separated by spaces
    /// [default: half=50% and quarter=25%]
    #[arg(long, env = "FANLIGHT_RENDITION", value_delimiter = ' ', value_name = "NAME=SIZE")]
    pub(super) rendition: Option<Vec<String>>,

    /// Transcode the JPEG and H.264 of cameras, too, instead of passing it through
    #[arg(long, env = "FANLIGHT_REENCODE", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_name = "BOOL")]
    pub(super) reencode: Option<bool>,

    /// Keep sources open while there are no viewers: for cameras that start slowly
    #[arg(long, env = "FANLIGHT_KEEP_OPEN", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_name = "BOOL")]
    pub(super) keep_open: Option<bool>,

    /// Rotate frames clockwise: 0, 90, 180 or 270 degrees
    #[arg(long, env = "FANLIGHT_ROTATE", value_name = "DEGREES")]
    pub(super) rotate: Option<u32>,

    /// Mirror frames, after rotation: horizontal or vertical
    #[arg(long, env = "FANLIGHT_FLIP", value_name = "HOW")]
    pub(super) flip: Option<String>,

    /// Drop frames that equal the frame before, byte by byte; at most N in a row
    #[arg(long, env = "FANLIGHT_DROP_SAME", value_name = "N")]
    pub(super) drop_same: Option<u32>,

    /// Report a source that repeats the same picture for 10 s as frozen: bytes compares the frames byte by byte; blocks
    /// also finds pictures that were encoded again, for more work; off: never
    /// [default: bytes; off for recordings and with --drop-same]
    #[arg(long, env = "FANLIGHT_FROZEN", value_name = "HOW")]
    pub(super) frozen: Option<String>,

    /// Write the stream's name and the time of capture into its frames: utc or local
    #[arg(long, env = "FANLIGHT_OVERLAY", value_name = "ZONE")]
    pub(super) overlay: Option<String>,

    // Only for one stream, because cameras differ too much.
    #[arg(skip)]
    pub(super) transport: Option<String>,
    #[arg(skip)]
    pub(super) format: Option<String>,
    #[arg(skip)]
    pub(super) size: Option<String>,
    #[arg(skip)]
    pub(super) fps: Option<f64>,
    #[arg(skip)]
    pub(super) controls: Controls,
    /// Only in the table of a file. It may hold a password, so it is never serialized.
    #[arg(skip)]
    #[serde(skip_serializing)]
    pub(super) source: Option<Secret>,
}

impl StreamOverrides {
    /// Reads the `key=value` pairs from behind a source.
    pub(super) fn of_pairs(pairs: &[(&str, &str)]) -> anyhow::Result<Self> {
        let (mut table, mut controls) = (Table::new(), Table::new());
        for &(key, value) in pairs {
            let value = match value {
                "" if SWITCHES.contains(&key) => "true",
                "" => bail!("#{key}: a value is required, as in #{key}=…"),
                value => value,
            };
            let text = Value::String(value.to_owned());
            let first = match key {
                "source" => bail!("#source=…: the source is the text before the #"),
                "controls" => bail!("#controls=…: write it as #control.NAME=VALUE"),
                "rendition" => {
                    let list = table.entry(key).or_insert_with(|| Value::Array(Vec::new()));
                    list.as_array_mut().expect("it was inserted as an array").push(text);
                    true
                }
                _ => match key.strip_prefix("control.") {
                    Some(name) => {
                        let value: controls::ControlValue =
                            value.parse().with_context(|| format!("#{key}={value}"))?;
                        controls.insert(name.to_owned(), value.0.into()).is_none()
                    }
                    None => table.insert(key.to_owned(), text).is_none(),
                },
            };
            ensure!(first, "#{key} is given twice");
        }
        table.insert("controls".to_owned(), Value::Table(controls));
        from_text(table).map_err(|error| invalid_pair(error, pairs))
    }

    /// Returns whether there is an option of this name.
    pub(super) fn has_key(key: &str) -> bool {
        let table = Table::from_iter([(key.to_owned(), Value::String(String::new()))]);
        let error = from_text::<Self>(table).err();
        !error.is_some_and(|error| matches!(error.mismatch, Mismatch::UnknownKey { .. }))
    }

    /// Returns the options set here, and for all others those of `other`.
    pub(super) fn or(&self, other: &Self) -> anyhow::Result<Self> {
        let mut table = Table::try_from(other)?;
        for (key, value) in Table::try_from(self)? {
            match (table.get_mut(&key), value) {
                (Some(Value::Table(theirs)), Value::Table(own)) => theirs.extend(own),
                (_, value) => drop(table.insert(key, value)),
            }
        }
        Ok(from_table(table)?)
    }

    /// Returns these options as the defaults of all streams: an empty list of renditions counts as absent.
    pub(super) fn defaults(&self) -> Self {
        let rendition = self.rendition.clone().filter(|list| !list.is_empty());
        Self { rendition, ..self.clone() }
    }

    /// Checks the options of all streams, so that an error names the flag instead of the first stream.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.clone().settle("check".parse()?, "test".parse()?).map(drop)
    }

    /// Returns the settings of a stream with these options.
    pub(super) fn settle(
        self,
        name: StreamName,
        source: SourceSpec,
    ) -> anyhow::Result<StreamSettings> {
        let source = self.request_from(source)?;
        let quality = self.quality.map(Quality::try_from).transpose().context("--quality")?;
        let quality = quality.unwrap_or_default();
        let rotation = self.rotate.map(|degrees| degrees.to_string().parse::<Rotation>());
        let rotation = rotation.transpose().context("--rotate")?.unwrap_or_default();
        let flip = self.flip.as_deref().map(str::parse::<Flip>).transpose().context("--flip")?;
        let overlay = self.overlay.as_deref().map(str::parse::<Zone>).transpose();
        let frozen = self.frozen.as_deref().map(str::parse::<FrozenMode>).transpose();
        let drop_same = self.drop_same.unwrap_or(0);
        ensure!(drop_same <= MAX_DROP_SAME, "--drop-same {drop_same}: at most {MAX_DROP_SAME}");
        Ok(StreamSettings {
            name,
            source,
            renditions: renditions(self.rendition.as_deref(), quality).context("--rendition")?,
            encoder: encoder(self.encoder.as_deref()).context("--encoder")?,
            reencode: self.reencode.unwrap_or(false),
            keep_open: self.keep_open.unwrap_or(false),
            orientation: Orientation { rotation, flip },
            drop_same,
            frozen: frozen.context("--frozen")?,
            overlay: overlay.context("--overlay")?,
        })
    }

    /// Returns the source with the mode, format and controls to request from it.
    fn request_from(&self, mut source: SourceSpec) -> anyhow::Result<SourceSpec> {
        if let Some(mode) = source.mode_mut() {
            *mode = self.mode(*mode)?;
        } else if self.size.is_some() || self.fps.is_some() {
            bail!("size and fps apply to a camera or the test picture, not to {source}");
        }
        if let SourceSpec::Webcam(request) = &mut source {
            request.format = self.format.as_deref().map(str::parse).transpose()?;
            request.controls = self.controls.clone();
        } else if self.format.is_some() || !self.controls.is_empty() {
            bail!("format and controls are options of a camera, not of {source}");
        }
        if let Some(transport) = &self.transport {
            let SourceSpec::Url(url) = &mut source else {
                bail!("transport is an option of an rtsp:// URL, not of {source}");
            };
            let transport = transport.parse().with_context(|| format!("transport {transport}"))?;
            url.set_transport(transport)?;
        }
        let count = self.controls.len();
        ensure!(count <= MAX_CONTROLS, "{count} controls: at most {MAX_CONTROLS}");
        Ok(source)
    }

    fn mode(&self, default: Mode) -> Result<Mode, InvalidMode> {
        let Mode { width, height, fps } = default;
        let size = self.size.clone().unwrap_or_else(|| format!("{width}x{height}"));
        format!("{size}@{}", self.fps.unwrap_or(fps)).parse()
    }
}

/// Names the pair that does not fit.
fn invalid_pair(error: InvalidOption, pairs: &[(&str, &str)]) -> anyhow::Error {
    match error.mismatch {
        Mismatch::UnknownKey { key, known } => {
            let known =
                known.into_iter().filter(|key| !matches!(key.as_str(), "source" | "controls"));
            let known: Vec<String> = known.collect();
            let known = known.join(", ");
            anyhow!(
                "#{key}=…: a stream has no such option; it has {known}, and a camera has control.NAME"
            )
        }
        mismatch => {
            let value = pairs.iter().find(|(key, _)| *key == error.path).map_or("", |pair| pair.1);
            anyhow!("#{}={value}: {mismatch}", error.path)
        }
    }
}

/// Returns the requested encoder, or else the default one if FFmpeg has it.
fn encoder(requested: Option<&str>) -> Result<Option<EncoderName>, InvalidEncoder> {
    match requested {
        Some(name) => name.parse::<EncoderRequest>().map(|EncoderRequest(encoder)| encoder),
        None => Ok(EncoderName::default_encoder().ok()),
    }
}

/// Returns the full rendition and those requested, or else the default ones.
fn renditions(
    requested: Option<&[String]>,
    quality: Quality,
) -> anyhow::Result<Vec<RenditionSettings>> {
    let plain = |name, size| RenditionSettings { name, size, quality, fps: None };
    let mut all = vec![plain(RenditionName::full(), RenditionSize::FULL)];
    let Some(requested) = requested else {
        for (name, factor) in DEFAULT_RENDITIONS {
            all.push(plain(name.parse()?, RenditionSize::Scale(factor)));
        }
        return Ok(all);
    };
    let none = requested.iter().filter(|text| text.trim() == "none").count();
    ensure!(none == 0 || requested.len() == 1, "none and other renditions are given");
    for text in requested.iter().map(|text| text.trim()).filter(|text| *text != "none") {
        let RenditionOption { name, size, quality: own, fps } = text.parse()?;
        let settings = RenditionSettings { name, size, quality: own.unwrap_or(quality), fps };
        match all.iter().position(|known| known.name == settings.name) {
            Some(0) if all[0] == plain(RenditionName::full(), RenditionSize::FULL) => {
                all[0] = settings;
            }
            Some(_) => bail!("{} is given twice", settings.name),
            None => all.push(settings),
        }
    }
    ensure!(all.len() <= MAX_RENDITIONS, "a stream has {MAX_RENDITIONS} at most, full among them");
    Ok(all)
}
