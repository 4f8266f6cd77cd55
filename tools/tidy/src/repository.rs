//! The repository under check: its files, and which of them are test code.

use std::path::Path;

use anyhow::Result;

use crate::files::{self, File, Language};
use crate::rust;
use crate::rust::test_code::TestModules;

#[derive(Debug)]
pub struct Repository {
    pub files: Vec<File>,
    test_modules: TestModules,
}

impl Repository {
    /// Reads the repository with the given root.
    pub fn read(root: &Path) -> Result<Self> {
        Ok(Self::new(files::read(root)?))
    }

    /// Returns a repository of files held in memory.
    pub fn new(files: Vec<File>) -> Self {
        let mut test_modules = TestModules::default();
        for file in files.iter().filter(|file| file.language == Language::Rust) {
            // A file that cannot be read is reported by its own check.
            if let Ok(tokens) = rust::parse(&file.path, &file.text) {
                test_modules.add(&file.path, &tokens);
            }
        }
        Self { files, test_modules }
    }

    /// Returns whether a file is compiled or run for tests only.
    pub fn is_test(&self, file: &File) -> bool {
        file.is_test_by_path()
            || (file.language == Language::Rust && self.test_modules.holds(&file.path))
    }

    /// Returns the Rust files that are part of a program or library.
    pub fn sources(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.language == Language::Rust && !self.is_test(file))
    }
}
