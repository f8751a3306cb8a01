//! All that `iaspec probe` tells of a live agent: a dozen connections at most, one after the other.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use super::asking::{Asked, Asker, Question, TlsSeen, Unanswered, ask};
use super::certificate::{self, CertificateFacts, Roots};
use super::detection::{Detection, Knob, detect};
use super::facts::{Answer, Facts, NotProbed, NotProbedKind, OfferFacts, ReadingFacts, TlsFacts};
use super::greeting::{Greeted, MOST_WAITS, NotGreeted, Target, greet};
use super::offer::Offer;
use super::times::Collected;
use crate::format::{Formats, Padding};
use crate::terms::{Encryption, TimeSpan, word};
use crate::verdict::visible;

/// How often times are measured, if that many connections are acknowledged.
const SAMPLES: usize = 5;

/// How often it is tried to find out the readings, on connections with different offers.
const MOST_DETECTIONS: u32 = 2;

/// How a live agent is looked at.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its AES key, 16 or 32 bytes.
    pub aes_key: Option<Vec<u8>>,
    /// The roots that its certificate should come from.
    pub roots: Option<Roots>,
    /// How long each answer may take; all of it takes four times as long at most.
    pub timeout: Duration,
}

/// Looks at the agent at HOST:PORT.
///
/// # Errors
///
/// It cannot be reached, or is no Inedo agent.
pub async fn survey(address: &str, formats: &Formats, options: &Options) -> Result<Facts, NotProbed> {
    let addresses =
        resolve(address, options.timeout).await.map_err(|message| unreachable(address, message))?;
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let asker = Asker {
        aes_key: options.aes_key.clone(),
        name: host.trim_matches(['[', ']']).to_owned(),
        any_command: false,
    };
    let mut last = "it has no address".to_owned();
    for found in addresses {
        let target = Target::new(formats, found, options.timeout);
        let survey = Survey::new(address, &target, &asker, options);
        match survey.all().await {
            Err(NotProbed { kind: NotProbedKind::Unreachable, message, .. }) => last = message,
            done => return done,
        }
    }
    Err(unreachable(address, last))
}

async fn resolve(address: &str, patience: Duration) -> Result<Vec<SocketAddr>, String> {
    match timeout(patience, tokio::net::lookup_host(address)).await {
        Ok(Ok(found)) => Ok(found.collect()),
        Ok(Err(error)) => Err(format!("the address cannot be resolved: {error}")),
        Err(_) => Err(format!("the address was not resolved within {}", TimeSpan(patience))),
    }
}

fn unreachable(address: &str, message: String) -> NotProbed {
    not_probed(address, NotProbedKind::Unreachable, message, &[])
}

fn not_probed(address: &str, kind: NotProbedKind, message: String, came: &[u8]) -> NotProbed {
    NotProbed { address: address.to_owned(), kind, message, came: came.to_vec() }
}

/// The offers that are made. Those whose answer can mean one thing only come first: they tell which versions are
/// spoken, and so what the answers to ranges mean.
fn offers(formats: &Formats) -> Vec<Offer> {
    let oldest = formats.oldest_version();
    let newest = formats.iter().last().map_or(oldest, |format| format.protocol.value);
    let range = |min, max| Offer::Range { min, max };
    let mut offers = vec![Offer::Session(0)];
    offers.extend(formats.iter().map(|format| range(format.protocol.value, format.protocol.value)));
    offers.extend([range(newest + 1, i32::MAX), range(oldest, newest), range(oldest, i32::MAX)]);
    // Between the first two, where there is no version.
    let second = formats.iter().nth(1).map_or(newest, |format| format.protocol.value);
    offers.push(range(oldest + 1, second - 1));
    offers
}

/// What is known so far.
struct Survey<'a> {
    address: &'a str,
    target: &'a Target<'a>,
    asker: &'a Asker,
    options: &'a Options,
    offers: Vec<OfferFacts>,
    encryption: Option<Encryption>,
    detection: Option<Detection>,
    detections: u32,
    /// An offer that was acknowledged.
    good: Option<Offer>,
    tls: Option<Result<TlsSeen, String>>,
    times: Collected,
    notes: Vec<String>,
}

impl<'a> Survey<'a> {
    fn new(address: &'a str, target: &'a Target<'a>, asker: &'a Asker, options: &'a Options) -> Self {
        Self {
            address,
            target,
            asker,
            options,
            offers: Vec::new(),
            encryption: None,
            detection: None,
            detections: 0,
            good: None,
            tls: None,
            times: Collected::default(),
            notes: Vec::new(),
        }
    }

