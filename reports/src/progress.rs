//! What a person sees while a run is under way: a bar on a terminal, a line now and then elsewhere.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use iaspec_harness::event::{Event, Tally};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::Reporter;

/// How long nothing is said where there is no terminal.
const QUIET: Duration = Duration::from_secs(10);

/// Live progress on standard error.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    /// There from a subject's first result to its last, so that it never mixes with other output.
    bar: Option<ProgressBar>,
    subject: String,
    cases: usize,
    done: usize,
    tally: Tally,
    strict: bool,
    said: Instant,
}

impl Progress {
    /// Progress as a bar, for a terminal, or as lines.
    pub fn new(terminal: bool) -> Self {
        let said = Instant::now();
        let subject = String::new();
        Self { terminal, bar: None, subject, cases: 0, done: 0, tally: Tally::default(), strict: false, said }
    }

    fn failures(&self) -> String {
        let not_run =
            if self.tally.errors > 0 { format!(", {} not run", self.tally.errors) } else { String::new() };
        format!("{} failed{not_run}", self.tally.failures(self.strict))
    }

    fn new_bar(&self) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(self.cases as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        bar.with_prefix(self.subject.clone())
    }

    fn show(&mut self) -> io::Result<()> {
        if self.terminal {
            let bar = self.bar.take().unwrap_or_else(|| self.new_bar());
            bar.set_position(self.done as u64);
            bar.set_message(self.failures());
            self.bar = Some(bar);
            return Ok(());
        }
        if self.said.elapsed() < QUIET {
            return Ok(());
        }
        self.said = Instant::now();
        let line = format!("{}: {} of {} done, {}", self.subject, self.done, self.cases, self.failures());
        writeln!(io::stderr(), "{line}")
    }
}

impl Reporter for Progress {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::RunStarted(run) => self.strict = run.strict,
            Event::SubjectStarted(started) => {
                self.subject.clone_from(&started.subject);
                (self.cases, self.done) = (started.cases, 0);
            }
            Event::CaseFinished(result) => {
                self.done += 1;
                self.tally.count(result);
                return self.show();
            }
            Event::SubjectFinished(_) | Event::RunFinished(_) => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
            Event::Notice(_) | Event::Timing(_) => {}
        }
        Ok(())
    }
}
