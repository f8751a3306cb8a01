//! Which cases are run against a subject, which are skipped, and which are expected to fail.

use std::collections::BTreeSet;

use super::expect;
use crate::citation::own;
use crate::clauses::{Clauses, Tier};
use crate::event::{CaseResult, ClauseText, Expected};
use crate::format::{Shape, TypeRef};
use crate::select::{Pattern, hint};
use crate::subject::{Manifest, Role};
use crate::terms::{Day, Encryption, word};
use crate::vectors::transcript::{Party, TranscriptCase};
use crate::vectors::{CodecCase, Corpus, Side};
use crate::verdict::Outcome;

/// Which cases somebody wants to run: those that fit one of each kind of condition given.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Names.
    pub filters: Vec<Pattern>,
    /// Cited clauses; `HS` means all that begin with `HS-`.
    pub clauses: Vec<String>,
    /// Tiers.
    pub tiers: Vec<Tier>,
    /// Modes of encryption.
    pub modes: Vec<Encryption>,
    /// Whether slow cases run; otherwise they are skipped.
    pub slow: bool,
    /// The day of the run, by which entries under `expect` end; without one, none does.
    pub today: Option<Day>,
}

/// Why a selection cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectionError(pub String);

impl Selection {
    /// Whether it means a case, which cites some clauses.
    pub fn takes(&self, name: &str, was: Option<&str>, clauses: &[String], all: &Clauses) -> bool {
        let named =
            self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches_either(name, was));
        let cited = self.clauses.is_empty() || self.clauses.iter().any(|wanted| cites(clauses, wanted));
        let weighs = self.tiers.is_empty() || clauses.iter().any(|id| self.tiers.contains(&all.tier(id)));
        named && cited && weighs
    }

    fn too_slow(&self, case: Case<'_>) -> Option<String> {
        (case.is_slow() && !self.slow).then(|| "slow; --slow runs it".to_owned())
    }
}

fn cites(clauses: &[String], wanted: &str) -> bool {
    let group = |clause: &str| clause.split_once('-').is_some_and(|(group, _)| group == wanted);
    clauses.iter().any(|clause| clause == wanted || group(clause))
}

/// The party of a conversation that a subject of a role is; a codec is none.
fn party(role: Role) -> Option<Party> {
    match role {
        Role::Codec => None,
        Role::Agent => Some(Party::Agent),
        Role::Client => Some(Party::Client),
        Role::Host => Some(Party::Host),
    }
}

/// A case of the corpus.
#[derive(Clone, Copy, Debug)]
pub enum Case<'a> {
    /// Of the codec role.
    Codec(&'a CodecCase),
    /// A conversation, which tests agents, clients or hosts.
    Transcript(&'a TranscriptCase),
}

impl<'a> Case<'a> {
    /// The cases of a role, each in every mode of encryption in which it can be run, with their places in the
    /// corpus: those of codecs come first, then all transcripts.
    fn of_role(corpus: &'a Corpus, role: Role) -> Vec<Variant<'a>> {
        let Some(party) = party(role) else {
            let cases = corpus.codec.iter().enumerate();
            return cases.map(|(index, case)| Variant::plain(index, Case::Codec(case))).collect();
        };
        let mut variants = Vec::new();
        let mut index = corpus.codec.len();
        for case in corpus.transcripts.iter().flat_map(|transcript| &transcript.cases) {
            for mode in super::agent::modes(case) {
                if case.roles.contains(&party) {
                    variants.push(Variant::new(index, Case::Transcript(case), mode));
                }
                index += 1;
            }
        }
        variants
    }

    /// Its name.
    pub fn name(self) -> &'a str {
        match self {
            Case::Codec(case) => &case.name,
            Case::Transcript(case) => &case.name,
        }
    }

    /// The name it had before.
    pub fn was(self) -> Option<&'a str> {
        match self {
            Case::Codec(case) => case.was.as_deref(),
            Case::Transcript(case) => case.was.as_deref(),
        }
    }

    /// What it shows, in one line.
    pub fn title(self) -> String {
        match self {
            Case::Codec(case) => case.title(),
            Case::Transcript(case) => case.title.clone(),
        }
    }

    /// The clauses it cites.
    pub fn clauses(self) -> &'a [String] {
        match self {
            Case::Codec(case) => &case.clauses,
            Case::Transcript(case) => &case.clauses,
        }
    }

    /// The side from which it tests a role that it is a case of.
    pub fn side(self, role: Role) -> Side {
        match self {
            Case::Codec(case) => case.side(),
            Case::Transcript(case) => party(role).map_or(Side::Good, |party| case.side(party)),
        }
    }

    /// Whether it takes so long that it runs only when that is asked for.
    pub fn is_slow(self) -> bool {
        match self {
            Case::Codec(_) => false,
            Case::Transcript(case) => case.entry.slow.is_some(),
        }
    }

    /// What a failure of it weighs.
    pub fn tier(self) -> Tier {
        match self {
            Case::Codec(case) => case.tier,
            Case::Transcript(case) => case.tier,
        }
    }
}

