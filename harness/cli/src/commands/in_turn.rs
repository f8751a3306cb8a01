//! Subjects run side by side, but a report is about one after the other: what is told of a subject waits until all is told
//! of those before it.

use iaspec_harness::event::Event;

use super::reporters::Reporters;

/// Tells the reporters of several subjects, of each all its events and of one after the other, whatever order they come in.
pub(crate) struct InTurn<'a> {
    reporters: &'a mut Reporters,
    /// The subject that is told of now.
    at: usize,
    waiting: Vec<Waiting>,
}

/// What waits of one subject.
#[derive(Default)]
struct Waiting {
    events: Vec<Event>,
    finished: bool,
}

impl<'a> InTurn<'a> {
    /// Tells of so many subjects.
    pub(crate) fn new(reporters: &'a mut Reporters, subjects: usize) -> Self {
        Self { reporters, at: 0, waiting: std::iter::repeat_with(Waiting::default).take(subjects).collect() }
    }

    /// Something happened to a subject.
    pub(crate) fn event(&mut self, subject: usize, event: Event) {
        if subject == self.at {
            self.reporters.event(&event);
        } else {
            self.waiting[subject].events.push(event);
        }
    }

    /// Nothing more will happen to a subject.
    pub(crate) fn finish(&mut self, subject: usize) {
        self.waiting[subject].finished = true;
        while self.waiting.get(self.at).is_some_and(|waiting| waiting.finished) {
            self.at += 1;
            if let Some(next) = self.waiting.get_mut(self.at) {
                std::mem::take(&mut next.events).iter().for_each(|event| self.reporters.event(event));
            }
        }
    }
}
