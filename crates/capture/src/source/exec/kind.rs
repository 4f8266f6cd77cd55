//! What a command writes, told by how it begins.

use fanlight_cli::secret::mask_url;

use crate::source::SourceError;

/// What can be read of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// JPEG after JPEG, perhaps as parts of a multipart text.
    Jpegs,
    /// H.264 as in its annex B: units, each behind a start code.
    H264,
}

/// So much of something unknown is shown.
const SHOWN: usize = 16;

/// A multipart text may begin with empty lines, but hardly with so many.
const MOST_BLANK: usize = 256;

const SHORT_CODE: &[u8] = &[0, 0, 1];
const LONG_CODE: &[u8] = &[0, 0, 0, 1];
/// The headers with which H.265 can begin: parameter sets and delimiters.
const H265: [[u8; 2]; 4] = [[0x40, 1], [0x42, 1], [0x44, 1], [0x46, 1]];

impl Kind {
    /// As its first bytes tell; `None` where more are needed.
    ///
    /// # Errors
    /// When they are those of something else.
    pub(super) fn of(first: &[u8]) -> Result<Option<Self>, SourceError> {
        let text = first.trim_ascii_start();
        if text.is_empty() && first.len() > MOST_BLANK {
            return Err(unknown(first));
        }
        for start in [&[0xff, 0xd8, 0xff][..], b"--"] {
            if text.starts_with(start) {
                return Ok(Some(Self::Jpegs));
            }
            if start.starts_with(text) {
                return Ok(None);
            }
        }
        for code in [SHORT_CODE, LONG_CODE] {
            match first.strip_prefix(code) {
                Some([] | [_]) => return Ok(None),
                Some([a, b, ..]) if H265.contains(&[*a, *b]) => return Err(h265()),
                Some(_) => return Ok(Some(Self::H264)),
                None if code.starts_with(first) => return Ok(None),
                None => {}
            }
        }
        Err(unknown(first))
    }

    /// In words, for the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Jpegs => "JPEG",
            Self::H264 => "H.264",
        }
    }
}

fn h265() -> SourceError {
    SourceError::NotAVideo("the command writes H.265: of a command, JPEG and H.264 are read".into())
}

fn unknown(first: &[u8]) -> SourceError {
    let first = &first[..first.len().min(SHOWN)];
    let begins = match std::str::from_utf8(first) {
        Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => {
            format!("{:?}", mask_url(text))
        }
        _ => first.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
    };
    SourceError::NotAVideo(format!(
        "the command writes neither JPEG nor H.264 (begins with {begins})"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        for (first, kind) in [
            (&[0xff, 0xd8, 0xff][..], Kind::Jpegs),
            (b"--ffmpeg", Kind::Jpegs),
            (b"\r\n--next\r\n", Kind::Jpegs),
            (&[0, 0, 0, 1, 0x67, 0x42], Kind::H264),
            (&[0, 0, 1, 0x09, 0x10], Kind::H264),
        ] {
            assert_eq!(Kind::of(first), Ok(Some(kind)), "{first:?}");
        }
        for torn in [&[][..], &[0xff], &[0xff, 0xd8], b"\r\n-", &[0, 0], &[0, 0, 0, 1, 0x67]] {
            assert_eq!(Kind::of(torn), Ok(None), "{torn:?}");
        }
    }

    #[test]
    fn what_is_neither_is_shown() {
        let of = |first: &[u8]| Kind::of(first).unwrap_err().to_string();
        assert_eq!(
            of(b"hello, world, and more"),
            "not a video: the command writes neither JPEG nor H.264 (begins with \"hello, world, an\")"
        );
        assert!(of(&[b' '; 300]).contains("neither"));
        assert!(of(&[0x47, 0x40, 0, 0x10]).ends_with("(begins with 47 40 00 10)"));
        assert!(of(&[0, 0, 0, 1, 0x40, 1, 0x0c]).contains("writes H.265"));
    }
}
