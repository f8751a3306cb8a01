//! The kill matrix: for people while it grows, and as data.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use iaspec_harness::subject::Role;
use iaspec_harness::vectors::Side;
use iaspec_harness::verdict::Outcome;
use serde::{Deserialize, Serialize};

use super::catalogue::{Catalogue, Empty, Fault};
use super::coverage::Coverage;
use super::{MatrixFormat, MatrixReport};
use crate::exit::Failure;

/// Percent of its cases in which an implementation that is none has to fail.
const LEAST_PERCENT: f64 = 90.0;

/// Kills that are told to people of a fault that is caught.
const TOLD: usize = 3;

/// What the suite found of one fault.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Its name.
    fault: String,
    role: Role,
    /// The clauses that it breaks.
    clauses: Vec<String>,
    mistake: String,
    /// Whether a case of one of its gravest clauses caught it, and the failure weighs as that clause does.
    caught: bool,
    /// How many cases ran.
    pub(super) cases: usize,
    /// The cases of its own clauses that failed.
    pub(super) own: Vec<Kill>,
    /// Cases of other clauses that failed, which the catalogue gives a reason for.
    pub(super) excused: Vec<Kill>,
    /// Cases that failed and have nothing to do with it.
    pub(super) collateral: Vec<Kill>,
    /// Cases that could not be run.
    pub(super) errors: Vec<Kill>,
    pub(super) millis: u64,
    /// More than 1 where the first look was beside others and not clear.
    attempts: u8,
}

/// A case that failed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kill {
    pub(super) case: String,
    /// The clauses that the case cites.
    pub(super) clauses: Vec<String>,
    pub(super) outcome: Outcome,
    /// The side from which the case tests its clauses.
    pub(super) side: Side,
    /// Whether that weighs as the gravest clause that the fault breaks, and the case cites that clause.
    pub(super) at_weight: bool,
    /// What went wrong first.
    pub(super) why: String,
}

impl Line {
    pub(super) fn new(fault: &Fault) -> Self {
        Self {
            fault: fault.name.value.clone(),
            role: fault.role,
            clauses: fault.clauses.iter().map(|clause| clause.value.clone()).collect(),
            mistake: fault.mistake.clone(),
            caught: false,
            cases: 0,
            own: Vec::new(),
            excused: Vec::new(),
            collateral: Vec::new(),
            errors: Vec::new(),
            millis: 0,
            attempts: 1,
        }
    }

    /// Whether it was found by cases that are about it, and by no others.
    pub(super) fn is_clean(&self) -> bool {
        self.is_killed() && self.collateral.is_empty() && self.errors.is_empty()
    }

    /// Whether a case that cites a clause which it breaks failed as gravely as that clause demands.
    fn is_killed(&self) -> bool {
        self.own.iter().any(|kill| kill.at_weight)
    }

    /// What was found by looking again.
    pub(super) fn again(self, attempts: u8) -> Self {
        Self { attempts, ..self }
    }

    /// Whether it is the fault of a name, and caught.
    pub(super) fn has_caught(&self, name: &str) -> bool {
        self.fault == name && self.is_killed()
    }

    /// Whether it breaks a clause, and a case that cites it, of that side if one is given, failed as gravely as a clause
    /// of such a weight demands.
    pub(super) fn is_caught_by(&self, clause: &str, weight: Outcome, side: Option<Side>) -> bool {
        let cites = |clauses: &[String]| clauses.iter().any(|cited| cited == clause);
        let from = |kill: &Kill| side.is_none_or(|side| kill.side == side);
        let caught = |kill: &Kill| from(kill) && cites(&kill.clauses) && kill.outcome <= weight;
        cites(&self.clauses) && self.own.iter().any(caught)
    }

    fn word(&self) -> &'static str {
        match (self.own.is_empty(), self.is_killed(), self.collateral.is_empty()) {
            (true, _, _) => "SURVIVES",
            (false, false, _) => "TOO MILD",
            (false, true, true) => "caught",
            (false, true, false) => "COLLATERAL",
        }
    }
}

/// What became of an implementation that is none.
#[derive(Debug, Serialize)]
pub(super) struct EmptyLine {
    name: String,
    role: Role,
    does: String,
    /// Percent of the cases that failed, of those that failed or passed.
    percent: f64,
    pub(super) failed: usize,
    /// Cases that could not be run: neither failed nor passed.
    pub(super) errors: usize,
    /// The cases that it passed.
    pub(super) passed: Vec<String>,
}

