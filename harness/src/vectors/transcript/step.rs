//! The steps of a transcript.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::data::{Data, FieldsBeside, Frame, Wire};
use super::entry::Party;
use super::op::{ErrorKinds, Expected, Op};
use super::scalars::{Name, Yes};
use super::start::{Breaks, Exits, Reported};
use super::world::{Files, Memory, Process, Segments, Subject};
use crate::terms::TimeSpan;
use crate::yaml::{Span, Spot};

/// One step: what a party does, what an op gives back, how steps go together, or what the world around the
/// conversation looks like. Exactly one of `client`, `agent`, `host`, `result`, `parallel`, `either`, `each`,
/// `distinct`, `unpredictable`, `subject`, `process`, `files`, `segments` and `memory` says which.
///
/// The party that is tested is watched: what a step says of it must happen. The others are played.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a step: a mapping such as {agent: a, frames: […]}")]
pub struct Step {
    /// What a client does on a connection, which has this name. Its first step opens the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Spot<Name>>,
    /// What the agent does on a connection of this name, or towards a host of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Spot<Name>>,
    /// What a product host does, which has this name. Its first step starts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Spot<Name>>,

    /// What the client is told to do when clients are tested; how a host is started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub does: Option<Spot<Op>>,
    /// A name for this step, for `result` and `since`.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub label: Option<Spot<Name>>,
    /// Handshake and acknowledgement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Spot<Data>>,
    /// Messages in plaintext, in order. Where `bytes` stand in the same step, they come first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<Spot<Vec<Spot<Frame>>>>,
    /// Raw bytes below AES and TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wire: Option<Spot<Wire>>,
    /// What the hexadecimal bytes beside it mean; they must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Spot<FieldsBeside>>,

    /// How many bytes a write has, and how long the pause between two is, when this side is played.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace: Option<Spot<Pace>>,
    /// After its bytes the played side sends no more (FIN, towards a host by closing its ring), but goes on reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<Spot<Yes>>,
    /// After its bytes the played side breaks the connection off (RST); an agent towards a host is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<Spot<Yes>>,
    /// The address of this machine from which the played client connects, such as 127.0.0.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Spot<String>>,

    /// Nothing comes from this party for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Spot<Quiet>>,
    /// This party ends the connection, after its bytes. Of an agent towards a host: it asks the host to finish
    /// (state 2); of a host: it is done (state 3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closes: Option<Spot<Closes>>,
    /// What an agent that breaks its promises does to the segment, after its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaks: Option<Spot<Breaks>>,
    /// The process of this host ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exits: Option<Spot<Exits>>,

    /// What this host has reported is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<Spot<Reported>>,

    /// By when all of it must have happened: the bytes, or in a step without bytes the end of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Spot<TimeSpan>>,
    /// Before this, nothing of it may have happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Spot<TimeSpan>>,
    /// The step from whose end times count; the previous one of this connection unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Spot<Name>>,

    /// The step whose op this is the result of. Checked when clients are tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Spot<Name>>,
    /// What the op gives back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<Spot<Expected>>,
    /// The error kind that the op ends in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fails: Option<Spot<ErrorKinds>>,

    /// Branches, each a list of steps, that go on at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<Spot<Vec<Spot<Branch>>>>,
    /// Branches, each a list of steps, one of which happens; played is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub either: Option<Spot<Vec<Spot<Branch>>>>,
    /// Steps that happen many times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<Spot<Each>>,
    /// Bound values no two of which may be the same; a name bound inside `each` stands for all that were bound to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct: Option<Spot<Vec<Spot<Name>>>>,

    /// Vectors of AES that were bound inside `each`, 60 and more of each name, and that nobody may foresee: none comes
    /// twice, none counts, and about half of all bits differ from one to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpredictable: Option<Spot<Vec<Spot<Name>>>>,

    /// The subject is started, stopped or started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Spot<Subject>>,
    /// Whether a process is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Spot<Process>>,
    /// Which files are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Spot<Files>>,
    /// Which shared-memory segments are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<Spot<Segments>>,
    /// How much memory the subject takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Spot<Memory>>,

