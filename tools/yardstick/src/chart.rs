//! Frame age against link rate, as SVG. Both axes are logarithmic: ages range from a tenth of a second to many seconds.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, ensure};

use crate::options::ChartOptions;
use crate::report::figures::median_of;
use crate::report::run::{self, Case, Part, Run};

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 56.0;

/// Ages with a grid line, in seconds.
const AGES: [f64; 8] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// The servers in the chart: name, caption, colour. The colours also differ in brightness.
const SERVERS: [(&str, &str, &str); 3] = [
    ("relay-websocket", "relay", "#0b6e4f"),
    ("relay-websocket-ack", "relay, acknowledged", "#4a4fb5"),
    ("broadcast", "axum, broadcast", "#d1700f"),
];

type Figure = fn(&Run) -> Option<f64>;

/// One line of the chart.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    caption: String,
    colour: &'static str,
    dashed: bool,
    /// Rate in Mbit/s and age in seconds, by rate.
    points: Vec<(f64, f64)>,
}

/// Draws recorded runs over links.
///
/// # Errors
/// Fails if a file cannot be read or written, or has no such run.
pub fn write(options: &ChartOptions) -> anyhow::Result<()> {
    let lines = lines(&run::read(&options.runs)?);
    ensure!(!lines.is_empty(), "{}: no run over a link", options.runs.display());
    fs::write(&options.output, draw(&lines)).with_context(|| options.output.display().to_string())
}

fn lines(runs: &[Run]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (server, caption, colour) in SERVERS {
        let percentiles: [(&str, bool, Figure); 2] = [
            ("p50", false, |run| Some(run.age()?.p50_ms)),
            ("p95", true, |run| Some(run.age()?.p95_ms)),
        ];
        for (percentile, dashed, figure) in percentiles {
            let points = points(runs, server, figure);
            if !points.is_empty() {
                lines.push(Line {
                    caption: format!("{caption}, {percentile}"),
                    colour,
                    dashed,
                    points,
                });
            }
        }
    }
    lines
}

fn points(runs: &[Run], server: &str, figure: Figure) -> Vec<(f64, f64)> {
    let mut cases: Vec<&Case> = Vec::new();
    for case in runs.iter().map(|run| &run.case) {
        if case.part == Part::Link && case.server == server && !cases.contains(&case) {
            cases.push(case);
        }
    }
    let mut points: Vec<(f64, f64)> = cases
        .into_iter()
        .filter_map(|case| Some((case.mbit?, median_of(runs, case, figure)? / 1000.0)))
        .filter(|(rate, age)| *rate > 0.0 && *age > 0.0)
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// A logarithmic axis: maps a value to a position.
#[derive(Debug, Clone, Copy)]
struct Axis {
    values: (f64, f64),
    places: (f64, f64),
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        let (least, most) = self.values;
        let part = (value / least).ln() / (most / least).ln();
        self.places.0 + part * (self.places.1 - self.places.0)
    }
}

fn draw(lines: &[Line]) -> String {
    let rates = rates(lines);
    let oldest = lines.iter().flat_map(|line| &line.points).map(|point| point.1);
    let oldest = oldest.fold(AGES[2], f64::max);
    let youngest = lines.iter().flat_map(|line| &line.points).map(|point| point.1);
    let youngest = youngest.fold(AGES[1], f64::min);
    let x = Axis {
        values: (rates[0], rates[rates.len() - 1].max(rates[0] * 2.0)),
        places: (LEFT, WIDTH - RIGHT),
    };
    let y = Axis { values: (youngest * 0.8, oldest * 1.25), places: (HEIGHT - BOTTOM, TOP) };
    let mut svg = head();
    grid(&mut svg, &rates, x, y);
    for line in lines {
        plot(&mut svg, line, x, y);
    }
    captions(&mut svg, lines, y);
    svg + "</svg>\n"
}

/// Returns every measured rate once, in ascending order.
fn rates(lines: &[Line]) -> Vec<f64> {
    let mut rates: Vec<f64> =
        lines.iter().flat_map(|line| &line.points).map(|point| point.0).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    rates
}

fn head() -> String {
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13" fill="#222">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{LEFT}" y="26" font-size="16">Age of a frame at the viewer, by the rate of its link</text>
"##
    )
}

