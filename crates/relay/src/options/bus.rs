//! The publishers to follow, and their keys.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use fanlight_bus::{
    AllowedKeys, Endpoint, Folder, KeyPair, PublicKey, Publisher, PublisherKeys, SubscriberKeys,
    SubscriberOptions,
};

use crate::ingest::IngestSettings;
use crate::ingest::push::BusSettings;

/// Most endpoints to subscribe to.
const MAX_ENDPOINTS: usize = 64;
/// Most endpoints to publish at. Each is a listening socket.
const MAX_PUBLISHED: usize = 16;
/// Separates an endpoint from the file with the publisher's public key.
const KEY: &str = "#key=";

/// The bus options as the user wrote them.
#[derive(Debug)]
pub(super) struct BusOptions<'a> {
    pub(super) subscribe: &'a [String],
    pub(super) publish: &'a [String],
    pub(super) allow: Option<&'a Path>,
    pub(super) key: Option<&'a Path>,
    pub(super) insecure: bool,
}

impl BusOptions<'_> {
    /// Returns the settings. Without endpoints, the relay follows all publishers in this user's folder, and publishes there
    /// what clients push.
    pub(super) fn settings(&self) -> anyhow::Result<IngestSettings> {
        let subscribe = self.subscriber()?;
        let mut publish = self.publisher()?;
        if let Some(own) = publish.endpoints.iter().find(|own| subscribe.endpoints.contains(own)) {
            bail!("--publish {own} and --subscribe {own}: a relay does not subscribe to itself");
        }
        if let Some(folder) = &subscribe.folder {
            publish.endpoints.push(Publisher::own_endpoint(folder, "fanlight-relay"));
        }
        Ok(IngestSettings { subscribe, publish, ..IngestSettings::default() })
    }

    fn publisher(&self) -> anyhow::Result<BusSettings> {
        ensure!(
            self.publish.len() <= MAX_PUBLISHED,
            "--publish: at most {MAX_PUBLISHED} endpoints, but there are {}",
            self.publish.len()
        );
        let endpoints = self.publish.iter().map(|text| text.trim().parse::<Endpoint>());
        let endpoints: Vec<Endpoint> = endpoints.collect::<Result<_, _>>().context("--publish")?;
        let keys = match (self.key, self.allow) {
            (Some(key), Some(allow)) => Some(PublisherKeys {
                own: KeyPair::read(key).context("--bus-key")?,
                allowed: AllowedKeys::read(allow).context("--bus-allow")?,
            }),
            (None, Some(_)) => {
                bail!("--bus-allow needs --bus-key FILE: `fanlight keys new --out NAME` makes it")
            }
            (_, None) => None,
        };
        ensure!(
            keys.is_none() || endpoints.iter().any(Endpoint::is_tcp),
            "--bus-allow is useful only with --publish tcp://HOST:PORT"
        );
        let exposed = endpoints.iter().find(|endpoint| endpoint.leaves_machine());
        if let Some(exposed) = exposed.filter(|_| keys.is_none() && !self.insecure) {
            bail!(
                "--publish {exposed} can be reached from other machines: add --bus-key FILE and --bus-allow FILE \
                 (`fanlight keys new` makes keys), or --insecure-bus if everyone there may watch and may stop \
                 this program"
            );
        }
        Ok(BusSettings { endpoints, keys })
    }

    fn subscriber(&self) -> anyhow::Result<SubscriberOptions> {
        ensure!(
            self.subscribe.len() <= MAX_ENDPOINTS,
            "--subscribe: at most {MAX_ENDPOINTS} endpoints, but there are {}",
            self.subscribe.len()
        );
        let named = self.subscribe.iter().map(|text| parse(text)).collect::<Result<Vec<_>, _>>()?;
        for (at, (endpoint, key)) in named.iter().enumerate() {
            ensure!(
                named[..at].iter().all(|(other, _)| other != endpoint),
                "--subscribe {endpoint} is given twice"
            );
            self.check(endpoint, key.is_some())?;
        }
        let keys = self.keys(&named)?;
        let endpoints: Vec<Endpoint> = named.into_iter().map(|(endpoint, _)| endpoint).collect();
        let folder = match endpoints.is_empty() {
            true => {
                Some(Folder::default_of_user().context("cannot find the folder of publishers")?)
            }
            false => None,
        };
        Ok(SubscriberOptions { endpoints, folder, keys, excluded: Vec::new() })
    }

    /// Requires a key for a publisher on another machine, unless the user allows it without.
    fn check(&self, endpoint: &Endpoint, has_key: bool) -> anyhow::Result<()> {
        ensure!(
            !has_key || endpoint.is_tcp(),
            "--subscribe {endpoint}{KEY}…: keys are useful only with tcp://HOST:PORT"
        );
        ensure!(
            has_key || self.insecure || !endpoint.leaves_machine(),
            "--subscribe {endpoint} leaves this machine: write {endpoint}{KEY}FILE with the capture's public key, and \
             --bus-key FILE with this relay's own (`fanlight keys new` makes keys), or add --insecure-bus if everyone on \
             the network path may watch, and may send this relay other frames"
        );
        Ok(())
    }

    fn keys(
        &self,
        named: &[(Endpoint, Option<PathBuf>)],
    ) -> anyhow::Result<Option<SubscriberKeys>> {
        let mut publishers = HashMap::new();
        for (endpoint, path) in named {
            let Some(path) = path else { continue };
            let key = PublicKey::read(path).with_context(|| format!("--subscribe {endpoint}"))?;
            publishers.insert(endpoint.clone(), key);
        }
        match (self.key, publishers.is_empty()) {
            (None, true) => Ok(None),
            (Some(path), false) => {
                let own = KeyPair::read(path).context("--bus-key")?;
                Ok(Some(SubscriberKeys { own, publishers }))
            }
            // It is for `--publish` alone.
            (Some(_), true) if self.allow.is_some() => Ok(None),
            (Some(_), true) => bail!(
                "--bus-key is useful only with --subscribe tcp://HOST:PORT{KEY}FILE, which names the capture's public key"
            ),
            (None, false) => bail!(
                "--subscribe tcp://…{KEY}FILE needs --bus-key FILE too: `fanlight keys new --out NAME` makes it"
            ),
        }
    }
}

