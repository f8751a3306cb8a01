//! `iaspec probe`: what a live agent speaks.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use iaspec_harness::format::Formats;
use iaspec_harness::probe::{
    CertificateFacts, Facts, NotProbed, NotProbedKind, Options, ReadingFacts, Roots, Span, TlsFacts, survey,
};
use iaspec_harness::terms::Encryption;
use iaspec_harness::vectors::CorpusFiles;
use serde::Serialize;

use super::bad_vectors;
use crate::arguments::Probe;
use crate::exit::{Failure, NOT_RUN};

/// What answers is no agent that could be probed.
const NOT_PROBED: u8 = 1;

pub(crate) fn probe(arguments: &Probe) -> Result<ExitCode, Failure> {
    let formats = Formats::read(&CorpusFiles::embedded()).map_err(|findings| bad_vectors(&findings))?;
    let options = Options {
        aes_key: arguments.aes_key.as_ref().map(|key| key.0.clone()),
        roots: arguments.ca.as_deref().map(roots).transpose()?,
        timeout: arguments.timeout,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::environment(format!("the asynchronous runtime cannot be started: {error}"))
    })?;
    let seen = runtime.block_on(survey(&arguments.address, &formats, &options));
    // A name that is still being resolved is not waited for.
    runtime.shutdown_background();
    match seen {
        Ok(facts) => {
            let in_vain = answered_nothing(&facts, options.aes_key.is_some());
            if arguments.json {
                json(&facts)?;
            } else {
                text(&facts, in_vain)?;
            }
            Ok(ExitCode::from(if in_vain { NOT_PROBED } else { 0 }))
        }
        Err(error) => {
            if arguments.json {
                json(&error)?;
            }
            Err(failure(&error))
        }
    }
}

fn roots(path: &Path) -> Result<Roots, Failure> {
    let wrong = |why: String| Failure::usage(format!("the certificates {}: {why}", path.display()));
    let pem = std::fs::read(path).map_err(|error| wrong(format!("they cannot be read: {error}")))?;
    Roots::from_pem(&pem).map_err(wrong)
}

/// An agent that was asked and gave no answer could not be probed; one that could not be asked without its key could.
fn answered_nothing(facts: &Facts, has_key: bool) -> bool {
    let could_be_asked = facts.encryption != Encryption::Aes || has_key;
    facts.unanswered.is_some() && could_be_asked
}

fn failure(error: &NotProbed) -> Failure {
    let code = if error.kind == NotProbedKind::Unreachable { NOT_RUN } else { NOT_PROBED };
    Failure::of(code, error.to_string())
}

fn json(value: &impl Serialize) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

fn text(facts: &Facts, in_vain: bool) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let what = match in_vain {
        false => "is an Inedo agent",
        true => "acknowledges handshakes as an Inedo agent does, and answers no request",
    };
    writeln!(out, "{} {what}", facts.address)?;
    for (name, value) in summary(facts) {
        writeln!(out, "  {name:<15} {value}")?;
    }
    writeln!(out, "\noffer, and what it made of it")?;
    for tried in &facts.offers {
        writeln!(out, "  {:<20} {}", tried.offer.to_string(), tried.answer)?;
    }
    times(&mut out, facts)?;
    if !facts.notes.is_empty() {
        writeln!(out, "\nnotes")?;
    }
    facts.notes.iter().try_for_each(|note| writeln!(out, "  {note}"))
}

fn summary(facts: &Facts) -> Vec<(&'static str, String)> {
    let mode = match facts.encryption {
        Encryption::None => "none",
        Encryption::Ssl => "ssl",
        Encryption::Aes => "aes",
    };
    let versions: Vec<String> = facts.versions.iter().map(i32::to_string).collect();
    let unknown = || "unknown".to_owned();
    let mut rows = vec![
        ("encryption", mode.to_owned()),
        ("versions", versions.join(", ")),
        ("server version", facts.server_version.clone().unwrap_or_else(unknown)),
        ("  written as", reading(&facts.server_version_form)),
    ];
    rows.extend(facts.aes_padding.as_ref().map(|padding| ("AES padding", reading(padding))));
    rows.extend(facts.root_path.as_ref().map(|path| ("root path", format!("{path} (Otter)"))));
    rows.extend(facts.unanswered.as_ref().map(|why| ("root path", format!("unknown: {why}"))));
    rows.extend(facts.tls.iter().flat_map(tls));
    rows
}

fn reading(facts: &ReadingFacts) -> String {
    format!("{}: {}", facts.reading.as_deref().unwrap_or("unknown"), facts.how)
}

fn tls(facts: &TlsFacts) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let (Some(version), Some(cipher)) = (&facts.version, &facts.cipher) {
        rows.push(("TLS", format!("{version}, {cipher}")));
    }
    rows.extend(facts.failure.as_ref().map(|why| ("TLS", why.clone())));
    rows.extend(facts.certificate.iter().flat_map(certificate));
    if facts.certificate.is_some() {
        let trust = match &facts.trust {
            None => "not checked; --ca PEM names roots that it should come from".to_owned(),
            Some(trust) => {
                trust.reason.as_ref().map_or("yes, by the roots given".to_owned(), |why| format!("no: {why}"))
            }
        };
        rows.push(("  trusted", trust));
    }
    rows
}

fn certificate(facts: &CertificateFacts) -> Vec<(&'static str, String)> {
    let names = if facts.names.is_empty() { "no name".to_owned() } else { facts.names.join(", ") };
    let now = if facts.in_time { "" } else { ": not now" };
    let issuer = if facts.self_signed { "itself".to_owned() } else { facts.issuer.clone() };
    vec![
        ("certificate", facts.subject.clone()),
        ("  for", names),
        ("  valid", format!("{} to {}{now}", facts.not_before, facts.not_after)),
        ("  signed by", issuer),
    ]
}

fn times(out: &mut impl Write, facts: &Facts) -> io::Result<()> {
    let times = &facts.times;
    let rows = [
        ("TCP connect", times.connect),
        ("acknowledgement", times.acknowledgement),
        ("TLS handshake", times.tls),
        ("answer", times.answer),
    ];
    let head = format!("times, of {} connections", facts.connections);
    writeln!(out, "\n{head:<32}{:>11}{:>12}", "median", "worst")?;
    for (name, span) in rows {
        let Some(Span { samples, median, worst }) = span else { continue };
        let (median, worst) = (millis(median), millis(worst));
        writeln!(out, "  {name:<20} {samples:>2} times {median:>8} ms {worst:>8} ms")?;
    }
    Ok(())
}

fn millis(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}
