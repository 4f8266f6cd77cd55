//! The path below which users reach the relay.
//!
//! Some reverse proxies remove their prefix from the path of a request, and others do not. Here it is removed, so that no
//! route, check or page knows of it. Paths without it answer too: for a proxy that has removed it, and for requests from
//! behind the proxy.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Extensions, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};
use tower::Layer as _;

use crate::addresses::public::{BasePath, Position};
use crate::http::forwarded::client::EffectiveClient;

/// Marks a request whose path began with the base path.
#[derive(Debug, Clone, Copy)]
struct BeganWithBasePath;

/// Returns a router that removes the base path before it chooses the route.
pub fn remove(base: &BasePath, routes: Router) -> Router {
    if base.is_root() {
        return routes;
    }
    let removing = middleware::from_fn_with_state(Arc::new(base.clone()), remove_from);
    Router::new().fallback_service(removing.layer(routes))
}

async fn remove_from(
    State(base): State<Arc<BasePath>>,
    mut request: Request,
    next: Next,
) -> Response {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    match base.position(request.uri().path()) {
        Position::Outside => {}
        // The paths of the page are relative to a folder.
        Position::Itself => {
            return Redirect::temporary(&format!("{}/{query}", base.as_str())).into_response();
        }
        Position::Below(rest) => {
            let mut parts = request.uri().clone().into_parts();
            let path = format!("{rest}{query}").try_into();
            parts.path_and_query = Some(path.expect("the end of a path is a path"));
            *request.uri_mut() = Uri::from_parts(parts).expect("only the path has changed");
            request.extensions_mut().insert(BeganWithBasePath);
        }
    }
    next.run(request).await
}

/// Returns the path of a client's cookies. A browser that reaches the relay through a proxy sends them to no other server
/// behind the same proxy; one that reaches it directly sends them to the root.
pub fn cookie_path(base: &BasePath, client: &EffectiveClient, request: &Extensions) -> String {
    let is_below = client.is_forwarded || request.get::<BeganWithBasePath>().is_some();
    format!("{}/", if is_below { base.as_str() } else { "" })
}
