//! Handshake, acknowledgement, meta messages and plain frames against bytes worked out from their clauses.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

use iaspec_reference::protocol::{
    Acknowledgement, AgentFrame, AgentType, ClientFrameV1, ClientFrameV2, Command, CommandHeader, Decode,
    Encode, Encryption, Frame, GetRootPath, HandshakeV1, HandshakeV2, InitializationVector, Malformed,
    OpenSession, ProtocolVersion, Reason, ServerVersion, SessionId, TargetedHeader, Ticks, UpdateAgent,
    UpdateFile,
};
use rstest::rstest;

/// Bytes from hexadecimal with blanks between fields.
fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace([' ', '\n'], "")).unwrap()
}

/// The value has exactly these bytes, and these bytes with two more behind them have the value.
macro_rules! assert_both_ways {
    ($type:ty, $value:expr, $hex:expr) => {{
        let (value, mut bytes): ($type, _) = ($value, bytes($hex));
        assert_eq!(hex::encode(value.encode().unwrap()), hex::encode(&bytes));
        bytes.extend([0xff, 0x00]);
        assert_eq!(<$type>::decode(&bytes), Ok((value, 2)));
    }};
}

macro_rules! assert_malformed {
    ($type:ty, $hex:expr, $field:expr, $offset:expr, $reason:expr) => {
        assert_eq!(
            <$type>::decode(&bytes($hex)),
            Err(Malformed { field: $field.to_owned(), offset: $offset, reason: $reason })
        );
    };
}

const ID: &str = "4ed2eb6c f74a134a b9af81d3 dfc644be";

fn file(name: &'static str, ticks: i64, contents: &'static [u8]) -> UpdateFile<'static> {
    let modified = Ticks::new(ticks).expect("a point in time");
    UpdateFile { name: name.into(), modified, contents: contents.into() }
}

#[rstest]
#[case::new_session(1000, 0, "e8030000 00000000")]
#[case::known_session(1000, 7, "e8030000 07000000")]
#[case::another_version(-2, i32::MIN, "feffffff 00000080")]
fn handshake_v1(#[case] version: i32, #[case] session: i32, #[case] fields: &str) {
    let value = HandshakeV1 { version: ProtocolVersion(version), session: SessionId(session) };
    assert_both_ways!(HandshakeV1, value, &format!("{ID}{fields}"));
}

#[rstest]
#[case::both(1000, 2000, "e8030000 d0070000")]
#[case::upside_down(2000, 1000, "d0070000 e8030000")]
#[case::extremes(i32::MIN, i32::MAX, "00000080 ffffff7f")]
fn handshake_v2(#[case] min: i32, #[case] max: i32, #[case] fields: &str) {
    let value = HandshakeV2 { min: ProtocolVersion(min), max: ProtocolVersion(max) };
    assert_both_ways!(HandshakeV2, value, &format!("{ID}{fields}"));
}

#[rstest]
#[case::empty("", Reason::CutShort { needed: 16, left: 0 })]
#[case::cut("4ed2eb6c f74a134a b9af81d3 dfc644", Reason::CutShort { needed: 16, left: 15 })]
#[case::last_byte("4ed2eb6c f74a134a b9af81d3 dfc644bf e8030000 00000000", Reason::WrongProtocolId)]
#[case::network_order("6cebd24e 4af7134a 9b9af81d 3dfc644b e8030000 00000000", Reason::WrongProtocolId)]
fn handshake_with_a_bad_protocol_id(#[case] hex: &str, #[case] reason: Reason) {
    assert_malformed!(HandshakeV1, hex, "protocol_id", 0, reason);
    assert_malformed!(HandshakeV2, hex, "protocol_id", 0, reason);
}

#[rstest]
#[case::nothing("", "version", "min", 16, 0)]
#[case::first_cut("e80300", "version", "min", 16, 3)]
#[case::second_missing("e8030000", "session", "max", 20, 0)]
#[case::second_cut("e8030000 d00700", "session", "max", 20, 3)]
fn handshake_cut_short(
    #[case] fields: &str,
    #[case] v1: &str,
    #[case] v2: &str,
    #[case] offset: usize,
    #[case] left: usize,
) {
    let hex = format!("{ID}{fields}");
    assert_malformed!(HandshakeV1, &hex, v1, offset, Reason::CutShort { needed: 4, left });
    assert_malformed!(HandshakeV2, &hex, v2, offset, Reason::CutShort { needed: 4, left });
}

