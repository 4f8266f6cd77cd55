//! What a command says on stderr: lines, of which none is too long and the last is remembered.

use fanlight_cli::secret::mask_url;

/// Longer lines are cut: this much tells what is wrong.
const LONGEST: usize = 400;
/// So much of the last line fits into a reason, of which the catalog takes 200 bytes.
const LAST: usize = 160;

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Saying {
    /// What it says, without passwords and control characters.
    pub(super) text: String,
    /// The next line is to be written over it on a terminal: it tells of progress, and nothing worth keeping.
    pub(super) fleeting: bool,
}

/// Makes lines of what comes.
#[derive(Debug, Default)]
pub(super) struct StderrLines {
    line: Vec<u8>,
    last: Option<String>,
}

impl StderrLines {
    /// Takes in what came; gives the lines that end in it.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Vec<Saying> {
        let mut sayings = Vec::new();
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (piece, end) = match piece.split_last() {
                Some((end @ (b'\n' | b'\r'), piece)) => (piece, Some(*end)),
                _ => (piece, None),
            };
            let room = (LONGEST + 1).saturating_sub(self.line.len());
            self.line.extend(&piece[..piece.len().min(room)]);
            if let Some(end) = end {
                sayings.extend(self.end_line(end == b'\r'));
            }
        }
        sayings
    }

    /// The last line that was more than progress, with one that has no end yet.
    pub(super) fn last(&mut self) -> Option<String> {
        self.end_line(false);
        self.last.as_deref().map(|last| cut(last, LAST))
    }

    fn end_line(&mut self, fleeting: bool) -> Option<Saying> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line).replace(char::is_control, " ");
        let text = cut(&mask_url(text.trim()), LONGEST);
        if text.is_empty() {
            return None;
        }
        if !fleeting {
            self.last = Some(text.clone());
        }
        Some(Saying { text, fleeting })
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

    fn heard(sayings: &mut StderrLines, text: &str) -> Vec<(String, bool)> {
        let lines = sayings.hear(text.as_bytes()).into_iter();
        lines.map(|saying| (saying.text, saying.fleeting)).collect()
    }

    #[test]
    fn lines_are_given_when_they_end_and_the_last_is_remembered() {
        let mut sayings = StderrLines::default();
        assert_eq!(heard(&mut sayings, "one\ntw"), [("one".into(), false)]);
        assert_eq!(sayings.last.as_deref(), Some("one"));
        assert_eq!(
            heard(&mut sayings, "o\r\n\nframe=1\rthree"),
            [("two".into(), true), ("frame=1".into(), true)]
        );
        assert_eq!(sayings.last().as_deref(), Some("three"), "though its end is missing");
    }

    #[test]
    fn a_line_without_end_takes_no_more_room_than_a_long_one() {
        let mut sayings = StderrLines::default();
        for _ in 0..1000 {
            assert_eq!(heard(&mut sayings, &"x".repeat(100)), []);
        }
        assert!(sayings.line.len() <= LONGEST + 1);
        let line = &heard(&mut sayings, "\n")[0].0;
        assert!(line.ends_with("x…") && line.len() < LONGEST + 4);
        assert!(sayings.last().unwrap().len() < LAST + 4);
    }

    #[test]
    fn passwords_and_control_characters_stay_away() {
        let mut sayings = StderrLines::default();
        let line = heard(&mut sayings, "\x1b[31mrtsp://u:hunter2@cam/: \x07refused\n");
        assert_eq!(line, [("[31mrtsp://***:***@cam/:  refused".into(), false)]);
    }
}
