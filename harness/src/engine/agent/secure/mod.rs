//! What lies between messages and the network once an agent has acknowledged: AES frames (AES-1), or TLS (TLS-1).
//!
//! Written apart from the reference, and on another AES library. A [`Layer`] does no input or output: it is fed with
//! the bytes that came, and gives the plaintext of messages and the bytes that are to be sent. It serves either side:
//! the harness is the client of an agent under test, and the agent of a client.

mod chains;
mod tls;

use chains::Chains;
use tls::Tls;
pub(super) use tls::{half_a_hello, old_hello};

use crate::format::{AES_BLOCK, Padding};
use crate::subject::Certificate;
use crate::subject::placeholders::Values;
use crate::terms::Encryption;

/// The size of what stands before the data of a message of an agent (FRM-3).
const AGENT_HEADER: usize = 8;

/// The mode that settings name; none where they name none.
pub(super) fn mode(values: &Values) -> Encryption {
    match values.get("encryption").map(String::as_str) {
        Some("ssl") => Encryption::Ssl,
        Some("aes") => Encryption::Aes,
        _ => Encryption::None,
    }
}

/// The number by which an acknowledgement tells a mode (HS-4).
pub(super) fn number(mode: Encryption) -> i8 {
    match mode {
        Encryption::None => 0,
        Encryption::Ssl => 1,
        Encryption::Aes => 2,
    }
}

/// One side's way from messages to the network and back.
#[derive(Debug)]
pub(crate) enum Layer {
    /// AES frames.
    Aes(Chains),
    /// TLS.
    Tls(Box<Tls>),
}

impl Layer {
    /// The layer of a client that a subject's settings ask for, behind the bytes of its acknowledgement; `None`
    /// without encryption. What the harness draws at random is drawn from `seed`.
    ///
    /// # Errors
    ///
    /// A sentence for people: the settings have no usable key, or TLS cannot be set up.
    pub(crate) fn of(
        values: &Values,
        padding: Padding,
        acknowledgement: &[u8],
        seed: u64,
    ) -> Result<Option<Self>, String> {
        match mode(values) {
            Encryption::None => Ok(None),
            Encryption::Ssl => Self::tls("localhost").map(Some),
            Encryption::Aes => {
                // What comes is an agent's: a length and a command before the data (FRM-3).
                let chains = Chains::new(values, padding, acknowledgement, seed, AGENT_HEADER)?;
                Ok(Some(Layer::Aes(chains)))
            }
        }
    }

    /// TLS with a server of some name, which it is told where it is no address.
    ///
    /// # Errors
    ///
    /// A sentence for people: it is no name, or TLS cannot be set up.
    pub(crate) fn tls(name: &str) -> Result<Self, String> {
        Tls::client(name).map(|tls| Layer::Tls(Box::new(tls)))
    }

    /// The same of an agent that the harness plays. `header` is the size of what stands before the data of the messages
    /// of its client.
    ///
    /// # Errors
    ///
    /// As of [`Layer::of`].
    pub(super) fn of_agent(
        values: &Values,
        padding: Padding,
        acknowledgement: &[u8],
        seed: u64,
        header: usize,
        certificate: &Certificate,
    ) -> Result<Option<Self>, String> {
        match mode(values) {
            Encryption::None => Ok(None),
            Encryption::Ssl => Tls::agent(certificate).map(|tls| Some(Layer::Tls(Box::new(tls)))),
            Encryption::Aes => {
                Chains::new(values, padding, acknowledgement, seed, header).map(Layer::Aes).map(Some)
            }
        }
    }

    /// Takes the bytes that came, as far as they can be opened, and appends what they hold to `plain`.
    ///
    /// # Errors
    ///
    /// Why they cannot be opened.
    pub(super) fn receive(&mut self, raw: &mut Vec<u8>, plain: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Layer::Aes(chains) => chains.receive(raw, plain),
            Layer::Tls(tls) => tls.receive(raw, plain),
        }
    }

    /// Bytes that it wants to be sent on its own account.
    pub(crate) fn outgoing(&mut self) -> Vec<u8> {
        match self {
            Layer::Aes(_) => Vec::new(),
            Layer::Tls(tls) => tls.outgoing(),
        }
    }

    /// Whether [`Layer::outgoing`] has something.
    pub(super) fn wants_to_send(&self) -> bool {
        matches!(self, Layer::Tls(tls) if tls.wants_to_send())
    }

    /// Whether messages can go both ways.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Layer::Aes(_) => true,
            Layer::Tls(tls) => tls.is_ready(),
        }
    }

    /// One message as it goes over the network. `header` is the size of what stands before its data.
    ///
    /// # Errors
    ///
    /// Why it cannot be sealed: its length is not that of its data, which AES frames cannot say.
    pub(crate) fn seal(&mut self, message: &[u8], header: usize) -> Result<Vec<u8>, String> {
        match self {
            Layer::Aes(chains) => chains.seal(message, header),
            Layer::Tls(tls) => tls.seal(message),
        }
    }

    /// What goes before the end of what is sent.
    pub(super) fn seal_end(&mut self) -> Vec<u8> {
        match self {
            Layer::Aes(_) => Vec::new(),
            Layer::Tls(tls) => tls.seal_end(),
        }
    }

    /// The vector of the acknowledgement, and those that the subject announced (AES-7).
    pub(super) fn announced_vectors(&self) -> &[[u8; AES_BLOCK]] {
        match self {
            Layer::Aes(chains) => &chains.announced,
            Layer::Tls(_) => &[],
        }
    }

    /// The alert by which the peer gave TLS up.
    pub(super) fn refused(&self) -> Option<&str> {
        match self {
            Layer::Aes(_) => None,
            Layer::Tls(tls) => tls.refused(),
        }
    }

    /// The certificate that the peer presented, DER.
    pub(super) fn certificate(&self) -> Option<Vec<u8>> {
        match self {
            Layer::Aes(_) => None,
            Layer::Tls(tls) => tls.certificate(),
        }
    }
}

