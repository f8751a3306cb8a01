//! The hexadecimal notation of vectors: `"8001 78*128"`.
//!
//! Blanks are ignored, `XX*N` stands for N times the byte XX, `(XX YY)*N` for N times some bytes, and `~N` for N bytes that
//! vary (contracts, vector files).
//!
//! Those that vary are always the same ones: the bytes at 2n and 2n + 1 are x and x + n / 256, where x is n + n / 65536, all
//! of it modulo 256. So every pair of bytes stands in the first 131,072, and no two stretches of a file that fall on the
//! boundaries of blocks are alike.

use std::fmt;

/// The most bytes that one piece of hex text may stand for: a frame at the limit, and a little more.
pub const LARGEST: usize = 80 << 20;

/// Why a text is not hex, and at which byte of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HexError {
    /// Byte offset in the text.
    pub at: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HexError {}

/// Reads hex text into bytes.
///
/// # Errors
///
/// A digit that is none, half a byte, a repetition without a byte or a number, or more than
/// [`LARGEST`] bytes.
///
/// ```
/// use iaspec_harness::hex_text::parse;
/// assert_eq!(parse("03 61*3").unwrap(), b"\x03aaa");
/// assert_eq!(parse("0x").unwrap_err().message, "`x` is not a hexadecimal digit");
/// ```
pub fn parse(text: &str) -> Result<Vec<u8>, HexError> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for stretch in stretches(text)? {
        match stretch {
            Stretch::Bytes(mut some) => bytes.append(&mut some),
            Stretch::Repeated { byte, count } => bytes.resize(bytes.len() + count, byte),
        }
    }
    Ok(bytes)
}

/// A part of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// Written out.
    Bytes(Vec<u8>),
    /// One byte, many times.
    Repeated {
        /// The byte.
        byte: u8,
        /// How often.
        count: usize,
    },
}

impl Stretch {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        match self {
            Stretch::Bytes(bytes) => bytes.len(),
            Stretch::Repeated { count, .. } => *count,
        }
    }

    /// Appends its bytes.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Stretch::Bytes(bytes) => out.extend_from_slice(bytes),
            Stretch::Repeated { byte, count } => out.resize(out.len() + count, *byte),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Calls a function with the first bytes of some stretches, piece by piece, long repetitions in blocks.
pub(crate) fn each_piece(stretches: &[Stretch], mut count: usize, mut call: impl FnMut(&[u8])) {
    for stretch in stretches {
        let mut left = stretch.len().min(count);
        count -= left;
        match stretch {
            Stretch::Bytes(bytes) => call(&bytes[..left]),
            Stretch::Repeated { byte, .. } => {
                let block = [*byte; 4096];
                while left > 0 {
                    let some = left.min(block.len());
                    call(&block[..some]);
                    left -= some;
                }
            }
        }
    }
}

/// Appends the first bytes of those that vary: see the description of this module.
fn write_varied(count: usize, out: &mut Vec<u8>) {
    let low = |number: usize| number.to_le_bytes()[0];
    out.extend((0..count).map(|at| {
        let n = at / 2;
        let x = low(n).wrapping_add(low(n >> 16));
        if at % 2 == 0 { x } else { x.wrapping_add(low(n >> 8)) }
    }));
}

/// Reads hex text without writing out its long repetitions: each is a stretch of its own.
///
/// # Errors
///
/// As of [`parse`].
///
/// ```
/// use iaspec_harness::hex_text::{Stretch, stretches};
/// let parts = stretches("02 00*100000").unwrap();
/// // The byte that is repeated stands with those before it.
/// assert_eq!(parts, [Stretch::Bytes(vec![2, 0]), Stretch::Repeated { byte: 0, count: 99_999 }]);
/// ```
pub fn stretches(text: &str) -> Result<Vec<Stretch>, HexError> {
    let mut all = Stretches { done: Vec::new(), bytes: Vec::with_capacity(text.len() / 2), length: 0 };
    let mut half: Option<(usize, u8)> = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => {}
            '*' => {
                let digits = digits(&mut chars);
                all.repeat_last(half.is_some(), &digits).map_err(|message| HexError { at, message })?;
            }
            '~' => {
                let digits = digits(&mut chars);
                all.vary(half.is_some(), &digits).map_err(|message| HexError { at, message })?;
            }
            '(' => {
                let inner: String = chars.by_ref().map(|(_, c)| c).take_while(|c| *c != ')').collect();
                let star = chars.next_if(|(_, c)| *c == '*').is_some();
                let digits = if star { digits(&mut chars) } else { String::new() };
                all.repeat_group(half.is_some(), &inner, &digits)
                    .map_err(|message| HexError { at, message })?;
            }
            _ => {
                let digit = c
                    .to_digit(16)
                    .and_then(|d| u8::try_from(d).ok())
                    .ok_or_else(|| HexError { at, message: format!("`{c}` is not a hexadecimal digit") })?;
                match half.take() {
                    None => half = Some((at, digit)),
                    Some((_, high)) => all.bytes.push(high << 4 | digit),
                }
            }
        }
    }
    match half {
        Some((at, _)) => Err(HexError { at, message: "half a byte: the last digit stands alone".to_owned() }),
        None => Ok(all.finish()),
    }
}

