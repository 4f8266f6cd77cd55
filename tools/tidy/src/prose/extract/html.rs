//! HTML: comments, texts between tags, and the attributes that a person reads or hears.

use super::Collector;
use crate::prose::passage::Passage;

const READ_ATTRIBUTES: &[&str] =
    &["alt=\"", "title=\"", "aria-label=\"", "placeholder=\"", "content=\""];

pub(super) fn passages(text: &str) -> Vec<Passage> {
    let mut collector = Collector::default();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let line = 1 + text[..at].matches('\n').count();
        let end = if let Some(comment) = rest.strip_prefix("<!--") {
            let length = comment.find("-->").unwrap_or(comment.len());
            collector.block_comment(line, &comment[..length]);
            length + "<!---->".len()
        } else if rest.starts_with('<') {
            let length = rest.find('>').map_or(rest.len(), |end| end + 1);
            attributes(&rest[..length], line, &mut collector);
            length
        } else {
            let length = rest.find('<').unwrap_or(rest.len());
            collector.string(line, &rest[..length]);
            length
        };
        at = (at + end).min(text.len());
    }
    collector.finish()
}

fn attributes(tag: &str, line: usize, collector: &mut Collector) {
    for name in READ_ATTRIBUTES {
        for (start, _) in tag.match_indices(name) {
            let value = &tag[start + name.len()..];
            collector.string(line, &value[..value.find('"').unwrap_or(value.len())]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_texts_and_labels_are_found() {
        let text = "<!-- First of all. -->\n<p aria-label=\"The whole wall here\">This page shows\nvideo</p>";
        let found = passages(text);
        let texts: Vec<(usize, &str)> =
            found.iter().map(|passage| (passage.line, passage.text.trim())).collect();
        assert_eq!(
            texts,
            [(1, "First of all."), (2, "The whole wall here"), (2, "This page shows\nvideo")]
        );
    }
}
