//! The end of a case for connections that are bound to a session: the probe answers an echo next, and nothing is left over.
//!
//! All clients of a session hear its host (RTE-4), so each hears the answers to all their requests.

use std::rc::Rc;

use super::check::Watch;
use super::fence::spot;
use super::scope::Scope;
use super::talk::{Moment, Phase, Talk};
use super::{Conversation, Outcome, Trouble};
use crate::event::Happening;
use crate::vectors::transcript::Party;
use crate::vectors::transcript::data::Frame;
use crate::vectors::transcript::scalars::Hex;
use crate::yaml::Spot;

/// The command of the probe's echo (contract, section 3).
const ECHO: i32 = 101;

/// The token of the first request; the others count up from it.
const FIRST_TOKEN: i32 = 0x7ffe_0000;

/// A connection that is bound.
struct Bound<'t> {
    name: &'t str,
    talk: &'t Rc<Talk>,
    session: i32,
}

impl Conversation<'_> {
    /// Asks on every open connection that is bound to a session, one after the other, and looks for the answers on all of
    /// the session.
    pub(super) async fn fence_sessions(&self, talks: &[(String, Rc<Talk>)]) -> Outcome {
        let bound: Vec<Bound<'_>> = talks
            .iter()
            .filter_map(|(name, talk)| Some(Bound { name, talk, session: talk.session.get()? }))
            .filter(|bound| bound.talk.connection().is_some() && bound.talk.phase.get() != Phase::Ended)
            .collect();
        for (asking, token) in bound.iter().zip(FIRST_TOKEN..) {
            if !asking.talk.takes_requests() {
                continue;
            }
            self.ask_host(asking, token).await?;
            for hearing in bound.iter().filter(|hearing| hearing.session == asking.session) {
                self.host_answered(hearing, token).await?;
            }
        }
        bound.iter().try_for_each(|bound| match bound.talk.connection() {
            Some(connection) => self.nothing_left(bound.name, bound.talk, &connection),
            None => Ok(()),
        })
    }

    async fn ask_host(&self, asking: &Bound<'_>, token: i32) -> Outcome {
        let Some(connection) = asking.talk.connection() else { return Ok(()) };
        let framing = self.framing(Party::Client, asking.talk)?;
        let bytes = message(&token.to_le_bytes());
        let sealed = connection.seal(&bytes, framing.header).map_err(Trouble::CannotRun)?;
        let sent = connection.send(&sealed, self.background.patience).await;
        self.trace.note_came(asking.name, Happening::Sent, &bytes[..sent.count.min(bytes.len())]);
        asking.talk.last.set(Moment { before: sent.before, after: sent.after });
        Ok(())
    }

    async fn host_answered(&self, hearing: &Bound<'_>, token: i32) -> Outcome {
        let Some(connection) = hearing.talk.connection() else { return Ok(()) };
        let mut data = token.to_le_bytes().to_vec();
        // Done.
        data.push(0);
        let answer: Spot<Frame> = spot(Frame::Hex(Hex::of(&message(&data))));
        let since = tokio::time::Instant::now();
        let step = self.fence_step(hearing.name);
        let watch = Watch {
            step: &step,
            name: hearing.name,
            what: "the echo at the end, which the host must answer next".to_owned(),
            number: 0,
            deadline: since + self.background.patience,
            since,
            not_before: None,
        };
        self.message(&watch, &answer, &connection, hearing.talk, &Scope::default()).await.map(|_| ())
    }
}

/// An echo or its answer: int32 length, int32 command, data.
fn message(data: &[u8]) -> Vec<u8> {
    let length = i32::try_from(data.len()).unwrap_or(i32::MAX);
    [&length.to_le_bytes(), &ECHO.to_le_bytes(), data].concat()
}
