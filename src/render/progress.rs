//! The bar on stderr: only on a terminal, and only moved between rounds, so that nothing is drawn while the clock runs.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lab::race::Progress;

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
    pub(crate) fn show(&self, progress: &Progress) {
        self.0.set_length(progress.total as u64);
        self.0.set_position(progress.done as u64);
        self.0.set_message(progress.label.clone());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
