//! A publisher's socket, bound to its endpoints.

use fanlight_protocol::Epoch;

use super::admission::{self, Admission};
use crate::address::endpoint::Endpoint;
use crate::address::folder::Folder;
use crate::error::BusError;
use crate::options::{PublisherKeys, PublisherOptions};
use crate::zmq::lock::{LockError, PathLock};
use crate::zmq::{curve, folder, socket};

/// A socket bound to its endpoints, and the locks that keep other publishers away from their paths.
pub(crate) struct Bound {
    pub(super) socket: zmq::Socket,
    endpoints: Vec<Endpoint>,
    // After the socket: a path is unlocked only when no socket is bound to it any more.
    _locks: Vec<PathLock>,
}

impl Bound {
    /// Binds all endpoints, in a context of its own whose peers the returned handler admits.
    pub(crate) fn open(
        options: &PublisherOptions,
        epoch: Epoch,
    ) -> Result<(Self, Admission), BusError> {
        if options.keys.is_some() {
            curve::require()?;
        }
        let context = zmq::Context::new();
        let allowed = options.keys.as_ref().map(|keys| keys.allowed.clone());
        let admission = Admission::start(&context, allowed)?;
        Ok((Self::bind(&context, options, epoch)?, admission))
    }

    fn bind(
        context: &zmq::Context,
        options: &PublisherOptions,
        epoch: Epoch,
    ) -> Result<Self, BusError> {
        let endpoints = match options.endpoints.as_slice() {
            [] => {
                let folder = Folder::default_of_user()?;
                vec![own_endpoint(&folder, &options.name, epoch.0)]
            }
            given => given.to_vec(),
        };
        let socket = context.socket(zmq::XPUB)?;
        let high_water_mark = socket::publisher_high_water_mark(options.streams);
        let bounds = socket::Bounds {
            send: high_water_mark,
            receive: high_water_mark,
            part: socket::MAX_UPSTREAM,
        };
        socket::configure(&socket, &bounds)?;
        let mut locks = Vec::new();
        for endpoint in local_first(&endpoints) {
            admit(&socket, endpoint, options.keys.as_ref())?;
            locks.extend(lock(endpoint)?);
            socket.bind(&endpoint.to_string()).map_err(|error| BusError::Bind {
                endpoint: endpoint.clone(),
                reason: error.to_string(),
            })?;
        }
        Ok(Self { socket, endpoints, _locks: locks })
    }

    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }
}

/// Options of a ZeroMQ socket hold for endpoints bound later, and keys cannot be removed. So endpoints without keys come
/// first.
fn local_first(endpoints: &[Endpoint]) -> impl Iterator<Item = &Endpoint> {
    let of = |tcp| endpoints.iter().filter(move |endpoint| endpoint.is_tcp() == tcp);
    of(false).chain(of(true))
}

/// Sets the rules by which the peers of the next bound endpoint are admitted.
fn admit(
    socket: &zmq::Socket,
    endpoint: &Endpoint,
    keys: Option<&PublisherKeys>,
) -> zmq::Result<()> {
    let network = endpoint.is_tcp();
    if let Some(keys) = keys.filter(|_| network) {
        curve::serve(socket, &keys.own)?;
    }
    socket.set_zap_domain(if network { admission::NETWORK } else { admission::LOCAL })
}

/// Returns an endpoint in a folder that no other publisher has, not even one of this process.
pub(crate) fn own_endpoint(folder: &Folder, name: &str, random: u64) -> Endpoint {
    let unique = format!("{name}-{}-{:04x}", std::process::id(), random & 0xffff);
    folder::endpoint(folder, &unique)
}

fn lock(endpoint: &Endpoint) -> Result<Option<PathLock>, BusError> {
    let Some(path) = endpoint.ipc_path() else { return Ok(None) };
    PathLock::take(path).map(Some).map_err(|error| match error {
        LockError::Held(pid) => BusError::InUse { endpoint: endpoint.clone(), pid },
        LockError::Io(source) => BusError::File { path: path.to_owned(), source },
    })
}
