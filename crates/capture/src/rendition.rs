//! The sizes in which a stream can be had.

use std::str::FromStr;

use fanlight_protocol::{InvalidName, Rendition};

use crate::encode::jpeg::{InvalidQuality, Quality};
use crate::pixels::Size;
use crate::source::mode::{MAX_FPS, MAX_SIDE, MIN_FPS, MIN_SIDE};

/// A stream in one size and quality.
#[derive(Debug, Clone, PartialEq)]
pub struct RenditionSettings {
    /// Its name.
    pub name: Rendition,
    /// How large it is.
    pub measure: Measure,
    /// How its pictures are encoded, where they are.
    pub quality: Quality,
    /// At most so many pictures a second; all where it is absent.
    pub fps: Option<f64>,
}

/// How large a rendition is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// So many times as wide and high as the source's pictures; above 0, at most 1.
    Scale(f64),
    /// So many pixels wide, or as wide as the source's pictures where those are narrower.
    Width(u32),
}

impl Measure {
    /// The source's own size.
    pub const FULL: Self = Self::Scale(1.0);

    /// The size for a source of this size: of the same shape, and never larger.
    pub fn of(self, (width, height): Size) -> Size {
        let factor = match self {
            Self::Scale(factor) => factor,
            Self::Width(wanted) => f64::from(wanted) / f64::from(width.max(1)),
        };
        let factor = factor.min(1.0);
        let side = |side: u32| ((f64::from(side) * factor).round() as u32).max(side.min(1));
        (side(width), side(height))
    }
}

/// A rendition as a user writes it: `half=50%`, `phone=480px,quality=60,fps=10`.
#[derive(Debug, Clone, PartialEq)]
pub struct RenditionRequest {
    /// Its name.
    pub name: Rendition,
    /// How large it is to be.
    pub measure: Measure,
    /// How its pictures are to be encoded, where that was said.
    pub quality: Option<Quality>,
    /// At most so many pictures a second.
    pub fps: Option<f64>,
}

/// A text that is no rendition, with the rule it breaks.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidRendition {
    /// Not of the form.
    #[error(
        "{0:?} is no rendition: write NAME=SIZE, for example half=50% or phone=480px,quality=60,fps=10"
    )]
    Form(String),
    /// A bad name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A bad size.
    #[error("{0:?} is no size of a rendition: 1% to 100%, or 16px to 8192px wide, are possible")]
    Size(String),
    /// The full one in another size.
    #[error("the rendition full is as large as its source: write full=100%")]
    Full,
    /// A bad quality.
    #[error(transparent)]
    Quality(#[from] InvalidQuality),
    /// A bad rate.
    #[error("fps={0}: {MIN_FPS} to {MAX_FPS} frames per second are possible")]
    Fps(String),
}

impl FromStr for RenditionRequest {
    type Err = InvalidRendition;

    fn from_str(text: &str) -> Result<Self, InvalidRendition> {
        let form = || InvalidRendition::Form(text.chars().take(80).collect());
        let (name, rest) = text.split_once('=').ok_or_else(form)?;
        let mut parts = rest.split(',');
        let size = parts.next().unwrap_or_default();
        let measure = measure(size).ok_or_else(|| InvalidRendition::Size(size.into()))?;
        let name: Rendition = name.parse()?;
        if name == Rendition::full() && measure != Measure::FULL {
            return Err(InvalidRendition::Full);
        }
        let mut wish = Self { name, measure, quality: None, fps: None };
        for part in parts {
            match part.split_once('=').ok_or_else(form)? {
                ("quality", quality) => {
                    let quality: u32 = quality.parse().map_err(|_| form())?;
                    wish.quality = Some(quality.try_into()?);
                }
                ("fps", fps) => {
                    let possible = fps.parse().ok().filter(|fps| (MIN_FPS..=MAX_FPS).contains(fps));
                    wish.fps = Some(possible.ok_or_else(|| InvalidRendition::Fps(fps.into()))?);
                }
                _ => return Err(form()),
            }
        }
        Ok(wish)
    }
}

fn measure(text: &str) -> Option<Measure> {
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.parse().ok()?;
        return (1.0..=100.0).contains(&percent).then_some(Measure::Scale(percent / 100.0));
    }
    let width: u32 = text.strip_suffix("px")?.parse().ok()?;
    (MIN_SIDE..=MAX_SIDE).contains(&width).then_some(Measure::Width(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendition_keeps_the_shape_and_is_never_larger() {
        let hd = (1280, 720);
        assert_eq!(Measure::FULL.of(hd), hd);
        assert_eq!(Measure::Scale(0.25).of(hd), (320, 180));
        assert_eq!(Measure::Scale(0.5).of((1281, 721)), (641, 361));
        assert_eq!(Measure::Width(480).of(hd), (480, 270));
        assert_eq!(Measure::Width(1920).of(hd), hd);
        assert_eq!(Measure::Width(480).of((0, 0)), (0, 0), "not known yet");
        assert_eq!(Measure::Scale(0.01).of((64, 48)), (1, 1));
    }

    #[test]
    fn a_rendition_is_written_as_name_size_and_more() {
        let wish: RenditionRequest = "phone=480px,quality=60,fps=10".parse().unwrap();
        assert_eq!(wish.name.as_str(), "phone");
        assert_eq!((wish.measure, wish.fps), (Measure::Width(480), Some(10.0)));
        assert_eq!(wish.quality, Some(60.try_into().unwrap()));
        assert_eq!("half=50%".parse::<RenditionRequest>().unwrap().measure, Measure::Scale(0.5));
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
            let error = bad.parse::<RenditionRequest>().expect_err(bad).to_string();
            assert!(error.contains(rule), "{bad}: {error}");
        }
    }
}
