//! AES in CBC mode, as messages use it (AES-2, AES-3, AES-5).
//!
//! On AWS-LC, which is as fast as OpenSSL; the harness judges with another library. The core has no source of
//! randomness: whoever seals a message brings its vectors (AES-7).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::cipher::{
    AES_128, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use thiserror::Error;

use super::error::{AesFailure, Undecryptable};

/// Bytes of an AES block, whatever the key.
const BLOCK: usize = 16;

/// What the first block of a message is mixed with: 16 bytes (AES-2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InitializationVector(pub [u8; 16]);

impl InitializationVector {
    /// Bytes that a vector takes on the wire.
    pub const SIZE: usize = 16;
}

/// The key that agent and client share: 128 or 256 bits (AES-5).
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Key {
    /// 16 bytes.
    Aes128([u8; 16]),
    /// 32 bytes.
    Aes256([u8; 32]),
}

impl TryFrom<&[u8]> for Key {
    type Error = UnsuitableKey;

    fn try_from(bytes: &[u8]) -> Result<Self, UnsuitableKey> {
        if let Ok(key) = bytes.try_into() {
            return Ok(Self::Aes128(key));
        }
        bytes.try_into().map(Self::Aes256).map_err(|_| UnsuitableKey(bytes.len()))
    }
}

impl fmt::Debug for Key {
    /// The size alone: a key must not reach a log by way of a structure that holds it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Aes128(_) => "Aes128(..)",
            Self::Aes256(_) => "Aes256(..)",
        })
    }
}

/// A key of a length that AES is not used with here (AES-5, AES-8).
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("a key has 16 or 32 bytes, not {0}")]
pub struct UnsuitableKey(pub usize);

/// How a plaintext is filled up to whole blocks; the pages do not say (AES-3).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Padding {
    /// 1 to 16 bytes that each hold their number, .NET's default.
    #[default]
    Pkcs7,
    /// 0 to 15 zero bytes, which nothing tells from data afterwards.
    Zeros,
}

impl Padding {
    /// The bytes that fill a plaintext of this length up: how many, and the value of each.
    fn of(self, length: usize) -> (usize, u8) {
        let missing = BLOCK - length % BLOCK;
        match self {
            Self::Pkcs7 => {
                let [value, ..] = missing.to_le_bytes();
                (missing, value)
            }
            Self::Zeros => (missing % BLOCK, 0),
        }
    }

    /// How many bytes of a decrypted text, which is not empty, come before the padding.
    fn strip(self, text: &[u8]) -> Result<usize, Undecryptable> {
        let Some(&value) = text.last() else { return Err(Undecryptable) };
        if self == Self::Zeros {
            return Ok(text.len());
        }
        let count = usize::from(value);
        let start = text.len().checked_sub(count).ok_or(Undecryptable)?;
        let good = (1..=BLOCK).contains(&count) && text[start..].iter().all(|&byte| byte == value);
        if good { Ok(start) } else { Err(Undecryptable) }
    }
}

/// The shared settings that messages are encrypted with, ready for use: the key's schedules are made once.
///
/// ```
/// use iaspec_reference::protocol::{Cipher, InitializationVector, Key, Padding};
///
/// let cipher = Cipher::new(Key::Aes128([7; 16]), Padding::Pkcs7)?;
/// let iv = InitializationVector([9; 16]);
/// let mut message = b"sixteen byte msg".to_vec();
/// cipher.encrypt(&iv, &mut message, 0)?;
/// assert_eq!(message.len(), 32);
/// assert_eq!(cipher.decrypt(&iv, &mut message)?, b"sixteen byte msg");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Cipher {
    key: Key,
    padding: Padding,
    schedules: Arc<Schedules>,
}

struct Schedules {
    encrypting: EncryptingKey,
    decrypting: DecryptingKey,
}

impl Cipher {
    /// Prepares a key.
    ///
    /// # Errors
    ///
    /// [`AesFailure`] if the library refuses, which a key of the right size gives it no reason to.
    pub fn new(key: Key, padding: Padding) -> Result<Self, AesFailure> {
        let schedules = key.schedules().map_err(|Unspecified| AesFailure)?;
        Ok(Self { key, padding, schedules: Arc::new(schedules) })
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// How the last block is filled.
    #[must_use]
    pub fn padding(&self) -> Padding {
        self.padding
    }

    /// The size in bytes that a plaintext of this length has once it is padded.
    #[must_use]
    pub fn padded(&self, length: usize) -> usize {
        length + self.padding.of(length).0
    }

    /// Pads what stands in `bytes` from `start` on, and encrypts it where it is.
    ///
    /// # Errors
    ///
    /// [`AesFailure`] if the library refuses; `bytes` then end at `start`, so that nothing is left in clear.
    pub fn encrypt(
        &self,
        iv: &InitializationVector,
        bytes: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), AesFailure> {
        let (missing, value) = self.padding.of(bytes.len() - start);
        bytes.resize(bytes.len() + missing, value);
        let context = EncryptionContext::Iv128(FixedLength::from(iv.0));
        let encrypted = self.schedules.encrypting.less_safe_encrypt(&mut bytes[start..], context);
        encrypted.map(drop).map_err(|Unspecified| {
            bytes.truncate(start);
            AesFailure
        })
    }

    /// Decrypts `sealed` where it is, and takes the padding off if it can be told from the data.
    ///
    /// With [`Padding::Zeros`] the result is the whole plaintext, up to 15 zero bytes of padding included.
    ///
    /// # Errors
    ///
    /// [`Undecryptable`] unless `sealed` is a positive multiple of 16 bytes with good padding (AES-6). A wrong
    /// key is not noticed as such: nothing authenticates a message.
    pub fn decrypt<'a>(
        &self,
        iv: &InitializationVector,
        sealed: &'a mut [u8],
    ) -> Result<&'a [u8], Undecryptable> {
        let context = DecryptionContext::Iv128(FixedLength::from(iv.0));
        let text = self.schedules.decrypting.decrypt(sealed, context).map_err(|Unspecified| Undecryptable)?;
        let length = self.padding.strip(text)?;
        Ok(&text[..length])
    }
}

impl Key {
    fn schedules(&self) -> Result<Schedules, Unspecified> {
        let unbound = || match self {
            Self::Aes128(key) => UnboundCipherKey::new(&AES_128, key),
            Self::Aes256(key) => UnboundCipherKey::new(&AES_256, key),
        };
        Ok(Schedules {
            encrypting: EncryptingKey::cbc(unbound()?)?,
            decrypting: DecryptingKey::cbc(unbound()?)?,
        })
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cipher").field("key", &self.key).field("padding", &self.padding).finish()
    }
}

impl PartialEq for Cipher {
    fn eq(&self, other: &Self) -> bool {
        (self.key, self.padding) == (other.key, other.padding)
    }
}

impl Eq for Cipher {}
