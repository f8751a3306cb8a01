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
    let mut half: Option<(usize, u8)> = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => {}
            '*' => {
                let digits: String =
                    std::iter::from_fn(|| chars.next_if(|(_, c)| c.is_ascii_digit()).map(|(_, c)| c))
                        .collect();
                repeat_last(&mut bytes, half.is_some(), &digits)
                    .map_err(|message| HexError { at, message })?;
            }
            _ => {
                let digit = c
                    .to_digit(16)
                    .and_then(|d| u8::try_from(d).ok())
                    .ok_or_else(|| HexError { at, message: format!("`{c}` is not a hexadecimal digit") })?;
                match half.take() {
                    None => half = Some((at, digit)),
                    Some((_, high)) => bytes.push(high << 4 | digit),
                }
            }
        }
    }
    match half {
        Some((at, _)) => Err(HexError { at, message: "half a byte: the last digit stands alone".to_owned() }),
        None => Ok(bytes),
    }
}

/// Bytes as lower-case digits. Unlike `hex::encode` it does not go character by character, which shows
/// with megabytes.
pub fn encode(bytes: &[u8]) -> String {
    let mut digits = vec![0; 2 * bytes.len()];
    let written = hex::encode_to_slice(bytes, &mut digits).is_ok();
    String::from_utf8(digits).ok().filter(|_| written).unwrap_or_default()
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

fn repeat_last(bytes: &mut Vec<u8>, half: bool, digits: &str) -> Result<(), String> {
    let last = *bytes.last().filter(|_| !half).ok_or("`*` must follow a whole byte")?;
    let count: usize = digits.parse().map_err(|_| "`*` must be followed by a number of repetitions")?;
    if count == 0 {
        return Err("a byte cannot be repeated 0 times; leave it out".to_owned());
    }
    if bytes.len() + count > LARGEST {
        return Err(format!("more than {LARGEST} bytes"));
    }
    bytes.resize(bytes.len() + count - 1, last);
    Ok(())
}
