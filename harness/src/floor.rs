//! Floors: which cases of a subject ran once, so that none of them silently stops to.
//!
//! A floor is a file that people keep beside a manifest and look at in reviews, with a line for each case:
//!
//! ```yaml
//! format: 1
//! subjects:
//! - name: acme
//!   role: codec
//!   cases:
//!   - codec/guid/nil
//! ```
//!
//! A run is [compared](Floor::compare) with it: a case that is skipped, gone or otherwise did not run is missing,
//! whatever its outcome was before. A floor never shrinks by itself: [`Floor::raise`] adds to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::subject::Role;
use crate::yaml::{Source, Span, Spot, from_node, parse};

/// What a reader of the file must know.
const HEAD: &str = "\
# The cases that ran. `iaspec run --floor` with this file ends with exit code 4 when one of them does not run any more.
# A run with --update-floor adds the cases that it ran; to lower the floor, take lines out.
";

/// The cases that ran, by subject.
#[derive(Clone, Debug, Default)]
pub struct Floor {
    subjects: Vec<Recorded>,
    /// The file it was read from, and where its subjects stand there, for findings.
    place: Option<(Arc<Source>, Span)>,
}

/// The cases of one subject.
#[derive(Clone, Debug)]
struct Recorded {
    name: String,
    role: Role,
    cases: BTreeSet<String>,
}

/// What a run made of a subject's cases.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The subject's name.
    pub subject: String,
    /// Its role.
    pub role: Role,
    /// All cases that the run meant.
    pub cases: Vec<RanCase>,
}

/// What a run made of a case.
#[derive(Clone, Debug)]
pub struct RanCase {
    /// Its name.
    pub name: String,
    /// The name it had before.
    pub was: Option<String>,
    /// Why it did not run, where it did not.
    pub idle: Option<String>,
}

/// What became of the floor in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FloorReport {
    /// The file.
    pub path: String,
    /// What was done with it.
    pub action: FloorAction,
    /// How many cases it holds of the subjects of the run: of a recorded one those that ran, else those of before.
    pub cases: usize,
    /// How many other cases ran: an updated one holds them now, too.
    pub more: usize,
    /// Those of its cases that did not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingCase>,
}

/// What was done with a floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FloorAction {
    /// There was none; this run recorded it.
    Recorded,
    /// The run was compared with it.
    Compared,
    /// The run was compared with it, and cases were added.
    Updated,
    /// Nothing, for the run ended before all had run.
    Left,
}

/// A case of the floor that did not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingCase {
    /// The subject's name.
    pub subject: String,
    /// Its role.
    pub role: Role,
    /// The case, by its name in the floor.
    pub case: String,
    /// Why it did not run.
    pub why: String,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How many cases the floor holds of the subjects.
    pub cases: usize,
    /// How many other cases ran.
    pub more: usize,
    /// Those of the floor that did not run, by subject and name.
    pub missing: Vec<MissingCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: Spot<u32>,
    subjects: Spot<Vec<Subject>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    name: Spot<String>,
    role: Role,
    cases: Vec<Spot<String>>,
}

/// What is written: as it is read, but for the places.
#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    subjects: Vec<WrittenSubject<'a>>,
}

#[derive(Serialize)]
struct WrittenSubject<'a> {
    name: &'a str,
    role: Role,
    cases: &'a BTreeSet<String>,
}

impl<'a> From<&'a Recorded> for WrittenSubject<'a> {
    fn from(recorded: &'a Recorded) -> Self {
        Self { name: &recorded.name, role: recorded.role, cases: &recorded.cases }
    }
}

impl Floor {
    /// Reads a floor.
    ///
    /// # Errors
    ///
    /// What is wrong with it: no floor at all, another format, a subject or a case that stands there twice.
    pub fn parse(source: &Arc<Source>) -> Result<Self, Vec<Finding>> {
        let node = parse(source).map_err(|finding| vec![finding])?;
        let file: File = from_node(&node).map_err(|error| vec![Finding::typed(source, &error)])?;
        let mut findings = Vec::new();
        let mut report = |at: &Spot<String>, message| findings.push(Finding::new(source, at.span, message));
        let place = Some((Arc::clone(source), file.subjects.span));
        let mut floor = Self { subjects: Vec::new(), place };
        for Subject { name, role, cases } in file.subjects.value {
            if floor.of(&name.value, role).is_some() {
                report(&name, format!("a second list of cases of `{}`, role {role}", name.value));
            }
            let mut names = BTreeSet::new();
            for case in cases {
                if !names.insert(case.value.clone()) {
                    report(&case, format!("`{}` a second time", case.value));
                }
            }
            floor.subjects.push(Recorded { name: name.value, role, cases: names });
        }
        if file.format.value != 1 {
            findings.push(Finding::new(source, file.format.span, "this release reads floors of `format: 1`"));
        }
        if findings.is_empty() { Ok(floor) } else { Err(findings) }
    }

    fn of(&self, name: &str, role: Role) -> Option<&Recorded> {
        self.subjects.iter().find(|subject| subject.name == name && subject.role == role)
    }

    /// Why a subject cannot be compared with the floor: it holds nothing of that name and role. Nothing where it does.
    pub fn lacks(&self, name: &str, role: Role) -> Option<Finding> {
        let (source, span) = self.place.as_ref().filter(|_| self.of(name, role).is_none())?;
        let message = format!("this floor holds no cases of `{name}`, role {role}");
        let known: Vec<String> = self
            .subjects
            .iter()
            .map(|subject| format!("`{}`, role {}", subject.name, subject.role))
            .collect();
        let known =
            if known.is_empty() { "of nothing".to_owned() } else { format!("of {}", known.join("; ")) };
        let help = format!("it is one {known}; --update-floor adds the cases of another subject");
        Some(Finding::new(source, *span, message).help(help))
    }

