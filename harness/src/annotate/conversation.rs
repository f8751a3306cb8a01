//! Transcripts: who does what on which connection, with every byte string field by field.

use std::collections::HashSet;

use super::messages::Messages;
use super::names::{word, words};
use super::words as say;
use super::{Annotated, Entry, operations};
use crate::format::Formats;
use crate::vectors::TranscriptCase;
use crate::vectors::transcript::Party;
use crate::vectors::transcript::step::{Each, Kind, Step, walk};
use crate::yaml::{Source, Span, Spot};

/// Where something stands, for a reader.
pub(super) fn place(source: &Source, span: Span) -> String {
    format!("{}:{}", source.name, source.line_column(span.start).0)
}

/// A conversation, laid out.
pub fn conversation(case: &TranscriptCase, formats: &Formats) -> Annotated {
    let mut walker = Walker::new(case, formats);
    walker.steps(case.steps(), "", 0);
    let mut facts = vec![
        ("file", place(&case.source, case.entry.id.span)),
        ("roles", words(&case.roles)),
        ("tier", case.tier.name().to_owned()),
    ];
    facts.extend(say::needs(&case.entry.needs).into_iter().map(|need| ("needs", need)));
    if case.entry.isolation.is_some() {
        facts.push(("isolation", "a subject of its own".to_owned()));
    }
    if case.entry.slow.is_some() {
        facts.push(("slow", "runs with --slow only".to_owned()));
    }
    if walker.messages.may_be_encrypted() && case.roles != [Party::Host] {
        facts.push(("messages", "shown as they are before the run's encryption wraps them".to_owned()));
    }
    Annotated {
        name: case.name.clone(),
        title: case.title.clone(),
        facts,
        clauses: case.clauses.clone(),
        entries: walker.entries,
    }
}

struct Walker<'a> {
    hosts: HashSet<&'a str>,
    messages: Messages<'a>,
    entries: Vec<Entry>,
}

impl<'a> Walker<'a> {
    fn new(case: &'a TranscriptCase, formats: &'a Formats) -> Self {
        let mut hosts = HashSet::new();
        walk(case.steps(), &mut |step| hosts.extend(step.host.as_ref().map(|host| host.value.0.as_str())));
        Self { hosts, messages: Messages::new(&case.entry.needs, formats), entries: Vec::new() }
    }

    fn steps(&mut self, steps: &'a [Spot<Step>], prefix: &str, depth: usize) {
        for (place, step) in steps.iter().enumerate() {
            self.step(step, &format!("{prefix}{}", place + 1), depth);
        }
    }

    fn push(&mut self, depth: usize, number: &str, head: String, notes: Vec<String>) {
        self.entries.push(Entry { depth, number: number.to_owned(), head, notes, blocks: Vec::new() });
    }

    fn step(&mut self, step: &'a Step, number: &str, depth: usize) {
        match step.kind() {
            None => {}
            Some(Kind::Actor(party, name)) => self.actor(step, party, &name.value.0, number, depth),
            Some(Kind::Result(name)) => {
                let expected = step.is.as_ref().map(|is| operations::expected(is));
                let fails = step.fails.as_ref().map(|kinds| operations::fails(kinds));
                let notes = expected.into_iter().chain(fails).chain(say::notes(step)).collect();
                self.push(depth, number, format!("result of `{}`", name.value), notes);
            }
            Some(Kind::Parallel(branches)) => {
                let count = branches.len();
                self.branches(step, number, depth, format!("{count} branches at the same time"));
            }
            Some(Kind::Either(branches)) => {
                let head = format!("one of {} branches (played: the first)", branches.len());
                self.branches(step, number, depth, head);
            }
            Some(Kind::Each(each)) => self.each(step, each, number, depth),
            Some(kind) => {
                let (head, mut notes) = around(kind);
                notes.extend(say::notes(step));
                self.push(depth, number, head, notes);
            }
        }
    }

