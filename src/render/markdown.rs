//! The plan for a pull request.

use std::fmt::Write as _;

use crate::model::plan::{Action, FieldChange, Found, Impact, Plan};

use super::view;

/// The whole plan: counts, a table of actions, the differences folded, and what needs attention.
pub fn plan(plan: &Plan) -> String {
    let mut out = String::new();
    let title = format!("{} {}{}", plan.project, plan.environment, view::label(plan));
    let _ = writeln!(out, "## {}\n\n{}", escape(&title), escape(&view::counts(plan)));
    if !plan.actions.is_empty() {
        out.push_str("\n| | Action | Kind | Address | Impact | Reason |\n|---|---|---|---|---|---|\n");
        for action in &plan.actions {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} | {} | {} |",
                view::symbol(action.action),
                action.action.word(),
                escape(&action.kind),
                escape(action.address.as_str()),
                impact(action.impact),
                escape(&action.reason)
            );
        }
        for action in plan.actions.iter().filter(|a| !a.changes.is_empty() || !a.notes.is_empty()) {
            details(&mut out, action);
        }
    }
    sections(&mut out, plan);
    out
}

/// What was changed outside.
pub fn drift(plan: &Plan) -> String {
    let title = format!("{} {}{}", plan.project, plan.environment, view::label(plan));
    let mut out = format!("## Drift: {}\n", escape(&title));
    if plan.drift.is_empty() {
        out.push_str("\nNo drift.\n");
    }
    drifted(&mut out, plan);
    held(&mut out, plan);
    out
}

fn impact(impact: Impact) -> &'static str {
    match impact {
        Impact::None => "",
        Impact::Interrupts => "interrupts",
        Impact::LosesData => "**loses data**",
    }
}

fn details(out: &mut String, action: &Action) {
    let summary = format!("{} {} {}", action.action.word(), action.kind, action.address);
    let _ = writeln!(out, "\n<details><summary>{}</summary>\n", escape(&summary));
    changes(out, &action.changes);
    for note in &action.notes {
        let _ = writeln!(out, "- {}", escape(note));
    }
    out.push_str("\n</details>\n");
}

fn changes(out: &mut String, changes: &[FieldChange]) {
    let mut body = String::new();
    for change in changes {
        if let Some(lines) = view::unified(change) {
            let _ = writeln!(body, "# {}\n{}", change.path, lines.join("\n"));
            continue;
        }
        if !change.before.is_null() {
            let _ = writeln!(body, "- {}: {}", change.path, view::value(&change.before));
        }
        if !change.after.is_null() {
            let _ = writeln!(body, "+ {}: {}", change.path, view::value(&change.after));
        }
    }
    if body.is_empty() {
        return;
    }
    // The fence is longer than any run of backticks inside, so that no value can end it.
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = writeln!(out, "{fence}diff\n{body}{fence}");
}

/// What became of an apply that did not come to its end.
fn interrupted(out: &mut String, plan: &Plan) {
    let Some(told) = &plan.interrupted else { return };
    let _ = writeln!(out, "\n### Interrupted\n\n{}", escape(&view::interrupted(told)));
    if !told.steps.is_empty() {
        out.push_str("\n| | Kind | Address | Found |\n|---|---|---|---|\n");
    }
    for step in &told.steps {
        let (kind, address) = (escape(&step.kind), escape(step.address.as_str()));
        let found = step.found.map_or("", Found::words);
        let _ = writeln!(out, "| {} | {kind} | {address} | {found} |", step.operation.word());
    }
}

fn sections(out: &mut String, plan: &Plan) {
    interrupted(out, plan);
    drifted(out, plan);
    held(out, plan);
    if !plan.losses.is_empty() {
        out.push_str("\n### Loses data\n\n");
        for loss in &plan.losses {
            let ids = loss.objects.join(", ");
            let lines = view::loss(loss).join("; ");
            let (kind, address) = (escape(&loss.kind), escape(loss.address.as_str()));
            let _ = writeln!(out, "- {kind} {address} {}: {}", escape(&ids), escape(&lines));
        }
    }
    if !plan.refused.is_empty() {
        out.push_str("\n### Refused\n\n");
        for r in &plan.refused {
            let _ = writeln!(out, "- {}: {} ({})", escape(r.address.as_str()), escape(&r.reason), escape(&r.help));
        }
    }
}

fn drifted(out: &mut String, plan: &Plan) {
    if plan.drift.is_empty() {
        return;
    }
    out.push_str("\n### Changed outside saiken\n\n");
    for drift in &plan.drift {
        let _ = writeln!(
            out,
            "- {} {} {}",
            view::drifted(drift.drift),
            escape(&drift.kind),
            escape(drift.address.as_str())
        );
    }
    for drift in plan.drift.iter().filter(|d| !d.changes.is_empty()) {
        let _ = writeln!(out, "\n<details><summary>{}</summary>\n", escape(drift.address.as_str()));
        changes(out, &drift.changes);
        out.push_str("\n</details>\n");
    }
}

fn held(out: &mut String, plan: &Plan) {
    if plan.held.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n### {}\n", view::held_heading(plan));
    for held in &plan.held {
        let _ = writeln!(out, "- {}: {}", escape(held.address.as_str()), escape(&held.reason));
    }
}

/// Text that means nothing to Markdown or HTML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' => out.push(' '),
            '|' | '*' | '_' | '[' | ']' | '\\' | '#' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
