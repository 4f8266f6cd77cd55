//! The state that request handlers share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::access::token_throttle::TokenThrottle;
use crate::access::{Access, FramingRule};
use crate::addresses::{PublicAddress, TrustedProxies};
use crate::hub::Hub;
use crate::ingest::Ingest;
use crate::ingest::startup::Startup;
use crate::limits::Limits;
use crate::no_signal::NoSignal;
use crate::page::Page;
use crate::setup::SetupHints;
use crate::stats::counters::{CloseCounters, DenialCounters, FloodCounters};

/// The state that request handlers share.
#[derive(Debug)]
pub struct Context {
    /// All streams.
    pub hub: Arc<Hub>,
    /// The bus side, with the endpoints that the relay listens to.
    pub ingest: Arc<Ingest>,
    /// The access rules.
    pub access: Access,
    /// The pages that may frame the player.
    pub framing: FramingRule,
    /// Counts denied requests.
    pub denials: DenialCounters,
    /// The limit on guessing the token.
    pub token_throttle: TokenThrottle,
    /// Reverse proxies that are believed when they name a client.
    pub proxies: TrustedProxies,
    /// The address by which users reach the relay.
    pub public: PublicAddress,
    /// The time after the start in which streams may still be unknown.
    pub startup: Startup,
    /// Plain requests of other machines are answered: the relay has no TLS, or `--allow-plain`.
    pub plain_allowed: bool,
    /// The certificate of the relay's own authority, as PEM.
    pub ca_certificate: Option<String>,
    /// The limits on connections and viewers.
    pub limits: Arc<Limits>,
    /// The page.
    pub page: Page,
    /// The hints for an empty wall.
    pub setup: SetupHints,
    /// Pictures that show why a stream has none.
    pub no_signal: Arc<NoSignal>,
    /// Counts closed connections.
    pub closes: CloseCounters,
    /// Counts floods.
    pub floods: Arc<FloodCounters>,
    /// The TCP congestion control of connections to viewers.
    pub congestion: String,
    /// Cancelled when the relay shuts down.
    pub stop: CancellationToken,
}
