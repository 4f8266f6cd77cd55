//! The addresses, the certificate and the token for other devices: in the log, or as text and QR code on a terminal.
//!
//! The token is shown on a terminal only, because a person watches there. A log names its file.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use fanlight_cli::secret::Secret;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use super::{Reachable, addresses};

/// The addresses of a page, and what is needed to open it.
#[derive(Debug)]
pub(super) struct Announcement {
    /// The addresses of the page, without the token; at least one. The public one is first, then the name.
    pages: Vec<String>,
    /// The page to scan: the public one, or else at an address, because not every phone knows mDNS.
    to_scan: String,
    /// The address of the certificate to install, and its fingerprint.
    certificate: Option<(String, String)>,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
}

impl Announcement {
    pub(super) fn new(name: Option<&str>, reachable: &Reachable) -> Self {
        let port = reachable.listening.port();
        let scheme = if reachable.is_encrypted { "https" } else { "http" };
        let addresses = addresses::reachable(reachable.listening.ip());
        let by_address =
            addresses.iter().map(|address| SocketAddr::new(*address, port).to_string());
        let by_address: Vec<_> = by_address.collect();
        let hosts = name.map(|name| format!("{name}:{port}")).into_iter();
        let hosts: Vec<_> = hosts.chain(by_address.iter().cloned()).collect();
        let page = |host: &String| format!("{scheme}://{host}/");
        let public = reachable.public_url.clone();
        let certificate = reachable.fingerprint.clone();
        let kept = reachable.token.as_ref();
        Self {
            certificate: certificate
                .map(|print| (format!("http://{}/ca.crt", by_address[0]), print)),
            pages: public.iter().cloned().chain(hosts.iter().map(page)).collect(),
            to_scan: public.unwrap_or_else(|| page(&by_address[0])),
            token: kept.map(|kept| kept.token.clone()),
            token_file: kept.map(|kept| kept.file.clone()),
        }
    }

    /// Returns the page's first address.
    pub(super) fn page(&self) -> &str {
        &self.pages[0]
    }

    /// Prints it if a person watches; otherwise logs it, without the token.
    pub(super) fn show(&self) {
        if io::stderr().is_terminal() {
            // A terminal that is gone needs no text.
            let _ = io::stderr().write_all(self.text().as_bytes());
            return;
        }
        let (certificate, fingerprint) = self.certificate.clone().unzip();
        tracing::info!(
            fingerprint,
            pages = self.pages.join(" "),
            certificate,
            token_file = self.token_file.as_ref().map(|file| file.display().to_string()),
            "open the page on other devices; install the certificate on them, and compare its SHA-256 fingerprint"
        );
    }

    fn text(&self) -> String {
        let mut text = String::from("\nTo watch on a phone or another computer of this network:\n");
        let mut line =
            |line: &str| writeln!(text, "{line}").expect("writing to memory does not fail");
        if let Some((address, fingerprint)) = &self.certificate {
            line(
                "\n1. Install the certificate of this relay once, so that the browser trusts it:\n",
            );
            line(&format!("     {address}\n"));
            line("   Its SHA-256 fingerprint, to compare:");
            line(&format!("     {}", fingerprint.get(..FINGERPRINT_HALF).unwrap_or(fingerprint)));
            line(&format!("     {}", fingerprint.get(FINGERPRINT_HALF..).unwrap_or_default()));
            line("   Without it the browser warns, and you must allow the page.\n");
            line("2. Open the page, or scan the code:\n");
        } else {
            line("\nOpen the page, or scan the code:\n");
        }
        for page in &self.pages {
            line(&format!("     {}", self.with_token(page)));
        }
        if let Some(code) = qr_code(&self.with_token(&self.to_scan)) {
            line(&format!("\n{code}\n"));
        }
        if let Some(file) = &self.token_file {
            line(&format!(
                "Everyone with this address can watch. The token in it is kept in {}.\n",
                file.display()
            ));
        }
        text
    }

    fn with_token(&self, page: &str) -> String {
        match &self.token {
            Some(token) => format!("{page}?token={}", token.expose()),
            None => page.to_owned(),
        }
    }
}

/// The first half of a fingerprint, of 16 bytes with their colons.
const FINGERPRINT_HALF: usize = 48;

fn qr_code(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    // Terminals are usually dark, and readers expect dark modules on light ground.
    let (dark, light) = (Dense1x2::Light, Dense1x2::Dark);
    Some(code.render::<Dense1x2>().dark_color(dark).light_color(light).build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::secrets::KeptToken;

    fn reachable(token: Option<&str>) -> Reachable {
        let token =
            token.map(|token| KeptToken { token: token.into(), file: "/state/token".into() });
        Reachable {
            listening: "192.168.1.5:7474".parse().unwrap(),
            is_encrypted: true,
            fingerprint: Some("AB:".repeat(31) + "AB"),
            token,
            public_url: None,
        }
    }

    #[test]
    fn a_public_address_comes_first_and_is_the_one_to_scan() {
        let public_url = Some("https://cams.example.org/door/".to_owned());
        let reachable = Reachable { public_url, ..reachable(Some("a-token")) };
        let shown = Announcement::new(Some("fanlight.local"), &reachable);
        assert_eq!(shown.page(), "https://cams.example.org/door/");
        assert_eq!(shown.to_scan, shown.page());
        assert!(shown.text().contains("https://fanlight.local:7474/?token=a-token"));
    }

    #[test]
    fn an_address_becomes_a_code_of_few_lines() {
        let code = qr_code("https://192.168.100.200:7474/").unwrap();
        assert!((10..20).contains(&code.lines().count()), "{code}");
        assert!(code.contains('█'), "{code}");
    }

    #[test]
    fn the_name_comes_first_and_the_token_is_in_every_address() {
        let shown = Announcement::new(Some("fanlight-2.local"), &reachable(Some("a-token")));
        assert_eq!(shown.page(), "https://fanlight-2.local:7474/");
        let text = shown.text();
        for words in [
            "https://fanlight-2.local:7474/?token=a-token\n     https://192.168.1.5:7474/?token=a-token",
            "http://192.168.1.5:7474/ca.crt",
            "AB:AB:",
            "/state/token",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(!format!("{shown:?}").contains("a-token"));
    }

    #[test]
    fn without_a_kept_token_the_address_has_none() {
        let shown = Announcement::new(None, &reachable(None)).text();
        assert!(
            shown.contains("     https://192.168.1.5:7474/\n") && !shown.contains("token"),
            "{shown}"
        );
    }
}
