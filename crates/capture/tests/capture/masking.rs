//! Masking: no output about a stream depends on its user or password. With another secret of the same form, which has
//! other letters and digits and the same special characters, the output is the same.

use clap::Parser;
use fanlight_capture::{Options, Settings};
use fanlight_cli::secret::mask_url;
use proptest::prelude::*;

/// Contains no letters of keys such as `token=`. Any four digits are a valid port, and letters never are.
const SECRET: &str =
    r#"([b-dB-D]{0,3}[1-3]{0,4}[ :/@#?&%!$'"(),;=\[\]{}|\\+-]){0,5}[b-dB-D]{1,3}[1-3]{0,4}"#;

fn another(secret: &str) -> String {
    let other = |c: char| match c {
        'b'..='d' | 'B'..='D' | '1'..='3' => {
            let next = char::from(c as u8 + 1);
            match next {
                'e' => 'b',
                'E' => 'B',
                '4' => '1',
                next => next,
            }
        }
        c => c,
    };
    secret.chars().map(other).collect()
}

/// Returns everything that is printed about a stream: in the log, in errors, and by `Debug`.
fn printed(stream: &str) -> String {
    let options = Options::parse_from(["fanlight-capture", "--stream", stream]);
    let written = format!("{options:?}");
    let settings = Settings::try_from(options);
    let settings = settings.map_err(|error| mask_url(&format!("{error:#}")));
    let sources = settings.iter().flat_map(|settings| &settings.streams);
    let sources: Vec<String> = sources.map(|stream| stream.source.to_string()).collect();
    format!("{written} {settings:?} {sources:?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn output_about_a_url_does_not_depend_on_its_secrets(
        before in "cam=|",
        scheme in "rtsp://|rtsps://|http://|https://|ftp://|rtmp://|HTTP://|rtsp:/|rtsp:|",
        user in SECRET,
        password in SECRET,
        rest in r"(:[0-9]{1,4})?(/[a-z0-9.]{0,8}){0,2}(\?fps=[0-9]{1,3})?",
        options in "(#rotate=180)?(#overlay=utc|#x=1)?",
    ) {
        // Without a scheme, the text before a `=` and after a space is the name of a stream.
        let schemed = scheme.contains("://");
        let before = if schemed { before } else { "cam=".to_owned() };
        prop_assume!(schemed || !user.contains(' ') && !password.contains(' '));
        // A text that starts with a slash is the path of a file.
        prop_assume!(schemed || !user.starts_with('/'));
        // The name of a variable is no secret, and is printed.
        prop_assume!(!user.contains("${") && !password.contains("${"));
        let stream = |user: &str, password: &str| {
            format!("{before}{scheme}{user}:{password}@cam.local{rest}{options}")
        };
        let (one, two) = (stream(&user, &password), stream(&another(&user), &another(&password)));
        prop_assert_eq!(printed(&one), printed(&two), "{}", one);
    }
}
