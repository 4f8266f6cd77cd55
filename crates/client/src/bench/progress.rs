//! A progress bar on stderr, if stderr is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The bar. It draws nothing if stderr is no terminal.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Returns an empty bar.
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{msg:<40} {bar:30} {percent:>3} %");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// Shows how many viewers have connected or failed to.
    pub fn connecting(&self, done: usize, all: usize) {
        self.show(done as u64, all as u64, format!("connecting: {done} of {all} viewers"));
    }

    /// Shows how much time has passed, with the number of viewers and the frame rate.
    pub fn passing(&self, what: &str, passed: Duration, all: Duration, viewers: usize, rate: f64) {
        let text = format!("{what}: {viewers} viewers, {rate:.0} frames/s");
        self.show(passed.as_millis() as u64, all.as_millis() as u64, text);
    }

    fn show(&self, done: u64, all: u64, text: String) {
        self.0.set_length(all);
        self.0.set_position(done.min(all));
        self.0.set_message(text);
    }

    /// Removes the bar.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
