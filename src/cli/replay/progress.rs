//! How far a long replay is, on a terminal's standard error.

use super::judge::Counts;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What is over sooner needs no bar.
const SHORT: Duration = Duration::from_secs(1);
/// Between two looks at the clock.
const EVERY: u64 = 64;

/// A bar, where there is a terminal to show it on.
pub struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    shown: bool,
    seen: u64,
}

impl Progress {
    /// Of a replay that reads so many octets (0: nobody knows). `printing`: events go to the same terminal, and a bar
    /// between them would only disturb.
    pub fn new(octets: u64, printing: bool) -> Self {
        let wanted = std::io::stderr().is_terminal() && !printing;
        let bar = wanted.then(|| {
            let bar = if octets > 0 { ProgressBar::new(octets) } else { ProgressBar::no_length() };
            bar.set_draw_target(ProgressDrawTarget::hidden());
            let template = if octets > 0 {
                "{bar:30} {percent:>3} %  {msg}  {elapsed} gone, about {eta} to go"
            } else {
                "{spinner} {msg}  {elapsed} gone"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
            }
            bar
        });
        Self { bar, begun: Instant::now(), shown: false, seen: 0 }
    }

    /// Another mail is done.
    pub fn tick(&mut self, counts: &Counts) {
        let Some(bar) = &self.bar else { return };
        self.seen += 1;
        if !self.seen.is_multiple_of(EVERY) || self.begun.elapsed() < SHORT {
            return;
        }
        if !std::mem::replace(&mut self.shown, true) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let mails = counts.mails.load(Ordering::Relaxed);
        let tenths = u64::try_from(self.begun.elapsed().as_millis() / 100).unwrap_or(u64::MAX).max(1);
        bar.set_message(format!("{mails} mails, {} a second", mails.saturating_mul(10) / tenths));
        bar.set_position(counts.octets.load(Ordering::Relaxed));
    }

    /// Clears the bar, so that what is said stands on a line of its own.
    pub fn aside(&self, say: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
