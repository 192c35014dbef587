//! The one form of names and values: lower case, no dot at the end, texts without quotes.
//!
//! The API gives names with a dot at the end and with all but letters, digits, `-` and `_` as octal numbers (`\052`
//! for `*`); texts come quoted, in parts of 255 bytes at most, in the same escapes
//! (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html>).

use serde::{Deserialize, Deserializer};

use crate::model::value::is_unknown_text;

/// Bytes of a part of a text.
const PART: usize = 255;

/// A name in its one form; a text with a token in it stays as it is.
pub(in crate::providers::aws) fn normal(name: &str) -> String {
    if is_unknown_text(name) {
        return name.to_owned();
    }
    let name = unescaped(name.trim()).to_lowercase();
    name.strip_suffix('.').map_or(name.clone(), str::to_owned)
}

/// Reads a name into its one form.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(normal(&String::deserialize(deserializer)?))
}

/// The same for a name that may be left out.
pub(in crate::providers::aws) fn read_optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.as_deref().map(normal))
}

/// The same for several names that may be left out.
pub(in crate::providers::aws) fn read_several<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    let names = Option::<Vec<String>>::deserialize(deserializer)?;
    Ok(names.map(|names| names.iter().map(|name| normal(name)).collect()))
}

/// A name without escapes. Those of dots inside a part and of what can't be printed stay.
fn unescaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('\\') {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        match octal(tail).filter(|byte| byte.is_ascii_graphic() && *byte != b'.' && *byte != b'\\') {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &tail[4..];
            }
            None => {
                out.push('\\');
                rest = &tail[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The byte that `\ooo` stands for at the beginning of a text.
fn octal(text: &str) -> Option<u8> {
    let digits = text.strip_prefix('\\')?.get(..3)?;
    digits.chars().all(|c| c.is_digit(8)).then(|| u8::from_str_radix(digits, 8).ok()).flatten()
}

/// A text as the API takes it: quoted parts.
pub(super) fn quoted(text: &str) -> String {
    let parts: Vec<String> = if text.is_empty() {
        vec![String::new()]
    } else {
        text.as_bytes().chunks(PART).map(|part| part.iter().map(|byte| escaped(*byte)).collect()).collect()
    };
    format!("\"{}\"", parts.join("\" \""))
}

fn escaped(byte: u8) -> String {
    match byte {
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    }
}

/// The text of quoted parts; one without quotes stands for itself.
pub(super) fn unquoted(value: &str) -> String {
    let value = value.trim();
    if !value.starts_with('"') {
        return value.to_owned();
    }
    let (mut bytes, mut inside, mut at) = (Vec::with_capacity(value.len()), false, 0);
    while let Some(rest) = value.get(at..).filter(|r| !r.is_empty()) {
        let length = rest.chars().next().map_or(1, char::len_utf8);
        at += length;
        match rest.as_bytes()[0] {
            b'"' => inside = !inside,
            b'\\' if inside => match octal(rest) {
                Some(byte) => {
                    bytes.push(byte);
                    at += 3;
                }
                None => {
                    let next = rest[1..].chars().next().map_or(0, char::len_utf8);
                    bytes.extend_from_slice(&rest.as_bytes()[1..1 + next]);
                    at += next;
                }
            },
            _ if inside => bytes.extend_from_slice(&rest.as_bytes()[..length]),
            _ => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_form() {
        for (given, form) in [
            ("WWW.Example.com.", "www.example.com"),
            ("\\052.example.com.", "*.example.com"),
            ("a\\056b.example.com", "a\\056b.example.com"),
            ("0\\05725.in-addr.arpa", "0/25.in-addr.arpa"),
            ("odd\\", "odd\\"),
        ] {
            assert_eq!(normal(given), form);
        }
    }

    #[test]
    fn texts_are_quoted_in_parts_and_read_back_whatever_they_hold() {
        let long = format!("v=DKIM1; p={}", "x".repeat(400));
        for text in ["", "v=spf1 -all", "say \"hi\" \\ there", "日本語のテキスト", &long, &"あ".repeat(200)] {
            let quoted = quoted(text);
            assert!(quoted.is_ascii() && quoted.starts_with('"') && quoted.ends_with('"'), "{quoted}");
            assert_eq!(unquoted(&quoted), text);
        }
        assert_eq!(quoted("日"), "\"\\346\\227\\245\"");
        assert_eq!(quoted(&"x".repeat(256)), format!("\"{}\" \"x\"", "x".repeat(255)));
        assert_eq!(unquoted("\"a\" \"b\""), "ab");
        assert_eq!(unquoted("plain"), "plain");
    }
}
