//! What the hosts of an agent tell of their side of a conversation: the diaries of the probe product.
//!
//! With them the record of a case has all three parties on one time line. The wall clock is what the processes have in
//! common, so a jump of it puts entries in the wrong place; no verdict hangs on that.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::running::DIARIES;
use super::{Conversation, Counterpart};
use crate::event::Happening;

/// The most bytes of a diary that are read; an honest one is far shorter.
const LONGEST: u64 = 64 << 10;

/// What a host received or sent at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DiaryEntry {
    /// Microseconds since 1970.
    pub(super) micros: u64,
    /// Which of the two.
    pub(super) what: Happening,
    /// How many bytes.
    pub(super) count: usize,
    /// The first of them.
    pub(super) bytes: Vec<u8>,
}

impl DiaryEntry {
    /// Reads a line: `MICROSECONDS in|out COUNT HEX`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let micros = words.next()?.parse().ok()?;
        let what = match words.next()? {
            "in" => Happening::HostReceived,
            "out" => Happening::HostSent,
            _ => return None,
        };
        let count = words.next()?.parse().ok()?;
        let bytes = hex::decode(words.next()?).ok()?;
        Some(Self { micros, what, count, bytes })
    }
}

impl Conversation<'_> {
    /// Adds what the hosts of the case's sessions tell to its record.
    pub(super) fn hear_hosts(&self) {
        let folder = self.with_agent(|agent| Some(agent.ground()?.path(DIARIES))).flatten();
        let Some(folder) = folder else { return };
        // A subject of the case's own has no other sessions; one that others use does.
        let all = matches!(self.counterpart, Counterpart::Own(_));
        let sessions = self.sessions();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let session = name.rsplit_once('-').and_then(|(session, _)| session.parse().ok());
            if let Some(session) = session.filter(|session| all || sessions.contains(session)) {
                for entry in entries(&entry.path()) {
                    self.trace.note_host(&format!("host of session {session}"), &entry);
                }
            }
        }
    }

    /// The sessions of its connections: those that were opened, and those of v1 acknowledgements.
    fn sessions(&self) -> BTreeSet<i32> {
        let oldest = self.oldest_version();
        let of_talk = |talk: &super::Talk| {
            talk.session.get().or_else(|| talk.version.get().filter(|value| *value < oldest))
        };
        self.all_talks().iter().filter_map(|(_, talk)| of_talk(talk)).collect()
    }
}

fn entries(path: &Path) -> Vec<DiaryEntry> {
    let is_short = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= LONGEST);
    let text = if is_short { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() };
    text.lines().map_while(DiaryEntry::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_nonsense_is_not() {
        let entry = DiaryEntry::parse("1700000000000001 in 5 0102").unwrap();
        let expected = (1_700_000_000_000_001, Happening::HostReceived, 5, vec![1, 2]);
        assert_eq!((entry.micros, entry.what, entry.count, entry.bytes), expected);
        assert_eq!(DiaryEntry::parse("1 out 0 ").unwrap().what, Happening::HostSent);
        for nonsense in ["", "1", "1 in", "1 in x 00", "x in 1 00", "1 over 1 00", "1 in 1 0"] {
            assert_eq!(DiaryEntry::parse(nonsense), None, "{nonsense}");
        }
    }
}
