//! The health of a client: a short conversation of the harness's own, of which one stays open.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;

use super::Ailment;
use crate::engine::agent::client::Client;
use crate::engine::agent::conversation::scope::Scope;
use crate::engine::agent::conversation::{self, Background, Conversation, Counterpart, Trouble};
use crate::engine::agent::settings::Asked;
use crate::terms::Encryption;
use crate::vectors::{Corpus, CorpusFiles, TranscriptCase};

/// The conversations, in the form of vectors. The first steps open a connection, the rest asks on it.
const CONVERSATIONS: &str = include_str!("client.yaml");

/// How many steps open a connection.
const OPENING: usize = 3;

/// What is known of a client's health.
pub(super) struct ClientHealth<'a> {
    background: &'a Background<'a>,
    client: &'a Client<'a>,
    case: &'a TranscriptCase,
    /// A conversation whose connection stays open; `None` where the client never opened it.
    held: Option<(Conversation<'a>, Scope<'static>)>,
}

impl<'a> ClientHealth<'a> {
    /// Looks at a client for the first time, and has it hold a connection open.
    pub(super) async fn first(
        background: &'a Background<'a>,
        client: &'a Client<'a>,
    ) -> (Self, Result<(), Ailment>) {
        let supports = &client.manifest().supports;
        let oldest_only = !supports.versions.contains(&2000);
        let case = &cases()[usize::from(oldest_only)];
        let mut health = Self { background, client, case, held: None };
        let mut seen = health.talk().await;
        if seen.is_ok() {
            seen = health.hold().await;
        }
        (health, seen)
    }

    /// Looks at it: a conversation, and a request on the connection that is held open.
    pub(super) async fn look(&self) -> Result<(), Ailment> {
        self.talk().await?;
        let Some((conversation, scope)) = &self.held else { return Ok(()) };
        let asked = conversation.steps(&self.case.steps()[OPENING..], scope).await;
        asked.map_err(|trouble| match ailment(&trouble) {
            Ailment::Fails(why) => Ailment::FailsHeld(why),
            other => other,
        })
    }

    /// Asks on the connection that is held open. Gives whether it was answered.
    pub(super) async fn beat(&self) -> bool {
        let Some((conversation, scope)) = &self.held else { return false };
        conversation.steps(&self.case.steps()[OPENING..], scope).await.is_ok()
    }

    /// Has it connect so many times in each of its modes, one time after the other, or until that took too long, and tells
    /// how long each took from the line that says so to its answer.
    pub(super) async fn handshakes(
        &self,
        count: usize,
        within: Duration,
    ) -> Vec<(Encryption, Vec<Duration>)> {
        let mut found = Vec::new();
        for mode in [Encryption::None, Encryption::Ssl, Encryption::Aes] {
            if !self.client.manifest().supports.encryption.contains(&mode) {
                continue;
            }
            let asked = Asked::by(None, mode);
            let (mut times, began) = (Vec::new(), Instant::now());
            for _ in 0..count {
                if began.elapsed() >= within {
                    break;
                }
                let (background, counterpart) = (self.background, Counterpart::Client(self.client));
                let conversation =
                    Conversation::new(background, self.case, &asked, background.dialect(), counterpart);
                let opened = conversation.steps(&self.case.steps()[..OPENING], &Scope::default()).await;
                if opened.is_err() || conversation.settle().await.is_err() {
                    break;
                }
                times.extend(conversation.first_task_took());
            }
            found.push((mode, times));
        }
        found
    }

    async fn talk(&self) -> Result<(), Ailment> {
        let (background, case) = (self.background, self.case);
        let counterpart = Counterpart::Client(self.client);
        let (course, _) =
            conversation::run(background, case, &background.asked, background.dialect(), counterpart).await;
        course.trouble.map_or(Ok(()), |trouble| Err(ailment(&trouble)))
    }

    /// Has it open a connection that stays.
    async fn hold(&mut self) -> Result<(), Ailment> {
        let (background, counterpart) = (self.background, Counterpart::Client(self.client));
        let (case, dialect) = (self.case, background.dialect());
        let conversation = Conversation::new(background, case, &background.asked, dialect, counterpart);
        let scope = Scope::default();
        let opened = conversation.steps(&case.steps()[..OPENING], &scope).await;
        opened.map_err(|trouble| ailment(&trouble))?;
        self.held = Some((conversation, scope));
        Ok(())
    }
}

fn ailment(trouble: &Trouble) -> Ailment {
    match trouble {
        Trouble::CannotRun(why) => Ailment::Fails(why.clone()),
        Trouble::Stumble(stumble) => {
            let problem = &stumble.problem;
            let why = format!("{}, expected {}, found {}", problem.summary, problem.expected, problem.actual);
            if stumble.late { Ailment::Hangs(why) } else { Ailment::Fails(why) }
        }
    }
}

/// The conversations, v2 first.
fn cases() -> &'static [TranscriptCase] {
    static CASES: OnceLock<Vec<TranscriptCase>> = OnceLock::new();
    CASES.get_or_init(|| {
        let files = CorpusFiles::from_texts([("health/client.yaml", CONVERSATIONS)]);
        // The clauses that they cite are in no file here; a test reads them.
        let (corpus, _) = Corpus::load(&files);
        corpus.transcripts.into_iter().flat_map(|transcript| transcript.cases).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conversations_can_be_read_and_have_no_mistakes() {
        let files = CorpusFiles::embedded().with("health/client.yaml", CONVERSATIONS);
        let (_, findings) = crate::vectors::check::check(&files);
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(
            cases().iter().map(|case| case.name.as_str()).collect::<Vec<_>>(),
            ["health/client/v2", "health/client/v1"]
        );
        assert!(cases().iter().all(|case| case.steps().len() > OPENING));
    }
}
