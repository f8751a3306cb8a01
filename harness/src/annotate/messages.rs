//! The bytes of a conversation: handshakes, acknowledgements, messages, and raw bytes below encryption.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::Block;
use super::bytes::{Header, Literal, Reader, Rows, sample};
use crate::format::{Format, Formats};
use crate::hex_text::amount;
use crate::terms::{Encryption, TimeSpan};
use crate::vectors::transcript::Party;
use crate::vectors::transcript::data::{
    Data, Frame, FrameFields, Item, Tamper, TlsFault, Wire, WireItem, WrongCertificate,
};
use crate::vectors::transcript::entry::Needs;
use crate::vectors::transcript::op::Op;
use crate::vectors::transcript::play::{Framing, agent_type};
use crate::vectors::transcript::value::Value;
use crate::yaml::Spot;

/// The bytes of a handshake (HS-1).
const HANDSHAKE: usize = 24;

/// What is known of a connection at some step.
#[derive(Clone, Debug, Default)]
pub(super) struct Talk {
    /// The handshake, as far as it was sent.
    handshake: Vec<u8>,
    /// Whether the client was told to speak v1, where it was told anything.
    told_v1: Option<bool>,
    /// The version spoken, once an acknowledgement tells.
    version: Option<i32>,
}

impl Talk {
    /// The two numbers of the handshake, once it was sent whole.
    fn offered(&self) -> Option<(i32, i32)> {
        let number = |at: usize| self.handshake.get(at..at + 4)?.try_into().ok().map(i32::from_le_bytes);
        Some((number(16)?, number(20)?))
    }
}

/// Tells the meaning of the bytes of a conversation, step by step.
pub(super) struct Messages<'a> {
    reader: Reader<'a>,
    /// The versions that the subject is started with, where the case says.
    versions: Option<Vec<i32>>,
    /// What is known of each connection by now.
    pub(super) talks: HashMap<&'a str, Talk>,
    has_frames: bool,
}

impl<'a> Messages<'a> {
    pub(super) fn new(needs: &Needs, formats: &'a Formats) -> Self {
        let encryption = match needs.encryption.as_ref().map(|list| list.as_slice()) {
            Some([only]) => Some(only.value),
            _ => None,
        };
        let started = needs.settings.as_ref().and_then(|settings| settings.versions.as_ref());
        Self {
            reader: Reader { formats, encryption, format: None },
            versions: started.map(|list| list.iter().map(|version| version.value).collect()),
            talks: HashMap::new(),
            has_frames: false,
        }
    }

    /// Whether there are messages that the run may encrypt.
    pub(super) fn may_be_encrypted(&self) -> bool {
        self.has_frames && self.reader.encryption != Some(Encryption::None)
    }

    /// Takes note of how a client was told to shake hands.
    pub(super) fn told(&mut self, name: &'a str, op: &Op) {
        if let Op::Connect(connect) = op {
            self.talks.entry(name).or_default().told_v1 = Some(connect.session.is_some());
        }
    }

    fn oldest(&self) -> i32 {
        self.reader.formats.oldest_version()
    }

    /// The version spoken on a connection; before an acknowledgement tells, the newest that both sides have.
    fn version(&self, name: &str) -> i32 {
        let oldest = self.oldest();
        let Some(talk) = self.talks.get(name) else { return oldest };
        if let Some(version) = talk.version {
            return version;
        }
        let Some((min, max)) = talk.offered().filter(|_| !self.is_v1(talk)) else { return oldest };
        let versions = self.reader.formats.iter().map(|format| format.protocol.value);
        let has = |version: &i32| self.versions.as_ref().is_none_or(|versions| versions.contains(version));
        versions.filter(|version| (min..=max).contains(version)).filter(has).last().unwrap_or(oldest)
    }

    /// Whether a handshake is one of v1: its second number is a session then, which lies below all versions (NEG-6).
    fn is_v1(&self, talk: &Talk) -> bool {
        talk.told_v1.unwrap_or_else(|| talk.offered().is_some_and(|(_, second)| second < self.oldest()))
    }

