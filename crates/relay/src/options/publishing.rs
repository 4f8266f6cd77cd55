//! The options of streams that clients publish into the relay.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use fanlight_cli::secret::Secret;
use serde::Deserialize;

use crate::ingest::push::PushLimits;
use crate::ingest::push::pace::{MAX_BITRATE, MAX_FPS};
use crate::limits::MAX_PUBLISHERS;

// The options of streams that clients publish into the relay, as the user wrote them. (Not rustdoc: clap would show it instead
// of the program's own.)
#[derive(Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct PublishingOptions {
    /// The token that clients must send to publish streams into this relay, in the same ways; 8 to 512 letters. It gives no
    /// right to view
    #[arg(long, env = "FANLIGHT_PUBLISH_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub publish_token: Option<Secret>,

    /// Most streams that clients publish into this relay at a time, 1 to 1024; other relays on the bus see the first 128
    /// [default: 256]
    #[arg(long, env = "FANLIGHT_MAX_PUBLISHERS", value_name = "N")]
    pub max_publishers: Option<usize>,

    /// Most frames per second of a stream that a client publishes, 1 to 1000; further frames are refused [default: 120]
    #[arg(long, env = "FANLIGHT_MAX_INGEST_FPS", value_name = "N")]
    pub max_ingest_fps: Option<u32>,

    /// Most bits per second of a stream that a client publishes, from 100000 on; further frames are refused
    /// [default: 100000000]
    #[arg(long, env = "FANLIGHT_MAX_INGEST", value_name = "BITS")]
    pub max_ingest: Option<u64>,

    /// Publish the streams that clients push into this relay at this endpoint too, ipc:///PATH or tcp://HOST:PORT;
    /// repeatable, at most 16. In the environment: separated by commas [default: an endpoint of its own in
    /// $XDG_RUNTIME_DIR/fanlight, where other relays look; none with --subscribe]
    #[arg(long, env = "FANLIGHT_PUBLISH", value_name = "ENDPOINT", value_delimiter = ',')]
    pub publish: Vec<String>,

    /// With --publish tcp://HOST:PORT and --bus-key: the public keys of the relays that can connect: a line `KEY NAME` for
    /// each, at most 1024
    #[arg(long, env = "FANLIGHT_BUS_ALLOW", value_name = "FILE")]
    pub bus_allow: Option<PathBuf>,
}

impl PublishingOptions {
    /// Returns the number of streams that clients may publish at a time.
    pub(super) fn most_publishers(&self) -> anyhow::Result<usize> {
        let publishers = self.max_publishers.unwrap_or(MAX_PUBLISHERS);
        ensure!((1..=1024).contains(&publishers), "--max-publishers {publishers}: 1 to 1024");
        Ok(publishers)
    }

    /// Returns the limits on each of them.
    pub(super) fn limits(&self) -> anyhow::Result<PushLimits> {
        let fps = self.max_ingest_fps.unwrap_or(MAX_FPS);
        let bitrate = self.max_ingest.unwrap_or(MAX_BITRATE);
        ensure!((1..=1000).contains(&fps), "--max-ingest-fps {fps}: 1 to 1000");
        ensure!(
            (100_000..=100_000_000_000).contains(&bitrate),
            "--max-ingest {bitrate}: 100000 to 100000000000 bits per second"
        );
        Ok(PushLimits { fps, bitrate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_out_of_range_are_refused_with_the_range() {
        let refused = |options: PublishingOptions| {
            options.limits().map(drop).and(options.most_publishers().map(drop)).unwrap_err()
        };
        for (options, words) in [
            (
                PublishingOptions { max_publishers: Some(0), ..PublishingOptions::default() },
                "--max-publishers 0: 1 to 1024",
            ),
            (
                PublishingOptions { max_ingest_fps: Some(0), ..PublishingOptions::default() },
                "--max-ingest-fps 0: 1 to 1000",
            ),
            (
                PublishingOptions { max_ingest: Some(9), ..PublishingOptions::default() },
                "--max-ingest 9: 100000",
            ),
        ] {
            assert!(refused(options).to_string().contains(words));
        }
    }
}
