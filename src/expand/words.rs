//! Types in words, for messages.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use crate::model::schema::Type;

/// A type in words.
pub(super) fn wanted(ty: &Type) -> String {
    let between = |least: Option<String>, most: Option<String>| match (least, most) {
        (Some(a), Some(b)) => format!(" from {a} to {b}"),
        (Some(a), None) => format!(" of at least {a}"),
        (None, Some(b)) => format!(" of at most {b}"),
        (None, None) => String::new(),
    };
    match ty {
        Type::String { pattern: Some(pattern), .. } => format!("a text that matches `{pattern}`"),
        Type::String { values, .. } if !values.is_empty() => format!("one of {}", values.join(", ")),
        Type::String { length, .. } => match length {
            (None, None) => "a text".to_owned(),
            (a, b) => format!("a text{} characters", between(a.map(|n| n.to_string()), b.map(|n| n.to_string()))),
        },
        Type::Integer(a, b) => format!("a whole number{}", between(a.map(|n| n.to_string()), b.map(|n| n.to_string()))),
        Type::Number(a, b) => format!("a number{}", between(a.map(|n| n.to_string()), b.map(|n| n.to_string()))),
        Type::Boolean => "true or false".to_owned(),
        Type::List(_, a, b) => match (a, b) {
            (None, None) => "a list".to_owned(),
            (a, b) => format!("a list{} items", between(a.map(|n| n.to_string()), b.map(|n| n.to_string()))),
        },
        Type::Map(_) => "a mapping of names".to_owned(),
        Type::Object(_) => "a mapping".to_owned(),
        Type::Ref(kind) => format!("a reference to kind `{kind}`"),
        Type::Cidr => "an address range such as 10.0.0.0/16".to_owned(),
        Type::Duration => "a duration such as 90s, 3m, 2h or 7d".to_owned(),
        Type::Size => "a size such as 20GiB".to_owned(),
        Type::Policy => "a policy: a mapping, or JSON text".to_owned(),
        Type::Image => "an image: an id, or a mapping".to_owned(),
        Type::Any => "a value".to_owned(),
    }
}

/// What to write for a type, in words.
pub(super) fn correction(ty: &Type) -> &'static str {
    match ty {
        Type::String { pattern: Some(_), .. } => "write a text that the pattern matches",
        Type::String { values, .. } if !values.is_empty() => "write one of the words",
        Type::String { length: (None, None), .. } => "write a single text",
        Type::String { .. } => "write a text of that length",
        Type::Integer(None, None) => "write a whole number without a unit",
        Type::Integer(..) => "write a whole number in this range",
        Type::Number(None, None) => "write a number without a unit",
        Type::Number(..) => "write a number in this range",
        Type::Boolean => "write `true` or `false`",
        Type::List(_, None, None) => "write `[a, b]`, or a line `- a` for each item",
        Type::List(..) => "write a list of that length",
        Type::Map(_) | Type::Object(_) => "write `name: value` lines, or `{ name: value }`",
        Type::Ref(_) => "write the name of a resource, `{ id: … }`, or `{ tags: { … } }`",
        Type::Cidr => "write the first address of the range and the length of its prefix, as in 10.0.0.0/16",
        Type::Duration => "write a number and a unit: s, m, h or d",
        Type::Size => "write a number and a unit: KiB, MiB, GiB or TiB",
        Type::Policy => "write `Version` and `Statement`",
        Type::Image => "write an id, `{ parameter: … }`, or `{ owner: …, name: … }`",
        Type::Any => "correct the value",
    }
}