/// One thing that is wrong with an AES frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// A bit of the frame is inverted; bytes count from its start, or from its end if negative.
    Flip { byte: i32, bit: u8 },
    /// The encrypted part has only so many bytes, and its length says so.
    Truncate(usize),
    /// The length says this.
    Length(i32),
    /// It is encrypted with another key.
    Key(Vec<u8>),
    /// These bytes stand where the padding belongs.
    Padding(Vec<u8>),
}

impl Damage {
    /// Whether it depends on the vectors how it comes out in a frame of so many bytes.
    fn is_by_chance(&self, frame: usize) -> bool {
        match self {
            Damage::Key(_) => true,
            Damage::Flip { byte, .. } => {
                let from_end = usize::try_from(*byte)
                    .map_or(byte.unsigned_abs() as usize, |byte| frame.saturating_sub(byte));
                from_end <= AES_BLOCK
            }
            Damage::Truncate(_) | Damage::Length(_) | Damage::Padding(_) => false,
        }
    }
}

impl Layer {
    /// One message as an AES frame with one thing wrong.
    ///
    /// # Errors
    ///
    /// Why it cannot be made: there is no AES on this connection, or the damage does not fit the frame.
    pub(super) fn seal_damaged(
        &mut self,
        message: &[u8],
        header: usize,
        damage: &Damage,
    ) -> Result<Vec<u8>, String> {
        match self {
            Layer::Aes(chains) => chains.seal_damaged(message, header, damage),
            Layer::Tls(_) => Err("only AES frames can be tampered with".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex_text;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f";
    /// Mode 2, vector, value 2000, one server version.
    const ACKNOWLEDGEMENT: &str = "02 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf d0070000 01000000";
    /// What `openssl enc -aes-128-cbc` makes of the vector b0…bf, command 3 and the data 01 61.
    const FIRST: &str = "954f64f2e4e86e9eee82d2021668489927efe444415ac1f3e2eb3acfd1552bf4";
    /// The same of the vector c0…cf and command 7, under the vector b0…bf.
    const SECOND: &str = "4cd8ba79a9f1e320aa59c44334601a718fa19ab12958f8bebd57d25510db3a4d";
    /// FIRST with ten zeros in place of its padding (`-nopad`).
    const ZEROS: &str = "954f64f2e4e86e9eee82d20216684899c352d364dee14c0bb1ca48734bdaafe7";
    /// Get Agent Root Path for Otter in v2.
    const REQUEST: &str = "01000000 03000000 01";

    fn bytes(hex: &str) -> Vec<u8> {
        hex_text::parse(hex).unwrap()
    }

    fn layer(padding: Padding) -> Layer {
        let values = Values::from([("encryption", "aes".to_owned()), ("aes_key", KEY.to_owned())]);
        Layer::of(&values, padding, &bytes(ACKNOWLEDGEMENT), 7).unwrap().unwrap()
    }

    fn chains(layer: &mut Layer) -> &mut Chains {
        match layer {
            Layer::Aes(chains) => chains,
            Layer::Tls(_) => panic!("AES is due"),
        }
    }

    #[test]
    fn frames_come_out_as_messages_however_they_come() {
        let stream = bytes(&format!("20000000 {FIRST} 20000000 {SECOND}"));
        for piece in [1, 3, 16, 35, 36, 37, 72] {
            let (mut layer, mut raw, mut plain) = (layer(Padding::Pkcs7), Vec::new(), Vec::new());
            for part in stream.chunks(piece) {
                raw.extend_from_slice(part);
                layer.receive(&mut raw, &mut plain).unwrap();
            }
            assert_eq!(plain, bytes("02000000 03000000 0161 00000000 07000000"), "in pieces of {piece}");
        }
    }

    #[test]
    fn zeros_stay_behind_the_data() {
        let (mut raw, mut plain) = (bytes(&format!("20000000 {ZEROS}")), Vec::new());
        layer(Padding::Zeros).receive(&mut raw, &mut plain).unwrap();
        assert_eq!(plain, bytes("0c000000 03000000 0161 00*10"));
    }

    #[test]
    fn what_does_not_decrypt_says_why() {
        let refused = |hex: String| {
            let (mut raw, mut plain) = (bytes(&hex), Vec::new());
            let result = layer(Padding::Pkcs7).receive(&mut raw, &mut plain);
            assert!(plain.is_empty());
            result.unwrap_err()
        };
        assert_eq!(refused("00000000".to_owned()), "0 is no length of an encrypted part");
        assert_eq!(refused("ffffffff".to_owned()), "-1 is no length of an encrypted part");
        assert_eq!(refused("ffffff7f".to_owned()), "2147483647 is no length of an encrypted part");
        let odd = refused("11000000 00*17".to_owned());
        assert_eq!(odd, "17 encrypted bytes are not a positive multiple of 16");
        // Ten zeros are no padding.
        assert!(refused(format!("20000000 {ZEROS}")).ends_with("is no PKCS7 padding"));
    }

    #[test]
    fn a_sealed_message_opens_under_the_vector_before() {
        let mut layer = layer(Padding::Pkcs7);
        let chains = chains(&mut layer);
        for _ in 0..2 {
            let under = chains.secrets(chains.sends);
            let frame = chains.seal(&bytes(REQUEST), 8).unwrap();
            assert_eq!(frame[..4], [0x20, 0, 0, 0]);
            let (plain, padding) = under.open(&frame[4..]).unwrap();
            assert_eq!((plain[..16].to_vec(), padding), (chains.sends.to_vec(), vec![11; 11]));
            assert_eq!(plain[16..], bytes("03000000 01"));
        }
        let odd = chains.seal(&bytes("02000000 03000000 01"), 8);
        assert!(odd.unwrap_err().contains("length is not that of its data"));
    }

    #[test]
    fn every_damage_shows_and_the_next_message_is_sound() {
        let damages = [
            Damage::Flip { byte: 19, bit: 0 },
            Damage::Flip { byte: -1, bit: 7 },
            Damage::Truncate(16),
            Damage::Truncate(31),
            Damage::Key(vec![0; 32]),
            Damage::Padding(vec![0; 11]),
        ];
        for damage in damages {
            let mut layer = layer(Padding::Pkcs7);
            let chains = chains(&mut layer);
            let under = chains.secrets(chains.sends);
            let frame = chains.seal_damaged(&bytes(REQUEST), 8, &damage).unwrap();
            let opened = under.open(&frame[4..]);
            assert!(opened.is_err() || opened.is_ok_and(|(plain, _)| plain.len() < 20), "{damage:?}");
            let size = i32::from_le_bytes(*frame.first_chunk().unwrap());
            assert_eq!(usize::try_from(size).unwrap(), frame.len() - 4, "{damage:?}");
        }
        let mut layer = layer(Padding::Pkcs7);
        let frame = layer.seal_damaged(&bytes(REQUEST), 8, &Damage::Length(-16)).unwrap();
        assert_eq!((frame.len(), frame[..4].to_vec()), (36, bytes("f0ffffff")));
        assert!(layer.seal_damaged(&bytes(REQUEST), 8, &Damage::Flip { byte: 36, bit: 0 }).is_err());
    }

    #[test]
    fn announced_vectors_are_kept() {
        let mut layer = layer(Padding::Pkcs7);
        let first = chains(&mut layer).receives;
        assert_eq!(layer.announced_vectors(), [first]);
        let (mut raw, mut plain) = (bytes(&format!("20000000 {FIRST}")), Vec::new());
        layer.receive(&mut raw, &mut plain).unwrap();
        let second = chains(&mut layer).receives;
        assert_eq!(layer.announced_vectors(), [first, second]);
    }

    #[test]
    fn a_bit_before_the_last_block_comes_out_as_it_must() {
        let mut layer = layer(Padding::Pkcs7);
        let chains = chains(&mut layer);
        let under = chains.secrets(chains.sends);
        // The first byte of the vector that is announced: with it, the first of the command behind it.
        let frame = chains.seal_damaged(&bytes(REQUEST), 8, &Damage::Flip { byte: 4, bit: 0 }).unwrap();
        let (plain, _) = under.open(&frame[4..]).unwrap();
        assert_eq!(plain[16..], bytes("02000000 01"));
    }

    #[test]
    fn settings_say_which_layer_there_is() {
        let of = |values: &Values, acknowledgement: &str| {
            Layer::of(values, Padding::Pkcs7, &bytes(acknowledgement), 0)
        };
        assert!(of(&Values::new(), "00").unwrap().is_none());
        let tls = Values::from([("encryption", "ssl".to_owned())]);
        assert!(matches!(of(&tls, "01"), Ok(Some(Layer::Tls(_)))));
        let aes = Values::from([("encryption", "aes".to_owned()), ("aes_key", KEY.to_owned())]);
        assert_eq!(of(&aes, "02 00*15").unwrap_err(), "the acknowledgement has no initialization vector");
    }
}
