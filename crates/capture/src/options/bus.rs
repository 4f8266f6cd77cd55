//! The endpoints to publish at, and their keys.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use fanlight_bus::{AllowedKeys, Endpoint, KeyPair, PublisherKeys};

/// Most endpoints to publish at. Each is a listening socket.
const MAX_ENDPOINTS: usize = 16;

/// The bus options as the user wrote them.
#[derive(Debug)]
pub(super) struct BusOptions<'a> {
    pub(super) publish: &'a [String],
    pub(super) key: Option<&'a Path>,
    pub(super) allow: Option<&'a Path>,
    pub(super) insecure: bool,
}

impl BusOptions<'_> {
    pub(super) fn endpoints(&self) -> anyhow::Result<Vec<Endpoint>> {
        ensure!(
            self.publish.len() <= MAX_ENDPOINTS,
            "--publish: at most {MAX_ENDPOINTS} endpoints, but there are {}",
            self.publish.len()
        );
        let endpoints = self.publish.iter().map(|text| text.trim().parse::<Endpoint>());
        endpoints.collect::<Result<_, _>>().context("--publish")
    }

    /// Reads the keys for these endpoints. Refuses endpoints that other machines can reach without keys.
    pub(super) fn keys(&self, endpoints: &[Endpoint]) -> anyhow::Result<Option<PublisherKeys>> {
        let (key, allow) = match (self.key, self.allow) {
            (Some(key), Some(allow)) => (key, allow),
            (None, None) => return self.without_keys(endpoints).map(|()| None),
            (Some(_), None) => bail!(
                "--bus-key needs --bus-allow FILE: the public keys of the relays that may connect"
            ),
            (None, Some(_)) => {
                bail!("--bus-allow needs --bus-key FILE: `fanlight keys new --out NAME` makes it")
            }
        };
        ensure!(
            endpoints.iter().any(Endpoint::is_tcp),
            "--bus-key is useful only with --publish tcp://HOST:PORT"
        );
        Ok(Some(PublisherKeys {
            own: KeyPair::read(key).context("--bus-key")?,
            allowed: AllowedKeys::read(allow).context("--bus-allow")?,
        }))
    }

    fn without_keys(&self, endpoints: &[Endpoint]) -> anyhow::Result<()> {
        match endpoints.iter().find(|endpoint| endpoint.leaves_machine()) {
            Some(exposed) if !self.insecure => bail!(
                "--publish {exposed} can be reached from other machines: add --bus-key FILE and --bus-allow FILE \
                 (`fanlight keys new` makes keys), or --insecure-bus if everyone there may watch and may stop \
                 this program"
            ),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(
        publish: &[&str],
        key: Option<&Path>,
        allow: Option<&Path>,
        insecure: bool,
    ) -> Result<Option<PublisherKeys>, String> {
        let publish: Vec<String> = publish.iter().map(|&text| text.to_owned()).collect();
        let options = BusOptions { publish: &publish, key, allow, insecure };
        let endpoints = options.endpoints().map_err(|error| format!("{error:#}"))?;
        options.keys(&endpoints).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn an_endpoint_that_others_can_reach_needs_keys_or_insecure_bus() {
        for exposed in ["tcp://*:7475", "tcp://0.0.0.0:7475", "tcp://192.168.1.10:7475"] {
            let refused = keys(&["tcp://127.0.0.1:1", exposed], None, None, false).unwrap_err();
            for word in [exposed, "--bus-key", "--bus-allow", "--insecure-bus"] {
                assert!(refused.contains(word), "{word}: {refused}");
            }
            assert!(keys(&[exposed], None, None, true).unwrap().is_none());
        }
        for local in ["tcp://127.0.0.1:7475", "tcp://[::1]:7475", "ipc:///run/cam.ipc"] {
            assert!(keys(&[local], None, None, false).unwrap().is_none());
        }
    }

    #[test]
    fn keys_come_in_pairs_and_an_invalid_key_file_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hall");
        KeyPair::generate().unwrap().write(&path).unwrap();
        let (secret, public) = fanlight_bus::keys::written(&path);
        let tcp = ["tcp://*:7475"];
        let with = |key, allow| keys(&tcp, key, allow, false);
        assert_eq!(with(Some(&secret), Some(&public)).unwrap().unwrap().allowed.len(), 1);
        assert!(with(Some(&secret), None).unwrap_err().contains("--bus-allow FILE"));
        assert!(with(None, Some(&public)).unwrap_err().contains("--bus-key FILE"));
        let swapped = with(Some(&public), Some(&secret)).unwrap_err();
        assert!(swapped.contains("--bus-key: ") && swapped.contains("hall.pub"), "{swapped}");
        let missing = with(Some(&secret), Some(Path::new("/nowhere"))).unwrap_err();
        assert!(missing.contains("--bus-allow: /nowhere"), "{missing}");
        let local = keys(&["ipc:///run/a"], Some(&secret), Some(&public), false).unwrap_err();
        assert!(local.contains("only with --publish tcp://"), "{local}");
    }

    #[test]
    fn too_many_endpoints_are_refused() {
        let many: Vec<String> = (1..=17).map(|port| format!("tcp://127.0.0.1:{port}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(keys(&many, None, None, false).unwrap_err().contains("at most 16"));
    }
}
