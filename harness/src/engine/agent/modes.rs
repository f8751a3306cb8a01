//! In which modes of encryption a case can be run: those that it names, or else all in which its steps make sense.

use std::collections::BTreeSet;

use crate::terms::Encryption;
use crate::vectors::TranscriptCase;
use crate::vectors::transcript::Step;
use crate::vectors::transcript::data::{Frame, Item};
use crate::vectors::transcript::step::{Kind, walk};
use crate::vectors::transcript::{Party, scalars::Hex};
use crate::yaml::Spot;

/// The sizes of what stands before the data of a message of a client, in v2 and in v1 (FRM-1, FRM-2).
const HEADERS: [usize; 2] = [8, 9];

/// The modes in which a case can be run.
pub(in crate::engine) fn modes(case: &TranscriptCase) -> Vec<Encryption> {
    let needs = &case.entry.needs;
    if let Some(named) = &needs.encryption {
        return named.iter().map(|mode| mode.value).collect();
    }
    if needs.settings.as_ref().is_some_and(|settings| settings.aes_key.is_some()) {
        return vec![Encryption::Aes];
    }
    if case.roles == [Party::Host] {
        return vec![Encryption::None];
    }
    let found = Found::of(case);
    let mut modes = vec![Encryption::None];
    if !found.in_clear_only {
        modes.push(Encryption::Ssl);
        if !found.odd_lengths {
            modes.push(Encryption::Aes);
        }
    }
    modes
}

/// What stands in the way of encryption.
#[derive(Default)]
struct Found<'a> {
    /// Connections that were acknowledged.
    acknowledged: BTreeSet<&'a str>,
    /// Messages before the acknowledgement, an acknowledgement that names its mode by its bytes, raw bytes, or a
    /// subject that is started with a configuration of the case's own.
    in_clear_only: bool,
    /// Messages whose length is not that of their data: AES frames cannot say it.
    odd_lengths: bool,
    /// Whether the agent's side is played, too.
    plays_agent: bool,
}

impl<'a> Found<'a> {
    fn of(case: &'a TranscriptCase) -> Self {
        let plays_agent = case.roles.contains(&Party::Client);
        let mut found = Self { plays_agent, ..Self::default() };
        walk(case.steps(), &mut |step| found.step(step));
        found
    }

    fn step(&mut self, step: &'a Spot<Step>) {
        self.in_clear_only |= step.wire.is_some();
        let start = step.subject.as_ref().and_then(|subject| subject.start.as_ref());
        self.in_clear_only |= start.is_some_and(|start| start.config.is_some());
        match step.kind() {
            Some(Kind::Actor(Party::Agent, name)) => {
                let items = step.bytes.iter().flat_map(|data| &data.0);
                for item in items {
                    let typed = matches!(item.value, Item::Typed { .. });
                    self.in_clear_only |= !typed;
                    self.acknowledged.insert(&name.value.0);
                }
                if self.plays_agent {
                    self.frames(step, &name.value.0);
                }
            }
            Some(Kind::Actor(Party::Client, name)) => {
                let frames = step.frames.iter().flat_map(|frames| &frames.value);
                self.in_clear_only |= step.bytes.is_some() && frames.count() > 0;
                self.frames(step, &name.value.0);
            }
            _ => {}
        }
    }

    /// Messages that a side sends on a connection.
    fn frames(&mut self, step: &Step, name: &str) {
        for frame in step.frames.iter().flat_map(|frames| &frames.value) {
            self.in_clear_only |= !self.acknowledged.contains(name);
            self.odd_lengths |= match &frame.value {
                Frame::Fields(fields) => fields.length.is_some(),
                Frame::Hex(hex) => !is_whole(hex),
            };
        }
    }
}

/// Whether some bytes are one message, by its length.
fn is_whole(hex: &Hex) -> bool {
    let mut start = Vec::new();
    for stretch in hex.stretches() {
        if start.len() < 4 {
            stretch.write_to(&mut start);
        }
    }
    let length = start.first_chunk::<4>().map(|bytes| i32::from_le_bytes(*bytes));
    let length = length.and_then(|length| usize::try_from(length).ok());
    length.is_some_and(|length| HEADERS.iter().any(|header| header + length == hex.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_message_has_the_length_of_its_data() {
        let whole = |hex: &str| is_whole(&Hex::of(&crate::hex_text::parse(hex).unwrap()));
        assert!(whole("01000000 03000000 01"), "v2");
        assert!(whole("01000000 00 03000000 01"), "v1");
        assert!(whole("00000000 03000000"), "without data");
        assert!(!whole("05000000 03000000 01"), "cut short");
        assert!(!whole("01000000 03000000 01 01000000 03000000 01"), "two");
        assert!(!whole("ffffffff 03000000"), "a negative length");
        assert!(!whole("0100"), "not even a length");
    }

    #[test]
    fn the_corpus_has_cases_of_every_kind() {
        let (corpus, findings) = crate::vectors::Corpus::load(&crate::vectors::CorpusFiles::embedded());
        assert!(findings.is_empty());
        let cases = corpus.transcripts.iter().flat_map(|transcript| &transcript.cases);
        let of = |name: &str| {
            let case = cases.clone().find(|case| case.name == name);
            modes(case.unwrap_or_else(|| panic!("no case {name}")))
        };
        let (none, ssl, aes) = (Encryption::None, Encryption::Ssl, Encryption::Aes);
        assert_eq!(of("meta/root_path/v2-get-root-path"), [none, ssl, aes]);
        assert_eq!(of("handshake/segments/last-byte-with-a-message"), [none], "before the acknowledgement");
        assert_eq!(
            of("framing/lengths/v1-announced-and-silent"),
            [none, ssl],
            "more is announced than comes"
        );
        assert_eq!(of("encryption/aes_handshake/keys:128-bits"), [aes], "named");
        assert_eq!(of("encryption/tls/stall"), [ssl], "named");
    }
}
