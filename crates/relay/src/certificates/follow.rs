//! Replaces the certificate of a running relay. Connections that are open continue.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::time::{Instant, MissedTickBehavior};

use super::files::CertificateFiles;
use super::{Certificates, Source};
use crate::file_version::{CHECK_EVERY, FileVersion};

/// The interval at which the names, addresses and dates of an issued certificate are checked.
const CHECK_NAMES_EVERY: Duration = Duration::from_secs(30);

/// Follows files, addresses and dates for as long as it is polled, and `hangup`, which reloads.
pub async fn follow(certificates: Option<Arc<Certificates>>, mut hangup: Signal) {
    let Some(certificates) = certificates else { return std::future::pending().await };
    match &certificates.source {
        Source::Files(files) => follow_files(&certificates, files, &mut hangup).await,
        Source::Authority(_) => follow_names(&certificates, &mut hangup).await,
    }
}

async fn follow_files(certificates: &Certificates, files: &CertificateFiles, hangup: &mut Signal) {
    let versions = || FileVersion::of(&files.certificate).zip(FileVersion::of(&files.key));
    let (mut known, mut before) = (versions(), versions());
    let mut ticks = tokio::time::interval_at(Instant::now() + CHECK_EVERY, CHECK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(()) = hangup.recv() => {}
            _ = ticks.tick() => {
                let (present, previous) = (versions(), std::mem::replace(&mut before, versions()));
                // The two files are replaced one after the other, and may be missing between: they must rest for a
                // second.
                if present.is_none() || present == known || present != previous {
                    continue;
                }
            }
        }
        known = versions();
        match files.load() {
            Ok(certificate) => {
                certificates.current.replace(certificate);
                tracing::info!("certificate reloaded; new connections use it");
            }
            Err(reason) => tracing::error!("certificate unchanged: {reason:#}"),
        }
    }
}

async fn follow_names(certificates: &Certificates, hangup: &mut Signal) {
    let mut ticks = tokio::time::interval_at(Instant::now() + CHECK_NAMES_EVERY, CHECK_NAMES_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let Source::Authority(authority) = &certificates.source else { return };
    let mut names = authority.lock().name_changes();
    let mut renamed = async || match &mut names {
        Some(names) => names.changed().await,
        None => std::future::pending().await,
    };
    loop {
        tokio::select! {
            Some(()) = hangup.recv() => {}
            _ = ticks.tick() => {}
            () = renamed() => {}
        }
        match authority.lock().renew() {
            Ok(Some(certificate)) => certificates.current.replace(certificate),
            Ok(None) => {}
            Err(reason) => tracing::error!("certificate unchanged: {reason:#}"),
        }
    }
}