impl EmptyLine {
    pub(super) fn new(empty: &Empty) -> Self {
        Self {
            name: empty.name.value.clone(),
            role: empty.role,
            does: empty.does.clone(),
            percent: 0.0,
            failed: 0,
            errors: 0,
            passed: Vec::new(),
        }
    }

    fn is_caught(&self) -> bool {
        self.percent >= LEAST_PERCENT
    }
}

/// What the suite found of all faults.
#[derive(Debug, Serialize)]
pub(super) struct Matrix {
    /// The version of this form.
    schema: u32,
    faults: Vec<Line>,
    empty: Vec<EmptyLine>,
    /// How many faults there are.
    count: usize,
    /// What there is about each clause, where all faults ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    clauses: Option<Coverage>,
    /// The signal that ended the run early.
    #[serde(skip_serializing_if = "Option::is_none")]
    interrupted: Option<&'static str>,
    #[serde(skip)]
    signal: Option<u8>,
}

impl Matrix {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        Self {
            schema: 1,
            faults: Vec::new(),
            empty: Vec::new(),
            count: catalogue.faults.len(),
            clauses: None,
            interrupted: None,
            signal: None,
        }
    }

    /// Adds what became of an implementation that is none, and tells it.
    pub(super) fn add_empty(&mut self, mut line: EmptyLine) -> Result<(), Failure> {
        let cases = line.failed + line.passed.len();
        // Neither count comes near what a double cannot hold.
        #[allow(clippy::cast_precision_loss, reason = "counts of cases")]
        let percent = if cases == 0 { 0.0 } else { 100.0 * line.failed as f64 / cases as f64 };
        line.percent = percent;
        let mut out = anstream::stdout().lock();
        let word = if line.is_caught() { "empty" } else { "TOO GOOD" };
        let (role, name) = (line.role.to_string(), &line.name);
        let errors = match line.errors {
            0 => String::new(),
            errors => format!(", {errors} could not be run"),
        };
        writeln!(out, "{word:<10} {role:<6} {name}: fails {percent:.1} % of {cases} cases{errors}")?;
        if !line.is_caught() {
            for case in &line.passed {
                writeln!(out, "    passes {case}")?;
            }
        }
        self.empty.push(line);
        Ok(())
    }

    /// Adds what was found of a fault, and tells it.
    pub(super) fn add(&mut self, mut line: Line) -> Result<(), Failure> {
        line.caught = line.is_killed();
        let mut out = anstream::stdout().lock();
        writeln!(
            out,
            "{:<10} {:<6} {}  ({}; {} of {} cases)",
            line.word(),
            line.role.to_string(),
            line.fault,
            line.clauses.join(" "),
            line.own.len() + line.excused.len() + line.collateral.len(),
            line.cases,
        )?;
        if !line.caught {
            writeln!(out, "    {}", line.mistake)?;
            tell(&mut out, "cites its clause, and weighs too little", line.own.iter().take(TOLD))?;
            tell(&mut out, "failed, and cites none of its clauses", line.excused.iter().take(TOLD))?;
        }
        tell(&mut out, "failed, and has nothing to do with it", line.collateral.iter())?;
        tell(&mut out, "could not be run", line.errors.iter().take(TOLD))?;
        self.faults.push(line);
        Ok(())
    }

    /// The lines so far.
    pub(super) fn lines(&self) -> &[Line] {
        &self.faults
    }

    /// Adds what there is about each clause, and tells what is missing.
    pub(super) fn cover(&mut self, coverage: Coverage) -> Result<(), Failure> {
        coverage.print_gaps()?;
        self.clauses = Some(coverage);
        Ok(())
    }

    /// Tells the counts.
    pub(super) fn end(&mut self, signal: Option<(&'static str, u8)>) -> Result<(), Failure> {
        self.interrupted = signal.map(|(name, _)| name);
        self.signal = signal.map(|(_, number)| number);
        let mut out = anstream::stdout().lock();
        let collateral = self.faults.iter().filter(|line| !line.collateral.is_empty()).count();
        if collateral > 0 {
            writeln!(out, "faults that fail cases which have nothing to do with them: {collateral}")?;
        }
        if let Some(name) = self.interrupted {
            writeln!(out, "interrupted by {name}: {} not run", self.count - self.faults.len())?;
        }
        let caught = self.faults.iter().filter(|line| line.caught).count();
        writeln!(out, "faults: {caught} of {} killed", self.count)?;
        Ok(())
    }

    pub(super) fn exit_code(&self) -> u8 {
        let clean = |line: &Line| line.caught && line.collateral.is_empty();
        let covered = self.clauses.as_ref().is_none_or(|coverage| coverage.gaps() == 0);
        match self.signal {
            Some(number) => 128 + number,
            None if self.faults.iter().any(|line| !line.errors.is_empty() && !line.caught) => {
                crate::exit::NOT_RUN
            }
            None => {
                let good = self.faults.iter().all(clean) && self.empty.iter().all(EmptyLine::is_caught);
                u8::from(!(good && covered))
            }
        }
    }

    /// Writes it to files.
    pub(super) fn write(&self, reports: &[MatrixReport]) -> Result<(), Failure> {
        for report in reports {
            let text = match report.format {
                MatrixFormat::Json => {
                    let mut text = serde_json::to_string_pretty(self).map_err(|error| {
                        Failure::environment(format!("the matrix cannot be written: {error}"))
                    })?;
                    text.push('\n');
                    text
                }
                MatrixFormat::Markdown => self.markdown(),
            };
            std::fs::write(&report.path, text)
                .map_err(|error| Failure::environment(format!("{}: {error}", report.path.display())))?;
        }
        Ok(())
    }

    fn markdown(&self) -> String {
        let caught = self.faults.iter().filter(|line| line.caught).count();
        let mut text = format!("# Kill matrix\n\n{caught} of {} faults are caught.\n\n", self.count);
        text.push_str("| role | fault | clauses | | caught by | the mistake |\n|---|---|---|---|---|---|\n");
        for line in &self.faults {
            let cases = line
                .own
                .iter()
                .filter(|kill| kill.at_weight)
                .take(TOLD)
                .map(|kill| format!("`{}`", kill.case))
                .collect::<Vec<_>>();
            let more = line.own.len().saturating_sub(TOLD);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            // Writing to a text cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {}{more} | {} |",
                line.role,
                line.fault,
                line.clauses.join(", "),
                line.word(),
                cases.join(", "),
                line.mistake.replace('|', "\\|"),
            );
        }
        if !self.empty.is_empty() {
            text.push_str("\n| role | implementation that is none | cases failed |\n|---|---|---|\n");
        }
        for line in &self.empty {
            let _ = writeln!(text, "| {} | {} | {:.1} % |", line.role, line.name, line.percent);
        }
        text.extend(self.clauses.as_ref().map(Coverage::markdown));
        text
    }
}

