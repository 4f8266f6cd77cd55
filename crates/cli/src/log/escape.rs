//! Characters that a terminal obeys or does not show, made visible.
//!
//! Clients and cameras choose a part of what is logged. A line break in it could forge a line, an escape sequence could
//! repaint the terminal, and a bidirectional mark could show a line in another order than it is.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns whether a terminal obeys this character or shows nothing for it: control characters (C0, DEL, C1), line and
/// paragraph separators, bidirectional marks, and other format characters without a width.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Escapes hidden characters as Rust writes them: `\n`, `\u{202e}`.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    replace(text, |escaped, c| escaped.extend(c.escape_default()))
}

/// Escapes hidden characters in a JSON text as JSON writes them: `\u202e`. All of them are within its strings.
pub(super) fn escape_json(text: &str) -> Cow<'_, str> {
    replace(text, |escaped, c| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to memory does not fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    })
}

fn replace(text: &str, with: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            with(&mut escaped, c);
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_made_visible_and_others_stay() {
        assert_eq!(escape("a\nb\x1b[2J\u{9b}c\u{202e}"), "a\\nb\\u{1b}[2J\\u{9b}c\\u{202e}");
        assert_eq!(escape("Grüße, カメラ, नमस्ते, 📷"), "Grüße, カメラ, नमस्ते, 📷");
        for c in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert!(is_hidden(c), "{c:?}");
        }
        for c in
            ['\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{80}', '\u{9f}', '\u{7f}', '\0']
        {
            assert!(is_hidden(c), "{c:?}");
        }
    }

    #[test]
    fn json_stays_json() {
        let text = serde_json::Value::from("\u{9b}\u{202e}\u{e0001}\n").to_string();
        let escaped = escape_json(&text);
        assert_eq!(escaped, r#""\u009b\u202e\udb40\udc01\n""#);
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), "\u{9b}\u{202e}\u{e0001}\n");
    }
}