/// A case in one mode of encryption.
#[derive(Clone, Debug)]
struct Variant<'a> {
    index: usize,
    case: Case<'a>,
    mode: Encryption,
    name: String,
    was: Option<String>,
}

impl<'a> Variant<'a> {
    fn new(index: usize, case: Case<'a>, mode: Encryption) -> Self {
        let suffix = match mode {
            Encryption::None => String::new(),
            mode => format!("@{}", word(&mode)),
        };
        let name = format!("{}{suffix}", case.name());
        let was = case.was().map(|was| format!("{was}{suffix}"));
        Self { index, case, mode, name, was }
    }

    fn plain(index: usize, case: Case<'a>) -> Self {
        Self::new(index, case, Encryption::None)
    }
}

/// A case of a plan.
#[derive(Clone, Debug)]
pub struct PlannedCase<'a> {
    /// Its place in the corpus.
    pub index: usize,
    /// The case.
    pub case: Case<'a>,
    /// The mode of encryption in which it runs.
    pub mode: Encryption,
    /// Its name, with the mode where that is not none: `framing/segments/one@aes`.
    pub name: String,
    /// The name it had before, with the mode, too.
    pub was: Option<String>,
    /// Why it is skipped, if it is.
    pub skip: Option<String>,
    /// What the manifest expects of it.
    pub expected: Option<Expected>,
}

/// The cases for a subject, in the order of the corpus.
#[derive(Clone, Debug, Default)]
pub struct Plan<'a> {
    /// The cases.
    pub cases: Vec<PlannedCase<'a>>,
}

impl<'a> Plan<'a> {
    /// Chooses the cases for a subject.
    ///
    /// # Errors
    ///
    /// A filter, a clause or a pattern under `expect` that means no case of the subject's role, an entry there whose
    /// cases all belong to earlier ones, or a selection that leaves none.
    pub fn new(
        corpus: &'a Corpus,
        manifest: &Manifest,
        selection: &Selection,
    ) -> Result<Self, SelectionError> {
        let mut plans = Self::for_all(corpus, [manifest], selection)?;
        plans.pop().map(|(_, plan)| plan).ok_or_else(|| nothing_fits(&[manifest.role]))
    }

    /// Chooses the cases for several subjects; one that no case is chosen for is left out. A filter must mean a case
    /// of one of them.
    ///
    /// # Errors
    ///
    /// As of [`Plan::new`].
    pub fn for_all<'m>(
        corpus: &'a Corpus,
        manifests: impl IntoIterator<Item = &'m Manifest>,
        selection: &Selection,
    ) -> Result<Vec<(&'m Manifest, Self)>, SelectionError> {
        let manifests: Vec<&Manifest> = manifests.into_iter().collect();
        let roles: Vec<Role> = manifests.iter().map(|manifest| manifest.role).collect();
        let of_roles = roles.iter().flat_map(|role| Case::of_role(corpus, *role));
        let variants: Vec<Variant<'_>> = of_roles.collect();
        let names = names(&variants);
        for filter in &selection.filters {
            means_a_case(filter, &names, &roles).map_err(SelectionError)?;
        }
        for clause in &selection.clauses {
            corpus.clauses.no_such(clause).map_or(Ok(()), |message| Err(SelectionError(message)))?;
        }
        let mut plans = Vec::new();
        for manifest in manifests {
            let plan = Self::of(corpus, manifest, selection)?;
            if !plan.cases.is_empty() {
                plans.push((manifest, plan));
            }
        }
        if plans.is_empty() { Err(nothing_fits(&roles)) } else { Ok(plans) }
    }

    fn of(corpus: &'a Corpus, manifest: &Manifest, selection: &Selection) -> Result<Self, SelectionError> {
        let of_role = Case::of_role(corpus, manifest.role);
        let names = names(&of_role);
        expect::check(manifest, &names)?;
        let runnable = of_role.iter().filter(|variant| runs_in(variant, &of_role, manifest));
        let taken = runnable.filter(|variant| {
            let (name, was) = (&variant.name, variant.was.as_deref());
            selection.takes(name, was, variant.case.clauses(), &corpus.clauses)
                && (selection.modes.is_empty() || selection.modes.contains(&variant.mode))
        });
        let planned = |variant: &Variant<'a>| PlannedCase {
            index: variant.index,
            case: variant.case,
            mode: variant.mode,
            name: variant.name.clone(),
            was: variant.was.clone(),
            skip: unsupported(variant, corpus, manifest).or_else(|| selection.too_slow(variant.case)),
            expected: expect::expected(manifest, &variant.name, variant.was.as_deref(), selection.today),
        };
        let cases: Vec<_> = taken.map(planned).collect();
        Ok(Self { cases })
    }

    /// The clauses that its cases cite, and those that the engine checks beside them, in the order of the protocol.
    pub fn clauses(&self, role: Role, corpus: &Corpus) -> Vec<ClauseText> {
        let cited = self.cases.iter().flat_map(|planned| planned.case.clauses().iter().map(String::as_str));
        let cited: BTreeSet<&str> = cited.chain(own::of_role(role).iter().copied()).collect();
        let text = |clause: &crate::clauses::Clause| ClauseText {
            id: clause.id.value.clone(),
            tier: clause.tier,
            title: clause.title.clone(),
            text: clause.text.clone(),
        };
        corpus.clauses.iter().filter(|clause| cited.contains(clause.id.as_str())).map(text).collect()
    }
}

