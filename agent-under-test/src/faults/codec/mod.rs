//! Codecs with one fault each: the correct codec, whose requests or answers somebody has meddled with.

mod driving;
mod mistakes;
mod pieces;

use std::io::{self, BufRead, BufWriter, Write};

use serde_json::{Value, json};

use crate::codec_driver::{self, answer};

/// A codec that answers some requests otherwise than a correct one.
struct CodecFault {
    /// Its name in the catalogue.
    name: &'static str,
    /// The whole answer, but for its `id`, to a request that it gets wrong.
    answer: fn(&Request) -> Option<Value>,
}

/// A request, as far as faults look at it.
struct Request(Value);

impl Request {
    fn text(&self, member: &str) -> &str {
        self.0[member].as_str().unwrap_or_default()
    }

    fn encodes(&self, kinds: &[&str]) -> bool {
        self.text("op") == "encode" && kinds.contains(&self.text("type"))
    }

    fn decodes(&self, kinds: &[&str]) -> bool {
        self.text("op") == "decode" && kinds.contains(&self.text("type"))
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        hex::decode(self.text("hex")).ok()
    }

    /// What a correct codec answers.
    fn answered(&self) -> Value {
        serde_json::from_str(&answer(&self.0.to_string())).unwrap_or_default()
    }

    /// What a correct codec answers with a member otherwise.
    fn answered_with(&self, member: &str, value: impl Into<Value>) -> Value {
        let mut request = self.0.clone();
        request[member] = value.into();
        Self(request).answered()
    }

    /// The bytes that a correct codec encodes.
    fn encoded(&self) -> Option<Vec<u8>> {
        self.answered()["ok"]["hex"].as_str().and_then(|text| hex::decode(text).ok())
    }

    /// The same with the bytes changed.
    fn encoded_otherwise(&self, change: impl FnOnce(&mut Vec<u8>)) -> Option<Value> {
        let mut bytes = self.encoded()?;
        change(&mut bytes);
        Some(json!({"ok": {"hex": hex::encode(bytes)}}))
    }

    /// What a correct codec makes of bytes that are changed before.
    fn decoded_otherwise(&self, change: impl FnOnce(&mut Vec<u8>)) -> Option<Value> {
        let mut bytes = self.bytes()?;
        change(&mut bytes);
        Some(self.answered_with("hex", hex::encode(bytes)))
    }

    /// Both at once, for a codec that has a layout of its own, whose first so many bytes are reordered.
    fn laid_out_otherwise(&self, kinds: &[&str], least: usize, change: fn(&mut [u8], bool)) -> Option<Value> {
        let reorder = |bytes: &mut Vec<u8>, decodes: bool| {
            if bytes.len() >= least {
                change(bytes, decodes);
            }
        };
        if self.encodes(kinds) {
            return self.encoded_otherwise(|bytes| reorder(bytes, false));
        }
        if self.decodes(kinds) {
            return self.decoded_otherwise(|bytes| reorder(bytes, true));
        }
        None
    }

    /// Whether a correct codec finds the bytes malformed.
    fn is_malformed(&self) -> bool {
        self.answered()["error"]["kind"] == "malformed"
    }
}

fn malformed(offset: usize) -> Value {
    json!({"error": {"kind": "malformed", "message": "no encoding of the type", "offset": offset}})
}

/// Codecs that are none: they give one answer, whatever they are asked.
const EMPTY: &[CodecFault] = &[
    CodecFault {
        name: "empty-answers-no-bytes",
        answer: |_| Some(json!({"ok": {"hex": "", "value": "", "rest": 0}})),
    },
    CodecFault {
        name: "empty-answers-zeros",
        answer: |_| Some(json!({"ok": {"hex": "00000000", "value": 0, "rest": 0}})),
    },
    CodecFault { name: "empty-finds-all-malformed", answer: |_| Some(malformed(0)) },
];

/// The names of all faults that a codec can have, in no order.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|fault| fault.name)
}

fn all() -> impl Iterator<Item = &'static CodecFault> {
    [mistakes::FAULTS, driving::FAULTS, pieces::FAULTS, EMPTY].into_iter().flatten()
}

/// Answers every line of `input` until it ends, as a codec with a fault does.
///
/// # Errors
///
/// As [`codec_driver::run`].
pub fn run(name: &str, input: impl BufRead, output: impl Write) -> io::Result<()> {
    let Some(fault) = all().find(|fault| fault.name == name) else {
        return codec_driver::run(input, output);
    };
    let mut output = BufWriter::new(output);
    for line in input.lines() {
        let line = line?;
        let answered = meddled(fault, &line).unwrap_or_else(|| answer(&line));
        output.write_all(answered.as_bytes())?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

fn meddled(fault: &CodecFault, line: &str) -> Option<String> {
    let request = Request(serde_json::from_str(line).ok()?);
    let mut answered = (fault.answer)(&request)?;
    answered["id"] = request.0["id"].clone();
    Some(answered.to_string())
}