/// The decimal digits that come next.
fn digits(chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> String {
    std::iter::from_fn(|| chars.next_if(|(_, c)| c.is_ascii_digit()).map(|(_, c)| c)).collect()
}

/// Repetitions of at least so many bytes are stretches of their own.
const LONG: usize = 64 << 10;

/// Stretches under way.
struct Stretches {
    done: Vec<Stretch>,
    /// What was written out since the last of them.
    bytes: Vec<u8>,
    /// How many bytes those have that are done.
    length: usize,
}

impl Stretches {
    fn repeat_last(&mut self, half: bool, digits: &str) -> Result<(), String> {
        let last = self.bytes.last().copied().or_else(|| match self.done.last() {
            Some(Stretch::Repeated { byte, .. }) => Some(*byte),
            _ => None,
        });
        let last = last.filter(|_| !half).ok_or("`*` must follow a whole byte")?;
        let count: usize = digits.parse().map_err(|_| "`*` must be followed by a number of repetitions")?;
        if count == 0 {
            return Err("a byte cannot be repeated 0 times; leave it out".to_owned());
        }
        self.fits(count)?;
        if count < LONG {
            self.bytes.resize(self.bytes.len() + count - 1, last);
        } else {
            self.flush();
            self.done.push(Stretch::Repeated { byte: last, count: count - 1 });
            self.length += count - 1;
        }
        Ok(())
    }

    /// Adds bytes that vary.
    fn vary(&mut self, half: bool, digits: &str) -> Result<(), String> {
        let count: usize = digits
            .parse()
            .ok()
            .filter(|_| !half)
            .ok_or("`~` must follow a whole byte and be followed by a number of bytes")?;
        self.fits(count)?;
        write_varied(count, &mut self.bytes);
        Ok(())
    }

    /// Adds some bytes many times.
    fn repeat_group(&mut self, half: bool, inner: &str, digits: &str) -> Result<(), String> {
        let count: usize = digits
            .parse()
            .ok()
            .filter(|count| *count > 0 && !half)
            .ok_or("write `(BYTES)*N`, N at least 1")?;
        let group = parse(inner).map_err(|error| format!("in the group: {error}"))?;
        self.fits(group.len().saturating_mul(count))?;
        (0..count).for_each(|_| self.bytes.extend_from_slice(&group));
        Ok(())
    }

    fn fits(&self, more: usize) -> Result<(), String> {
        let all = (self.length + self.bytes.len()).saturating_add(more);
        if all > LARGEST { Err(format!("more than {LARGEST} bytes")) } else { Ok(()) }
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            self.length += self.bytes.len();
            self.done.push(Stretch::Bytes(std::mem::take(&mut self.bytes)));
        }
    }

    fn finish(mut self) -> Vec<Stretch> {
        self.flush();
        self.done
    }
}

/// Bytes as lower-case digits. Unlike `hex::encode` it does not go character by character, which shows
/// with megabytes.
pub fn encode(bytes: &[u8]) -> String {
    let mut digits = vec![0; 2 * bytes.len()];
    let written = hex::encode_to_slice(bytes, &mut digits).is_ok();
    String::from_utf8(digits).ok().filter(|_| written).unwrap_or_default()
}

/// Bytes for a reader: `4e d2 eb`.
pub fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// A number of bytes for a reader: `1 byte`, `2 bytes`.
pub fn amount(bytes: usize) -> String {
    format!("{bytes} {}", if bytes == 1 { "byte" } else { "bytes" })
}

/// Plain digits, two a byte, as bytes.
///
/// # Errors
///
/// A digit that is none, or half a byte.
pub fn decode(digits: &str) -> Result<Vec<u8>, hex::FromHexError> {
    let mut bytes = vec![0; digits.len() / 2];
    hex::decode_to_slice(digits, &mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn bytes_that_vary_hold_every_pair_and_no_block_twice() {
        let bytes = parse("~131072").unwrap();
        let pairs: HashSet<&[u8]> = bytes.windows(2).collect();
        assert_eq!(pairs.len(), 65_536);
        assert_eq!(parse("ff ~6").unwrap(), [0xff, 0, 0, 1, 1, 2, 2]);
        // x = 0 and 1 with n = 256 and 257, then with n = 65,536.
        assert_eq!(bytes[512..516], [0, 1, 1, 2]);
        let more = parse("~300000").unwrap();
        assert_eq!(more[131_072..131_076], [1, 1, 2, 2]);
        for block in [512, 4096, 65_536] {
            let blocks: HashSet<&[u8]> = more.chunks_exact(block).collect();
            assert_eq!(blocks.len(), more.len() / block, "blocks of {block}");
        }
    }

    #[test]
    fn groups_are_repeated() {
        assert_eq!(parse("00 (c3a9 61)*2 ff").unwrap(), [0, 0xc3, 0xa9, 0x61, 0xc3, 0xa9, 0x61, 0xff]);
        for wrong in
            ["(00", "(00)", "(00)*", "(00)*0", "0(00)*2", "(0)*2", "(zz)*2", "0~4", "~", "(00*80)*83886080"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
