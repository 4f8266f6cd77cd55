//! The settings of renditions: the sizes, qualities and frame rates in which a stream is offered.

use std::str::FromStr;

use fanlight_protocol::{InvalidName, RenditionName};

use crate::encode::jpeg::{InvalidQuality, Quality};
use crate::pixels::Size;
use crate::source::mode::{MAX_FPS, MAX_SIDE, MIN_FPS, MIN_SIDE};

/// The settings of one rendition.
#[derive(Debug, Clone, PartialEq)]
pub struct RenditionSettings {
    /// The name.
    pub name: RenditionName,
    /// The size.
    pub size: RenditionSize,
    /// The quality of frames that are encoded as JPEG.
    pub quality: Quality,
    /// The frame rate limit in frames per second; absent: all frames.
    pub fps: Option<f64>,
}

/// The size of a rendition, relative to its source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RenditionSize {
    /// A factor for the width and height of the source: above 0, at most 1.
    Scale(f64),
    /// A width in pixels. A narrower source keeps its own width.
    Width(u32),
}

impl RenditionSize {
    /// The source's own size.
    pub const FULL: Self = Self::Scale(1.0);

    /// Returns the size for a source of this size: with the same aspect ratio and never larger.
    pub fn of(self, (width, height): Size) -> Size {
        let factor = match self {
            Self::Scale(factor) => factor,
            Self::Width(own) => f64::from(own) / f64::from(width.max(1)),
        };
        let factor = factor.min(1.0);
        let side = |side: u32| ((f64::from(side) * factor).round() as u32).max(side.min(1));
        (side(width), side(height))
    }
}

/// A rendition in an option: `half=50%`, `phone=480px,quality=60,fps=10`.
#[derive(Debug, Clone, PartialEq)]
pub struct RenditionOption {
    /// The name.
    pub name: RenditionName,
    /// The size.
    pub size: RenditionSize,
    /// The JPEG quality, if given.
    pub quality: Option<Quality>,
    /// The frame rate limit in frames per second, if given.
    pub fps: Option<f64>,
}

/// An error for a text that is no rendition, with the rule that it breaks.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidRenditionOption {
    /// The form is wrong.
    #[error(
        "{0:?} is no rendition: write NAME=SIZE, for example half=50% or phone=480px,quality=60,fps=10"
    )]
    Form(String),
    /// The name is invalid.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The size is invalid.
    #[error("{0:?} is no size of a rendition: write 1% to 100%, or a width of 16px to 8192px")]
    Size(String),
    /// The full rendition has another size.
    #[error("the rendition full has the size of its source: write full=100%")]
    Full,
    /// The quality is invalid.
    #[error(transparent)]
    Quality(#[from] InvalidQuality),
    /// The frame rate limit is invalid.
    #[error("fps={0} is out of range: write {MIN_FPS} to {MAX_FPS} frames per second")]
    Fps(String),
}

impl FromStr for RenditionOption {
    type Err = InvalidRenditionOption;

    fn from_str(text: &str) -> Result<Self, InvalidRenditionOption> {
        let form = || InvalidRenditionOption::Form(text.chars().take(80).collect());
        let (name, rest) = text.split_once('=').ok_or_else(form)?;
        let mut parts = rest.split(',');
        let text = parts.next().unwrap_or_default();
        let size = size(text).ok_or_else(|| InvalidRenditionOption::Size(text.into()))?;
        let name: RenditionName = name.parse()?;
        if name == RenditionName::full() && size != RenditionSize::FULL {
            return Err(InvalidRenditionOption::Full);
        }
        let mut request = Self { name, size, quality: None, fps: None };
        for part in parts {
            match part.split_once('=').ok_or_else(form)? {
                ("quality", quality) => {
                    let quality: u32 = quality.parse().map_err(|_| form())?;
                    request.quality = Some(quality.try_into()?);
                }
                ("fps", fps) => {
                    let valid = fps.parse().ok().filter(|fps| (MIN_FPS..=MAX_FPS).contains(fps));
                    request.fps =
                        Some(valid.ok_or_else(|| InvalidRenditionOption::Fps(fps.into()))?);
                }
                _ => return Err(form()),
            }
        }
        Ok(request)
    }
}

fn size(text: &str) -> Option<RenditionSize> {
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.parse().ok()?;
        return (1.0..=100.0).contains(&percent).then_some(RenditionSize::Scale(percent / 100.0));
    }
    let width: u32 = text.strip_suffix("px")?.parse().ok()?;
    (MIN_SIDE..=MAX_SIDE).contains(&width).then_some(RenditionSize::Width(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendition_keeps_the_aspect_ratio_and_is_never_larger() {
        let hd = (1280, 720);
        assert_eq!(RenditionSize::FULL.of(hd), hd);
        assert_eq!(RenditionSize::Scale(0.25).of(hd), (320, 180));
        assert_eq!(RenditionSize::Scale(0.5).of((1281, 721)), (641, 361));
        assert_eq!(RenditionSize::Width(480).of(hd), (480, 270));
        assert_eq!(RenditionSize::Width(1920).of(hd), hd);
        assert_eq!(RenditionSize::Width(480).of((0, 0)), (0, 0), "unknown yet");
        assert_eq!(RenditionSize::Scale(0.01).of((64, 48)), (1, 1));
    }

    #[test]
    fn a_rendition_has_a_name_a_size_and_options() {
        let request: RenditionOption = "phone=480px,quality=60,fps=10".parse().unwrap();
        assert_eq!(request.name.as_str(), "phone");
        assert_eq!((request.size, request.fps), (RenditionSize::Width(480), Some(10.0)));
        assert_eq!(request.quality, Some(60.try_into().unwrap()));
        assert_eq!("half=50%".parse::<RenditionOption>().unwrap().size, RenditionSize::Scale(0.5));
        for (bad, rule) in [
            ("half", "NAME=SIZE"),
            ("Half=50%", "a-z"),
            ("auto=50%", "auto"),
            ("half=0.5", "100%"),
            ("half=150%", "100%"),
            ("half=8px", "16px"),
            ("full=50%", "full=100%"),
            ("half=50%,quality=0", "1 to 100"),
            ("half=50%,fps=0", "frames per second"),
            ("half=50%,speed=3", "NAME=SIZE"),
        ] {
            let error = bad.parse::<RenditionOption>().expect_err(bad).to_string();
            assert!(error.contains(rule), "{bad}: {error}");
        }
    }
}
