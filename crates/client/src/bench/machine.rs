//! Work of the machine's kernel that belongs to no process.

use std::fs;

use super::process::run_time;

/// Kernel threads that finish network work when it exceeds what interrupts can do.
const NETWORK: &str = "ksoftirqd/";
/// Highest process id at which they are searched: they start with the machine, and have low ids.
const MAX_PID: u32 = 10_000;

/// The machine, since the window began.
#[derive(Debug)]
pub struct Machine {
    /// Folders of the kernel threads in `/proc`.
    network: Vec<String>,
    begun: Option<u64>,
    last: Option<u64>,
    tcp_peak: Option<u64>,
}

impl Machine {
    /// Starts the window.
    pub fn watch() -> Self {
        let is_network = |path: &String| {
            fs::read_to_string(format!("{path}/comm")).is_ok_and(|name| name.starts_with(NETWORK))
        };
        let network: Vec<_> =
            process_ids().map(|pid| format!("/proc/{pid}")).filter(is_network).collect();
        let begun = sum(&network);
        Self { network, begun, last: begun, tcp_peak: tcp_memory() }
    }

    /// Takes another sample.
    pub fn look(&mut self) {
        self.last = sum(&self.network);
        self.tcp_peak = self.tcp_peak.max(tcp_memory());
    }

    /// Returns the CPU time of the kernel's network threads since the window began, in seconds, if it can be read.
    pub fn network_cpu(&self) -> Option<f64> {
        Some(self.last?.saturating_sub(self.begun?) as f64 / 1e9)
    }

    /// Returns the most memory seen in the kernel's TCP buffers, in bytes, of all connections.
    pub fn tcp_peak(&self) -> Option<u64> {
        self.tcp_peak
    }
}

fn process_ids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(|pid| *pid < MAX_PID)
}

fn sum(threads: &[String]) -> Option<u64> {
    let times: Option<Vec<u64>> = threads.iter().map(|path| run_time(path)).collect();
    times.filter(|times| !times.is_empty()).map(|times| times.iter().sum())
}

fn tcp_memory() -> Option<u64> {
    let pages = parse_tcp_pages(&fs::read_to_string("/proc/net/sockstat").ok()?)?;
    Some(pages * rustix::param::page_size() as u64)
}

fn parse_tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "mem").skip(1);
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_tcp_are_found() {
        let text =
            "sockets: used 16\nTCP: inuse 1 orphan 0 tw 422 alloc 1 mem 239\nUDP: inuse 0 mem 7\n";
        assert_eq!(parse_tcp_pages(text), Some(239));
        assert_eq!(parse_tcp_pages("TCP: inuse 1\n"), None);
    }
}
