//! The `tracing` layer: turns events into lines and suppresses repeated ones.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Instant;

use parking_lot::Mutex;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::line::{Fields, Style};
use super::repeats::Repeats;

/// Writes each event as a line, unless it repeats a recent one. `write` and `clock` are arguments, so that tests can
/// read the lines and need not wait.
pub(super) struct Lines<W, C> {
    style: Style,
    write: W,
    clock: C,
    repeats: Mutex<Repeats>,
}

impl<W, C: Fn() -> Instant> Lines<W, C> {
    pub(super) fn new(style: Style, write: W, clock: C) -> Self {
        Self { style, write, clock, repeats: Mutex::default() }
    }

    /// Returns how many events were suppressed before this one, or `None` to suppress it too.
    fn admit(&self, event: &Event<'_>, fields: &Fields) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        event.metadata().callsite().hash(&mut hasher);
        fields.hash_kind(&mut hasher);
        let now = (self.clock)();
        let mut repeats = self.repeats.lock();
        repeats.admit(hasher.finish(), now)
    }
}

impl<S, W, C> Layer<S> for Lines<W, C>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(String) + 'static,
    C: Fn() -> Instant + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(around) = span.extensions().get::<Fields>() {
                fields.surround(around);
            }
        }
        let Some(held_back) = self.admit(event, &fields) else {
            return;
        };
        fields.add_held_back(held_back);
        let metadata = event.metadata();
        (self.write)(fields.line(*metadata.level(), metadata.target(), self.style));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Returns the lines that `body` logs. `body` can advance the clock.
    fn logged(style: Style, body: impl FnOnce(&dyn Fn(u64))) -> Vec<String> {
        let written = Arc::new(Mutex::new(String::new()));
        let now = Arc::new(Mutex::new(Instant::now()));
        let clock = {
            let now = Arc::clone(&now);
            move || *now.lock()
        };
        let write = {
            let written = Arc::clone(&written);
            move |line: String| *written.lock() += &line
        };
        let lines = Lines::new(style, write, clock);
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, || {
            body(&|seconds| *now.lock() += Duration::from_secs(seconds));
        });
        let text = written.lock().clone();
        text.lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_line_holds_time_level_message_and_fields() {
        let lines = logged(Style::Plain, |_| {
            tracing::warn!(stream = "door", reason = "not found", retry_s = 2, "offline");
        });
        assert_eq!(lines.len(), 1);
        let (time, rest) = lines[0].split_once("  WARN ").unwrap();
        assert_eq!(time.len(), "2026-01-31T12:34:56.789Z".len());
        assert_eq!(rest, r#"offline reason="not found" retry_s=2 stream=door"#);
    }

    #[test]
    fn a_json_line_is_one_object() {
        let lines = logged(Style::Json, |_| {
            let span = tracing::info_span!("pipeline", stream = "door");
            span.in_scope(|| tracing::info!(fps = 29.5, live = true, "picture\nthere"));
        });
        let object: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(object["level"], "info");
        assert_eq!(object["message"], "picture\nthere");
        assert_eq!(object["stream"], "door");
        assert_eq!(object["fps"], 29.5);
        assert_eq!(object["live"], true);
        assert!(object["time"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn repeated_events_are_suppressed_and_counted_regardless_of_their_numbers() {
        let lines = logged(Style::Plain, |forward| {
            for lost in 0..5 {
                tracing::warn!(stream = "door", lost, "frames were lost");
                tracing::warn!(stream = "yard", lost, "frames were lost");
                forward(3);
            }
        });
        let rests: Vec<&str> =
            lines.iter().filter_map(|l| Some(l.split_once("lost ")?.1)).collect();
        assert_eq!(
            rests,
            [
                "lost=0 stream=door",
                "lost=0 stream=yard",
                "held_back=3 lost=4 stream=door",
                "held_back=3 lost=4 stream=yard",
            ]
        );
    }

    #[test]
    fn no_password_reaches_a_line() {
        for style in [Style::Plain, Style::Colour, Style::Json] {
            let lines = logged(style, |_| {
                let url = "rtsp://admin:hunter2@cam/";
                tracing::error!(url, error = ?Some(url), "cannot open {url}");
            });
            assert!(!lines.is_empty() && !lines.concat().contains("hunter2"), "{lines:?}");
        }
    }

    #[test]
    fn only_the_colour_style_has_colours() {
        let line = |style| logged(style, |_| tracing::info!("x")).concat();
        assert!(line(Style::Colour).contains('\x1b'));
        assert!(!line(Style::Plain).contains('\x1b'));
    }
}
