//! Progress of an apply: on a terminal what runs and for how long, elsewhere one plain line an event.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::shell::Shell;
use crate::execute::{Events, StepError, StepView};
use crate::model::Address;
use crate::model::plan::Operation;

/// A spinner while something is read; hidden where there is no terminal.
pub(crate) fn spinner(shell: &Shell, what: &str) -> ProgressBar {
    if !shell.interactive {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// What is done, in the present.
fn doing(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "creating",
        Operation::Update => "updating",
        Operation::Save => "saving",
        Operation::Delete => "deleting",
        Operation::Own => "taking over",
        Operation::Disown => "letting go",
    }
}

/// What is done, in the past.
fn done(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "created",
        Operation::Update => "updated",
        Operation::Save => "saved",
        Operation::Delete => "deleted",
        Operation::Own => "taken over",
        Operation::Disown => "let go",
    }
}

/// Shows the events of an apply.
pub(crate) struct Progress {
    shell: Shell,
    bars: Option<(MultiProgress, ProgressBar)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    total: usize,
    ended: usize,
    running: BTreeMap<(String, Operation), (Instant, Option<ProgressBar>)>,
}

impl Progress {
    /// For `total` steps.
    pub fn new(shell: &Shell, total: usize) -> Self {
        let bars = shell.interactive.then(|| {
            let all = MultiProgress::new();
            let style = ProgressStyle::with_template("{wide_bar} {pos}/{len}  {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = all.add(ProgressBar::new(total as u64).with_style(style));
            bar.enable_steady_tick(Duration::from_millis(200));
            (all, bar)
        });
        Self { shell: shell.clone(), bars, state: Mutex::new(State { total, ..State::default() }) }
    }

    /// Says a line above the bars.
    pub fn line(&self, text: &str) {
        match &self.bars {
            // The bars are redrawn below the line.
            Some((all, _)) => all.suspend(|| self.shell.say(text)),
            None => self.shell.say(text),
        }
    }

    fn end(&self, step: &StepView<'_>, text: impl FnOnce(Duration, usize) -> String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended += 1;
        let took = match state.running.remove(&(step.address.to_string(), step.operation)) {
            Some((since, bar)) => {
                if let Some(bar) = bar {
                    bar.finish_and_clear();
                }
                since.elapsed()
            }
            None => Duration::ZERO,
        };
        let left = state.total.saturating_sub(state.ended);
        drop(state);
        if let Some((_, bar)) = &self.bars {
            bar.inc(1);
        }
        self.line(&text(took, left));
    }

    /// Ends the display.
    pub fn finish(&self) {
        if let Some((_, bar)) = &self.bars {
            bar.finish_and_clear();
        }
    }
}

/// A duration for people: 0.3s, 42s, 12m05s.
pub(crate) fn took(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", duration.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        _ => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}

impl Events for Progress {
    fn started(&self, step: &StepView<'_>) {
        let text = format!("{} {}", doing(step.operation), step.address);
        let bar = self.bars.as_ref().map(|(all, main)| {
            let bar = all.insert_before(main, ProgressBar::new_spinner().with_message(text));
            let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            bar.set_style(style);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running.insert((step.address.to_string(), step.operation), (Instant::now(), bar));
    }

    fn waiting(&self, step: &StepView<'_>, what: &str) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((since, bar)) = state.running.get(&(step.address.to_string(), step.operation)) else { return };
        match bar {
            Some(bar) => bar.set_message(format!("{} {}: waiting for {what}", doing(step.operation), step.address)),
            None if since.elapsed() > Duration::from_secs(2) => {
                self.shell.say(&format!("  waiting   {}: {what}", step.address));
            }
            None => {}
        }
    }

    fn finished(&self, step: &StepView<'_>, _: Duration) {
        self.end(step, |d, left| format!("  {:<10}{}  {}  ({left} left)", done(step.operation), step.address, took(d)));
    }

    fn failed(&self, step: &StepView<'_>, error: &StepError) {
        self.end(step, |d, left| format!("  FAILED    {}  {}  ({left} left): {error}", step.address, took(d)));
    }

    fn skipped(&self, step: &StepView<'_>, because: &Address) {
        self.end(step, |_, _| format!("  skipped   {}: {because} failed", step.address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_and_exact() {
        assert_eq!(took(Duration::from_millis(340)), "0.3s");
        assert_eq!(took(Duration::from_secs(42)), "42s");
        assert_eq!(took(Duration::from_secs(725)), "12m05s");
    }
}
