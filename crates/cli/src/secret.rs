//! Users, passwords and tokens: read from the environment, masked in all output.

use std::convert::Infallible;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Text that replaces a user, password or token.
const MASK: &str = "***";

/// Text that is a secret, such as a token, or may contain one, such as a source. Displayed as `***`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Returns the secret. Not for logs, errors, the catalog or the API.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

/// Returns the text with every user, password and token in it masked.
///
/// Masks `user:password@` and `user@` of URLs, `user:password@` without a scheme, and the values of `token=`,
/// `password=`, `key=` and similar keys. The end of a password can be ambiguous, because people do not escape `/`, `@`
/// or `#` in it. If it is, all text between `://` and the last `@` is masked: rather too much than too little.
///
/// ```
/// use fanlight_cli::secret::mask_url;
///
/// assert_eq!(mask_url("rtsp://admin:hunter2@10.0.0.7/live"), "rtsp://***:***@10.0.0.7/live");
/// assert_eq!(mask_url("http://cam/video?token=abc&fps=5"), "http://cam/video?token=***&fps=5");
/// assert_eq!(mask_url("/dev/video0 is busy"), "/dev/video0 is busy");
/// ```
pub fn mask_url(text: &str) -> String {
    if !text.contains(['@', '=']) {
        return text.to_owned();
    }
    text.split_inclusive('\n').map(mask_line).collect()
}

fn mask_line(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let (word, after) = split_word(rest);
        masked += &mask_values(&mask_users(word));
        rest = after;
    }
    masked
}

/// Splits after the first word with its trailing space. A word ends at white space, unless a URL in it seems to have a
/// password with white space: then it ends after the `@`.
fn split_word(text: &str) -> (&str, &str) {
    let end = word_end(text, 0);
    let torn = last_url(&text[..end]).is_some_and(|url| {
        let url = text[url..end].trim_end();
        !url.contains('@') && may_begin_with_a_user(authority(url))
    });
    let next_url = next_scheme(&text[end..]).map_or(text.len(), |(scheme, _)| end + scheme);
    match last_at(&text[end..next_url]) {
        Some(at) if torn => text.split_at(word_end(text, end + at)),
        _ => text.split_at(end),
    }
}

/// Returns the position of the last `@` that does not belong to a mode (`640x480@15`).
fn last_at(text: &str) -> Option<usize> {
    let words = text.split_inclusive(char::is_whitespace);
    let mut start = 0;
    let ats = words.map(|word| {
        let at = word.rfind('@').filter(|_| !is_mode(word)).map(|at| start + at);
        start += word.len();
        at
    });
    ats.flatten().last()
}

fn word_end(text: &str, from: usize) -> usize {
    let space = text[from..].char_indices().find(|(_, c)| c.is_whitespace());
    space.map_or(text.len(), |(at, c)| from + at + c.len_utf8())
}

/// Masks users and passwords in one word.
fn mask_users(word: &str) -> String {
    let Some(url) = first_url(word) else {
        return mask_bare_user(word);
    };
    let (head, tail) = word.split_at(url);
    let (url, others) = tail.split_at(next_scheme(tail).map_or(tail.len(), |(scheme, _)| scheme));
    let masked = match end_of_user(url) {
        Some(_) if may_be_a_value(url) => format!("{head}***:***@{MASK}{}", trailing_space(url)),
        Some(end) => {
            let shown = if url[..end].contains(':') { "***:***" } else { MASK };
            format!("{head}{shown}{}", &url[end..])
        }
        None => format!("{head}{url}"),
    };
    if others.is_empty() { masked } else { masked + &mask_users(others) }
}

/// Returns the position after the `://` of a word's first URL. Its scheme can be any if only an opening quote or
/// bracket precedes it.
fn first_url(word: &str) -> Option<usize> {
    let end = word.find("://")?;
    let before = word[..end].trim_end_matches(|c: char| c.is_ascii_alphanumeric());
    let opened = before.is_empty() || before.ends_with(['=', '"', '\'', '(', '[', '<', '`']);
    let named = before.len() < end;
    if opened && named { Some(end + 3) } else { next_scheme(word).map(|(_, url)| url) }
}

/// Schemes of Fanlight's addresses. Within a word only these begin a URL, because a password may contain `://`, too.
const SCHEMES: &[&str] = &[
    "file", "http", "https", "ipc", "nats", "rtmp", "rtsp", "rtsps", "tcp", "tls", "udp", "ws",
    "wss",
];

