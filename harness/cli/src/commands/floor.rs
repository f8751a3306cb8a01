//! `iaspec run --floor`: the floor that a run is compared with, or that it records.

use std::collections::BTreeMap;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use iaspec_harness::engine::Plan;
use iaspec_harness::event::Event;
use iaspec_harness::floor::{Comparison, Floor, FloorAction, FloorReport, Ran, RanCase};
use iaspec_harness::subject::Manifest;
use iaspec_harness::verdict::Outcome;
use iaspec_harness::yaml::Source;
use tempfile::NamedTempFile;

use crate::arguments::Run;
use crate::exit::Failure;

/// A floor, and what has run so far.
pub(crate) struct FloorGate {
    /// As the command line has it.
    shown: String,
    /// Where it is written.
    path: PathBuf,
    /// What was recorded before; nothing where this run records it.
    floor: Option<Floor>,
    /// Where it is written first, beside its place, when it shall be written.
    draft: Option<NamedTempFile>,
    /// What came of the cases of each plan: why one was skipped, or nothing where it ran.
    came: Vec<BTreeMap<String, Option<String>>>,
}

impl FloorGate {
    /// Opens the floor that the command line names, so that nothing is wrong with it when the run is over.
    pub(crate) fn open(arguments: &Run, manifests: &[Manifest]) -> Result<Option<Self>, Failure> {
        let Some(path) = &arguments.floor else {
            if arguments.update_floor {
                return Err(Failure::usage("--update-floor needs --floor PATH"));
            }
            return Ok(None);
        };
        all_cases_run(arguments)?;
        let shown = path.display().to_string();
        let floor = read(path, &shown)?;
        if let Some(floor) = floor.as_ref().filter(|_| !arguments.update_floor) {
            let lacking: Vec<String> = manifests
                .iter()
                .filter_map(|manifest| floor.lacks(&manifest.name, manifest.role))
                .map(|finding| finding.render(true))
                .collect();
            if !lacking.is_empty() {
                return Err(Failure::usages(lacking));
            }
        }
        // A link stays one: what it leads to is written.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let draft = (floor.is_none() || arguments.update_floor).then(|| draft(&path)).transpose();
        let draft = draft.map_err(|error| Failure::usage(unwritable(&shown, &error)))?;
        Ok(Some(Self { shown, path, floor, draft, came: Vec::new() }))
    }

    /// What the system knows of the recorded floor.
    pub(crate) fn metadata(&self) -> Option<Metadata> {
        fs::metadata(&self.path).ok()
    }

    /// Something happened to the subject of a plan.
    pub(crate) fn event(&mut self, plan: usize, event: &Event) {
        let Event::CaseFinished(result) = event else { return };
        let skipped = result.reason.clone().unwrap_or_default();
        let idle = (result.outcome == Outcome::Skip).then(|| format!("skipped: {skipped}"));
        self.came.resize_with(self.came.len().max(plan + 1), BTreeMap::new);
        self.came[plan].insert(result.case.clone(), idle);
    }

    /// Compares the run with the floor, or records it. `ended_early`: cases are missing because the run was cut short.
    ///
    /// # Errors
    ///
    /// A sentence, when the floor cannot be written.
    pub(crate) fn conclude(
        mut self,
        manifests: &[Manifest],
        plans: &[(&Manifest, Plan<'_>)],
        ended_early: bool,
    ) -> Result<FloorReport, String> {
        let path = self.shown.clone();
        if ended_early {
            return Ok(FloorReport {
                path,
                action: FloorAction::Left,
                cases: 0,
                more: 0,
                missing: Vec::new(),
            });
        }
        let ran: Vec<Ran> = manifests.iter().map(|manifest| self.ran(manifest, plans)).collect();
        let recorded = self.floor.is_some();
        let mut floor = self.floor.take().unwrap_or_default();
        let Comparison { cases, more, missing } = floor.compare(&ran);
        let (action, cases, more) = match (&self.draft, recorded) {
            (None, _) => (FloorAction::Compared, cases, more),
            (Some(_), true) => (FloorAction::Updated, cases, more),
            (Some(_), false) => (FloorAction::Recorded, more, 0),
        };
        if let Some(draft) = self.draft.take() {
            floor.raise(&ran);
            let text = floor.render().map_err(|error| unwritable(&path, &io::Error::other(error)))?;
            write(draft, &text, &self.path, recorded).map_err(|error| unwritable(&path, &error))?;
        }
        Ok(FloorReport { path, action, cases, more, missing })
    }

    /// What came of a subject's cases; one that no case was chosen for has no plan.
    fn ran(&self, manifest: &Manifest, plans: &[(&Manifest, Plan<'_>)]) -> Ran {
        let place = plans.iter().position(|(planned, _)| std::ptr::eq(*planned, manifest));
        let came = place.and_then(|place| self.came.get(place));
        let outcome = |name: &str| match came.and_then(|came| came.get(name)) {
            Some(idle) => idle.clone(),
            None => Some("it did not run".to_owned()),
        };
        let planned = place.map_or(&[][..], |place| &plans[place].1.cases);
        let cases = planned.iter().map(|planned| RanCase {
            name: planned.name.clone(),
            was: planned.was.clone(),
            idle: outcome(&planned.name),
        });
        Ran { subject: manifest.name.clone(), role: manifest.role, cases: cases.collect() }
    }
}

/// Refuses a floor for a part of the cases: what is not chosen would be missing, or a way around the floor.
fn all_cases_run(arguments: &Run) -> Result<(), Failure> {
    let which = &arguments.which;
    let narrowing = [
        ("--filter", which.filter.is_empty()),
        ("--clause", which.clause.is_empty()),
        ("--tier", which.tier.is_empty()),
        ("--encryption", arguments.encryption.is_empty()),
        ("--role", arguments.role.is_empty()),
    ];
    match narrowing.iter().find(|(_, absent)| !absent) {
        None => Ok(()),
        Some((option, _)) => Err(Failure::usage(format!(
            "--floor is about all cases of all subjects, and {option} chooses among them: take one of the two away"
        ))),
    }
}

/// The recorded floor; nothing where there is none yet.
fn read(path: &Path, shown: &str) -> Result<Option<Floor>, Failure> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::usage(format!("the floor {shown} cannot be read: {error}"))),
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        Failure::usage(format!("the floor {shown} is not UTF-8 text from byte {valid} on"))
    })?;
    let floor = Floor::parse(&Source::new(shown, text));
    floor
        .map(Some)
        .map_err(|found| Failure::usages(found.iter().map(|finding| finding.render(true)).collect()))
}

/// A file beside the floor that takes its place when it is complete.
fn draft(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // As any file that is written; less, as the system may be set.
    let permissions = Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(".iaspec-floor-").permissions(permissions).tempfile_in(folder)
}

/// That a floor cannot be written, by what the system said.
fn unwritable(shown: &str, error: &io::Error) -> String {
    let error = error.to_string();
    // The name of the draft behind it is of no use to anybody.
    let why = error.split(" at path ").next().unwrap_or(&error);
    format!("the floor {shown} cannot be written: {why}")
}

/// Puts a text in the place of the floor, whole or not at all; one that was not there must not have come meanwhile.
fn write(mut draft: NamedTempFile, text: &str, path: &Path, over: bool) -> io::Result<()> {
    draft.write_all(text.as_bytes())?;
    draft.as_file().sync_all()?;
    let placed = if over { draft.persist(path) } else { draft.persist_noclobber(path) };
    placed.map(|_| ()).map_err(|error| error.error)
}
