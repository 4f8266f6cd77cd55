//! The answer to a Digest challenge (RFC 7616, section 3.4).

use std::ffi::CStr;
use std::ptr;

use ffmpeg_next::ffi;

/// The bytes of the longest hash in hexadecimal digits, with a zero at its end.
const MAX_HEX: usize = 2 * 64 + 1;

/// The hash that a challenge requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Algorithm {
    hash: Hash,
    /// The hash of the password is that of a session.
    session: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Md5,
    Sha256,
}

/// The parameters of a Digest challenge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameters<'a> {
    pub(super) realm: &'a str,
    pub(super) nonce: &'a str,
    /// The protections to choose from.
    pub(super) qop: Option<&'a str>,
    pub(super) opaque: Option<&'a str>,
}

/// A user, and the request to be allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
}

impl Algorithm {
    /// Returns the algorithm of this name, if it is known.
    pub(super) fn named(name: &str) -> Option<Self> {
        let all =
            [(Hash::Md5, false), (Hash::Md5, true), (Hash::Sha256, false), (Hash::Sha256, true)];
        let mut all = all.into_iter().map(|(hash, session)| Self { hash, session });
        all.find(|known| known.as_str().eq_ignore_ascii_case(name))
    }

    /// Returns its safety.
    pub(super) fn rank(self) -> u8 {
        match self.hash {
            Hash::Md5 => 0,
            Hash::Sha256 => 1,
        }
    }

    fn as_str(self) -> &'static str {
        match (self.hash, self.session) {
            (Hash::Md5, false) => "MD5",
            (Hash::Md5, true) => "MD5-sess",
            (Hash::Sha256, false) => "SHA-256",
            (Hash::Sha256, true) => "SHA-256-sess",
        }
    }
}

impl Hash {
    /// Returns the hash of a text in hexadecimal digits.
    #[expect(unsafe_code, reason = "ffmpeg-next does not expose FFmpeg's hashes")]
    fn hex(self, text: &str) -> Option<String> {
        let name = match self {
            Self::Md5 => c"MD5",
            Self::Sha256 => c"SHA256",
        };
        let mut hex = [0; MAX_HEX];
        // SAFETY: the name ends with a zero, the text has the stated length, and FFmpeg writes no more than the stated
        // length of `hex`, of which the last byte is a zero. The context is used here only, and freed.
        unsafe {
            let mut context = ptr::null_mut();
            if ffi::av_hash_alloc(&raw mut context, name.as_ptr()) < 0 {
                return None;
            }
            ffi::av_hash_init(context);
            ffi::av_hash_update(context, text.as_ptr(), text.len());
            ffi::av_hash_final_hex(context, hex.as_mut_ptr(), MAX_HEX as i32);
            ffi::av_hash_freep(&raw mut context);
        }
        let hex = CStr::from_bytes_until_nul(&hex).ok()?;
        Some(hex.to_str().ok()?.to_owned())
    }
}

/// Returns the header that answers a challenge. `None` if it requires a protection that is unknown.
pub(super) fn answer(
    algorithm: Algorithm,
    parameters: &Parameters<'_>,
    login: &Login<'_>,
    cnonce: &str,
) -> Option<String> {
    let Parameters { realm, nonce, qop, opaque } = *parameters;
    let protections = qop.filter(|qop| !qop.is_empty());
    if protections.is_some_and(|qop| !qop.split(',').any(|one| one.trim() == "auth")) {
        return None;
    }
    let hex = |text: String| algorithm.hash.hex(&text);
    let Login { user, password, method, path } = *login;
    let mut secret = hex(format!("{user}:{realm}:{password}"))?;
    if algorithm.session {
        secret = hex(format!("{secret}:{nonce}:{cnonce}"))?;
    }
    let request = hex(format!("{method}:{path}"))?;
    let response = match protections {
        Some(_) => hex(format!("{secret}:{nonce}:00000001:{cnonce}:auth:{request}"))?,
        None => hex(format!("{secret}:{nonce}:{request}"))?,
    };
    let quoted = |text: &str| text.replace('\\', r"\\").replace('"', "\\\"");
    let (user, realm, nonce) = (quoted(user), quoted(realm), quoted(nonce));
    let mut header = format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{path}\", \
         response=\"{response}\", algorithm={}",
        algorithm.as_str()
    );
    if protections.is_some() {
        header += ", qop=auth, nc=00000001";
    }
    if protections.is_some() || algorithm.session {
        header += &format!(", cnonce=\"{cnonce}\"");
    }
    if let Some(opaque) = opaque {
        header += &format!(", opaque=\"{}\"", quoted(opaque));
    }
    Some(header + "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7616, section 3.9.1.
    const PARAMETERS: Parameters<'_> = Parameters {
        realm: "http-auth@example.org",
        nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        qop: Some("auth, auth-int"),
        opaque: Some("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"),
    };
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    fn answered(algorithm: &str) -> String {
        let login = Login {
            user: "Mufasa",
            password: "Circle of Life",
            method: "GET",
            path: "/dir/index.html",
        };
        answer(Algorithm::named(algorithm).unwrap(), &PARAMETERS, &login, CNONCE).unwrap()
    }

    #[test]
    fn the_answers_are_those_of_the_standard() {
        let md5 = answered("MD5");
        assert!(md5.contains("response=\"8ca523f5e9506fed4657c9700eebdbec\""), "{md5}");
        let sha = answered("SHA-256");
        let response = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        assert!(sha.contains(&format!("response=\"{response}\"")), "{sha}");
        assert!(sha.contains("opaque=\"FQhe/") && sha.contains("qop=auth, nc=00000001"), "{sha}");
    }
}
