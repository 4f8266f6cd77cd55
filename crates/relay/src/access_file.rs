//! Reloads the access table when its file changes, and on SIGHUP.

use std::path::PathBuf;

use tokio::signal::unix::Signal;
use tokio::time::MissedTickBehavior;

use crate::Options;
use crate::access::AccessTable;
use crate::file_version::{CHECK_EVERY, FileVersion};
use crate::relay::AccessHandle;

/// Reloads the table for as long as it is polled: when the file changes, and when `hangup` is received.
pub async fn follow(access: AccessHandle, mut hangup: Signal) {
    let file = fanlight_cli::options::load::<Options>(std::env::args_os());
    let file = file.ok().and_then(|loaded| loaded.common.config);
    let mut known = file.as_deref().and_then(FileVersion::of);
    let mut ticks = tokio::time::interval(CHECK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(()) = hangup.recv() => {}
            _ = ticks.tick() => {
                let version = file.as_deref().and_then(FileVersion::of);
                // An editor may replace the file in several steps, and it is missing between them.
                if version.is_none() || version == known {
                    continue;
                }
            }
        }
        known = file.as_deref().and_then(FileVersion::of);
        reload(&access, file.as_ref());
    }
}

fn reload(access: &AccessHandle, file: Option<&PathBuf>) {
    match table(access.guards_viewing()) {
        Ok(table) => {
            let entries = table.len();
            access.replace(table);
            let file = file.map(|file| file.display().to_string());
            tracing::info!(entries, file, "access table reloaded");
        }
        Err(reason) => tracing::error!("access table unchanged: {reason}"),
    }
}

/// Reads all options again; only the table of them is applied. A table never opens viewing to everyone: a file
/// that is being written would do that, and a full disk.
fn table(did_guard: bool) -> Result<AccessTable, String> {
    let loaded = fanlight_cli::options::load::<Options>(std::env::args_os());
    let loaded = loaded.map_err(|stop| stop.to_string())?;
    let needs_one =
        (loaded.options.is_exposed() || did_guard) && loaded.options.insecure != Some(true);
    match loaded.options.present_access_table() {
        Ok(table) if !table.guards_viewing() && needs_one => Err(
            "no entry would allow viewing, and everyone could watch; restart the relay to run it without tokens".into(),
        ),
        result => result.map_err(|error| format!("{error:#}")),
    }
}
