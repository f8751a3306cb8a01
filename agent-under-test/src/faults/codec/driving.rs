//! What drivers of codecs do wrong: the line protocol, and the shape of answers.

use serde_json::json;

use super::CodecFault;

pub(super) const FAULTS: &[CodecFault] = &[
    CodecFault {
        name: "codec-digits-with-a-prefix",
        answer: |request| {
            let bytes = request.encoded()?;
            Some(json!({"ok": {"hex": format!("0x{}", hex::encode(bytes))}}))
        },
    },
    CodecFault {
        name: "codec-rest-left-out",
        answer: |request| {
            let answered = request.answered();
            let value = answered["ok"].get("value")?;
            Some(json!({"ok": {"value": value}}))
        },
    },
    CodecFault {
        name: "codec-unknown-types-are-usage",
        answer: |request| {
            let is_unknown = request.answered()["error"]["kind"] == "unsupported";
            is_unknown.then(|| json!({"error": {"kind": "usage", "message": "no such type"}}))
        },
    },
    CodecFault {
        name: "codec-values-out-of-range-are-malformed",
        answer: |request| {
            let is_usage = request.answered()["error"]["kind"] == "usage";
            is_usage.then(|| super::malformed(0))
        },
    },
    CodecFault {
        name: "codec-malformed-without-a-place",
        answer: |request| {
            request
                .is_malformed()
                .then(|| json!({"error": {"kind": "malformed", "message": "the bytes are malformed"}}))
        },
    },
];