/// Returns the start of the next URL's scheme, and the position after its `://`.
fn next_scheme(text: &str) -> Option<(usize, usize)> {
    text.match_indices("://").find_map(|(end, mark)| {
        let lower = text[..end].to_ascii_lowercase();
        let known = SCHEMES.iter().filter(|&&scheme| lower.ends_with(scheme));
        let length = known.map(|scheme| scheme.len()).max()?;
        Some((end - length, end + mark.len()))
    })
}

/// Returns the position after the `://` of the last URL.
fn last_url(text: &str) -> Option<usize> {
    let first = next_scheme(text)?.1;
    Some(last_url(&text[first..]).map_or(first, |later| first + later))
}

/// Masks `user:password@` without a scheme, but leaves a source's mode (`0:1280x720@30`).
fn mask_bare_user(word: &str) -> String {
    let Some(end) = end_of_user(word) else {
        return word.to_owned();
    };
    let Some(colon) = word[..end].find(':') else {
        return word.to_owned();
    };
    if is_mode(word) {
        return word.to_owned();
    }
    let start = word[..colon].rfind(['=', '/', '"', '\'', '(', ',']).map_or(0, |at| at + 1);
    format!("{}***:***{}", &word[..start], &word[end..])
}

/// Returns whether the word ends like `:1280x720@30`. No host is only a number.
fn is_mode(word: &str) -> bool {
    let word = word.trim_end_matches(|c: char| !c.is_ascii_digit());
    let mode = word.rsplit(':').next().and_then(|mode| mode.split_once('@'));
    mode.is_some_and(|(size, fps)| {
        size.bytes().all(|b| b.is_ascii_digit() || b == b'x') && fps.parse::<f64>().is_ok()
    })
}

/// Returns the position of the `@` after user and password: the last one before the value of a secret key. If only such
/// a value has any, the `@` ends a password if a user may precede it.
fn end_of_user(url: &str) -> Option<usize> {
    let value = secret_value(url, 0).map_or(url.len(), |(start, _)| start);
    let authority = authority(url);
    let user = authority.contains(['@', ':']) || value <= authority.len();
    url[..value].rfind('@').or_else(|| url.rfind('@').filter(|_| user))
}

/// Returns whether the only `@` is in the value of a secret key, after text that is either host and port or user and
/// password.
fn may_be_a_value(url: &str) -> bool {
    let value = secret_value(url, 0).map_or(url.len(), |(start, _)| start);
    !url[..value].contains('@') && value > authority(url).len()
}

fn trailing_space(text: &str) -> &str {
    &text[text.trim_end().len()..]
}

/// Returns the text before the path, as the URL standard defines it.
fn authority(url: &str) -> &str {
    &url[..url.find(['/', '?', '#']).unwrap_or(url.len())]
}

/// Returns whether the text may be a user, a colon and the beginning of a password: it is no address with a port.
fn may_begin_with_a_user(authority: &str) -> bool {
    authority.split_once(':').is_some_and(|(host, port)| {
        let is_port = port.bytes().all(|b| b.is_ascii_digit());
        let is_address = host == "localhost" || host.parse::<Ipv4Addr>().is_ok();
        !(authority.starts_with('[') || is_port && is_address)
    })
}

/// Masks the values of secret keys, such as `token=`, in a word: a text without white space, such as the path of a URL.
pub fn mask_values(word: &str) -> String {
    let mut masked = String::with_capacity(word.len());
    let mut at = 0;
    while let Some((start, end)) = secret_value(word, at) {
        masked += &word[at..start];
        masked += MASK;
        at = end;
    }
    masked + &word[at..]
}

/// The words that stand for a value in our own messages, such as `#key=FILE`. No secret of use is one of them.
const PLACEHOLDERS: [&str; 2] = ["FILE", "TOKEN"];

/// Returns start and end of the first secret value at or after `from`, without closing punctuation and quotes.
fn secret_value(word: &str, from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    while let Some(equals) = word[at..].find('=').map(|found| at + found) {
        let start = equals + 1;
        if is_secret(key_before(&word[..equals])) {
            let value = &word[start..];
            let value = &value[..value.find('&').unwrap_or(value.len())];
            let value = value.trim_end().trim_end_matches(['"', '\'', ')', ']', '}', ',', ';']);
            if !PLACEHOLDERS.contains(&value) {
                return Some((start, start + value.len()));
            }
        }
        at = start;
    }
    None
}

