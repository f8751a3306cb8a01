//! `iaspec vectors`: the vector files themselves.

use std::io::Write;
use std::process::ExitCode;

use iaspec_harness::event::event_schema;
use iaspec_harness::vectors::check::check;
use iaspec_harness::vectors::export::{Export, document_schema};
use iaspec_harness::vectors::schema;
use iaspec_reports::results_schema;

use super::{bad_vectors, corpus, files};
use crate::arguments::{SchemaOf, Vectors, VectorsCommand, VectorsFrom};
use crate::exit::Failure;

pub(crate) fn vectors(arguments: &Vectors) -> Result<ExitCode, Failure> {
    match &arguments.command {
        VectorsCommand::Check(from) => check_all(from),
        VectorsCommand::Schema { of } => {
            let text = match of {
                SchemaOf::Vectors => schema::vector_file(),
                SchemaOf::Export => document_schema(),
                SchemaOf::Events => event_schema(),
                SchemaOf::Results => results_schema(),
            };
            anstream::stdout().lock().write_all(text.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        VectorsCommand::Export(from) => export_all(from),
    }
}

fn check_all(from: &VectorsFrom) -> Result<ExitCode, Failure> {
    let (corpus, findings) = check(&files(from)?);
    if !findings.is_empty() {
        return Err(bad_vectors(&findings));
    }
    let mut out = anstream::stdout().lock();
    writeln!(
        out,
        "vectors: {} codec cases, {} transcripts, {} clauses, no mistakes",
        corpus.codec.len(),
        corpus.transcripts.len(),
        corpus.clauses.iter().count()
    )?;
    Ok(ExitCode::SUCCESS)
}

fn export_all(from: &VectorsFrom) -> Result<ExitCode, Failure> {
    let export = Export::new(&corpus(from)?);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    serde_json::to_writer(&mut out, &export).map_err(std::io::Error::from)?;
    writeln!(out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
