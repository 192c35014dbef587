//! The plan for a terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::model::plan::{Action, ActionKind, Drift, FieldChange, Found, Impact, Plan};

use super::view;

/// How to write text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOptions {
    /// ANSI colours.
    pub color: bool,
    /// Columns; values are cut to it. At least 40 are taken.
    pub width: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { color: false, width: 100 }
    }
}

struct Page {
    out: String,
    color: bool,
    width: usize,
}

/// The whole plan: actions by stack, what was changed outside, what is held, what loses data, what is refused, counts.
pub fn plan(plan: &Plan, options: &TextOptions) -> String {
    let mut page = Page::new(options);
    page.line(&format!("{} {}{}", plan.project, plan.environment, view::label(plan)), bold());
    let mut stack = "";
    for action in &plan.actions {
        if action.address.stack() != stack {
            stack = action.address.stack();
            page.line(&format!("\n{stack}"), bold());
        }
        page.action(action, plan);
    }
    page.interrupted(plan);
    page.drift(plan);
    page.held(plan);
    page.loses_data(plan);
    page.refused(plan);
    page.outputs(plan);
    page.line(&format!("\n{}", view::counts(plan)), bold());
    page.out
}

/// What was changed outside, for the drift command.
pub fn drift(plan: &Plan, options: &TextOptions) -> String {
    let mut page = Page::new(options);
    page.line(&format!("{} {}{}", plan.project, plan.environment, view::label(plan)), bold());
    page.drift(plan);
    page.held(plan);
    let end = match plan.drift.len() {
        0 => "No drift.".to_owned(),
        1 => "1 object was changed outside.".to_owned(),
        n => format!("{n} objects were changed outside."),
    };
    page.line(&format!("\n{end}"), bold());
    page.out
}

fn bold() -> Style {
    Style::new().bold()
}

fn style(action: ActionKind) -> Style {
    let color = match action {
        ActionKind::Create | ActionKind::Adopt => AnsiColor::Green,
        ActionKind::Update => AnsiColor::Yellow,
        ActionKind::Replace => AnsiColor::Magenta,
        ActionKind::Delete | ActionKind::Forget => AnsiColor::Red,
    };
    Style::new().fg_color(Some(color.into()))
}

impl Page {
    fn new(options: &TextOptions) -> Self {
        Self { out: String::new(), color: options.color, width: options.width.max(40) }
    }

    fn line(&mut self, text: &str, style: Style) {
        let _ = if self.color { writeln!(self.out, "{style}{text}{style:#}") } else { writeln!(self.out, "{text}") };
    }

    fn plain(&mut self, text: &str) {
        self.line(text, Style::new());
    }

    fn wrapped(&mut self, indent: &str, text: &str) {
        let options = textwrap::Options::new(self.width)
            .initial_indent(indent)
            .subsequent_indent(indent)
            // Addresses and ids stay whole.
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        for line in textwrap::wrap(text, options) {
            self.plain(&line);
        }
    }

    fn action(&mut self, action: &Action, plan: &Plan) {
        let sign = view::symbol(action.action);
        let head = format!("  {sign} {}  {}  {}", view::pad(action.action.word(), 7), action.kind, action.address);
        self.line(&head, style(action.action));
        match action.action {
            ActionKind::Create if !plan.destroy && action.reason == "not there yet" => {}
            ActionKind::Create
            | ActionKind::Update
            | ActionKind::Replace
            | ActionKind::Delete
            | ActionKind::Adopt
            | ActionKind::Forget => self.wrapped("      ", &format!("because {}", action.reason)),
        }
        match action.impact {
            Impact::None => {}
            Impact::Interrupts => self.plain("      interrupts service"),
            Impact::LosesData => self.plain("      loses data"),
        }
        self.changes(&action.changes, action.action == ActionKind::Create);
        for note in &action.notes {
            self.wrapped("      ", &format!("note: {note}"));
        }
    }

