//! Planted violations of each rule of the layout: the check finds every one and names its rule.

use fanlight_tidy::files::File;
use fanlight_tidy::finding::Finding;
use fanlight_tidy::layout::rules::{CRATES, LAYERS, LIBRARIES, WORDS};
use fanlight_tidy::layout::{self, Mode};
use fanlight_tidy::repository::Repository;

/// Checks a repository of the given files.
fn check(files: &[(&str, &str)], mode: Mode) -> Vec<Finding> {
    let files = files.iter().map(|(path, text)| File::new(path, text).expect("a known language"));
    layout::check(&Repository::new(files.collect()), mode).expect("manifests that can be read")
}

/// Returns the rules and details of the violations in a repository of the given files.
fn violations(files: &[(&str, &str)]) -> Vec<String> {
    let found = check(files, Mode::Lenient);
    found.iter().map(|finding| format!("{}: {}", finding.rule, finding.detail)).collect()
}

#[track_caller]
fn assert_one(files: &[(&str, &str)], rule: &str) {
    let found = violations(files);
    assert!(
        found.len() == 1 && found[0].starts_with(rule),
        "expected one `{rule}`, found {found:#?}"
    );
}

#[test]
fn each_crate_may_depend_on_its_row_only() {
    for rule in CRATES {
        let path = format!("{}/Cargo.toml", rule.folder);
        let others = CRATES.iter().filter_map(|other| other.folder.rsplit('/').next());
        for name in others.filter(|name| !rule.uses.contains(name)) {
            let text = format!("[dependencies]\nfanlight-{name}.workspace = true\n");
            assert_one(&[(&path, &text)], &format!("crate: may not depend on `{name}`"));
        }
        for name in rule.uses {
            let text = format!("[dependencies]\nfanlight-{name}.workspace = true\n");
            assert_eq!(violations(&[(&path, &text)]), [] as [&str; 0]);
        }
    }
}

#[test]
fn a_crate_for_tests_is_allowed_in_tests_only() {
    let text = |section| format!("[{section}]\nfanlight-relay.workspace = true\n");
    let path = "tools/yardstick/Cargo.toml";
    assert_eq!(violations(&[(path, &text("dev-dependencies"))]), [] as [&str; 0]);
    assert_one(&[(path, &text("dependencies"))], "crate: may not depend on `relay`");
    assert_one(
        &[(path, &text("target.'cfg(unix)'.dependencies"))],
        "crate: may not depend on `relay`",
    );
}

#[test]
fn each_library_stays_at_home() {
    for rule in LIBRARIES {
        let text = format!("[dependencies]\n{}.workspace = true\n", rule.library);
        for home in rule.only {
            assert_eq!(violations(&[(&format!("{home}/Cargo.toml"), &text)]), [] as [&str; 0]);
        }
        let wanted = format!("library: may not depend on `{}`", rule.library);
        assert_one(&[("crates/timecode/Cargo.toml", &text)], &wanted);
    }
}

#[test]
fn versions_come_from_the_workspace() {
    let text =
        "[dependencies]\nbytes = \"1\"\nserde = { version = \"1\" }\nlibc.workspace = true\n";
    assert_eq!(violations(&[("crates/cli/Cargo.toml", text)]).len(), 2);
}

