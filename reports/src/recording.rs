//! Events read back from the NDJSON that a run wrote.
//!
//! A run that was killed leaves a line that is not whole; it is left out, and the missing `run_finished` tells
//! the reports that they are incomplete. Anything else that is no event stream is an error with its line.

use std::io::{BufRead, Read};

use iaspec_harness::event::{Event, SCHEMA_VERSION};
use iaspec_harness::verdict::clip;
use serde::Deserialize;

/// The longest line that is read: far beyond what a run writes, and a bound on memory.
const LONGEST_LINE: u64 = 64 << 20;

/// Reads the events of one run, in order.
#[derive(Debug)]
pub struct Recording<R> {
    input: R,
    /// The number of the line last read, from 1.
    line: u64,
    stage: Stage,
}

/// What may come next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    BetweenSubjects,
    Subject(String),
    Finished,
    /// Nothing: the input ended or was wrong.
    Over,
}

/// Why a recording cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct RecordingError {
    /// The line that is wrong, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub message: String,
}

impl std::fmt::Display for RecordingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for RecordingError {}

/// What every version of the first event has.
#[derive(Deserialize)]
struct Version {
    event: String,
    schema: u64,
}

impl<R: BufRead> Recording<R> {
    /// A recording from its beginning.
    pub fn new(input: R) -> Self {
        Self { input, line: 0, stage: Stage::Start }
    }

    fn read(&mut self) -> Result<Option<Event>, RecordingError> {
        let mut line = Vec::new();
        self.line += 1;
        let mut limited = (&mut self.input).take(LONGEST_LINE);
        let read = limited.read_until(b'\n', &mut line);
        read.map_err(|error| self.error(format!("cannot be read: {error}")))?;
        let whole = line.last() == Some(&b'\n');
        if !whole && line.len() as u64 == LONGEST_LINE {
            return Err(self.error(format!("is longer than {} MiB", LONGEST_LINE >> 20)));
        }
        if line.is_empty() {
            return if self.stage == Stage::Start { Err(self.error(NOTHING.to_owned())) } else { Ok(None) };
        }
        if self.stage == Stage::Start {
            self.check_version(&line, whole)?;
        }
        match serde_json::from_slice::<Event>(&line) {
            Ok(event) => self.accept(event).map(Some),
            // The line that a killed run was writing.
            Err(error) if !whole && error.is_eof() => Ok(None),
            Err(error) if error.is_data() => Err(self.error(format!("is no event: {}", told(&error)))),
            Err(error) => Err(self.error(format!("is not JSON: {}", told(&error)))),
        }
    }

    fn check_version(&self, line: &[u8], whole: bool) -> Result<(), RecordingError> {
        match serde_json::from_slice::<Version>(line) {
            Ok(Version { event, schema }) if event == "run_started" => {
                if schema == u64::from(SCHEMA_VERSION) {
                    return Ok(());
                }
                Err(self.error(format!(
                    "the events have schema version {schema}; this iaspec reads version {SCHEMA_VERSION}"
                )))
            }
            Err(error) if !whole && error.is_eof() => Err(self.error(NOTHING.to_owned())),
            _ => {
                let came = clip(String::from_utf8_lossy(line).trim_end());
                Err(self.error(format!(
                    "is not the event `run_started` of `iaspec run --report ndjson=PATH`, but `{came}`"
                )))
            }
        }
    }

    /// Checks that an event may come at its place.
    fn accept(&mut self, event: Event) -> Result<Event, RecordingError> {
        let next = match (&self.stage, &event) {
            (Stage::Start, Event::RunStarted(_)) | (Stage::Subject(_), Event::SubjectFinished(_)) => {
                Stage::BetweenSubjects
            }
            (_, Event::RunStarted(_)) => {
                return Err(self.error("a second run begins; report each run by itself".to_owned()));
            }
            (Stage::BetweenSubjects, Event::SubjectStarted(started)) => {
                Stage::Subject(started.subject.clone())
            }
            (Stage::Subject(subject), Event::CaseFinished(result)) if *subject == result.subject => {
                self.stage.clone()
            }
            (Stage::Subject(subject), Event::Notice(notice)) if *subject == notice.subject => {
                self.stage.clone()
            }
            (Stage::Subject(subject), Event::Timing(timing)) if *subject == timing.subject => {
                self.stage.clone()
            }
            (Stage::BetweenSubjects, Event::RunFinished(_)) => Stage::Finished,
            (_, event) => {
                let name = name(event);
                return Err(
                    self.error(format!("the event `{name}` cannot come here: {}", self.stage.wanted()))
                );
            }
        };
        self.stage = next;
        Ok(event)
    }

    fn error(&self, message: String) -> RecordingError {
        RecordingError { line: self.line, message }
    }
}

/// What is wrong with a recording without a first event.
const NOTHING: &str = "the recording holds no event";

impl Stage {
    fn wanted(&self) -> String {
        match self {
            Stage::Start => "the run has not begun".to_owned(),
            Stage::BetweenSubjects => "no subject is under way".to_owned(),
            Stage::Subject(subject) => format!("the subject `{subject}` is under way"),
            Stage::Finished | Stage::Over => "the run is over".to_owned(),
        }
    }
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::RunStarted(_) => "run_started",
        Event::SubjectStarted(_) => "subject_started",
        Event::CaseFinished(_) => "case_finished",
        Event::Notice(_) => "notice",
        Event::Timing(_) => "timing",
        Event::SubjectFinished(_) => "subject_finished",
        Event::RunFinished(_) => "run_finished",
    }
}

/// An error of JSON with its column; its line is always 1, because it saw one line.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) if error.column() > 0 => format!("{message} at column {}", error.column()),
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}

impl<R: BufRead> Iterator for Recording<R> {
    type Item = Result<Event, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stage == Stage::Over {
            return None;
        }
        let read = self.read();
        if !matches!(read, Ok(Some(_))) {
            self.stage = Stage::Over;
        }
        read.transpose()
    }
}
