//! Test code: files and byte ranges that are compiled for tests only.

use std::collections::HashSet;
use std::ops::Range;

use proc_macro2::TokenStream;

use super::items;

/// Returns the byte ranges of the items that exist in tests only.
pub fn ranges(tokens: &TokenStream) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    items::walk(tokens.clone(), &mut |item| {
        if item.test {
            found.push(item.bytes.clone());
        }
    });
    found
}

/// Returns the folder in which the child modules of a file lie.
pub fn module_folder(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "mod.rs" | "lib.rs" | "main.rs" => folder.into(),
        _ => path.trim_end_matches(".rs").into(),
    }
}

/// Modules that a parent declares as `#[cfg(test)] mod name;`, as paths without an ending.
#[derive(Debug, Default)]
pub struct TestModules(HashSet<String>);

impl TestModules {
    /// Adds the test modules that one file declares.
    pub fn add(&mut self, path: &str, tokens: &TokenStream) {
        let folder = module_folder(path);
        let declared = items::items(tokens.clone()).into_iter();
        let tests =
            declared.filter(|item| item.test && item.keyword == "mod" && item.body.is_none());
        self.0.extend(tests.map(|item| format!("{folder}/{}", item.name)));
    }

    /// Returns whether a file is one of these modules or lies below one.
    pub fn holds(&self, path: &str) -> bool {
        let stem = path.trim_end_matches(".rs");
        let mut ends = stem.match_indices('/').map(|(at, _)| at).chain([stem.len()]);
        ends.any(|end| self.0.contains(&stem[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_its_parent_declares_for_tests_is_test_code() {
        let mut modules = TestModules::default();
        modules.add("a/src/hub/mod.rs", &"#[cfg(test)] mod model; mod ring;".parse().unwrap());
        assert!(modules.holds("a/src/hub/model.rs"));
        assert!(modules.holds("a/src/hub/model/cases.rs"));
        assert!(!modules.holds("a/src/hub/ring.rs"));
    }
}
