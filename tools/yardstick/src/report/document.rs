//! The generated sections of a Markdown file.

use anyhow::{Context, ensure};

/// Marks the end of a section. The start marker contains its name.
const END: &str = "<!-- yardstick: end -->";

/// Replaces the content of the section of this name.
///
/// # Errors
/// Fails if the text has no such section.
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
    fn only_the_named_section_changes_and_it_can_change_again() {
        let once = replace(TEXT, "one", "new").unwrap();
        assert!(once.contains("one -->\n\nnew\n\n<!-- yardstick: end -->\nbetween"), "{once}");
        assert!(!once.contains("old") && once.ends_with("after"), "{once}");
        assert_eq!(replace(&once, "one", "new\n").unwrap(), once);
    }

    #[test]
    fn a_missing_marker_is_reported() {
        let error = replace(TEXT, "three", "").unwrap_err();
        assert!(error.to_string().contains("<!-- yardstick: three -->"), "{error}");
        let unended = TEXT.replacen(END, "", 1);
        assert!(replace(&unended, "one", "").is_err());
    }
}
