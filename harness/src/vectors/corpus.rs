//! All cases of a corpus, read.

use std::collections::HashSet;
use std::sync::Arc;

use super::codec::{CodecCase, CodecEntry};
use super::transcript::{self, Transcript};
use super::{CorpusFiles, schema};
use crate::clauses::Clauses;
use crate::finding::{Finding, sorted};
use crate::format::Formats;
use crate::yaml::{Node, Source, Span, Value, from_node, parse};

/// Clauses, formats and cases.
#[derive(Debug, Default)]
pub struct Corpus {
    /// What cases cite.
    pub clauses: Clauses,
    /// The message formats.
    pub formats: Formats,
    /// Cases of the codec role, in the order of files and entries.
    pub codec: Vec<CodecCase>,
    /// Conversations, in the order of files and entries.
    pub transcripts: Vec<Transcript>,
    /// [`CorpusFiles::digest`] of the files.
    pub digest: String,
    /// Where the files come from, for a reader.
    pub origin: String,
}

impl Corpus {
    /// Reads a corpus as far as it can be read, and says what is wrong with the rest: text that is not
    /// YAML, entries that are not cases, unknown clauses, names that occur twice.
    pub fn load(files: &CorpusFiles) -> (Self, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut clauses_known = true;
        let clauses = match files.get("clauses.yaml").map(Clauses::read) {
            Some(Ok(clauses)) => clauses,
            Some(Err(mut found)) => {
                findings.append(&mut found);
                clauses_known = false;
                Clauses::default()
            }
            None => Clauses::default(),
        };
        let formats = Formats::read(files).unwrap_or_else(|mut found| {
            findings.append(&mut found);
            Formats::default()
        });
        let (digest, origin) = (files.digest(), files.origin.clone());
        let corpus = Self { clauses, formats, digest, origin, ..Self::default() };
        let mut loader = Loader { corpus, findings, names: HashSet::new(), clauses_known };
        for (path, source) in files.vectors() {
            loader.file(path.trim_end_matches(".yaml"), source);
        }
        loader.clauses_of_formats();
        loader.former_names();
        (loader.corpus, sorted(loader.findings))
    }
}

/// A case with the name it had before, and where that is written.
struct Named<'a> {
    name: &'a str,
    was: Option<(&'a str, Span)>,
    source: &'a Arc<Source>,
}

struct Loader {
    corpus: Corpus,
    findings: Vec<Finding>,
    names: HashSet<String>,
    /// False where the list of clauses has mistakes itself: those are reported, not every citation.
    clauses_known: bool,
}

impl Loader {
    fn report(&mut self, source: &Arc<Source>, span: Span, message: impl Into<String>) {
        self.findings.push(Finding::new(source, span, message));
    }

    fn file(&mut self, path: &str, source: &Arc<Source>) {
        let node = match parse(source) {
            Ok(node) => node,
            Err(finding) => return self.findings.push(finding),
        };
        if !matches!(node.value, Value::Map(_)) {
            return self.report(source, node.visible_span(), "a vector file is a mapping with `format: 1`");
        }
        match node.get("format") {
            None => self.report(
                source,
                node.visible_span(),
                "`format` is missing; this release reads `format: 1`",
            ),
            Some(Node { value: Value::Integer(1), .. }) => {}
            Some(other) => self.report(source, other.visible_span(), "this release reads `format: 1`"),
        }
        for (key, value) in node.entries() {
            match key.text() {
                Some("format") => {}
                Some("codec") => self.entries(path, source, value, Self::codec),
                Some("transcripts") => self.entries(path, source, value, Self::transcript),
                _ => self.report(
                    source,
                    key.visible_span(),
                    format!("unknown member; expected one of {}", schema::MEMBERS),
                ),
            }
        }
    }

    fn entries(
        &mut self,
        path: &str,
        source: &Arc<Source>,
        list: &Node,
        read: fn(&mut Self, &str, &Arc<Source>, &Node),
    ) {
        if !matches!(&list.value, Value::List(items) if !items.is_empty()) {
            return self.report(source, list.visible_span(), "expected a list of cases, found none");
        }
        for item in list.items() {
            read(self, path, source, item);
        }
    }

    fn clauses_of_formats(&mut self) {
        if self.clauses_known {
            for format in self.corpus.formats.iter() {
                let cited = format.citations();
                self.findings.extend(transcript::unknown_clauses(
                    &format.source,
                    &cited,
                    &self.corpus.clauses,
                ));
            }
        }
    }

    /// A name that a case had before must not be its own, nor that of another, now or before.
    fn former_names(&mut self) {
        let codec = self.corpus.codec.iter().map(|case| Named {
            name: &case.name,
            was: case.was.as_deref().zip(case.entry.was.as_ref().map(|was| was.span)),
            source: &case.source,
        });
        let transcripts = self.corpus.transcripts.iter().flat_map(|transcript| &transcript.cases);
        let transcripts = transcripts.map(|case| Named {
            name: &case.name,
            was: case.was.as_deref().zip(case.was_at),
            source: &case.source,
        });
        let cases: Vec<Named<'_>> = codec.chain(transcripts).collect();
        let mut taken: HashSet<&str> = cases.iter().map(|case| case.name).collect();
        // The rows of a table have one `was` together: it is told of the first.
        let mut told = None;
        for case in &cases {
            let Some((was, place)) = case.was else { continue };
            let message = if was == case.name {
                format!("{was} is the name that the case has")
            } else if !taken.insert(was) {
                format!("{was} is the name of another case, now or before")
            } else {
                continue;
            };
            let here = (&case.source.name, place.start);
            if told != Some(here) {
                told = Some(here);
                self.findings.push(Finding::new(case.source, place, message));
            }
        }
    }

    fn codec(&mut self, path: &str, source: &Arc<Source>, node: &Node) {
        let entry: CodecEntry = match from_node(node) {
            Ok(entry) => entry,
            Err(error) => return self.findings.push(Finding::typed(source, &error)),
        };
        self.name_and_clauses(path, source, &entry.id, &entry.clauses);
        match entry.into_case(path, source, &self.corpus.clauses, &self.corpus.formats) {
            Ok(case) => self.corpus.codec.push(case),
            Err(finding) => self.findings.push(finding),
        }
    }

    fn transcript(&mut self, path: &str, source: &Arc<Source>, node: &Node) {
        let (transcript, mut findings) = Transcript::read(path, source, node, &self.corpus.clauses);
        self.findings.append(&mut findings);
        if let Some(transcript) = transcript {
            let cited: Vec<_> =
                transcript.cases.iter().flat_map(|case| case.entry.clauses.iter().cloned()).collect();
            self.name_and_clauses(path, source, &transcript.id, &cited);
            self.corpus.transcripts.push(transcript);
        }
    }

    fn name_and_clauses(
        &mut self,
        path: &str,
        source: &Arc<Source>,
        id: &crate::yaml::Spot<super::codec::Identifier>,
        cited: &[crate::yaml::Spot<String>],
    ) {
        let name = format!("{path}/{}", id.value.0);
        if !self.names.insert(name.clone()) {
            self.report(source, id.span, format!("a second case of the name {name}"));
        }
        if cited.is_empty() {
            self.report(source, id.span, "a case cites at least one clause");
        }
        if self.clauses_known {
            self.findings.extend(transcript::unknown_clauses(source, cited, &self.corpus.clauses));
        }
    }
}
