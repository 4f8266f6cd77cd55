//! The options of a relay behind a reverse proxy.

use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;

use crate::addresses::TrustedProxies;
use crate::addresses::public::{BasePath, PublicAddress, PublicUrl};

// The options of a relay behind a reverse proxy, as the user wrote them. (Not rustdoc: clap would show it instead of the
// program's own.)
#[derive(Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ProxyOptions {
    /// The address of a reverse proxy, or a range of them (10.0.0.0/8), that is believed when it names the client, the scheme
    /// and the host of a request in Forwarded or X-Forwarded-For, -Proto and -Host; repeatable, at most 64
    #[arg(long, env = "FANLIGHT_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',')]
    pub trusted_proxy: Vec<String>,

    /// The address that users open, for example https://example.org/cams: its host and origin are the relay's own, and links
    /// begin with it
    #[arg(long, env = "FANLIGHT_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// The path below which users reach the relay, for a reverse proxy that passes it on; also without it, all addresses
    /// answer [default: the path of --public-url]
    #[arg(long, env = "FANLIGHT_BASE_PATH", value_name = "PATH")]
    pub base_path: Option<String>,
}

impl ProxyOptions {
    /// Returns the proxies that are believed.
    pub(super) fn trusted(&self) -> anyhow::Result<TrustedProxies> {
        TrustedProxies::new(&self.trusted_proxy).context("--trusted-proxy")
    }

    /// Returns the address by which users reach the relay.
    pub(super) fn public_address(&self) -> anyhow::Result<PublicAddress> {
        let url = self.public_url.as_deref().map(|text| {
            text.parse::<PublicUrl>().with_context(|| format!("--public-url {text:?}"))
        });
        let url = url.transpose()?;
        let base_path = match (self.base_path.as_deref(), &url) {
            (Some(path), _) => {
                path.parse::<BasePath>().with_context(|| format!("--base-path {path:?}"))?
            }
            (None, Some(url)) => url
                .base_path()
                .with_context(|| format!("--public-url: the path of {:?}", url.origin()))?,
            (None, None) => BasePath::default(),
        };
        Ok(PublicAddress { url, base_path })
    }
}
