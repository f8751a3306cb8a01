//! From acknowledgements on: connections of a conversation that are encrypted.

use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use super::super::connection::Connection;
use super::super::secure::{self, Layer, mode};
use super::check::Watch;
use super::scope::Scope;
use super::talk::{Phase, Talk};
use super::vectors::{self, foreseeable};
use super::{Conversation, Mismatch, Outcome, Trouble};
use crate::citation::own;
use crate::format::AES_BLOCK;
use crate::hex_text::{amount, decode};
use crate::subject::Certificate;
use crate::terms::TimeSpan;
use crate::vectors::transcript::data::{TlsHandshake, WireItem};
use crate::vectors::transcript::scalars::Name;
use crate::vectors::transcript::step::walk;
use crate::vectors::transcript::{Party, Step};
use crate::yaml::Spot;

/// The clause that every announced vector is fresh.
const FRESH_VECTORS: &str = "AES-7";

impl Conversation<'_> {
    /// Encrypts a connection that was acknowledged, if the settings of the subject say so.
    pub(super) async fn secure(
        &self,
        watch: &Watch<'_>,
        acknowledgement: &[u8],
        connection: &Connection,
        talk: &Talk,
    ) -> Outcome {
        if connection.is_secure() || talk.phase.get() != Phase::Open || self.spoils_tls(watch.name) {
            return Ok(());
        }
        let (seed, padding) = (self.seed(watch.name), self.dialect.padding());
        let layer = Layer::of(&self.values.borrow(), padding, acknowledgement, seed);
        let Some(layer) = layer.map_err(Trouble::CannotRun)? else { return Ok(()) };
        let patience = self.background.patience;
        let secured = connection.secure(layer, Instant::now() + patience, None, patience).await;
        let expected = "a TLS handshake";
        match secured {
            Ok(()) => self.presented(watch, connection),
            Err(Some(end)) => {
                let actual = format!("the connection was {end}");
                let mismatch = Mismatch::words("the TLS handshake failed", expected, actual);
                Err(self.stumble(watch.step, "TLS", mismatch))
            }
            Err(None) => {
                let actual = format!("not done within {}", TimeSpan(patience));
                let mismatch = Mismatch::words("the TLS handshake did not end", expected, actual);
                Err(self.too_late(watch.step, "TLS", mismatch))
            }
        }
    }

    /// Whether nobody can foresee the vectors that were announced on the connections of the case, where it is about that
    /// (AES-7).
    pub(super) fn fresh_vectors(&self, watch: &Watch<'_>) -> Outcome {
        if !self.case.clauses.iter().any(|clause| clause == FRESH_VECTORS) {
            return Ok(());
        }
        let mut talks = self.all_talks();
        talks.sort_by_key(|(name, _)| in_turn(name));
        // Those of each connection, behind that of its acknowledgement, and those of all connections.
        let (mut lists, mut all) = (Vec::new(), Vec::new());
        for (_, talk) in talks {
            let Some(connection) = talk.connection() else { continue };
            let announced = connection.inbox().layer().map(|layer| layer.announced_vectors().to_vec());
            let announced = announced.unwrap_or_default();
            all.extend(announced.iter().skip(1).copied());
            lists.push(announced);
        }
        lists.push(all);
        let Some(why) = foreseeable(&lists) else { return Ok(()) };
        let expected = "a vector that nobody can foresee, and that was not announced before";
        let mismatch = Mismatch::words("the vectors of next messages can be foreseen", expected, why);
        Err(self.stumble(watch.step, &watch.what, mismatch.breaking(FRESH_VECTORS)))
    }

    /// Whether nobody can foresee vectors that were bound.
    pub(super) fn unpredictable(
        &self,
        step: &Spot<Step>,
        names: &[Spot<Name>],
        scope: &Scope<'_>,
    ) -> Outcome {
        for name in names {
            let bound = scope.all_bound(&name.value.0);
            let vector =
                |value: &Json| -> Option<[u8; AES_BLOCK]> { decode(value.as_str()?).ok()?.try_into().ok() };
            let vectors: Option<Vec<_>> = bound.iter().map(vector).collect();
            let vectors = vectors.filter(|vectors| vectors.len() > vectors::FEWEST).ok_or_else(|| {
                let few = format!("`{}` are not enough vectors of 16 bytes", name.value);
                Trouble::CannotRun(format!("{}: {few}", self.place(name.span)))
            })?;
            if let Some(why) = foreseeable(&[vectors]) {
                let expected = "vectors that nobody can foresee";
                let summary = format!("the next of the vectors `{}` can be foreseen", name.value);
                return Err(self.stumble(step, "", Mismatch::words(summary, expected, why)));
            }
        }
        Ok(())
    }

    /// Whether the case sends something else where a TLS handshake is due on a connection.
    pub(super) fn spoils_tls(&self, name: &str) -> bool {
        let base = name.split('#').next();
        let mut spoils = false;
        walk(self.case.steps(), &mut |step| {
            let items = step.wire.iter().flat_map(|wire| &wire.0);
            let player = if self.tested == Party::Client { &step.agent } else { &step.client };
            let ours = player.as_ref().map(|player| player.value.0.as_str()) == base;
            spoils |= ours && items.into_iter().any(|item| matches!(item.value, WireItem::Tls(_)));
        });
        spoils
    }

    /// Whether some bytes of the subject may be there although nothing of what they say is looked at: where the case
    /// spoils TLS, an alert (TLS-4), and of a client the beginning of its handshake.
    pub(super) fn may_be_left(&self, name: &str, bytes: &[u8]) -> bool {
        let begins = self.tested == Party::Client && bytes.starts_with(&[0x16, 0x03]);
        !bytes.is_empty() && self.spoils_tls(name) && (begins || is_tls_alert(bytes))
    }

    /// From what the harness draws at random on a connection.
    pub(super) fn seed(&self, name: &str) -> u64 {
        u64::from(crc32fast::hash(format!("{} {name}", self.case.name).as_bytes()))
    }

    /// The first vector that an agent played by the harness announces next.
    pub(super) fn vector(&self) -> [u8; AES_BLOCK] {
        let name = format!("acknowledgement {}", self.acknowledged.get());
        let mut vector = [0; AES_BLOCK];
        fastrand::Rng::with_seed(self.seed(&name)).fill(&mut vector);
        vector
    }

    /// Encrypts the connection of a client behind the acknowledgement that the harness sends, as an agent that
    /// presents a certificate. Whether TLS comes about is for the steps behind it to judge.
    pub(super) async fn secure_as_agent(
        &self,
        name: &str,
        talk: &Talk,
        acknowledgement: &[u8],
        certificate: &Certificate,
        pace: Option<(usize, Duration)>,
    ) -> Outcome {
        let Some(connection) = talk.connection() else { return Ok(()) };
        let is_mode = acknowledgement
            .first()
            .is_some_and(|first| i32::from(*first) == i32::from(secure::number(mode(&self.values.borrow()))));
        if connection.is_secure() || talk.phase.get() != Phase::Open || !is_mode {
            return Ok(());
        }
        let header = self.framing(Party::Client, talk)?.header;
        let (seed, padding) = (self.seed(name), self.dialect.padding());
        let values = std::rc::Rc::clone(&self.values.borrow());
        let layer = Layer::of_agent(&values, padding, acknowledgement, seed, header, certificate);
        let Some(layer) = layer.map_err(Trouble::CannotRun)? else { return Ok(()) };
        let patience = self.background.patience;
        if connection.secure(layer, Instant::now() + patience, pace, patience).await.is_err() {
            // What is said from now on nobody hears.
            talk.phase.set(Phase::HalfClosed);
        }
        Ok(())
    }

    /// Begins TLS as a client at a step of its own. Whether it comes about is for the steps after it to judge.
    pub(super) async fn begin_tls(&self, talk: &Talk, handshake: &TlsHandshake) -> Outcome {
        let Some(connection) = talk.connection().filter(|connection| !connection.is_secure()) else {
            return Ok(());
        };
        let layer = Layer::tls("localhost").map_err(Trouble::CannotRun)?;
        let patience = self.background.patience;
        let deadline = Instant::now() + patience;
        if connection.secure(layer, deadline, handshake.pace(), patience).await.is_err()
            && talk.phase.get() != Phase::Ended
        {
            talk.phase.set(Phase::HalfClosed);
        }
        Ok(())
    }

    /// Whether the certificate is the one that the subject was started with (TLS-2).
    fn presented(&self, watch: &Watch<'_>, connection: &Connection) -> Outcome {
        let Some(certificate) = connection.inbox().layer().and_then(|layer| layer.certificate()) else {
            return Ok(());
        };
        let configured = self.with_agent(|agent| agent.certificate()).flatten();
        if configured.is_none_or(|configured| configured == certificate) {
            return Ok(());
        }
        let mismatch = Mismatch::words(
            "another certificate than the configured one is presented",
            "the certificate at {cert_pem}",
            format!("a certificate of {}", amount(certificate.len())),
        );
        Err(self.stumble(watch.step, "TLS", mismatch.breaking(own::CERTIFICATE)))
    }
}

/// Where the connection of a name stands among those that were made one after the other: `c#2` before `c#10`.
fn in_turn(name: &str) -> (String, u32) {
    let (base, number) = name.split_once('#').unwrap_or((name, ""));
    (base.to_owned(), number.parse().unwrap_or(0))
}

/// Whether some bytes are the record of a TLS alert, or its beginning: what may come where TLS fails (TLS-4).
fn is_tls_alert(bytes: &[u8]) -> bool {
    let starts = bytes.iter().zip([0x15, 0x03]).all(|(byte, due)| *byte == due);
    let length = bytes.get(3..5).map(|length| usize::from(length[0]) << 8 | usize::from(length[1]));
    starts && length.is_none_or(|length| bytes.len() <= 5 + length)
}
