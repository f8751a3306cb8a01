//! Messages encrypted with AES (AES-1).
//!
//! A sealed frame is an int32 length in clear and that many encrypted bytes, which hold the vector of the next
//! message, the header and the data. The length is not inside: with [`Padding::Zeros`](super::Padding::Zeros)
//! the data runs to the end of the padded plaintext (AES-3).

use super::cipher::{Cipher, InitializationVector};
use super::error::{Malformed, OpenError, Reason, SealError, TooLong, Undecryptable};
use super::frame::{Frame, Header, LENGTH_SIZE};
use super::wire::{Reader, Writer};

/// A message with the vector that the sender will use for its next one.
///
/// ```
/// use iaspec_reference::protocol::{
///     Cipher, Command, CommandHeader, Frame, InitializationVector, Key, Padding, SealedFrame,
/// };
///
/// let cipher = Cipher::new(Key::Aes256([1; 32]), Padding::Pkcs7)?;
/// let acknowledged = InitializationVector([2; 16]);
/// let message = SealedFrame {
///     next_iv: InitializationVector([3; 16]),
///     frame: Frame { header: CommandHeader { command: Command(7) }, data: b"data".into() },
/// };
/// let mut bytes = message.seal(&cipher, &acknowledged)?;
/// assert_eq!(SealedFrame::open(&mut bytes, &cipher, &acknowledged)?, (message, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedFrame<'a, H> {
    /// The vector of the sender's next message (AES-2).
    pub next_iv: InitializationVector,
    /// The message itself.
    pub frame: Frame<'a, H>,
}

impl<'a, H: Header> SealedFrame<'a, H> {
    /// Where the data begins in a frame that was opened in place: behind length, vector and header.
    pub(crate) const DATA_OFFSET: usize = LENGTH_SIZE + InitializationVector::SIZE + H::SIZE;

    /// Encrypts the message with the vector that was announced for it.
    ///
    /// # Errors
    ///
    /// As [`seal_into`](Self::seal_into).
    pub fn seal(&self, cipher: &Cipher, iv: &InitializationVector) -> Result<Vec<u8>, SealError> {
        let mut writer = Writer::new();
        self.seal_into(cipher, iv, &mut writer)?;
        Ok(writer.into_bytes())
    }

    /// Appends the encrypted message. The data is copied once, to where it is encrypted and stays.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the encrypted part has more than 2147483647 bytes, or AES fails. Nothing in clear is
    /// left in the writer then, though perhaps a length: it is of no use any more.
    pub fn seal_into(
        &self,
        cipher: &Cipher,
        iv: &InitializationVector,
        writer: &mut Writer,
    ) -> Result<(), SealError> {
        let data = &self.frame.data;
        let length = (InitializationVector::SIZE + H::SIZE)
            .checked_add(data.len())
            .map(|length| cipher.padded(length))
            .ok_or(TooLong { field: "length", length: data.len() })?;
        writer.length("length", length)?;
        writer.reserve(length);
        let start = writer.bytes().len();
        writer.raw(&self.next_iv.0);
        self.frame.header.write(writer);
        writer.raw(data);
        cipher.encrypt(iv, writer.bytes_mut(), start)?;
        Ok(())
    }

    /// Decrypts the frame that `bytes` begin with where it is; the message borrows its data from there. The
    /// number beside it counts the bytes left over.
    ///
    /// # Errors
    ///
    /// [`OpenError::Undecryptable`] if the length is not a positive multiple of 16, the padding is wrong or the
    /// fixed fields are not all there (AES-6); [`OpenError::Malformed`] at 0 if `bytes` end inside the length
    /// or inside the encrypted part.
    pub fn open(
        bytes: &'a mut [u8],
        cipher: &Cipher,
        iv: &InitializationVector,
    ) -> Result<(Self, usize), OpenError> {
        let length = sealed_length(Reader::new(bytes).int32("length")?)?;
        let sealed = &mut bytes[LENGTH_SIZE..];
        let left = sealed.len();
        let sealed = sealed
            .get_mut(..length)
            .ok_or_else(|| Malformed::new("length", 0, Reason::PastTheEnd { length, left }))?;
        Ok((Self::from_plaintext(cipher.decrypt(iv, sealed)?)?, left - length))
    }

    /// Size in bytes of the frame that `buffered` begins with, its length field included; `None` while the
    /// length field is not all there.
    ///
    /// # Errors
    ///
    /// [`OpenError::Undecryptable`] if the length is not a positive multiple of 16 (AES-6);
    /// [`OpenError::Malformed`] if it is above `limit` bytes of encrypted part (FRM-6).
    pub fn size(buffered: &[u8], limit: usize) -> Result<Option<usize>, OpenError> {
        if buffered.len() < LENGTH_SIZE {
            return Ok(None);
        }
        let length = sealed_length(Reader::new(buffered).int32("length")?)?;
        if length > limit {
            return Err(Malformed::new("length", 0, Reason::AboveLimit { length, limit }).into());
        }
        Ok(Some(LENGTH_SIZE + length))
    }

    fn from_plaintext(plaintext: &'a [u8]) -> Result<Self, Undecryptable> {
        let mut reader = Reader::new(plaintext);
        // Too short a plaintext most likely means a wrong key, and must look like any other sign of it.
        let next_iv = InitializationVector(reader.raw("next_iv").map_err(|_| Undecryptable)?);
        let header = H::read(&mut reader).map_err(|_| Undecryptable)?;
        Ok(Self { next_iv, frame: Frame { header, data: plaintext[reader.position()..].into() } })
    }
}

/// The length of an encrypted part, which is whole blocks and at least one.
fn sealed_length(length: i32) -> Result<usize, Undecryptable> {
    match usize::try_from(length) {
        Ok(length) if length > 0 && length.is_multiple_of(InitializationVector::SIZE) => Ok(length),
        _ => Err(Undecryptable),
    }
}
