//! Which dialect an agent speaks, where that is to be found out before its cases run.
//!
//! Where the manifest leaves `server_version` or `aes_padding` to `auto`, one subject is started, or the one that
//! runs is used, and asked as [`crate::probe`] does; once a run, in a mode of encryption that some case runs in.
//! What cannot be found out is told as a warning, and the default holds.

use std::time::Duration;

use super::dialect::Dialect;
use super::running::Agent;
use super::secure::mode;
use super::settings::Asked;
use super::support;
use crate::engine::Results;
use crate::engine::plan::{Case, Plan};
use crate::event::{DialectFound, Event, Gravity, KnobReading};
use crate::format::Padding;
use crate::hex_text;
use crate::probe::{Asker, Detection, Knob, Offer, Target, detect, greet};
use crate::subject::Manifest;
use crate::terms::{Encryption, word};
use crate::vectors::Corpus;
use crate::vectors::transcript::entry::{AesPadding, ServerVersion};

/// What came of looking for a knob, if it was looked for.
type Found<T> = Option<Result<Knob<T>, String>>;

/// What is looked for, and what was found so far.
struct Search<'a> {
    corpus: &'a Corpus,
    manifest: &'a Manifest,
    /// How long each answer may take.
    patience: Duration,
    seeks_form: bool,
    seeks_padding: bool,
    form: Found<ServerVersion>,
    padding: Found<Padding>,
}

/// Finds out which dialect an agent speaks, and tells the readings that its manifest leaves open.
pub(super) async fn dialect(
    corpus: &Corpus,
    manifest: &Manifest,
    plan: &Plan<'_>,
    results: &mut Results<'_>,
) -> Dialect {
    let modes = modes(plan);
    let [seeks_form, open_padding, _] = support::open_knobs(manifest);
    let seeks_padding = open_padding && modes.contains(&Encryption::Aes);
    let patience = results.options.answer_within;
    let mut search =
        Search { corpus, manifest, patience, seeks_form, seeks_padding, form: None, padding: None };
    for mode in search.order().into_iter().filter(|mode| modes.contains(mode)) {
        search.look(mode).await;
    }
    if !modes.is_empty() {
        tell(search.knobs(), manifest, results);
    }
    let mut dialect = Dialect::of_agent(manifest);
    if let Some(form) = reading(search.form) {
        dialect.server_version = form;
    }
    if let Some(padding) = reading(search.padding) {
        dialect.aes_padding = match padding {
            Padding::Pkcs7 => AesPadding::Pkcs7,
            Padding::Zeros => AesPadding::Zeros,
        };
    }
    dialect
}

impl Search<'_> {
    /// The modes in the order in which they are looked at: AES first where its padding is sought, so that one look
    /// tells both.
    fn order(&self) -> [Encryption; 3] {
        if self.seeks_padding {
            [Encryption::Aes, Encryption::None, Encryption::Ssl]
        } else {
            [Encryption::None, Encryption::Ssl, Encryption::Aes]
        }
    }

    /// Looks at a subject in a mode, where that can tell something that is not known yet.
    async fn look(&mut self, mode: Encryption) {
        let wants_padding = self.seeks_padding && mode == Encryption::Aes;
        let wants_form = self.seeks_form && !matches!(self.form, Some(Ok(_)));
        if !wants_form && !wants_padding {
            return;
        }
        let seen = seen(self.corpus, self.manifest, mode, self.patience).await;
        let because = |why: String| format!("in mode {}, {why}", word(&mode));
        let (form, padding) = match seen {
            Ok(Detection { server_version, aes_padding, .. }) => {
                let other = || Err("its acknowledgement names another mode".to_owned());
                (server_version, aes_padding.unwrap_or_else(other))
            }
            Err(why) => (Err(why.clone()), Err(why)),
        };
        if wants_form {
            let form = form.map_err(because);
            // Of two reasons, the first is as good as the last.
            self.form = if form.is_ok() { Some(form) } else { self.form.take().or(Some(form)) };
        }
        if wants_padding {
            self.padding = Some(padding.map_err(because));
        }
    }

    /// What is told of the knobs that the manifest leaves open.
    fn knobs(&self) -> Vec<KnobReading> {
        let [_, open_padding, open_command] = support::open_knobs(self.manifest);
        let nowhere = || assumed("aes_padding", "pkcs7", "no case runs in mode aes".to_owned());
        let never = || assumed("response_code", "echo", "`auto` means echo; it is not looked for".to_owned());
        let mut knobs = Vec::new();
        knobs.extend(self.form.as_ref().map(|found| KnobReading::of("server_version", "int32", found)));
        knobs.extend(self.padding.as_ref().map(|found| KnobReading::of("aes_padding", "pkcs7", found)));
        knobs.extend((open_padding && !self.seeks_padding).then(nowhere));
        knobs.extend(open_command.then(never));
        knobs
    }
}