fn grid(svg: &mut String, rates: &[f64], x: Axis, y: Axis) {
    let (left, right, bottom) = (x.places.0, x.places.1, y.places.0);
    for age in AGES.into_iter().filter(|age| (y.values.0..=y.values.1).contains(age)) {
        let at = y.place(age);
        text(svg, (left - 8.0, at + 4.0), "end", &format!("{age} s"));
        stroke(svg, (left, at), (right, at));
    }
    for &rate in rates {
        let at = x.place(rate);
        stroke(svg, (at, bottom), (at, bottom + 5.0));
        text(svg, (at, bottom + 20.0), "middle", &rate.to_string());
    }
    text(svg, (f64::midpoint(left, right), bottom + 42.0), "middle", "Mbit/s");
}

fn plot(svg: &mut String, line: &Line, x: Axis, y: Axis) {
    let places: Vec<(f64, f64)> =
        line.points.iter().map(|(rate, age)| (x.place(*rate), y.place(*age))).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let dashes = if line.dashed { r#" stroke-dasharray="5 4""# } else { "" };
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(
        svg,
        r#"<polyline points="{}" fill="none" stroke="{}" stroke-width="2"{dashes}/>"#,
        path.join(" "),
        line.colour
    );
    for (x, y) in places {
        let _ = writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{}"/>"#, line.colour);
    }
}

/// Writes the captions at the lines' ends, moved apart if two would overlap.
fn captions(svg: &mut String, lines: &[Line], y: Axis) {
    const APART: f64 = 16.0;
    let mut ends: Vec<(f64, &Line)> =
        lines.iter().filter_map(|line| Some((y.place(line.points.last()?.1), line))).collect();
    ends.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut below = f64::INFINITY;
    for (at, line) in ends {
        let at = at.min(below - APART);
        below = at;
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" fill="{}">{}</text>"#,
            WIDTH - RIGHT + 10.0,
            at + 4.0,
            line.colour,
            line.caption
        );
    }
}

fn stroke(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        svg,
        r##"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="#ddd"/>"##,
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let _ = writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run::{Percentiles, sample};

    fn over_links() -> Vec<Run> {
        let mut runs = Vec::new();
        for (server, factor) in [("relay-websocket", 1.0), ("broadcast", 10.0)] {
            for mbit in [8.0, 1.0] {
                let mut run = sample(server, 1, 1.0);
                run.case = Case { part: Part::Link, mbit: Some(mbit), ..run.case };
                run.figures.normal.age = Some(Percentiles {
                    p50_ms: factor * 400.0 / mbit,
                    p95_ms: factor * 600.0 / mbit,
                    p99_ms: factor * 600.0 / mbit,
                });
                runs.push(run);
            }
        }
        runs
    }

    #[test]
    fn a_logarithmic_axis_gives_each_factor_the_same_room() {
        let axis = Axis { values: (1.0, 100.0), places: (0.0, 200.0) };
        assert_eq!(axis.place(1.0), 0.0);
        assert!((axis.place(10.0) - 100.0).abs() < 1e-9);
        assert!((axis.place(100.0) - 200.0).abs() < 1e-9);
    }

    #[test]
    fn points_stand_by_rate_and_in_seconds() {
        let lines = lines(&over_links());
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0].caption, "relay, p50");
        assert_eq!(lines[0].points, [(1.0, 0.4), (8.0, 0.05)]);
    }

    #[test]
    fn every_point_lies_on_the_paper() {
        let lines = lines(&over_links());
        let svg = draw(&lines);
        assert_eq!(svg.matches("<polyline").count(), 4);
        for (attribute, most) in [("cx=\"", WIDTH), ("cy=\"", HEIGHT)] {
            for place in svg.split(attribute).skip(1) {
                let place: f64 = place.split('"').next().unwrap().parse().unwrap();
                assert!((0.0..=most).contains(&place), "{attribute}{place}");
            }
        }
        assert!(svg.ends_with("</svg>\n"));
    }

    #[test]
    fn captions_do_not_touch() {
        let same = |caption: &str| Line {
            caption: caption.into(),
            colour: "#000",
            dashed: false,
            points: vec![(1.0, 1.0), (2.0, 1.0)],
        };
        let svg = draw(&[same("one"), same("two")]);
        let places: Vec<f64> = svg
            .split(r#"<text x="620.0" y=""#)
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(places.len(), 2, "{svg}");
        assert!((places[0] - places[1]).abs() >= 16.0);
    }
}