fn parse(text: &str) -> anyhow::Result<(Endpoint, Option<PathBuf>)> {
    let (endpoint, key) = match text.split_once(KEY) {
        Some((endpoint, path)) => (endpoint, Some(path.trim())),
        None => (text, None),
    };
    ensure!(key != Some(""), "--subscribe {text}: the name of a file must follow {KEY}");
    let endpoint = endpoint.trim().parse().context("--subscribe")?;
    Ok((endpoint, key.map(PathBuf::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(
        subscribe: &[&str],
        key: Option<&Path>,
        insecure: bool,
    ) -> Result<SubscriberOptions, String> {
        let subscribe: Vec<String> = subscribe.iter().map(|&text| text.to_owned()).collect();
        let options =
            BusOptions { subscribe: &subscribe, publish: &[], allow: None, key, insecure };
        let settings = options.settings().map(|settings| settings.subscribe);
        settings.map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn an_endpoint_on_another_machine_needs_a_key_or_insecure_bus() {
        for remote in ["tcp://192.168.1.10:7475", "tcp://cam.example:7475"] {
            let refused = settings(&[remote], None, false).unwrap_err();
            for word in [remote, "#key=FILE", "--bus-key", "--insecure-bus"] {
                assert!(refused.contains(word), "{word}: {refused}");
            }
            assert!(settings(&[remote], None, true).unwrap().keys.is_none());
        }
        for local in ["tcp://127.0.0.1:7475", "tcp://localhost:7475", "ipc:///run/cam.ipc"] {
            assert!(settings(&[local], None, false).unwrap().keys.is_none());
        }
    }

    #[test]
    fn each_endpoint_has_its_own_key_and_so_has_the_relay() {
        let folder = tempfile::tempdir().unwrap();
        let pair = |name: &str| {
            let path = folder.path().join(name);
            let pair = KeyPair::generate().unwrap();
            pair.write(&path).unwrap();
            let (secret, public) = fanlight_bus::keys::written(&path);
            (pair, secret, public)
        };
        let ((own, secret, _), (garage, _, public)) = (pair("hall"), pair("garage"));
        let with_key = format!("tcp://192.168.1.10:7475#key={}", public.display());
        let keyed = [with_key.as_str(), "tcp://127.0.0.1:7475"];
        let keys = settings(&keyed, Some(&secret), false).unwrap().keys.unwrap();
        assert_eq!((keys.own, keys.publishers.len()), (own, 1));
        assert_eq!(keys.publishers[&"tcp://192.168.1.10:7475".parse().unwrap()], garage.public);

        assert!(settings(&keyed, None, false).unwrap_err().contains("needs --bus-key FILE"));
        let unused = settings(&["tcp://127.0.0.1:7475"], Some(&secret), false).unwrap_err();
        assert!(unused.contains("only with --subscribe tcp://HOST:PORT#key=FILE"), "{unused}");
        let local = format!("ipc:///run/cam.ipc#key={}", public.display());
        assert!(
            settings(&[&local], Some(&secret), false).unwrap_err().contains("only with tcp://")
        );
        let twice = [with_key.as_str(), "tcp://192.168.1.10:7475"];
        assert!(settings(&twice, Some(&secret), true).unwrap_err().contains("twice"));
        for (wrong, words) in [("#key=", "must follow #key="), ("#key=/nowhere", "/nowhere")] {
            let refused = settings(&[&format!("tcp://10.0.0.1:1{wrong}")], Some(&secret), false);
            assert!(refused.as_ref().unwrap_err().contains(words), "{refused:?}");
        }
        let swapped = format!("tcp://10.0.0.1:1#key={}", secret.display());
        let refused = settings(&[&swapped], Some(&secret), false).unwrap_err();
        assert!(refused.contains("hall.secret:2: this is a secret key file"), "{refused}");
    }
}
