//! Supervision by `scripts/run`, with stub programs whose exit each test controls.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use fanlight_tests::{Program, Site, eventually};

/// Runs both programs as stubs: `capture` is the capture's script. Each start adds a line to the file `starts`.
fn run(site: &Site, capture: &str) -> Arc<Program> {
    let stub = |name: &str, body: &str| {
        let path = site.path(name);
        let starts = site.path("starts");
        let text = format!("#!/bin/bash\necho {name} >> {}\n{body}\n", starts.display());
        fs::write(&path, text).expect("the site's folder is ours");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).expect("it is ours");
        path.display().to_string()
    };
    let (capture, relay) = (stub("capture", capture), stub("relay", "exec sleep 600"));
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let script = format!(
        "set -euo pipefail; . {0}/lib.sh; . {0}/supervise.sh; capture_command=({capture}); \
         relay_command=({relay}); when_started() {{ say started; }}; run_both",
        scripts.display()
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(site.path(""));
    site.start(command)
}

/// Returns the number of starts of a program.
fn starts(site: &Site, name: &str) -> usize {
    let text = fs::read_to_string(site.path("starts")).unwrap_or_default();
    text.lines().filter(|line| *line == name).count()
}

#[test]
fn a_capture_that_crashes_is_restarted_and_the_relay_keeps_running() {
    let site = Site::new();
    // The capture aborts twice, as after a failed assertion in libzmq; then it runs.
    let again = "[ $(grep -c capture starts) -lt 3 ] && kill -ABRT $$; exec sleep 600";
    let script = run(&site, again);
    script.says("started again in 1 s");
    script.says("started again in 2 s");
    eventually("the third start", || (starts(&site, "capture") == 3).then_some(()));
    assert_eq!(starts(&site, "relay"), 1);
    script.terminate();
    assert_eq!(script.end().0, Some(0));
    assert_eq!(starts(&site, "capture"), 3);
}

#[test]
fn wrong_options_end_both_programs_with_their_exit_code() {
    let site = Site::new();
    let script = run(&site, "exit 2");
    assert_eq!(script.end().0, Some(2));
    assert_eq!(starts(&site, "capture"), 1);
}

#[test]
fn a_capture_that_exits_with_success_ends_both_programs() {
    let site = Site::new();
    assert_eq!(run(&site, "exit 0").end().0, Some(0));
    assert_eq!(starts(&site, "capture"), 1);
}

#[test]
fn a_signal_during_the_restart_pause_ends_both_programs_immediately() {
    let site = Site::new();
    let script = run(&site, "exit 1");
    // The third pause lasts four seconds.
    script.says("started again in 4 s");
    script.terminate();
    assert_eq!(script.end().0, Some(0));
    assert_eq!(starts(&site, "capture"), 3);
}
