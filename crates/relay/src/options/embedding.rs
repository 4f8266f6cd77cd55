//! The option of the player in frames of other pages.

use anyhow::Context as _;

use crate::access::FramingRule;

/// Returns which pages may frame the player.
pub(super) fn framing(allowed: &[String]) -> anyhow::Result<FramingRule> {
    FramingRule::new(allowed).context("--allow-embed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_origin_is_reported_with_its_option() {
        let error = format!("{:#}", framing(&["dash.example".into()]).unwrap_err());
        assert!(error.starts_with("--allow-embed: \"dash.example\""), "{error}");
        assert!(error.contains("https://NAME"), "{error}");
        let many = vec!["*".to_owned(); 65];
        let error = format!("{:#}", framing(&many).unwrap_err());
        assert!(error.contains("65 origins: at most 64"), "{error}");
    }
}
