//! What the text and the Markdown views share: words, values and differences as lines.

use std::borrow::Cow;

use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::environment::Provider;
use crate::model::plan::{ActionKind, DriftKind, FieldChange, Interrupted, Loss, Operation, Plan, Remains};
use crate::model::value::readable;

/// The sign before an action.
pub(super) fn symbol(action: ActionKind) -> &'static str {
    match action {
        ActionKind::Create => "+",
        ActionKind::Update => "~",
        ActionKind::Replace => "±",
        ActionKind::Delete => "-",
        ActionKind::Adopt => ">",
        ActionKind::Forget => "<",
    }
}

/// What happened to a drifted object.
pub(super) fn drifted(kind: DriftKind) -> &'static str {
    match kind {
        DriftKind::Changed => "changed",
        DriftKind::Deleted => "deleted",
        DriftKind::Appeared => "appeared",
    }
}

/// Which apply did not come to its end. Whether it still runs, only its lock tells.
pub(super) fn interrupted(told: &Interrupted) -> String {
    let at = match told.steps.len() {
        0 => "nothing was under way",
        _ => "under way were:",
    };
    format!("`{}` of {}, {}, has not ended; {at}", told.command, told.who, told.started_at)
}

/// The label of a simulated cloud, with a space before it.
pub(super) fn label(plan: &Plan) -> String {
    let undoes = plan.undoes.as_ref().map_or_else(String::new, |apply| format!(", rolling back apply {apply}"));
    match plan.provider {
        Provider::Aws => undoes,
        Provider::Simulated => format!(" (simulated cloud){undoes}"),
    }
}

/// The heading of what is not planned.
pub(super) fn held_heading(plan: &Plan) -> &'static str {
    if plan.undoes.is_some() { "Left as it is" } else { "Held" }
}

/// A value on one line, for people.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => readable(text).replace('\n', " "),
        other => readable(&other.to_string()).into_owned(),
    }
}

/// At most `width` columns of a text.
pub(super) fn trim(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut used = 3;
    let kept: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= width
        })
        .collect();
    Cow::Owned(kept + "...")
}

/// Spaces up to `width` columns.
pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// A unified diff of a long text; none where one line says it.
pub(super) fn unified(change: &FieldChange) -> Option<Vec<String>> {
    let (before, after) = (long(&change.before), long(&change.after));
    let plain = |v: &Value| matches!(v, Value::String(s) if s.starts_with('('));
    if !change.text
        || change.before.is_null()
        || change.after.is_null()
        || plain(&change.before)
        || plain(&change.after)
    {
        return None;
    }
    let diff = similar::TextDiff::from_lines(before.as_str(), after.as_str());
    let text = diff.unified_diff().context_radius(3).missing_newline_hint(false).to_string();
    Some(text.lines().map(str::to_owned).collect())
}

/// The items of two lists that only one of them has, as lines with their signs, and how many they share; none if it is
/// not about lists, or only about their order.
pub(super) fn items(change: &FieldChange) -> Option<(Vec<String>, usize)> {
    let (Value::Array(before), Value::Array(after)) = (&change.before, &change.after) else { return None };
    let mut left: Vec<&Value> = before.iter().collect();
    let mut new = Vec::new();
    for item in after {
        match left.iter().position(|there| *there == item) {
            Some(at) => {
                left.remove(at);
            }
            None => new.push(item),
        }
    }
    if left.is_empty() && new.is_empty() {
        return None;
    }
    let same = before.len() - left.len();
    let lines = left.iter().map(|v| format!("- {}", value(v))).chain(new.iter().map(|v| format!("+ {}", value(v))));
    Some((lines.collect(), same))
}

/// A long text or a tree over several lines.
pub(super) fn long(value: &Value) -> String {
    let mut text = match value {
        Value::String(text) => readable(text).into_owned(),
        other => readable(&serde_json::to_string_pretty(other).unwrap_or_default()).into_owned(),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// What goes with an object that loses data, as lines: what is saved first, and what must be given to `apply`.
pub(super) fn loss(loss: &Loss) -> Vec<String> {
    let mut lines = vec![match loss.remains {
        Remains::RecoveryPoint => format!("{}: {}", Operation::Save.word(), loss.note),
        Remains::Period | Remains::Nothing => loss.note.clone(),
    }];
    if loss.named {
        lines.push(format!("only with --allow-data-loss {}", loss.address.for_shell()));
    }
    lines
}

/// "Plan: 3 to create, …", or that there is nothing to do.
pub(super) fn counts(plan: &Plan) -> String {
    let s = &plan.summary;
    let mut text = if plan.actions.is_empty() {
        let resources = if s.unchanged == 1 { "resource is" } else { "resources are" };
        if plan.destroy {
            "No changes. Nothing is left to take down.".to_owned()
        } else if plan.undoes.is_some() {
            "Nothing to roll back.".to_owned()
        } else {
            format!("No changes. {} {resources} as declared.", s.unchanged)
        }
    } else {
        let mut text = format!(
            "Plan: {} to create, {} to update, {} to replace, {} to delete",
            s.create, s.update, s.replace, s.delete
        );
        for (count, word) in [(s.adopt, "adopt"), (s.forget, "forget")] {
            if count > 0 {
                text.push_str(&format!(", {count} to {word}"));
            }
        }
        text + "."
    };
    if s.held > 0 {
        text.push_str(&match plan.undoes {
            Some(_) => format!(" {} left as it is.", s.held),
            None => format!(" {} held.", s.held),
        });
    }
    if !plan.refused.is_empty() {
        text.push_str(" It can't be applied: see \"Refused\".");
    }
    text
}