    /// The clause that this step tests, where it is not the case as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clause: Option<Spot<String>>,
}

/// How a played side sends.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{bytes: NUMBER, pause: TIME}")]
pub struct Pace {
    /// Bytes a write.
    pub bytes: Spot<u32>,
    /// The pause between two writes; none unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<TimeSpan>,
}

/// A silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{for: TIME}")]
pub struct Quiet {
    /// How long it lasts.
    #[serde(rename = "for")]
    pub lasts: TimeSpan,
}

/// The end of a connection.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "{how, within, not_before}, or {} for any end")]
pub struct Closes {
    /// Which end it must be; any unless given. Played, any is a FIN.
    pub how: CloseKind,
    /// By when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Spot<TimeSpan>>,
    /// Not earlier than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Spot<TimeSpan>>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseKind {
    /// FIN or RST.
    #[default]
    Any,
    /// FIN: only where no data is left unread.
    Fin,
    /// RST.
    Rst,
}

/// The steps of one branch.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Branch(pub Vec<Spot<Step>>);

impl<'de> Deserialize<'de> for Branch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Branch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a branch, which is a list of steps")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Branch, A::Error> {
                let mut steps = Vec::new();
                while let Some(step) = access.next_element()? {
                    steps.push(step);
                }
                Ok(Branch(steps))
            }
        }
        deserializer.deserialize_any(List)
    }
}

/// Steps that happen many times, one time after the other.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{count: NUMBER, as: NAME, steps: […]}")]
pub struct Each {
    /// How many times: 1 to 10000.
    pub count: Spot<u32>,
    /// The name that, as the name of a connection or host in these steps, stands for another one each time. A later
    /// `each` of the same name and count goes through the same ones.
    #[serde(rename = "as")]
    pub name: Spot<Name>,
    /// All times at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<Yes>,
    /// What happens.
    pub steps: Vec<Spot<Step>>,
}