    /// Compares what ran with the floor. Subjects of the floor that the run is not about are left alone.
    pub fn compare(&self, runs: &[Ran]) -> Comparison {
        let mut found = Comparison::default();
        for ran in runs {
            let none = BTreeSet::new();
            let floor = self.of(&ran.subject, ran.role).map_or(&none, |subject| &subject.cases);
            let known = by_any_name(&ran.cases);
            found.cases += floor.len();
            found.more += ran.cases.iter().filter(|case| case.idle.is_none() && !case.is_in(floor)).count();
            found.missing.extend(floor.iter().filter_map(|name| {
                let why = match known.get(name.as_str()) {
                    Some(RanCase { idle: None, .. }) => return None,
                    Some(RanCase { name: now, idle: Some(why), .. }) if now == name => why.clone(),
                    Some(RanCase { name: now, idle: Some(why), .. }) => format!("as `{now}`, {why}"),
                    None => gone(name, ran),
                };
                Some(MissingCase { subject: ran.subject.clone(), role: ran.role, case: name.clone(), why })
            }));
        }
        found
    }

    /// Adds what ran, and writes renamed cases by their new names. No case is taken away.
    pub fn raise(&mut self, runs: &[Ran]) {
        for ran in runs {
            let known = by_any_name(&ran.cases);
            let before = self.of(&ran.subject, ran.role).map(|subject| subject.cases.clone());
            let renamed = |name: String| known.get(name.as_str()).map_or(name, |case| case.name.clone());
            let mut cases: BTreeSet<String> = before.unwrap_or_default().into_iter().map(renamed).collect();
            cases.extend(ran.cases.iter().filter(|case| case.idle.is_none()).map(|case| case.name.clone()));
            self.subjects.retain(|subject| (&subject.name, subject.role) != (&ran.subject, ran.role));
            self.subjects.push(Recorded { name: ran.subject.clone(), role: ran.role, cases });
        }
    }

    /// The text of the file: subjects by their names and roles, cases by their names.
    ///
    /// # Errors
    ///
    /// What the writer of YAML says, of which nothing is known that a floor could be the reason of.
    pub fn render(&self) -> Result<String, String> {
        let mut subjects: Vec<WrittenSubject<'_>> = self.subjects.iter().map(WrittenSubject::from).collect();
        subjects.sort_by_key(|subject| (subject.name, subject.role.to_string()));
        let body = serde_yaml::to_string(&Written { format: 1, subjects });
        body.map(|body| format!("{HEAD}{body}")).map_err(|error| error.to_string())
    }
}

impl RanCase {
    fn is_in(&self, floor: &BTreeSet<String>) -> bool {
        floor.contains(&self.name) || self.was.as_ref().is_some_and(|was| floor.contains(was))
    }
}

/// Cases by their names and by those they had before; a present name goes before a former one.
fn by_any_name(cases: &[RanCase]) -> BTreeMap<&str, &RanCase> {
    let former = cases.iter().filter_map(|case| Some((case.was.as_deref()?, case)));
    former.chain(cases.iter().map(|case| (case.name.as_str(), case))).collect()
}

/// Why a case that the run does not know did not run.
fn gone(name: &str, ran: &Ran) -> String {
    let split = |name: &str| {
        let (case, mode) = name.split_once('@').unwrap_or((name, "none"));
        (case.to_owned(), mode.to_owned())
    };
    let (case, mode) = split(name);
    let in_another_mode = |other: &RanCase| {
        split(&other.name).0 == case || other.was.as_ref().is_some_and(|was| split(was).0 == case)
    };
    if ran.cases.iter().any(in_another_mode) {
        format!("not run in mode {mode}: the manifest does not list it under supports.encryption")
    } else {
        format!("there is no such case of role {}", ran.role)
    }
}

impl MissingCase {
    /// The case and why it did not run, in one line.
    pub fn line(&self) -> String {
        format!("{} ({}, role {}): {}", self.case, self.subject, self.role, self.why)
    }
}

impl FloorReport {
    /// Whether a case of the floor did not run.
    pub fn is_broken(&self) -> bool {
        !self.missing.is_empty()
    }

    /// What became of the floor, but for the cases that are missing; a line each.
    pub fn lines(&self) -> Vec<String> {
        let Self { path, cases, more, .. } = self;
        let amount =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let held = match (self.missing.len(), *cases) {
            (_, 0) => None,
            (0, cases) => Some(format!("all {} of {path} ran", amount(cases, "case"))),
            (missing, cases) => Some(format!("{missing} of {} of {path} did not run", amount(cases, "case"))),
        };
        let more = (*more > 0).then(|| amount(*more, "more case"));
        match self.action {
            FloorAction::Recorded => vec![format!("{} recorded in {path}", amount(*cases, "case"))],
            FloorAction::Left => {
                vec![format!("the run ended early, so {path} was neither compared nor written")]
            }
            FloorAction::Compared => {
                let more = more.map(|more| format!("{more} ran; --update-floor adds what is new to {path}"));
                held.into_iter().chain(more).collect()
            }
            FloorAction::Updated => {
                let more = more.map(|more| format!("{more} ran; {path} has what is new now"));
                held.into_iter().chain(more).collect()
            }
        }
    }
}
