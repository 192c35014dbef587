//! Addresses: the one name of a resource, in files, plans, tags and journals.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest address in characters: the limit of a tag's value
/// (<https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>).
pub const MAX_LENGTH: usize = 256;

/// `stack/name`, `stack/name:key` for one of a repetition, `stack/component.name:key` inside a component.
///
/// Cheap to clone. Ordered by its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Arc<str>);

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `/`, or nothing on one of its sides.
    #[error("an address is `stack/name`, `stack/name:key` or `stack/component.name:key`")]
    Form,
    /// A character that a tag's value may not hold.
    #[error("`{0}` can't stand in an address: letters, digits, spaces and _ . : / = + - @ can")]
    Character(char),
    /// Longer than [`MAX_LENGTH`].
    #[error("an address has at most {MAX_LENGTH} characters, this one has {0}")]
    Length(usize),
}

/// Whether every service accepts this character in a tag's value.
pub fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, ' ' | '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
}

impl Address {
    /// Checks and wraps a text.
    ///
    /// # Errors
    /// If its form, a character or its length is not allowed.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(c) = text.chars().find(|c| !is_allowed(*c)) {
            return Err(AddressError::Character(c));
        }
        let length = text.chars().count();
        if length > MAX_LENGTH {
            return Err(AddressError::Length(length));
        }
        match text.split_once('/') {
            Some((stack, rest)) if !stack.is_empty() && !rest.is_empty() && !rest.starts_with(':') => {
                Ok(Self(text.into()))
            }
            _ => Err(AddressError::Form),
        }
    }

    /// Builds `stack/[component[:component key].]name[:key]`.
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub fn build(stack: &str, path: &str, key: Option<&str>) -> Result<Self, AddressError> {
        match key {
            Some(key) => Self::parse(&format!("{stack}/{path}:{key}")),
            None => Self::parse(&format!("{stack}/{path}")),
        }
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as it is typed in a shell: in quotes, if it holds a space.
    pub fn for_shell(&self) -> String {
        if self.0.contains(' ') { format!("'{}'", self.0) } else { self.0.to_string() }
    }

    /// The stack's name: all before the first `/`.
    pub fn stack(&self) -> &str {
        self.0.split_once('/').map_or("", |(stack, _)| stack)
    }

    /// All after the first `/`.
    pub fn local(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(_, rest)| rest)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.0)
    }
}

impl std::borrow::Borrow<str> for Address {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::parse(s)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_stack_and_a_local_part() {
        let a = Address::parse("network/web.group:ap-northeast-1a").unwrap();
        assert_eq!((a.stack(), a.local()), ("network", "web.group:ap-northeast-1a"));
        assert_eq!(Address::build("ネット", "名前", Some("鍵")).unwrap().as_str(), "ネット/名前:鍵");
    }

    #[test]
    fn what_a_tag_cannot_hold_is_refused() {
        assert_eq!(Address::parse("a/b*"), Err(AddressError::Character('*')));
        assert_eq!(Address::parse("ab"), Err(AddressError::Form));
        assert_eq!(Address::parse("a/:k"), Err(AddressError::Form));
        assert_eq!(Address::parse(&format!("a/{}", "b".repeat(255))), Err(AddressError::Length(257)));
    }
}