    /// The description of a version; later ones are framed like the newest known.
    fn format(&self, version: i32) -> Option<&'a Format> {
        let formats = self.reader.formats;
        let known = formats.iter().filter(|format| format.protocol.value <= version).last();
        known.or_else(|| formats.iter().next())
    }

    /// Handshake and acknowledgement.
    pub(super) fn bytes(&mut self, party: Party, name: &'a str, data: &'a Data) -> Vec<Block> {
        match (party, Literal::of_data(data)) {
            (Party::Client, Some(literal)) => self.handshake(name, &literal),
            (Party::Agent, Some(literal)) if literal.is_whole() => {
                let Some(format) = self.format(self.version(name)) else { return Vec::new() };
                let type_name = &format.conversation.acknowledgement.value;
                let decoded = self.reader.formats.decode(type_name, &literal.start, None).ok();
                let format = decoded.and_then(|decoded| self.acknowledged(name, decoded.value.get("value")));
                let rows = Reader { format, ..self.reader }.by_type(type_name, &literal.start, None);
                vec![Block::new(format!("{type_name}, {}", amount(literal.length)), rows)]
            }
            _ => {
                let (mut kind, mut format) = ("bytes", None);
                for item in &data.0 {
                    if let Item::Typed { type_name, value } = &item.value {
                        kind = type_name;
                        format = format.or(self.acknowledged_as(name, type_name, value));
                    }
                }
                let rows = Reader { format, ..self.reader }.data(data, None);
                vec![titled(if data.0.len() == 1 { kind } else { "bytes" }, rows)]
            }
        }
    }

    /// The number of an acknowledgement that is given by its fields, as of [`Self::acknowledged`].
    fn acknowledged_as(&mut self, name: &'a str, type_name: &str, value: &Spot<Value>) -> Option<&'a Format> {
        let formats = self.reader.formats;
        let is_ack = formats.is_acknowledgement(type_name);
        if is_ack { self.acknowledged(name, sample(value, &json!(0)).get("value")) } else { None }
    }

    /// Takes note of the number in an acknowledgement, and tells the version in whose words it is meant. One that is no
    /// version of the range offered is the session of v1 (NEG-6).
    fn acknowledged(&mut self, name: &'a str, value: Option<&Json>) -> Option<&'a Format> {
        let oldest = self.oldest();
        let is_v1 = self.talks.get(name).is_some_and(|talk| self.is_v1(talk));
        let talk = self.talks.entry(name).or_default();
        let value = value.and_then(Json::as_i64).and_then(|value| i32::try_from(value).ok());
        let in_range = |value: &i32| talk.offered().is_some_and(|(min, max)| (min..=max).contains(value));
        let spoken = value.filter(|value| !is_v1 && *value >= oldest && in_range(value));
        talk.version = Some(spoken.unwrap_or(oldest));
        match spoken {
            Some(_) => self.reader.formats.iter().last(),
            None => self.format(oldest),
        }
    }

    /// What a client sends: the rest of its handshake, and what stands behind that.
    fn handshake(&mut self, name: &'a str, literal: &Literal) -> Vec<Block> {
        let talk = self.talks.entry(name).or_default();
        let before = talk.handshake.len();
        let part = (HANDSHAKE - before).min(literal.start.len());
        talk.handshake.extend_from_slice(&literal.start[..part]);
        let sent = Literal { length: talk.handshake.len(), start: talk.handshake.clone() };
        let mut blocks = Vec::new();
        if part > 0 {
            let is_v1 = self.talks.get(name).is_some_and(|talk| self.is_v1(talk));
            let format = if is_v1 { self.format(self.oldest()) } else { self.reader.formats.iter().last() };
            let Some(format) = format else { return blocks };
            let type_name = &format.conversation.handshake.value;
            let mut rows = Rows::default();
            self.reader.leading_fields(type_name, &sent, &mut rows);
            let title = match (before, part) {
                (0, HANDSHAKE) => format!("{type_name}, {}", amount(part)),
                _ => format!("{type_name}, bytes {before} to {} of {HANDSHAKE}", before + part - 1),
            };
            blocks.push(Block::new(title, rows.from(before)));
        }
        if literal.length > part {
            let rest = literal.behind(part);
            let mut rows = Rows::default();
            rows.raw(&rest, "bytes", amount(rest.length));
            blocks.push(titled("bytes behind the handshake", rows));
        }
        blocks
    }

    /// One message in plaintext.
    pub(super) fn frame(&mut self, party: Party, name: &str, frame: &Frame, title: &str) -> Block {
        self.has_frames = true;
        let version = self.version(name);
        let sender = if party == Party::Client { Party::Client } else { Party::Agent };
        let Some(framing) = Framing::new(self.reader.formats, sender, version) else {
            return Block::new(title, Vec::new());
        };
        let rows = match frame {
            Frame::Hex(hex) => self.literal_frame(sender, version, framing, &Literal::of(hex)),
            Frame::Fields(fields) => self.frame_of_fields(sender, version, framing, fields),
        };
        titled(&format!("{title}: {}", framing.type_name), rows)
    }

    fn literal_frame(&self, sender: Party, version: i32, framing: Framing<'_>, literal: &Literal) -> Rows {
        let mut rows = Rows::default();
        let header = self.reader.leading_fields(framing.type_name, literal, &mut rows);
        let data = literal.behind(header);
        let length = number(&literal.start, 0);
        let (command, target) = (number(&literal.start, header.saturating_sub(4)), literal.start.get(4));
        let for_meta = !framing.has_target || target == Some(&0);
        let is_right = usize::try_from(length).is_ok_and(|length| length == data.length);
        let meaning =
            self.meta_type(sender, version, command).filter(|_| for_meta && is_right && data.is_whole());
        match meaning {
            Some(type_name) if data.length > 0 => rows.append(self.reader.literal(&data, type_name)),
            _ if is_right => rows.raw(&data, "data", amount(data.length)),
            _ => {
                rows.raw(&data, "data", format!("{}; the length says {length}", amount(data.length)));
            }
        }
        rows
    }

    fn frame_of_fields(
        &self,
        sender: Party,
        version: i32,
        framing: Framing<'_>,
        fields: &FrameFields,
    ) -> Rows {
        let command = sample(&fields.command, &Json::Null).as_i64().and_then(|code| i32::try_from(code).ok());
        let meta = Spot { span: fields.command.span, value: Value::Literal(json!(0)) };
        let target = fields.target.as_ref().unwrap_or(&meta);
        let for_meta = agent_type(sample(target, &Json::Null)) == json!(0);
        let meaning =
            command.and_then(|command| self.meta_type(sender, version, command)).filter(|_| for_meta);
        let data = fields.data.as_ref().map_or_else(Rows::default, |data| self.reader.data(data, meaning));
        let told = fields.length.as_ref().map(|length| i64::from(length.value));
        let header = Header {
            target: framing.has_target.then_some(target),
            command: &fields.command,
            length: told.or_else(|| data.length().and_then(|length| i64::try_from(length).ok())),
        };
        let mut rows = Rows::default();
        self.reader.header(framing.type_name, &header, &mut rows);
        rows.append(data);
        rows
    }

    /// The type of the data of a meta message.
    fn meta_type(&self, sender: Party, version: i32, command: i32) -> Option<&'a str> {
        let message = self.format(version)?.meta.iter().find(|message| message.command == command)?;
        let type_name =
            if sender == Party::Client { Some(&message.request) } else { message.response.as_ref() };
        type_name.map(|type_name| type_name.value.as_str())
    }

    /// Raw bytes below encryption.
    pub(super) fn wire(&mut self, party: Party, name: &str, wire: &Wire) -> Vec<Block> {
        let mut blocks = Vec::new();
        for item in &wire.0 {
            match &item.value {
                WireItem::Hex(hex) => {
                    let mut rows = Rows::default();
                    rows.raw(&Literal::of(hex), "bytes", amount(hex.len()));
                    blocks.push(titled("bytes as they cross the network", rows));
                }
                WireItem::Tamper(tamper) => {
                    let title = format!("AES frame {}, of this message", tampered(tamper));
                    blocks.push(self.frame(party, name, &tamper.frame.value, &title));
                }
                WireItem::Tls(TlsFault::Plaintext(frames)) => {
                    let title = "in plaintext where TLS is due";
                    blocks.extend(frames.iter().map(|frame| self.frame(party, name, &frame.value, title)));
                }
                WireItem::Tls(TlsFault::Stall) => {
                    blocks.push(Block::new("the first half of the first TLS handshake message", Vec::new()));
                }
                WireItem::Tls(TlsFault::Alert(number)) => {
                    blocks.push(Block::new(format!("the fatal TLS alert {number}"), Vec::new()));
                }
                WireItem::Tls(TlsFault::OldVersion) => {
                    let title = match party {
                        Party::Client => "a TLS handshake message that offers nothing newer than TLS 1.1",
                        _ => "a TLS handshake message that chooses TLS 1.1",
                    };
                    blocks.push(Block::new(title, Vec::new()));
                }
                WireItem::Tls(TlsFault::Handshake(handshake)) => {
                    let pieces = handshake.pace().map_or_else(String::new, |(bytes, pause)| {
                        let pause = match pause.is_zero() {
                            true => String::new(),
                            false => format!(", {} apart", TimeSpan(pause)),
                        };
                        format!(" in writes of {}{pause}", amount(bytes))
                    });
                    blocks.push(Block::new(format!("a proper TLS handshake{pieces}"), Vec::new()));
                }
                WireItem::Tls(TlsFault::Certificate(wrong)) => {
                    let title =
                        format!("a TLS handshake with a certificate that is {}", wrong_certificate(*wrong));
                    blocks.push(Block::new(title, Vec::new()));
                }
            }
        }
        blocks
    }
}

