//! A bar on stderr while one waits, where stderr is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The bar. Where stderr is no terminal it draws nothing.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar that is empty.
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{msg:<40} {bar:30} {percent:>3} %");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// So many of so many viewers have connected.
    pub fn connecting(&self, done: usize, all: usize) {
        self.show(done as u64, all as u64, format!("connecting: {done} of {all} viewers"));
    }

    /// So much of the time has passed, with so many viewers and frames a second.
    pub fn passing(&self, what: &str, passed: Duration, all: Duration, viewers: usize, rate: f64) {
        let text = format!("{what}: {viewers} viewers, {rate:.0} frames/s");
        self.show(passed.as_millis() as u64, all.as_millis() as u64, text);
    }

    fn show(&self, done: u64, all: u64, text: String) {
        self.0.set_length(all);
        self.0.set_position(done.min(all));
        self.0.set_message(text);
    }

    /// Takes it away.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
