//! A running relay: starts ingest, hub and serving, and shuts them down.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fanlight_clock as clock;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::AccessTable;
use crate::access::token_throttle::TokenThrottle;
use crate::certificates::Certificates;
use crate::connection::threads::ServingThreads;
use crate::connection::{self, HandshakeLimit, TlsSettings};
use crate::context::Context;
use crate::http::routes;
use crate::hub::Hub;
use crate::ingest::Ingest;
use crate::ingest::startup::Startup;
use crate::options::Settings;
use crate::page::Page;
use crate::process_stall::{self, STALLS};
use crate::setup::SetupHints;
use crate::stats::counters::{CloseCounters, DenialCounters};

/// Time for viewers to be notified and for connections to close; the remaining ones are then cut off. Together with the
/// grace period for a message that is being sent, shutdown takes at most two seconds.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(1500);

/// A running relay.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    certificates: Option<Arc<Certificates>>,
    context: Arc<Context>,
    stop: CancellationToken,
    tasks: TaskTracker,
    ingest: JoinHandle<()>,
    serving: JoinHandle<()>,
    /// Dropped last, because it stops the threads on which connections run.
    threads: Arc<ServingThreads>,
}

/// The access rules of a running relay.
#[derive(Debug, Clone)]
pub struct AccessHandle(Arc<Context>);

impl AccessHandle {
    /// Returns whether viewing needs a token.
    pub fn guards_viewing(&self) -> bool {
        self.0.access.guards_viewing()
    }

    /// Replaces the access table. Clients that are connected are checked again.
    pub fn replace(&self, table: AccessTable) {
        self.0.access.replace(table);
    }
}

impl Relay {
    /// Starts a relay on a bound listener. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Fails if the bus or the threads cannot be started, or the listener is unusable.
    pub fn start(settings: Settings, listener: TcpListener) -> anyhow::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let congestion = connection::congestion::apply(&listener, &settings.congestion);
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let certificates = settings.tls.as_ref().map(|tls| Certificates::open(&tls.certificate));
        let certificates = certificates.transpose()?.map(Arc::new);
        let tls = certificates.as_ref().map(|certificates| certificates.server_config());
        let tls = tls.transpose()?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let threads =
            Arc::new(ServingThreads::start(settings.threads).context("cannot start threads")?);
        let ca_certificate =
            certificates.as_ref().and_then(|certificates| certificates.ca_certificate());
        let context = Arc::new(context(settings, congestion, ca_certificate, stop.clone())?);
        let (ingest, ingest_stop) = (context.ingest.clone(), stop.clone());
        let ingest = tokio::spawn(async move { ingest.run(ingest_stop).await });
        tokio::spawn(stop.clone().run_until_cancelled_owned(record_stalls()));
        let (limits, router) = (context.limits.clone(), routes::router(context.clone()));
        let tls = tls.map(|config| {
            let limit =
                Arc::new(HandshakeLimit::new(context.proxies.clone(), context.floods.clone()));
            Arc::new(TlsSettings { config, limit })
        });
        let serving = connection::serve(
            listener,
            router,
            threads.clone(),
            limits,
            stop.clone(),
            tasks.clone(),
            tls,
        );
        let serving = tokio::spawn(serving);
        Ok(Self { address, certificates, context, stop, tasks, ingest, serving, threads })
    }

    /// Returns the access rules, whose table can be replaced.
    pub fn access(&self) -> AccessHandle {
        AccessHandle(self.context.clone())
    }

    /// Returns the address that the relay listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of the page.
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Returns the URL by which users open the page, if it is known.
    pub fn public_url(&self) -> Option<String> {
        self.context.public.link("")
    }

    /// Returns the certificates; `None` if the relay is plain.
    pub fn certificates(&self) -> Option<Arc<Certificates>> {
        self.certificates.clone()
    }

    /// Runs until `ended`, then notifies all viewers, and returns when their connections are closed.
    ///
    /// # Errors
    /// Fails if ingest, serving or a thread has ended by itself, so that no half-working relay keeps running.
    pub async fn run_until(mut self, ended: impl Future<Output = ()>) -> anyhow::Result<()> {
        let broken = tokio::select! {
            () = ended => None,
            end = &mut self.ingest => Some(("ingest", end)),
            end = &mut self.serving => Some(("serving", end)),
            () = self.threads.ended() => Some(("a thread that serves viewers", Ok(()))),
        };
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(DRAIN_TIMEOUT, self.tasks.wait()).await.is_err() {
            let connections = self.tasks.len();
            tracing::info!(connections, "closing connections of viewers that receive nothing");
        }
        match broken {
            Some((part, Err(error))) => Err(anyhow::Error::new(error).context(part)),
            Some((part, Ok(()))) => anyhow::bail!("{part} ended unexpectedly"),
            None => Ok(()),
        }
    }
}

/// Starts to follow publishers, and returns the state that request handlers share.
fn context(
    settings: Settings,
    congestion: String,
    ca_certificate: Option<String>,
    stop: CancellationToken,
) -> anyhow::Result<Context> {
    let demand_changed = Arc::<Notify>::default();
    let hub = Arc::new(Hub::new(demand_changed.clone()));
    let ingest = Ingest::start(settings.ingest, hub.clone(), demand_changed)
        .context("cannot start the bus")?;
    Ok(Context {
        hub,
        ingest: Arc::new(ingest),
        access: settings.access,
        framing: settings.framing,
        denials: DenialCounters::default(),
        token_throttle: TokenThrottle::default(),
        foreign_token_throttle: TokenThrottle::default(),
        proxies: settings.proxies,
        public: settings.public,
        startup: Startup::at(clock::now()),
        plain_allowed: settings.tls.is_none_or(|tls| tls.allow_plain),
        ca_certificate,
        limits: Arc::new(settings.limits),
        page: Page::new(settings.web),
        setup: SetupHints::of_this_machine(),
        no_signal: Arc::default(),
        closes: CloseCounters::default(),
        floods: Arc::default(),
        congestion,
        stop,
    })
}

/// Records for as long as it is polled that this process runs.
async fn record_stalls() {
    let mut ticks = tokio::time::interval(process_stall::TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        STALLS.tick(clock::now());
    }
}
