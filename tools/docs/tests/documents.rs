//! The documents agree with the programs and their source, and every relative link leads somewhere.
//!
//! `FANLIGHT_WRITE_DOCS=1 cargo test -p fanlight-docs` writes the tables of `docs/reference/options.md`.

use clap::Command;
use fanlight_cli::options::command;
use fanlight_docs::section::{check, root};
use fanlight_docs::{constants, links, options};

const OPTIONS: &str = "reference/options.md";

#[test]
fn the_options_of_the_capture_are_documented() {
    check(OPTIONS, "fanlight-capture", &options::own(&command::<fanlight_capture::Options>()));
}

#[test]
fn the_options_of_the_relay_are_documented() {
    check(OPTIONS, "fanlight-relay", &options::own(&command::<fanlight_relay::Options>()));
}

#[test]
fn the_options_of_every_program_are_documented() {
    let relay = options::of_every_program(&command::<fanlight_relay::Options>());
    for (program, other) in [
        ("fanlight-capture", command::<fanlight_capture::Options>()),
        ("fanlight", command::<fanlight_client::Options>()),
    ] {
        assert_eq!(options::of_every_program(&other), relay, "{program}");
    }
    check(OPTIONS, "every program", &relay);
}

#[test]
fn the_options_of_every_subcommand_are_documented() {
    fn check_leaves(command: &Command, name: &str) {
        let mut subcommands = command.get_subcommands().peekable();
        if subcommands.peek().is_none() {
            check(OPTIONS, name, &options::own(command));
        }
        for subcommand in subcommands {
            check_leaves(subcommand, &format!("{name} {}", subcommand.get_name()));
        }
    }
    check_leaves(&command::<fanlight_client::Options>(), "fanlight");
}

#[test]
fn every_constant_that_the_architecture_names_is_defined_in_its_file() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap_or_default();
    let named = constants::named(&read("ARCHITECTURE.md"));
    assert!(named.len() > 100, "{}", named.len());
    let missing: Vec<_> = named.iter().filter(|one| !one.is_defined_in(&read(&one.file))).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_relative_link_leads_somewhere() {
    let documents = links::documents(&root());
    assert!(documents.len() > 10, "{documents:?}");
    let broken: Vec<String> = documents.iter().flat_map(|path| links::broken(path)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
