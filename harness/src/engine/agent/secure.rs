//! What lies between messages and the network once an agent has acknowledged: AES frames (AES-1), or TLS (TLS-1).
//!
//! Written apart from the reference, and on another AES library. A [`Layer`] does no input or output: it is fed with
//! the bytes that came, and gives the plaintext of messages and the bytes that are to be sent.

use std::collections::HashSet;
use std::io::Read;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

use crate::format::{AES_BLOCK, Padding, Secrets};
use crate::hex_text;
use crate::subject::placeholders::Values;
use crate::terms::Encryption;

/// The most bytes that an encrypted part may have: more than any case can expect.
const LARGEST: usize = hex_text::LARGEST;

/// How often a vector is drawn for a damaged message at most.
const MOST_DRAWS: u32 = 64;

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
    /// TLS, with the harness as its client.
    Tls(Box<ClientConnection>),
}

/// The two chains of vectors of a connection (AES-2, AES-4).
#[derive(Debug)]
pub(crate) struct Chains {
    key: Vec<u8>,
    padding: Padding,
    /// The vector of the next message that is sent.
    sends: [u8; AES_BLOCK],
    /// The vector of the next message that comes.
    receives: [u8; AES_BLOCK],
    /// The vectors that the subject announced, that of the acknowledgement first.
    announced: Vec<[u8; AES_BLOCK]>,
    /// Where the vectors come from that the harness announces.
    vectors: fastrand::Rng,
}