fn key_before(text: &str) -> &str {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    &text[text.trim_end_matches(part).len()..]
}

/// Returns whether the value of this key is a secret. The names are those in URLs of cameras and in options of
/// commands.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let within = ["token", "passw", "passphrase", "secret", "credential", "loginpas", "apikey"];
    let whole = [
        "auth", "cookie", "key", "login", "loginuse", "pass", "pw", "pwd", "user", "username",
        "usr",
    ];
    within.iter().any(|part| key.contains(part))
        || key.ends_with("key")
        || key.split(['-', '_']).any(|part| whole.contains(&part))
}

/// A `${…}` that cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// The environment has no such variable.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// `${` without a valid name and `}`.
    #[error(
        "\"${{\" begins the name of an environment variable: letters, digits and '_', then \"}}\""
    )]
    Name,
}

/// Returns the text with each `${NAME}` replaced by the value of that environment variable, unescaped. A `$` before any
/// other character remains.
///
/// In a URL a value can end one part and begin another. Use [`variables`] there, and encode each value for its place.
///
/// # Errors
/// Fails if a variable is not set, or a name and `}` do not follow `${`.
pub fn expand_env(text: &str) -> Result<String, ExpandError> {
    expand(text, |name| std::env::var(name).ok())
}

/// Does the same as [`expand_env`] with variables from `lookup`.
///
/// # Errors
/// Fails as [`expand_env`] does.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, ExpandError> {
    let mut expanded = String::new();
    for (plain, name) in variables(text)? {
        expanded += plain;
        if let Some(name) = name {
            expanded += &lookup(name).ok_or_else(|| ExpandError::Unset(name.to_owned()))?;
        }
    }
    Ok(expanded)
}

