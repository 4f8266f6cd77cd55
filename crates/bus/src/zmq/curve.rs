//! CURVE, ZeroMQ's encryption (RFC 26): how a key pair is made, and which keys a socket uses.

use crate::error::BusError;
use crate::keys::{KeyPair, PublicKey, SecretKey};

/// The keys of an encrypted connection: the subscriber's own, and the one that the publisher must have.
#[derive(Debug, Clone)]
pub(super) struct ConnectionKeys {
    pub(super) own: KeyPair,
    pub(super) publisher: PublicKey,
}

impl KeyPair {
    /// Makes a new pair.
    ///
    /// # Errors
    /// Fails if this machine's libzmq was built without CURVE.
    pub fn generate() -> Result<Self, BusError> {
        require()?;
        let pair = zmq::CurveKeyPair::new()?;
        let (public, secret) = (PublicKey::new(pair.public_key), SecretKey::new(pair.secret_key));
        Ok(Self { public, secret })
    }
}

/// Fails if this machine's libzmq cannot encrypt.
pub(super) fn require() -> Result<(), BusError> {
    match zmq::has("curve") {
        Some(true) => Ok(()),
        _ => Err(BusError::NoCurve),
    }
}

/// Requires of the peers of a publisher's socket that they encrypt. Holds for endpoints that are bound later.
pub(super) fn serve(socket: &zmq::Socket, own: &KeyPair) -> zmq::Result<()> {
    socket.set_curve_server(true)?;
    socket.set_curve_secretkey(own.secret.as_bytes())
}

/// Encrypts the connections of a subscriber's socket.
pub(super) fn connect(socket: &zmq::Socket, keys: &ConnectionKeys) -> zmq::Result<()> {
    socket.set_curve_serverkey(keys.publisher.as_bytes())?;
    socket.set_curve_publickey(keys.own.public.as_bytes())?;
    socket.set_curve_secretkey(keys.own.secret.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::keys::z85;

    proptest! {
        #[test]
        fn our_text_form_of_keys_is_that_of_zeromq(key in any::<[u8; z85::KEY_LENGTH]>()) {
            let text = z85::encode(&key);
            prop_assert_eq!(&text, &zmq::z85_encode(&key).unwrap());
        }
    }
}
