//! The data conventions that every message is made of (DAT-1 to DAT-6): [`Reader`], [`Writer`], and the
//! traits of a value that has an encoding.
//!
//! A [`Reader`] is told the name of each field it reads, so that its error says which one is wrong and where.
//! It borrows strings and byte arrays from its input and never allocates by a length that came from outside.

use std::borrow::Cow;
use std::str;

use uuid::Uuid;

use super::error::{Malformed, Reason, TooLong};
use super::types::Ticks;

/// A value that has an encoding.
pub trait Encode {
    /// Appends the encoding of this value, with the shortest length prefixes there are.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if a length or a count does not fit its field.
    fn encode_into(&self, writer: &mut Writer) -> Result<(), TooLong>;

    /// The encoding of this value.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if a length or a count does not fit its field.
    fn encode(&self) -> Result<Vec<u8>, TooLong> {
        let mut writer = Writer::new();
        self.encode_into(&mut writer)?;
        Ok(writer.into_bytes())
    }
}

/// A value that can be decoded from bytes, which it may borrow from.
pub trait Decode<'a>: Sized {
    /// Reads a value, and leaves the reader at the first byte after it.
    ///
    /// # Errors
    ///
    /// [`Malformed`] names the innermost field that is wrong.
    fn decode_from(reader: &mut Reader<'a>) -> Result<Self, Malformed>;

    /// Decodes the value that `bytes` begin with; the number beside it counts the bytes left over.
    ///
    /// # Errors
    ///
    /// [`Malformed`], its offset counted from the start of `bytes`.
    fn decode(bytes: &'a [u8]) -> Result<(Self, usize), Malformed> {
        let mut reader = Reader::new(bytes);
        let value = Self::decode_from(&mut reader)?;
        Ok((value, reader.left()))
    }
}

