//! Hashes for logins, by FFmpeg's libraries.

use std::ffi::CStr;
use std::ptr;

use ffmpeg_next::ffi;

/// A hash function, the weaker one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn name(self) -> &'static CStr {
        match self {
            Self::Md5 => c"MD5",
            Self::Sha256 => c"SHA256",
        }
    }
}

/// The longest hash in bytes.
const MAX_HASH: usize = 32;

/// Returns the hash of these bytes in hexadecimal digits.
#[expect(unsafe_code, reason = "ffmpeg-next does not expose hashes")]
pub(super) fn hex(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut hash = [0; MAX_HASH];
    // SAFETY: the context is allocated for the named algorithm and freed at the end; it is not used if the allocation
    // fails. The algorithms have at most MAX_HASH bytes, and FFmpeg writes no more than that many.
    let length = unsafe {
        let mut context = ptr::null_mut();
        if ffi::av_hash_alloc(&raw mut context, algorithm.name().as_ptr()) < 0 {
            return String::new();
        }
        ffi::av_hash_init(context);
        ffi::av_hash_update(context, bytes.as_ptr(), bytes.len());
        ffi::av_hash_final_bin(context, hash.as_mut_ptr(), MAX_HASH as i32);
        let length = ffi::av_hash_get_size(context);
        ffi::av_hash_freep(&raw mut context);
        length
    };
    let length = usize::try_from(length).unwrap_or_default().min(MAX_HASH);
    hash[..length].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hashes_are_computed() {
        assert_eq!(hex(Algorithm::Md5, b"abc"), "900150983cd24fb0d6963f7d28e17f72");
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(Algorithm::Sha256, b"abc"), sha);
    }
}
