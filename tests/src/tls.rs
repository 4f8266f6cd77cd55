//! Certificates of a test, and a tunnel through which viewers without TLS use a relay with it.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// Most bytes of one read.
const READ: usize = 16 * 1024;

/// A certificate authority of a test.
#[derive(Debug)]
pub struct TestAuthority {
    issuer: Issuer<'static, KeyPair>,
    /// The file with its certificate.
    pub certificate: PathBuf,
}

/// The files of a certificate.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl TestAuthority {
    /// Makes an authority, with its certificate in this folder.
    pub fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("random numbers");
        let certificate = folder.join("authority.pem");
        let made = params.self_signed(&key).expect("valid parameters");
        fs::write(&certificate, made.pem()).expect("the folder of the test");
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// Issues a certificate for localhost and this name, into files with this name; an earlier one is replaced.
    pub fn issue(&self, folder: &Path, name: &str) -> CertificateFiles {
        let names = ["localhost", "127.0.0.1", name].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("valid names");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("random numbers");
        let issued = params.signed_by(&key, &self.issuer).expect("valid parameters");
        let files = CertificateFiles {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        fs::write(&files.certificate, issued.pem()).expect("the folder of the test");
        fs::write(&files.key, key.serialize_pem()).expect("the folder of the test");
        files
    }
}

impl CertificateFiles {
    /// Returns the options with which a relay presents it.
    pub fn options(&self) -> [&str; 4] {
        [
            "--tls-cert",
            self.certificate.to_str().expect("ASCII"),
            "--tls-key",
            self.key.to_str().expect("ASCII"),
        ]
    }
}

/// Returns the first bytes of a client that begins TLS.
///
/// # Panics
/// Panics if the authority's certificate is unusable.
pub fn client_hello(authority: &Path) -> Vec<u8> {
    let mut hello = Vec::new();
    client(authority).write_tls(&mut hello).expect("memory takes all bytes");
    hello
}

/// Returns a session with a server named `localhost` whose certificate this authority must have issued.
fn client(authority: &Path) -> ClientConnection {
    let mut trusted = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(authority).expect("a certificate");
    trusted.add(certificate).expect("the certificate of an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("rustls knows its own versions")
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a valid name")
}

/// A tunnel to a TLS server: what arrives at its address is encrypted and passed on. It lasts until the test process ends.
///
/// A viewer that stops reading from it makes it stop reading from the server.
#[derive(Debug)]
pub struct TlsTunnel {
    address: SocketAddr,
}

impl TlsTunnel {
    /// Opens a tunnel to a server whose certificate this authority must have issued.
    ///
    /// # Panics
    /// Panics if no port is free or the authority's certificate is unusable.
    pub fn to(server: SocketAddr, authority: &Path) -> Self {
        let authority = authority.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(server) else { continue };
                join(near, far, client(&authority));
            }
        });
        Self { address }
    }

    /// Returns the address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Passes bytes on in both directions, on a thread for each.
fn join(mut near: TcpStream, mut far: TcpStream, mut session: ClientConnection) {
    if session.complete_io(&mut far).is_err() {
        return;
    }
    let session = Arc::new(Mutex::new(session));
    let (near_in, far_out) = (clone(&near), clone(&far));
    let shared = session.clone();
    thread::spawn(move || {
        let _ = encrypt(near_in, &far_out, &shared);
        let _ = far_out.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let _ = decrypt(&mut far, &mut near, &session);
        let _ = near.shutdown(Shutdown::Both);
        let _ = far.shutdown(Shutdown::Both);
    });
}

fn encrypt(
    mut from: TcpStream,
    to: &TcpStream,
    session: &Mutex<ClientConnection>,
) -> io::Result<()> {
    let mut bytes = [0; READ];
    loop {
        let count = from.read(&mut bytes)?;
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        match count {
            0 => session.send_close_notify(),
            _ => session.writer().write_all(&bytes[..count])?,
        }
        while session.wants_write() {
            session.write_tls(&mut &*to)?;
        }
        if count == 0 {
            return Ok(());
        }
    }
}

fn decrypt(
    from: &mut TcpStream,
    to: &mut TcpStream,
    session: &Mutex<ClientConnection>,
) -> io::Result<()> {
    let (mut bytes, mut plain) = ([0; READ], [0; READ]);
    loop {
        let count = from.read(&mut bytes)?;
        let mut rest = &bytes[..count];
        loop {
            // The lock is not held while the viewer reads.
            let decrypted = {
                let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
                if !rest.is_empty() || count == 0 {
                    session.read_tls(&mut rest)?;
                    session.process_new_packets().map_err(io::Error::other)?;
                }
                session.reader().read(&mut plain)
            };
            match decrypted {
                Ok(0) => return Ok(()),
                Ok(count) => to.write_all(&plain[..count])?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && rest.is_empty() => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a descriptor is free")
}
