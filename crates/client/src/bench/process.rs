//! CPU time and memory of the server's processes, from `/proc`.
//!
//! CPU time comes from each thread's `schedstat`, in nanoseconds. The last fraction of a second of a thread that exits
//! is lost, because it can no longer be read. If the kernel keeps no such record, `stat` has hundredths of a second.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use rustix::time::{ClockId, clock_gettime};

/// Ticks per second in `/proc/PID/stat`, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// One process that is measured.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    /// CPU time of each thread in nanoseconds: at the start of the window, and at the last sample.
    threads: BTreeMap<i32, (u64, u64)>,
    begun: Stat,
    last: Stat,
    rss_last: u64,
    rss_peak: u64,
}

/// User and system time, in ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stat {
    user: u64,
    system: u64,
}

/// Cost of processes in the window.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// CPU time in seconds, as precise as the kernel records it.
    pub cpu: f64,
    /// CPU time in user mode, in seconds, in steps of 10 ms.
    pub user: f64,
    /// CPU time in the kernel, in seconds, in steps of 10 ms.
    pub system: f64,
    /// Memory at the end, in bytes.
    pub rss_last: u64,
    /// The most memory seen, in bytes.
    pub rss_peak: u64,
}

impl Process {
    /// Starts the window of a process.
    ///
    /// # Errors
    /// Fails if there is no such process.
    pub fn watch(pid: i32) -> io::Result<Self> {
        let begun = stat(pid)?;
        let threads = thread_times(pid).into_iter().map(|(id, time)| (id, (time, time))).collect();
        let rss = rss(pid).unwrap_or(0);
        Ok(Self { pid, threads, begun, last: begun, rss_last: rss, rss_peak: rss })
    }

    /// Takes another sample. After its exit, a process keeps its last sample.
    pub fn look(&mut self) {
        for (id, time) in thread_times(self.pid) {
            // A new thread began within the window.
            self.threads.entry(id).or_insert((0, 0)).1 = time;
        }
        if let Ok(stat) = stat(self.pid) {
            self.last = stat;
        }
        if let Some(rss) = rss(self.pid) {
            self.rss_last = rss;
            self.rss_peak = self.rss_peak.max(rss);
        }
    }

    /// Returns the cost since the window began.
    pub fn cost(&self) -> Cost {
        let seconds = |begun: u64, last: u64| last.saturating_sub(begun) as f64 / TICKS_PER_SECOND;
        let user = seconds(self.begun.user, self.last.user);
        let system = seconds(self.begun.system, self.last.system);
        let nanos: u64 =
            self.threads.values().map(|(begun, last)| last.saturating_sub(*begun)).sum();
        let cpu = if self.threads.is_empty() { user + system } else { nanos as f64 / 1e9 };
        Cost { cpu, user, system, rss_last: self.rss_last, rss_peak: self.rss_peak }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |sum, cost| Self {
            cpu: sum.cpu + cost.cpu,
            user: sum.user + cost.user,
            system: sum.system + cost.system,
            rss_last: sum.rss_last + cost.rss_last,
            rss_peak: sum.rss_peak + cost.rss_peak,
        })
    }
}

/// Returns this process's own CPU time, in seconds.
pub fn own_cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Returns the run time of a process or thread in nanoseconds; `path` is its folder in `/proc`.
pub fn run_time(path: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("{path}/schedstat")).ok()?;
    text.split(' ').next()?.parse().ok()
}

/// Returns each thread's run time; empty if the kernel does not record it.
fn thread_times(pid: i32) -> Vec<(i32, u64)> {
    let folder = format!("/proc/{pid}/task");
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter_map(|id: i32| Some((id, run_time(&format!("{folder}/{id}"))?))).collect()
}

fn stat(pid: i32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&text)
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat has an unknown format")))
}

/// Parses user and system time. The name, in parentheses, may itself contain spaces and parentheses.
fn parse_stat(text: &str) -> Option<Stat> {
    let mut fields = text.get(text.rfind(')')? + 2..)?.split(' ').skip(11);
    Some(Stat { user: fields.next()?.parse().ok()?, system: fields.next()?.parse().ok()? })
}

/// Returns the resident memory in bytes.
fn rss(pid: i32) -> Option<u64> {
    parse_rss(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_contain_parentheses() {
        let text = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 123 45 0 0 20 0";
        assert_eq!(parse_stat(text), Some(Stat { user: 123, system: 45 }));
        assert_eq!(parse_stat("7 (a"), None);
        assert_eq!(parse_rss("VmHWM:\t  99 kB\nVmRSS:\t  12 kB\n"), Some(12 * 1024));
    }

    #[test]
    fn the_cost_of_this_process_is_measured() {
        let pid = std::process::id() as i32;
        let mut process = Process::watch(pid).unwrap();
        let before = own_cpu();
        while own_cpu() - before < 0.05 {
            std::hint::black_box(fs::read_to_string("/proc/self/status").unwrap());
        }
        process.look();
        let cost = process.cost();
        assert!(cost.cpu > 0.0 && cost.rss_peak >= cost.rss_last && cost.rss_last > 0, "{cost:?}");
        assert!(Process::watch(i32::MAX).is_err());
    }
}
