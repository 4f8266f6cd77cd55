//! The text of a URL with a placeholder for each variable: a character that no URL contains.

use fanlight_cli::secret::{ExpandError, variables};

use super::{InvalidAddress, MASK};

/// The placeholder of the first variable. Unicode's private use area has room for 65,534 of them. A text that contains
/// such a character itself is refused.
const FIRST: u32 = 0xf0000;
/// The last placeholder.
const LAST: u32 = 0xffffd;

/// A URL as written.
#[derive(Debug)]
pub(super) struct Template {
    text: String,
    /// Name and value of each variable.
    values: Vec<(String, String)>,
}

impl Template {
    /// Parses a text in which `${NAME}` stands for a variable.
    pub(super) fn read(
        text: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidAddress> {
        let mut template = Self::literal("")?;
        for (plain, name) in variables(text)? {
            check(plain)?;
            template.text += plain;
            let Some(name) = name else { continue };
            let value = lookup(name).ok_or_else(|| ExpandError::Unset(name.to_owned()))?;
            if value.contains(char::is_control) {
                return Err(InvalidAddress::ControlVariable(name.to_owned()));
            }
            let placeholder = u32::try_from(template.values.len()).map(|number| FIRST + number);
            let placeholder = placeholder.ok().filter(|number| *number <= LAST);
            let placeholder = placeholder.and_then(char::from_u32);
            template.text.push(placeholder.ok_or(InvalidAddress::TooLong(text.len()))?);
            template.values.push((name.to_owned(), value));
        }
        Ok(template)
    }

    /// Returns a template without variables.
    pub(super) fn literal(text: &str) -> Result<Self, InvalidAddress> {
        check(text)?;
        Ok(Self { text: text.to_owned(), values: Vec::new() })
    }

    /// Returns the text with placeholders.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the same template, with masked values.
    pub(super) fn masked(&self) -> Self {
        let values = self.values.iter().map(|(name, _)| (name.clone(), MASK.to_owned()));
        Self { text: self.text.clone(), values: values.collect() }
    }

    /// Returns the value of a placeholder; `None` for any other character.
    pub(super) fn value(&self, character: char) -> Option<&str> {
        self.variable(character).map(|(_, value)| value.as_str())
    }

    /// Returns a part of the text, with each placeholder replaced by its value, transformed by `fill`.
    pub(super) fn fill(&self, part: &str, fill: impl Fn(&str) -> String) -> String {
        let mut filled = String::with_capacity(part.len());
        for character in part.chars() {
            match self.value(character) {
                Some(value) => filled += &fill(value),
                None => filled.push(character),
            }
        }
        filled
    }

    /// Returns the names of the variables in a part of the text, for an error.
    pub(super) fn names_in(&self, part: &str) -> String {
        let names: Vec<&str> =
            part.chars().filter_map(|c| self.variable(c)).map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }

    fn variable(&self, character: char) -> Option<&(String, String)> {
        let number = u32::from(character).checked_sub(FIRST)?;
        self.values.get(usize::try_from(number).ok()?)
    }
}

/// Returns whether a character is a placeholder.
pub(super) fn is_placeholder(character: char) -> bool {
    (FIRST..=LAST).contains(&u32::from(character))
}

fn check(text: &str) -> Result<(), InvalidAddress> {
    match text.contains(|c: char| c.is_control() || is_placeholder(c)) {
        true => Err(InvalidAddress::Control),
        false => Ok(()),
    }
}
