//! AES frames: two chains of vectors over one key (AES-1 to AES-4).

use super::Damage;
use crate::format::{AES_BLOCK, Padding, Secrets};
use crate::hex_text;
use crate::subject::placeholders::Values;

/// The most bytes that an encrypted part may have: more than any case can expect.
const LARGEST: usize = hex_text::LARGEST;

/// How often a vector is drawn for a damaged message at most.
const MOST_DRAWS: u32 = 64;

/// The size of a length.
const LENGTH: usize = 4;

/// The two chains of vectors of a connection (AES-2, AES-4).
#[derive(Debug)]
pub(crate) struct Chains {
    key: Vec<u8>,
    padding: Padding,
    /// The vector of the next message that is sent.
    pub(super) sends: [u8; AES_BLOCK],
    /// The vector of the next message that comes.
    pub(super) receives: [u8; AES_BLOCK],
    /// How many bytes of a message that comes stand between its length and its data.
    fixed: usize,
    /// The vector of the acknowledgement, and those that the subject announced.
    pub(super) announced: Vec<[u8; AES_BLOCK]>,
    /// Where the vectors come from that the harness announces.
    vectors: fastrand::Rng,
}

impl Chains {
    /// Both chains behind the bytes of an acknowledgement. `header` is the size of what stands before the data of a
    /// message that comes.
    ///
    /// # Errors
    ///
    /// A sentence for people: the settings have no usable key, or the acknowledgement has no vector.
    pub(super) fn new(
        values: &Values,
        padding: Padding,
        acknowledgement: &[u8],
        seed: u64,
        header: usize,
    ) -> Result<Self, String> {
        let key = values.get("aes_key").map_or("", String::as_str);
        let key = hex_text::parse(key).map_err(|error| format!("the AES key: {error}"))?;
        let vector = acknowledgement.get(1..).and_then(|bytes| bytes.first_chunk());
        let vector = *vector.ok_or("the acknowledgement has no initialization vector")?;
        let (fixed, vectors) = (header - LENGTH, fastrand::Rng::with_seed(seed));
        Ok(Self { key, padding, sends: vector, receives: vector, fixed, announced: vec![vector], vectors })
    }

    /// A wrong key, or a bit of the last block, comes out as good padding about once in 256 times (hazard AES-H2): then
    /// another vector is drawn, so that the damage always shows. What other bits come to depends on no vector.
    pub(super) fn seal_damaged(
        &mut self,
        message: &[u8],
        header: usize,
        damage: &Damage,
    ) -> Result<Vec<u8>, String> {
        let secrets = self.secrets(self.sends);
        for _ in 0..MOST_DRAWS {
            self.sends = secrets.iv;
            let frame = self.damaged(message, header, damage, &secrets)?;
            let shows = frame.get(4..).is_none_or(|sealed| secrets.open(sealed).is_err());
            if shows || !damage.is_by_chance(frame.len()) {
                return Ok(frame);
            }
        }
        Err("the damage cannot be seen".to_owned())
    }

    fn damaged(
        &mut self,
        message: &[u8],
        header: usize,
        damage: &Damage,
        secrets: &Secrets,
    ) -> Result<Vec<u8>, String> {
        let mut frame = self.seal(message, header)?;
        // The vector that was drawn for the proper frame.
        let plain = || [&self.sends[..], &message[4..]].concat();
        let framed = |sealed: Vec<u8>| -> Result<Vec<u8>, String> {
            let size = i32::try_from(sealed.len()).map_err(|_| "it is too large".to_owned())?;
            Ok([&size.to_le_bytes()[..], &sealed].concat())
        };
        match damage {
            Damage::Flip { byte, bit } => {
                let length = i64::try_from(frame.len()).unwrap_or(i64::MAX);
                let at = if *byte < 0 { length + i64::from(*byte) } else { i64::from(*byte) };
                let place = usize::try_from(at).ok().and_then(|at| frame.get_mut(at));
                *place.ok_or_else(|| format!("there is no byte {byte} in a frame of {length}"))? ^= 1 << bit;
                Ok(frame)
            }
            Damage::Truncate(length) => {
                frame.truncate(4 + length);
                framed(frame.split_off(4))
            }
            Damage::Length(length) => {
                frame[..4].copy_from_slice(&length.to_le_bytes());
                Ok(frame)
            }
            Damage::Key(key) => framed(Secrets { key: key.clone(), ..secrets.clone() }.seal(&plain())?),
            Damage::Padding(padding) => framed(secrets.seal_padded([plain(), padding.clone()].concat())?),
        }
    }

    pub(super) fn secrets(&self, iv: [u8; AES_BLOCK]) -> Secrets {
        Secrets { key: self.key.clone(), iv, padding: self.padding }
    }

    /// The plaintext is the next vector, what a message has behind its length, and its data; messages come out with a
    /// length before them.
    pub(super) fn receive(&mut self, raw: &mut Vec<u8>, plain: &mut Vec<u8>) -> Result<(), String> {
        let mut used = 0;
        while let Some(length) = raw[used..].first_chunk::<4>().map(|bytes| i32::from_le_bytes(*bytes)) {
            let size = usize::try_from(length).ok().filter(|size| (1..=LARGEST).contains(size));
            let size = size.ok_or_else(|| format!("{length} is no length of an encrypted part"))?;
            let Some(sealed) = raw[used + 4..].get(..size) else { break };
            let (opened, _) = self.secrets(self.receives).open(sealed)?;
            let least = AES_BLOCK + self.fixed;
            let too_short = || format!("its plaintext has {} bytes, {least} at least are due", opened.len());
            let next = opened.first_chunk().ok_or_else(too_short)?;
            let message = opened
                .get(AES_BLOCK..)
                .filter(|message| message.len() >= self.fixed)
                .ok_or_else(too_short)?;
            let data = i32::try_from(message.len() - self.fixed).map_err(|_| "it is too large".to_owned())?;
            plain.extend_from_slice(&data.to_le_bytes());
            plain.extend_from_slice(message);
            self.receives = *next;
            self.announced.push(*next);
            used += 4 + size;
        }
        raw.drain(..used);
        Ok(())
    }

    pub(super) fn seal(&mut self, message: &[u8], header: usize) -> Result<Vec<u8>, String> {
        let length = message.first_chunk::<4>().map(|bytes| i32::from_le_bytes(*bytes));
        let data = message.len().checked_sub(header).and_then(|data| i32::try_from(data).ok());
        if length.is_none() || length != data {
            return Err("a message whose length is not that of its data cannot be encrypted".to_owned());
        }
        let mut next = [0; AES_BLOCK];
        self.vectors.fill(&mut next);
        let sealed = self.secrets(self.sends).seal(&[&next, &message[4..]].concat())?;
        self.sends = next;
        let size = i32::try_from(sealed.len()).map_err(|_| "it is too large".to_owned())?;
        Ok([&size.to_le_bytes()[..], &sealed].concat())
    }
}
