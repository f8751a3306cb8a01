//! The hexadecimal notation of vectors: `"8001 78*128"`.
//!
//! Blanks are ignored, and `XX*N` stands for N times the byte XX (contracts, vector files).

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
                let digits: String =
                    std::iter::from_fn(|| chars.next_if(|(_, c)| c.is_ascii_digit()).map(|(_, c)| c))
                        .collect();
                all.repeat_last(half.is_some(), &digits).map_err(|message| HexError { at, message })?;
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
        if (self.length + self.bytes.len()).saturating_add(count) > LARGEST {
            return Err(format!("more than {LARGEST} bytes"));
        }
        if count < LONG {
            self.bytes.resize(self.bytes.len() + count - 1, last);
        } else {
            self.flush();
            self.done.push(Stretch::Repeated { byte: last, count: count - 1 });
            self.length += count - 1;
        }
        Ok(())
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
