//! The vocabulary of these tests: `Site`, `camera()`, `relay()`, `viewer()`.

mod camera;
mod relay;
mod socket;

use std::time::Duration;

use fanlight_bus::{Endpoint, Folder, SubscriberOptions};
use fanlight_grant::Signer;
use fanlight_grant::signer::SECRET;
use fanlight_relay::access::{Access, AccessTable, FramingRule, HostRule, OriginRule};
use fanlight_relay::addresses::{PublicAddress, TrustedProxies};
use fanlight_relay::connection::congestion::Congestion;
use fanlight_relay::limits::Limits;
use fanlight_relay::{IngestSettings, Options, Relay, Settings};

pub(crate) use camera::Camera;
use camera::{CODECS, RENDITIONS};
pub(crate) use relay::TestRelay;
pub(crate) use socket::{Received, Socket, watch};

/// The limit on every wait. No wait of these tests takes that long, even on a loaded machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// Waits for an event that must happen.
pub(crate) async fn within_timeout<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, event)
        .await
        .unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

/// Returns the table of a relay that requires this token.
fn access_table(token: Option<&str>) -> AccessTable {
    let token = token.map(|token| token.parse().unwrap());
    Options { token, ..Options::default() }.access_table().unwrap()
}

/// A bus folder in which cameras and relays find each other.
pub(crate) struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn bus(&self) -> Folder {
        Folder::at(self.folder.path().join("bus")).unwrap()
    }

    /// Starts a capture with one stream, which publishes only the frames of the test.
    pub(crate) fn camera(&self, stream: &str) -> Camera {
        self.camera_at(stream, stream)
    }

    /// Starts a capture whose endpoint has another name than its stream.
    pub(crate) fn camera_at(&self, stream: &str, endpoint: &str) -> Camera {
        let endpoint = Endpoint::Ipc(self.bus().path().join(format!("{endpoint}.ipc")));
        Camera::start(stream, endpoint, &[("full.jpeg", 4, 2)])
    }

    /// Starts a capture whose stream has three renditions.
    pub(crate) fn camera_with_renditions(&self, stream: &str) -> Camera {
        let endpoint = Endpoint::Ipc(self.bus().path().join(format!("{stream}.ipc")));
        Camera::start(stream, endpoint, &RENDITIONS)
    }

    /// Starts a capture whose stream has two renditions, each in both codecs.
    pub(crate) fn camera_with_codecs(&self, stream: &str) -> Camera {
        let endpoint = Endpoint::Ipc(self.bus().path().join(format!("{stream}.ipc")));
        Camera::start(stream, endpoint, &CODECS)
    }

    /// Starts a relay with limits that no test reaches.
    pub(crate) async fn relay(&self) -> TestRelay {
        self.relay_with(Limits::new(1000, 1000)).await
    }

    /// Starts a relay with these limits.
    pub(crate) async fn relay_with(&self, limits: Limits) -> TestRelay {
        self.relay_with_token(limits, None)
    }

    /// Starts a relay that requires this token.
    pub(crate) fn relay_with_token(&self, limits: Limits, token: Option<&str>) -> TestRelay {
        let settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            reuse_port: false,
            threads: 2,
            congestion: Congestion::System,
            ingest: IngestSettings {
                subscribe: SubscriberOptions {
                    folder: Some(self.bus()),
                    ..SubscriberOptions::default()
                },
                ..IngestSettings::default()
            },
            access: Access::new(
                access_table(token),
                Signer::new([1; SECRET]),
                HostRule::new(&[]),
                OriginRule::new(&[], true),
            ),
            framing: FramingRule::default(),
            tls: None,
            limits,
            proxies: TrustedProxies::default(),
            public: PublicAddress::default(),
            publish_token: None,
            kept: None,
            lan: None,
            web: None,
            warnings: Vec::new(),
        };
        let listener = fanlight_relay::connection::listen(settings.listen, false).unwrap();
        let relay = Relay::start(settings, listener).unwrap();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let address = relay.address();
        let running = tokio::spawn(relay.run_until(async move { drop(ended.await) }));
        TestRelay { address, end, running }
    }
}
