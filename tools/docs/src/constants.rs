//! The constants that ARCHITECTURE.md names beside its numbers: each must exist in its file.
//!
//! They are listed in paragraphs of the form "Constants in `FOLDER/`: `FILE` (`NAME`, `NAME`), …". A file that starts with
//! `crates/` or `web/` is relative to the root of the repository, any other to the folder.

/// One constant that a document names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant {
    /// The path of its file, from the root of the repository.
    pub file: String,
    /// Its name.
    pub name: String,
}

impl Constant {
    /// Returns whether the text of a Rust or JavaScript file defines the constant.
    pub fn is_defined_in(&self, text: &str) -> bool {
        [":", " ="].iter().any(|end| text.contains(&format!("const {}{end}", self.name)))
    }
}

/// Returns the constants that a document names.
pub fn named(document: &str) -> Vec<Constant> {
    let lists =
        document.split("\n\n").filter(|text| text.trim_start().starts_with("Constants in `"));
    lists.flat_map(list).collect()
}

fn list(paragraph: &str) -> Vec<Constant> {
    let mut codes = paragraph.split('`').skip(1).step_by(2);
    let folder = codes.next().unwrap_or_default();
    let (mut constants, mut file) = (Vec::new(), String::new());
    for code in codes {
        match code.contains('.') {
            true if code.starts_with("crates/") || code.starts_with("web/") => file = code.into(),
            true => file = format!("{folder}{code}"),
            false => constants.push(Constant { file: file.clone(), name: code.into() }),
        }
    }
    constants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_found_with_their_files() {
        let text = "# Numbers\n\nConstants in `web/`: `a.js` (`MAX`, `MIN`), `crates/b.rs`\n(`MAX`).\n\n| `NO` |\n";
        let found: Vec<_> = named(text).into_iter().map(|one| (one.file, one.name)).collect();
        let expected = [("web/a.js", "MAX"), ("web/a.js", "MIN"), ("crates/b.rs", "MAX")];
        assert_eq!(found, expected.map(|(file, name)| (file.to_owned(), name.to_owned())));
    }

    #[test]
    fn a_constant_is_defined_under_its_whole_name() {
        let max = Constant { file: String::new(), name: "MAX".into() };
        for (text, defined) in [
            ("pub const MAX: u32 = 1;", true),
            ("export const MAX = 1;", true),
            ("const MAX_AGE: u32 = 1;", false),
            ("use MAX;", false),
        ] {
            assert_eq!(max.is_defined_in(text), defined, "{text}");
        }
    }
}
