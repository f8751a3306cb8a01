//! Asking an agent for a root path, which tells how its acknowledgement ends and how it pads.

use std::fmt;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::greeting::{Greeted, Target};
use super::reading::{Awaited, Reader, Response, Verdict};
use crate::engine::agent::connection::{Connection, End};
use crate::engine::agent::secure::Layer;
use crate::format::{AES_BLOCK, Padding, Secrets};
use crate::hex_text;
use crate::hex_text::spaced;
use crate::subject::placeholders::Values;
use crate::terms::{Encryption, TimeSpan};
use crate::vectors::transcript::Party;
use crate::vectors::transcript::entry::ServerVersion;
use crate::vectors::transcript::play::Framing;

/// The command of Get Agent Root Path and of its response (MTA-3).
pub(super) const COMMAND: i32 = 3;

/// How many bytes of an answer that is none are shown.
const SHOWN: usize = 64;

/// How an agent is asked.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    /// The agent's key for mode aes, if it is known.
    pub(crate) aes_key: Option<Vec<u8>>,
    /// What the agent is called in TLS.
    pub(crate) name: String,
    /// Whether a response may carry any command.
    pub(crate) any_command: bool,
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// The product whose root path is asked for: 1 to 3.
    pub(super) product: u8,
    /// How it is padded with AES.
    pub(super) padding: Padding,
}

/// What TLS came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TlsSeen {
    /// Its version, `TLS 1.3`.
    pub(super) version: String,
    /// The cipher suite.
    pub(super) cipher: String,
    /// The certificates that the agent presented, its own first, DER.
    pub(super) chain: Vec<Vec<u8>>,
    /// How long the handshake took.
    pub(super) took: Duration,
}

/// An agent that answered.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// How its server version is written.
    pub(super) form: ServerVersion,
    /// Its server version.
    pub(super) server_version: Vec<i32>,
    /// What TLS came to, where there is any.
    pub(super) tls: Option<Result<TlsSeen, String>>,
    /// Its response, and how long that took. TLS that failed leaves none.
    pub(super) response: Result<(Response, Duration), String>,
}

/// Why a question tells nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The mode is aes, and there is no key.
    NoKey,
    /// It cannot be asked.
    Unable(String),
    /// The connection ended, in words.
    Ended(String),
    /// No whole answer came in time: what came of it.
    Silent(Duration, Vec<u8>),
    /// What came is no answer behind a server version of either form.
    Neither(Vec<u8>),
    /// What came is an answer behind a server version of either form.
    Both(Vec<u8>),
    /// One form fits; the other is open however often this is asked.
    Tied(Box<Tie>),
}

/// An answer behind a server version of one form, in bytes that may be the beginning of one of the other form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tie {
    /// The form that fits.
    pub(super) form: ServerVersion,
    /// What came behind the number of the acknowledgement: 16 bytes or more.
    pub(super) came: Vec<u8>,
    /// The response, and how long it took.
    pub(super) response: (Response, Duration),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("its mode is aes, and without the key nothing can be asked"),
            Self::Unable(why) => write!(f, "it cannot be asked: {why}"),
            Self::Ended(how) => {
                write!(f, "the connection was {how} instead of an answer to Get Agent Root Path")
            }
            Self::Silent(patience, came) => {
                write!(f, "Get Agent Root Path was not answered within {}", TimeSpan(*patience))?;
                if came.is_empty() {
                    Ok(())
                } else {
                    write!(f, "; behind its number, the agent sent {}", spaced(came))
                }
            }
            Self::Neither(came) => {
                write!(
                    f,
                    "neither 4 nor 16 bytes behind the number of the acknowledgement does the answer begin: {}",
                    spaced(came)
                )
            }
            Self::Both(came) => {
                write!(
                    f,
                    "an answer begins both 4 and 16 bytes behind the number of the acknowledgement: {}",
                    spaced(came)
                )
            }
            Self::Tied(tie) => {
                let came = spaced(&tie.came);
                write!(f, "what follows the number of the acknowledgement can be read in both ways: {came}")
            }
        }
    }
}

/// Asks on a fresh connection, and ends it.
///
/// # Errors
///
/// Why that tells nothing.
pub(super) async fn ask(
    greeted: Greeted,
    target: &Target<'_>,
    asker: &Asker,
    question: Question,
) -> Result<Asked, Unanswered> {
    let asking = Asking { greeted: &greeted, target, asker, question };
    let asked = match greeted.encryption {
        Encryption::None => asking.in_clear().await,
        Encryption::Aes => asking.by_aes().await,
        Encryption::Ssl => asking.by_tls().await,
    };
    greeted.connection.close().await;
    asked
}

