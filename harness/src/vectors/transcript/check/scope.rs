//! Names used before they are given: bound values, steps, connections.

use std::collections::{BTreeMap, BTreeSet};

use super::super::entry::Party;
use super::super::op::Op;
use super::super::scalars::Name;
use super::super::step::{Branch, Each, Kind, Part, Step, walk};
use super::super::value::{Symbol, Value};
use super::super::{Mistake, TranscriptCase};
use super::symbols;
use crate::yaml::{Span, Spot};

/// What is wrong with the names of a case, for each role in which it is run.
pub(super) fn mistakes(case: &TranscriptCase) -> Vec<Mistake> {
    let mut everywhere = Everywhere::default();
    walk(case.steps(), &mut |step| everywhere.note(step));
    let mut mistakes = everywhere.mistakes.clone();
    let roles = if case.roles.is_empty() { &Party::ALL[..1] } else { &case.roles };
    for role in roles {
        let mut walker = Walker { role: *role, everywhere: &everywhere, mistakes: Vec::new() };
        walker.steps(case.steps(), &mut Scope::default());
        mistakes.append(&mut walker.mistakes);
    }
    mistakes
}

/// The names of the whole case, wherever they stand.
#[derive(Default)]
struct Everywhere {
    labels: BTreeSet<String>,
    bound: BTreeSet<String>,
    bound_by_results: BTreeSet<String>,
    connections: BTreeSet<String>,
    hosts: BTreeSet<String>,
    mistakes: Vec<Mistake>,
}

impl Everywhere {
    fn note(&mut self, step: &Step) {
        if let Some(label) = &step.label
            && !self.labels.insert(label.value.0.clone())
        {
            self.mistakes.push((label.span, format!("a second step of the name `{}`", label.value)));
        }
        symbols::of_bytes(step, &mut |_, symbol| {
            if let Symbol::Bind { name, .. } = symbol {
                self.bound.insert(name.value.0.clone());
            }
        });
        symbols::of_result(step, &mut |_, symbol| {
            if let Symbol::Bind { name, .. } = symbol {
                self.bound_by_results.insert(name.value.0.clone());
            }
        });
        let (mine, other, what) = match step.kind() {
            Some(Kind::Actor(Party::Client, name)) => (&mut self.connections, &self.hosts, (name, "a host")),
            Some(Kind::Actor(Party::Host, name)) => {
                (&mut self.hosts, &self.connections, (name, "a connection"))
            }
            _ => return,
        };
        let (name, kind) = what;
        mine.insert(name.value.0.clone());
        if other.contains(&name.value.0) {
            self.mistakes.push((name.span, format!("`{}` is {kind} already", name.value)));
        }
    }
}

/// A bound value.
#[derive(Clone, Copy)]
struct Bound {
    span: Span,
    /// Whether it was bound once for each time of an `each`.
    many: bool,
}

/// What has happened before a step.
#[derive(Clone, Default)]
struct Scope<'a> {
    bound: BTreeMap<&'a str, Bound>,
    labels: BTreeMap<&'a str, Option<&'a Op>>,
    begun: BTreeSet<&'a str>,
    ended: BTreeSet<(Party, &'a str)>,
    groups: BTreeMap<&'a str, u32>,
    /// The names that stand for another one each time here.
    each: Vec<&'a str>,
}

struct Walker<'e> {
    role: Party,
    everywhere: &'e Everywhere,
    mistakes: Vec<Mistake>,
}

