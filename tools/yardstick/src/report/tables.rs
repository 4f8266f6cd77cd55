//! The tables, as Markdown. A table without runs is empty.

use std::fmt::Write;

use super::figures::{median_of, ratio_of};
use super::run::{Case, Part, Run};

/// Names of servers in scripts/bench and in the tables, in the order of the tables' lines.
const SERVERS: [(&str, &str); 18] = [
    ("writev", "yardstick: writev"),
    ("writev-tls", "yardstick: writev, TLS"),
    ("relay-websocket-tls", "**relay, WebSocket, TLS**"),
    ("relay-mjpeg-tls", "**relay, MJPEG, TLS**"),
    ("writev-low-water", "yardstick: writev, 16 KiB unsent"),
    ("broadcast", "yardstick: axum, broadcast"),
    ("relay-websocket", "**relay, WebSocket**"),
    ("relay-websocket-ack", "**relay, WebSocket, acknowledged**"),
    ("relay-h264", "**relay, WebSocket, H.264**"),
    ("relay-h264-ack", "**relay, WebSocket, H.264, acknowledged**"),
    ("relay-mjpeg", "**relay, MJPEG**"),
    ("jpeg-file", "JPEG, passthrough"),
    ("jpeg-file#reencode=true", "JPEG, re-encoded"),
    ("h264-file", "H.264"),
    ("test", "test picture"),
    ("jpeg", "JPEG, quality 80"),
    ("h264", "H.264"),
    ("both", "both"),
];

/// The server that all others are divided by.
const LIMIT: &str = "writev";
/// The same for servers with TLS.
const LIMIT_WITH_TLS: &str = "writev-tls";

/// Returns the table of many viewers that receive every frame: CPU time and age, each also as a multiple of the lower
/// bound's, memory, and frame rate.
pub fn throughput(runs: &[Run], part: Part) -> String {
    let head = [
        "frame × viewers",
        "threads",
        "server",
        "CPU µs per frame",
        "÷ writev",
        "age p50 ms",
        "÷ writev",
        "age p99 ms",
        "÷ writev",
        "RSS MiB",
        "fps",
    ];
    let line = |case: &Case| {
        let encrypted = case.server.ends_with("-tls");
        let limit = if encrypted { LIMIT_WITH_TLS } else { LIMIT };
        let limit = Case { server: limit.into(), ..case.clone() };
        let median = |figure: Figure| median_of(runs, case, figure);
        let ratio = |figure: Figure| ratio_of(runs, case, &limit, figure);
        let mut cells = vec![
            format!("{} × {}", case.bytes, case.viewers),
            case.threads.to_string(),
            called(&case.server),
        ];
        cells.extend([
            number(median(CPU), 2),
            number(ratio(CPU), 2),
            number(median(P50), 2),
            number(ratio(P50), 2),
            number(median(P99), 2),
            number(ratio(P99), 2),
            number(median(RSS_MIB), 1),
            number(median(FPS), 1),
        ]);
        cells
    };
    table(&head, cases(runs, part).iter().map(line))
}

/// Returns the table of viewers that read more slowly than frames are made.
pub fn trickling(runs: &[Run]) -> String {
    let line = |case: &Case| {
        let median = |figure: Figure| median_of(runs, case, figure);
        vec![
            called(&case.server),
            number(median(P50), 0),
            number(median(P99), 0),
            number(median(FPS), 1),
        ]
    };
    table(
        &["server", "age p50 ms", "age p99 ms", "fps"],
        cases(runs, Part::Trickling).iter().map(line),
    )
}

/// Returns the table of viewers that do not read, among others: the results of the others, and the cost of a stalled
/// one.
pub fn stalled(runs: &[Run]) -> String {
    let line = |case: &Case| {
        let median = |figure: Figure| median_of(runs, case, figure);
        vec![
            called(&case.server),
            format!("{} + {}", case.viewers - case.stalled, case.stalled),
            number(median(FPS), 1),
            number(median(P50), 2),
            number(median(P99), 2),
            number(kernel_memory_kib(runs, case), 0),
        ]
    };
    let head = [
        "server",
        "reading + stalled",
        "fps of reading viewers",
        "age p50 ms",
        "age p99 ms",
        "kernel KiB per stalled viewer",
    ];
    table(&head, cases(runs, Part::Stalled).iter().map(line))
}

