//! Places: files and folders that a rule names, with `*` for any characters.

/// Returns whether a path is the place itself or lies below it.
pub(crate) fn holds(place: &str, path: &str) -> bool {
    let folder = place.trim_end_matches(".rs");
    // A module may be a file or a folder, and becomes one when it grows.
    let below = format!("{folder}/*");
    matches(place, path) || matches(&below, path) || matches(&format!("{folder}.rs"), path)
}

/// Compares a text with a pattern in which `*` stands for any characters.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_a_file_or_a_folder() {
        assert!(holds("crates/a/src/hub", "crates/a/src/hub.rs"));
        assert!(holds("crates/a/src/hub", "crates/a/src/hub/ring/tests.rs"));
        assert!(holds("crates/a/src/limits.rs", "crates/a/src/limits/mod.rs"));
        assert!(holds("crates/*/src", "crates/b/src/lib.rs"));
        assert!(!holds("crates/a/src/hub", "crates/a/src/hubs.rs"));
    }
}
