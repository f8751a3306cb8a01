//! What codecs do wrong that handle text and bytes piece by piece.

use serde_json::{Value, json};

use super::{CodecFault, Request};
use crate::faults::chunks;

const STRINGS: [&str; 2] = ["string", "root_path"];
const FRAMES: [&str; 3] = ["frame_client_v1", "frame_client_v2", "frame_agent"];

/// What is decoded, with its text otherwise.
fn text_otherwise(request: &Request, change: impl FnOnce(&str) -> String) -> Option<Value> {
    let mut answered = request.answered();
    let text = answered["ok"]["value"].as_str().filter(|_| request.decodes(&STRINGS))?;
    let changed = change(text);
    answered["ok"]["value"] = json!(changed);
    Some(answered)
}

/// Both ways with the bytes from a place on changed.
fn both_ways(request: &Request, kinds: &[&str], from: usize, change: fn(&mut [u8])) -> Option<Value> {
    let change = |bytes: &mut Vec<u8>| {
        if let Some(data) = bytes.get_mut(from..) {
            change(data);
        }
    };
    if request.encodes(kinds) { request.encoded_otherwise(change) } else { None }
        .or_else(|| if request.decodes(kinds) { request.decoded_otherwise(change) } else { None })
}

pub(super) const FAULTS: &[CodecFault] = &[
    CodecFault {
        name: "codec-strings-encoded-in-pieces",
        answer: |request| {
            let text = request.0["value"].as_str().filter(|_| request.encodes(&STRINGS))?;
            Some(request.answered_with("value", chunks::encoded_in_pieces(text)))
        },
    },
    CodecFault {
        name: "codec-strings-decoded-in-pieces",
        answer: |request| text_otherwise(request, |text| chunks::decoded_in_pieces(text, 0)),
    },
    CodecFault {
        name: "codec-strings-decoded-in-small-pieces",
        answer: |request| text_otherwise(request, chunks::encoded_in_pieces),
    },
    CodecFault {
        name: "codec-arrays-with-pieces-swapped",
        answer: |request| both_ways(request, &["bytes"], 4, chunks::swap),
    },
    CodecFault {
        name: "codec-arrays-with-a-piece-doubled",
        answer: |request| both_ways(request, &["bytes"], 4, chunks::double),
    },
    CodecFault {
        name: "codec-messages-with-pieces-swapped",
        answer: |request| both_ways(request, &FRAMES, 9, chunks::swap),
    },
];