/// Returns the kernel memory of one stalled viewer: the difference to the same case without stalled viewers.
fn kernel_memory_kib(runs: &[Run], case: &Case) -> Option<f64> {
    let reading = case.viewers - case.stalled;
    let without = Case { viewers: reading, stalled: 0, ..case.clone() };
    let with = median_of(runs, case, TCP_KIB)?;
    let without = median_of(runs, &without, TCP_KIB)?;
    (case.stalled > 0).then(|| (with - without).max(0.0) / f64::from(case.stalled))
}

/// Returns the table of one viewer behind a slow link: age and frame rate, by link rate.
pub fn link(runs: &[Run]) -> String {
    let line = |case: &Case| {
        let median = |figure: Figure| median_of(runs, case, figure);
        vec![
            number(case.mbit, 0),
            called(&case.server),
            number(median(P50), 0),
            number(median(P95), 0),
            number(median(FPS), 1),
        ]
    };
    let mut cases = cases(runs, Part::Link);
    cases.sort_by(|a, b| a.mbit.partial_cmp(&b.mbit).unwrap_or(std::cmp::Ordering::Equal));
    table(&["Mbit/s", "server", "age p50 ms", "age p95 ms", "fps"], cases.iter().map(line))
}

/// Returns the table of a capture: the cost of a frame of its source, by watched track.
pub fn capture(runs: &[Run]) -> String {
    let line = |case: &Case| {
        let median = |figure: Figure| median_of(runs, case, figure);
        let millis = median(CPU).map(|micros| micros / 1000.0);
        let watched = match case.watched.as_deref() {
            Some("all") => "full, half and quarter",
            Some(rendition) => rendition,
            None => "–",
        };
        let cells = [called(&case.server), watched.into(), number(millis, 2)];
        cells.into_iter().chain([number(median(RSS_MIB), 0), number(median(FPS), 1)]).collect()
    };
    let head = ["source", "watched", "CPU ms per frame", "RSS MiB", "fps"];
    table(&head, cases(runs, Part::Capture).iter().map(line))
}

/// Returns the table of the codecs side by side, for the same source: frame size, cost, quality and age.
pub fn codecs(runs: &[Run]) -> String {
    let line = |case: &Case| {
        let median = |figure: Figure| median_of(runs, case, figure);
        let cells = [case.watched.clone().unwrap_or_default(), called(&case.server)];
        let figures = [
            number(median(FRAME_KB), 1),
            number(median(CPU).map(|micros| micros / 1000.0), 2),
            number(median(SSIM), 4),
            number(median(P50), 1),
            number(median(P95), 1),
            number(median(FPS), 1),
        ];
        cells.into_iter().chain(figures).collect()
    };
    let mut cases = cases(runs, Part::Codecs);
    cases.sort_by(|a, b| a.watched.cmp(&b.watched));
    let head = [
        "source",
        "codec",
        "kB per frame",
        "CPU ms per frame",
        "SSIM",
        "age p50 ms",
        "age p95 ms",
        "fps",
    ];
    table(&head, cases.iter().map(line))
}

type Figure = fn(&Run) -> Option<f64>;

const CPU: Figure = |run| run.figures.server?.cpu_us_per_frame;
const P50: Figure = |run| Some(run.age()?.p50_ms);
const P95: Figure = |run| Some(run.age()?.p95_ms);
const P99: Figure = |run| Some(run.age()?.p99_ms);
const FPS: Figure = |run| run.viewers().fps_median;
const SSIM: Figure = |run| run.ssim;
const FRAME_KB: Figure =
    |run| Some(run.viewers().bytes as f64 / run.viewers().frames.max(1) as f64 / 1000.0);
const RSS_MIB: Figure = |run| Some(run.figures.server?.rss_peak_bytes / 1024.0 / 1024.0);
const TCP_KIB: Figure = |run| Some(run.figures.machine.tcp_memory_peak_bytes? / 1024.0);

/// Returns the cases of a part, each once: in the order of sizes as first measured, then threads, then servers.
fn cases(runs: &[Run], part: Part) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for run in runs.iter().filter(|run| run.case.part == part) {
        if !cases.contains(&run.case) {
            cases.push(run.case.clone());
        }
    }
    let mut sizes: Vec<(u64, u32)> = Vec::new();
    for size in cases.iter().map(size) {
        if !sizes.contains(&size) {
            sizes.push(size);
        }
    }
    cases.sort_by_key(|case| {
        (
            sizes.iter().position(|known| *known == size(case)),
            case.threads,
            rank(&case.server),
            case.stalled,
        )
    });
    cases
}

