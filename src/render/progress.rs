//! The bar on stderr: only on a terminal, and only moved between rounds, so that nothing is drawn while the clock runs.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lab::race::RaceProgress;

use super::foreign;

/// A bar that is gone when this value is.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar; hidden when stderr is not a terminal.
    pub(crate) fn new() -> Bar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{wide_msg} {bar:20} {pos}/{len}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Bar(bar)
    }

    /// Shows where the race is.
    pub(crate) fn show(&self, progress: &RaceProgress) {
        self.at(progress.done, progress.total, progress.label.clone());
    }

    /// Shows that `done` of `total` are done, and what comes next.
    pub(crate) fn at(&self, done: usize, total: usize, label: String) {
        self.0.set_length(total as u64);
        self.0.set_position(done as u64);
        self.0.set_message(foreign::clean(&label).into_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
