//! The text between two JPEGs: the head of a part of a multipart stream.
//!
//! Cameras write such heads in many ways: without the first boundary, with a boundary that lacks its dashes, after a
//! line of text, or only before some parts. So any text is accepted, and only those of its lines are used that help to
//! find the end of the next JPEG.

/// The longest line that is read. The rest of a longer one is ignored.
const MAX_LINE: usize = 1024;
/// The shortest boundary that is searched for in an image, in bytes. A shorter one may occur there by chance.
const MIN_BOUNDARY: usize = 4;
/// The bytes of a part's content that show what it is: a start code and the header of a NAL unit.
const SHOWN: usize = 6;

/// The text since the last JPEG.
#[derive(Debug, Default)]
pub(super) struct PartHead {
    line: Vec<u8>,
    /// The Content-Length of this part.
    length: Option<usize>,
    /// The codec that the header of this part states, if it is not JPEG.
    stated: Option<&'static str>,
    /// The codec of a part, if it is not JPEG.
    codec: Option<&'static str>,
    /// The last line that was not a header: the boundary, if the part has one.
    boundary: Vec<u8>,
    /// True after a header, so that an empty line ends the head.
    has_header: bool,
    /// True after the end of the head.
    is_over: bool,
    /// The first bytes of the content.
    content: Vec<u8>,
    /// True if a byte was not text.
    is_binary: bool,
}

impl PartHead {
    /// Accepts bytes that do not belong to a JPEG.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.is_binary |= !is_text(byte);
            if self.is_over && self.content.len() < SHOWN {
                self.content.push(byte);
                self.codec = self.codec.or_else(|| codec_of(&self.content));
            }
            match byte {
                b'\n' => self.end_line(),
                _ if self.line.len() < MAX_LINE => self.line.push(byte),
                _ => {}
            }
        }
    }

    /// Returns the codec of a part, if it is not JPEG.
    pub(super) fn other_codec(&self) -> Option<&'static str> {
        self.codec
    }

    /// Returns the stated length of the JPEG that starts now.
    pub(super) fn length(&self) -> Option<usize> {
        self.length
    }

    /// Returns the boundary, if it is known and long enough to be searched for.
    pub(super) fn boundary(&self) -> Option<&[u8]> {
        (self.boundary.len() >= MIN_BOUNDARY).then_some(&self.boundary[..])
    }

    /// Returns whether the bytes cannot be a head, so that they belong to the JPEG before them.
    pub(super) fn is_binary(&self) -> bool {
        self.is_binary
    }

    /// Starts the text after a JPEG. The boundary stays the same.
    pub(super) fn restart(&mut self) {
        let boundary = std::mem::take(&mut self.boundary);
        *self = Self { boundary, ..Self::default() };
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_ascii();
        if let Some((name, value)) = header(line) {
            self.has_header = true;
            if name.eq_ignore_ascii_case(b"content-length") {
                self.length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            } else if name.eq_ignore_ascii_case(b"content-type") {
                self.stated = stated_codec(value);
            }
        } else if !line.is_empty() {
            (self.length, self.stated) = (None, None);
            (self.has_header, self.is_over) = (false, false);
            self.content.clear();
            self.boundary.clear();
            if line.iter().copied().all(is_text) {
                self.boundary.extend(line);
            }
        } else if self.has_header && !self.is_over {
            self.is_over = true;
            self.codec = self.codec.or(self.stated);
        }
    }
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}

/// Splits a header into name and value.
fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let name = line[..colon].trim_ascii();
    let is_name = !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
    // A boundary may contain a colon, but begins with dashes.
    (is_name && !name.starts_with(b"--")).then(|| (name, line[colon + 1..].trim_ascii()))
}

/// Returns the name of a codec that is not JPEG, by the type of a part. Other types, such as text, are skipped.
fn stated_codec(kind: &[u8]) -> Option<&'static str> {
    let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let kind = kind.to_ascii_lowercase();
    let codec =
        kind.strip_prefix(b"video/").map(|codec| codec.strip_prefix(b"x-").unwrap_or(codec));
    match (codec, &kind[..]) {
        (Some(b"h264" | b"avc"), _) => Some("H.264"),
        (Some(b"h265" | b"hevc"), _) => Some("H.265"),
        (Some(b"mp4v-es" | b"mpeg4" | b"mp4" | b"mpeg"), _) => Some("MPEG-4"),
        (_, b"image/png") => Some("PNG"),
        (_, b"image/webp") => Some("WebP"),
        _ => None,
    }
}

/// Returns the codec of a part by its first bytes, if it is not JPEG. The type of the part may be missing.
fn codec_of(content: &[u8]) -> Option<&'static str> {
    let unit = content.strip_prefix(&[0, 0, 1]).or_else(|| content.strip_prefix(&[0, 0, 0, 1]));
    match unit {
        // Parameter sets and delimiters of H.265, whose header has a second byte.
        Some([0x40 | 0x42 | 0x44 | 0x46, 1, ..]) => Some("H.265"),
        // Slices, parameter sets and delimiters of H.264.
        Some([unit, _, ..]) if matches!(unit & 0x9f, 1 | 5..=9) => Some("H.264"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &[u8]) -> PartHead {
        let mut head = PartHead::default();
        head.feed(text);
        head
    }

    #[test]
    fn length_and_boundary_are_found_however_the_head_is_written() {
        for (text, boundary) in [
            (
                &b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 7\r\n\r\n"[..],
                &b"--frame"[..],
            ),
            (b"\r\n\r\n--frame\ncontent-length:7\n\n", b"--frame"),
            (b"frame\r\nX-Time: 12:30\r\nContent-Length : 7\r\n\r\n", b"frame"),
            (b"hello, world\r\n--a:b\r\nContent-Length: 7\r\n\r\n\r\n", b"--a:b"),
        ] {
            let head = head(text);
            assert_eq!((head.length(), head.boundary()), (Some(7), Some(boundary)), "{text:?}");
            assert!(!head.is_binary());
        }
        let bare = head(b"Content-Length: 7\r\n\r\n");
        assert_eq!((bare.length(), bare.boundary()), (Some(7), None));
        let other = head(b"--f\r\nContent-Length: 7\r\n\r\n{}\r\n--f\r\n\r\n");
        assert_eq!(other.length(), None, "that of the part before");
    }

    #[test]
    fn other_codecs_are_named() {
        for (text, codec) in [
            (&b"--f\r\nContent-Type: video/x-h264\r\n\r\n"[..], "H.264"),
            (b"Content-Type: video/H265; n=1\n\n", "H.265"),
            (b"--f\r\nContent-Type: application/octet-stream\r\n\r\n\0\0\0\x01\x67\x42", "H.264"),
            (b"--f\r\nContent-Length: 9\r\n\r\n\0\0\x01\x40\x01", "H.265"),
            (b"Content-Type: image/png\r\n\r\n", "PNG"),
        ] {
            assert_eq!(head(text).other_codec(), Some(codec));
        }
        for text in [
            &b"--f\r\nContent-Type: text/plain\r\n\r\nmotion=1\r\n"[..],
            b"Content-Type: image/jpeg\r\n\r\n",
        ] {
            assert_eq!(head(text).other_codec(), None);
        }
    }
}