/// Key of a group of lines: frame size, and number of viewers without the stalled ones.
fn size(case: &Case) -> (u64, u32) {
    (case.bytes, case.viewers - case.stalled)
}

fn rank(server: &str) -> usize {
    SERVERS.iter().position(|(name, _)| *name == server).unwrap_or(SERVERS.len())
}

/// Returns the name of a server in the tables.
pub fn called(server: &str) -> String {
    SERVERS.iter().find(|(name, _)| *name == server).map_or(server, |(_, called)| called).into()
}

/// Returns a line that names the runs of a part in which viewers were lost; empty if there are none.
pub fn spoilt(runs: &[Run], part: Part) -> String {
    let of_part = || runs.iter().filter(|run| run.case.part == part);
    let spoilt: Vec<String> = of_part()
        .filter(|run| run.is_spoilt())
        .map(|run| {
            format!("{} {} × {}", called(&run.case.server), run.case.bytes, run.case.viewers)
        })
        .collect();
    match spoilt.len() {
        0 => String::new(),
        count => format!(
            "In {count} of {} runs viewers were refused or closed, so these are not reliable: {}.",
            of_part().count(),
            spoilt.join(", ")
        ),
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".into(), |value| format!("{value:.digits$}"))
}

fn table(head: &[&str], lines: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = String::new();
    for line in lines {
        if text.is_empty() {
            let rule: Vec<&str> = head.iter().map(|title| alignment(title)).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {} |\n|{}|", head.join(" | "), rule.join("|"));
        }
        let _ = writeln!(text, "| {} |", line.join(" | "));
    }
    text
}

fn alignment(title: &str) -> &'static str {
    match title {
        "server" | "frame × viewers" | "reading + stalled" | "source" | "watched" | "codec" => {
            "---"
        }
        _ => "---:",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run::sample;

    #[test]
    fn a_part_without_runs_has_no_table() {
        assert_eq!(throughput(&[], Part::Throughput), "");
        assert_eq!(link(&[sample("writev", 1, 1.0)]), "");
    }

    #[test]
    fn the_lower_bound_is_first_and_others_are_its_multiples() {
        let runs = [sample("relay-mjpeg", 1, 30.0), sample("writev", 1, 20.0)];
        let table = throughput(&runs, Part::Throughput);
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert!(lines[0].starts_with("| 60000 × 300 | 1 | yardstick: writev | 20.00 | 1.00 |"));
        assert!(lines[1].starts_with("| 60000 × 300 | 1 | **relay, MJPEG** | 30.00 | 1.50 |"));
        assert!(lines[1].ends_with("| 0.0 | – |"), "a figure that is missing stays missing");
    }

    #[test]
    fn a_run_that_lost_viewers_is_reported() {
        let mut runs = [sample("writev", 1, 1.0), sample("broadcast", 1, 1.0)];
        assert_eq!(spoilt(&runs, Part::Throughput), "");
        runs[1].figures.refused.count = 3;
        let note = spoilt(&runs, Part::Throughput);
        assert!(note.starts_with("In 1 of 2 runs") && note.contains("axum, broadcast 60000 × 300"));
        assert_eq!(spoilt(&runs, Part::Link), "");
    }

    #[test]
    fn a_stalled_viewer_costs_the_additional_kernel_memory() {
        let mut runs = [sample("writev", 1, 1.0), sample("writev", 1, 1.0)];
        for (run, viewers, stalled, kib) in [(0, 50, 0, 1000.0), (1, 100, 50, 6000.0)] {
            let run = &mut runs[run];
            run.case = Case { part: Part::Stalled, viewers, stalled, ..run.case.clone() };
            run.figures.machine.tcp_memory_peak_bytes = Some(kib * 1024.0);
        }
        let table = stalled(&runs);
        assert!(table.contains("| 50 + 0 | – | – | – | – |"), "{table}");
        assert!(table.contains("| 50 + 50 | – | – | – | 100 |"), "{table}");
    }

    #[test]
    fn links_are_in_the_order_of_their_rate() {
        let mut runs = [sample("broadcast", 1, 1.0), sample("broadcast", 1, 1.0)];
        for (run, mbit) in runs.iter_mut().zip([16.0, 2.0]) {
            run.case = Case { part: Part::Link, mbit: Some(mbit), ..run.case.clone() };
        }
        let table = link(&runs);
        assert!(table.find("| 2 |") < table.find("| 16 |"), "{table}");
    }
}