#[test]
fn no_module_imports_from_its_own_row_or_above() {
    for rule in LAYERS {
        for (row, names) in rule.rows.iter().enumerate() {
            let above = rule.rows[..=row].iter().flat_map(|row| row.iter());
            for from in *names {
                for to in above.clone().filter(|to| *to != from) {
                    let module = |name: &str| format!("{}/src/{name}.rs", rule.folder);
                    let text = format!("use crate::{to}::Thing;");
                    let lib = format!("{}/src/lib.rs", rule.folder);
                    let (from_path, to_path) = (module(from), module(to));
                    let files = [
                        (lib.as_str(), ""),
                        (from_path.as_str(), text.as_str()),
                        (to_path.as_str(), "pub struct Thing;"),
                    ];
                    let wanted = format!("layer: `{from}` may not import from `{to}`");
                    let found = violations(&files);
                    assert!(
                        found.iter().any(|found| found.starts_with(&wanted)),
                        "{wanted}: {found:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn no_word_occurs_where_it_does_not_belong() {
    for rule in WORDS {
        for (place, word) in
            rule.places.iter().flat_map(|place| rule.words.iter().map(move |word| (place, word)))
        {
            let folder = place.replace('*', "planted");
            let (path, text) = if folder.starts_with("web/") {
                (format!("{folder}/planted.js"), format!("f({word}');\n"))
            } else {
                let path =
                    if folder.ends_with(".rs") { folder } else { format!("{folder}/planted.rs") };
                (path, format!("use {};\n", completed(word)))
            };
            let found = violations(&[(&path, &text)]);
            let wanted = format!("word: `{word}` does not belong here");
            let named = found
                .iter()
                .any(|found| found.starts_with(&wanted) && found.ends_with(rule.reason));
            assert!(named, "{path}: {text}: {found:?}");
        }
    }
}

/// Completes a word to a path that Rust can read.
fn completed(word: &str) -> String {
    let word = word.trim_start_matches("use ");
    match word {
        word if word.ends_with("::") => format!("{word}planted"),
        word if word.ends_with('{') => format!("{word}planted}}"),
        word => word.into(),
    }
}

#[test]
fn comments_may_hold_any_word_and_tests_may_not() {
    let hub = "crates/relay/src/hub/mod.rs";
    assert_eq!(
        violations(&[(hub, "//! No axum here.\n/* axum */ struct A; // axum\n")]),
        [] as [&str; 0]
    );
    assert_one(&[(hub, "#[cfg(test)]\nmod tests {\n    use axum::body;\n}\n")], "word: `axum`");
    assert_one(&[("crates/relay/src/hub/ring/tests.rs", "use axum::body;")], "word: `axum`");
}

#[test]
fn a_module_may_have_the_name_of_a_library() {
    let bus = "crates/bus/src/publisher.rs";
    assert_eq!(
        violations(&[(bus, "use crate::zmq::socket; use super::zmq::wake;")]),
        [] as [&str; 0]
    );
    assert_one(&[(bus, "use zmq::Socket;")], "word: `zmq::`");
    assert_one(&[(bus, "fn f(socket: ::zmq::Socket) {}")], "word: `zmq::`");
}

#[test]
fn tests_of_a_core_without_a_clock_may_read_one() {
    let core = "crates/bus/src/core/recovery.rs";
    let test = "#[cfg(test)]\nmod tests {\n    fn f() { Instant::now() }\n}\n";
    assert_eq!(violations(&[(core, test)]), [] as [&str; 0]);
    assert_one(&[(core, "fn f() { Instant::now() }")], "word: `Instant::now`");
}

/// Returns the violations in a crate with two modules, `hub/stream.rs` and `hub/viewer.rs`, below the given
/// `hub/mod.rs`.
fn siblings(hub: &str, stream: &str, viewer: &str) -> Vec<String> {
    let lib = "pub mod hub;";
    violations(&[
        ("crates/x/src/lib.rs", lib),
        ("crates/x/src/hub/mod.rs", hub),
        ("crates/x/src/hub/stream.rs", stream),
        ("crates/x/src/hub/viewer.rs", viewer),
    ])
}

const HUB: &str = "mod stream; mod viewer; pub use stream::Stream; pub use self::viewer::*;";

#[test]
fn siblings_that_import_each_other_are_a_cycle() {
    let stream = "pub struct Stream; use crate::hub::viewer::Viewer;";
    let found = siblings(HUB, stream, "pub struct Viewer(crate::hub::stream::Stream);");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("cycle: modules of crates/x/hub"), "{found:?}");
    assert!(found[0].contains("stream → viewer → stream"), "{found:?}");
}

#[test]
fn neither_super_nor_a_re_export_hides_a_cycle() {
    // Through `super`, a re-export by name, a re-export of all names, an alias, and a path in code.
    for viewer in [
        "pub struct Viewer(super::stream::Stream);",
        "use super::Stream; pub struct Viewer;",
        "use super::super::hub as other; pub struct Viewer; fn f() -> other::Stream {}",
        "pub struct Viewer; fn f() { use super::Stream; }",
        "pub struct Viewer; fn f() { matches!(x, crate::hub::Stream { .. }) }",
    ] {
        let stream = "use super::Viewer; pub struct Stream;";
        assert_eq!(siblings(HUB, stream, viewer).len(), 1, "{viewer}");
    }
}

#[test]
fn a_cycle_through_a_subtree_is_found() {
    let files = [
        ("crates/x/src/lib.rs", "mod a; mod b;"),
        ("crates/x/src/a/mod.rs", "mod deep;"),
        ("crates/x/src/a/deep.rs", "use crate::b::B;"),
        ("crates/x/src/b.rs", "pub struct B; fn f() { crate::a::deep::g() }"),
    ];
    assert_one(&files, "cycle: modules of crates/x import each other: a → b → a");
}

#[test]
fn parents_and_tests_make_no_cycle() {
    let viewer = "use super::Limits; #[cfg(test)] mod tests { use crate::hub::stream::Stream; }";
    let stream = "use super::viewer::Viewer; use super::Limits;";
    let hub = "mod stream; mod viewer; pub struct Limits; fn f() { viewer::g(); stream::g() }";
    assert_eq!(siblings(hub, stream, viewer), [] as [&str; 0]);
}

#[test]
fn an_import_of_all_names_of_a_parent_is_refused() {
    let files = [("crates/x/src/lib.rs", "mod a;"), ("crates/x/src/a.rs", "use super::*;")];
    assert_one(&files, "glob");
    let files = [
        ("crates/x/src/lib.rs", "mod a;"),
        ("crates/x/src/a.rs", "#[cfg(test)] mod tests { use super::*; }"),
    ];
    assert_eq!(violations(&files), [] as [&str; 0]);
}

#[test]
fn a_rule_that_matches_nothing_fails_in_strict_mode() {
    let found = check(&[("README.md", "# Fanlight\n")], Mode::Strict);
    assert!(found.iter().all(|finding| finding.rule == layout::UNMATCHED));
    let places = WORDS.iter().flat_map(|rule| rule.places).filter(|place| !place.contains('*'));
    let folders =
        CRATES.iter().map(|rule| rule.folder).chain(LAYERS.iter().map(|rule| rule.folder));
    for file in places.copied().chain(folders) {
        assert!(found.iter().any(|finding| finding.file == file), "{file}: {found:?}");
    }
}

#[test]
fn a_crate_or_module_without_a_rule_fails_in_strict_mode() {
    let files = [("crates/new/Cargo.toml", "[package]\n"), ("crates/relay/src/new.rs", "")];
    let found = check(&files, Mode::Strict);
    let named = |file: &str, detail: &str| {
        found.iter().any(|finding| finding.file == file && finding.detail.contains(detail))
    };
    assert!(named("crates/new/Cargo.toml", "no row"), "{found:?}");
    assert!(named("crates/relay", "`new` has no row"), "{found:?}");
}
