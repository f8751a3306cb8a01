//! What codecs do wrong.

use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::{CodecFault, malformed};

const NUMBERS: [&str; 3] = ["int32", "int64", "datetime"];
const STRINGS: [&str; 2] = ["string", "root_path"];
const FRAMES: [&str; 3] = ["frame_client_v1", "frame_client_v2", "frame_agent"];
const SEALED: [&str; 3] = ["aes_frame_client_v1", "aes_frame_client_v2", "aes_frame_agent"];

/// The vector that the last message of a client has brought, for a codec that has one chain for both directions.
static CHAIN: Mutex<Option<String>> = Mutex::new(None);

pub(super) const FAULTS: &[CodecFault] = &[
    // ------------------------------------------------------------------ numbers
    CodecFault {
        name: "codec-integers-big-endian",
        answer: |request| {
            let size = if request.text("type") == "int32" { 4 } else { 8 };
            match size {
                4 => request.laid_out_otherwise(&NUMBERS, 4, |bytes, _| bytes[..4].reverse()),
                _ => request.laid_out_otherwise(&NUMBERS, 8, |bytes, _| bytes[..8].reverse()),
            }
        },
    },
    CodecFault {
        name: "codec-int8-without-sign",
        answer: |request| {
            let value = request.answered()["ok"]["value"].as_i64()?;
            let rest = request.answered()["ok"]["rest"].clone();
            (request.decodes(&["int8"]) && value < 0)
                .then(|| json!({"ok": {"value": value + 256, "rest": rest}}))
        },
    },
    CodecFault {
        name: "codec-byte-with-sign",
        answer: |request| {
            let value = request.answered()["ok"]["value"].as_i64()?;
            let rest = request.answered()["ok"]["rest"].clone();
            (request.decodes(&["byte"]) && value > 127)
                .then(|| json!({"ok": {"value": value - 256, "rest": rest}}))
        },
    },
    CodecFault {
        name: "codec-int64-through-a-double",
        answer: |request| {
            let value = request.answered()["ok"]["value"].as_str()?.parse::<i64>().ok()?;
            let rest = request.answered()["ok"]["rest"].clone();
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "that is the mistake"
            )]
            let rounded = value as f64 as i64;
            let wrong = request.decodes(&["int64", "datetime"]) && rounded != value;
            wrong.then(|| json!({"ok": {"value": rounded.to_string(), "rest": rest}}))
        },
    },
    // ------------------------------------------------------------------ strings
    CodecFault {
        name: "codec-strings-in-utf-16",
        answer: |request| {
            let text = request.0["value"].as_str().filter(|_| request.encodes(&STRINGS))?;
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            Some(json!({"ok": {"hex": hex::encode([prefix(bytes.len()), bytes].concat())}}))
        },
    },
    CodecFault {
        name: "codec-string-length-in-characters",
        answer: |request| {
            let text = request.0["value"].as_str().filter(|_| request.encodes(&STRINGS))?;
            let bytes = [prefix(text.chars().count()), text.as_bytes().to_vec()].concat();
            Some(json!({"ok": {"hex": hex::encode(bytes)}}))
        },
    },
    CodecFault {
        name: "codec-string-length-in-four-bytes",
        answer: |request| {
            let text = request.0["value"].as_str().filter(|_| request.encodes(&STRINGS))?;
            let length = u32::try_from(text.len()).ok()?.to_le_bytes();
            Some(json!({"ok": {"hex": hex::encode([&length[..], text.as_bytes()].concat())}}))
        },
    },
    CodecFault {
        name: "codec-string-length-of-one-byte",
        answer: |request| {
            let bytes = request.bytes().filter(|bytes| request.decodes(&STRINGS) && bytes.len() > 1)?;
            // The second byte of a prefix is taken for text.
            (bytes[0] >= 0x80 && !request.is_malformed()).then(|| malformed(0))
        },
    },
    CodecFault {
        name: "codec-byte-order-mark-dropped",
        answer: |request| {
            let answered = request.answered();
            let text = answered["ok"]["value"].as_str()?.strip_prefix('\u{feff}')?;
            request.decodes(&STRINGS).then(|| json!({"ok": {"value": text, "rest": answered["ok"]["rest"]}}))
        },
    },
    CodecFault {
        name: "codec-strings-end-at-zero",
        answer: |request| {
            let answered = request.answered();
            let (text, _) = answered["ok"]["value"].as_str()?.split_once('\0')?;
            request.decodes(&STRINGS).then(|| json!({"ok": {"value": text, "rest": answered["ok"]["rest"]}}))
        },
    },
    CodecFault {
        name: "codec-invalid-utf-8-replaced",
        answer: |request| {
            let bytes = request.bytes().filter(|_| request.decodes(&STRINGS) && request.is_malformed())?;
            let length = usize::from(*bytes.first().filter(|length| **length < 0x80)?);
            let text = String::from_utf8_lossy(bytes.get(1..=length)?).into_owned();
            Some(json!({"ok": {"value": text, "rest": bytes.len() - 1 - length}}))
        },
    },
    CodecFault {
        name: "codec-overlong-prefix-refused",
        answer: |request| {
            let answered = request.answered();
            let length = answered["ok"]["value"].as_str().filter(|_| request.decodes(&STRINGS))?.len();
            let used = request.bytes()?.len() - usize::try_from(answered["ok"]["rest"].as_u64()?).ok()?;
            (used != length + prefix(length).len()).then(|| malformed(0))
        },
    },
    CodecFault {
        name: "codec-length-prefix-without-end",
        answer: |request| {
            let bytes = request.bytes().filter(|_| request.decodes(&STRINGS) && request.is_malformed())?;
            let end = bytes.iter().position(|byte| *byte < 0x80)?;
            // Bits above 32 are lost, as by a shift that is not looked at.
            let length = bytes[..=end.min(4)]
                .iter()
                .rev()
                .fold(0_u32, |length, byte| (length << 7) | u32::from(byte & 0x7f));
            let text = bytes.get(end + 1..)?.get(..usize::try_from(length).ok()?)?;
            let text = String::from_utf8(text.to_vec()).ok().filter(|_| end >= 4)?;
            Some(json!({"ok": {"value": text, "rest": bytes.len() - end - 1 - text.len()}}))
        },
    },
    // ------------------------------------------------------------------ arrays and times
    CodecFault {
        name: "codec-array-count-of-two-bytes",
        answer: |request| {
            request.encodes(&["bytes"]).then_some(())?;
            request.encoded_otherwise(|bytes| drop(bytes.drain(2..4)))
        },
    },
    CodecFault {
        name: "codec-array-count-like-a-string",
        answer: |request| {
            request.encodes(&["bytes"]).then_some(())?;
            request.encoded_otherwise(|bytes| drop(bytes.splice(..4, prefix(bytes.len() - 4))))
        },
    },
    CodecFault {
        name: "codec-negative-count-is-none",
        answer: |request| {
            let bytes = request.bytes().filter(|bytes| request.decodes(&["bytes"]) && bytes.len() >= 4)?;
            (bytes[3] >= 0x80).then(|| json!({"ok": {"value": "", "rest": bytes.len() - 4}}))
        },
    },
    CodecFault {
        name: "codec-times-in-unix-seconds",
        answer: |request| {
            let ticks: i64 = request.text("value").parse().ok().filter(|_| request.encodes(&["datetime"]))?;
            let seconds = (ticks - 621_355_968_000_000_000) / 10_000_000;
            (0..=3_155_378_975_999_999_999)
                .contains(&ticks)
                .then(|| json!({"ok": {"hex": hex::encode(seconds.to_le_bytes())}}))
        },
    },
    CodecFault {
        name: "codec-times-as-date-time-to-binary",
        answer: |request| {
            request.encodes(&["datetime"]).then_some(())?;
            // The two highest bits say that it is UTC.
            request.encoded_otherwise(|bytes| bytes[7] |= 0x40)
        },
    },
    CodecFault {
        name: "codec-times-out-of-range-taken",
        answer: |request| {
            let bytes = request.bytes().filter(|bytes| request.decodes(&["datetime"]) && bytes.len() >= 8)?;
            let ticks = i64::from_le_bytes(bytes[..8].try_into().ok()?);
            request
                .is_malformed()
                .then(|| json!({"ok": {"value": ticks.to_string(), "rest": bytes.len() - 8}}))
        },
    },
    // ------------------------------------------------------------------ what is malformed
    CodecFault {
        name: "codec-missing-bytes-are-zero",
        answer: |request| {
            (request.text("op") == "decode" && request.is_malformed()).then_some(())?;
            let filled = request.decoded_otherwise(|bytes| bytes.extend([0; 32]))?;
            let mut filled = filled.get("ok").map(|_| filled.clone())?;
            filled["ok"]["rest"] = json!(0);
            Some(filled)
        },
    },
    CodecFault {
        name: "codec-offset-behind-the-field",
        answer: |request| {
            let mut answered = request.answered();
            let offset = answered["error"]["offset"].as_u64()?;
            answered["error"]["offset"] = json!(offset + 4);
            Some(answered)
        },
    },
    CodecFault {
        name: "codec-offset-always-0",
        answer: |request| {
            let mut answered = request.answered();
            answered["error"]["offset"].as_u64().filter(|offset| *offset > 0)?;
            answered["error"]["offset"] = json!(0);
            Some(answered)
        },
    },
    CodecFault {
        name: "codec-bytes-left-over-refused",
        answer: |request| {
            let left = request.answered()["ok"]["rest"].as_u64()?;
            (left > 0).then(|| malformed(0))
        },
    },
    CodecFault {
        name: "codec-bytes-left-over-uncounted",
        answer: |request| {
            let mut answered = request.answered();
            answered["ok"]["rest"].as_u64().filter(|rest| *rest > 0)?;
            answered["ok"]["rest"] = json!(0);
            Some(answered)
        },
    },
    // ------------------------------------------------------------------ handshakes
    CodecFault {
        name: "codec-guid-in-network-order",
        answer: |request| {
            request.laid_out_otherwise(&["guid"], 16, |bytes, _| {
                bytes[..4].reverse();
                bytes[4..6].reverse();
                bytes[6..8].reverse();
            })
        },
    },
    CodecFault {
        name: "codec-protocol-id-unchecked",
        answer: |request| {
            (request.decodes(&["handshake_v1", "handshake_v2"]) && request.is_malformed()).then_some(())?;
            request.decoded_otherwise(|bytes| {
                let id = crate::protocol::PROTOCOL_ID.to_bytes_le();
                let size = bytes.len().min(16);
                bytes[..size].copy_from_slice(&id[..size]);
            })
        },
    },
    CodecFault {
        name: "codec-minimum-behind-maximum",
        answer: |request| {
            request.laid_out_otherwise(&["handshake_v2"], 24, |bytes, _| bytes[16..24].rotate_left(4))
        },
    },
    CodecFault {
        name: "codec-session-in-front-of-version",
        answer: |request| {
            request.laid_out_otherwise(&["handshake_v1"], 24, |bytes, _| bytes[16..24].rotate_left(4))
        },
    },
    CodecFault {
        name: "codec-acknowledgement-value-first",
        answer: |request| {
            request.laid_out_otherwise(&["ack"], 5, |bytes, decodes| {
                if decodes { bytes[..5].rotate_right(1) } else { bytes[..5].rotate_left(1) }
            })
        },
    },
    CodecFault {
        name: "codec-unknown-modes-taken",
        answer: |request| {
            let mode = request.bytes().filter(|_| request.decodes(&["ack"]))?.first().copied()?;
            (mode > 2).then_some(())?;
            let mut answered = request.decoded_otherwise(|bytes| bytes[0] = 0)?;
            answered.get("ok")?;
            answered["ok"]["value"]["encryption"] = json!(mode);
            Some(answered)
        },
    },
    CodecFault {
        name: "codec-server-version-of-any-size",
        answer: |request| {
            (request.decodes(&["ack"]) && request.is_malformed()).then_some(())?;
            let filled = request.decoded_otherwise(|bytes| {
                let head = if bytes.first() == Some(&2) { 21 } else { 5 };
                bytes.resize(head + 4, 0);
            })?;
            filled.get("ok").map(|_| filled.clone())
        },
    },
    // ------------------------------------------------------------------ frames
    CodecFault {
        name: "codec-agent-type-behind-command",
        answer: |request| {
            request.laid_out_otherwise(&["frame_client_v1"], 9, |bytes, decodes| {
                if decodes { bytes[4..9].rotate_right(1) } else { bytes[4..9].rotate_left(1) }
            })
        },
    },
    CodecFault {
        name: "codec-agent-type-in-version-2",
        answer: |request| {
            request.encodes(&["frame_client_v2"]).then_some(())?;
            request.encoded_otherwise(|bytes| bytes.insert(4, 0))
        },
    },
    CodecFault {
        name: "codec-agent-type-in-answers",
        answer: |request| {
            request.encodes(&["frame_agent"]).then_some(())?;
            request.encoded_otherwise(|bytes| bytes.insert(4, 0))
        },
    },
    CodecFault {
        name: "codec-length-counts-header",
        answer: |request| {
            request.encodes(&FRAMES).then_some(())?;
            request.encoded_otherwise(|bytes| {
                let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                bytes[..4].copy_from_slice(&length.to_le_bytes());
            })
        },
    },
    CodecFault {
        name: "codec-empty-frames-refused",
        answer: |request| {
            let bytes = request.bytes().filter(|bytes| request.decodes(&FRAMES) && bytes.len() >= 4)?;
            (bytes[..4] == [0; 4]).then(|| malformed(0))
        },
    },
    CodecFault {
        name: "codec-negative-lengths-are-none",
        answer: |request| {
            let bytes = request.bytes().filter(|bytes| request.decodes(&FRAMES) && bytes.len() >= 8)?;
            (bytes[3] >= 0x80).then_some(())?;
            request.decoded_otherwise(|bytes| bytes[..4].fill(0))
        },
    },
    // ------------------------------------------------------------------ meta messages
    CodecFault {
        name: "codec-no-extensions",
        answer: |request| {
            let none = request.0["value"]["extensions"].as_array()?.is_empty();
            (request.encodes(&["update_agent"]) && none).then_some(())?;
            request.encoded_otherwise(|bytes| bytes.truncate(bytes.len() - 4))
        },
    },
    CodecFault {
        name: "codec-extensions-first",
        answer: |request| {
            request.encodes(&["update_agent"]).then_some(())?;
            let mut value = request.0["value"].clone();
            let (assemblies, extensions) = (value["assemblies"].take(), value["extensions"].take());
            (value["assemblies"], value["extensions"]) = (extensions, assemblies);
            Some(request.answered_with("value", value))
        },
    },
    CodecFault {
        name: "codec-agent-type-of-four-bytes",
        answer: |request| {
            request.encodes(&["get_root_path"]).then_some(())?;
            request.encoded_otherwise(|bytes| bytes.extend([0; 3]))
        },
    },
    CodecFault {
        name: "codec-session-in-front-of-agent-type",
        answer: |request| {
            request.laid_out_otherwise(&["open_session"], 5, |bytes, decodes| {
                if decodes { bytes[..5].rotate_right(1) } else { bytes[..5].rotate_left(1) }
            })
        },
    },
    // ------------------------------------------------------------------ AES
    CodecFault {
        name: "codec-only-half-of-a-long-key",
        answer: |request| {
            let key = request.text("key");
            let sealed = request.encodes(&SEALED) || request.decodes(&SEALED);
            (sealed && key.len() == 64).then(|| request.answered_with("key", &key[..32]))
        },
    },
    CodecFault {
        name: "codec-padded-with-zeros",
        answer: |request| {
            let sealed = request.encodes(&SEALED) || request.decodes(&SEALED);
            (sealed && request.text("padding") == "pkcs7").then(|| request.answered_with("padding", "zeros"))
        },
    },
    CodecFault {
        name: "codec-first-vector-always-zero",
        answer: |request| {
            let sealed = request.encodes(&SEALED) || request.decodes(&SEALED);
            sealed.then(|| request.answered_with("iv", "00".repeat(16)))
        },
    },
    CodecFault {
        name: "codec-both-directions-on-one-chain",
        answer: |request| {
            let sealed = request.encodes(&SEALED) || request.decodes(&SEALED);
            sealed.then_some(())?;
            let answered = request.answered();
            let value =
                if request.text("op") == "encode" { &request.0["value"] } else { &answered["ok"]["value"] };
            let next = value["next_iv"].as_str()?.to_owned();
            let mut chain = CHAIN.lock().unwrap_or_else(PoisonError::into_inner);
            if request.text("type") != "aes_frame_agent" {
                *chain = Some(next);
                return None;
            }
            // What the client's message has brought is used for the agent's, too.
            chain.as_deref().map(|vector| request.answered_with("iv", vector))
        },
    },
    CodecFault {
        name: "codec-next-vector-behind-the-data",
        answer: |request| {
            let next =
                request.0["value"]["next_iv"].as_str().filter(|_| request.encodes(&SEALED))?.to_owned();
            let mut value = request.0["value"].clone();
            let data = format!("{}{next}", value["data"].as_str()?);
            (value["next_iv"], value["data"]) = (json!("00".repeat(16)), json!(data));
            Some(request.answered_with("value", value))
        },
    },
    CodecFault {
        name: "codec-length-of-the-data-in-clear",
        answer: |request| {
            let data = request.0["value"]["data"].as_str().filter(|_| request.encodes(&SEALED))?.len() / 2;
            request.encoded_otherwise(|bytes| {
                let length = u32::try_from(data).unwrap_or(u32::MAX);
                bytes[..4].copy_from_slice(&length.to_le_bytes());
            })
        },
    },
    CodecFault {
        name: "codec-padding-unchecked",
        answer: |request| {
            let damaged = request.decodes(&SEALED) && request.answered()["error"]["kind"] == "crypto";
            (damaged && request.text("padding") == "pkcs7").then_some(())?;
            let taken = request.answered_with("padding", "zeros");
            taken.get("ok").map(|_| taken.clone())
        },
    },
    CodecFault {
        name: "codec-undecryptable-is-malformed",
        answer: |request| {
            let damaged = request.decodes(&SEALED) && request.answered()["error"]["kind"] == "crypto";
            damaged.then(|| malformed(4))
        },
    },
];

/// A length in groups of seven bits (DAT-2).
fn prefix(mut length: usize) -> Vec<u8> {
    let mut prefix = Vec::new();
    loop {
        let [low, ..] = (length & 0x7f).to_le_bytes();
        length >>= 7;
        if length == 0 {
            prefix.push(low);
            return prefix;
        }
        prefix.push(low | 0x80);
    }
}
