//! The client of a request, and its admission as a viewer.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query, State};
use axum::http::Method;
use axum::http::request::Parts;
use fanlight_clock as clock;

use crate::access::{Action, Credentials, Identity};
use crate::addresses::ClientAddress;
use crate::connection::Connection;
use crate::context::Context;
use crate::egress::abr::AdaptiveViewer;
use crate::egress::selection::{TrackSelection, ViewQuery, ViewRequest};
use crate::egress::target::Target;
use crate::error::Error;
use crate::http::error::HttpError;
use crate::http::forwarded::client::EffectiveClient;
use crate::http::headers::{self, CredentialsQuery};
use crate::hub::{Stream, ViewOptions};
use crate::limits::Permit;
use crate::stats::labels::Transport;
use crate::wake::Waker;

/// The state that request handlers share.
pub(super) type Shared = State<Arc<Context>>;

/// The client of a request: its credentials, its connection and its query.
#[derive(Debug)]
pub struct Client {
    /// The token that it presents.
    pub credentials: Credentials,
    /// The query.
    pub query: ViewQuery,
    /// True if it asks for the head of the answer only.
    pub is_head: bool,
    /// Its address, and how it reaches the relay.
    pub effective: EffectiveClient,
    connection: Connection,
}

/// The codecs that an address sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codecs {
    /// The one that the query names.
    Any,
    /// JPEG, whatever the query names.
    Jpeg,
}

/// A viewer that was admitted, and does not watch yet.
#[derive(Debug)]
pub struct AdmittedViewer {
    stream: Arc<Stream>,
    selected: TrackSelection,
    options: ViewOptions,
    transport: Transport,
    waker: Waker,
    permit: Permit,
}

impl AdmittedViewer {
    /// Returns the stream that it may watch.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Returns the waker that fires when there is a frame for it.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Subscribes it to its stream. Dropping the permit makes room for another viewer.
    pub fn watch(self) -> (AdaptiveViewer, Waker, Permit) {
        let viewer =
            self.selected.watch(&self.stream, self.transport, self.options, self.waker.clone());
        (viewer, self.waker, self.permit)
    }
}

impl FromRequestParts<Arc<Context>> for Client {
    type Rejection = HttpError;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, HttpError> {
        let Query(query) = Query::<ViewQuery>::try_from_uri(&parts.uri)
            .map_err(|error| Error::invalid(format!("invalid query: {}", error.body_text())))?;
        let connection = parts.extensions.get::<Connection>();
        let connection =
            connection.expect("every request has its connection as an extension").clone();
        let effective = EffectiveClient::of(&parts.extensions).clone();
        let page = headers::initiator(&parts.headers, &effective);
        let page = context.access.origins.classify(page);
        let presented = Query::<CredentialsQuery>::try_from_uri(&parts.uri);
        let presented = presented.map_or(CredentialsQuery::default(), |Query(query)| query);
        let credentials = headers::credentials(&parts.headers, &presented, &effective, page);
        let is_head = parts.method == Method::HEAD;
        Ok(Self { credentials, query, is_head, effective, connection })
    }
}

impl Client {
    /// Checks whether the client may perform an action that concerns no single stream.
    ///
    /// # Errors
    /// [`Error::Denied`] if it may not.
    pub fn authorize(&self, context: &Context, action: Action) -> Result<Identity, Error> {
        context.access.authorize(action, None, &self.credentials)
    }

    /// Checks whether the client may view a stream.
    ///
    /// # Errors
    /// [`Error::Denied`] if it may not.
    pub fn authorize_viewing(&self, context: &Context, target: &Target) -> Result<Identity, Error> {
        context.access.authorize(Action::View, target.name().as_ref(), &self.credentials)
    }

    /// Returns the address of the client, which may be behind a trusted proxy.
    pub fn address(&self) -> ClientAddress {
        self.effective.address
    }

    /// Returns a new waker of the thread that serves the client.
    pub fn waker(&self) -> Waker {
        Waker::new(self.connection.dispatcher.clone())
    }

    /// Authorizes the client and admits it as a viewer of the requested stream. Shortly after the relay's start, waits
    /// for a stream that is not known yet.
    ///
    /// # Errors
    /// Fails if the client may not view the stream, if there is no such stream, if its query is invalid, or if a limit
    /// is reached.
    pub async fn admit(
        &self,
        context: &Context,
        target: &Target,
        transport: Transport,
        codecs: Codecs,
    ) -> Result<AdmittedViewer, Error> {
        let identity = self.authorize_viewing(context, target)?;
        let request = ViewRequest::from_query(&self.query)?;
        let request = match codecs {
            Codecs::Jpeg => request.jpeg_only()?,
            Codecs::Any => request,
        };
        let admit =
            || Ok::<_, Error>(context.limits.admit(self.address())?.within(identity.admit()?));
        let is_open = || target.may_change(&context.hub, &identity);
        let early_permit = match context.startup.is_running(clock::now()) && is_open() {
            true => {
                let permit = admit()?;
                context.startup.wait(&context.hub, self.waker(), is_open).await;
                Some(permit)
            }
            false => None,
        };
        let stream = target.find(&context.hub, &identity)?;
        let selected = request.select(&stream)?;
        let permit = match early_permit {
            Some(permit) => permit,
            None => admit()?,
        };
        let (options, waker) = (request.options, self.waker());
        Ok(AdmittedViewer { stream, selected, options, transport, waker, permit })
    }
}
