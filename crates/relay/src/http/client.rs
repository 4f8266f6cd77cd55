//! The client of a request, and its admission as a viewer.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use fanlight_clock as clock;

use crate::access::{Action, Credentials, Identity};
use crate::connection::Connection;
use crate::context::Context;
use crate::egress::abr::AdaptiveViewer;
use crate::egress::selection::{self, ViewQuery, ViewRequest};
use crate::error::Error;
use crate::http::error::HttpError;
use crate::http::headers::{self, CredentialsQuery};
use crate::limits::Permit;
use crate::stats::labels::Transport;
use crate::wake::Waker;

/// The state that request handlers share.
pub(super) type Shared = State<Arc<Context>>;

/// The client of a request: its credentials, its connection and its query.
pub(super) struct Client {
    pub(super) credentials: Credentials,
    connection: Connection,
    pub(super) query: ViewQuery,
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
        let page = context.access.origins.classify(headers::initiator(&parts.headers));
        let address = connection.socket.client.ip();
        let presented = Query::<CredentialsQuery>::try_from_uri(&parts.uri);
        let presented = presented.map_or(CredentialsQuery::default(), |Query(query)| query);
        let credentials = headers::credentials(&parts.headers, &presented, address, page);
        Ok(Self { credentials, connection, query })
    }
}

impl Client {
    /// Checks whether the client may perform an action that concerns no single stream.
    pub(super) fn authorize(&self, context: &Context, action: Action) -> Result<Identity, Error> {
        context.access.authorize(action, None, &self.credentials)
    }

    pub(super) fn address(&self) -> IpAddr {
        self.connection.socket.client.ip()
    }

    pub(super) fn waker(&self) -> Waker {
        Waker::new(self.connection.dispatcher.clone())
    }

    /// Authorizes the client, admits it as a viewer and subscribes it to the requested stream. Shortly after the
    /// relay's start, waits for a stream that is not known yet.
    pub(super) async fn watch(
        &self,
        context: &Context,
        name: &str,
        transport: Transport,
    ) -> Result<(AdaptiveViewer, Waker, Permit), Error> {
        let stream_name = name.parse().ok();
        let identity =
            context.access.authorize(Action::View, stream_name.as_ref(), &self.credentials)?;
        let request = ViewRequest::from_query(&self.query)?;
        let request = match transport {
            Transport::Mjpeg | Transport::Snapshot => request.jpeg_only()?,
            Transport::V1 | Transport::PlainWebSocket => request,
        };
        let early_permit = match context.startup.may_bring(&context.hub, name, clock::now()) {
            true => {
                let permit = context.limits.admit(self.address())?.within(identity.admit()?);
                context.startup.wait(&context.hub, name, self.waker()).await;
                Some(permit)
            }
            false => None,
        };
        let stream = selection::find_stream(&context.hub, name, &identity)?;
        let selected = request.select(&stream)?;
        let permit = match early_permit {
            Some(permit) => permit,
            None => context.limits.admit(self.address())?.within(identity.admit()?),
        };
        let waker = self.waker();
        let viewer = selected.watch(&stream, transport, request.options, waker.clone());
        Ok((viewer, waker, permit))
    }
}