/// Splits a text at each `${NAME}` into pairs of the text before it and its name. The last pair has no name.
///
/// # Errors
/// Fails if a name and `}` do not follow `${`.
pub fn variables(text: &str) -> Result<Vec<(&str, Option<&str>)>, ExpandError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once("${") {
        let (name, behind) = behind.split_once('}').ok_or(ExpandError::Name)?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(ExpandError::Name);
        }
        pieces.push((plain, Some(name)));
        rest = behind;
    }
    pieces.push((rest, None));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn users_and_passwords_are_masked_in_all_places() {
        for (text, masked) in [
            ("rtsp://admin:pw@cam:554/x", "rtsp://***:***@cam:554/x"),
            ("door=rtsp://admin:pw@cam/x", "door=rtsp://***:***@cam/x"),
            ("rtsp://admin@cam/x", "rtsp://***@cam/x"),
            (
                "cannot open \"http://u:p@h/\": timed out",
                "cannot open \"http://***:***@h/\": timed out",
            ),
            ("rtsp://u:p@ss/w#rd@cam/x", "rtsp://***:***@cam/x"),
            ("rtsp://u:12/34@cam/x", "rtsp://***:***@cam/x"),
            ("rtsp://u:my pass word@cam/x is offline", "rtsp://***:***@cam/x is offline"),
            ("rtsp://a:b@c,rtsp://d:e@f", "rtsp://***:***@c,rtsp://***:***@f"),
            ("door=admin:pw@10.0.0.7/live", "door=***:***@10.0.0.7/live"),
            ("http://c/v.cgi?loginuse=a&loginpas=b", "http://c/v.cgi?loginuse=***&loginpas=***"),
            ("ws://r/ws?token=a@b:c&fps=3", "ws://r/ws?token=***&fps=3"),
            ("(http://u:p@h/?API_KEY=x)", "(http://***:***@h/?API_KEY=***)"),
            ("rtsp://u:tcp:/p@h rtsp://u:X://@h", "rtsp://***:***@h rtsp://***:***@h"),
            ("cam=admin:640x480@10.0.0.7", "cam=***:***@10.0.0.7"),
            ("door=foo://u:p@h", "door=foo://***:***@h"),
            ("u:foo://p@h", "***:***@h"),
            ("one\nrtsp://u:p@h\ntwo", "one\nrtsp://***:***@h\ntwo"),
            ("rtsp://u/p@cam/x", "rtsp://***@cam/x"),
            ("http://cam:80/?token=a@b&fps=3 fails", "http://***:***@*** fails"),
            ("rtsp://u:12 34@cam/x is offline", "rtsp://***:***@cam/x is offline"),
            (
                "DOOR_PW=p rtspsrc user-id=u user-pw=p",
                "DOOR_PW=*** rtspsrc user-id=*** user-pw=***",
            ),
        ] {
            assert_eq!(mask_url(text), masked, "{text}");
        }
    }

    #[test]
    fn text_without_a_secret_does_not_change() {
        for text in [
            "",
            "tcp://10.0.0.7:7475",
            "http://[::1]:7474/?stream=cam&fps=5",
            "http://example.com/live/cam?passthrough=1",
            "tcp://10.0.0.7:7475 sends wall=test:640x360@15",
            "keyframes=2 monkeys=3 passthrough=true",
            "ipc:///run/user/0/fanlight/a.ipc, again in 2 s",
            "test:1280x720@30",
            "test=test",
            "wall=test:640x360@29.97 yard=\"/dev/video2:64x36@5\", door=0:640x@30",
            "/dev/v4l/by-path/pci-0000:00:14.0-usb-0:1:1.0-video-index0:64x64@5",
            "listening address=127.0.0.1:7474",
            "needs tcp://10.0.0.7:7475#key=FILE and ?token=TOKEN, see --help",
        ] {
            assert_eq!(mask_url(text), text);
        }
    }

    #[test]
    fn a_secret_is_displayed_masked() {
        assert_eq!(format!("{0} {0:?}", Secret::from("abc")), "*** Secret(***)");
        assert_eq!(Secret::from("abc").expose(), "abc");
    }

    #[test]
    fn variables_are_replaced_and_a_missing_one_is_reported() {
        let env = |name: &str| (name == "PW").then(|| "s3cret".to_owned());
        assert_eq!(expand("rtsp://a:${PW}@c/$x", env).unwrap(), "rtsp://a:s3cret@c/$x");
        assert_eq!(expand("${NO}", env), Err(ExpandError::Unset("NO".into())));
        for bad in ["${", "${}", "${A B}", "a${PW"] {
            assert_eq!(expand(bad, env), Err(ExpandError::Name), "{bad}");
        }
        assert!(ExpandError::Unset("NO".into()).to_string().contains("NO"));
        assert!(ExpandError::Name.to_string().contains("\"${\""));
    }

    /// Letters that no surrounding text contains: finding one proves a leak.
    const USER: &str = "[UVW]{1,12}";
    const PASSWORD: &str = r#"[XYZ][XYZ0-9/@:#?&%!$'"(),;\[\]{}.-]{0,20}"#;

    proptest! {
        #[test]
        fn no_password_survives(
            user in USER,
            password in PASSWORD,
            before in "door=|[a-z (\"]{0,12}",
            after in "(/[a-z0-9.]{0,8}){0,2}( [a-z0-9 :/.]{0,20})?",
            port in proptest::option::of(1u16..),
        ) {
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let text = format!("{before}rtsp://{user}:{password}@host{port}{after}");
            let masked = mask_url(&text);
            prop_assert!(!masked.contains(['U', 'V', 'W', 'X', 'Y', 'Z']), "{masked}");
            prop_assert!(masked.contains("rtsp://***:***@host"), "{masked}");
        }

        #[test]
        fn no_password_that_begins_like_a_port_survives(user in USER, password in "[0-9]{1,5}[/#?][XYZ@:]{1,9}") {
            let masked = mask_url(&format!("rtsp://{user}:{password}@host/live"));
            prop_assert_eq!(masked, "rtsp://***:***@host/live");
        }

        #[test]
        fn no_token_survives(token in r"[XYZ][XYZ0-9/@:#?%!=.-]{0,20}", path in "[a-z/]{0,9}", more in "(&fps=[0-9]{1,2})?") {
            let masked = mask_url(&format!("http://host/{path}?token={token}{more}"));
            prop_assert_eq!(masked, format!("http://host/{path}?token=***{more}"));
        }

        #[test]
        fn any_text_can_be_masked_and_masking_twice_changes_nothing_more(text in "\\PC{0,60}") {
            let once = mask_url(&text);
            prop_assert_eq!(mask_url(&once), once);
        }

        #[test]
        fn any_text_can_be_expanded_or_refused(text in "[${}A-Z ]{0,30}") {
            let _ = expand(&text, |_| Some(String::new()));
        }
    }
}
