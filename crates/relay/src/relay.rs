//! The whole relay: near side, hub, far side, and their end.

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

use crate::access::denied::Denials;
use crate::access::guesses::Guesses;
use crate::connection;
use crate::connection::threads::ServingThreads;
use crate::context::Context;
use crate::http::page::Page;
use crate::http::routes;
use crate::hub::Hub;
use crate::ingest::Ingest;
use crate::ingest::startup::Startup;
use crate::options::Settings;
use crate::process_stall::{self, PULSE};
use crate::stats::closes::Closes;

/// Time for viewers to be told and connections to close; what is left then is cut off. With the grace for a message
/// under way this keeps the promise to be gone within two seconds.
const DRAIN: Duration = Duration::from_millis(1500);

/// A running relay.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
    near_side: JoinHandle<()>,
    far_side: JoinHandle<()>,
    /// Dropped last: it ends what serves the others.
    loops: Arc<ServingThreads>,
}

impl Relay {
    /// Starts a relay on a listener that is bound already. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When the bus cannot be started or the listener cannot be used.
    pub fn start(settings: Settings, listener: TcpListener) -> anyhow::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let congestion = connection::congestion::apply(&listener, &settings.congestion);
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let loops =
            Arc::new(ServingThreads::start(settings.threads).context("cannot start threads")?);
        let waker = Arc::<Notify>::default();
        let hub = Arc::new(Hub::new(waker.clone()));
        let ingest = Ingest::start(settings.bus, hub.clone(), waker).context("the bus")?;
        let limits = Arc::new(settings.limits);
        let context = Arc::new(Context {
            hub,
            ingest: Arc::new(ingest),
            page: Page::new(settings.web, settings.access.origins.embedding_allowed()),
            access: settings.access,
            denials: Denials::default(),
            guesses: Guesses::default(),
            startup: Startup::at(clock::now()),
            limits: limits.clone(),
            no_signal: Arc::default(),
            closes: Closes::default(),
            congestion,
            stop: stop.clone(),
        });
        let ingest = context.ingest.clone();
        let near_stop = stop.clone();
        let near_side = tokio::spawn(async move { ingest.run(near_stop).await });
        tokio::spawn(stop.clone().run_until_cancelled_owned(beat()));
        let router = routes::router(context);
        let serving =
            connection::serve(listener, router, loops.clone(), limits, stop.clone(), tasks.clone());
        let far_side = tokio::spawn(serving);
        Ok(Self { address, stop, tasks, near_side, far_side, loops })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `ended`, then tells all viewers, and returns when they are gone.
    ///
    /// # Errors
    /// When a vital part has panicked: better to end than to live on as half a relay.
    pub async fn run_until(mut self, ended: impl Future<Output = ()>) -> anyhow::Result<()> {
        let broken = tokio::select! {
            () = ended => None,
            end = &mut self.near_side => Some(("the side towards the bus", end)),
            end = &mut self.far_side => Some(("the side towards viewers", end)),
            () = self.loops.ended() => Some(("a thread that serves viewers", Ok(()))),
        };
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::info!(connections = self.tasks.len(), "cutting off viewers that take nothing");
        }
        match broken {
            Some((part, Err(error))) => Err(anyhow::Error::new(error).context(part)),
            Some((part, Ok(()))) => anyhow::bail!("{part} ended by itself"),
            None => Ok(()),
        }
    }
}

/// Notes for as long as it is polled that this process runs.
async fn beat() {
    let mut beats = tokio::time::interval(process_stall::BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        PULSE.beat(clock::now());
    }
}
