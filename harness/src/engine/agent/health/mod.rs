//! Whether a subject still serves: a good handshake, and a connection that is open since the group began.
//!
//! So a refusal is told apart from a crash, and a restart in silence shows. Many cases that end at once share a
//! look: one that began after a case had ended is good for that case.

mod agent;
mod client;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use agent::AgentHealth;
pub(super) use agent::greet;
use client::ClientHealth;

use super::conversation::Background;
use super::settings::Asked;
use super::subject::Subject;
use crate::engine::Breakdown;
use crate::subject::Ending;
use crate::terms::{TimeSpan, word};
use crate::timing::HandshakeTimes;

/// How long a process whose connections ended may take to be gone.
const DIES_WITHIN: Duration = Duration::from_secs(2);

/// How many handshakes are measured in each mode.
const HANDSHAKES: usize = 50;

/// How long that may take: a subject that makes each of them wait is not measured to the end.
const MEASURED_WITHIN: Duration = Duration::from_secs(5);

/// What a subject did instead of serving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ailment {
    /// Its process ended.
    Died(Ending),
    /// It accepts no connection.
    Refuses(String),
    /// It does not acknowledge a good handshake.
    Silent(Duration),
    /// It ends a good handshake without an acknowledgement.
    EndsHandshake(String),
    /// It ended the connection that was held open.
    DroppedHeld(String),
    /// It answers no more on the connection that was held open.
    HeldIsSilent(Duration),
    /// A client: it says what is no answer, or nothing more.
    Broke(Breakdown),
    /// A client: it no longer does what any client does, for this reason.
    Fails(String),
    /// A client: it does not do it in time.
    Hangs(String),
    /// A client: on the connection held open it no longer does what it did before.
    FailsHeld(String),
}

impl Ailment {
    /// Whether it is a silence rather than an end.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Ailment::Silent(_) | Ailment::HeldIsSilent(_) | Ailment::Hangs(_))
    }

    /// Whether a machine that held harness or subject up can be the reason: the harness may have asked too late, too.
    pub(super) fn may_be_lateness(&self) -> bool {
        match self {
            Ailment::Died(_) | Ailment::Refuses(_) | Ailment::DroppedHeld(_) => false,
            Ailment::Broke(breakdown) => breakdown.is_silence(),
            Ailment::Silent(_)
            | Ailment::EndsHandshake(_)
            | Ailment::HeldIsSilent(_)
            | Ailment::Fails(_)
            | Ailment::Hangs(_)
            | Ailment::FailsHeld(_) => true,
        }
    }
}

impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ailment::Died(ending) => write!(f, "the subject {ending}"),
            Ailment::Refuses(error) => write!(f, "the subject accepts no connection ({error})"),
            Ailment::Silent(patience) => {
                write!(f, "the subject did not acknowledge a good handshake within {}", TimeSpan(*patience))
            }
            Ailment::EndsHandshake(end) => {
                write!(f, "the subject did not acknowledge a good handshake: the connection was {end}")
            }
            Ailment::DroppedHeld(end) => {
                write!(
                    f,
                    "the connection held open since the start was {end}, as if the subject had restarted itself"
                )
            }
            Ailment::HeldIsSilent(patience) => write!(
                f,
                "the subject did not answer within {} on the connection held open since the start",
                TimeSpan(*patience)
            ),
            Ailment::Broke(breakdown) => breakdown.fmt(f),
            Ailment::Fails(why) | Ailment::Hangs(why) => {
                write!(f, "the subject did not do on a connection of its own what it is told ({why})")
            }
            Ailment::FailsHeld(why) => {
                write!(
                    f,
                    "the subject did not do on the connection held open since the start what it is told ({why})"
                )
            }
        }
    }
}

impl From<Breakdown> for Ailment {
    fn from(breakdown: Breakdown) -> Self {
        match breakdown {
            Breakdown::Ended { ending, .. } => Ailment::Died(ending),
            other => Ailment::Broke(other),
        }
    }
}

/// What is known of a subject's health.
pub(super) struct Health<'a> {
    subject: &'a Subject<'a>,
    patient: Patient<'a>,
    was_ill: bool,
    busy: Mutex<()>,
    /// How many looks were begun.
    begun: Cell<u64>,
    last: RefCell<Option<(u64, Result<(), Ailment>)>>,
}

