//! Options of a publisher and of a subscriber.

use std::collections::HashMap;

use crate::address::endpoint::Endpoint;
use crate::address::folder::Folder;
use crate::keys::{AllowedKeys, KeyPair, PublicKey};

/// Options of a publisher.
#[derive(Debug)]
pub struct PublisherOptions {
    /// Endpoints to bind; empty: an endpoint of its own in [`Folder::default_of_user`](crate::Folder::default_of_user).
    pub endpoints: Vec<Endpoint>,
    /// The program's name, `[a-z0-9-]+`; names the publisher in the folder and, with host and process id, in catalogs.
    pub name: String,
    /// The number of streams: bounds the queue for a slow subscriber.
    pub streams: usize,
    /// Keys for TCP endpoints: with them, only subscribers whose key is allowed connect, and everything is encrypted.
    pub keys: Option<PublisherKeys>,
}

/// The keys of a publisher, and those of the subscribers that it admits over TCP.
#[derive(Debug, Clone)]
pub struct PublisherKeys {
    /// The publisher's own keys.
    pub own: KeyPair,
    /// The subscribers' public keys.
    pub allowed: AllowedKeys,
}

/// Options of a subscriber: the publishers to follow.
#[derive(Debug, Clone, Default)]
pub struct SubscriberOptions {
    /// Publishers by endpoint.
    pub endpoints: Vec<Endpoint>,
    /// A folder whose present and future publishers are followed too.
    pub folder: Option<Folder>,
    /// Endpoints in the folder that are not followed: those of publishers in the same process.
    pub excluded: Vec<Endpoint>,
    /// Keys for the endpoints whose publishers require them.
    pub keys: Option<SubscriberKeys>,
}

/// The keys that identify a subscriber, and those by which it recognizes publishers.
#[derive(Debug, Clone)]
pub struct SubscriberKeys {
    /// The subscriber's own keys.
    pub own: KeyPair,
    /// The public key of the publisher at each endpoint that uses keys. The others are followed without encryption.
    pub publishers: HashMap<Endpoint, PublicKey>,
}
