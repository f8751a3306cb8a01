//! What holds of any bytes and any value.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use iaspec_harness::format::{Layer, Padding, Secrets, Wrong};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};
use support::FORMATS;

fn type_name() -> impl Strategy<Value = &'static str> {
    select(FORMATS.type_names())
}

fn secrets() -> impl Strategy<Value = Secrets> {
    let key = prop_oneof![prop::collection::vec(any::<u8>(), 16), prop::collection::vec(any::<u8>(), 32)];
    let padding = select(vec![Padding::Pkcs7, Padding::Zeros]);
    (key, any::<[u8; 16]>(), padding).prop_map(|(key, iv, padding)| Secrets { key, iv, padding })
}

fn hex_bytes(size: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Json> {
    prop::collection::vec(any::<u8>(), size).prop_map(|bytes| json!(hex::encode(bytes)))
}

fn ticks() -> impl Strategy<Value = Json> {
    (0..=3_155_378_975_999_999_999_i64).prop_map(|ticks| json!(ticks.to_string()))
}

fn file() -> impl Strategy<Value = Json> {
    (any::<String>(), ticks(), hex_bytes(0..40)).prop_map(
        |(name, ticks, contents)| json!({"name": name, "modified_ticks": ticks, "contents": contents}),
    )
}

fn files() -> impl Strategy<Value = Vec<Json>> {
    prop::collection::vec(file(), 0..4)
}

fn ack() -> impl Strategy<Value = Json> {
    let iv = prop_oneof![
        select(vec![0, 1]).prop_map(|mode| (mode, Json::Null)),
        hex_bytes(16).prop_map(|iv| (2, iv)),
    ];
    let version = prop_oneof![prop::collection::vec(any::<i32>(), 1), prop::collection::vec(any::<i32>(), 4)];
    (iv, any::<i32>(), version).prop_map(|((mode, iv), value, version)| {
        json!({"encryption": mode, "iv": iv, "value": value, "server_version": version})
    })
}

/// A type and a value of it.
fn value() -> impl Strategy<Value = (&'static str, Json)> {
    let named = |name: &'static str| move |value: Json| (name, value);
    let frame = (hex_bytes(16), any::<u8>(), any::<i32>(), hex_bytes(0..80));
    let frames = vec![
        "frame_client_v1",
        "frame_client_v2",
        "frame_agent",
        "aes_frame_client_v1",
        "aes_frame_client_v2",
        "aes_frame_agent",
    ];
    prop_oneof![
        any::<i8>().prop_map(|n| ("int8", json!(n))),
        any::<u8>().prop_map(|n| ("byte", json!(n))),
        any::<i32>().prop_map(|n| ("int32", json!(n))),
        any::<i64>().prop_map(|n| ("int64", json!(n.to_string()))),
        ticks().prop_map(named("datetime")),
        any::<String>().prop_map(|text| ("string", json!(text))),
        any::<String>().prop_map(|text| ("root_path", json!(text))),
        any::<u128>().prop_map(|n| ("guid", json!(uuid::Uuid::from_u128(n).to_string()))),
        hex_bytes(0..300).prop_map(named("bytes")),
        file().prop_map(named("update_file")),
        (any::<u8>(), files(), files()).prop_map(|(agent_type, assemblies, extensions)| {
            let value = json!({"agent_type": agent_type, "assemblies": assemblies, "extensions": extensions});
            ("update_agent", value)
        }),
        any::<u8>().prop_map(|n| ("get_root_path", json!({"agent_type": n}))),
        (any::<u8>(), any::<i32>())
            .prop_map(|(n, id)| ("open_session", json!({"agent_type": n, "session": id}))),
        any::<(i32, i32)>().prop_map(|(a, b)| ("handshake_v1", json!({"version": a, "session": b}))),
        any::<(i32, i32)>().prop_map(|(a, b)| ("handshake_v2", json!({"min": a, "max": b}))),
        ack().prop_map(named("ack")),
        (select(frames), frame).prop_map(|(name, (iv, target, command, data))| {
            let mut value = json!({"command": command, "data": data});
            if name.ends_with("v1") {
                value["target"] = json!(target);
            }
            if name.starts_with("aes") {
                value["next_iv"] = iv;
            }
            (name, value)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_comes_back_from_its_bytes((name, value) in value(), secrets in secrets(), rest in any::<Vec<u8>>()) {
        let encoded = FORMATS.encode(name, &value, Some(&secrets)).expect("a good value");
        // The end of an acknowledgement is the end of the bytes.
        let rest = if name == "ack" { Vec::new() } else { rest };
        let bytes = [encoded.as_slice(), &rest].concat();
        let decoded = FORMATS.decode(name, &bytes, Some(&secrets)).expect("good bytes");
        prop_assert_eq!(decoded.used, encoded.len());
        let padding = Some(secrets.padding);
        prop_assert_eq!(FORMATS.value_difference(name, &value, &decoded.value, padding), None);
        if secrets.padding == Padding::Pkcs7 || !name.starts_with("aes") {
            prop_assert_eq!(&decoded.value, &value);
        }
        let wire: Vec<_> = decoded.fields.iter().filter(|field| field.layer == Layer::Wire).collect();
        prop_assert!(wire.windows(2).all(|pair| pair[0].range.end == pair[1].range.start), "no gaps: {:?}", wire);
    }

    #[test]
    fn other_values_have_other_bytes(values in prop::collection::vec(value(), 24), secrets in secrets()) {
        let secrets = Secrets { padding: Padding::Pkcs7, ..secrets };
        let bytes = |name, value| FORMATS.encode(name, value, Some(&secrets)).expect("a good value");
        for (name, value) in &values {
            for (_, other) in values.iter().filter(|(other, _)| other == name) {
                let differ = FORMATS.value_difference(name, value, other, None).is_some();
                prop_assert_eq!(bytes(name, value) != bytes(name, other), differ);
            }
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_malformed_within(
        name in type_name(),
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), select(vec![0, 1, 2, 0x10, 0x80, 0xff])], 0..120),
        secrets in prop::option::of(secrets()),
    ) {
        match FORMATS.decode(name, &bytes, secrets.as_ref()) {
            Ok(decoded) => {
                prop_assert!(decoded.used <= bytes.len());
                prop_assert!(decoded.fields.iter().all(|field| field.layer == Layer::Plain || field.range.end <= decoded.used));
                let again = FORMATS.encode(name, &decoded.value, secrets.as_ref()).expect("what was read can be written");
                let reread = FORMATS.decode(name, &again, secrets.as_ref()).expect("what was written can be read");
                prop_assert_eq!(reread.value, decoded.value);
            }
            Err(error) => {
                if let Wrong::Malformed { at, .. } = error.wrong {
                    prop_assert!(at <= bytes.len());
                }
                prop_assert!(!error.reason.is_empty());
            }
        }
    }

    #[test]
    fn any_two_byte_strings_can_be_compared(
        name in type_name(),
        a in prop::collection::vec(any::<u8>(), 0..80),
        b in prop::collection::vec(any::<u8>(), 0..80),
        secrets in prop::option::of(secrets()),
    ) {
        let difference = FORMATS.byte_difference(name, &a, &b, secrets.as_ref());
        prop_assert_eq!(difference.is_some(), a != b);
        if let Some(difference) = difference {
            prop_assert!(!difference.field.is_empty());
            let offset = difference.offset;
            prop_assert_eq!(&a[..offset], &b[..offset]);
            prop_assert!(a.get(offset) != b.get(offset));
        }
    }

    #[test]
    fn a_flipped_byte_of_any_good_message_names_a_field_that_differs(
        (name, value) in value(),
        secrets in secrets(),
        place in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let good = FORMATS.encode(name, &value, Some(&secrets)).expect("a good value");
        let mut bad = good.clone();
        let offset = place.index(good.len());
        bad[offset] ^= flip;
        let difference = FORMATS.byte_difference(name, &good, &bad, Some(&secrets)).expect("they differ");
        prop_assert_eq!(difference.offset, offset);
        prop_assert!(difference.rows.iter().any(|row| row.differs && row.field == difference.field), "{:?}", difference);
    }
}
