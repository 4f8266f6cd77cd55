//! Supplemental enhancement information (ITU-T H.264, annex D).

use h264_reader::nal::sei::{HeaderType, SeiReader};
use h264_reader::rbsp::decode_nal;

/// Returns the first result that is found in the messages of a NAL unit; `read` is given the type and content of each.
pub(super) fn find<T>(unit: &[u8], read: impl Fn(HeaderType, &[u8]) -> Option<T>) -> Option<T> {
    // h264-reader panics on a NAL unit without content (0.9).
    let bytes = if unit.len() > 1 { decode_nal(unit).ok()? } else { return None };
    let mut scratch = Vec::new();
    let mut reader = SeiReader::from_rbsp_bytes(&bytes[..], &mut scratch);
    while let Ok(Some(message)) = reader.next() {
        if let Some(found) = read(message.payload_type, message.payload) {
            return Some(found);
        }
    }
    None
}
