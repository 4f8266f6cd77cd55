//! The program itself, in a repository made for the test.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git").arg("-C").arg(folder).args(arguments).status();
    assert!(status.expect("git").success());
}

/// Makes a repository of the given files.
fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    git(folder.path(), &["init", "--quiet"]);
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

fn tidy(folder: &Path, arguments: &[&str]) -> Output {
    let program =
        Command::new(env!("CARGO_BIN_EXE_tidy")).current_dir(folder).args(arguments).output();
    program.expect("the program starts")
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_clean_repository_passes() {
    let folder = repository(&[("README.md", "# Fanlight\n\nLive video.\n")]);
    let output = tidy(folder.path(), &["prose"]);
    assert!(output.status.success(), "{output:?}");
    assert!(tidy(folder.path(), &["layout"]).status.success());
}

#[test]
fn a_violation_is_printed_with_its_place_and_fails() {
    let folder = repository(&[("README.md", "# Fanlight\n\nIt starts anew.\n")]);
    let output = tidy(folder.path(), &["prose"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).starts_with("README.md:3: ban: \"anew\", write: "), "{output:?}");
}

#[test]
fn check_runs_both_and_the_layout_strictly() {
    let folder = repository(&[("README.md", "It starts anew.\n")]);
    let output = tidy(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(1));
    let text = printed(&output);
    assert!(text.contains(": ban: ") && text.contains(": unmatched: "), "{text}");
}

#[test]
fn paths_limit_the_check() {
    let folder = repository(&[("a/x.md", "It starts anew.\n"), ("ab/y.md", "Live video.\n")]);
    assert!(tidy(folder.path(), &["prose", "ab"]).status.success());
    assert!(!tidy(folder.path(), &["prose", "a/"]).status.success());
}

#[test]
fn an_entry_of_the_allow_list_covers_its_hit_and_must_have_one() {
    let entry = |text: &str| {
        format!("[[allow]]\nfile = \"*.md\"\ntext = \"{text}\"\nreason = \"a quotation\"\n")
    };
    let readme = ("README.md", "It starts anew.\n");
    let folder = repository(&[readme, ("tools/tidy/allow.toml", &entry("starts anew"))]);
    assert!(tidy(folder.path(), &["prose"]).status.success());
    let folder = repository(&[
        ("README.md", "Live video.\n"),
        ("tools/tidy/allow.toml", &entry("starts anew")),
    ]);
    let output = tidy(folder.path(), &["prose"]);
    assert!(!output.status.success());
    assert!(printed(&output).contains("allow: no hit in *.md"), "{output:?}");
}

#[test]
fn too_many_doc_comments_without_a_subject_fail() {
    let docs = |bad: usize| {
        let good = "/// Returns it.\nfn f() {}\n".repeat(100 - bad);
        good + &"/// As it is.\nfn f() {}\n".repeat(bad)
    };
    let folder = repository(&[("crates/x/src/lib.rs", &docs(5))]);
    assert!(tidy(folder.path(), &["prose"]).status.success());
    let folder = repository(&[("crates/x/src/lib.rs", &docs(6))]);
    let output = tidy(folder.path(), &["prose"]);
    assert!(!output.status.success());
    assert!(printed(&output).contains(": subject: "), "{output:?}");
}

#[test]
fn unknown_commands_and_paths_and_broken_sources_are_errors() {
    let folder = repository(&[("crates/x/src/lib.rs", "fn f( {\n")]);
    assert_eq!(tidy(folder.path(), &["prose"]).status.code(), Some(2));
    assert_eq!(tidy(folder.path(), &["nothing"]).status.code(), Some(2));
    assert_eq!(tidy(folder.path(), &["prose", "crates/y"]).status.code(), Some(2));
}
