//! The client of a request as the relay believes it to be.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::{is_forwarded, outermost};
use crate::addresses::ClientAddress;
use crate::addresses::TrustedProxies;
use crate::connection::Connection;
use crate::context::Context;
use crate::error::Error;
use crate::http::error::HttpError;
use crate::stats::labels::DenialReason;

/// The client of a request: the other end of the connection, or the one that a trusted proxy names. Attached to each request
/// as an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveClient {
    /// Its address.
    pub address: ClientAddress,
    /// True if its own connection is encrypted, up to the relay or to the proxy.
    pub is_encrypted: bool,
    /// True if a proxy, trusted or not, has forwarded its request.
    pub is_forwarded: bool,
    /// The host that it addresses, if a trusted proxy names one, and the header that names it.
    pub forwarded_host: Option<(HeaderName, String)>,
}

impl EffectiveClient {
    /// Returns the client of a request that `peer` sends.
    ///
    /// # Errors
    /// [`Error::Denied`] if `peer` is trusted and its headers are malformed.
    pub fn new(
        headers: &HeaderMap,
        peer: IpAddr,
        is_encrypted: bool,
        proxies: &TrustedProxies,
    ) -> Result<Self, Error> {
        let peer = peer.to_canonical();
        let known = match proxies.contains(peer) {
            true => outermost(headers, peer, proxies)?,
            false => None,
        };
        let is_forwarded = is_forwarded(headers);
        Ok(match known {
            Some((address, hop)) => Self {
                address,
                is_encrypted: hop.is_encrypted.unwrap_or(is_encrypted),
                is_forwarded,
                forwarded_host: hop.host,
            },
            None => Self { address: peer.into(), is_encrypted, is_forwarded, forwarded_host: None },
        })
    }

    /// Returns the client that was attached to a request.
    ///
    /// # Panics
    /// Panics if the request has not passed [`identify`], which every request does.
    pub fn of(extensions: &Extensions) -> &Self {
        extensions.get().expect("`identify` attaches the client to every request")
    }

    /// Returns whether the request comes from this machine itself. One that a proxy has forwarded does not, whatever the
    /// proxy says: some pass on what the client claims.
    pub fn is_local(&self) -> bool {
        self.address.ip().is_loopback() && !self.is_forwarded
    }
}

