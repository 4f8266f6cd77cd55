//! Kinds of rules. Each rule has its reason, which the check prints.

/// Crates of the workspace that a crate may depend on. Other dependencies are the subject of [`LibraryRule`].
#[derive(Debug)]
pub struct CrateRule {
    /// Folder of the crate.
    pub folder: &'static str,
    /// Our crates among its dependencies, without `fanlight-`.
    pub uses: &'static [&'static str],
    /// Further ones that only its tests and benches may use.
    pub tests_use: &'static [&'static str],
    pub reason: &'static str,
}

impl CrateRule {
    pub(super) const fn new(
        folder: &'static str,
        uses: &'static [&'static str],
        reason: &'static str,
    ) -> Self {
        Self { folder, uses, tests_use: &[], reason }
    }

    pub(super) const fn tests_use(self, tests_use: &'static [&'static str]) -> Self {
        Self { tests_use, ..self }
    }
}

/// Libraries that only some crates may depend on.
#[derive(Debug)]
pub struct LibraryRule {
    pub library: &'static str,
    /// Folders of the crates that may.
    pub only: &'static [&'static str],
    pub reason: &'static str,
}

impl LibraryRule {
    pub(super) const fn new(
        library: &'static str,
        only: &'static [&'static str],
        reason: &'static str,
    ) -> Self {
        Self { library, only, reason }
    }
}

/// Order of the modules at the top of a crate: a module may import from rows below its own, and from nothing else.
#[derive(Debug)]
pub struct LayerRule {
    pub folder: &'static str,
    pub rows: &'static [&'static [&'static str]],
    pub reason: &'static str,
}

/// Words that may not occur in the code of some places; comments may hold them.
#[derive(Debug)]
pub struct WordRule {
    /// Files and folders below the root; `*` stands for any characters.
    pub places: &'static [&'static str],
    /// Exempt files and folders.
    pub except: &'static [&'static str],
    pub words: &'static [&'static str],
    /// Test code within these places may hold the words.
    pub tests_may: bool,
    pub reason: &'static str,
}