/// Which kind of step a step is, with what makes it one.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// What a party does on a connection or host of a name.
    Actor(Party, &'a Spot<Name>),
    /// What the op of a step gives back.
    Result(&'a Spot<Name>),
    /// Branches at the same time.
    Parallel(&'a [Spot<Branch>]),
    /// Branches one of which happens.
    Either(&'a [Spot<Branch>]),
    /// Steps many times.
    Each(&'a Each),
    /// Bound values that differ.
    Distinct(&'a [Spot<Name>]),
    /// Bound vectors that nobody may foresee.
    Unpredictable(&'a [Spot<Name>]),
    /// The subject is started or stopped.
    Subject(&'a Subject),
    /// A process.
    Process(&'a Process),
    /// Files.
    Files(&'a Files),
    /// Segments.
    Segments(Segments),
    /// Memory.
    Memory(&'a Memory),
}

impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Actor(party, _) => party.name(),
            Kind::Result(_) => "result",
            Kind::Parallel(_) => "parallel",
            Kind::Either(_) => "either",
            Kind::Each(_) => "each",
            Kind::Distinct(_) => "distinct",
            Kind::Unpredictable(_) => "unpredictable",
            Kind::Subject(_) => "subject",
            Kind::Process(_) => "process",
            Kind::Files(_) => "files",
            Kind::Segments(_) => "segments",
            Kind::Memory(_) => "memory",
        })
    }
}

/// What a harness that tests one party does about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It does what the step says.
    Plays,
    /// It watches the subject do it, having told it to where the step says `does`.
    Checks,
    /// Nothing: the step is about somebody who is not there.
    Skips,
    /// What it does about the steps inside.
    Inside,
}

impl Step {
    /// All kinds that the step's members name, with the place of what makes it one. A valid step has one.
    pub fn kinds(&self) -> impl Iterator<Item = (Kind<'_>, Span)> {
        fn actor(party: Party, name: &Option<Spot<Name>>) -> Option<(Kind<'_>, Span)> {
            name.as_ref().map(|name| (Kind::Actor(party, name), name.span))
        }
        [
            actor(Party::Client, &self.client),
            actor(Party::Agent, &self.agent),
            actor(Party::Host, &self.host),
            self.result.as_ref().map(|name| (Kind::Result(name), name.span)),
            self.parallel.as_ref().map(|branches| (Kind::Parallel(branches), branches.span)),
            self.either.as_ref().map(|branches| (Kind::Either(branches), branches.span)),
            self.each.as_ref().map(|each| (Kind::Each(each), each.span)),
            self.distinct.as_ref().map(|names| (Kind::Distinct(names), names.span)),
            self.unpredictable.as_ref().map(|names| (Kind::Unpredictable(names), names.span)),
            self.subject.as_ref().map(|subject| (Kind::Subject(subject), subject.span)),
            self.process.as_ref().map(|process| (Kind::Process(process), process.span)),
            self.files.as_ref().map(|files| (Kind::Files(files), files.span)),
            self.segments.as_ref().map(|segments| (Kind::Segments(segments.value), segments.span)),
            self.memory.as_ref().map(|memory| (Kind::Memory(memory), memory.span)),
        ]
        .into_iter()
        .flatten()
    }

    /// Which kind of step it is; `None` when its members name none.
    pub fn kind(&self) -> Option<Kind<'_>> {
        // Asked for each step of each execution: the usual kinds first.
        match (&self.client, &self.agent) {
            (Some(name), _) => Some(Kind::Actor(Party::Client, name)),
            (None, Some(name)) => Some(Kind::Actor(Party::Agent, name)),
            (None, None) => self.kinds().next().map(|(kind, _)| kind),
        }
    }

    /// Whether it puts bytes on a connection.
    pub fn has_bytes(&self) -> bool {
        self.bytes.is_some() || self.frames.is_some() || self.wire.is_some()
    }

    /// Before and by when this party must end the connection: as `closes` says, or in a step without bytes
    /// as the step itself says.
    pub fn end_times(&self) -> (Option<TimeSpan>, Option<TimeSpan>) {
        let Some(closes) = &self.closes else { return (None, None) };
        let inside = closes.within.is_some() || closes.not_before.is_some();
        let (not_before, within) = if inside || self.has_bytes() {
            (&closes.not_before, &closes.within)
        } else {
            (&self.not_before, &self.within)
        };
        (not_before.as_ref().map(|time| time.value), within.as_ref().map(|time| time.value))
    }

    /// What a harness that tests `tested` does about this step.
    pub fn part(&self, tested: Party) -> Part {
        match self.kind() {
            None => Part::Skips,
            Some(Kind::Actor(party, _)) if party == tested => Part::Checks,
            // What a played client is told matters only where it sends nothing by itself.
            Some(Kind::Actor(Party::Client, _)) if !self.is_more_than_told() => {
                let closes = matches!(self.does.as_ref().map(|op| &op.value), Some(Op::Close(_)));
                if closes { Part::Plays } else { Part::Skips }
            }
            Some(Kind::Actor(..)) => Part::Plays,
            Some(Kind::Result(_)) if tested == Party::Client => Part::Checks,
            Some(Kind::Result(_)) => Part::Skips,
            Some(Kind::Parallel(_) | Kind::Either(_) | Kind::Each(_)) => Part::Inside,
            Some(Kind::Subject(_)) => Part::Plays,
            Some(_) => Part::Checks,
        }
    }

    /// Whether the step says more than what a client is told to do.
    fn is_more_than_told(&self) -> bool {
        self.has_bytes()
            || self.shutdown.is_some()
            || self.reset.is_some()
            || self.closes.is_some()
            || self.quiet.is_some()
            || self.does.is_none()
    }

    /// The steps inside, branch by branch.
    pub fn branches(&self) -> Vec<&[Spot<Step>]> {
        match self.kind() {
            Some(Kind::Parallel(branches) | Kind::Either(branches)) => {
                branches.iter().map(|branch| branch.value.0.as_slice()).collect()
            }
            Some(Kind::Each(each)) => vec![&each.steps],
            _ => Vec::new(),
        }
    }
}

/// Calls a function for each step, those inside others included, in the order written.
pub fn walk<'a>(steps: &'a [Spot<Step>], visit: &mut dyn FnMut(&'a Spot<Step>)) {
    for step in steps {
        visit(step);
        for branch in step.branches() {
            walk(branch, visit);
        }
    }
}
