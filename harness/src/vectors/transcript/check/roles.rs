//! Whom a transcript can test.

use super::super::entry::Party;
use super::super::step::{Kind, Step, walk};
use super::super::{Mistake, TranscriptCase};
use crate::yaml::{Span, Spot};

/// The parties that the steps can test.
pub(in super::super) fn possible(steps: &[Spot<Step>]) -> Vec<Party> {
    Party::ALL.into_iter().filter(|party| obstacle(steps, *party).is_none()).collect()
}

/// Roles that are given although they cannot be run, or a transcript that tests nobody.
pub(super) fn mistakes(case: &TranscriptCase) -> Vec<Mistake> {
    let steps = case.steps();
    match &case.entry.roles {
        Some(roles) => given(roles, steps),
        None if case.roles.is_empty() => {
            let why: Vec<String> = [Party::Agent, Party::Client]
                .into_iter()
                .filter_map(|party| {
                    let why = obstacle(steps, party)?.1;
                    Some(format!("{} {party}: {why}", if party == Party::Agent { "an" } else { "a" }))
                })
                .collect();
            vec![(case.entry.id.span, format!("this transcript can test nobody; {}", why.join("; ")))]
        }
        None => Vec::new(),
    }
}

fn given(roles: &Spot<Vec<Spot<Party>>>, steps: &[Spot<Step>]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if roles.is_empty() {
        mistakes.push((roles.span, "`roles` lists at least one role".to_owned()));
    }
    for (at, role) in roles.iter().enumerate() {
        if roles[..at].iter().any(|earlier| earlier.value == role.value) {
            mistakes.push((role.span, format!("role `{}` stands here twice", role.value)));
        } else if let Some((_, why)) = obstacle(steps, role.value) {
            mistakes.push((role.span, format!("role `{}` cannot be run: {why}", role.value)));
        }
    }
    mistakes
}

/// Why the steps cannot test a party.
fn obstacle(steps: &[Spot<Step>], party: Party) -> Option<Mistake> {
    let mut obstacle = None;
    let mut seen = Seen::default();
    walk(steps, &mut |step| {
        seen.step(step, party);
        if obstacle.is_none() {
            obstacle = of_step(step, party).map(|why| (step.span, why));
        }
    });
    obstacle.or_else(|| seen.obstacle(party).map(|why| (Span::default(), why)))
}

/// What there is among the steps.
#[derive(Default)]
struct Seen {
    checked: bool,
    told: bool,
    clients: bool,
    starts: bool,
}

impl Seen {
    fn step(&mut self, step: &Step, party: Party) {
        match step.kind() {
            Some(Kind::Actor(actor, _)) => {
                self.checked |= actor == party;
                self.clients |= actor == Party::Client;
                self.told |= actor == party && step.does.is_some();
            }
            Some(Kind::Process(_) | Kind::Files(_) | Kind::Segments(_) | Kind::Memory(_)) => {
                self.checked |= party == Party::Agent
            }
            Some(Kind::Subject(subject)) => self.starts |= subject.start.is_some(),
            _ => {}
        }
    }

    fn obstacle(&self, party: Party) -> Option<String> {
        match party {
            Party::Agent if !self.checked && !self.starts => Some("no step is the agent's".to_owned()),
            Party::Agent if !self.clients && !self.starts => Some("no client connects to it".to_owned()),
            Party::Client if !self.told => Some("no step tells a client what to do (`does`)".to_owned()),
            Party::Host if !self.checked => Some("no step is a host's".to_owned()),
            Party::Host if !self.told => Some("no step starts a host (`does: {start: …}`)".to_owned()),
            _ => None,
        }
    }
}

/// Why one step cannot be run when a party is tested.
fn of_step(step: &Step, party: Party) -> Option<String> {
    let Some(Kind::Actor(actor, name)) = step.kind() else { return of_world(step, party) };
    let op = step.does.as_ref().map(|op| &op.value);
    let why = match (party, actor) {
        (Party::Agent, Party::Client) => match op {
            Some(op) if op.sends() && !step.has_bytes() => {
                format!("`{}` of client `{}` has no bytes that could be sent", op.name(), name.value)
            }
            _ => return None,
        },
        (Party::Client, Party::Host) => {
            format!("host `{}` is no part of a client's conversation", name.value)
        }
        (Party::Host, Party::Client) => {
            format!("client `{}` is no part of a host's conversation", name.value)
        }
        (Party::Client, Party::Client) if step.has_bytes() && op.is_none() => {
            format!("client `{}` sends bytes without being told what to do (`does`)", name.value)
        }
        (tested, actor) if tested == actor => of_watched(step)?,
        _ => return None,
    };
    Some(why)
}

/// What can be done only where the party is played.
fn of_watched(step: &Step) -> Option<String> {
    let member = match step {
        Step { shutdown: Some(_), .. } => "shutdown",
        Step { reset: Some(_), .. } => "reset",
        Step { from: Some(_), .. } => return Some("`from` is for a client that is played".to_owned()),
        _ => return None,
    };
    Some(format!("`{member}` is for a party that is played; what is watched is `closes`"))
}

fn of_world(step: &Step, party: Party) -> Option<String> {
    let kind = step.kind()?;
    let agents_only =
        matches!(kind, Kind::Files(_) | Kind::Segments(_) | Kind::Process(_) | Kind::Subject(_));
    (agents_only && party == Party::Client).then(|| format!("`{kind}` is about an agent"))
}
