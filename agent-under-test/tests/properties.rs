//! What holds for any value, any bytes and any line.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

use std::borrow::Cow;
use std::fmt::Debug;

use iaspec_reference::codec_driver::{answer, run};
use iaspec_reference::protocol::{
    Acknowledgement, AgentType, Cipher, Command, CommandHeader, Decode, Encode, Encryption, Frame,
    GetRootPath, HandshakeV1, HandshakeV2, InitializationVector, Key, OpenError, OpenSession, Padding,
    ProtocolVersion, SealedFrame, ServerVersion, SessionId, TargetedHeader, Ticks, UpdateAgent, UpdateFile,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

/// What is encoded decodes to the same value, and leaves what follows it.
fn round_trip<T>(value: &T, rest: &[u8]) -> Result<(), TestCaseError>
where
    T: Encode + for<'a> Decode<'a> + PartialEq + Debug,
{
    let mut bytes = value.encode().map_err(|error| TestCaseError::fail(error.to_string()))?;
    bytes.extend_from_slice(rest);
    let (decoded, left) = T::decode(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&decoded, value);
    prop_assert_eq!(left, rest.len());
    Ok(())
}

/// As [`round_trip`], for a type that borrows from its input.
macro_rules! round_trip_borrowed {
    ($type:ty, $value:expr, $rest:expr) => {{
        let value: $type = $value;
        let mut bytes = value.encode().unwrap();
        bytes.extend_from_slice($rest);
        prop_assert_eq!(<$type>::decode(&bytes), Ok((value, $rest.len())));
    }};
}

/// Decoding any bytes ends, and an offset or a rest lies within them; what decodes is stable from then on.
macro_rules! total {
    ($bytes:expr, $($type:ty),+) => {$(
        match <$type>::decode($bytes) {
            Ok((value, rest)) => {
                prop_assert!(rest <= $bytes.len());
                let canonical = value.encode().unwrap();
                prop_assert_eq!(<$type>::decode(&canonical), Ok((value, 0)));
            }
            Err(malformed) => prop_assert!(malformed.offset <= $bytes.len(), "{}", malformed),
        }
    )+};
}

fn rest() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..20)
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..300)
}

fn ticks() -> impl Strategy<Value = Ticks> {
    (0..=Ticks::MAX.get()).prop_map(|ticks| Ticks::new(ticks).expect("within the range"))
}

fn files() -> impl Strategy<Value = Vec<UpdateFile<'static>>> {
    let file = (".{0,200}", ticks(), data()).prop_map(|(name, modified, contents)| UpdateFile {
        name: name.into(),
        modified,
        contents: contents.into(),
    });
    prop::collection::vec(file, 0..4)
}

fn update_agent() -> impl Strategy<Value = UpdateAgent<'static>> {
    (any::<u8>(), files(), files()).prop_map(|(agent_type, assemblies, extensions)| UpdateAgent {
        agent_type: AgentType(agent_type),
        assemblies,
        extensions,
    })
}

fn encryption() -> impl Strategy<Value = Encryption> {
    prop_oneof![
        Just(Encryption::None),
        Just(Encryption::Ssl),
        any::<[u8; 16]>().prop_map(|iv| Encryption::Aes { iv: InitializationVector(iv) }),
    ]
}

fn server_version() -> impl Strategy<Value = ServerVersion> {
    prop_oneof![
        any::<i32>().prop_map(ServerVersion::Number),
        any::<[i32; 4]>().prop_map(ServerVersion::Parts)
    ]
}

fn cipher() -> impl Strategy<Value = Cipher> {
    let key = prop_oneof![any::<[u8; 16]>().prop_map(Key::Aes128), any::<[u8; 32]>().prop_map(Key::Aes256)];
    let padding = prop_oneof![Just(Padding::Pkcs7), Just(Padding::Zeros)];
    (key, padding).prop_map(|(key, padding)| Cipher::new(key, padding).unwrap())
}

