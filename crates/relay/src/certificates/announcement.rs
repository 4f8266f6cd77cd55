//! The log lines and the QR code that help owners of phones and browsers to open a relay with its own authority.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::{IpAddr, SocketAddr};

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use super::authority::Authority;
use super::machine_names::reachable_address;

/// Logs the address of the page and of the authority's certificate, with its fingerprint; prints the page's address as a
/// QR code if a person watches.
pub(super) fn announce(authority: &Authority, listening: SocketAddr, page: Option<String>) {
    let authority_address = SocketAddr::new(shown_address(listening.ip()), listening.port());
    let page = page.unwrap_or_else(|| format!("https://{authority_address}/"));
    tracing::info!(
        fingerprint = authority.fingerprint(),
        page,
        certificate = format!("http://{authority_address}/ca.crt"),
        "install the certificate on each device that watches, and compare its SHA-256 fingerprint"
    );
    if io::stderr().is_terminal()
        && let Some(code) = qr_code(&page)
    {
        // A terminal that is gone needs no code.
        let _ = io::stderr().write_all(format!("\n{code}\n\n").as_bytes());
    }
}

/// Returns the address to show: that of an interface if the relay listens on all.
fn shown_address(listening: IpAddr) -> IpAddr {
    match listening.is_unspecified() {
        true => reachable_address().unwrap_or(listening),
        false => listening,
    }
}

fn qr_code(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    // Terminals are usually dark, and readers expect dark modules on light ground.
    let (dark, light) = (Dense1x2::Light, Dense1x2::Dark);
    Some(code.render::<Dense1x2>().dark_color(dark).light_color(light).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_a_code_of_few_lines() {
        let code = qr_code("https://192.168.100.200:7474/").unwrap();
        assert!((10..20).contains(&code.lines().count()), "{code}");
        assert!(code.contains('█'), "{code}");
    }

    #[test]
    fn a_relay_that_listens_on_all_addresses_shows_one_that_others_reach() {
        let own: IpAddr = [192, 168, 1, 5].into();
        assert_eq!(shown_address(own), own);
    }
}