fn tell<'a>(
    out: &mut impl std::io::Write,
    what: &str,
    kills: impl Iterator<Item = &'a Kill>,
) -> Result<(), Failure> {
    for kill in kills {
        let (case, outcome, clauses) = (&kill.case, kill.outcome.name(), kill.clauses.join(" "));
        writeln!(out, "    {what}: {outcome} of {case} ({clauses}): {}", kill.why)?;
    }
    Ok(())
}

/// A matrix that was written as JSON, as far as clauses are counted by it.
#[derive(Deserialize)]
struct Recorded {
    faults: Vec<Line>,
}

/// Reads what was found of faults from a matrix that was written as JSON.
pub(crate) fn read(path: &Path) -> Result<Vec<Line>, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| Failure::usage(format!("{shown}: {error}")))?;
    let recorded: Recorded = serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("{shown}: no matrix of `iaspec faults --report json=PATH`: {error}"))
    })?;
    Ok(recorded.faults)
}

/// Lists faults.
pub(super) fn list(catalogue: &Catalogue) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    for fault in &catalogue.faults {
        let clauses: Vec<&str> = fault.clauses.iter().map(|clause| clause.value.as_str()).collect();
        let (role, name) = (fault.role.to_string(), &fault.name.value);
        writeln!(out, "{role:<6} {name}  ({}): {}", clauses.join(" "), fault.mistake)?;
    }
    for empty in &catalogue.empty {
        writeln!(out, "{:<6} {}: {}", empty.role.to_string(), empty.name.value, empty.does)?;
    }
    writeln!(
        out,
        "{} faults, {} implementations that are none",
        catalogue.faults.len(),
        catalogue.empty.len()
    )?;
    Ok(())
}