/// Bytes of which some are far from random, so that decoders get beyond their first field.
fn suspicious_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        Just(vec![0, 0, 0, 0]),
        Just(vec![1, 0, 0, 0]),
        Just(vec![16, 0, 0, 0]),
        Just(vec![0xff, 0xff, 0xff, 0x7f]),
        Just(vec![0; 8]),
        Just(hex::decode("4ed2eb6cf74a134ab9af81d3dfc644be").expect("hexadecimal")),
        Just(vec![0x80, 0x80, 0x80, 0x80]),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn values_of_fixed_size(
        numbers in any::<(i8, u8, i32, i64)>(), guid in any::<u128>(), ticks in ticks(), rest in rest(),
    ) {
        let (int8, byte, int32, int64) = numbers;
        round_trip(&int8, &rest)?;
        round_trip(&byte, &rest)?;
        round_trip(&int32, &rest)?;
        round_trip(&int64, &rest)?;
        round_trip(&Uuid::from_u128(guid), &rest)?;
        round_trip(&ticks, &rest)?;
        round_trip(&GetRootPath { agent_type: AgentType(byte) }, &rest)?;
        round_trip(&OpenSession { agent_type: AgentType(byte), session: SessionId(int32) }, &rest)?;
    }

    #[test]
    fn handshakes(first in any::<i32>(), second in any::<i32>(), rest in rest()) {
        let (first, version) = (ProtocolVersion(first), ProtocolVersion(second));
        round_trip(&HandshakeV1 { version: first, session: SessionId(second) }, &rest)?;
        round_trip(&HandshakeV2 { min: first, max: version }, &rest)?;
    }

    #[test]
    fn acknowledgements(encryption in encryption(), value in any::<i32>(), version in server_version()) {
        round_trip(&Acknowledgement { encryption, value, server_version: version }, &[])?;
    }

    #[test]
    fn values_that_borrow(text in ".{0,300}", data in data(), update in update_agent(), rest in rest()) {
        round_trip_borrowed!(Cow<'_, str>, text.into(), &rest);
        round_trip_borrowed!(Cow<'_, [u8]>, data.into(), &rest);
        round_trip_borrowed!(UpdateAgent<'_>, update, &rest);
    }

    #[test]
    fn frames(target in any::<u8>(), command in any::<i32>(), data in data(), rest in rest()) {
        let command = Command(command);
        let targeted = TargetedHeader { target: AgentType(target), command };
        let plain = CommandHeader { command };
        round_trip_borrowed!(Frame<'_, TargetedHeader>, Frame { header: targeted, data: (&data).into() }, &rest);
        round_trip_borrowed!(Frame<'_, CommandHeader>, Frame { header: plain, data: (&data).into() }, &rest);
        let bytes = Frame { header: plain, data: (&data).into() }.encode().unwrap();
        prop_assert_eq!(Frame::<CommandHeader>::size(&bytes, data.len()), Ok(Some(bytes.len())));
    }

    #[test]
    fn sealed_frames(
        cipher in cipher(), ivs in any::<([u8; 16], [u8; 16])>(), command in any::<i32>(), data in data(),
        rest in rest(),
    ) {
        let (iv, next_iv) = (InitializationVector(ivs.0), InitializationVector(ivs.1));
        let header = CommandHeader { command: Command(command) };
        let sealed = SealedFrame { next_iv, frame: Frame { header, data: (&data).into() } };
        let mut bytes = sealed.seal(&cipher, &iv).unwrap();
        let size = SealedFrame::<CommandHeader>::size(&bytes, usize::MAX);
        prop_assert_eq!(size, Ok(Some(bytes.len())));
        prop_assert_eq!(bytes.len() % 16, 4);
        bytes.extend_from_slice(&rest);
        let (mut opened, left) = SealedFrame::open(&mut bytes, &cipher, &iv).unwrap();
        prop_assert_eq!(left, rest.len());
        if cipher.padding() == Padding::Zeros {
            let padding = opened.frame.data.to_mut().split_off(data.len());
            prop_assert!(padding.len() < 16 && padding.iter().all(|&byte| byte == 0));
        }
        prop_assert_eq!(opened, sealed);
    }

    /// The vector reaches the first block alone, and that is the next vector (hazard AES-H1).
    #[test]
    fn the_vector_has_no_effect_on_the_message(ivs in any::<[[u8; 16]; 3]>(), data in data()) {
        let [iv, next_iv, other] = ivs.map(InitializationVector);
        let cipher = Cipher::new(Key::Aes128([5; 16]), Padding::Pkcs7).unwrap();
        let frame = Frame { header: CommandHeader { command: Command(3) }, data: data.into() };
        let mut bytes = SealedFrame { next_iv, frame: frame.clone() }.seal(&cipher, &iv).unwrap();
        let (opened, _) = SealedFrame::open(&mut bytes, &cipher, &other).unwrap();
        prop_assert_eq!(opened.frame, frame);
    }

    #[test]
    fn any_bytes_decode_or_say_where_not(bytes in prop_oneof![data(), suspicious_bytes()]) {
        total!(&bytes, i8, u8, i32, i64, Uuid, Ticks, Cow<'_, str>, Cow<'_, [u8]>, UpdateFile<'_>,
            UpdateAgent<'_>, GetRootPath, OpenSession, HandshakeV1, HandshakeV2, Acknowledgement,
            Frame<'_, TargetedHeader>, Frame<'_, CommandHeader>);
        let size = Frame::<CommandHeader>::size(&bytes, 64);
        prop_assert!(size.is_ok() || bytes.len() >= 4);
    }

    #[test]
    fn any_bytes_open_or_say_why_not(
        bytes in prop_oneof![data(), suspicious_bytes()], blocks in 1_u8..5, cipher in cipher(),
    ) {
        let iv = InitializationVector([1; 16]);
        let mut framed = vec![16 * blocks, 0, 0, 0];
        framed.extend_from_slice(&bytes);
        for input in [&bytes, &framed] {
            match SealedFrame::<TargetedHeader>::open(&mut input.clone(), &cipher, &iv) {
                Ok((_, rest)) => prop_assert!(rest <= input.len()),
                Err(OpenError::Malformed(malformed)) => prop_assert!(malformed.offset <= input.len()),
                Err(OpenError::Undecryptable(_)) => prop_assert!(input.len() >= 4),
            }
        }
    }

    #[test]
    fn any_line_is_answered_with_one_object(line in "[^\n]{0,200}") {
        let answer: Value = serde_json::from_str(&answer(&line)).unwrap();
        prop_assert!(answer.get("id").is_some());
        prop_assert_eq!(answer.as_object().map(serde_json::Map::len), Some(2));
    }

    #[test]
    fn any_request_is_answered_under_its_id(
        operation in "encode|decode|other", kind in prop::sample::select(TYPES.as_slice()),
        value in json_value(), hex in prop_oneof![suspicious_bytes(), data()],
    ) {
        let hex = hex::encode(hex);
        let key = "000102030405060708090a0b0c0d0e0f";
        let request = json!({"id": 77, "op": operation, "type": kind, "value": value, "hex": hex,
            "key": key, "iv": key});
        let answer: Value = serde_json::from_str(&answer(&request.to_string())).unwrap();
        prop_assert_eq!(&answer["id"], &json!(77));
        if let Some(offset) = answer["error"]["offset"].as_u64() {
            prop_assert!(offset <= u64::try_from(hex.len() / 2).unwrap());
        }
    }

    #[test]
    fn any_input_gets_a_line_for_each_of_its_lines(input in prop::collection::vec(any::<u8>(), 0..500)) {
        let mut output = Vec::new();
        run(input.as_slice(), &mut output).unwrap();
        let unfinished = input.last().is_some_and(|&last| last != b'\n');
        let lines = input.iter().filter(|&&byte| byte == b'\n').count() + usize::from(unfinished);
        prop_assert_eq!(output.iter().filter(|&&byte| byte == b'\n').count(), lines);
    }
}

const TYPES: [&str; 22] = [
    "int8",
    "byte",
    "int32",
    "int64",
    "datetime",
    "string",
    "root_path",
    "guid",
    "bytes",
    "update_file",
    "update_agent",
    "get_root_path",
    "open_session",
    "handshake_v1",
    "handshake_v2",
    "ack",
    "frame_client_v1",
    "frame_client_v2",
    "frame_agent",
    "aes_frame_client_v1",
    "aes_frame_client_v2",
    "aes_frame_agent",
];

/// JSON of any kind, with the member names that the driver looks for.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3..300_i32).prop_map(Value::from),
        any::<i64>().prop_map(|number| number.to_string().into()),
        "([0-9a-f]{2}){0,20}".prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    let name = "name|modified_ticks|contents|agent_type|assemblies|session|command|data|target|next_iv";
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