const IV: InitializationVector = InitializationVector([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

#[rstest]
#[case::none(Encryption::None, 2000, ServerVersion::Number(51), "00 d0070000 33000000")]
#[case::ssl(Encryption::Ssl, -1, ServerVersion::Number(-1), "01 ffffffff ffffffff")]
#[case::aes(
    Encryption::Aes { iv: IV },
    1000,
    ServerVersion::Number(0),
    "02 00010203 04050607 08090a0b 0c0d0e0f e8030000 00000000"
)]
#[case::four_parts(
    Encryption::None,
    7,
    ServerVersion::Parts([51, 0, 2, -4]),
    "00 07000000 33000000 00000000 02000000 fcffffff"
)]
fn acknowledgement(
    #[case] encryption: Encryption,
    #[case] value: i32,
    #[case] server_version: ServerVersion,
    #[case] hex: &str,
) {
    let value = Acknowledgement { encryption, value, server_version };
    assert_eq!(hex::encode(value.encode().unwrap()), hex::encode(bytes(hex)));
    assert_eq!(Acknowledgement::decode(&bytes(hex)), Ok((value, 0)));
}

#[rstest]
#[case::empty("", "encryption", 0, Reason::CutShort { needed: 1, left: 0 })]
#[case::mode_3("03 d0070000 33000000", "encryption", 0, Reason::UnknownEncryption(3))]
#[case::mode_minus_1("ff d0070000 33000000", "encryption", 0, Reason::UnknownEncryption(-1))]
#[case::iv_cut("02 000102", "iv", 1, Reason::CutShort { needed: 16, left: 3 })]
#[case::value_cut("00 d00700", "value", 1, Reason::CutShort { needed: 4, left: 3 })]
#[case::value_missing_after_iv(
    "02 00010203 04050607 08090a0b 0c0d0e0f", "value", 17, Reason::CutShort { needed: 4, left: 0 }
)]
#[case::no_version("00 d0070000", "server_version", 5, Reason::ServerVersionSize(0))]
#[case::version_cut("00 d0070000 330000", "server_version", 5, Reason::ServerVersionSize(3))]
#[case::five_bytes("00 d0070000 33000000 00", "server_version", 5, Reason::ServerVersionSize(5))]
#[case::seventeen_bytes(
    "00 d0070000 33000000 00000000 02000000 fcffffff 00",
    "server_version",
    5,
    Reason::ServerVersionSize(17)
)]
fn malformed_acknowledgement(
    #[case] hex: &str,
    #[case] field: &str,
    #[case] offset: usize,
    #[case] reason: Reason,
) {
    assert_malformed!(Acknowledgement, hex, field, offset, reason);
}

#[rstest]
#[case(ServerVersion::Number(51), "51.0.0.0")]
#[case(ServerVersion::Parts([51, 1, 2, 3]), "51.1.2.3")]
fn server_version_reads_as_four_numbers(#[case] version: ServerVersion, #[case] text: &str) {
    assert_eq!(version.to_string(), text);
}

