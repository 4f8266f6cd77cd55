use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Address {
    Address::literal(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    Address::literal(text).map(|_| ()).expect_err(text).to_string()
}

/// Parses a URL with these variables.
fn with(text: &str, variables: &[(&str, &str)]) -> Result<Address, InvalidAddress> {
    let lookup = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Address::with_variables(text, lookup)
}

#[test]
fn a_standard_url_is_kept_unchanged() {
    for (text, host, port) in [
        ("rtsp://admin:pw@10.0.0.7:8554/live?x=1&y=a/b", "10.0.0.7", 8554),
        ("http://cam/video.mjpg", "cam", 80),
        ("https://cam.example.com", "cam.example.com", 443),
        ("rtsp://u:p%40ss%2F@cam/x%20y", "cam", 554),
        ("rtsps://u:$!&'()*+,;=-._~@[::1]/x", "[::1]", 322),
        ("http://[fe80::1]:8080/a", "[fe80::1]", 8080),
        ("http://a_b-c.local:81/?q", "a_b-c.local", 81),
    ] {
        let address = read(text);
        let found = (address.expose(), address.host(), address.port());
        assert_eq!(found, (text, host, port));
    }
    assert_eq!(read("RTSP://cam/x").expose(), "rtsp://cam/x");
    assert_eq!(read("Http://cam:/x").expose(), "http://cam/x");
}

#[test]
fn a_password_with_special_characters_is_accepted_if_only_one_host_is_possible() {
    for (text, url) in [
        ("rtsp://u:p@ss@cam/x", "rtsp://u:p%40ss@cam/x"),
        ("rtsp://u:p/w@cam/x", "rtsp://u:p%2Fw@cam/x"),
        ("rtsp://u:p?w#r/d@cam:554", "rtsp://u:p%3Fw%23r%2Fd@cam:554"),
        ("rtsp://u:pa#x=1@cam", "rtsp://u:pa%23x=1@cam"),
        ("rtsp://u:a b:c%d%41@cam", "rtsp://u:a%20b%3Ac%25d%41@cam"),
        ("rtsp://u:p/w@x@cam/live", "rtsp://u:p%2Fw%40x@cam/live"),
        ("rtsp://u:123456/7@cam", "rtsp://u:123456%2F7@cam"),
        // An IP address cannot be part of a password.
        ("rtsp://u:p@10.0.0.7/a@b", "rtsp://u:p@10.0.0.7/a@b"),
        ("http://[::1]:80/a@b?c@d", "http://[::1]:80/a@b?c@d"),
        ("rtsp://root:1234/56@127.0.0.1/live", "rtsp://root:1234%2F56@127.0.0.1/live"),
        ("rtsp://admin:pa@hunter2/x@10.0.0.7:81", "rtsp://admin:pa%40hunter2%2Fx@10.0.0.7:81"),
        ("rtsp://admin:77#88@[::1]/live", "rtsp://admin:77%2388@[::1]/live"),
    ] {
        assert_eq!(read(text).expose(), url);
    }
}

#[test]
fn if_several_hosts_are_possible_the_error_states_what_to_escape_and_shows_nothing() {
    for text in [
        "rtsp://root:1234/56@cam/live",
        "rtsp://admin:pa@hunter2/x@cam/live",
        "http://cam:80/go?to=a@10.0.0.7",
        "rtsp://u:p@ss/w#rd@cam/x",
        "http://cam/mail?to=a@b",
        "rtsp://u:77#88@cam/x",
    ] {
        let error = refused(text);
        assert!(error.contains("'/' as %2F") && error.contains("${NAME}"), "{error}");
        assert!(!error.contains("hunter2") && !error.contains("1234"), "{error}");
    }
}

#[test]
fn an_invalid_url_is_refused_with_the_rule() {
    for (text, rule) in [
        ("ftp://u:hunter2@cam/", "unsupported scheme ftp://"),
        ("u:hunter2://@cam/", "unsupported scheme before \"://\""),
        ("rtsp://", "no valid host and port"),
        ("rtsp://u:hunter2@", "no valid host and port"),
        ("rtsp://u:hunter2", "no valid host and port"),
        ("rtsp://u:p@cam:99999/", "up to 65535"),
        ("rtsp://u:p@[::1/", "no valid host and port"),
        ("http://cam/a#hunter2", "write '#' as %23"),
        ("http://cam/a\nhunter2", "control characters"),
    ] {
        let error = refused(text);
        assert!(error.contains(rule), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let long = |user: usize| format!("rtsp://u:{}@cam/", "x".repeat(user - 2));
    assert!(Address::literal(&long(127)).is_ok());
    assert!(refused(&long(128)).contains("128 bytes when percent-encoded, above the limit of 127"));
    assert!(refused(&format!("http://cam/{}", "ä".repeat(700))).contains("limit of 4000"));
}

#[test]
fn the_value_of_a_variable_is_encoded_for_its_position() {
    let variables = [
        ("USER", "ad:min"),
        ("PW", "p@ss/w#rd?100%41 ${X}"),
        ("HOST", "10.0.0.7"),
        ("PORT", "8554"),
        ("PATH", "Streaming/Channels?1"),
        ("KEY", "a&b=c#d/e"),
        ("BOTH", "admin:s3:cret"),
    ];
    let url = |text| with(text, &variables).unwrap().expose().to_owned();
    let password = "p%40ss%2Fw%23rd%3F100%2541%20$%7BX%7D";
    assert_eq!(
        url("rtsp://${USER}:${PW}@${HOST}:${PORT}/${PATH}?k=${KEY}"),
        format!(
            "rtsp://ad%3Amin:{password}@10.0.0.7:8554/Streaming/Channels%3F1?k=a%26b%3Dc%23d%2Fe"
        )
    );
    assert_eq!(url("rtsp://u:x${PW}@cam"), format!("rtsp://u:x{password}@cam"));
    assert_eq!(url("rtsp://${BOTH}@cam"), "rtsp://admin:s3%3Acret@cam");
    assert_eq!(url("rtsp://${HOST}@cam"), "rtsp://10.0.0.7:@cam", "a user without a password");
    let shown = with("rtsp://${USER}:${PW}@${HOST}/${PATH}?k=${KEY}", &variables).unwrap();
    assert_eq!(shown.to_string(), "rtsp://***:***@10.0.0.7/***?k=***");
}

#[test]
fn an_invalid_variable_is_named_and_not_shown() {
    let refused = |text, value| with(text, &[("V", value)]).unwrap_err().to_string();
    for error in [
        refused("rtsp://${V}/x", "hunter2/x"),
        refused("rtsp://${V}/x", "u:p@hunter2"),
        refused("rtsp://cam:${V}/x", "hunter2"),
        refused("rtsp://u:${V}@cam/x", "hunter2\n"),
    ] {
        assert!(error.contains("variable V") && !error.contains("hunter2"), "{error}");
    }
    assert!(refused("rtsp://${OTHER}@cam", "x").contains("OTHER is not set"));
}

/// Returns a secret of the same form: other letters and digits, and the same special characters.
fn another(secret: &str) -> String {
    let turned = |c: char, first: u8, count: u8| char::from(first + (c as u8 - first + 1) % count);
    let other = |c: char| match c {
        'a'..='z' => turned(c, b'a', 26),
        'A'..='Z' => turned(c, b'A', 26),
        '0'..='9' => turned(c, b'0', 10),
        c => c,
    };
    secret.chars().map(other).collect()
}

/// Returns everything that is printed of a URL, or of the error.
fn printed(result: &Result<Address, InvalidAddress>) -> String {
    match result {
        Ok(address) => {
            format!("{address} {address:?} {} {}", address.host(), address.port())
        }
        Err(error) => format!("{error} {error:?}"),
    }
}

/// At most four digits, because any four digits are a port: parsing must not depend on their values.
const SECRET: &str =
    r#"([a-zA-Z]{0,4}[0-9]{0,4}[ :/@#?&%!$'"(),;=\[\]{}.|\\+-]){0,5}[a-zA-Z]{1,4}[0-9]{0,4}"#;
const REST: &str = r"(:[0-9]{1,4})?(/[a-z0-9.]{0,8}){0,2}(\?[a-z]{1,3}=[0-9]{1,3})?";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_printed_of_a_url_depends_on_its_user_or_password(
        scheme in "rtsp|rtsps|http|https|ftp|rtmp|HTTP",
        user in SECRET,
        password in SECRET,
        rest in REST,
    ) {
        let url = |user: &str, password: &str| format!("{scheme}://{user}:{password}@cam.local{rest}");
        let one = printed(&Address::literal(&url(&user, &password)));
        let two = printed(&Address::literal(&url(&another(&user), &another(&password))));
        prop_assert_eq!(one, two);
    }

    #[test]
    fn nothing_printed_depends_on_the_value_of_a_variable_except_a_host(
        user in "\\PC{0,40}",
        password in "\\PC{0,40}",
        key in "\\PC{0,40}",
    ) {
        let url = "http://${U}:${P}@cam/${K}/x?k=${K}";
        let first = with(url, &[("U", &user), ("P", &password), ("K", &key)]);
        let second = with(url, &[("U", "u"), ("P", "p"), ("K", "k")]);
        prop_assert_eq!(printed(&first), printed(&second));
    }

    #[test]
    fn a_standard_parser_finds_the_same_host_user_and_password_in_the_url_for_ffmpeg(
        user in "\\PC{1,20}",
        password in "\\PC{0,20}",
        rest in REST,
    ) {
        let address = with(&format!("http://${{U}}:${{P}}@cam.local{rest}"), &[("U", &user), ("P", &password)]);
        let address = address.unwrap();
        let url = url::Url::parse(address.expose()).unwrap();
        let decoded = |text| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        prop_assert_eq!(url.host_str(), Some("cam.local"));
        prop_assert_eq!(url.port_or_known_default(), Some(address.port()));
        prop_assert_eq!(decoded(url.username()), user);
        prop_assert_eq!(decoded(url.password().unwrap_or_default()), password);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "[a-z:/@#?%${}A-Z0-9\\[\\] ]{0,40}") {
        let _ = Address::literal(&format!("rtsp://{text}"));
        let _ = with(&format!("rtsp://{text}"), &[("A", "x")]);
    }
}
