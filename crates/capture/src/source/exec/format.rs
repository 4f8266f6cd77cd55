//! The format of a command's output, detected by its first bytes.

use fanlight_cli::secret::mask_url;

use crate::source::error::SourceError;

/// A format that can be read from a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputFormat {
    /// A sequence of JPEGs, optionally as parts of a multipart text.
    Jpeg,
    /// H.264 with start codes (annex B).
    H264,
}

/// The bytes of an unknown format that are shown.
const SHOWN: usize = 16;

/// The most text before the first JPEG: the head of a part, possibly with empty lines or a message before it.
const MAX_TEXT: usize = 4096;

/// Starts each JPEG.
const JPEG: &[u8] = &[0xff, 0xd8, 0xff];
const SHORT_CODE: &[u8] = &[0, 0, 1];
const LONG_CODE: &[u8] = &[0, 0, 0, 1];
/// The NAL unit headers with which H.265 can start: parameter sets and delimiters.
const H265: [[u8; 2]; 4] = [[0x40, 1], [0x42, 1], [0x44, 1], [0x46, 1]];

impl OutputFormat {
    /// Detects the format by the first bytes; returns `None` if more are needed.
    ///
    /// # Errors
    /// Fails if they are of another format.
    pub(super) fn detect(first: &[u8]) -> Result<Option<Self>, SourceError> {
        for code in [SHORT_CODE, LONG_CODE] {
            match first.strip_prefix(code) {
                Some([] | [_]) => return Ok(None),
                Some([a, b, ..]) if H265.contains(&[*a, *b]) => return Err(h265()),
                Some(_) => return Ok(Some(Self::H264)),
                None if code.starts_with(first) => return Ok(None),
                None => {}
            }
        }
        let text = first.iter().position(|&byte| !is_text(byte)).unwrap_or(first.len());
        let (text, rest) = first.split_at(text);
        let begins = |text: &[u8]| {
            let start = text.trim_ascii_start();
            start.starts_with(b"--")
                || start[..start.len().min(8)].eq_ignore_ascii_case(b"content-")
        };
        match rest {
            // The parts of a multipart stream may contain other data, which the splitter reports.
            _ if begins(text) => Ok(Some(Self::Jpeg)),
            _ if rest.starts_with(JPEG) => Ok(Some(Self::Jpeg)),
            _ if JPEG.starts_with(rest) && text.len() <= MAX_TEXT => Ok(None),
            _ => Err(Self::unknown(first)),
        }
    }

    /// Returns the reason after a command wrote these first bytes, which are of no known format.
    pub(super) fn unknown(first: &[u8]) -> SourceError {
        let first = &first[..first.len().min(SHOWN)];
        let start = match std::str::from_utf8(first) {
            Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => {
                format!("{:?}", mask_url(text))
            }
            _ => first.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
        };
        SourceError::NotAVideo(format!(
            "the command writes neither JPEG nor H.264 (starts with {start})"
        ))
    }

    /// Returns its name, for the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::H264 => "H.264",
        }
    }
}

fn h265() -> SourceError {
    SourceError::NotAVideo("the command writes H.265: make it write JPEG or H.264".into())
}

/// Returns whether a byte may be part of a text, or of padding before a JPEG.
fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace() || byte == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_detected_by_its_first_bytes() {
        for (first, kind) in [
            (&[0xff, 0xd8, 0xff][..], OutputFormat::Jpeg),
            (b"--ffmpeg", OutputFormat::Jpeg),
            (&[0, 0, 0, 0xff, 0xd8, 0xff], OutputFormat::Jpeg),
            (b"\r\n--next\r\n", OutputFormat::Jpeg),
            (b"Content-Type: image/jpeg\r\n", OutputFormat::Jpeg),
            (b"a message\r\nnext\r\nContent-Length: 7\r\n\r\n\xff\xd8\xff", OutputFormat::Jpeg),
            (&[0, 0, 0, 1, 0x67, 0x42], OutputFormat::H264),
            (&[0, 0, 1, 0x09, 0x10], OutputFormat::H264),
        ] {
            assert_eq!(OutputFormat::detect(first), Ok(Some(kind)), "{first:?}");
        }
        for torn in [
            &[][..],
            &[0xff],
            &[0xff, 0xd8],
            b"\r\n-",
            b"text",
            b"next\r\n\xff",
            &[0, 0],
            &[0, 0, 0, 1, 0x67],
        ] {
            assert_eq!(OutputFormat::detect(torn), Ok(None), "{torn:?}");
        }
    }

    #[test]
    fn the_first_bytes_of_another_format_are_shown() {
        let refused = |first: &[u8]| OutputFormat::detect(first).unwrap_err().to_string();
        assert_eq!(
            OutputFormat::unknown(b"hello, world, and more").to_string(),
            "not a video: the command writes neither JPEG nor H.264 (starts with \"hello, world, an\")"
        );
        assert!(refused(&[b' '; 5000]).contains("neither"));
        assert!(refused(b"hello\x01").contains("(starts with 68 65"));
        assert!(refused(&[0x47, 0x40, 0, 0x10]).ends_with("(starts with 47 40 00 10)"));
        assert!(refused(&[0, 0, 0, 1, 0x40, 1, 0x0c]).contains("writes H.265"));
    }
}
