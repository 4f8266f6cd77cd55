//! The login of a request over HTTP or RTSP: the host states challenges, and the next request answers one of them (RFC 7617, RFC 7616).

mod hash;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::challenges::{Challenge, Challenges};
use hash::{Algorithm, hex};

/// The login of the requests to one host.
#[derive(Debug)]
pub(super) enum Login {
    Basic,
    Digest(Digest),
}

/// A Digest challenge.
#[derive(Debug)]
pub(super) struct Digest {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// The algorithm as the host writes it.
    algorithm_name: Option<String>,
    /// True if the hash of user and password includes the nonces.
    is_session: bool,
    has_qop: bool,
}

/// The request to be answered, and what makes it unique.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) method: &'a str,
    /// The path as in the request, or over RTSP the URL.
    pub(super) target: &'a str,
    /// A random text.
    pub(super) nonce: &'a str,
}

impl Login {
    /// Selects the strongest challenge that can be answered. A host that states none probably accepts Basic.
    ///
    /// # Errors
    /// Fails with the logins that the host offers if none of them is known.
    pub(super) fn select(challenges: &Challenges) -> Result<Self, String> {
        let digests = challenges.0.iter().filter_map(Digest::read);
        if let Some(digest) = digests.max_by_key(|digest| digest.algorithm) {
            return Ok(Self::Digest(digest));
        }
        match challenges.0.is_empty() || challenges.0.iter().any(|one| one.is("basic")) {
            true => Ok(Self::Basic),
            false => Err(challenges.to_string()),
        }
    }

    /// Returns the value of the header Authorization.
    pub(super) fn answer(&self, request: Request<'_>) -> String {
        match self {
            Self::Basic => {
                let Request { user, password, .. } = request;
                format!("Basic {}", BASE64.encode(format!("{user}:{password}")))
            }
            Self::Digest(digest) => digest.answer(request),
        }
    }
}

impl Digest {
    fn read(challenge: &Challenge) -> Option<Self> {
        let get = |name: &str| challenge.parameter(name).map(str::to_owned);
        let plain = challenge.algorithm().to_ascii_uppercase();
        let (plain, is_session) =
            plain.strip_suffix("-SESS").map_or((plain.as_str(), false), |plain| (plain, true));
        let algorithm = match plain {
            "MD5" => Algorithm::Md5,
            "SHA-256" => Algorithm::Sha256,
            _ => return None,
        };
        let qop = get("qop");
        let offers = |qop: &str| qop.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth"));
        let is_known = qop.as_deref().is_none_or(offers);
        (challenge.is("digest") && is_known).then(|| Self {
            realm: get("realm").unwrap_or_default(),
            nonce: get("nonce").unwrap_or_default(),
            opaque: get("opaque"),
            algorithm,
            algorithm_name: get("algorithm"),
            is_session,
            has_qop: qop.is_some(),
        })
    }

    fn answer(&self, request: Request<'_>) -> String {
        let Self { realm, nonce, opaque, algorithm, algorithm_name, is_session, has_qop } = self;
        let Request { user, password, method, target, nonce: own } = request;
        let hash = |text: &str| hex(*algorithm, text.as_bytes());
        let mut secret = hash(&format!("{user}:{realm}:{password}"));
        if *is_session {
            secret = hash(&format!("{secret}:{nonce}:{own}"));
        }
        let wanted = hash(&format!("{method}:{target}"));
        let response = match has_qop {
            true => hash(&format!("{secret}:{nonce}:00000001:{own}:auth:{wanted}")),
            false => hash(&format!("{secret}:{nonce}:{wanted}")),
        };
        let (user, realm, nonce) = (quoted(user), quoted(realm), quoted(nonce));
        let mut answer = format!(
            "Digest username={user}, realm={realm}, nonce={nonce}, uri=\"{target}\", response=\"{response}\""
        );
        if let Some(name) = algorithm_name {
            answer += &format!(", algorithm={name}");
        }
        if *has_qop {
            answer += ", qop=auth, nc=00000001";
        }
        if *has_qop || *is_session {
            answer += &format!(", cnonce={}", quoted(own));
        }
        if let Some(opaque) = opaque {
            answer += &format!(", opaque={}", quoted(opaque));
        }
        answer
    }
}

fn quoted(text: &str) -> String {
    // The text of a host may contain any character.
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(headers: &[&str]) -> Result<Login, String> {
        Login::select(&Challenges::of(headers.iter().copied()))
    }

    fn answer(headers: &[&str], user: &str, password: &str, target: &str, nonce: &str) -> String {
        let login = select(headers).unwrap();
        login.answer(Request { user, password, method: "GET", target, nonce })
    }

    fn parameter<'a>(answer: &'a str, name: &str) -> &'a str {
        let (_, value) = answer.split_once(&format!(" {name}=")).unwrap();
        value.split(',').next().unwrap().trim_matches('"')
    }

    #[test]
    fn basic_is_answered_as_in_the_standard() {
        let basic = answer(&["Basic realm=\"x\""], "Aladdin", "open sesame", "/", "");
        assert_eq!(basic, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(answer(&[], "a", "b", "/", ""), "Basic YTpi", "no challenge is stated");
    }

    /// The examples of RFC 7616, 3.9.1, and of RFC 2617, 3.5.
    #[test]
    fn digest_is_answered_as_in_the_standard() {
        let challenge = |algorithm| {
            format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        };
        let (md5, sha) = (challenge("MD5"), challenge("SHA-256"));
        let own = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let of = |headers: &[&str]| {
            let answer = answer(headers, "Mufasa", "Circle of Life", "/dir/index.html", own);
            parameter(&answer, "response").to_owned()
        };
        let by_md5 = "8ca523f5e9506fed4657c9700eebdbec";
        let by_sha = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        assert_eq!(of(&[&md5]), by_md5);
        assert_eq!(of(&[&sha]), by_sha);
        assert_eq!(of(&["Basic realm=a", &md5, &sha]), by_sha, "the strongest");
        assert_eq!(of(&[&format!("{sha}, Basic realm=\"a, b\", {md5}")]), by_sha, "in one header");
        assert_eq!(of(&["Digest algorithm=SHA-512-256, nonce=a", &md5]), by_md5, "the known one");
        let old = answer(&["Digest realm=\"r\", nonce=\"n\""], "u", "p", "/", "");
        assert!(!old.contains("qop") && !old.contains("algorithm"), "{old}");
    }

    #[test]
    fn only_unknown_schemes_are_an_error() {
        let refused = select(&["Negotiate", "NTLM abc=="]).unwrap_err();
        assert_eq!(refused, "Negotiate, NTLM");
        assert!(matches!(select(&["NTLM, Basic realm=a"]), Ok(Login::Basic)));
    }

    #[test]
    fn quotes_and_line_breaks_cannot_end_a_value() {
        let header = "Digest realm=\"a \\\"b\\\", c\", nonce=\"x\"";
        let answer = answer(&[header], "u\"\r\nX: y", "p", "/", "");
        assert!(answer.contains(r#"realm="a \"b\", c""#), "{answer}");
        assert!(answer.contains(r#"username="u\"X: y""#), "{answer}");
    }
}
