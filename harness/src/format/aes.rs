//! AES-CBC as the interpreter needs it: whole blocks in and out, padding by hand, so that damaged
//! padding can be seen and made. On RustCrypto, apart from the reference's library.

use crate::hex_text;
use aes::{Aes128, Aes256};
use cbc::cipher::array::Array;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The block size of AES, also the size of an initialization vector.
pub const AES_BLOCK: usize = 16;

/// How plaintext is brought to a multiple of 16 bytes (knob `aes_padding`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// 1 to 16 bytes, each holding their number.
    #[default]
    Pkcs7,
    /// Zero bytes up to a multiple of 16; nothing where it is one.
    Zeros,
}

/// What it takes to seal or open one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// 16 or 32 bytes.
    pub key: Vec<u8>,
    /// The initialization vector of this message.
    pub iv: [u8; AES_BLOCK],
    /// The padding.
    pub padding: Padding,
}

impl Secrets {
    /// Encrypts a plaintext that has its padding already.
    pub(crate) fn seal_padded(&self, mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        if !bytes.len().is_multiple_of(AES_BLOCK) {
            return Err(format!("{} bytes with their padding are no multiple of {AES_BLOCK}", bytes.len()));
        }
        self.encrypt_blocks(&mut bytes)?;
        Ok(bytes)
    }

    /// Pads and encrypts.
    pub(crate) fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, String> {
        let mut bytes = plain.to_vec();
        let missing = AES_BLOCK - plain.len() % AES_BLOCK;
        match self.padding {
            Padding::Pkcs7 => bytes.resize(plain.len() + missing, u8::try_from(missing).unwrap_or(0)),
            Padding::Zeros if missing < AES_BLOCK => bytes.resize(plain.len() + missing, 0),
            Padding::Zeros => {}
        }
        self.encrypt_blocks(&mut bytes)?;
        Ok(bytes)
    }

    fn encrypt_blocks(&self, bytes: &mut [u8]) -> Result<(), String> {
        match self.key.len() {
            16 => encrypt(self.started::<Encryptor<Aes128>>()?, bytes),
            _ => encrypt(self.started::<Encryptor<Aes256>>()?, bytes),
        }
        Ok(())
    }

    /// Decrypts and takes the padding off. Gives the plaintext and the padding bytes.
    pub(crate) fn open(&self, sealed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
        if sealed.is_empty() || !sealed.len().is_multiple_of(AES_BLOCK) {
            return Err(format!(
                "{} encrypted bytes are not a positive multiple of {AES_BLOCK}",
                sealed.len()
            ));
        }
        let mut plain = sealed.to_vec();
        match self.key.len() {
            16 => decrypt(self.started::<Decryptor<Aes128>>()?, &mut plain),
            _ => decrypt(self.started::<Decryptor<Aes256>>()?, &mut plain),
        }
        if self.padding == Padding::Zeros {
            return Ok((plain, Vec::new()));
        }
        let last = plain.last().copied().unwrap_or(0);
        let length = usize::from(last);
        if length == 0 || length > AES_BLOCK {
            return Err(format!("the last byte, {last:02x}, is no PKCS7 padding"));
        }
        let padding = plain.split_off(plain.len() - length);
        if padding.iter().any(|&byte| byte != last) {
            return Err(format!(
                "the last {length} bytes, {}, are no PKCS7 padding",
                hex_text::encode(&padding)
            ));
        }
        Ok((plain, padding))
    }

    /// The mode with key and initialization vector in place.
    fn started<M: KeyIvInit>(&self) -> Result<M, String> {
        M::new_from_slices(&self.key, &self.iv)
            .map_err(|_| format!("an AES key has 16 or 32 bytes, this one has {}", self.key.len()))
    }
}

/// Encrypts whole blocks in place.
fn encrypt<M: BlockModeEncrypt>(mut mode: M, bytes: &mut [u8]) {
    mode.encrypt_blocks(Array::slice_as_chunks_mut(bytes).0);
}

/// Decrypts whole blocks in place.
fn decrypt<M: BlockModeDecrypt>(mut mode: M, bytes: &mut [u8]) {
    mode.decrypt_blocks(Array::slice_as_chunks_mut(bytes).0);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, a panic is the verdict")]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The first blocks of the examples F.2.1 and F.2.5 of NIST SP 800-38A.
    #[rstest]
    #[case("2b7e151628aed2a6abf7158809cf4f3c", "7649abac8119b246cee98e9b12e9197d")]
    #[case(
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "f58c4c04d6e5f1ba779eabfb5f7bfbd6"
    )]
    fn what_is_padded_already_is_only_encrypted(#[case] key: &str, #[case] sealed: &str) {
        let iv = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        let secrets = Secrets { key: hex_text::decode(key).unwrap(), iv, padding: Padding::Pkcs7 };
        let plain = hex_text::decode("6bc1bee22e409f96e93d7e117393172a").unwrap();
        assert_eq!(secrets.seal_padded(plain.clone()), Ok(hex_text::decode(sealed).unwrap()));
        let cut = secrets.seal_padded(plain[..15].to_vec());
        assert_eq!(cut, Err("15 bytes with their padding are no multiple of 16".to_owned()));
    }

    #[rstest]
    #[case(0)]
    #[case(21)]
    fn what_is_not_whole_blocks_is_not_opened(#[case] length: usize) {
        let secrets = Secrets { key: vec![0; 16], iv: [0; 16], padding: Padding::Zeros };
        let told = format!("{length} encrypted bytes are not a positive multiple of 16");
        assert_eq!(secrets.open(&vec![0; length]), Err(told));
    }
}
