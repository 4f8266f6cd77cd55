//! What every request may need.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::access::denied::Denials;
use crate::access::guesses::Guesses;
use crate::egress::no_signal::NoSignal;
use crate::http::page::Page;
use crate::hub::Hub;
use crate::ingest::Ingest;
use crate::ingest::startup::Startup;
use crate::limits::Limits;
use crate::stats::closes::Closes;

/// What every request may need.
#[derive(Debug)]
pub struct Context {
    /// All streams.
    pub hub: Arc<Hub>,
    /// What is listened to.
    pub ingest: Arc<Ingest>,
    /// Who may do what.
    pub access: Access,
    /// Requests that were denied.
    pub denials: Denials,
    /// Wrong tokens, by address.
    pub guesses: Guesses,
    /// The moment when all streams are known.
    pub startup: Startup,
    /// How many viewers there may be.
    pub limits: Arc<Limits>,
    /// The page.
    pub page: Page,
    /// Pictures that say why there is none.
    pub no_signal: Arc<NoSignal>,
    /// Why connections were closed.
    pub closes: Closes,
    /// The congestion control that viewers' connections have.
    pub congestion: String,
    /// Says that the relay ends.
    pub stop: CancellationToken,
}
