//! The catalogue: which mistakes there are, what they break, and where they show.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use iaspec_harness::clauses::Clauses;
use iaspec_harness::finding::Finding;
use iaspec_harness::select::Pattern;
use iaspec_harness::subject::Role;
use iaspec_harness::subject::manifest::Setting;
use iaspec_harness::terms::{Encryption, Feature, word};
use iaspec_harness::vectors::Corpus;
use iaspec_harness::verdict::Outcome;
use iaspec_harness::yaml::{Source, Spot, from_node, parse};
use iaspec_reference::faults;
use serde::Deserialize;

/// The file, by its path in the repository.
const FILE: (&str, &str) =
    ("agent-under-test/faults.yaml", include_str!("../../../../../agent-under-test/faults.yaml"));

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: Spot<u32>,
    faults: Vec<Fault>,
    empty: Vec<Empty>,
}

/// An implementation that is none.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Empty {
    /// What it is called, for ever.
    pub(crate) name: Spot<String>,
    /// What it would have to be.
    pub(crate) role: Role,
    /// What it does instead.
    pub(crate) does: String,
    /// The cases that it runs against where not all are asked for: globs over their names. None means all.
    #[serde(default)]
    pub(crate) shows: Vec<Spot<String>>,
}

/// The whole catalogue.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue {
    pub(crate) faults: Vec<Fault>,
    pub(crate) empty: Vec<Empty>,
}

/// One realistic mistake.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// What it is called, for ever.
    pub(crate) name: Spot<String>,
    /// The role whose implementer makes it.
    pub(crate) role: Role,
    /// The clauses that it breaks.
    pub(crate) clauses: Vec<Spot<String>>,
    /// What the implementer got wrong.
    pub(crate) mistake: String,
    /// Where it shows: globs over case names.
    pub(crate) shows: Vec<Spot<String>>,
    /// In which modes of encryption it is looked for.
    #[serde(default = "in_clear")]
    pub(crate) modes: Vec<Encryption>,
    /// Whether it shows in cases alone that take long.
    #[serde(default)]
    pub(crate) slow: bool,
    /// The claim of a manifest that is not true of it.
    #[serde(default)]
    pub(crate) belies: Option<Claim>,
    /// What else it breaks, and why that cannot be otherwise.
    #[serde(default)]
    pub(crate) also: Vec<Also>,
}

/// What a manifest can claim of an agent: one of the two.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Claim {
    /// Under `supports.settings`.
    pub(crate) setting: Option<Setting>,
    /// Under `supports.features`.
    pub(crate) feature: Option<Feature>,
}

impl Claim {
    /// All that there are.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let setting = |setting| Self { setting: Some(setting), feature: None };
        let feature = |feature| Self { setting: None, feature: Some(feature) };
        Setting::ALL.into_iter().map(setting).chain(Feature::ALL.into_iter().map(feature))
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.setting, self.feature) {
            (Some(setting), _) => write!(f, "supports.settings: {}", word(&setting)),
            (None, Some(feature)) => write!(f, "supports.features: {}", word(&feature)),
            (None, None) => f.write_str("nothing"),
        }
    }
}

fn in_clear() -> Vec<Encryption> {
    vec![Encryption::None]
}

/// Clauses that a fault breaks beside its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Also {
    /// Which: `all` if nothing works any more.
    pub(crate) clauses: Vec<Spot<String>>,
    /// Why.
    pub(crate) because: String,
}

impl Catalogue {
    /// Refuses a name that nothing has.
    pub(crate) fn knows(&self, name: &str) -> Result<(), String> {
        let faults = self.faults.iter().map(|fault| &fault.name);
        let mut names = faults.chain(self.empty.iter().map(|empty| &empty.name));
        let found = names.any(|known| known.value == name);
        found
            .then_some(())
            .ok_or_else(|| format!("there is no fault `{name}` (`iaspec faults --list` lists all)"))
    }

    /// Leaves those of some names and roles; none given means all.
    pub(crate) fn narrow(&mut self, names: &[String], roles: &[Role]) {
        let wanted = |name: &Spot<String>, role: Role| {
            (names.is_empty() || names.contains(&name.value)) && (roles.is_empty() || roles.contains(&role))
        };
        self.faults.retain(|fault| wanted(&fault.name, fault.role));
        self.empty.retain(|empty| wanted(&empty.name, empty.role));
    }
}

impl Fault {
    /// Whether it breaks a clause.
    pub(crate) fn breaks(&self, clause: &str) -> bool {
        self.clauses.iter().any(|own| own.value == clause)
    }

