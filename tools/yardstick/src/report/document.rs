//! The places in a Markdown file that are written by a program.

use anyhow::{Context, ensure};

/// Ends a place. What begins it holds its name.
const END: &str = "<!-- yardstick: end -->";

/// Puts `content` into the place of this name, instead of what was there.
///
/// # Errors
/// When the text has no such place.
pub fn replace(text: &str, name: &str, content: &str) -> anyhow::Result<String> {
    let begin = format!("<!-- yardstick: {name} -->");
    let (before, rest) =
        text.split_once(&begin).with_context(|| format!("the marker {begin} is missing"))?;
    let (old, after) =
        rest.split_once(END).with_context(|| format!("no {END} after the marker {begin}"))?;
    ensure!(!old.contains("<!-- yardstick:"), "no {END} between {begin} and the next marker");
    Ok(format!("{before}{begin}\n\n{}\n\n{END}{after}", content.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
before
<!-- yardstick: one -->
old
<!-- yardstick: end -->
between
<!-- yardstick: two -->
<!-- yardstick: end -->
after";

    #[test]
    fn only_the_place_of_this_name_changes_and_it_can_change_again() {
        let once = replace(TEXT, "one", "new").unwrap();
        assert!(once.contains("one -->\n\nnew\n\n<!-- yardstick: end -->\nbetween"), "{once}");
        assert!(!once.contains("old") && once.ends_with("after"), "{once}");
        assert_eq!(replace(&once, "one", "new\n").unwrap(), once);
    }

    #[test]
    fn a_missing_marker_is_named() {
        let error = replace(TEXT, "three", "").unwrap_err();
        assert!(error.to_string().contains("<!-- yardstick: three -->"), "{error}");
        let unended = TEXT.replacen(END, "", 1);
        assert!(replace(&unended, "one", "").is_err());
    }
}
