//! Percent-encoding by position. Written characters keep their meaning; the value of a variable stays within its
//! position.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use super::template::Template;

/// Characters to encode in a value within a query: all except unreserved ones and the `*` of masks.
const VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'*');
/// Characters to encode in a value within a path, which may contain several segments.
const PATH_VALUE: &AsciiSet = &VALUE.remove(b'/');
/// Characters to encode in a user or password. The standard allows the ones removed here, and FFmpeg's buffer is small.
const USER: &AsciiSet = &VALUE
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=');
/// Characters to encode in a written path and query: those that no URL may contain, as in browsers.
const WRITTEN: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Returns user and password for FFmpeg. The first written `:` separates them; if there is none, the first one in a
/// value.
pub(super) fn user(template: &Template, written: &str) -> String {
    let parts = written.split_once(':');
    let encode = |part| each(template, part, |_| USER, USER);
    if let Some((user, password)) = parts {
        return format!("{}:{}", encode(user), encode(password));
    }
    // FFmpeg ignores a user without a colon.
    match encode(written).split_once("%3A") {
        Some((user, password)) => format!("{user}:{password}"),
        None => encode(written) + ":",
    }
}

/// Returns path and query for FFmpeg.
pub(super) fn path(template: &Template, written: &str) -> String {
    let query = written.find('?').unwrap_or(written.len());
    let value = |at| if at < query { PATH_VALUE } else { VALUE };
    each(template, written, value, WRITTEN)
}

/// Encodes characters: of a value, those in the set for its position; of the text, those in `written`. A written `%`
/// with two digits is already encoded.
fn each(
    template: &Template,
    text: &str,
    of_value: impl Fn(usize) -> &'static AsciiSet,
    written: &'static AsciiSet,
) -> String {
    let mut encoded = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        match template.value(character) {
            Some(value) => encoded.extend(utf8_percent_encode(value, of_value(at))),
            None if character == '%' && is_escape(&text[at..]) => encoded.push('%'),
            None if character == '%' => encoded += "%25",
            None => {
                let character = character.encode_utf8(&mut [0; 4]).to_owned();
                encoded.extend(utf8_percent_encode(&character, written));
            }
        }
    }
    encoded
}

fn is_escape(text: &str) -> bool {
    text.as_bytes().get(1..3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}
