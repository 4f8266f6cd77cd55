//! The program `fanlight-relay`.

use std::process::ExitCode;

use anyhow::Context as _;
use fanlight_relay::{Options, Relay, Settings, access_file, certificates, connection};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    fanlight_cli::run(|options: Options| Settings::try_from(options), run)
}

fn run(mut settings: Settings) -> anyhow::Result<()> {
    let reserve = connection::reserve_descriptors(settings.threads, settings.most_publishers());
    settings.limits = connection::fit_descriptors(settings.limits, reserve)?;
    let listener = connection::listen(settings.listen, settings.reuse_port)?;
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
        if let Some(certificates) = relay.certificates() {
            certificates.announce(relay.address(), relay.public_url());
        }
        let access = access_file::follow(relay.access(), signal(SignalKind::hangup())?);
        let certificates =
            certificates::follow(relay.certificates(), signal(SignalKind::hangup())?);
        let signalled = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = access => {}
                () = certificates => {}
            }
        };
        relay.run_until(signalled).await
    });
    // Remaining connections are cut off, because waiting for them would exceed the promised shutdown time.
    runtime.shutdown_background();
    ended
}
