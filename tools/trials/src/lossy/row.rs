//! One row of the table: a link, a camera and a viewer.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, ensure};
use fanlight_tests::{Link, Relay, Site, program};
use serde_json::Value;

const STREAM: &str = "cam";
/// Seconds before a run is measured: congestion control and rendition choice need some to settle.
const WARM_UP: u32 = 5;

/// A link, a camera and a viewer.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its name in the table.
    pub(crate) name: &'static str,
    link: Kind,
    /// Options of `fanlight bench`.
    viewer: &'static [&'static str],
}

/// The kind of link.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// 20 Mbit/s, a round trip of 40 ms, 2 % loss, 100 ms of queue; the frames of [`TRACKS`].
    Lossy,
    /// Kbit/s, with a queue of 200 ms and no distance; frames of 60 kB.
    Shaped(u32),
}

pub(crate) const ROWS: [Row; 8] = [
    Row { name: "lossy, full", link: Kind::Lossy, viewer: &[] },
    Row { name: "lossy, full, acknowledged", link: Kind::Lossy, viewer: &["--ack"] },
    Row {
        name: "lossy, auto, acknowledged",
        link: Kind::Lossy,
        viewer: &["--ack", "--rendition", "auto"],
    },
    Row {
        name: "lossy, auto, H.264, acknowledged",
        link: Kind::Lossy,
        viewer: &["--ack", "--rendition", "auto", "--codec", "h264"],
    },
    Row { name: "4 Mbit/s, full", link: Kind::Shaped(4_000), viewer: &[] },
    Row { name: "4 Mbit/s, full, acknowledged", link: Kind::Shaped(4_000), viewer: &["--ack"] },
    Row { name: "1 Mbit/s, full", link: Kind::Shaped(1_000), viewer: &[] },
    Row { name: "1 Mbit/s, full, acknowledged", link: Kind::Shaped(1_000), viewer: &["--ack"] },
];

/// Frames of the lossy rows: JPEGs of three renditions, and H.264 with larger keyframes.
const TRACKS: [&str; 6] = [
    "--track=full.jpeg=29000",
    "--track=half.jpeg=10000",
    "--track=quarter.jpeg=4000",
    "--track=full.h264=10000/40000",
    "--track=half.h264=4000/15000",
    "--track=quarter.h264=1500/6000",
];

/// The figures of one viewer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figures {
    fps: f64,
    age_p95_ms: f64,
    kilobytes: f64,
}

impl Row {
    /// Measures one viewer of a relay; `None` if this machine has no such link or congestion control.
    pub(crate) fn measure(
        &self,
        relay: &str,
        congestion: &str,
        seconds: u32,
        seed: u64,
    ) -> anyhow::Result<Option<Figures>> {
        let Some(link) = self.link.lay(seed) else { return Ok(None) };
        let site = Site::new();
        match self.link {
            Kind::Lossy => site.synthetic_camera(STREAM, &TRACKS),
            Kind::Shaped(_) => site.synthetic_camera(STREAM, &["--bytes", "60000"]),
        };
        let Some(relay) = link.relay_of(&site, relay, congestion) else { return Ok(None) };
        link.beside(|| relay.wait_for(STREAM));
        self.bench(&site, &link, &relay, seconds).with_context(|| self.name).map(Some)
    }

    fn bench(
        &self,
        site: &Site,
        link: &Link,
        relay: &Relay,
        seconds: u32,
    ) -> anyhow::Result<Figures> {
        let url = format!("ws://{}/ws", relay.address());
        let (seconds, warm_up) = (seconds.to_string(), WARM_UP.to_string());
        let common = [
            "bench",
            &url,
            "--stream",
            STREAM,
            "--json",
            "--seconds",
            &seconds,
            "--warm-up",
            &warm_up,
        ];
        let command = site.command("fanlight", &[&common[..], self.viewer].concat());
        let finished = link.across(|| program::run(command));
        ensure!(finished.code == Some(0), "fanlight bench failed: {}", finished.stderr);
        Figures::read(&finished.stdout)
    }
}

impl Kind {
    fn lay(self, seed: u64) -> Option<Link> {
        match self {
            Self::Shaped(rate) => Link::with_rate(rate, Duration::from_millis(200)),
            Self::Lossy => Link::lossy(fanlight_lossy_link::Link {
                bits_per_second: 20e6,
                round_trip: Duration::from_millis(40),
                loss: 0.02,
                queue: Duration::from_millis(100),
                seed,
            }),
        }
    }
}

impl Figures {
    /// Reads the figures from the output of `fanlight bench --json`.
    fn read(json: &str) -> anyhow::Result<Self> {
        let report: Value = serde_json::from_str(json).context("fanlight bench printed no JSON")?;
        let viewers = &report["normal"];
        let number = |value: &Value| value.as_f64().context("a figure is missing");
        let (bytes, frames) = (number(&viewers["bytes"])?, number(&viewers["frames"])?);
        Ok(Self {
            fps: number(&viewers["fps_median"])?,
            age_p95_ms: number(&viewers["age"]["p95_ms"])?,
            kilobytes: bytes / frames.max(1.0) / 1000.0,
        })
    }

    /// Returns the cells of a table: the median of each figure, or dashes if there is none.
    pub(crate) fn median(of: &[Self]) -> [String; 3] {
        let median = |figure: fn(&Self) -> f64| {
            let mut all: Vec<f64> = of.iter().map(figure).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied()
        };
        let shown = |value: Option<f64>, digits: usize| {
            value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
        };
        [
            shown(median(|one| one.fps), 1),
            shown(median(|one| one.age_p95_ms), 0),
            shown(median(|one| one.kilobytes), 1),
        ]
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fps, age_p95_ms, kilobytes } = self;
        write!(f, "{fps:.1} fps, age p95 {age_p95_ms:.0} ms, {kilobytes:.1} kB per frame")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_from_the_report_of_bench() {
        let json =
            r#"{"normal":{"frames":10,"bytes":290320,"fps_median":29.5,"age":{"p95_ms":80.4}}}"#;
        let figures = Figures::read(json).unwrap();
        assert_eq!(figures.to_string(), "29.5 fps, age p95 80 ms, 29.0 kB per frame");
        assert!(Figures::read(r#"{"normal":{"frames":0,"bytes":0,"age":null}}"#).is_err());
    }

    #[test]
    fn a_cell_is_the_median_of_the_rounds() {
        let figures = |fps| Figures { fps, age_p95_ms: 10.0 * fps, kilobytes: 1.0 };
        let median = Figures::median(&[figures(30.0), figures(10.0), figures(29.0)]);
        assert_eq!(median, ["29.0", "290", "1.0"]);
        assert_eq!(Figures::median(&[]), ["–", "–", "–"]);
    }
}
