//! What can be said of one stream, or of all of them: by flag, in the file, and behind a source as `#key=value`.

use anyhow::{Context, bail, ensure};
use fanlight_cli::secret::Secret;
use fanlight_protocol::catalog::MAX_RENDITIONS;
use fanlight_protocol::{Rendition, StreamName};
use serde::{Deserialize, Serialize};

use super::StreamSettings;
use crate::encode::h264::{EncoderName, EncoderRequest, InvalidEncoder};
use crate::encode::jpeg::Quality;
use crate::pixels::orientation::{Flip, Orientation, Rotation};
use crate::rendition::{RenditionRequest, RenditionSettings, RenditionSize};
use crate::source::SourceSpec;
use crate::source::mode::{InvalidMode, Mode};
use crate::source::webcam::controls::{Controls, MAX_CONTROLS};
use crate::wall_clock::Zone;

/// Most pictures skipped in a row: more than an hour at 30 a second.
const MOST_SAME: u32 = 100_000;
/// What a stream can be had in unless told.
const USUAL_RENDITIONS: [(&str, f64); 2] = [("half", 0.5), ("quarter", 0.25)];

/// What was said; absent where nothing was.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct StreamOverrides {
    /// Only of one stream, in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<Secret>,
    pub(super) quality: Option<u32>,
    pub(super) encoder: Option<String>,
    pub(super) rendition: Option<Vec<String>>,
    pub(super) reencode: Option<bool>,
    pub(super) keep_open: Option<bool>,
    pub(super) rotate: Option<u32>,
    pub(super) flip: Option<String>,
    pub(super) drop_same: Option<u32>,
    pub(super) overlay: Option<String>,
    pub(super) format: Option<String>,
    pub(super) size: Option<String>,
    pub(super) fps: Option<f64>,
    /// Only of one stream: cameras differ too much.
    #[serde(skip_serializing_if = "Controls::is_empty")]
    pub(super) controls: Controls,
}

/// The keys that may stand behind a source.
const KEYS: &str = "quality, encoder, rendition, reencode, keep-open, rotate, flip, drop-same, overlay, and for a camera format, size, fps \
    and control.NAME";

impl StreamOverrides {
    /// Takes in `key=value` from behind a source.
    pub(super) fn set(&mut self, key: &str, value: &str) -> anyhow::Result<()> {
        let number = || value.parse().with_context(|| format!("#{key}={value}: not a number"));
        let switch = || value.parse().with_context(|| format!("#{key}={value}: true or false"));
        match key {
            "quality" => self.quality = Some(number()?),
            "encoder" => self.encoder = Some(value.into()),
            "rendition" => self.rendition.get_or_insert_default().push(value.into()),
            "reencode" => self.reencode = Some(switch()?),
            "keep-open" => self.keep_open = Some(switch()?),
            "rotate" => self.rotate = Some(number()?),
            "flip" => self.flip = Some(value.into()),
            "overlay" => self.overlay = Some(value.into()),
            "drop-same" => self.drop_same = Some(number()?),
            "format" => self.format = Some(value.into()),
            "size" => self.size = Some(value.into()),
            "fps" => {
                let fps = value.parse().with_context(|| format!("#fps={value}: not a number"));
                self.fps = Some(fps?);
            }
            _ if let Some(name) = key.strip_prefix("control.") => {
                let value = value.parse().with_context(|| format!("#{key}={value}"))?;
                ensure!(
                    self.controls.insert(name.into(), value).is_none(),
                    "#{key} is given twice"
                );
            }
            _ => bail!("#{key}=…: there is no such option of a stream; there are {KEYS}"),
        }
        Ok(())
    }

    /// What was said here, and where nothing was, there.
    pub(super) fn or(self, other: &Self) -> Self {
        let other = other.clone();
        Self {
            source: self.source.or(other.source),
            quality: self.quality.or(other.quality),
            encoder: self.encoder.or(other.encoder),
            rendition: self.rendition.or(other.rendition),
            reencode: self.reencode.or(other.reencode),
            keep_open: self.keep_open.or(other.keep_open),
            rotate: self.rotate.or(other.rotate),
            flip: self.flip.or(other.flip),
            drop_same: self.drop_same.or(other.drop_same),
            overlay: self.overlay.or(other.overlay),
            format: self.format.or(other.format),
            size: self.size.or(other.size),
            fps: self.fps.or(other.fps),
            controls: other.controls.into_iter().chain(self.controls).collect(),
        }
    }