impl Layer {
    /// The layer that a subject's settings ask for, behind the bytes of its acknowledgement; `None` without
    /// encryption. What the harness draws at random is drawn from `seed`.
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
                let key = values.get("aes_key").map_or("", String::as_str);
                let key = hex_text::parse(key).map_err(|error| format!("the AES key: {error}"))?;
                let vector = acknowledgement.get(1..).and_then(|bytes| bytes.first_chunk());
                let vector = vector.ok_or("the acknowledgement has no initialization vector")?;
                let vectors = fastrand::Rng::with_seed(seed);
                Ok(Some(Layer::Aes(Chains {
                    key,
                    padding,
                    sends: *vector,
                    receives: *vector,
                    announced: vec![*vector],
                    vectors,
                })))
            }
        }
    }

    /// TLS with a server of some name, which it is told where it is no address.
    ///
    /// # Errors
    ///
    /// A sentence for people: it is no name, or TLS cannot be set up.
    pub(crate) fn tls(name: &str) -> Result<Self, String> {
        tls_client(name).map(|client| Layer::Tls(Box::new(client)))
    }

    /// Takes the bytes that came, as far as they can be opened, and appends what they hold to `plain`.
    ///
    /// # Errors
    ///
    /// Why they cannot be opened.
    pub(super) fn receive(&mut self, raw: &mut Vec<u8>, plain: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Layer::Aes(chains) => chains.receive(raw, plain),
            Layer::Tls(client) => {
                let came = std::mem::take(raw);
                let mut rest = came.as_slice();
                while !rest.is_empty() {
                    client.read_tls(&mut rest).map_err(|error| error.to_string())?;
                    client.process_new_packets().map_err(|error| error.to_string())?;
                    // All that is there: the end of the stream is that of TCP.
                    let _ = client.reader().read_to_end(plain);
                }
                Ok(())
            }
        }
    }

    /// Bytes that it wants to be sent on its own account.
    pub(crate) fn outgoing(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Layer::Tls(client) = self {
            while client.wants_write() {
                // Writing to memory cannot fail.
                let _ = client.write_tls(&mut bytes);
            }
        }
        bytes
    }

    /// Whether [`Layer::outgoing`] has something.
    pub(super) fn wants_to_send(&self) -> bool {
        matches!(self, Layer::Tls(client) if client.wants_write())
    }

    /// Whether messages can go both ways.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Layer::Aes(_) => true,
            Layer::Tls(client) => !client.is_handshaking() && !client.wants_write(),
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
            Layer::Tls(client) => {
                use std::io::Write as _;
                client.set_buffer_limit(None);
                client.writer().write_all(message).map_err(|error| error.to_string())?;
                Ok(self.outgoing())
            }
        }
    }

    /// What goes before the end of what is sent.
    pub(super) fn seal_end(&mut self) -> Vec<u8> {
        if let Layer::Tls(client) = self {
            client.send_close_notify();
        }
        self.outgoing()
    }

    /// A vector that the subject announced twice (AES-7).
    pub(super) fn repeated_vector(&self) -> Option<[u8; AES_BLOCK]> {
        let Layer::Aes(chains) = self else { return None };
        let mut seen = HashSet::new();
        chains.announced.iter().find(|vector| !seen.insert(**vector)).copied()
    }

    /// The certificate that the peer presented, DER.
    pub(super) fn certificate(&self) -> Option<Vec<u8>> {
        match self {
            Layer::Aes(_) => None,
            Layer::Tls(client) => client.peer_certificates()?.first().map(|certificate| certificate.to_vec()),
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

impl Chains {
    /// A wrong key or bit comes out as good padding about once in 256 times (hazard AES-H2): then another vector is
    /// drawn, so that the damage always shows.
    fn seal_damaged(&mut self, message: &[u8], header: usize, damage: &Damage) -> Result<Vec<u8>, String> {
        let secrets = self.secrets(self.sends);
        for _ in 0..MOST_DRAWS {
            self.sends = secrets.iv;
            let frame = self.damaged(message, header, damage, &secrets)?;
            let shows = frame.get(4..).is_none_or(|sealed| secrets.open(sealed).is_err());
            if shows || !matches!(damage, Damage::Key(_) | Damage::Flip { .. }) {
                return Ok(frame);
            }
        }
        Err("the damage cannot be seen".to_owned())
    }

    fn damaged(
        &mut self,
        message: &[u8],
        header: usize,
        damage: &Damage,
        secrets: &Secrets,
    ) -> Result<Vec<u8>, String> {
        let mut frame = self.seal(message, header)?;
        // The vector that was drawn for the proper frame.
        let plain = || [&self.sends[..], &message[4..]].concat();
        let framed = |sealed: Vec<u8>| -> Result<Vec<u8>, String> {
            let size = i32::try_from(sealed.len()).map_err(|_| "it is too large".to_owned())?;
            Ok([&size.to_le_bytes()[..], &sealed].concat())
        };
        match damage {
            Damage::Flip { byte, bit } => {
                let length = i64::try_from(frame.len()).unwrap_or(i64::MAX);
                let at = if *byte < 0 { length + i64::from(*byte) } else { i64::from(*byte) };
                let place = usize::try_from(at).ok().and_then(|at| frame.get_mut(at));
                *place.ok_or_else(|| format!("there is no byte {byte} in a frame of {length}"))? ^= 1 << bit;
                Ok(frame)
            }
            Damage::Truncate(length) => {
                frame.truncate(4 + length);
                framed(frame.split_off(4))
            }
            Damage::Length(length) => {
                frame[..4].copy_from_slice(&length.to_le_bytes());
                Ok(frame)
            }
            Damage::Key(key) => framed(Secrets { key: key.clone(), ..secrets.clone() }.seal(&plain())?),
            Damage::Padding(padding) => framed(secrets.seal_padded([plain(), padding.clone()].concat())?),
        }
    }

    fn secrets(&self, iv: [u8; AES_BLOCK]) -> Secrets {
        Secrets { key: self.key.clone(), iv, padding: self.padding }
    }

    /// The plaintext is the next vector, the command and the data; messages come out with a length before them.
    fn receive(&mut self, raw: &mut Vec<u8>, plain: &mut Vec<u8>) -> Result<(), String> {
        let mut used = 0;
        while let Some(length) = raw[used..].first_chunk::<4>().map(|bytes| i32::from_le_bytes(*bytes)) {
            let size = usize::try_from(length).ok().filter(|size| (1..=LARGEST).contains(size));
            let size = size.ok_or_else(|| format!("{length} is no length of an encrypted part"))?;
            let Some(sealed) = raw[used + 4..].get(..size) else { break };
            let (opened, _) = self.secrets(self.receives).open(sealed)?;
            let too_short = || format!("its plaintext has {} bytes, 20 at least are due", opened.len());
            let next = opened.first_chunk().ok_or_else(too_short)?;
            let message =
                opened.get(AES_BLOCK..).filter(|message| message.len() >= 4).ok_or_else(too_short)?;
            let data = i32::try_from(message.len() - 4).map_err(|_| "it is too large".to_owned())?;
            plain.extend_from_slice(&data.to_le_bytes());
            plain.extend_from_slice(message);
            self.receives = *next;
            self.announced.push(*next);
            used += 4 + size;
        }
        raw.drain(..used);
        Ok(())
    }

    fn seal(&mut self, message: &[u8], header: usize) -> Result<Vec<u8>, String> {
        let length = message.first_chunk::<4>().map(|bytes| i32::from_le_bytes(*bytes));
        let data = message.len().checked_sub(header).and_then(|data| i32::try_from(data).ok());
        if length.is_none() || length != data {
            return Err("a message whose length is not that of its data cannot be encrypted".to_owned());
        }
        let mut next = [0; AES_BLOCK];
        self.vectors.fill(&mut next);
        let sealed = self.secrets(self.sends).seal(&[&next, &message[4..]].concat())?;
        self.sends = next;
        let size = i32::try_from(sealed.len()).map_err(|_| "it is too large".to_owned())?;
        Ok([&size.to_le_bytes()[..], &sealed].concat())
    }
}

/// A TLS client that takes whatever certificate it is shown: the case looks at it afterwards.
fn tls_client(name: &str) -> Result<ClientConnection, String> {
    let failed = |error: rustls::Error| format!("TLS cannot be set up: {error}");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = AnyCertificate(provider.signature_verification_algorithms);
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).map_err(|error| format!("`{name}`: {error}"))?;
    ClientConnection::new(Arc::new(config), name).map_err(failed)
}

/// The first half of the first bytes of a TLS client.
pub(super) fn half_a_hello() -> Vec<u8> {
    let mut hello = Vec::new();
    if let Ok(mut client) = tls_client("localhost") {
        // Writing to memory cannot fail.
        let _ = client.write_tls(&mut hello);
    }
    hello.truncate(hello.len() / 2);
    hello
}

/// Checks what is signed, but not by whom.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_vector_that_is_announced_twice_is_noticed() {
        let mut layer = layer(Padding::Pkcs7);
        assert_eq!(layer.repeated_vector(), None);
        let (mut raw, mut plain) = (bytes(&format!("20000000 {FIRST}")), Vec::new());
        layer.receive(&mut raw, &mut plain).unwrap();
        assert_eq!(layer.repeated_vector(), None);
        let vector = chains(&mut layer).receives;
        chains(&mut layer).announced.push(vector);
        assert_eq!(layer.repeated_vector(), Some(vector));
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

    #[test]
    fn half_a_hello_begins_a_tls_handshake() {
        let half = half_a_hello();
        // A record of type 22, TLS; its length says more than is there.
        assert_eq!(half[..2], [0x16, 0x03]);
        let length = usize::from(half[3]) << 8 | usize::from(half[4]);
        assert!(half.len() < 5 + length);
    }
}