#[test]
fn update_file() {
    assert_both_ways!(UpdateFile<'_>, file("", 0, &[]), "00 0000000000000000 00000000");
    assert_both_ways!(
        UpdateFile<'_>,
        file("a.dll", 621_355_968_000_000_000, &[0x00, 0xff]),
        "05 612e646c6c 0080b5f7f57f9f08 02000000 00ff"
    );
}

#[rstest]
#[case::empty("", "name", 0, Reason::PrefixCutShort)]
#[case::name_past_the_end("02 61", "name", 0, Reason::PastTheEnd { length: 2, left: 1 })]
#[case::modified_cut("01 61 00000000000000", "modified", 2, Reason::CutShort { needed: 8, left: 7 })]
#[case::modified_wrong("01 61 ffffffffffffffff 00000000", "modified", 2, Reason::TicksOutOfRange(-1))]
#[case::contents_missing("00 0000000000000000", "contents", 9, Reason::CutShort { needed: 4, left: 0 })]
#[case::contents_negative("00 0000000000000000 ffffffff", "contents", 9, Reason::Negative(-1))]
#[case::contents_past_the_end(
    "00 0000000000000000 02000000 00", "contents", 9, Reason::PastTheEnd { length: 2, left: 1 }
)]
fn malformed_update_file(
    #[case] hex: &str,
    #[case] field: &str,
    #[case] offset: usize,
    #[case] reason: Reason,
) {
    assert_malformed!(UpdateFile<'_>, hex, field, offset, reason);
}

#[test]
fn update_agent() {
    let nothing = UpdateAgent { agent_type: AgentType::META, assemblies: Vec::new(), extensions: Vec::new() };
    assert_both_ways!(UpdateAgent<'_>, nothing, "00 00000000 00000000");

    let both = UpdateAgent {
        agent_type: AgentType::OTTER,
        assemblies: vec![file("a", 1, &[0xaa]), file("b", 2, &[])],
        extensions: vec![file("c", 3, &[0xcc, 0xdd])],
    };
    let hex = "01
        02000000 01 61 0100000000000000 01000000 aa
                 01 62 0200000000000000 00000000
        01000000 01 63 0300000000000000 02000000 ccdd";
    assert_both_ways!(UpdateAgent<'_>, both, hex);
}

const FILE: &str = "00 0000000000000000 00000000";

#[rstest]
#[case::empty("", "agent_type", 0, Reason::CutShort { needed: 1, left: 0 })]
#[case::count_cut("01 000000", "assemblies", 1, Reason::CutShort { needed: 4, left: 3 })]
#[case::count_negative("01 feffffff", "assemblies", 1, Reason::Negative(-2))]
#[case::count_of_one_in_12_bytes(
    "01 01000000 00000000 00000000 00000000",
    "assemblies",
    1,
    Reason::TooMany { count: 1, smallest: 13, left: 12 }
)]
#[case::count_greatest(
    "01 ffffff7f 00",
    "assemblies",
    1,
    Reason::TooMany { count: 2_147_483_647, smallest: 13, left: 1 }
)]
#[case::second_count_missing("01 00000000", "extensions", 5, Reason::CutShort { needed: 4, left: 0 })]
#[case::second_count_negative("01 00000000 ffffffff", "extensions", 5, Reason::Negative(-1))]
fn malformed_update_agent(
    #[case] hex: &str,
    #[case] field: &str,
    #[case] offset: usize,
    #[case] reason: Reason,
) {
    assert_malformed!(UpdateAgent<'_>, hex, field, offset, reason);
}

/// The first file takes bytes 5 to 17 and is good; each row is what follows it.
#[rstest]
#[case::name("0d 61 0000000000000000 000000", "assemblies[1].name", 18,
    Reason::PastTheEnd { length: 13, left: 12 })]