    /// Whether one of the clauses of a case is one that it breaks.
    pub(crate) fn is_about(&self, clauses: &[String]) -> bool {
        self.clauses.iter().any(|own| clauses.contains(&own.value))
    }

    /// Whether a result counts as a kill at the weight of the fault: of one of its gravest clauses, that the case cites.
    pub(crate) fn is_killed_by(&self, cited: &[String], outcome: Outcome, clauses: &Clauses) -> bool {
        let tiers = self.clauses.iter().map(|own| clauses.tier(&own.value));
        let Some(gravest) = tiers.map(Outcome::of_failure).min() else { return false };
        let own = self.clauses.iter().filter(|own| cited.contains(&own.value));
        let weighs = own.map(|own| Outcome::of_failure(clauses.tier(&own.value)));
        outcome <= gravest && weighs.into_iter().any(|weight| weight == gravest)
    }

    /// Why a case may fail that is not about it, if the catalogue says so.
    pub(crate) fn excuse(&self, clauses: &[String]) -> Option<&str> {
        let excuses = |also: &&Also| {
            also.clauses.iter().any(|other| other.value == "all" || clauses.contains(&other.value))
        };
        self.also.iter().find(excuses).map(|also| also.because.as_str())
    }

    /// Where it shows.
    pub(crate) fn patterns(&self) -> Vec<Pattern> {
        patterns(&self.shows)
    }
}

impl Empty {
    /// What it runs against.
    pub(crate) fn patterns(&self) -> Vec<Pattern> {
        patterns(&self.shows)
    }
}

fn patterns(shows: &[Spot<String>]) -> Vec<Pattern> {
    // Those that are none were found when the catalogue was read.
    shows.iter().filter_map(|text| Pattern::new(text).ok()).collect()
}

/// Reads the catalogue and compares it with the vectors and with the faults that there are.
pub(crate) fn read(corpus: &Corpus) -> Result<Catalogue, Vec<Finding>> {
    let source = Source::new(FILE.0, FILE.1);
    let file: File = parse(&source)
        .and_then(|node| from_node(&node).map_err(|error| Finding::typed(&source, &error)))
        .map_err(|finding| vec![finding])?;
    let findings = mistakes(&source, &file, corpus);
    let File { faults, empty, .. } = file;
    if findings.is_empty() { Ok(Catalogue { faults, empty }) } else { Err(findings) }
}

fn mistakes(source: &Arc<Source>, file: &File, corpus: &Corpus) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report =
        |at: &Spot<String>, message: String| findings.push(Finding::new(source, at.span, message));
    let mut names = BTreeSet::new();
    for fault in &file.faults {
        if !names.insert((fault.role.to_string(), fault.name.value.as_str())) {
            report(&fault.name, format!("the fault {} stands here twice", fault.name.value));
        }
        if !known(fault.role).any(|name| name == fault.name.value) {
            report(&fault.name, format!("nothing has the fault {} of a {}", fault.name.value, fault.role));
        }
        if fault.clauses.is_empty() {
            report(&fault.name, format!("the fault {} breaks no clause", fault.name.value));
        }
        let others = fault.also.iter().flat_map(|also| &also.clauses).filter(|other| other.value != "all");
        for clause in fault.clauses.iter().chain(others) {
            if let Some(message) = corpus.clauses.no_such(clause) {
                report(clause, message);
            }
        }
    }
    let shows = file.faults.iter().flat_map(|fault| &fault.shows);
    for text in shows.chain(file.empty.iter().flat_map(|empty| &empty.shows)) {
        if let Err(message) = Pattern::new(text) {
            report(text, message);
        }
    }
    for empty in &file.empty {
        if !names.insert((empty.role.to_string(), empty.name.value.as_str())) {
            report(&empty.name, format!("{} stands here twice", empty.name.value));
        }
        if !known(empty.role).any(|name| name == empty.name.value) {
            report(&empty.name, format!("there is no {} that is {}", empty.role, empty.name.value));
        }
    }
    let at = Spot { value: String::new(), span: file.format.span };
    for role in [Role::Agent, Role::Client, Role::Host, Role::Codec] {
        let listed = |name: &&str| names.contains(&(role.to_string(), *name));
        for name in known(role).filter(|name| !listed(name)) {
            report(&at, format!("the fault {name} of a {role} is not described"));
        }
    }
    findings
}

/// The faults that the reference can have in a role.
fn known(role: Role) -> Box<dyn Iterator<Item = &'static str>> {
    match role {
        Role::Agent => Box::new(faults::agent::names()),
        Role::Client => Box::new(faults::client::names()),
        Role::Codec => Box::new(faults::codec::names()),
        Role::Host => Box::new(faults::host::names()),
    }
}
