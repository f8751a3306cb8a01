//! The protocol's clauses: what cases cite, and what decides how grave a failure is.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::yaml::{Source, Spot, from_node, parse};

/// How a clause is known, and so what breaking it means, from the gravest to the mildest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Tier {
    /// Documented: the published pages say so.
    D,
    /// Regression: the release notes say that this was broken and is fixed.
    R,
    /// Contract: the subject claims to follow an interface of this harness. Breaking it is a failure, but no
    /// non-conformance with the protocol.
    C,
    /// Inferred: the pages leave it open; this is a reading of them.
    I,
    /// Hardening: not in the pages, any careful implementer would do it.
    H,
}

impl Tier {
    /// The tier's name.
    pub fn name(self) -> &'static str {
        match self {
            Tier::D => "documented",
            Tier::R => "regression",
            Tier::C => "contract",
            Tier::I => "inferred",
            Tier::H => "hardening",
        }
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

impl std::str::FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "D" | "d" => Ok(Tier::D),
            "R" | "r" => Ok(Tier::R),
            "C" | "c" => Ok(Tier::C),
            "I" | "i" => Ok(Tier::I),
            "H" | "h" => Ok(Tier::H),
            other => Err(format!(
                "`{other}` is not a tier; there are D (documented), R (regression), C (contract), I (inferred) and H (hardening)"
            )),
        }
    }
}

/// One numbered sentence of the protocol.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// Its name for ever, such as `HS-3`.
    pub id: Spot<String>,
    /// Two to six words.
    pub title: String,
    /// How it is known.
    pub tier: Tier,
    /// Further tiers, where several sources speak of it.
    #[serde(default)]
    pub also: Vec<Tier>,
    /// Keys of [`Clauses::sources`], followed by what to look up there (`RN 41`).
    pub sources: Vec<Spot<String>>,
    /// What it demands.
    pub text: String,
    /// Why no test can observe it, where that is so.
    #[serde(default)]
    pub untestable: Option<String>,
}

impl Clause {
    /// All its tiers, the deciding one first.
    pub fn tiers(&self) -> impl Iterator<Item = Tier> + '_ {
        std::iter::once(self.tier).chain(self.also.iter().copied())
    }
}

/// A property of the protocol itself that no implementation can mend, or a mistake of the pages.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// Its name, such as `NEG-H1` or `E2`.
    pub id: Spot<String>,
    /// Two to six words.
    pub title: String,
    /// What it is about.
    pub text: String,
}

/// A published text that clauses rest on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceText {
    /// Its title.
    pub title: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: Spot<u32>,
    sources: IndexMap<String, SourceText>,
    clauses: Vec<Clause>,
    hazards: Vec<Remark>,
    errata: Vec<Remark>,
}

/// All clauses, in the order of the protocol.
#[derive(Clone, Debug, Default)]
pub struct Clauses {
    clauses: Vec<Clause>,
    index: HashMap<String, usize>,
    /// What the clauses rest on, by short name.
    pub sources: IndexMap<String, SourceText>,
    /// Properties of the protocol to show, not to hide.
    pub hazards: Vec<Remark>,
    /// Mistakes of the published pages.
    pub errata: Vec<Remark>,
}

impl Clauses {
    /// Reads `clauses.yaml`.
    ///
    /// # Errors
    ///
    /// Findings for text that is not such a file, for an id that occurs twice and for a source that
    /// is not listed.
    pub fn read(source: &Arc<Source>) -> Result<Self, Vec<Finding>> {
        let node = parse(source).map_err(|finding| vec![finding])?;
        let file: File = from_node(&node).map_err(|error| vec![Finding::typed(source, &error)])?;
        let mut findings = Vec::new();
        if file.format.value != 1 {
            findings.push(Finding::new(source, file.format.span, "this release reads `format: 1`"));
        }
        let mut index = HashMap::new();
        for (at, clause) in file.clauses.iter().enumerate() {
            if index.insert(clause.id.value.clone(), at).is_some() {
                findings.push(Finding::new(
                    source,
                    clause.id.span,
                    format!("clause {} stands here twice", *clause.id),
                ));
            }
            for cited in &clause.sources {
                let key = cited.split(' ').next().unwrap_or_default();
                if !file.sources.contains_key(key) {
                    let message = format!("source `{key}` is not listed under `sources`");
                    findings.push(Finding::new(source, cited.span, message));
                }
            }
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let File { sources, clauses, hazards, errata, .. } = file;
        Ok(Self { clauses, index, sources, hazards, errata })
    }

    /// The clause of a name.
    pub fn get(&self, id: &str) -> Option<&Clause> {
        self.index.get(id).map(|&at| &self.clauses[at])
    }

    /// All clauses in the order of the protocol.
    pub fn iter(&self) -> impl Iterator<Item = &Clause> {
        self.clauses.iter()
    }

    /// Why a text names neither a clause nor a group of clauses such as DAT, with what may have been meant instead;
    /// nothing where it does.
    pub fn no_such(&self, name: &str) -> Option<String> {
        let group = format!("{name}-");
        if self.iter().any(|known| known.id.value == name || known.id.starts_with(&group)) {
            return None;
        }
        let near = self.nearest(name).map_or(String::new(), |near| format!("; did you mean {near}?"));
        Some(format!("there is no clause `{name}`{near} (`iaspec explain` lists all)"))
    }

    /// The name of the clause nearest in spelling, to be suggested for one that does not exist.
    pub fn nearest(&self, id: &str) -> Option<&str> {
        let wanted = id.to_uppercase().replace('_', "-");
        let distance = |clause: &&Clause| strsim::damerau_levenshtein(&wanted, &clause.id);
        self.clauses
            .iter()
            .min_by_key(distance)
            .filter(|c| distance(c) <= 2)
            .map(|clause| clause.id.value.as_str())
    }
}