/// The modes of encryption in which some case runs.
fn modes(plan: &Plan<'_>) -> Vec<Encryption> {
    let running = plan.cases.iter().filter(|planned| planned.skip.is_none());
    running
        .filter(|planned| matches!(planned.case, Case::Transcript(_)))
        .map(|planned| planned.mode)
        .collect()
}

fn reading<T>(found: Found<T>) -> Option<T> {
    found.and_then(Result::ok).map(|knob| knob.reading)
}

impl KnobReading {
    /// What came of looking for it.
    fn of<T: serde::Serialize>(name: &str, default: &str, found: &Result<Knob<T>, String>) -> Self {
        match found {
            Ok(Knob { reading, how }) => {
                let (knob, how) = (name.to_owned(), how.clone());
                Self { knob, reading: word(reading), detected: true, failed: false, how }
            }
            Err(why) => Self { failed: true, ..assumed(name, default, why.clone()) },
        }
    }
}

/// A knob that is not looked for.
fn assumed(name: &str, default: &str, how: String) -> KnobReading {
    let (knob, reading) = (name.to_owned(), default.to_owned());
    KnobReading { knob, reading, detected: false, failed: false, how }
}

fn tell(knobs: Vec<KnobReading>, manifest: &Manifest, results: &mut Results<'_>) {
    if knobs.is_empty() {
        return;
    }
    for knob in knobs.iter().filter(|knob| knob.failed) {
        let KnobReading { knob, reading, how, .. } = knob;
        results.notice(
            manifest,
            Gravity::Warning,
            format!("{knob} could not be found out, so {reading} is assumed: {how}"),
        );
    }
    (results.emit)(Event::DialectFound(DialectFound { subject: manifest.name.clone(), knobs }));
}

/// Starts a subject, or uses the one that runs, and finds out what it tells in a mode.
async fn seen(
    corpus: &Corpus,
    manifest: &Manifest,
    mode: Encryption,
    patience: Duration,
) -> Result<Detection, String> {
    let agent = Agent::start(manifest, &Asked::by(None, mode)).await.map_err(|error| error.reason)?;
    let detection = ask(corpus, manifest, &agent, patience).await;
    // What it leaves behind is told of the subjects that run cases.
    agent.stop().await;
    detection
}

async fn ask(
    corpus: &Corpus,
    manifest: &Manifest,
    agent: &Agent<'_>,
    patience: Duration,
) -> Result<Detection, String> {
    let formats = &corpus.formats;
    let target = Target::new(formats, agent.address, patience);
    let key = agent.values.get("aes_key").filter(|_| mode(&agent.values) == Encryption::Aes);
    let asker = Asker {
        aes_key: key.and_then(|key| hex_text::parse(key).ok()),
        name: "localhost".to_owned(),
        any_command: Dialect::of_agent(manifest).any_command(),
    };
    let highest = agent.highest_version().unwrap_or_else(|| formats.oldest_version());
    let offer = Offer::of_version(highest, formats);
    let greeted = greet(&target, offer).await.map_err(|error| error.to_string())?;
    Ok(detect(&target, &asker, offer, greeted).await)
}