    /// Whether all of it can be: said here, an error names the flag and not the first stream.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.clone().settle("check".parse()?, "test".parse()?).map(drop)
    }

    /// What the program works with.
    pub(super) fn settle(
        self,
        name: StreamName,
        source: SourceSpec,
    ) -> anyhow::Result<StreamSettings> {
        let source = self.ask(source)?;
        let quality = self.quality.map(Quality::try_from).transpose().context("--quality")?;
        let quality = quality.unwrap_or_default();
        let rotation = self.rotate.map(|degrees| degrees.to_string().parse::<Rotation>());
        let rotation = rotation.transpose().context("--rotate")?.unwrap_or_default();
        let flip = self.flip.as_deref().map(str::parse::<Flip>).transpose().context("--flip")?;
        let overlay = self.overlay.as_deref().map(str::parse::<Zone>).transpose();
        let drop_same = self.drop_same.unwrap_or(0);
        ensure!(drop_same <= MOST_SAME, "--drop-same {drop_same}: at most {MOST_SAME}");
        Ok(StreamSettings {
            name,
            source,
            renditions: renditions(self.rendition.as_deref(), quality).context("--rendition")?,
            encoder: encoder(self.encoder.as_deref()).context("--encoder")?,
            reencode: self.reencode.unwrap_or(false),
            keep_open: self.keep_open.unwrap_or(false),
            orientation: Orientation { rotation, flip },
            drop_same,
            overlay: overlay.context("--overlay")?,
        })
    }

    /// The source, asked for what was said of it.
    fn ask(&self, mut source: SourceSpec) -> anyhow::Result<SourceSpec> {
        if let Some(mode) = source.mode_mut() {
            *mode = self.mode(*mode)?;
        } else if self.size.is_some() || self.fps.is_some() {
            bail!("size and fps can be asked of a camera or the test picture, not of {source}");
        }
        if let SourceSpec::Webcam(request) = &mut source {
            request.format = self.format.as_deref().map(str::parse).transpose()?;
            request.controls = self.controls.clone();
        } else if self.format.is_some() || !self.controls.is_empty() {
            bail!("format and controls can be asked of a camera, not of {source}");
        }
        let count = self.controls.len();
        ensure!(count <= MAX_CONTROLS, "{count} controls: at most {MAX_CONTROLS}");
        Ok(source)
    }

    fn mode(&self, usual: Mode) -> Result<Mode, InvalidMode> {
        let Mode { width, height, fps } = usual;
        let size = self.size.clone().unwrap_or_else(|| format!("{width}x{height}"));
        format!("{size}@{}", self.fps.unwrap_or(fps)).parse()
    }
}

/// The one that was asked for, or the usual one where it is there.
fn encoder(wished: Option<&str>) -> Result<Option<EncoderName>, InvalidEncoder> {
    match wished {
        Some(wished) => wished.parse::<EncoderRequest>().map(|EncoderRequest(encoder)| encoder),
        None => Ok(EncoderName::default_encoder().ok()),
    }
}

/// The full one and those wished for, or the usual ones.
fn renditions(
    wished: Option<&[String]>,
    quality: Quality,
) -> anyhow::Result<Vec<RenditionSettings>> {
    let plain = |name, size| RenditionSettings { name, size, quality, fps: None };
    let mut all = vec![plain(Rendition::full(), RenditionSize::FULL)];
    let Some(wished) = wished else {
        for (name, factor) in USUAL_RENDITIONS {
            all.push(plain(name.parse()?, RenditionSize::Scale(factor)));
        }
        return Ok(all);
    };
    let none = wished.iter().filter(|text| text.trim() == "none").count();
    ensure!(none == 0 || wished.len() == 1, "none and others are given");
    for text in wished.iter().map(|text| text.trim()).filter(|text| *text != "none") {
        let RenditionRequest { name, size, quality: own, fps } = text.parse()?;
        let settings = RenditionSettings { name, size, quality: own.unwrap_or(quality), fps };
        match all.iter().position(|known| known.name == settings.name) {
            Some(0) if all[0] == plain(Rendition::full(), RenditionSize::FULL) => all[0] = settings,
            Some(_) => bail!("{} is given twice", settings.name),
            None => all.push(settings),
        }
    }
    ensure!(all.len() <= MAX_RENDITIONS, "a stream has {MAX_RENDITIONS} at most, full among them");
    Ok(all)
}