    fn changes(&mut self, changes: &[FieldChange], only_after: bool) {
        let longest = changes.iter().map(|c| c.path.width()).max().unwrap_or(0).min(32);
        for change in changes {
            let name = view::pad(&change.path, longest);
            if let Some(lines) = view::unified(change) {
                self.plain(&format!("      {}:", change.path));
                for line in lines.iter().skip_while(|l| l.starts_with("---") || l.starts_with("+++")) {
                    let style = match line.chars().next() {
                        Some('+') => style(ActionKind::Create),
                        Some('-') => style(ActionKind::Delete),
                        _ => Style::new(),
                    };
                    // An empty line of context leaves no blanks behind.
                    let blank = line.trim().is_empty();
                    self.line(&if blank { String::new() } else { format!("        {line}") }, style);
                }
                continue;
            }
            let room = self.width.saturating_sub(longest + 8);
            let after = view::value(&change.after);
            if after.width() + view::value(&change.before).width() + 16 > room
                && let Some((lines, same)) = view::items(change)
            {
                self.items(change, &lines, same);
                continue;
            }
            let text = if only_after {
                view::trim(&after, room).into_owned()
            } else {
                let mark = if change.replaces { "  (replaces)" } else { "" };
                let half = room.saturating_sub(4 + mark.width()) / 2;
                let before = view::value(&change.before);
                let (before, after) = if before.width() + after.width() <= half * 2 {
                    (before, after)
                } else {
                    (view::trim(&before, half).into_owned(), view::trim(&after, half).into_owned())
                };
                format!("{before} → {after}{mark}")
            };
            self.plain(&format!("      {name}  {text}"));
        }
    }

    /// What comes and goes in a long list, a line for each.
    fn items(&mut self, change: &FieldChange, lines: &[String], same: usize) {
        let unchanged = if same > 0 { format!("  ({same} unchanged)") } else { String::new() };
        let mark = if change.replaces { "  (replaces)" } else { "" };
        self.plain(&format!("      {}{unchanged}{mark}", change.path));
        for line in lines {
            let style = style(if line.starts_with('+') { ActionKind::Create } else { ActionKind::Delete });
            self.line(&format!("        {}", view::trim(line, self.width.saturating_sub(8))), style);
        }
    }

    /// What became of an apply that did not come to its end.
    fn interrupted(&mut self, plan: &Plan) {
        let Some(told) = &plan.interrupted else { return };
        self.line("\nInterrupted", bold());
        self.wrapped("  ", &view::interrupted(told));
        for step in &told.steps {
            let found = step.found.map_or("", Found::words);
            let operation = view::pad(step.operation.word(), 9);
            self.plain(&format!("  {operation}  {}  {}  {found}", step.kind, step.address));
        }
    }

    fn drift(&mut self, plan: &Plan) {
        if plan.drift.is_empty() {
            return;
        }
        self.line("\nChanged outside saiken", bold());
        for Drift { address, kind, drift, changes } in &plan.drift {
            self.line(
                &format!("  {}  {kind}  {address}", view::pad(view::drifted(*drift), 8)),
                style(ActionKind::Update),
            );
            self.changes(changes, false);
        }
    }

    fn held(&mut self, plan: &Plan) {
        if plan.held.is_empty() {
            return;
        }
        self.line(&format!("\n{}", view::held_heading(plan)), bold());
        for held in &plan.held {
            self.plain(&format!("  {}  {}", held.kind, held.address));
            self.wrapped("      ", &held.reason);
        }
    }

    fn loses_data(&mut self, plan: &Plan) {
        if plan.losses.is_empty() {
            return;
        }
        self.line("\nLoses data", style(ActionKind::Delete).bold());
        for loss in &plan.losses {
            self.wrapped("  ", &format!("{}  {}  {}", loss.kind, loss.address, loss.objects.join(", ")));
            view::loss(loss).iter().for_each(|line| self.wrapped("      ", line));
        }
    }

    fn refused(&mut self, plan: &Plan) {
        if plan.refused.is_empty() {
            return;
        }
        self.line("\nRefused", style(ActionKind::Delete).bold());
        for refusal in &plan.refused {
            self.wrapped("  ", &format!("{}: {}", refusal.address, refusal.reason));
            self.wrapped("      ", &refusal.help);
        }
    }

    fn outputs(&mut self, plan: &Plan) {
        if plan.outputs.is_empty() || plan.actions.is_empty() {
            return;
        }
        self.line("\nOutputs", bold());
        let longest = plan.outputs.keys().map(|k| k.width()).max().unwrap_or(0);
        for (name, value) in &plan.outputs {
            let room = self.width.saturating_sub(longest + 4);
            let value = view::value(value);
            self.plain(&format!("  {}  {}", view::pad(name, longest), view::trim(&value, room)));
        }
    }
}