    fn branches(&mut self, step: &'a Step, number: &str, depth: usize, head: String) {
        self.push(depth, number, head, say::notes(step));
        let before = self.messages.talks.clone();
        let is_either = step.either.is_some();
        let mut first = None;
        for (place, branch) in step.branches().into_iter().enumerate() {
            let number = format!("{number}.{}", place + 1);
            if is_either {
                self.messages.talks.clone_from(&before);
            }
            self.push(depth + 1, &number, "branch".to_owned(), Vec::new());
            self.steps(branch, &format!("{number}."), depth + 2);
            first.get_or_insert_with(|| self.messages.talks.clone());
        }
        if let (true, Some(first)) = (is_either, first) {
            self.messages.talks = first;
        }
    }

    fn each(&mut self, step: &'a Step, each: &'a Each, number: &str, depth: usize) {
        let how = if each.at_once.is_some() { "all at once" } else { "one after the other" };
        let head = format!("{} times, {how}, each with another `{}`", each.count.value, each.name.value);
        self.push(depth, number, head, say::notes(step));
        self.steps(&each.steps, &format!("{number}."), depth + 1);
    }

    fn actor(&mut self, step: &'a Step, party: Party, name: &'a str, number: &str, depth: usize) {
        let is_host = self.hosts.contains(name);
        let other = if is_host { "host" } else { "client" };
        let moves = step.has_bytes() || step.does.as_ref().is_some_and(|op| op.value.sends());
        let head = match (party, moves) {
            (Party::Agent, true) => format!("agent → {other} {name}"),
            (Party::Agent, false) => format!("agent, towards {other} {name}"),
            (_, true) => format!("{party} {name} → agent"),
            (_, false) => format!("{party} {name}"),
        };
        let mut notes = Vec::new();
        if let Some(op) = &step.does {
            let label = step.label.as_ref().map_or(String::new(), |label| format!(" (`{}`)", label.value));
            notes.push(format!("told to {}{label}", operations::op(op)));
            self.messages.told(name, op);
        } else if let Some(label) = &step.label {
            notes.push(format!("its end is `{}`", label.value));
        }
        notes.extend(say::notes_between(step, is_host.then_some(party)));
        let mut blocks = Vec::new();
        if let Some(data) = &step.bytes {
            blocks.extend(self.messages.bytes(party, name, data));
        }
        for (place, frame) in step.frames.iter().flat_map(|frames| &frames.value).enumerate() {
            blocks.push(self.messages.frame(party, name, frame, &format!("message {}", place + 1)));
        }
        if let Some(wire) = &step.wire {
            blocks.extend(self.messages.wire(party, name, wire));
        }
        self.entries.push(Entry { depth, number: number.to_owned(), head, notes, blocks });
    }
}

/// What a step says about the world around the conversation: in a line, and in full.
fn around(kind: Kind<'_>) -> (String, Vec<String>) {
    match kind {
        Kind::Distinct(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{}`", name.value)).collect();
            ("distinct".to_owned(), vec![format!("no two values of {} are the same", names.join(", "))])
        }
        Kind::Unpredictable(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{}`", name.value)).collect();
            ("unpredictable".to_owned(), vec![format!("nobody can foresee the next of {}", names.join(", "))])
        }
        Kind::Subject(subject) => ("the subject".to_owned(), operations::subject(subject)),
        Kind::Process(process) => ("process".to_owned(), vec![operations::process(process)]),
        Kind::Files(files) => {
            (format!("the files in {}, and no others", word(&files.under)), operations::files(files))
        }
        Kind::Segments(_) => {
            ("shared memory".to_owned(), vec!["no segment of the subject is left".to_owned()])
        }
        Kind::Memory(memory) => {
            let limit = word(&memory.grows_below.value);
            ("memory".to_owned(), vec![format!("the subject's peak grows by less than {limit}")])
        }
        other => (other.to_string(), Vec::new()),
    }
}