/// What is kept of a subject to look after it.
enum Patient<'a> {
    Agent(AgentHealth<'a>),
    Client(Box<ClientHealth<'a>>),
}

impl<'a> Health<'a> {
    /// Looks at a subject for the first time, and holds a connection open where it gives one.
    ///
    /// # Errors
    ///
    /// What the subject does instead of serving: it can be tested all the same.
    pub(super) async fn first(
        background: &'a Background<'a>,
        subject: &'a Subject<'a>,
        asked: &'a Asked,
    ) -> (Self, Result<(), Ailment>) {
        let (patient, seen) = match subject {
            Subject::Agent(agent) => {
                let (health, seen) = AgentHealth::first(background, agent, asked).await;
                (Patient::Agent(health), seen)
            }
            Subject::Client(client) => {
                let (health, seen) = ClientHealth::first(background, client).await;
                (Patient::Client(Box::new(health)), seen)
            }
        };
        let (busy, begun, last) = (Mutex::new(()), Cell::new(0), RefCell::new(None));
        let mut health = Self { subject, patient, was_ill: false, busy, begun, last };
        // What every look behind a case does has to go well before the first one.
        let seen = match seen {
            Ok(()) => health.look_now().await,
            Err(ailment) => Err(subject.breakdown().unwrap_or(ailment)),
        };
        health.was_ill = seen.is_err();
        (health, seen)
    }

    /// Whether the subject did not serve when it was looked at for the first time.
    pub(super) fn was_ill(&self) -> bool {
        self.was_ill
    }

    /// Looks again: a look that began after this was called.
    ///
    /// # Errors
    ///
    /// What the subject does instead of serving.
    pub(super) async fn look(&self) -> Result<(), Ailment> {
        let before = self.begun.get();
        let _turn = self.busy.lock().await;
        if let Some((number, seen)) = self.last.borrow().as_ref()
            && *number > before
        {
            return seen.clone();
        }
        let number = self.begun.get() + 1;
        self.begun.set(number);
        let seen = self.look_now().await;
        *self.last.borrow_mut() = Some((number, seen.clone()));
        seen
    }

    /// Asks on the connection that was held open since the first look, and waits for the answer. Gives whether there is a
    /// point in asking again.
    pub(super) async fn beat(&self) -> bool {
        let _turn = self.busy.lock().await;
        match &self.patient {
            Patient::Agent(health) => health.beat().await,
            Patient::Client(health) => health.beat().await,
        }
    }

    /// How long handshakes take now, by mode of encryption.
    pub(super) async fn handshakes(&self, asked: &Asked) -> Vec<HandshakeTimes> {
        let times = match &self.patient {
            Patient::Agent(health) => {
                let mode = asked.get("encryption").unwrap_or("none").to_owned();
                vec![(mode, health.handshakes(HANDSHAKES, MEASURED_WITHIN).await)]
            }
            Patient::Client(health) => {
                let times = health.handshakes(HANDSHAKES, MEASURED_WITHIN).await;
                times.into_iter().map(|(mode, times)| (word(&mode), times)).collect()
            }
        };
        times.into_iter().filter_map(|(mode, times)| HandshakeTimes::of(&mode, times)).collect()
    }

    async fn look_now(&self) -> Result<(), Ailment> {
        let seen = match &self.patient {
            Patient::Agent(health) => health.look().await,
            Patient::Client(health) => health.look().await,
        };
        let Err(ailment) = seen else { return Ok(()) };
        // Connections end a little before their process is gone.
        if ailment.is_silence() || !self.subject.is_ours() {
            return Err(self.subject.breakdown().unwrap_or(ailment));
        }
        Err(timeout(DIES_WITHIN, self.subject.broken()).await.unwrap_or(ailment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_is_too_busy_is_no_reason_for_a_death() {
        let words = || "closed (FIN)".to_owned();
        let late = [
            Ailment::Silent(Duration::ZERO),
            // The harness may have sent the handshake too late.
            Ailment::EndsHandshake(words()),
            Ailment::HeldIsSilent(Duration::ZERO),
            Ailment::Fails(words()),
            Ailment::Hangs(words()),
            Ailment::FailsHeld(words()),
            Ailment::Broke(Breakdown::Silent(Duration::ZERO)),
        ];
        assert!(late.iter().all(Ailment::may_be_lateness));
        let certain = [
            Ailment::Died(Ending::Exited(0)),
            Ailment::Refuses(words()),
            Ailment::DroppedHeld(words()),
            Ailment::Broke(Breakdown::ClosedOutput),
        ];
        assert!(!certain.iter().any(Ailment::may_be_lateness));
    }
}
