//! Admission of peers: a handler of ZeroMQ's authentication protocol (ZAP, RFC 27).
//!
//! libzmq queries the handler of its context, at a fixed address, once in every handshake. Every peer is given a number, by
//! which its requests are counted. Over `tcp://`, if keys are used, only peers whose key is allowed are admitted.
//!
//! If no handler is bound, libzmq admits every peer. So the handler is bound before the publisher, outlives it, and stays
//! bound even if its thread has failed: handshakes then time out.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::BusError;
use crate::keys::{AllowedKeys, PublicKey};
use crate::zmq::socket;
use crate::zmq::wake::Wake;

/// The endpoint at which libzmq queries the handler.
const ADDRESS: &str = "inproc://zeromq.zap.01";
/// libzmq's name (ZAP domain) of the rules for endpoints that only this user's programs reach.
pub(super) const LOCAL: &str = "fanlight-ipc";
/// The same for all other endpoints.
pub(super) const NETWORK: &str = "fanlight-tcp";
/// Parts of a request: six, and the credentials, of which only CURVE's single one is read.
const PARTS: usize = 7;
/// The shortest interval between two log lines about refused peers. The others are counted.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// The running handler. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Admission {
    wake: Wake,
    thread: Option<JoinHandle<()>>,
    /// Keeps the address bound even if the thread fails.
    _socket: SharedHandler,
}

#[derive(Clone)]
struct SharedHandler(Arc<Mutex<zmq::Socket>>);

impl Admission {
    /// Starts to answer: admits the peers with these keys, or every peer.
    pub(super) fn start(
        context: &zmq::Context,
        allowed: Option<AllowedKeys>,
    ) -> Result<Self, BusError> {
        let socket = context.socket(zmq::REP)?;
        socket.set_linger(0)?;
        socket.bind(ADDRESS)?;
        let (socket, wake) = (SharedHandler(Arc::new(Mutex::new(socket))), Wake::new()?);
        let mut handler =
            Handler { socket: socket.clone(), wake: wake.clone(), rules: Rules::new(allowed) };
        let thread = std::thread::Builder::new()
            .name("bus-admission".into())
            .spawn(move || while handler.serve() {})?;
        Ok(Self { wake, thread: Some(thread), _socket: socket })
    }

    /// Returns whether the thread runs. Without it, no further peer can connect.
    pub(crate) fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.wake.wake();
        if thread.join().is_err() {
            tracing::error!("the bus admission thread panicked");
        }
    }
}

struct Handler {
    socket: SharedHandler,
    wake: Wake,
    rules: Rules,
}

impl Handler {
    /// Waits for requests and answers them. Returns false when the handler must stop.
    fn serve(&mut self) -> bool {
        let socket = self.socket.0.lock();
        let mut items =
            [socket.as_poll_item(zmq::POLLIN), zmq::PollItem::from_fd(self.wake.fd(), zmq::POLLIN)];
        // An interrupted wait is a short one.
        let _ = zmq::poll(&mut items, -1);
        if items[1].is_readable() {
            return false;
        }
        while let Ok(request) = socket::receive_parts(&socket, PARTS) {
            let request: Vec<&[u8]> = request.iter().map(|part| &part[..]).collect();
            let reply = self.rules.answer(&request, Instant::now());
            // It fails only if the connection that asked is gone.
            let _ = socket.send_multipart(reply, zmq::DONTWAIT);
        }
        true
    }
}

/// The rules of admission. No IO and no clock.
struct Rules {
    allowed: Option<AllowedKeys>,
    admitted: u64,
    refused: u64,
    logged_at: Option<Instant>,
}

impl Rules {
    fn new(allowed: Option<AllowedKeys>) -> Self {
        Self { allowed, admitted: 0, refused: 0, logged_at: None }
    }

