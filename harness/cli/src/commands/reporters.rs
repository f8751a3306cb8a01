//! The reports that the command line asks for: opened before anything runs, fed together, told of at the end.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;

use iaspec_harness::event::Event;
use iaspec_reports::{Document, Ndjson, Progress, Reporter, Text};

use super::new_file::NewFile;
use crate::arguments::{Format, Place, ReportTo, Width};
use crate::exit::Failure;

/// All reports of a run. A report that fails is given up; the run goes on, and the failure is told at the end.
pub(crate) struct Reporters {
    /// The columns of text.
    width: usize,
    /// Files that no report may overwrite, and what they are.
    taken: HashMap<FileIdentity, String>,
    open: Vec<(String, Box<dyn Reporter>)>,
    failed: Vec<String>,
}

/// A file, whatever its name: its device and its number there.
type FileIdentity = (u64, u64);

fn identity(metadata: &Metadata) -> FileIdentity {
    (metadata.dev(), metadata.ino())
}

impl Reporters {
    /// No reports yet; those in text will have lines of some width.
    pub(crate) fn new(width: Width) -> Self {
        Self { width: width.columns(), taken: HashMap::new(), open: Vec::new(), failed: Vec::new() }
    }

    /// What a person sees of a run: its progress, and the text report.
    pub(crate) fn show_run(&mut self) {
        self.open.push(("the progress".to_owned(), Box::new(Progress::new(io::stderr().is_terminal()))));
        self.open.push((OUTPUT.to_owned(), text(self.width)));
    }

    /// Keeps reports that are added later from overwriting a file.
    pub(crate) fn protect(&mut self, file: &Metadata, name: &str) {
        self.taken.insert(identity(file), name.to_owned());
    }

    /// Adds entries for `expect`, for the failures that the run does not expect.
    pub(crate) fn add_waivers(&mut self, file: NewFile) {
        self.open.push(("the entries for `expect`".to_owned(), Box::new(Document::waivers(file))));
    }

    /// Opens the reports that the command line names.
    pub(crate) fn add(&mut self, reports: &[ReportTo]) -> Result<(), Failure> {
        for report in reports {
            let (name, reporter) = match &report.place {
                Place::StandardOutput if self.open.iter().any(|(name, _)| name == OUTPUT) => {
                    return Err(Failure::usage("only one report can be written to standard output"));
                }
                Place::StandardOutput if report.format == Format::Text => {
                    (OUTPUT.to_owned(), text(self.width))
                }
                Place::StandardOutput => {
                    (OUTPUT.to_owned(), reporter(report.format, self.width, io::stdout()))
                }
                Place::File(path) => {
                    let name = format!("the report {}", path.display());
                    let fail = |error| Failure::usage(format!("{name} cannot be written: {error}"));
                    // Not truncated before it is known that nothing else is in it.
                    let file =
                        File::options().write(true).create(true).truncate(false).open(path).map_err(fail)?;
                    let metadata = file.metadata().map_err(fail)?;
                    if metadata.is_file() {
                        if let Some(other) = self.taken.insert(identity(&metadata), name.clone()) {
                            return Err(Failure::usage(format!("{name} would overwrite {other}")));
                        }
                        file.set_len(0).map_err(fail)?;
                    }
                    (name, reporter(report.format, self.width, file))
                }
            };
            self.open.push((name, reporter));
        }
        Ok(())
    }

    /// Gives an event to all reports.
    pub(crate) fn event(&mut self, event: &Event) {
        self.each(|reporter| reporter.event(event));
    }

    fn each(&mut self, mut act: impl FnMut(&mut dyn Reporter) -> io::Result<()>) {
        let failed = &mut self.failed;
        self.open.retain_mut(|(name, reporter)| match act(reporter.as_mut()) {
            Ok(()) => true,
            // A reader that went away has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => false,
            Err(error) => {
                failed.push(format!("{name} cannot be written: {error}"));
                false
            }
        });
    }

    /// Completes all reports and tells which could not be written.
    pub(crate) fn close(mut self) -> Result<(), Failure> {
        self.each(|reporter| reporter.finish());
        if self.failed.is_empty() { Ok(()) } else { Err(Failure::environment(self.failed.join("; "))) }
    }
}

/// What messages call standard output.
const OUTPUT: &str = "the output";

/// The text report for whoever reads standard output, styled if that is wanted.
fn text(width: usize) -> Box<dyn Reporter> {
    Box::new(Text::new(anstream::stdout(), width))
}

fn reporter(format: Format, width: usize, out: impl Write + 'static) -> Box<dyn Reporter> {
    let out = BufWriter::new(out);
    match format {
        Format::Text => {
            let out: Box<dyn Write> = Box::new(out);
            Box::new(Text::new(anstream::StripStream::new(out), width))
        }
        Format::Ndjson => Box::new(Ndjson::new(out)),
        Format::Json => Box::new(Document::json(out)),
        Format::Junit => Box::new(Document::junit(out)),
        Format::Markdown => Box::new(Document::markdown(out)),
    }
}
