//! Waivers: the failures that the entries under `expect` of a manifest expect.
//!
//! A waived case runs like any other and must fail as its entry says: with its outcome, and with its text, where it
//! pins one, in what went wrong ([`CaseResult::says`]). Whatever else it does is told ([`CaseResult::waiver`],
//! [`CaseResult::remark`]), and so is an entry whose last day is over. [`pin`] finds a text to pin a failure by.

use crate::event::{CaseResult, Expected};
use crate::verdict::{Outcome, clip};

/// The longest text that [`pin`] gives, in characters.
const LONGEST_PIN: usize = 100;

/// The shortest one: less would occur in any failure.
const SHORTEST_PIN: usize = 8;

/// The longest name in backquotes that may be part of a pinned text, in bytes.
const LONGEST_NAME: usize = 60;

/// How a result stands to the entry under `expect` that means its case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiver {
    /// No entry means the case, or the case was skipped.
    None,
    /// The case failed as the entry says: an expected failure.
    Holds,
    /// The case passed: the entry is stale.
    Passed,
    /// The case failed in another way than the entry says.
    Differs,
    /// The case failed, and the entry no longer counts.
    Expired,
}

impl CaseResult {
    /// How the result stands to the entry that means its case.
    pub fn waiver(&self) -> Waiver {
        let Some(expected) = &self.expected else { return Waiver::None };
        match self.outcome {
            Outcome::Skip => Waiver::None,
            Outcome::Pass => Waiver::Passed,
            _ if expected.expired => Waiver::Expired,
            outcome if outcome != expected.outcome => Waiver::Differs,
            _ if expected.failure.as_ref().is_some_and(|text| !self.says(text)) => Waiver::Differs,
            _ => Waiver::Holds,
        }
    }

    /// Whether a text occurs in what went wrong, as a person reads it: in the reason, or in the step and summary of
    /// a problem, in what it expected, or in what came instead.
    pub fn says(&self, text: &str) -> bool {
        let problem = |found: &crate::verdict::Problem| {
            format!("{}: {}", found.step, found.summary).contains(text)
                || found.expected.contains(text)
                || found.actual.contains(text)
        };
        self.reason.as_ref().is_some_and(|reason| reason.contains(text)) || self.problems.iter().any(problem)
    }

    /// What the entry that means the case has to do with the result, and what to do about it; nothing where the
    /// failure is an expected one, or no entry means the case.
    pub fn remark(&self) -> Option<String> {
        let expected = self.expected.as_ref()?;
        match self.waiver() {
            Waiver::None | Waiver::Holds => None,
            Waiver::Passed => Some(expected.stale(&self.case)),
            Waiver::Expired => Some(expected.over()),
            Waiver::Differs => Some(expected.unlike(self.outcome)),
        }
    }
}

impl Expected {
    /// Why the failure is expected, whom to ask, and how long it is: `ACME-12; owner Jane; until 2027-01-31`.
    pub fn grounds(&self) -> String {
        let mut grounds = vec![self.reason.clone().unwrap_or_else(|| "no reason given".to_owned())];
        grounds.extend(self.owner.iter().map(|owner| format!("owner {owner}")));
        grounds.extend(self.until.iter().map(|day| format!("until {day}")));
        grounds.join("; ")
    }

    /// Where the entry stands.
    fn place(&self) -> String {
        self.entry.as_ref().map_or("of the manifest".to_owned(), |entry| format!("at {entry}"))
    }

    /// Of a case that passes.
    fn stale(&self, case: &str) -> String {
        let what = match self.pattern.as_deref().filter(|pattern| *pattern != case) {
            Some(pattern) => format!("take it out of `{pattern}` under `expect`"),
            None => "remove it from `expect`".to_owned(),
        };
        let over = self.until.filter(|_| self.expired);
        let over = over.map_or(String::new(), |day| format!(", whose last day was {day}"));
        format!("{what} {}{over} ({})", self.place(), self.grounds_without_day())
    }

