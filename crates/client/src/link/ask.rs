//! Asks a relay for a link: one request over HTTP/1.1, with or without TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustls::StreamOwned;
use url::{Position, Url};

use super::print::Made;
use super::settings::{AskedRelay, Wanted};
use crate::bench::tls::Tls;

/// Longest attempt to connect to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the answer. A relay delays the answer to a wrong token.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Most bytes of an answer. A link has some hundred.
const MAX_ANSWER: u64 = 64 * 1024;
/// Most lines in the head of an answer.
const MAX_LINES: usize = 64;

/// Returns the link that the relay made.
///
/// # Errors
/// Fails if the relay cannot be reached or refuses.
pub fn ask(wanted: &Wanted, relay: &AskedRelay) -> anyhow::Result<Made> {
    let mut url = relay.url.join("api/links").context("--relay")?;
    url.query_pairs_mut()
        .append_pair("stream", wanted.stream.as_str())
        .append_pair("role", wanted.right.as_str())
        .append_pair("for", &wanted.validity.as_secs().to_string());
    let token = relay.token.expose();
    ensure!(
        token.bytes().all(|byte| byte.is_ascii_graphic()),
        "--token: letters, digits and signs of ASCII"
    );
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        &url[Position::BeforePath..Position::AfterQuery],
        &url[Position::BeforeHost..Position::AfterPort],
    );
    let answer =
        exchange(&url, relay, request.as_bytes()).with_context(|| relay.url.to_string())?;
    let mut made = read(&answer).with_context(|| relay.url.to_string())?;
    made.address = format!("{}{}", relay.url, made.address);
    Ok(made)
}

/// Sends the request and returns all of the answer.
fn exchange(url: &Url, relay: &AskedRelay, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = connect(host, port)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    if url.scheme() == "http" {
        return transfer(stream, request);
    }
    let session = Tls::new(host, relay.ca_cert.as_deref(), false)?.begin()?;
    transfer(StreamOwned::new(session, stream), request)
}

fn connect(host: &str, port: u16) -> anyhow::Result<TcpStream> {
    let found = (host, port).to_socket_addrs();
    let found: Vec<SocketAddr> =
        found.with_context(|| format!("the host {host:?} cannot be found"))?.collect();
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    for address in found {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused).context("cannot connect")
}

fn transfer(mut stream: impl Read + Write, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    stream.write_all(request).context("cannot send the request")?;
    let mut answer = Vec::new();
    match stream.take(MAX_ANSWER).read_to_end(&mut answer) {
        // Some servers end TLS without saying so. A truncated answer is no JSON.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            Err(error).context("no answer")
        }
        _ => Ok(answer),
    }
}

/// Returns the link in an answer.
fn read(answer: &[u8]) -> anyhow::Result<Made> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_LINES];
    let mut head = httparse::Response::new(&mut lines);
    let parsed = head.parse(answer).ok().filter(httparse::Status::is_complete);
    let Some(httparse::Status::Complete(length)) = parsed else { bail!("the answer is not HTTP") };
    let body = &answer[length..];
    match head.code {
        Some(200) => {
            serde_json::from_slice(body).context("the answer is no link: is this a relay?")
        }
        code => {
            let text = String::from_utf8_lossy(body);
            let text = text.lines().next().unwrap_or_default().trim();
            bail!("no link was made (status {}): {text}", code.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_link_or_the_reason_for_a_refusal() {
        let made = read(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"link\":\"a.b\",\"address\":\"?stream=door&link=a.b\",\
              \"stream\":\"door\",\"role\":\"view\",\"expires\":7}",
        );
        assert_eq!(made.unwrap().link, "a.b");
        for (answer, reason) in [
            (
                &b"HTTP/1.1 401 Unauthorized\r\n\r\nwrong access token\n"[..],
                "401): wrong access token",
            ),
            (b"HTTP/1.1 200 OK\r\n\r\n<html>", "is this a relay?"),
            (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
            (b"", "not HTTP"),
        ] {
            let error = format!("{:#}", read(answer).unwrap_err());
            assert!(error.contains(reason), "{error}");
        }
    }
}