/// Attaches the client to a request; refuses it if a trusted proxy describes the client by malformed headers.
pub async fn identify(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    match client(&context, &parts) {
        Ok(client) => {
            parts.extensions.insert(client);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => {
            context.denials.count(DenialReason::Malformed);
            HttpError::from(error).into_response()
        }
    }
}

fn client(context: &Context, request: &Parts) -> Result<EffectiveClient, Error> {
    let connection = request.extensions.get::<Connection>();
    let socket = &connection.expect("every request has its connection as an extension").socket;
    let (peer, is_encrypted) = (socket.client.ip(), socket.is_encrypted());
    EffectiveClient::new(&request.headers, peer, is_encrypted, &context.proxies)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PROXIES: [&str; 3] = ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"];
    const PROXY: &str = "10.0.0.1";

    fn of(peer: &str, lines: &[(&str, &str)]) -> Result<EffectiveClient, Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let proxies = TrustedProxies::new(&PROXIES.map(str::to_owned)).unwrap();
        EffectiveClient::new(&headers, peer.parse().unwrap(), false, &proxies)
    }

    fn address(peer: &str, lines: &[(&str, &str)]) -> String {
        of(peer, lines).unwrap().address.to_string()
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxy() {
        for (list, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("192.0.2.1, 10.0.0.7", "192.0.2.1"),
            ("127.0.0.1, 192.0.2.1", "192.0.2.1"),
            ("not an address, 192.0.2.1,10.0.0.7 ,\t[2001:db8::5]:80", "192.0.2.1"),
            ("10.0.0.9, 10.0.0.7", "10.0.0.9"),
            ("127.0.0.1", "127.0.0.1"),
            ("2001:db9::1", "2001:db9::1"),
            ("::ffff:192.0.2.1, ::ffff:10.0.0.7", "192.0.2.1"),
            ("192.0.2.1, unknown", PROXY),
            ("192.0.2.1, unknown, 10.0.0.7", "10.0.0.7"),
        ] {
            assert_eq!(address(PROXY, &[("x-forwarded-for", list)]), expected, "{list}");
        }
        let lines = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "192.0.2.1, 10.0.0.2")];
        assert_eq!(address(PROXY, &lines), "192.0.2.1", "each proxy may add a line");
        assert_eq!(address(PROXY, &[]), PROXY);
    }

    #[test]
    fn the_standard_header_names_client_scheme_and_host_of_one_request() {
        let chain = "for=127.0.0.1;host=localhost, for=192.0.2.1;proto=https;host=\"cams:8443\", \
                     for=10.0.0.3;proto=http;host=inner";
        let client = of(PROXY, &[("forwarded", chain)]).unwrap();
        assert_eq!((&*client.address.to_string(), client.is_encrypted), ("192.0.2.1", true));
        assert_eq!(client.forwarded_host.unwrap().1, "cams:8443");
        let hidden = of(PROXY, &[("forwarded", "for=192.0.2.1, for=_x;proto=https")]).unwrap();
        assert_eq!((&*hidden.address.to_string(), hidden.is_encrypted), (PROXY, true));
    }

    #[test]
    fn scheme_and_host_are_those_of_the_trusted_proxy() {
        let lines = [
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "HTTPS"),
            ("x-forwarded-host", "cams.example.org:8443"),
        ];
        let client = of("::ffff:127.0.0.1", &lines).unwrap();
        assert!(client.is_encrypted && !client.is_local());
        let (header, host) = client.forwarded_host.unwrap();
        assert_eq!((header.as_str(), &*host), ("x-forwarded-host", "cams.example.org:8443"));
        assert!(!of(PROXY, &[("x-forwarded-proto", "http")]).unwrap().is_encrypted);
    }

    #[test]
    fn another_peer_is_never_believed_and_loses_the_rights_of_this_machine() {
        for lines in [
            &[("x-forwarded-for", "127.0.0.1")][..],
            &[("x-forwarded-proto", "https")],
            &[("x-forwarded-host", "localhost")],
            &[("forwarded", "for=127.0.0.1;proto=https;host=localhost")],
            &[("forwarded", "\"malformed"), ("x-forwarded-for", "malformed")],
        ] {
            for peer in ["192.0.2.9", "127.0.0.2"] {
                let client = of(peer, lines).unwrap();
                assert_eq!(client.address.to_string(), peer, "{lines:?}");
                assert!(!client.is_encrypted && !client.is_local(), "{lines:?}");
                assert_eq!(client.forwarded_host, None, "{lines:?}");
            }
        }
        assert!(of("127.0.0.2", &[]).unwrap().is_local());
        assert!(of("127.0.0.1", &[]).unwrap().is_local());
    }

    #[test]
    fn no_request_through_a_proxy_has_the_rights_of_this_machine() {
        for lines in [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1")] {
            let client = of("127.0.0.1", &[lines]).unwrap();
            assert!(client.address.ip().is_loopback() && !client.is_local(), "{lines:?}");
        }
    }

    #[test]
    fn a_malformed_header_of_a_trusted_proxy_is_refused_by_its_name() {
        for (name, value) in [
            ("x-forwarded-for", ""),
            ("x-forwarded-for", "localhost"),
            ("x-forwarded-for", "192.0.2.1,"),
            ("x-forwarded-for", "192.0.2.1 10.0.0.1"),
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-proto", "https, http"),
            ("x-forwarded-host", ""),
            ("x-forwarded-host", "a, b"),
            ("forwarded", "192.0.2.1"),
        ] {
            let error = of(PROXY, &[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name), "{value}: {error}");
        }
        for name in ["x-forwarded-proto", "x-forwarded-host"] {
            assert!(of(PROXY, &[(name, "http"), (name, "http")]).is_err(), "{name} twice");
        }
    }

    #[test]
    fn both_kinds_of_headers_together_are_refused_because_the_client_may_have_sent_one() {
        for other in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] {
            let lines = [("forwarded", "for=127.0.0.1"), (other, "192.0.2.1")];
            let error = of(PROXY, &lines).unwrap_err().to_string();
            assert!(error.contains("forwarded and") && error.contains(other), "{error}");
        }
    }

    proptest! {
        /// The proxy's own addition counts for any claim of a client, or the request is refused.
        #[test]
        fn a_claim_never_replaces_the_addition_of_the_proxy(
            claim in r#"[for=a1.:;,"\\ \[\]_]{0,24}|for=1\.1\.1\.1;[a-z]="[ -~]{0,12}"#,
            added in prop::sample::select(vec![
                "for=192.0.2.9;host=h", "host=h;for=\"192.0.2.9:80\"", "for=\"192.0.2.9\";x=\"a,b\";host=\"h\"",
            ]),
        ) {
            let list = format!("{claim},192.0.2.9");
            prop_assert_eq!(address(PROXY, &[("x-forwarded-for", &list)]), "192.0.2.9");
            if let Ok(client) = of(PROXY, &[("forwarded", &format!("{claim}, {added}"))]) {
                prop_assert_eq!(client.address.to_string(), "192.0.2.9");
                prop_assert_eq!(client.forwarded_host.unwrap().1, "h");
            }
        }
    }
}
