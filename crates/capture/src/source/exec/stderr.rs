//! Lines that a command writes to stderr: bounded in length, and the last one is kept.

use fanlight_cli::secret::mask_url;

/// The longest line, in bytes. Longer ones are cut; this is enough to state an error.
const MAX_LINE: usize = 400;
/// The bytes of the last line that fit into a reason, which has at most 200 bytes in the catalog.
const MAX_LAST: usize = 160;

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its text, without passwords and control characters.
    pub(super) text: String,
    /// True if it ends with a carriage return, so that a terminal shows the next line in its place: it reports
    /// progress.
    pub(super) is_progress: bool,
}

/// Splits stderr into lines.
#[derive(Debug, Default)]
pub(super) struct StderrLines {
    line: Vec<u8>,
    last: Option<String>,
}

impl StderrLines {
    /// Accepts bytes; returns the lines that end in them.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (piece, end) = match piece.split_last() {
                Some((end @ (b'\n' | b'\r'), piece)) => (piece, Some(*end)),
                _ => (piece, None),
            };
            let room = (MAX_LINE + 1).saturating_sub(self.line.len());
            self.line.extend(&piece[..piece.len().min(room)]);
            if let Some(end) = end {
                lines.extend(self.end_line(end == b'\r'));
            }
        }
        lines
    }

    /// Returns the last line that is not progress, which may be incomplete.
    pub(super) fn last(&mut self) -> Option<String> {
        self.end_line(false);
        self.last.as_deref().map(|last| cut(last, MAX_LAST))
    }

    fn end_line(&mut self, is_progress: bool) -> Option<Line> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line).replace(char::is_control, " ");
        let text = cut(&mask_url(text.trim()), MAX_LINE);
        if text.is_empty() {
            return None;
        }
        if !is_progress {
            self.last = Some(text.clone());
        }
        Some(Line { text, is_progress })
    }
}

fn cut(text: &str, longest: usize) -> String {
    match text.len() > longest {
        true => format!("{}…", &text[..text.floor_char_boundary(longest)]),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(lines: &mut StderrLines, text: &str) -> Vec<(String, bool)> {
        let fed = lines.feed(text.as_bytes()).into_iter();
        fed.map(|line| (line.text, line.is_progress)).collect()
    }

    #[test]
    fn lines_are_returned_when_they_end_and_the_last_is_kept() {
        let mut lines = StderrLines::default();
        assert_eq!(fed(&mut lines, "one\ntw"), [("one".into(), false)]);
        assert_eq!(lines.last.as_deref(), Some("one"));
        assert_eq!(
            fed(&mut lines, "o\r\n\nframe=1\rthree"),
            [("two".into(), true), ("frame=1".into(), true)]
        );
        assert_eq!(lines.last().as_deref(), Some("three"), "an incomplete line");
    }

    #[test]
    fn a_line_without_an_end_is_bounded() {
        let mut lines = StderrLines::default();
        for _ in 0..1000 {
            assert_eq!(fed(&mut lines, &"x".repeat(100)), []);
        }
        assert!(lines.line.len() <= MAX_LINE + 1);
        let line = &fed(&mut lines, "\n")[0].0;
        assert!(line.ends_with("x…") && line.len() < MAX_LINE + 4);
        assert!(lines.last().unwrap().len() < MAX_LAST + 4);
    }

    #[test]
    fn passwords_and_control_characters_are_removed() {
        let mut lines = StderrLines::default();
        let line = fed(&mut lines, "\x1b[31mrtsp://u:hunter2@cam/: \x07refused\n");
        assert_eq!(line, [("[31mrtsp://***:***@cam/:  refused".into(), false)]);
    }
}