    async fn all(mut self) -> Result<Facts, NotProbed> {
        for offer in offers(self.target.formats) {
            if self.is_over() {
                break;
            }
            let answer = match self.visit(offer).await {
                Ok(answer) => answer,
                Err(error) => self.told(error)?,
            };
            let odd = matches!(answer, Answer::Odd { .. });
            self.offers.push(OfferFacts { offer, answer });
            if odd {
                self.notes.push("no further offers were made after the one that went wrong".to_owned());
                break;
            }
        }
        let Some(encryption) = self.encryption else { return Err(self.nobody()) };
        self.take_more_times().await;
        Ok(self.facts(encryption))
    }

    fn is_over(&mut self) -> bool {
        let over = self.target.patience().is_zero();
        if over {
            let all = TimeSpan(self.options.timeout * MOST_WAITS);
            self.notes.push(format!("not everything was asked: {all} were over"));
        }
        over
    }

    /// What an offer came to that was not acknowledged.
    fn told(&self, error: NotGreeted) -> Result<Answer, NotProbed> {
        let kind = match &error {
            NotGreeted::Ended(how, came) if came.is_empty() => {
                return Ok(Answer::Refused { how: how.clone() });
            }
            NotGreeted::Unreachable(_) => NotProbedKind::Unreachable,
            NotGreeted::Silent(..) => NotProbedKind::Silent,
            NotGreeted::Ended(..) | NotGreeted::Foreign(..) => NotProbedKind::Foreign,
        };
        if self.encryption.is_some() {
            return Ok(Answer::Odd { what: error.to_string() });
        }
        let message = match kind {
            NotProbedKind::Foreign => format!("no Inedo agent: {error}"),
            _ => error.to_string(),
        };
        Err(not_probed(self.address, kind, message, error.came()))
    }

    fn nobody(&self) -> NotProbed {
        let message = format!(
            "it ended {} connections without an acknowledgement, whatever versions were offered; either it is no Inedo \
             agent, or this address is not among those that it allows",
            self.offers.len()
        );
        not_probed(self.address, NotProbedKind::Ended, message, &[])
    }

    /// Makes an offer, and asks for a root path where it is acknowledged.
    async fn visit(&mut self, offer: Offer) -> Result<Answer, NotGreeted> {
        let mut greeted = greet(self.target, offer).await?;
        greeted.version = self.meant(offer, &greeted);
        let answer = Answer::Acknowledged { number: greeted.number, speaks: greeted.version };
        self.encryption = Some(greeted.encryption);
        self.times.connect.push(greeted.connect);
        self.times.acknowledgement.push(greeted.acknowledgement);
        self.good.get_or_insert(offer);
        self.talk(offer, greeted).await;
        Ok(answer)
    }

    /// The version that is spoken behind an acknowledgement. Of an agent that speaks v1, a number that is none of its
    /// versions is a session, though a client takes it for a version.
    fn meant(&mut self, offer: Offer, greeted: &Greeted) -> i32 {
        let oldest = self.target.formats.oldest_version();
        let Offer::Range { min, .. } = offer else { return greeted.version };
        let (number, spoken) = (greeted.number, self.versions());
        let is_session = min == oldest && spoken.contains(&oldest) && !spoken.contains(&number);
        if !is_session {
            return greeted.version;
        }
        if greeted.version != oldest {
            self.notes.push(format!(
                "it answers the offer of {offer} with {number}, which it does not speak: a session of v1, taken for a \
                 version by a client (hazard NEG-H2)"
            ));
        }
        oldest
    }

    /// Takes an acknowledged connection to its end.
    async fn talk(&mut self, offer: Offer, greeted: Greeted) {
        let known = self.detection.as_ref().filter(|detection| detection.asked.is_ok());
        if let Some(known) = known {
            let padding = known.aes_padding.as_ref().and_then(|padding| padding.as_ref().ok());
            let padding = padding.map_or(Padding::Pkcs7, |knob| knob.reading);
            let asked = ask(greeted, self.target, self.asker, Question { product: 1, padding }).await;
            match asked {
                Ok(asked) => self.note_asked(&asked),
                // Which of the two it is, is known.
                Err(Unanswered::Tied(tie)) => self.times.answer.push(tie.response.1),
                Err(why) => self.notes.push(format!("on a connection with the offer of {offer}: {why}")),
            }
            return;
        }
        let in_vain = self.detection.as_ref().and_then(|known| known.asked.as_ref().err());
        let hopeless = in_vain.is_some_and(|why| matches!(why, Unanswered::NoKey | Unanswered::Silent(..)));
        if hopeless || self.detections == MOST_DETECTIONS {
            greeted.connection.close().await;
            return;
        }
        self.detections += 1;
        let detection = detect(self.target, self.asker, offer, greeted).await;
        if let Ok(asked) = &detection.asked {
            self.note_asked(asked);
        }
        self.detection = Some(detection);
    }

