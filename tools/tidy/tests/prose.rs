//! Planted sentences in each kind of file: the check finds each bad one, and no good one.

use fanlight_tidy::files::File;
use fanlight_tidy::prose::{self, Checked};

/// Checks one file that is no test code.
fn check(path: &str, text: &str) -> Checked {
    let file = File::new(path, text).expect("a known language");
    prose::check_file(&file, false).expect("a file that can be read")
}

/// Each kind of text: a path, and a file with `@` in place of the sentence.
const PLACES: &[(&str, &str)] = &[
    ("README.md", "# Fanlight\n\n@\n"),
    ("docs/guide.md", "- @\n"),
    ("docs/table.md", "| option | effect |\n|---|---|\n| `--fps` | @ |\n"),
    ("CHANGELOG.md", "> @\n"),
    ("crates/x/src/lib.rs", "//! A crate.\n//!\n//! @\n"),
    ("crates/x/src/item.rs", "/// An item.\n///\n/// @\npub struct A;\n"),
    ("crates/x/src/field.rs", "struct A {\n    /// A field. @\n    a: u8,\n}\n"),
    ("crates/x/src/block.rs", "/** An item.\n * @\n */\nstruct A;\n"),
    ("crates/x/src/comment.rs", "fn f() {\n    // @\n    g();\n}\n"),
    ("crates/x/src/trailing.rs", "const A: u8 = 1; // @\n"),
    ("crates/x/src/macro.rs", "fn f() { g!(a, /* @ */ b) }\n"),
    ("crates/x/src/error.rs", "#[derive(Error)]\nenum E {\n    #[error(\"@\")]\n    A,\n}\n"),
    ("crates/x/src/help.rs", "#[derive(Parser)]\nstruct Options {\n    /// @\n    fps: u8,\n}\n"),
    ("crates/x/src/about.rs", "#[command(about = \"@\")]\nstruct Options;\n"),
    ("crates/x/src/log.rs", "fn f() { tracing::warn!(%error, \"@\"); }\n"),
    ("crates/x/src/bail.rs", "fn f() { bail!(\"@: {x}\"); g().context(r#\"@\"#) }\n"),
    ("crates/x/src/metric.rs", "fn f() { registry.register(\"frames\", \"@\", metric); }\n"),
    ("crates/x/tests/end.rs", "//! A suite.\n// @\nfn f() {}\n"),
    ("web/page/a.js", "// @\nf();\n"),
    ("web/page/doc.js", "/**\n * A function.\n * @param {{ a: number }} name @\n */\n"),
    ("web/page/property.js", "/** @typedef {object} Link\n * @property {string} why @ */\n"),
    ("web/page/string.js", "f('@');\n"),
    ("web/page/double.js", "f(\"@\");\n"),
    ("web/page/template.js", "f(`@ ${g(`a`)} and more`);\n"),
    ("web/tests/a.test.js", "f(); /* @ */\n"),
    ("web/a.css", "a { color: red } /* @ */\n"),
    ("web/index.html", "<!-- @ -->\n<p>Video</p>\n"),
    ("web/text.html", "<body><p class=\"a\">@</p></body>\n"),
    ("web/label.html", "<div aria-label=\"@\"></div>\n"),
    ("scripts/lib.sh", "f() {\n    # @\n    g\n}\n"),
    ("scripts/say.sh", "say '@'\n"),
    ("scripts/die.sh", "die \"@ $(f \"${a#b}\")\"\n"),
    ("scripts/run", "#!/usr/bin/env bash\nif ((${#a[@]})); then\n    echo \"@\"\nfi\n"),
    ("scripts/usage.sh", "cat <<EOF\n@\nEOF\n"),
    ("config/a.toml", "fps = 5 # @\n"),
    ("crates/x/Cargo.toml", "[package]\ndescription = \"@\"\n"),
    ("config/a.service", "# @\n[Unit]\n"),
    ("config/b.service", "[Unit]\nDescription=@\n"),
    ("tests/a.py", "\"\"\"A camera.\n\n@\n\"\"\"\nx = 1\n"),
    ("tests/comment.py", "x = '#'  # @\n"),
    ("tests/a.c", "int a; /* @ */\n"),
    ("tests/line.c", "int a = '\"'; // @\n"),
];

/// Each rule: a sentence that breaks it.
const BAD: &[(&str, &str)] = &[
    (prose::BAN, "The relay starts the encoder anew."),
    (prose::BAN, "The relay drops frames that came of late."),
    (prose::BAN, "The relay waits so long that a viewer ends."),
    (prose::BAN, "The relay keeps so many frames."),
    (prose::BAN, "The ring holds frames and likewise bytes."),
    (prose::BAN, "A viewer is told the reason."),
    (prose::BAN, "The header tells the size."),
    (prose::BAN, "The pool lets go of the buffer."),
    (prose::BAN, "The camera comes back."),
    (prose::BAN, "A viewer wants a keyframe."),
    (prose::BAN, "The stream goes on without it."),
    (prose::BAN, "A frame for whoever comes."),
    (prose::BAN, "The socket is to be closed."),
    (prose::BAN, "The relay closes it at once."),
    (prose::BAN, "The rate is the most that the link carries."),
    (prose::BAN, "The wishes of a viewer are optional."),
    (prose::BAN, "The relay meanwhile waits."),
    (prose::ACTOR, "Capture rests when nobody watches."),
    (prose::ACTOR, "A frame goes to those who watch."),
    (prose::HEADLESS, "What was sent is kept."),
    (prose::HEADLESS, "Who drops a frame counts it."),
    (prose::HEADLESS, "How the relay sends a frame."),
    (prose::HEADLESS, "Where a link is slow, the relay drops frames."),
    (prose::HEADLESS, "Whether the source is open."),
    (prose::HEADLESS, "So few frames arrive that the tile freezes."),
    (prose::HEADLESS, "That which was sent is kept."),
];

