//! The figures as a table for people.

use std::fmt::{self, Display, Write as _};

use super::report::{Percentiles, ReasonsReport, Report, ServerReport, ViewersReport};

/// Width of the names of lines.
const NAME: usize = 14;

/// Threads that are busy for more than this part of the time delay frames themselves.
const BUSY: f64 = 0.8;

/// A report, for people.
pub struct Table<'a>(pub &'a Report);

impl fmt::Debug for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Table").finish_non_exhaustive()
    }
}

impl Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let stream = report.stream.as_ref().map(|name| format!(", stream {name}"));
        writeln!(f, "{} ({}{})", report.url, report.protocol, stream.unwrap_or_default())?;
        let interrupted = if report.interrupted { ", interrupted" } else { "" };
        line(f, "measured", format_args!("{:.1} s{interrupted}", report.seconds))?;
        line(
            f,
            "viewers",
            format_args!(
                "{}, {} connected within {:.1} s",
                report.viewers, report.connected, report.connecting_seconds
            ),
        )?;
        let megabytes = report.bytes as f64 / 1e6;
        let rate = if report.seconds > 0.0 { megabytes * 8.0 / report.seconds } else { 0.0 };
        line(f, "frames", format_args!("{}, {megabytes:.1} MB, {rate:.0} Mbit/s", report.frames))?;
        viewers(f, "", &report.normal)?;
        if let Some(trickling) = &report.trickling {
            viewers(f, "trickling", trickling)?;
        }
        if report.stalled.viewers > 0 {
            line(f, "stalled", format_args!("{} viewers", report.stalled.viewers))?;
            reasons(f, "  closed", &report.stalled.closed)?;
        }
        reasons(f, "refused", &report.refused)?;
        reasons(f, "closed", &report.closed)?;
        counted(f, "reconnects", report.reconnects)?;
        reasons(f, "errors", &report.errors)?;
        if !report.states.is_empty() {
            let states: Vec<_> =
                report.states.iter().map(|(state, times)| format!("{state} {times}")).collect();
            line(f, "states", format_args!("{}", states.join(", ")))?;
        }
        counted(f, "texts", report.texts)?;
        counted(f, "not frames", report.not_frames)?;
        costs(f, report)
    }
}

fn viewers(f: &mut fmt::Formatter<'_>, kind: &str, viewers: &ViewersReport) -> fmt::Result {
    if !kind.is_empty() {
        line(f, kind, format_args!("{} viewers, {} frames", viewers.viewers, viewers.frames))?;
    }
    let indent = if kind.is_empty() { "" } else { "  " };
    if let (Some(median), Some(min)) = (viewers.fps_median, viewers.fps_min) {
        let text = format_args!("median {median:.2}, min {min:.2}");
        line(f, &format!("{indent}fps each"), text)?;
    }
    percentiles(f, &format!("{indent}age"), viewers.age.as_ref())?;
    percentiles(f, &format!("{indent}since sent"), viewers.since_sent.as_ref())?;
    percentiles(f, &format!("{indent}gap"), viewers.gap.as_ref())?;
    counted(f, &format!("{indent}freezes"), viewers.freezes)?;
    counted(f, &format!("{indent}missing"), viewers.missing)?;
    // If every frame is decodable alone, the line is omitted.
    if let Some(keyframes) = viewers.keyframes.filter(|keyframes| *keyframes < viewers.frames) {
        counted(f, &format!("{indent}keyframes"), keyframes)?;
    }
    counted(f, &format!("{indent}broken"), viewers.broken)?;
    counted(f, &format!("{indent}odd stamps"), viewers.odd_stamps)
}

fn costs(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    if let Some(server) = &report.server {
        line(f, "server", format_args!("{}", server_cost(server)))?;
    }
    let mut machine = String::new();
    if let Some(seconds) = report.machine.ksoftirqd_cpu_seconds {
        write!(machine, "ksoftirqd {seconds:.2} s")?;
    }
    if let Some(bytes) = report.machine.tcp_memory_peak_bytes {
        let comma = if machine.is_empty() { "" } else { ", " };
        write!(machine, "{comma}TCP memory {:.1} MB at most", bytes as f64 / 1e6)?;
    }
    if !machine.is_empty() {
        line(f, "machine", format_args!("{machine}"))?;
    }
    let per_frame = per_frame(report.own.cpu_us_per_frame);
    line(f, "this program", format_args!("{:.2} s of CPU{per_frame}", report.own.cpu_seconds))?;
    let busy = report.own.cores > BUSY * report.own.threads as f64;
    match busy && report.frames > 0 {
        true => line(
            f,
            "",
            format_args!("this program was busy itself, so ages are too high: use more --threads"),
        ),
        false => Ok(()),
    }
}

fn server_cost(server: &ServerReport) -> String {
    format!(
        "{:.2} s of CPU ({:.2} user, {:.2} system), {:.2} cores{}, {:.1} MB, {:.1} MB at most",
        server.cpu_seconds,
        server.cpu_user_seconds,
        server.cpu_system_seconds,
        server.cores,
        per_frame(server.cpu_us_per_frame),
        server.rss_last_bytes as f64 / 1e6,
        server.rss_peak_bytes as f64 / 1e6
    )
}

fn per_frame(micros: Option<f64>) -> String {
    micros.map_or(String::new(), |micros| format!(", {micros:.2} µs a frame"))
}

fn percentiles(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    percentiles: Option<&Percentiles>,
) -> fmt::Result {
    let Some(Percentiles { p50_ms, p95_ms, p99_ms, max_ms, .. }) = percentiles else {
        return Ok(());
    };
    line(
        f,
        name,
        format_args!(
            "p50 {p50_ms:.1} ms, p95 {p95_ms:.1} ms, p99 {p99_ms:.1} ms, max {max_ms:.1} ms"
        ),
    )
}

fn reasons(f: &mut fmt::Formatter<'_>, name: &str, reasons: &ReasonsReport) -> fmt::Result {
    counted(f, name, reasons.count)?;
    for (reason, times) in &reasons.reasons {
        line(f, "", format_args!("{times} × {reason}"))?;
    }
    Ok(())
}

/// Writes a count, unless it is 0.
fn counted(f: &mut fmt::Formatter<'_>, name: &str, times: u64) -> fmt::Result {
    if times > 0 { line(f, name, format_args!("{times}")) } else { Ok(()) }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, text: fmt::Arguments<'_>) -> fmt::Result {
    writeln!(f, "{name:<NAME$}{text}")
}