/// Reads fields one after the other, and names the one that is malformed.
///
/// After an error the position is unspecified: the first field that is wrong ends the decoding.
///
/// ```
/// use iaspec_reference::protocol::Reader;
///
/// let mut reader = Reader::new(&[0x07, 0x00, 0x00, 0x00, 0x02, 0x61]);
/// assert_eq!(reader.int32("session")?, 7);
///
/// let error = reader.string("path").unwrap_err();
/// assert_eq!((error.field.as_str(), error.offset), ("path", 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    remaining: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { remaining: bytes, position: 0 }
    }

    /// Offset in bytes of the next field.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Number of bytes not read yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.remaining.len()
    }

    /// Reads the next `length` bytes, or nothing if there are fewer.
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, remaining) = self.remaining.split_at_checked(length)?;
        self.remaining = remaining;
        self.position += length;
        Some(taken)
    }

    /// Reads a field of exactly `N` raw bytes, which nothing announces.
    ///
    /// # Errors
    ///
    /// [`Malformed`] at the field's first byte if the input ends inside it.
    pub fn raw<const N: usize>(&mut self, field: &str) -> Result<[u8; N], Malformed> {
        let Some((taken, remaining)) = self.remaining.split_first_chunk::<N>() else {
            let reason = Reason::CutShort { needed: N, left: self.left() };
            return Err(Malformed::new(field, self.position, reason));
        };
        self.remaining = remaining;
        self.position += N;
        Ok(*taken)
    }

    /// Reads an int8: one byte, two's complement (DAT-1).
    ///
    /// # Errors
    ///
    /// [`Malformed`] if nothing is left.
    pub fn int8(&mut self, field: &str) -> Result<i8, Malformed> {
        self.raw(field).map(i8::from_le_bytes)
    }

    /// Reads a byte, 0 to 255 (DAT-1).
    ///
    /// # Errors
    ///
    /// [`Malformed`] if nothing is left.
    pub fn byte(&mut self, field: &str) -> Result<u8, Malformed> {
        self.raw(field).map(u8::from_le_bytes)
    }

    /// Reads an int32: four bytes, low byte first, two's complement (DAT-1).
    ///
    /// # Errors
    ///
    /// [`Malformed`] at its first byte if it is cut short.
    pub fn int32(&mut self, field: &str) -> Result<i32, Malformed> {
        self.raw(field).map(i32::from_le_bytes)
    }

    /// Reads an int64: eight bytes, low byte first, two's complement (DAT-1).
    ///
    /// # Errors
    ///
    /// [`Malformed`] at its first byte if it is cut short.
    pub fn int64(&mut self, field: &str) -> Result<i64, Malformed> {
        self.raw(field).map(i64::from_le_bytes)
    }

    /// Reads a GUID: 16 bytes in .NET order, the first three groups low byte first (HS-2).
    ///
    /// # Errors
    ///
    /// [`Malformed`] at its first byte if it is cut short.
    pub fn guid(&mut self, field: &str) -> Result<Uuid, Malformed> {
        self.raw(field).map(Uuid::from_bytes_le)
    }

    /// Reads a datetime: int64 ticks (DAT-4).
    ///
    /// # Errors
    ///
    /// [`Malformed`] at its first byte if it is cut short or no point in time.
    pub fn datetime(&mut self, field: &str) -> Result<Ticks, Malformed> {
        let start = self.position;
        let ticks = self.int64(field)?;
        Ticks::new(ticks).map_err(|_| Malformed::new(field, start, Reason::TicksOutOfRange(ticks)))
    }

    /// Reads a string: its length in bytes in groups of 7 bits, then UTF-8 (DAT-2).
    ///
    /// An over-long prefix (`81 00` for 1) is accepted, as .NET does (DAT-6), and a byte order mark is a
    /// character like any other.
    ///
    /// # Errors
    ///
    /// [`Malformed`] at the first byte of the length prefix, whatever is wrong.
    pub fn string(&mut self, field: &str) -> Result<&'a str, Malformed> {
        let start = self.position;
        let malformed = |reason| Malformed::new(field, start, reason);
        let length = self.length_prefix().map_err(malformed)?;
        let left = self.left();
        let bytes = self.take(length).ok_or_else(|| malformed(Reason::PastTheEnd { length, left }))?;
        str::from_utf8(bytes).map_err(|_| malformed(Reason::NotUtf8))
    }

    fn length_prefix(&mut self) -> Result<usize, Reason> {
        let mut length: u32 = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte("").map_err(|_| Reason::PrefixCutShort)?;
            length |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(length).map_err(|_| Reason::PrefixTooLarge);
            }
        }
        // 28 bits are there: the fifth byte has room for four more, and none may follow it.
        match self.byte("").map_err(|_| Reason::PrefixCutShort)? {
            byte @ 0..=0x0f => {
                usize::try_from(length | u32::from(byte) << 28).map_err(|_| Reason::PrefixTooLarge)
            }
            0x10..=0x7f => Err(Reason::PrefixTooLarge),
            0x80.. => Err(Reason::PrefixTooLong),
        }
    }

    /// Reads the int32 count of an array whose items take at least `smallest` bytes each (DAT-3).
    ///
    /// # Errors
    ///
    /// [`Malformed`] at the count if it is cut short, negative, or cannot fit the bytes left.
    pub fn count(&mut self, field: &str, smallest: usize) -> Result<usize, Malformed> {
        let start = self.position;
        let count = self.length(field)?;
        let left = self.left();
        if count.checked_mul(smallest).is_none_or(|needed| needed > left) {
            return Err(Malformed::new(field, start, Reason::TooMany { count, smallest, left }));
        }
        Ok(count)
    }

    /// Reads an `array<byte>`: int32 count, then the raw bytes (DAT-3).
    ///
    /// # Errors
    ///
    /// [`Malformed`] at the count if it is cut short, negative, or greater than the bytes left.
    pub fn byte_array(&mut self, field: &str) -> Result<&'a [u8], Malformed> {
        let start = self.position;
        let length = self.length(field)?;
        let left = self.left();
        self.take(length).ok_or_else(|| Malformed::new(field, start, Reason::PastTheEnd { length, left }))
    }

    /// Reads an int32 that announces a number of bytes or items, without comparing it to what is left.
    ///
    /// # Errors
    ///
    /// [`Malformed`] at its first byte if it is cut short or negative.
    pub fn length(&mut self, field: &str) -> Result<usize, Malformed> {
        let start = self.position;
        let length = self.int32(field)?;
        usize::try_from(length).map_err(|_| Malformed::new(field, start, Reason::Negative(length)))
    }
}