impl Walker<'_> {
    fn report(&mut self, span: Span, message: impl Into<String>) {
        self.mistakes.push((span, message.into()));
    }

    fn steps<'a>(&mut self, steps: &'a [Spot<Step>], scope: &mut Scope<'a>) {
        for step in steps {
            self.step(step, scope);
        }
    }

    fn step<'a>(&mut self, step: &'a Spot<Step>, scope: &mut Scope<'a>) {
        if let Some(since) = &step.since
            && !scope.labels.contains_key(since.value.0.as_str())
        {
            let message = self.unknown_step(&since.value.0);
            self.report(since.span, message);
        }
        match step.kind() {
            Some(Kind::Actor(party, name)) => self.actor(step, party, name, scope),
            Some(Kind::Result(name)) => self.result(step, &name.value.0, name.span, scope),
            Some(Kind::Parallel(branches)) => self.parallel(branches, scope),
            Some(Kind::Either(branches)) => self.either(branches, scope),
            Some(Kind::Each(each)) => self.each(each, scope),
            Some(Kind::Distinct(names)) => {
                for name in names {
                    match scope.bound.get(name.value.0.as_str()) {
                        None => self.unbound(&name.value.0, name.span),
                        Some(Bound { many: false, .. }) if names.len() == 1 => {
                            self.report(
                                name.span,
                                format!("`{}` is one value; it differs from nothing", name.value),
                            );
                        }
                        Some(_) => {}
                    }
                }
            }
            Some(Kind::Unpredictable(names)) => {
                for name in names {
                    match scope.bound.get(name.value.0.as_str()) {
                        None => self.unbound(&name.value.0, name.span),
                        Some(Bound { many: false, .. }) => {
                            let message =
                                format!("`{}` is one vector, of which nothing can be said", name.value);
                            self.report(name.span, message);
                        }
                        Some(_) => {}
                    }
                }
            }
            Some(Kind::Process(process)) => {
                [Some(&process.pid), process.group_of.as_ref()]
                    .into_iter()
                    .flatten()
                    .for_each(|value| self.value(value, scope));
            }
            _ => {}
        }
        if let Some(label) = &step.label {
            scope.labels.insert(&label.value.0, step.does.as_ref().map(|op| &op.value));
        }
    }

    fn unknown_step(&self, name: &str) -> String {
        match self.everywhere.labels.contains(name) {
            true => format!("step `{name}` has not happened before this one"),
            false => format!("there is no step of the name `{name}` (`as: {name}`)"),
        }
    }

    fn actor<'a>(&mut self, step: &'a Spot<Step>, party: Party, name: &'a Spot<Name>, scope: &mut Scope<'a>) {
        let text = name.value.0.as_str();
        if scope.groups.contains_key(text) && !scope.each.contains(&text) {
            self.report(
                name.span,
                format!("`{text}` stands for many; an `each` with `as: {text}` goes through them"),
            );
        }
        if party == Party::Agent && !scope.begun.contains(text) {
            let known = self.everywhere.connections.contains(text) || self.everywhere.hosts.contains(text);
            self.report(
                name.span,
                match known {
                    true => format!(
                        "`{text}` has not begun before this step: a client connects, or a host starts, first"
                    ),
                    false => format!("there is no connection `{text}`: no step is its client's"),
                },
            );
        }
        scope.begun.insert(text);
        if step.has_bytes() && scope.ended.contains(&(party, text)) {
            self.report(name.span, format!("the {party} has ended `{text}` before this step"));
        }
        if step.closes.is_some() || step.exits.is_some() || step.shutdown.is_some() || step.reset.is_some() {
            scope.ended.insert((party, text));
        }
        if step.part(self.role) == Part::Skips {
            return;
        }
        let is_told = party == Party::Host || self.role == Party::Client;
        if let (Some(op), true) = (&step.does, is_told) {
            op.values().into_iter().for_each(|value| self.value(value, scope));
        }
        if let Some(reported) = &step.reported {
            self.value(&reported.text, scope);
        }
        let mut found = Vec::new();
        symbols::of_bytes(step, &mut |span, symbol| found.push((span, symbol)));
        self.symbols(found, scope);
    }

    fn result<'a>(&mut self, step: &'a Spot<Step>, name: &str, span: Span, scope: &mut Scope<'a>) {
        match scope.labels.get(name) {
            None => {
                let message = self.unknown_step(name);
                self.report(span, message);
            }
            Some(None) => self.report(span, format!("step `{name}` has no `does`, so it has no result")),
            Some(Some(op)) => self.members(step, op),
        }
        if step.part(self.role) == Part::Skips {
            return;
        }
        let mut found = Vec::new();
        symbols::of_result(step, &mut |span, symbol| found.push((span, symbol)));
        self.symbols(found, scope);
    }

    /// The members that the result of an op can have.
    fn members(&mut self, step: &Step, op: &Op) {
        let Some(expected) = &step.is else { return };
        let given = expected.values().map(|(name, value)| (name, value.span));
        let given: Vec<_> = given.chain(expected.data.as_ref().map(|data| ("data", data.span))).collect();
        for (member, span) in given {
            if !op.result_members().contains(&member) {
                let has = match op.result_members() {
                    [] => "nothing".to_owned(),
                    members => members.join(", "),
                };
                self.report(span, format!("the result of `{}` has no `{member}`; it has {has}", op.name()));
            }
        }
    }

    fn value<'a>(&mut self, value: &'a Spot<Value>, scope: &mut Scope<'a>) {
        let mut found = Vec::new();
        value.symbols(&mut |span, symbol| found.push((span, symbol)));
        self.symbols(found, scope);
    }

    /// References and bindings in the order written.
    fn symbols<'a>(&mut self, found: Vec<(Span, &'a Symbol)>, scope: &mut Scope<'a>) {
        for (_, symbol) in found {
            match symbol {
                Symbol::Ref(name) => match scope.bound.get(name.value.0.as_str()) {
                    None => self.unbound(&name.value.0, name.span),
                    Some(Bound { many: true, .. }) if scope.each.is_empty() => {
                        let message = format!(
                            "`{}` is bound inside `each`, so it is many values; only `distinct` can name it here",
                            name.value
                        );
                        self.report(name.span, message);
                    }
                    Some(_) => {}
                },
                Symbol::Bind { name, .. } => {
                    let bound = Bound { span: name.span, many: !scope.each.is_empty() };
                    if scope.bound.insert(&name.value.0, bound).is_some() {
                        self.report(name.span, format!("`{}` is bound a second time", name.value));
                    }
                }
                _ => {}
            }
        }
    }

    fn unbound(&mut self, name: &str, span: Span) {
        let message = if self.everywhere.bound.contains(name) {
            format!(
                "`{name}` is not yet bound here: its `bind` comes later, or in a branch that may come later"
            )
        } else if self.everywhere.bound_by_results.contains(name) {
            format!(
                "`{name}` is bound by a `result` only, which is not there when the role is {}; bind it in bytes or frames",
                self.role
            )
        } else {
            format!("nothing binds `{name}`")
        };
        self.report(span, message);
    }

    /// Branches see what was before, not each other; afterwards all of it has happened.
    fn parallel<'a>(&mut self, branches: &'a [Spot<Branch>], scope: &mut Scope<'a>) {
        let mut after = scope.clone();
        for branch in branches {
            let mut inner = scope.clone();
            self.steps(&branch.0, &mut inner);
            for (name, bound) in inner.bound {
                let is_new = !scope.bound.contains_key(name);
                if after.bound.insert(name, bound).is_some() && is_new {
                    self.report(bound.span, format!("`{name}` is bound a second time"));
                }
            }
            after.labels.extend(inner.labels);
            after.begun.extend(inner.begun);
            after.ended.extend(inner.ended);
            after.groups.extend(inner.groups);
        }
        *scope = after;
    }

    /// One branch happens: afterwards only what all of them do is sure.
    fn either<'a>(&mut self, branches: &'a [Spot<Branch>], scope: &mut Scope<'a>) {
        let mut after: Option<Scope<'a>> = None;
        for branch in branches {
            let mut inner = scope.clone();
            self.steps(&branch.0, &mut inner);
            after = Some(match after {
                None => inner,
                Some(mut all) => {
                    all.bound.retain(|name, _| inner.bound.contains_key(name));
                    all.labels.retain(|name, _| inner.labels.contains_key(name));
                    all.begun.retain(|name| inner.begun.contains(name));
                    all.ended.retain(|end| inner.ended.contains(end));
                    all.groups.retain(|name, _| inner.groups.contains_key(name));
                    all
                }
            });
        }
        *scope = after.unwrap_or_default();
    }

    fn each<'a>(&mut self, each: &'a Each, scope: &mut Scope<'a>) {
        let name = each.name.value.0.as_str();
        match scope.groups.get(name) {
            Some(count) if *count != each.count.value => {
                let message = format!("`{name}` stands for {count} already, so `count` is {count} here too");
                self.report(each.count.span, message);
            }
            None if scope.begun.contains(name) => {
                self.report(
                    each.name.span,
                    format!("`{name}` is a connection or host already, a single one"),
                );
            }
            _ => {}
        }
        let mut used = false;
        walk(&each.steps, &mut |step| {
            used |= matches!(step.kind(), Some(Kind::Actor(_, actor)) if actor.value.0 == name);
        });
        if !used {
            self.report(each.name.span, format!("no step in this `each` is about `{name}`"));
        }
        scope.groups.insert(name, each.count.value);
        scope.each.push(name);
        self.steps(&each.steps, scope);
        scope.each.pop();
    }
}