    /// Returns the reply to a request: version, request number, status, text, peer number, no further data.
    fn answer(&mut self, request: &[&[u8]], now: Instant) -> [Vec<u8>; 6] {
        let number = request.get(1).copied().unwrap_or_default();
        let (status, text, peer) = match self.judge(request) {
            Ok(name) => {
                tracing::debug!(name, "bus peer admitted");
                self.admitted += 1;
                ("200", "", self.admitted.to_string())
            }
            Err(reason) => {
                self.refuse(request, reason, now);
                ("400", reason, String::new())
            }
        };
        [b"1.0", number, status.as_bytes(), text.as_bytes(), peer.as_bytes(), b""]
            .map(<[u8]>::to_vec)
    }

    /// Returns the name of a peer that may connect, or the reason why it may not.
    fn judge(&self, request: &[&[u8]]) -> Result<&str, &'static str> {
        let [b"1.0", _, domain, _, _, mechanism, credentials @ ..] = request else {
            return Err("not a ZAP 1.0 request");
        };
        let Some(allowed) = self.allowed.as_ref().filter(|_| *domain != LOCAL.as_bytes()) else {
            return Ok("");
        };
        let key = match (*mechanism, credentials) {
            (b"CURVE", [key]) => PublicKey::from_bytes(key).ok_or("not a key"),
            _ => Err("a key is required"),
        }?;
        allowed.name_of(&key).ok_or("the key is not in the --bus-allow list")
    }

    /// Logs a refused peer, with its key so that it can be allowed. Further attempts within [`LOG_EVERY`], even with other
    /// keys, are only counted.
    fn refuse(&mut self, request: &[&[u8]], reason: &str, now: Instant) {
        self.refused += 1;
        if self.logged_at.is_some_and(|at| now < at + LOG_EVERY) {
            return;
        }
        self.logged_at = Some(now);
        let address = request.get(3).map(|address| String::from_utf8_lossy(address));
        let key = request.get(6).and_then(|key| PublicKey::from_bytes(key));
        tracing::warn!(
            address = address.as_deref().unwrap_or_default(),
            key = key.map(|key| key.to_string()).unwrap_or_default(),
            refused = self.refused,
            reason,
            "bus peer refused"
        );
    }
}

impl std::fmt::Debug for SharedHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedHandler").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyPair;

    fn status(rules: &mut Rules, mechanism: &str, credentials: &[&[u8]]) -> String {
        status_at(NETWORK, rules, mechanism, credentials)
    }

    fn status_at(
        domain: &str,
        rules: &mut Rules,
        mechanism: &str,
        credentials: &[&[u8]],
    ) -> String {
        let head: [&[u8]; 6] =
            [b"1.0", b"7", domain.as_bytes(), b"10.0.0.9", b"", mechanism.as_bytes()];
        let reply = rules.answer(&[&head, credentials].concat(), Instant::now());
        assert_eq!((&reply[0][..], &reply[1][..]), (&b"1.0"[..], &b"7"[..]));
        String::from_utf8(reply[2].clone()).unwrap()
    }

    #[test]
    fn with_keys_only_allowed_ones_are_admitted() {
        let [known, unknown] = [(); 2].map(|()| KeyPair::generate().unwrap().public);
        let mut rules = Rules::new(Some([(known, "hall".to_owned())].into_iter().collect()));
        assert_eq!(status(&mut rules, "CURVE", &[known.as_bytes()]), "200");
        assert_eq!(status(&mut rules, "CURVE", &[unknown.as_bytes()]), "400");
        assert_eq!(status(&mut rules, "CURVE", &[]), "400");
        assert_eq!(status(&mut rules, "CURVE", &[b"short"]), "400");
        assert_eq!(status(&mut rules, "NULL", &[]), "400");
        assert_eq!(status(&mut rules, "PLAIN", &[b"user", b"password"]), "400");
        assert_eq!(rules.answer(&[], Instant::now())[2], b"400");
        assert_eq!(status_at("other", &mut rules, "NULL", &[]), "400");
        assert_eq!(status_at(LOCAL, &mut rules, "NULL", &[]), "200");
    }

    #[test]
    fn every_admitted_peer_has_its_own_number() {
        let mut rules = Rules::new(None);
        let request: [&[u8]; 6] = [b"1.0", b"1", b"", b"", b"", b"NULL"];
        let mut number = || rules.answer(&request, Instant::now())[4].clone();
        assert_ne!(number(), number());
    }
}