/// Whether a case is planned in a mode: one that the subject supports, or the first where it supports none of them,
/// which is then skipped with the reason.
fn runs_in(variant: &Variant<'_>, all: &[Variant<'_>], manifest: &Manifest) -> bool {
    let supported = |mode: Encryption| {
        matches!(manifest.role, Role::Codec | Role::Host) || manifest.supports.encryption.contains(&mode)
    };
    if supported(variant.mode) {
        return true;
    }
    // The modes of a case stand side by side.
    let same = all.iter().filter(|other| other.case.name() == variant.case.name());
    let mut modes = same.map(|other| other.mode);
    let first = modes.next();
    first == Some(variant.mode) && !modes.any(supported)
}

fn names<'v>(variants: &'v [Variant<'_>]) -> Vec<(&'v str, Option<&'v str>)> {
    variants.iter().map(|variant| (variant.name.as_str(), variant.was.as_deref())).collect()
}

fn nothing_fits(roles: &[Role]) -> SelectionError {
    SelectionError(format!("no case of role {} fits the filters, clauses and tiers given", list(roles)))
}

/// Roles for a reader: `codec`, `codec or agent`, `codec, agent or client`.
fn list(roles: &[Role]) -> String {
    let names: Vec<String> = roles.iter().map(Role::to_string).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Whether a pattern means one of some cases; if not, why, with what may have been meant.
pub(super) fn means_a_case(
    pattern: &Pattern,
    names: &[(&str, Option<&str>)],
    roles: &[Role],
) -> Result<(), String> {
    if names.iter().any(|(name, was)| pattern.matches_either(name, *was)) {
        return Ok(());
    }
    let (text, hint) = (pattern.text(), hint(pattern, names));
    Err(format!("`{text}` matches no case of role {}{hint}", list(roles)))
}

/// Why a subject need not pass a case.
fn unsupported(variant: &Variant<'_>, corpus: &Corpus, manifest: &Manifest) -> Option<String> {
    match variant.case {
        Case::Codec(case) => unsupported_by_codec(case, corpus, manifest),
        Case::Transcript(case) => super::agent::unsupported(case, variant.mode, manifest),
    }
}

fn unsupported_by_codec(case: &CodecCase, corpus: &Corpus, manifest: &Manifest) -> Option<String> {
    let (_, found) = corpus.formats.find(&case.type_name)?;
    let Shape::Fields(fields) = &found.shape else { return None };
    let sealed = fields.iter().any(|field| matches!(field.kind.value, TypeRef::Sealed(_)));
    let lacking = sealed && !manifest.supports.encryption.contains(&Encryption::Aes);
    lacking.then(|| "needs AES; the manifest does not list it under supports.encryption".to_owned())
}

impl PlannedCase<'_> {
    /// A result of the case, without problems.
    pub fn result(
        &self,
        manifest: &Manifest,
        repetition: u32,
        outcome: Outcome,
        reason: Option<String>,
    ) -> CaseResult {
        CaseResult {
            subject: manifest.name.clone(),
            index: self.index,
            repetition,
            case: self.name.clone(),
            title: self.case.title(),
            outcome,
            tier: self.case.tier(),
            clauses: self.case.clauses().to_vec(),
            expected: self.expected.clone(),
            reason,
            problems: Vec::new(),
            conversation: Vec::new(),
            log: None,
            rerun: None,
            micros: 0,
        }
    }
}