/// Half-closes a connection without asking anything, and looks how much had come when the agent has ended it.
pub(super) async fn form_by_end(greeted: Greeted, target: &Target<'_>) -> Option<(ServerVersion, Vec<i32>)> {
    greeted.connection.shut_down();
    let came = greeted
        .connection
        .watch(target.deadline(), |inbox| {
            inbox.end().map(|(end, _)| (*end == End::Fin, inbox.unread().to_vec()))
        })
        .await;
    greeted.connection.close().await;
    let (true, came) = came? else { return None };
    let form = match came.len() {
        4 => ServerVersion::Int32,
        16 => ServerVersion::Int32x4,
        _ => return None,
    };
    Some((form, numbers(&came)))
}

pub(super) fn numbers(bytes: &[u8]) -> Vec<i32> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers.iter().map(|number| i32::from_le_bytes(*number)).collect()
}

struct Asking<'a> {
    greeted: &'a Greeted,
    target: &'a Target<'a>,
    asker: &'a Asker,
    question: Question,
}

impl Asking<'_> {
    fn connection(&self) -> &Connection {
        &self.greeted.connection
    }

    fn reader(&self) -> Reader<'_> {
        Reader { formats: self.target.formats, any_command: self.asker.any_command }
    }

    /// The request in plaintext, and how many of its bytes stand before its data.
    fn request(&self) -> Result<(Vec<u8>, usize), Unanswered> {
        let formats = self.target.formats;
        let framing = Framing::new(formats, Party::Client, self.greeted.version);
        let framing =
            framing.ok_or_else(|| Unanswered::Unable("no protocol version is described".to_owned()))?;
        let value =
            json!({"target": 0, "command": COMMAND, "data": format!("{:02x}", self.question.product)});
        let bytes = formats.encode(framing.type_name, &value, None);
        Ok((bytes.map_err(|error| Unanswered::Unable(error.to_string()))?, framing.header))
    }

    async fn send(&self, bytes: &[u8]) -> Instant {
        let before = Instant::now();
        // Whether it was taken the answer tells.
        self.connection().send(bytes, self.target.patience()).await;
        before
    }

    /// Waits until what came can be judged.
    async fn verdict(&self, awaited: &Awaited) -> Result<Verdict, Unanswered> {
        let (reader, patience) = (self.reader(), self.target.patience());
        let seen = self
            .connection()
            .watch(self.target.deadline(), |inbox| {
                let ended = inbox.end().map(|(end, _)| end.to_string());
                match (reader.judge(inbox.unread(), ended.is_some(), awaited), ended) {
                    (Verdict::Open, _) => None,
                    // It sent no more than its server version, if that.
                    (Verdict::Neither, Some(how)) if inbox.unread().len() <= 16 => {
                        Some(Err(Unanswered::Ended(how)))
                    }
                    (verdict, _) => Some(Ok(verdict)),
                }
            })
            .await;
        seen.unwrap_or_else(|| Err(Unanswered::Silent(patience, self.came())))
    }

    /// The first bytes behind the number of the acknowledgement.
    fn came(&self) -> Vec<u8> {
        self.connection().inbox().unread().iter().take(SHOWN).copied().collect()
    }

    async fn in_clear(&self) -> Result<Asked, Unanswered> {
        let (request, _) = self.request()?;
        let sent = self.send(&request).await;
        let verdict = self.verdict(&Awaited::Plain(1)).await?;
        let took = sent.elapsed();
        let verdict = match verdict {
            Verdict::Tied(..) => {
                self.send(&request).await;
                self.verdict(&Awaited::Plain(2)).await?
            }
            verdict => verdict,
        };
        self.concluded(verdict, took)
    }

    fn concluded(&self, verdict: Verdict, took: Duration) -> Result<Asked, Unanswered> {
        let came = self.came();
        match verdict {
            Verdict::Found(form, response) => {
                let server_version = numbers(came.get(..form.size()).unwrap_or_default());
                // Behind a ClientHello the request is still to come.
                let response = response.map(|response| (response, took));
                let response = response.ok_or_else(|| "nothing was asked".to_owned());
                Ok(Asked { form, server_version, tls: None, response })
            }
            Verdict::Tied(form, Some(response)) => {
                Err(Unanswered::Tied(Box::new(Tie { form, came, response: (response, took) })))
            }
            Verdict::Tied(_, None) | Verdict::Both => Err(Unanswered::Both(came)),
            Verdict::Neither | Verdict::Open => Err(Unanswered::Neither(came)),
        }
    }

    async fn by_aes(&self) -> Result<Asked, Unanswered> {
        let key = self.asker.aes_key.clone().ok_or(Unanswered::NoKey)?;
        let (request, header) = self.request()?;
        let padding = self.question.padding;
        let values = Values::from([("encryption", "aes".to_owned()), ("aes_key", hex_text::encode(&key))]);
        let layer =
            Layer::of(&values, padding, &self.greeted.head, fastrand::u64(..)).map_err(Unanswered::Unable)?;
        let mut layer = layer.ok_or_else(|| Unanswered::Unable("there is no AES".to_owned()))?;
        let sealed = layer.seal(&request, header).map_err(Unanswered::Unable)?;
        let iv = self.greeted.head.get(1..).and_then(|bytes| bytes.first_chunk::<AES_BLOCK>()).copied();
        let iv = iv.ok_or_else(|| Unanswered::Unable("there is no vector".to_owned()))?;
        let sent = self.send(&sealed).await;
        let verdict = self.verdict(&Awaited::Aes(Secrets { key, iv, padding })).await?;
        self.concluded(verdict, sent.elapsed())
    }

    async fn by_tls(&self) -> Result<Asked, Unanswered> {
        let mut layer = Layer::tls(&self.asker.name).map_err(Unanswered::Unable)?;
        let hello = layer.outgoing();
        let sent = self.send(&hello).await;
        let verdict = self.verdict(&Awaited::Tls).await?;
        let mut asked = self.concluded(verdict, Duration::ZERO)?;
        self.connection().inbox().take(asked.form.size());
        let patience = self.target.patience();
        let tls = match self.connection().secure(layer, self.target.deadline(), None, patience).await {
            Ok(()) => self.tls_seen(sent.elapsed()).ok_or_else(|| "TLS tells nothing of itself".to_owned()),
            Err(Some(End::Unopened(why))) => Err(format!("the TLS handshake failed: {why}")),
            Err(Some(end)) => Err(format!("the connection was {end} in the TLS handshake")),
            Err(None) => Err(format!("the TLS handshake was not over within {}", TimeSpan(patience))),
        };
        asked.response = match &tls {
            Ok(_) => self.within_tls().await,
            Err(why) => Err(why.clone()),
        };
        asked.tls = Some(tls);
        Ok(asked)
    }

    fn tls_seen(&self, took: Duration) -> Option<TlsSeen> {
        let mut inbox = self.connection().inbox();
        let Layer::Tls(tls) = inbox.layer()? else { return None };
        let client = tls.connection();
        let version = format!("{:?}", client.protocol_version()?);
        let chain = client.peer_certificates()?.iter().map(|certificate| certificate.to_vec()).collect();
        Some(TlsSeen {
            version: version.replacen("TLSv", "TLS ", 1).replace('_', "."),
            cipher: format!("{:?}", client.negotiated_cipher_suite()?.suite()),
            chain,
            took,
        })
    }

    /// Asks within TLS, where nothing is left to be found out.
    async fn within_tls(&self) -> Result<(Response, Duration), String> {
        let (request, header) = self.request().map_err(|error| error.to_string())?;
        let sealed = self.connection().seal(&request, header)?;
        let sent = self.send(&sealed).await;
        let (reader, patience) = (self.reader(), self.target.patience());
        let seen = self
            .connection()
            .watch(self.target.deadline(), |inbox| match (reader.response(inbox.unread()), inbox.end()) {
                (Ok(Some(response)), _) => Some(Ok(response)),
                (Err(()), _) => Some(Err("Get Agent Root Path was answered within TLS by something else")),
                (Ok(None), Some(_)) => Some(Err("the connection ended within TLS instead of an answer")),
                (Ok(None), None) => None,
            })
            .await;
        match seen {
            Some(Ok(response)) => Ok((response, sent.elapsed())),
            Some(Err(why)) => Err(why.to_owned()),
            None => Err(Unanswered::Silent(patience, Vec::new()).to_string()),
        }
    }
}
