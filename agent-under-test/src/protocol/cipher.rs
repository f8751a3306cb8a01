//! AES in CBC mode, as messages use it (AES-2, AES-3, AES-5).
//!
//! The core has no source of randomness: whoever seals a message brings its vectors (AES-7).

use std::fmt;

use aes::{Aes128, Aes256};
use cbc::cipher::array::Array;
use cbc::cipher::block_padding::{NoPadding, Pkcs7};
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use thiserror::Error;

use super::error::Undecryptable;

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

/// The shared settings that messages are encrypted with.
///
/// ```
/// use iaspec_reference::protocol::{Cipher, InitializationVector, Key, Padding};
///
/// let cipher = Cipher { key: Key::Aes128([7; 16]), padding: Padding::Pkcs7 };
/// let iv = InitializationVector([9; 16]);
/// let sealed = cipher.encrypt(&iv, b"sixteen byte msg".to_vec());
/// assert_eq!(sealed.len(), 32);
/// assert_eq!(cipher.decrypt(&iv, &sealed)?, b"sixteen byte msg");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cipher {
    /// The shared key.
    pub key: Key,
    /// How the last block is filled.
    pub padding: Padding,
}

impl Cipher {
    /// Pads and encrypts; the result is a multiple of 16 bytes.
    #[must_use]
    pub fn encrypt(&self, iv: &InitializationVector, mut plaintext: Vec<u8>) -> Vec<u8> {
        self.padding.pad(&mut plaintext);
        match &self.key {
            Key::Aes128(key) => {
                encrypt_blocks(Encryptor::<Aes128>::new(key.into(), (&iv.0).into()), &mut plaintext);
            }
            Key::Aes256(key) => {
                encrypt_blocks(Encryptor::<Aes256>::new(key.into(), (&iv.0).into()), &mut plaintext);
            }
        }
        plaintext
    }

    /// Decrypts, and takes the padding off if it can be told from the data.
    ///
    /// With [`Padding::Zeros`] the result is the whole plaintext, up to 15 zero bytes of padding included.
    ///
    /// # Errors
    ///
    /// [`Undecryptable`] unless `sealed` is a positive multiple of 16 bytes with good padding (AES-6). A wrong
    /// key is not noticed as such: nothing authenticates a message.
    pub fn decrypt(&self, iv: &InitializationVector, sealed: &[u8]) -> Result<Vec<u8>, Undecryptable> {
        if sealed.is_empty() {
            return Err(Undecryptable);
        }
        let mut buffer = sealed.to_vec();
        let length = match &self.key {
            Key::Aes128(key) => self
                .padding
                .decrypt_in_place(Decryptor::<Aes128>::new(key.into(), (&iv.0).into()), &mut buffer),
            Key::Aes256(key) => self
                .padding
                .decrypt_in_place(Decryptor::<Aes256>::new(key.into(), (&iv.0).into()), &mut buffer),
        }?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

impl Padding {
    fn pad(self, plaintext: &mut Vec<u8>) {
        let missing = BLOCK - plaintext.len() % BLOCK;
        match self {
            Self::Pkcs7 => {
                let [value, ..] = missing.to_le_bytes();
                plaintext.resize(plaintext.len() + missing, value);
            }
            Self::Zeros => plaintext.resize(plaintext.len() + missing % BLOCK, 0),
        }
    }

    /// Decrypts `buffer`, and says how many of its bytes are the plaintext.
    fn decrypt_in_place(
        self,
        decryptor: impl BlockModeDecrypt,
        buffer: &mut [u8],
    ) -> Result<usize, Undecryptable> {
        let plaintext = match self {
            Self::Pkcs7 => decryptor.decrypt_padded::<Pkcs7>(buffer),
            Self::Zeros => decryptor.decrypt_padded::<NoPadding>(buffer),
        };
        plaintext.map(<[u8]>::len).map_err(|_| Undecryptable)
    }
}

/// Encrypts `padded` in place; padding has left it in whole blocks.
fn encrypt_blocks<E: BlockModeEncrypt>(mut encryptor: E, padded: &mut [u8]) {
    let (blocks, _) = Array::<u8, E::BlockSize>::slice_as_chunks_mut(padded);
    encryptor.encrypt_blocks(blocks);
}
