//! The thread that writes log lines, so that no other thread ever waits for stderr.
//!
//! A pipe that nothing reads takes 64 KiB and then blocks its writer. Lines wait in a bounded queue for the one thread
//! that may block. Lines beyond its capacity are dropped, counted, and reported in their place.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Capacity of the queue in bytes: about 500 lines, as much as a pipe holds.
pub(super) const CAPACITY: usize = 64 * 1024;

/// Time between two attempts if stderr is non-blocking and full.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// One item of the queue.
#[derive(Debug)]
enum Entry {
    Line(String),
    /// Stands for this number of lines, which were dropped here.
    Dropped(u64),
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    /// Bytes of all lines in it.
    bytes: usize,
    /// True while the thread writes the entry it took last.
    writing: bool,
}

impl Queue {
    fn push(&mut self, line: String) {
        if self.bytes + line.len() <= CAPACITY {
            self.bytes += line.len();
            self.entries.push_back(Entry::Line(line));
            return;
        }
        match self.entries.back_mut() {
            Some(Entry::Dropped(count)) => *count += 1,
            _ => self.entries.push_back(Entry::Dropped(1)),
        }
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front();
        if let Some(Entry::Line(line)) = &entry {
            self.bytes -= line.len();
        }
        self.writing = entry.is_some();
        entry
    }

    fn is_written(&self) -> bool {
        self.entries.is_empty() && !self.writing
    }
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Notified when a line arrives.
    arrived: Condvar,
    /// Notified when everything is written.
    written: Condvar,
}

impl Shared {
    fn next(&self) -> Entry {
        let mut queue = self.queue.lock();
        loop {
            if let Some(entry) = queue.pop() {
                return entry;
            }
            self.written.notify_all();
            self.arrived.wait(&mut queue);
        }
    }
}

/// Handle to the writing thread.
#[derive(Debug)]
pub(super) struct Writer(Arc<Shared>);

impl Writer {
    /// Starts a thread that writes to `out`. `notice` makes the line that reports dropped lines.
    ///
    /// # Errors
    /// Fails if the system cannot start a thread.
    pub(super) fn start(
        mut out: impl Write + Send + 'static,
        notice: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let source = shared.clone();
        let work = move || loop {
            let line = match source.next() {
                Entry::Line(line) => line,
                Entry::Dropped(count) => notice(count),
            };
            // If stderr is closed, no other place is left to report that.
            let _ = write_whole(&mut out, line.as_bytes());
        };
        thread::Builder::new().name("log".into()).spawn(work)?;
        Ok(Self(shared))
    }

    /// Queues a line; never waits.
    pub(super) fn push(&self, line: String) {
        self.0.queue.lock().push(line);
        self.0.arrived.notify_one();
    }

    /// Waits until all lines are written, for at most this time.
    pub(super) fn flush(&self, at_most: Duration) {
        let mut queue = self.0.queue.lock();
        self.0.written.wait_while_for(&mut queue, |queue| !queue.is_written(), at_most);
    }
}

/// Writes all bytes, even if `out` is non-blocking (another program may have set that for the terminal they share).
fn write_whole(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_AFTER),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn notice(count: u64) -> String {
        format!("{count} dropped\n")
    }

    #[test]
    fn lines_are_written_in_order_and_a_flush_waits_for_them() {
        let (mut reader, pipe) = io::pipe().unwrap();
        let writer = Writer::start(pipe, notice).unwrap();
        (0..100).for_each(|number| writer.push(format!("{number}\n")));
        writer.flush(LONG);
        let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
        let mut read = vec![0; expected.len()];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), expected);
    }

    #[test]
    fn a_pipe_that_nothing_reads_blocks_no_thread_and_dropped_lines_are_reported_in_their_place() {
        let (reader, pipe) = io::pipe().unwrap();
        let writer = Writer::start(pipe, notice).unwrap();
        let line = |number: usize| format!("{number:0999}\n");
        // More than the pipe, the queue and the thread's current line hold together, for any size of pipe.
        let count = 3_000;
        (0..count).for_each(|number| writer.push(line(number)));
        assert!(writer.0.queue.lock().bytes <= CAPACITY);
        writer.flush(Duration::from_millis(1));
        let reading = thread::spawn(move || {
            let lines = BufReader::new(reader).lines().map_while(Result::ok);
            lines.take_while(|line| line != "the last one").collect::<Vec<_>>()
        });
        writer.flush(LONG);
        writer.push("the last one\n".into());
        let lines = reading.join().unwrap();
        let kept = lines.iter().filter(|line| line.len() == 999).count();
        let dropped: usize = lines
            .iter()
            .filter_map(|line| line.strip_suffix(" dropped")?.parse::<usize>().ok())
            .sum();
        assert_eq!(kept + dropped, count);
        assert!(dropped > 0 && lines.last().is_some_and(|line| line.ends_with("dropped")));
    }
}
