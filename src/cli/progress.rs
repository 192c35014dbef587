//! Progress of an apply on stderr: lines that move on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::report::{time, word};
use super::shell::Shell;
use crate::execute::{Counts, Events, StepError, StepView};
use crate::model::Address;

/// Told by the executor, tells the user.
pub struct Progress {
    shell: Shell,
    live: Option<Live>,
    counts: Mutex<Counts>,
}

struct Live {
    bars: MultiProgress,
    total: ProgressBar,
    steps: Mutex<BTreeMap<usize, ProgressBar>>,
}

impl Progress {
    /// Begins.
    pub fn new(shell: Shell) -> Self {
        let live = shell.live.then(|| {
            let bars = MultiProgress::new();
            let total = bars.add(ProgressBar::new(0).with_style(style("{elapsed:>6}  {pos} of {len} steps  {msg}")));
            total.enable_steady_tick(Duration::from_millis(200));
            Live { bars, total, steps: Mutex::default() }
        });
        Self { shell, live, counts: Mutex::default() }
    }

    /// Says a line between the moving ones.
    pub fn say(&self, text: &str) {
        match &self.live {
            Some(live) => live.bars.suspend(|| self.shell.say(text)),
            None => self.shell.say(text),
        }
    }

    /// Takes the moving lines away.
    pub fn end(&self) {
        if let Some(live) = &self.live {
            let _ = live.bars.clear();
        }
    }

    fn left(&self) -> String {
        let counts = *lock(&self.counts);
        let left = counts.total.saturating_sub(counts.done + counts.failed + counts.skipped + 1);
        format!("{left} left")
    }

    fn close(&self, index: usize) {
        if let Some(live) = &self.live
            && let Some(bar) = lock(&live.steps).remove(&index)
        {
            bar.finish_and_clear();
            live.bars.remove(&bar);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; a wrong one falls back to the plain bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn line(step: &StepView<'_>) -> String {
    format!("{:<9} {:<17} {}", word(step.operation), step.kind, step.address)
}

impl Events for Progress {
    fn started(&self, step: &StepView<'_>) {
        match &self.live {
            Some(live) => {
                let bar = ProgressBar::new_spinner().with_style(style("{elapsed:>6}  {msg}"));
                let bar = live.bars.insert_before(&live.total, bar);
                bar.set_message(line(step));
                bar.enable_steady_tick(Duration::from_millis(200));
                lock(&live.steps).insert(step.index, bar);
            }
            None => self.shell.say(&format!("  start   {}", line(step))),
        }
    }

    fn waiting(&self, step: &StepView<'_>, what: &str) {
        match &self.live {
            Some(live) => {
                if let Some(bar) = lock(&live.steps).get(&step.index) {
                    bar.set_message(format!("{}, waiting for {what}", line(step)));
                }
            }
            None => tracing::info!(address = %step.address, "waiting for {what}"),
        }
    }

    fn finished(&self, step: &StepView<'_>, duration: Duration) {
        self.close(step.index);
        self.say(&format!("  done    {}  {}  ({})", line(step), time(duration), self.left()));
    }

    fn failed(&self, step: &StepView<'_>, error: &StepError) {
        self.close(step.index);
        self.say(&format!("  FAILED  {}: {error}", line(step)));
    }

    fn skipped(&self, step: &StepView<'_>, because: &Address) {
        self.say(&format!("  skipped {}: {because} failed", line(step)));
    }

    fn counts(&self, counts: &Counts) {
        *lock(&self.counts) = *counts;
        if let Some(live) = &self.live {
            live.total.set_length(counts.total as u64);
            live.total.set_position((counts.done + counts.failed + counts.skipped) as u64);
            live.total.set_message(format!("{} running, {} failed", counts.running, counts.failed));
        }
    }
}
