//! One recorded run.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

/// A run: its case, its round, and its results.
#[derive(Debug, Clone, Deserialize)]
pub struct Run {
    /// The measured case.
    #[serde(flatten)]
    pub case: Case,
    /// Number of the round; each round measures every case once.
    pub round: u32,
    /// Similarity of a viewer's picture to its original: the mean structural similarity, 1 if they are equal.
    #[serde(default)]
    pub ssim: Option<f64>,
    /// The report of `fanlight bench`.
    #[serde(rename = "result")]
    pub figures: Figures,
}

/// The measured case. Runs of one case differ only in their round.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Case {
    /// The table that it belongs to.
    pub part: Part,
    /// The server, by its name in scripts/bench.
    pub server: String,
    /// The server's threads.
    pub threads: u32,
    /// Length of a payload.
    pub bytes: u64,
    /// Number of viewers, including those that stall or trickle.
    pub viewers: u32,
    /// Number of viewers that never read.
    #[serde(default)]
    pub stalled: u32,
    /// The link's rate, in Mbit/s.
    #[serde(default)]
    pub mbit: Option<f64>,
    /// The watched track of a capture's stream.
    #[serde(default)]
    pub watched: Option<String>,
}

/// A part of scripts/bench, with a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Many viewers that receive every frame.
    Throughput,
    /// The same, with frames as small as those of H.264.
    Deltas,
    /// Viewers that read more slowly than frames are made.
    Trickling,
    /// Viewers that do not read, among others.
    Stalled,
    /// One viewer behind a slow link.
    Link,
    /// A capture, by the watched tracks of its stream.
    Capture,
    /// The codecs side by side.
    Codecs,
}

/// The parts of the report of `fanlight bench` that are shown.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Figures {
    /// Viewers that read as fast as they can.
    pub normal: Viewers,
    /// Viewers that read slowly, if there are any.
    pub trickling: Option<Viewers>,
    /// Cost of the server.
    pub server: Option<Server>,
    /// Cost of the machine's kernel.
    pub machine: Machine,
    /// Failed handshakes.
    pub refused: Count,
    /// Viewers that were closed, except stalled ones.
    pub closed: Count,
}

/// Results of the viewers of one kind.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Viewers {
    /// Complete frames received.
    #[serde(default)]
    pub frames: u64,
    /// Bytes of these frames.
    #[serde(default)]
    pub bytes: u64,
    /// Frame rate of the median viewer.
    pub fps_median: Option<f64>,
    /// Age of frames at their last byte.
    pub age: Option<Percentiles>,
}

/// Percentiles, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct Percentiles {
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
}

/// Cost of the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct Server {
    /// CPU time for each complete frame that was delivered, in microseconds.
    pub cpu_us_per_frame: Option<f64>,
    /// Peak resident memory, in bytes.
    pub rss_peak_bytes: f64,
}

/// Cost that belongs to no process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct Machine {
    /// Most memory that the kernel used for TCP, of all connections, in bytes.
    pub tcp_memory_peak_bytes: Option<f64>,
}

/// Count of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct Count {
    /// Total.
    pub count: u64,
}

impl Run {
    /// Returns the viewers that this run is about: those that trickle if there are any, else the normal ones.
    pub fn viewers(&self) -> &Viewers {
        self.figures.trickling.as_ref().unwrap_or(&self.figures.normal)
    }

    /// Returns the ages of their frames, if there are any.
    pub fn age(&self) -> Option<Percentiles> {
        self.viewers().age
    }

    /// Returns whether viewers were refused or closed, so that the figures are not those of all viewers.
    pub fn is_spoilt(&self) -> bool {
        self.figures.refused.count + self.figures.closed.count > 0
    }
}

/// Reads recorded runs, one JSON object a line.
///
/// # Errors
/// Fails if the file cannot be read, or a line is not a run.
pub fn read(path: &Path) -> anyhow::Result<Vec<Run>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> anyhow::Result<Vec<Run>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            serde_json::from_str(line).with_context(|| format!("line {} is not a run", at + 1))
        })
        .collect()
}

/// Returns a run with this CPU time; all other figures are irrelevant.
#[cfg(test)]
pub(crate) fn sample(server: &str, round: u32, cpu_us_per_frame: f64) -> Run {
    let case = Case {
        part: Part::Throughput,
        server: server.into(),
        threads: 1,
        bytes: 60_000,
        viewers: 300,
        stalled: 0,
        mbit: None,
        watched: None,
    };
    let server = Server { cpu_us_per_frame: Some(cpu_us_per_frame), ..Server::default() };
    let figures = Figures { server: Some(server), ..Figures::default() };
    Run { case, round, ssim: None, figures }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recorded run, with a few more fields than are read.
    const LINE: &str = r#"{"part":"trickling","server":"broadcast","threads":1,"bytes":60000,"viewers":20,"round":2,"result":{
        "protocol":"websocket","normal":{"viewers":0,"fps_median":null,"age":null,"gap":null},
        "trickling":{"fps_median":7.5,"age":{"p50_ms":100.5,"p95_ms":200,"p99_ms":300,"max_ms":301,"samples":9}},
        "refused":{"count":0,"reasons":{}},"closed":{"count":1,"reasons":{"reset":1}},
        "server":{"pids":[1],"cpu_us_per_frame":12.5,"rss_peak_bytes":1048576},
        "machine":{"ksoftirqd_cpu_seconds":null,"tcp_memory_peak_bytes":4096}}}"#;

    #[test]
    fn a_line_is_a_run() {
        let runs = parse(&LINE.replace('\n', " ")).unwrap();
        assert_eq!(runs.len(), 1);
        let run = &runs[0];
        assert_eq!((run.case.part, run.case.mbit, run.round), (Part::Trickling, None, 2));
        assert_eq!(run.viewers().fps_median, Some(7.5), "of those that trickle");
        assert_eq!(run.age().map(|age| age.p50_ms), Some(100.5));
        assert_eq!(run.figures.server.and_then(|server| server.cpu_us_per_frame), Some(12.5));
        assert!(run.is_spoilt(), "one was closed");
    }

    #[test]
    fn an_invalid_line_is_reported() {
        let error = parse("\n{}\n").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