    fn note_asked(&mut self, asked: &Asked) {
        if let Ok((_, took)) = &asked.response {
            self.times.answer.push(*took);
        }
        if let Some(tls) = &asked.tls {
            if let Ok(seen) = tls {
                self.times.tls.push(seen.took);
            }
            self.tls.get_or_insert_with(|| tls.clone());
        }
    }

    async fn take_more_times(&mut self) {
        let Some(good) = self.good else { return };
        let odd = self.offers.iter().any(|tried| matches!(tried.answer, Answer::Odd { .. }));
        while !odd && self.times.connect.len() < SAMPLES && !self.target.patience().is_zero() {
            if self.visit(good).await.is_err() {
                return;
            }
        }
    }

    fn facts(mut self, encryption: Encryption) -> Facts {
        let versions = self.versions();
        let known: Vec<i32> = self.target.formats.iter().map(|format| format.protocol.value).collect();
        for version in versions.iter().filter(|version| !known.contains(version)) {
            self.notes.push(format!(
                "version {version} is later than this iaspec; it was spoken to as in {known:?}"
            ));
        }
        let tls = (encryption == Encryption::Ssl).then(|| self.tls_facts());
        let no_detection = || ReadingFacts { reading: None, how: "nothing was asked".to_owned() };
        let detection = self.detection.as_ref();
        let asked = detection.map(|detection| &detection.asked);
        let (root_path, unanswered) = match asked {
            Some(Ok(Asked { response: Ok((response, _)), .. })) => (Some(visible(&response.path)), None),
            Some(Ok(Asked { response: Err(why), .. })) => (None, Some(why.clone())),
            Some(Err(why)) => (None, Some(why.to_string())),
            None => (None, Some("nothing was asked".to_owned())),
        };
        if encryption == Encryption::Aes && unanswered.is_some() && self.options.aes_key.is_some() {
            self.notes
                .push("an agent in mode aes does not answer who has another key than its own".to_owned());
        }
        let detection = self.detection.as_ref();
        Facts {
            address: self.address.to_owned(),
            encryption,
            versions,
            server_version: detection.and_then(|detection| dotted(&detection.numbers)),
            server_version_form: detection.map_or_else(no_detection, |found| reading(&found.server_version)),
            aes_padding: detection.and_then(|found| found.aes_padding.as_ref()).map(reading),
            root_path,
            unanswered,
            offers: self.offers,
            tls,
            connections: self.target.connections.get(),
            times: self.times.times(),
            notes: self.notes,
        }
    }

    /// The versions that were spoken; a v1 session tells the oldest.
    fn versions(&self) -> Vec<i32> {
        let spoken = |tried: &OfferFacts| match tried.answer {
            Answer::Acknowledged { speaks, .. } => Some(speaks),
            _ => None,
        };
        let mut versions: Vec<i32> = self.offers.iter().filter_map(spoken).collect();
        versions.sort_unstable();
        versions.dedup();
        versions
    }

    fn tls_facts(&self) -> TlsFacts {
        let none = TlsFacts { version: None, cipher: None, certificate: None, trust: None, failure: None };
        let seen = match &self.tls {
            Some(Ok(seen)) => seen,
            Some(Err(why)) => return TlsFacts { failure: Some(why.clone()), ..none },
            None => return TlsFacts { failure: Some("there was no TLS handshake".to_owned()), ..none },
        };
        let own = seen.chain.first().map(Vec::as_slice).unwrap_or_default();
        let certificate = CertificateFacts::read(own);
        let roots = self.options.roots.as_ref();
        TlsFacts {
            version: Some(seen.version.clone()),
            cipher: Some(seen.cipher.clone()),
            failure: certificate.as_ref().err().cloned(),
            certificate: certificate.ok(),
            trust: roots.map(|roots| certificate::trust(&seen.chain, roots, &self.asker.name)),
        }
    }
}

/// A server version as it is written: one number N reads `N.0.0.0`.
fn dotted(numbers: &[i32]) -> Option<String> {
    match numbers {
        [] => None,
        [one] => Some(format!("{one}.0.0.0")),
        many => Some(many.iter().map(i32::to_string).collect::<Vec<_>>().join(".")),
    }
}

fn reading<T: serde::Serialize>(found: &Result<Knob<T>, String>) -> ReadingFacts {
    match found {
        Ok(knob) => ReadingFacts { reading: Some(word(&knob.reading)), how: knob.how.clone() },
        Err(why) => ReadingFacts { reading: None, how: why.clone() },
    }
}