#[test]
fn a_bad_sentence_is_found_in_each_kind_of_text() {
    for (path, template) in PLACES {
        for (rule, sentence) in BAD {
            // `#[error]` and the like hold no tag of JSDoc, whose `@` stays.
            let text = plant(template, sentence);
            let found = check(path, &text).findings;
            let hits = found
                .iter()
                .filter(|finding| finding.rule == *rule && finding.file == *path)
                .count();
            assert!(hits > 0, "{path}: {rule}: {text}\n{found:#?}");
        }
    }
}

/// Puts a sentence in place of each `@` that begins no tag and is no array subscript.
fn plant(template: &str, sentence: &str) -> String {
    let kept = [
        ("@param", "\0param"),
        ("@property", "\0property"),
        ("@typedef", "\0typedef"),
        ("[@]", "[\0]"),
    ];
    let hidden = kept.iter().fold(template.to_owned(), |text, (from, to)| text.replace(from, to));
    hidden.replace('@', sentence).replace('\0', "@")
}

#[test]
fn good_sentences_pass_in_each_kind_of_text() {
    for sentence in [
        "The relay drops the remaining deltas and waits for the next keyframe.",
        "As long as a viewer watches, the number of late frames stays at one.",
        "What is a track? A sequence of frames with one codec and one size.",
        "However, a message carries one frame on the bus.",
        "The socket reports how many bytes the kernel holds.",
        "If the link is slow, the relay drops frames.",
    ] {
        for (path, template) in PLACES {
            let found = check(path, &plant(template, sentence)).findings;
            assert!(found.is_empty(), "{path}: {found:#?}");
        }
    }
}

#[test]
fn headings_may_start_with_any_word() {
    let text = "# How to add a source\n\n## Where to change what\n\n| what | where |\n|---|---|\n| a | b |\n";
    assert!(check("ARCHITECTURE.md", text).findings.is_empty());
    assert!(
        check("crates/x/src/lib.rs", "//! A crate.\n//!\n//! # How it works\n").findings.is_empty()
    );
}

#[test]
fn a_string_with_a_comment_in_it_is_no_comment() {
    let text = "const A: &[u8] = b\"// So many frames of late.\";\n\
                #[test]\nfn f() { g(\"// So many frames\", r#\"/* anew */\"#) }\n";
    assert!(check("crates/x/src/lib.rs", text).findings.is_empty());
    assert!(
        check("web/page/a.js", "const a = /so many frames/; const b = 'https://x.y/anew';")
            .findings
            .is_empty()
    );
}

#[test]
fn code_is_no_prose() {
    let text = "Text.\n\n```sh\necho so many anew\n```\n\nThe flag `--so-many anew` and [a link](so-many-anew).\n";
    assert!(check("README.md", text).findings.is_empty());
    let doc = "/// Returns it.\n///\n/// ```\n/// // So many anew.\n/// ```\nfn f() {}\n";
    assert!(check("crates/x/src/lib.rs", doc).findings.is_empty());
}

#[test]
fn strings_of_tests_are_no_prose() {
    let text =
        "#[cfg(test)]\nmod tests {\n    #[test]\n    fn a() { f(\"so many frames anew\"); }\n}\n";
    assert!(check("crates/x/src/lib.rs", text).findings.is_empty());
}

#[test]
fn a_finding_names_the_line_of_the_words() {
    let text = "/// Sends a frame to a viewer, and\n/// then waits so\n/// long that it ends.\nfn f() {}\n";
    let found = check("crates/x/src/lib.rs", text).findings;
    assert_eq!(found.len(), 1);
    let line = found[0].to_string();
    assert!(line.starts_with("crates/x/src/lib.rs:2: ban: \"so long\""), "{line}");
}

#[test]
fn doc_comments_without_a_subject_are_counted() {
    let text = "\
        //! Per-viewer drop policy: one pure function.\n\
        /// Returns the newest frame. As it is.\nfn a() {}\n\
        /// As it was sent.\nfn b() {}\n\
        /// Where it was sent.\nfn c() {}\n\
        // As it is.\nfn d() {}\n\
        struct S {\n    /// While it waits.\n    a: u8,\n    /// `None` before the first frame.\n    b: u8,\n}\n";
    let checked = check("crates/x/src/lib.rs", text);
    assert_eq!(checked.docs, 6);
    let lines: Vec<usize> = checked.subjectless.iter().map(|finding| finding.line).collect();
    assert_eq!(lines, [4, 6, 11]);
}