/// What is wrong with a certificate, behind "that is".
fn wrong_certificate(wrong: WrongCertificate) -> &'static str {
    match wrong {
        WrongCertificate::Expired => "no longer valid",
        WrongCertificate::NotYetValid => "not valid yet",
        WrongCertificate::OtherName => "for another name",
        WrongCertificate::OtherAuthority => "signed by another authority",
        WrongCertificate::SelfSigned => "signed by itself",
    }
}

/// The one thing that is wrong with an encrypted frame.
fn tampered(tamper: &Tamper) -> String {
    if let Some(flip) = &tamper.flip {
        return format!("with bit {} of byte {} inverted", flip.bit, flip.byte);
    }
    let truncate = tamper.truncate.as_ref().map(|to| format!("cut to {} encrypted bytes", to.value));
    let length =
        tamper.set_length.as_ref().map(|length| format!("that gives its length as {}", length.value));
    let key =
        tamper.key.as_ref().map(|key| format!("under the key {}", crate::hex_text::encode(&key.bytes())));
    let pad = tamper.pad.as_ref().map(|pad| format!("padded by {}", crate::hex_text::encode(&pad.bytes())));
    truncate.or(length).or(key).or(pad).unwrap_or_default()
}

/// A little-endian number; 0 where there are not enough bytes.
fn number(bytes: &[u8], at: usize) -> i32 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    found.map_or(0, |bytes| i32::from_le_bytes(*bytes))
}

/// A block whose title tells its length.
fn titled(title: &str, rows: Rows) -> Block {
    let length = match rows.length() {
        Some(length) => amount(length),
        None => "of a length that the run decides".to_owned(),
    };
    Block::new(format!("{title}, {length}"), rows.all)
}
