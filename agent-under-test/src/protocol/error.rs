//! What can be wrong with bytes that came in, or with a value that is to go out.
//!
//! Malformed bytes are told apart to the byte, because a conformance test has to name it (DAT-5). A message
//! that does not decrypt is the opposite: [`Undecryptable`] carries nothing at all, so that whichever check
//! failed, a peer sees the same thing (AES-6).

use thiserror::Error;

/// Bytes that are not an encoding of what they should be (DAT-5).
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{field} at offset {offset}: {reason}")]
pub struct Malformed {
    /// The innermost field that is wrong, with its path: `assemblies[1].name`.
    pub field: String,
    /// Offset in bytes of that field's first byte; of a string its length prefix, of an array its count.
    pub offset: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

impl Malformed {
    pub(crate) fn new(field: &str, offset: usize, reason: Reason) -> Self {
        Self { field: field.to_owned(), offset, reason }
    }

    /// The same error, seen from the structure that `parent` names: its field is the path from there.
    pub(crate) fn within(mut self, parent: &str) -> Self {
        self.field = format!("{parent}.{}", self.field);
        self
    }
}

/// Why a field is malformed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Reason {
    /// The input ends inside the field.
    #[error("takes {needed} bytes, only {left} are left")]
    CutShort {
        /// Bytes the field takes.
        needed: usize,
        /// Bytes left from its start.
        left: usize,
    },
    /// The input ends inside a string's length prefix.
    #[error("the length prefix is cut short")]
    PrefixCutShort,
    /// A string's length prefix runs on after its fifth byte.
    #[error("the length prefix is longer than 5 bytes")]
    PrefixTooLong,
    /// A string's length prefix does not fit 32 bits.
    #[error("the length does not fit 32 bits")]
    PrefixTooLarge,
    /// A length that is greater than the bytes that follow.
    #[error("announces {length} bytes, only {left} are left")]
    PastTheEnd {
        /// The length announced, in bytes.
        length: usize,
        /// Bytes left for it.
        left: usize,
    },
    /// The bytes of a string are not UTF-8.
    #[error("is not valid UTF-8")]
    NotUtf8,
    /// A count or a length below zero.
    #[error("is negative: {0}")]
    Negative(i32),
    /// A count of items that cannot fit the bytes left, even if each were the smallest possible.
    #[error("announces {count} items of at least {smallest} bytes, only {left} bytes are left")]
    TooMany {
        /// The count announced.
        count: usize,
        /// Size in bytes of the smallest possible item.
        smallest: usize,
        /// Bytes left for the items.
        left: usize,
    },
    /// A frame's length above what the receiver takes (FRM-6).
    #[error("announces {length} bytes, the limit is {limit}")]
    AboveLimit {
        /// The length announced, in bytes.
        length: usize,
        /// The receiver's limit, in bytes.
        limit: usize,
    },
    /// Ticks outside the years 1 to 9999 (DAT-4).
    #[error("ticks out of range: {0}")]
    TicksOutOfRange(i64),
    /// The first 16 bytes of a handshake are another protocol's (HS-2).
    #[error("is not the ID of the Inedo Agent protocol")]
    WrongProtocolId,
    /// An encryption mode other than 0, 1 and 2 (HS-4).
    #[error("unknown encryption mode: {0}")]
    UnknownEncryption(i8),
    /// A server version that is neither one int32 nor four (HS-9).
    #[error("a server version takes 4 or 16 bytes, {0} are left")]
    ServerVersionSize(usize),
}

/// An encrypted message that does not decrypt, whichever check failed (AES-6).
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the message does not decrypt")]
pub struct Undecryptable;

/// Why an encrypted frame could not be opened.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum OpenError {
    /// The part in clear is malformed, or the encrypted part is not all there.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The encrypted part does not decrypt to a message.
    #[error(transparent)]
    Undecryptable(#[from] Undecryptable),
}

/// The AES library refused work that it has no reason to refuse.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the AES library failed")]
pub struct AesFailure;

/// Why a message could not be encrypted.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum SealError {
    /// The encrypted part does not fit its length field.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The library does not work.
    #[error(transparent)]
    Aes(#[from] AesFailure),
}

/// A value whose length does not fit the field that announces it.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{field}: a length of {length} does not fit its field")]
pub struct TooLong {
    /// The field that holds the length.
    pub field: &'static str,
    /// The length, in bytes or items.
    pub length: usize,
}