    /// Of a case that fails when the entry no longer counts.
    fn over(&self) -> String {
        let until = self.until.map_or(String::new(), |day| format!(" until {day}"));
        let owner = self.owner.as_ref().map_or(String::new(), |owner| format!(" by {owner}"));
        let reason = self.reason.as_deref().unwrap_or("no reason given");
        format!(
            "it was waived{until}{owner} ({reason}): mend it, or give the entry {} another day",
            self.place()
        )
    }

    /// Of a case that fails otherwise.
    fn unlike(&self, outcome: Outcome) -> String {
        let place = self.place();
        let (pinned, came) = match &self.failure {
            Some(text) if outcome == self.outcome => {
                (format!("the text \"{}\"", clip(text)), "it does not occur in what went wrong".to_owned())
            }
            _ => (format!("the outcome {}", self.outcome.name()), format!("this is {}", outcome.name())),
        };
        format!("`expect` {place} pins {pinned}, but {came}: another failure, or the entry is wrong")
    }

    fn grounds_without_day(&self) -> String {
        Self { until: None, ..self.clone() }.grounds()
    }
}

/// A text to pin a failure by: the longest stretch of the first problem's summary, or of the reason, that is free of
/// what differs from run to run, such as numbers, paths and what a subject said. Nothing where no stretch is long
/// enough to tell the failure from others.
pub fn pin(result: &CaseResult) -> Option<String> {
    let problem = result.problems.first().map(|problem| problem.summary.as_str());
    let text = problem.or(result.reason.as_deref())?;
    let mut best = "";
    let (mut start, mut at) = (0, 0);
    for unit in units(text) {
        let end = at + unit.len();
        let too_long = text[start..end].chars().count() > LONGEST_PIN;
        if varies(unit) {
            start = end;
        } else if too_long {
            start = at;
        }
        let stretch = tidy(&text[start..end]);
        if stretch.len() > best.len() {
            best = stretch;
        }
        at = end;
    }
    (best.chars().count() >= SHORTEST_PIN).then(|| best.to_owned())
}

/// A stretch without blanks and punctuation at its ends that belong to what is left out.
fn tidy(stretch: &str) -> &str {
    stretch.trim_matches(|c: char| c.is_whitespace() || ",;:([".contains(c))
}

/// A text in words, each with the blanks behind it; what stands in quotes is one word.
fn units(text: &str) -> Vec<&str> {
    let mut units = Vec::new();
    let (mut start, mut quote, mut blank) = (0, None, false);
    for (at, c) in text.char_indices() {
        if blank && !c.is_whitespace() {
            units.push(&text[start..at]);
            start = at;
        }
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '`' | '"') => quote = Some(c),
            _ => {}
        }
        blank = quote.is_none() && c.is_whitespace();
    }
    units.push(&text[start..]);
    units
}

/// Whether a word may be another in the next run. Names of fields and ops in backquotes are the protocol's.
fn varies(unit: &str) -> bool {
    let word = unit.trim_matches(|c: char| c.is_whitespace() || ",;:.()".contains(c));
    if let Some(name) = word.strip_prefix('`').and_then(|word| word.strip_suffix('`')) {
        let part_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || " _.[]".contains(c);
        return name.len() > LONGEST_NAME || !name.chars().all(part_of_name);
    }
    word.chars().any(|c| c.is_ascii_digit() || c.is_control() || "/\\…\"`".contains(c))
}

#[cfg(test)]
mod tests {
    use super::units;

    #[test]
    fn what_stands_in_quotes_is_one_word() {
        assert_eq!(units("field `a b` is, \"x  y\" z"), ["field ", "`a b` ", "is, ", "\"x  y\" ", "z"]);
        assert_eq!(units("an open `quote is one"), ["an ", "open ", "`quote is one"]);
        assert_eq!(units(""), [""]);
    }
}
