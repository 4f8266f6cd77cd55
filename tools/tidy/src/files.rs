//! The files of the repository, sorted by language.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Language of a file, as far as the checks know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    Rust,
    Markdown,
    JavaScript,
    Css,
    Html,
    Shell,
    Toml,
    /// Systemd units and other files with `#` comments only.
    Unit,
    Python,
    C,
}

impl Language {
    /// Returns the language of a file, or `None` for files that hold no prose.
    pub fn of(path: &str, text: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let extension = name.rsplit_once('.').map_or("", |(stem, ext)| match stem {
            "" => "",
            _ => ext,
        });
        Some(match extension {
            "rs" => Self::Rust,
            "md" => Self::Markdown,
            "js" | "mjs" => Self::JavaScript,
            "css" => Self::Css,
            "html" => Self::Html,
            "sh" => Self::Shell,
            "toml" => Self::Toml,
            "service" | "timer" | "socket" => Self::Unit,
            "py" => Self::Python,
            "c" | "h" => Self::C,
            "" if text.starts_with("#!") && text.lines().next()?.ends_with("sh") => Self::Shell,
            "" if matches!(name, ".gitignore" | ".npmrc") => Self::Unit,
            _ => return None,
        })
    }
}

#[derive(Debug, Clone)]
pub struct File {
    /// Path relative to the repository's root, with `/` separators.
    pub path: String,
    pub language: Language,
    pub text: String,
}

impl File {
    /// Returns a file held in memory, or `None` when its language is unknown.
    pub fn new(path: &str, text: &str) -> Option<Self> {
        let language = Language::of(path, text)?;
        Some(Self { path: path.into(), language, text: text.into() })
    }

    /// Returns the part of the repository that a file belongs to, such as `crates/relay` or `web`.
    pub fn area(&self) -> &str {
        let depth =
            if ["crates/", "tools/"].iter().any(|top| self.path.starts_with(top)) { 2 } else { 1 };
        let parts: Vec<&str> = self.path.split('/').collect();
        if parts.len() <= depth {
            return if depth == 1 { "." } else { parts[0] };
        }
        let end: usize = parts[..depth].iter().map(|part| part.len() + 1).sum();
        &self.path[..end - 1]
    }

    /// Returns whether the path alone marks the file as test code.
    pub fn is_test_by_path(&self) -> bool {
        let path = &self.path;
        path.starts_with("tests/")
            || ["/tests/", "/benches/", "/fuzz/"].iter().any(|folder| path.contains(folder))
            || path.ends_with("/tests.rs")
    }
}

/// Returns the root of the repository that holds the working directory.
pub fn root() -> Result<PathBuf> {
    Ok(git(Path::new("."), &["rev-parse", "--show-toplevel"])?.trim_end().into())
}

/// Reads all files that git tracks, and new ones that it does not ignore.
pub fn read(root: &Path) -> Result<Vec<File>> {
    let listing = git(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    let mut paths: Vec<&str> = listing.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    // Binary files are no UTF-8, and a file that was deleted but not committed cannot be read.
    let texts =
        paths.iter().filter_map(|path| Some((path, fs::read_to_string(root.join(path)).ok()?)));
    Ok(texts.filter_map(|(path, text)| File::new(path, &text)).collect())
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    // A checkout of another user, as in a container, is read as well: nothing of it is run.
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "-C"])
        .arg(folder)
        .args(arguments)
        .output()
        .context("cannot run git; install it")?;
    if !output.status.success() {
        bail!(
            "git {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).context("git printed a path that is not UTF-8")
}
