//! What the harness does itself where clients are tested: the agent's side of a conversation.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::secure::{self, mode};
use super::play::{Outgoing, outgoing, tls_handshake};
use super::scope::Scope;
use super::talk::{Moment, Talk};
use super::{Conversation, Outcome, Trouble};
use crate::subject::Certificates;
use crate::terms::Encryption;
use crate::vectors::transcript::data::{TlsFault, WireItem, WrongCertificate};
use crate::vectors::transcript::{Party, Step};
use crate::yaml::Spot;

impl Conversation<'_> {
    /// Plays a step of the agent.
    pub(super) async fn serve(&self, step: &Spot<Step>, name: &str, scope: &Scope<'_>) -> Outcome {
        let talk = self.accepted(step, name).await?;
        self.hold_back(step, &talk, scope).await;
        let mut moment = Moment::at(Instant::now());
        if let Some(wrong) = wrong_certificate(step) {
            self.present(name, &talk, Some(wrong), None).await?;
        } else if let Some(handshake) = tls_handshake(step) {
            self.present(name, &talk, None, handshake.pace()).await?;
        } else if step.has_bytes() {
            moment = self.answer_client(step, name, &talk, scope).await?;
        }
        self.end_if_told(step, name, &talk).await;
        moment.after = Instant::now();
        self.ended_step(step, Some(&talk), moment, scope);
        Ok(())
    }

    /// Sends the bytes of a step: an acknowledgement, behind which the connection is encrypted as the settings say, and
    /// messages.
    async fn answer_client(
        &self,
        step: &Spot<Step>,
        name: &str,
        talk: &Rc<Talk>,
        scope: &Scope<'_>,
    ) -> Result<Moment, Trouble> {
        let opening = self.with_matching(scope, |matching| {
            let data = step.bytes.as_ref().map(|data| matching.player.data(data)).transpose();
            data.map_err(|error| self.unbuildable(&error)).map(Option::unwrap_or_default)
        })?;
        if !opening.is_empty() {
            self.note_acknowledgement(&opening, talk);
            self.acknowledged.set(self.acknowledged.get() + 1);
        }
        let framing = self.framing(Party::Agent, talk)?;
        let mut all = self.with_matching(scope, |matching| {
            let all = outgoing(opening.clone(), step, matching, framing, Party::Agent);
            all.map_err(|error| self.unbuildable(&error))
        })?;
        if opening.is_empty() || self.spoils_tls(name) {
            return self.send_all(step, name, talk, all, framing.header).await;
        }
        let good = &Certificates::of_this_run().map_err(Trouble::CannotRun)?.good;
        let mode = mode(&self.values.borrow());
        match mode {
            Encryption::None => self.send_all(step, name, talk, all, framing.header).await,
            // From the acknowledgement on frames are encrypted, so messages may stand in one segment with it.
            Encryption::Aes => {
                self.secure_as_agent(name, talk, &opening, good, None).await?;
                self.send_all(step, name, talk, all, framing.header).await
            }
            // TLS takes an exchange before a message can follow.
            Encryption::Ssl => {
                let (messages, raw) = (std::mem::take(&mut all.messages), std::mem::take(&mut all.raw));
                let moment = self.send_all(step, name, talk, all, framing.header).await?;
                self.secure_as_agent(name, talk, &opening, good, None).await?;
                if messages.is_empty() && raw.is_empty() {
                    return Ok(moment);
                }
                let rest = Outgoing { handshake: Vec::new(), messages, raw };
                self.send_all(step, name, talk, rest, framing.header).await
            }
        }
    }

    /// Makes a TLS handshake where it is due, with the usual certificate or a wrong one. What the client makes of it other
    /// steps look at.
    async fn present(
        &self,
        name: &str,
        talk: &Talk,
        wrong: Option<WrongCertificate>,
        pace: Option<(usize, Duration)>,
    ) -> Outcome {
        let made = Certificates::of_this_run().map_err(Trouble::CannotRun)?;
        let certificate = wrong.and_then(|wrong| made.wrong(wrong)).unwrap_or(&made.good);
        let acknowledgement = [u8::try_from(secure::number(Encryption::Ssl)).unwrap_or(1)];
        self.secure_as_agent(name, talk, &acknowledgement, certificate, pace).await
    }
}

/// The wrong certificate that a step presents.
fn wrong_certificate(step: &Step) -> Option<WrongCertificate> {
    step.wire.iter().flat_map(|wire| &wire.0).find_map(|item| match item.value {
        WireItem::Tls(TlsFault::Certificate(wrong)) => Some(wrong),
        _ => None,
    })
}