#[case::modified("00 ffffffffffffffff 00000000", "assemblies[1].modified", 19, Reason::TicksOutOfRange(-1))]
#[case::contents("00 0000000000000000 ffffffff", "assemblies[1].contents", 27, Reason::Negative(-1))]
#[case::extension(
    "00 0000000000000000 00000000 01000000 01 ff 0000000000000000 00000000",
    "extensions[0].name",
    35,
    Reason::NotUtf8
)]
fn a_malformed_file_is_named_by_its_index(
    #[case] after_the_first: &str,
    #[case] field: &str,
    #[case] offset: usize,
    #[case] reason: Reason,
) {
    let hex = format!("01 02000000 {FILE} {after_the_first}");
    assert_malformed!(UpdateAgent<'_>, &hex, field, offset, reason);
}

#[rstest]
#[case(1, "01")]
#[case(255, "ff")]
fn get_root_path(#[case] agent_type: u8, #[case] hex: &str) {
    assert_both_ways!(GetRootPath, GetRootPath { agent_type: AgentType(agent_type) }, hex);
}

#[rstest]
#[case(1, 0, "01 00000000")]
#[case(0, 7, "00 07000000")]
#[case(200, -2, "c8 feffffff")]
fn open_session(#[case] agent_type: u8, #[case] session: i32, #[case] hex: &str) {
    let value = OpenSession { agent_type: AgentType(agent_type), session: SessionId(session) };
    assert_both_ways!(OpenSession, value, hex);
}

#[test]
fn malformed_requests_of_fixed_size() {
    assert_malformed!(GetRootPath, "", "agent_type", 0, Reason::CutShort { needed: 1, left: 0 });
    assert_malformed!(OpenSession, "", "agent_type", 0, Reason::CutShort { needed: 1, left: 0 });
    assert_malformed!(OpenSession, "01 000000", "session", 1, Reason::CutShort { needed: 4, left: 3 });
}

#[rstest]
#[case::no_data(0, 3, &[], "00000000 00 03000000")]
#[case::data(1, 101, &[1, 2, 3], "03000000 01 65000000 010203")]
#[case::any_byte_any_command(255, -1, &[0], "01000000 ff ffffffff 00")]
fn frame_client_v1(#[case] target: u8, #[case] command: i32, #[case] data: &[u8], #[case] hex: &str) {
    let header = TargetedHeader { target: AgentType(target), command: Command(command) };
    assert_both_ways!(ClientFrameV1<'_>, Frame { header, data: data.into() }, hex);
}

#[rstest]
#[case::no_data(2, &[], "00000000 02000000")]
#[case::data(3, &[1], "01000000 03000000 01")]
#[case::negative_command(i32::MIN, &[0xff, 0xfe], "02000000 00000080 fffe")]
fn frame_without_target(#[case] command: i32, #[case] data: &[u8], #[case] hex: &str) {
    let header = CommandHeader { command: Command(command) };
    assert_both_ways!(ClientFrameV2<'_>, Frame { header, data: data.into() }, hex);
    assert_both_ways!(AgentFrame<'_>, Frame { header, data: data.into() }, hex);
}

#[rstest]
#[case::empty("", "length", 0, Reason::CutShort { needed: 4, left: 0 })]
#[case::length_cut("000000", "length", 0, Reason::CutShort { needed: 4, left: 3 })]
#[case::negative("ffffffff 00 03000000", "length", 0, Reason::Negative(-1))]
#[case::no_target("00000000", "target", 4, Reason::CutShort { needed: 1, left: 0 })]
#[case::command_cut("00000000 00 030000", "command", 5, Reason::CutShort { needed: 4, left: 3 })]
#[case::data_cut("02000000 00 03000000 01", "length", 0, Reason::PastTheEnd { length: 2, left: 1 })]
#[case::greatest("ffffff7f 00 03000000", "length", 0,
    Reason::PastTheEnd { length: 2_147_483_647, left: 0 })]
fn malformed_frame_client_v1(
    #[case] hex: &str,
    #[case] field: &str,
    #[case] offset: usize,
    #[case] reason: Reason,
) {
    assert_malformed!(ClientFrameV1<'_>, hex, field, offset, reason);
}

#[rstest]
#[case::empty("", "length", 0, Reason::CutShort { needed: 4, left: 0 })]
#[case::negative("00000080 03000000", "length", 0, Reason::Negative(i32::MIN))]
#[case::no_command("01000000", "command", 4, Reason::CutShort { needed: 4, left: 0 })]
#[case::command_cut_and_data_too("05000000 0300", "command", 4, Reason::CutShort { needed: 4, left: 2 })]
#[case::data_cut("02000000 03000000 01", "length", 0, Reason::PastTheEnd { length: 2, left: 1 })]
fn malformed_frame_without_target(
    #[case] hex: &str,
    #[case] field: &str,
    #[case] offset: usize,
    #[case] reason: Reason,
) {
    assert_malformed!(AgentFrame<'_>, hex, field, offset, reason);
}

#[rstest]
#[case::nothing("", Ok(None))]
#[case::length_cut("000000", Ok(None))]
#[case::header_to_come("00000000", Ok(Some(9)))]
#[case::data_to_come("05000000 01 03", Ok(Some(14)))]
#[case::at_the_limit("40000000", Ok(Some(73)))]
#[case::above_the_limit("41000000", Err(Reason::AboveLimit { length: 65, limit: 64 }))]
#[case::greatest("ffffff7f", Err(Reason::AboveLimit { length: 2_147_483_647, limit: 64 }))]
#[case::negative("ffffffff", Err(Reason::Negative(-1)))]
fn the_size_of_a_frame_is_known_from_its_length(
    #[case] hex: &str,
    #[case] size: Result<Option<usize>, Reason>,
) {
    assert_eq!(ClientFrameV1::size(&bytes(hex), 64).map_err(|malformed| malformed.reason), size);
}
