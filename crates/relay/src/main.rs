//! The program `fanlight-relay`.

use std::process::ExitCode;

use anyhow::Context as _;
use fanlight_relay::lan::{Lan, Reachable};
use fanlight_relay::state::secrets::KeptToken;
use fanlight_relay::{Options, Relay, Settings, access_file, certificates, connection};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    fanlight_cli::run(|options: Options| Settings::try_from(options), run)
}

fn run(settings: Settings) -> anyhow::Result<()> {
    let (mut settings, token) = settings.open_kept()?;
    let reserve = connection::reserve_descriptors(settings.threads, settings.most_publishers());
    settings.limits = connection::fit_descriptors(settings.limits, reserve)?;
    let (listen, reuse_port, lan) = (settings.listen, settings.reuse_port, settings.lan.clone());
    let listener = match lan {
        Some(_) => connection::listen_everywhere(listen.port(), reuse_port)?,
        None => connection::listen(listen, reuse_port)?,
    };
    // This thread accepts connections and follows the bus. Viewers are served by other threads.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let ended = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let relay = Relay::start(settings, listener)?;
        tracing::info!("serving live video at {}", relay.url());
        if let Some(page) = relay.public_url() {
            tracing::info!(page, "users open this address (--public-url)");
        }
        let lan = Lan::new(lan, reachable(&relay, token));
        let access = access_file::follow(relay.access(), signal(SignalKind::hangup())?);
        let certificates =
            certificates::follow(relay.certificates(), signal(SignalKind::hangup())?);
        let signalled = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = access => {}
                () = certificates => {}
                () = lan.announce() => {}
            }
        };
        let ended = relay.run_until(signalled).await;
        lan.end();
        ended
    });
    // Remaining connections are cut off, because waiting for them would exceed the promised shutdown time.
    runtime.shutdown_background();
    ended
}

/// Returns what devices need to reach a relay.
fn reachable(relay: &Relay, token: Option<KeptToken>) -> Reachable {
    let certificates = relay.certificates();
    Reachable {
        listening: relay.address(),
        is_encrypted: certificates.is_some(),
        fingerprint: certificates.and_then(|certificates| certificates.fingerprint()),
        token,
        public_url: relay.public_url(),
    }
}