/// Appends fields to a byte buffer.
///
/// ```
/// use iaspec_reference::protocol::Writer;
///
/// let mut writer = Writer::new();
/// writer.int32(1000);
/// writer.string("name", "é")?;
/// assert_eq!(writer.into_bytes(), [0xe8, 0x03, 0x00, 0x00, 0x02, 0xc3, 0xa9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A writer that holds nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A writer that appends to bytes that are there.
    pub(crate) fn onto(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Makes room for so many more bytes at once.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.bytes.reserve(count);
    }

    /// What is written so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, for a cipher that works in place.
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends bytes as they are, announced by nothing.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends an int8 (DAT-1).
    pub fn int8(&mut self, value: i8) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends a byte (DAT-1).
    pub fn byte(&mut self, value: u8) {
        self.raw(&[value]);
    }

    /// Appends an int32, low byte first (DAT-1).
    pub fn int32(&mut self, value: i32) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends an int64, low byte first (DAT-1).
    pub fn int64(&mut self, value: i64) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends a GUID in .NET order (HS-2).
    pub fn guid(&mut self, value: Uuid) {
        self.raw(&value.to_bytes_le());
    }

    /// Appends a datetime as int64 ticks (DAT-4).
    pub fn datetime(&mut self, value: Ticks) {
        self.int64(value.get());
    }

    /// Appends a string with the shortest length prefix (DAT-2).
    ///
    /// # Errors
    ///
    /// [`TooLong`] if its bytes do not fit an unsigned 32-bit length.
    pub fn string(&mut self, field: &'static str, value: &str) -> Result<(), TooLong> {
        let mut length = u32::try_from(value.len()).map_err(|_| TooLong { field, length: value.len() })?;
        self.bytes.reserve(value.len() + 5);
        while length > 0x7f {
            let [low, ..] = length.to_le_bytes();
            self.byte(low | 0x80);
            length >>= 7;
        }
        let [last, ..] = length.to_le_bytes();
        self.byte(last);
        self.raw(value.as_bytes());
        Ok(())
    }

    /// Appends an int32 that announces a number of bytes or items (DAT-3).
    ///
    /// # Errors
    ///
    /// [`TooLong`] if it is greater than 2147483647.
    pub fn length(&mut self, field: &'static str, length: usize) -> Result<(), TooLong> {
        self.int32(i32::try_from(length).map_err(|_| TooLong { field, length })?);
        Ok(())
    }

    /// Appends an `array<byte>`: int32 count, then the bytes (DAT-3).
    ///
    /// # Errors
    ///
    /// [`TooLong`] above 2147483647 bytes.
    pub fn byte_array(&mut self, field: &'static str, bytes: &[u8]) -> Result<(), TooLong> {
        self.length(field, bytes.len())?;
        self.raw(bytes);
        Ok(())
    }
}

/// The name that a field has where nothing around it names it.
const VALUE: &str = "value";

macro_rules! convention {
    ($($type:ty, $method:ident;)+) => {$(
        impl Encode for $type {
            fn encode_into(&self, writer: &mut Writer) -> Result<(), TooLong> {
                writer.$method(*self);
                Ok(())
            }
        }

        impl Decode<'_> for $type {
            fn decode_from(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                reader.$method(VALUE)
            }
        }
    )+};
}

convention! {
    i8, int8;
    u8, byte;
    i32, int32;
    i64, int64;
    Uuid, guid;
    Ticks, datetime;
}

impl Encode for Cow<'_, str> {
    fn encode_into(&self, writer: &mut Writer) -> Result<(), TooLong> {
        writer.string(VALUE, self)
    }
}

impl<'a> Decode<'a> for Cow<'a, str> {
    fn decode_from(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.string(VALUE).map(Cow::Borrowed)
    }
}

impl Encode for Cow<'_, [u8]> {
    fn encode_into(&self, writer: &mut Writer) -> Result<(), TooLong> {
        writer.byte_array(VALUE, self)
    }
}

impl<'a> Decode<'a> for Cow<'a, [u8]> {
    fn decode_from(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.byte_array(VALUE).map(Cow::Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A string this long would take 4 GiB, but an announced number of items costs nothing.
    #[test]
    fn a_length_over_31_bits_does_not_encode() {
        let mut writer = Writer::new();
        assert_eq!(writer.length("count", 2_147_483_647), Ok(()));
        let length = 2_147_483_648;
        assert_eq!(writer.length("count", length), Err(TooLong { field: "count", length }));
        assert_eq!(writer.into_bytes(), [0xff, 0xff, 0xff, 0x7f]);
    }

    #[test]
    fn the_position_follows_every_field() {
        let mut reader = Reader::new(&[1, 2, 0, 0, 0, 1, b'x', 9]);
        assert_eq!(reader.byte("a"), Ok(1));
        assert_eq!(reader.int32("b"), Ok(2));
        assert_eq!(reader.string("c"), Ok("x"));
        assert_eq!((reader.position(), reader.left()), (7, 1));
    }
}
