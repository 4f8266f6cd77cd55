//! One recorded run.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

/// A run: what was measured, in which round, and what came out.
#[derive(Debug, Clone, Deserialize)]
pub struct Run {
    /// What was measured.
    #[serde(flatten)]
    pub case: Case,
    /// Each round measures every case once.
    pub round: u32,
    /// How like its original a picture is as a viewer sees it: the mean structural similarity, 1 for the same.
    #[serde(default)]
    pub ssim: Option<f64>,
    /// What `fanlight bench` said.
    #[serde(rename = "result")]
    pub figures: Figures,
}

/// What was measured. Runs of one case differ in their round only.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Case {
    /// Which table it belongs to.
    pub part: Part,
    /// Which server, by the name that scripts/bench gives it.
    pub server: String,
    /// The server's threads.
    pub threads: u32,
    /// Length of a payload.
    pub bytes: u64,
    /// Viewers, those that stall or trickle included.
    pub viewers: u32,
    /// Those of them that never read.
    #[serde(default)]
    pub stalled: u32,
    /// The link's rate, in Mbit/s.
    #[serde(default)]
    pub mbit: Option<f64>,
    /// What of a capture's stream was watched.
    #[serde(default)]
    pub watched: Option<String>,
}

/// A part of scripts/bench, with a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Many viewers that take everything.
    Throughput,
    /// Likewise, with frames as small as those of H.264.
    Deltas,
    /// Viewers that read slower than frames are made.
    Trickling,
    /// Viewers that do not read, among others.
    Stalled,
    /// One viewer behind a slow link.
    Link,
    /// A capture, and what of its stream is watched.
    Capture,
    /// The codecs side by side.
    Codecs,
}

/// What `fanlight bench` said, as far as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Figures {
    /// Viewers that read as fast as they can.
    pub normal: Viewers,
    /// Viewers that read slowly, where there were some.
    pub trickling: Option<Viewers>,
    /// What the server cost.
    pub server: Option<Server>,
    /// The machine.
    pub machine: Machine,
    /// Handshakes that went wrong.
    pub refused: Count,
    /// Viewers that were closed, but for stalled ones.
    pub closed: Count,
}

/// What viewers of one kind saw.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Viewers {
    /// Frames received whole.
    #[serde(default)]
    pub frames: u64,
    /// Bytes of them.
    #[serde(default)]
    pub bytes: u64,
    /// Frames a second of the viewer in the middle.
    pub fps_median: Option<f64>,
    /// How old frames were at their last byte.
    pub age: Option<Percentiles>,
}

/// Where most values lie, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct Percentiles {
    /// Half of them are not above this.
    pub p50_ms: f64,
    /// 95 of 100 are not above this.
    pub p95_ms: f64,
    /// 99 of 100 are not above this.
    pub p99_ms: f64,
}

/// What the server cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct Server {
    /// CPU time for each frame that was delivered whole, in microseconds.
    pub cpu_us_per_frame: Option<f64>,
    /// The most memory that was resident, in bytes.
    pub rss_peak_bytes: f64,
}

/// What is on nobody's account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct Machine {
    /// The most memory that the kernel held for TCP, of all connections, in bytes.
    pub tcp_memory_peak_bytes: Option<f64>,
}

/// How often something happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct Count {
    /// In all.
    pub count: u64,
}

impl Run {
    /// The viewers that this run is about.
    pub fn viewers(&self) -> &Viewers {
        self.figures.trickling.as_ref().unwrap_or(&self.figures.normal)
    }

    /// The ages that they saw, where they saw any.
    pub fn age(&self) -> Option<Percentiles> {
        self.viewers().age
    }

    /// Whether viewers were refused or closed, so that its figures are not those of all viewers.
    pub fn is_spoilt(&self) -> bool {
        self.figures.refused.count + self.figures.closed.count > 0
    }
}

/// Reads recorded runs, one JSON object a line.
///
/// # Errors
/// When the file cannot be read, or a line is not a run.
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

/// A run with this CPU time and nothing else of interest.
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

    /// What `fanlight bench --json` says, shortened to a few fields more than are read.
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
    fn a_broken_line_is_named() {
        let error = parse("\n{}\n").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
