//! The camera's description of its streams (SDP, RFC 8866).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fanlight_codec::h264::annex_b::START_CODE;

/// Returns the parameter sets of H.264 that a description contains, with start codes: of its first video stream with this
/// payload type (RFC 6184, 8.1).
pub(super) fn parameter_sets(description: &[u8], payload_type: u8) -> Vec<u8> {
    let text = String::from_utf8_lossy(description);
    let payload_type = payload_type.to_string();
    let is_video = |line: &&str| line.strip_prefix("m=video ").is_some();
    let mut lines = text.lines().map(str::trim_end).skip_while(|line| !is_video(line)).skip(1);
    let formats = lines.by_ref().take_while(|line| !line.starts_with("m="));
    let sets = formats
        .filter_map(|line| line.strip_prefix("a=fmtp:")?.split_once(' '))
        .filter(|(format, _)| *format == payload_type)
        .flat_map(|(_, parameters)| parameters.split(';'))
        .filter_map(|parameter| parameter.trim().split_once('='))
        .filter(|(name, _)| name.eq_ignore_ascii_case("sprop-parameter-sets"))
        .flat_map(|(_, sets)| sets.split(','));
    let decoded = sets.filter_map(|set| BASE64.decode(set.trim()).ok());
    decoded.flat_map(|set| [&START_CODE, &set[..]].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parameter_sets_of_the_video_are_found() {
        let sets = "a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0IAHg==,aM4=,Z0IAHw==";
        let sdp = format!(
            "v=0\r\nm=audio 0 RTP/AVP 96\r\na=fmtp:96 sprop-parameter-sets=AAAA\r\nm=video 0 RTP/AVP 96\r\n\
             a=rtpmap:96 H264/90000\r\na=fmtp:97 sprop-parameter-sets=AAAA\r\n{sets}\r\nm=video 0 RTP/AVP 96\r\n{sets}\r\n"
        );
        let expected = [
            &[0, 0, 1, 0x67, 0x42, 0, 0x1e][..],
            &[0, 0, 1, 0x68, 0xce],
            &[0, 0, 1, 0x67, 0x42, 0, 0x1f],
        ];
        assert_eq!(parameter_sets(sdp.as_bytes(), 96), expected.concat());
        assert_eq!(parameter_sets(sdp.as_bytes(), 98), b"");
    }

    #[test]
    fn other_descriptions_contain_none() {
        for sdp in [
            "",
            "m=video",
            "m=video 0 RTP/AVP 96\na=fmtp:96",
            "m=video 0\na=fmtp:96 sprop-parameter-sets=?,=",
        ] {
            assert_eq!(parameter_sets(sdp.as_bytes(), 96), b"", "{sdp}");
        }
    }
}
