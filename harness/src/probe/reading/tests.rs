//! What bytes come to, read in both ways. The frames are written out by FRM-3 and MTA-3.

use super::*;
use crate::hex_text;
use crate::vectors::CorpusFiles;

/// A response with `/opt/otter`.
const OTTER: &str = "0b000000 03000000 0a2f6f70742f6f74746572";
/// A response with `C:\`: 12 bytes, as many as three numbers.
const DRIVE: &str = "04000000 03000000 03433a5c";

fn bytes(hex: &str) -> Vec<u8> {
    hex_text::parse(hex).unwrap()
}

fn judged(hex: &str, ended: bool, any_command: bool, awaited: &Awaited) -> Verdict {
    let formats = Formats::read(&CorpusFiles::embedded()).unwrap();
    Reader { formats: &formats, any_command }.judge(&bytes(hex), ended, awaited)
}

fn plain(hex: &str, responses: usize) -> Verdict {
    judged(hex, false, false, &Awaited::Plain(responses))
}

fn found(form: ServerVersion, path: &str) -> Verdict {
    Verdict::Found(form, Some(Response { path: path.to_owned(), tail: None }))
}

const ONE: ServerVersion = ServerVersion::Int32;
const FOUR: ServerVersion = ServerVersion::Int32x4;

#[test]
fn a_response_tells_by_its_place() {
    assert_eq!(plain(&format!("33000000 {OTTER}"), 1), found(ONE, "/opt/otter"));
    assert_eq!(plain(&format!("33000000 00000000 02000000 07000000 {OTTER}"), 1), found(FOUR, "/opt/otter"));
}

#[test]
fn versions_of_zeros_are_no_frame() {
    assert_eq!(plain(&format!("00000000 {OTTER}"), 1), found(ONE, "/opt/otter"));
    for any_command in [false, true] {
        let awaited = Awaited::Plain(1);
        let four = judged(&format!("00*16 {OTTER}"), false, any_command, &awaited);
        assert_eq!(four, found(FOUR, "/opt/otter"), "any command: {any_command}");
    }
}

#[test]
fn nothing_is_concluded_before_the_response_is_whole() {
    for (form, stream) in
        [(ONE, format!("33000000 {OTTER}")), (FOUR, format!("33000000 01000000 03000000 00000000 {OTTER}"))]
    {
        let stream = bytes(&stream);
        for come in 4..stream.len() {
            let verdict = plain(&hex_text::encode(&stream[..come]), 1);
            // 51.1.3.0 begins like a response without a path: 9 bytes that could be one.
            let tied = form == FOUR && come == 13;
            assert!(
                verdict == Verdict::Open || tied && matches!(verdict, Verdict::Tied(ONE, _)),
                "{form:?} {come}: {verdict:?}"
            );
        }
        assert_eq!(plain(&hex_text::encode(&stream), 1), found(form, "/opt/otter"));
    }
}

#[test]
fn a_version_that_looks_like_a_header_is_contradicted_by_what_follows() {
    // 51.4.3.N, the bytes of N being a string: a whole response by themselves, and the true one behind it.
    assert!(matches!(plain(&format!("33000000 {DRIVE}"), 1), Verdict::Tied(ONE, _)));
    assert_eq!(plain(&format!("33000000 {DRIVE} {OTTER}"), 1), found(FOUR, "/opt/otter"));
    // 51.100.3.99: the length prefix agrees, and the text would begin with NUL.
    assert_eq!(plain(&format!("33000000 64000000 03000000 63000000 {OTTER}"), 1), found(FOUR, "/opt/otter"));
    // With any command, 6.2.0.1 has a string of one NUL.
    let any =
        judged(&format!("06000000 02000000 00000000 01000000 {OTTER}"), false, true, &Awaited::Plain(1));
    assert_eq!(any, found(FOUR, "/opt/otter"));
}

/// Response, and what two of them come to.
#[test]
fn short_paths_are_told_by_a_second_response_all_but_one() {
    let cases = [
        ("01000000 03000000 00", Some("")),
        ("02000000 03000000 012f", Some("/")),
        ("03000000 03000000 022f61", Some("/a")),
        (DRIVE, None),
        ("05000000 03000000 042f6f7074", Some("/opt")),
        ("06000000 03000000 052f746d702f", Some("/tmp/")),
    ];
    for (response, path) in cases {
        let twice = plain(&format!("33000000 {response} {response}"), 2);
        match path {
            Some(path) => assert_eq!(twice, found(ONE, path)),
            None => assert!(matches!(twice, Verdict::Tied(ONE, _)), "{twice:?}"),
        }
        let once = plain(&format!("33000000 {response}"), 1);
        assert!(matches!(once, Verdict::Tied(ONE, _)), "{response}: {once:?}");
    }
}

#[test]
fn what_is_no_response_is_neither() {
    let nothing_fits = [
        ("another command", "33000000 0b000000 04000000 0a2f6f70742f6f74746572".to_owned()),
        ("a prefix that disagrees", "33000000 0b000000 03000000 092f6f70742f6f74746572".to_owned()),
        ("two responses to one request", format!("33000000 {OTTER} {OTTER}")),
        ("no UTF-8", "33000000 0b000000 03000000 0aff6f70742f6f74746572".to_owned()),
        ("a negative length", "33000000 ffffffff 03000000 00000000 ffffffff".to_owned()),
        ("zeros without end", "00*4096".to_owned()),
    ];
    for (what, stream) in nothing_fits {
        assert_eq!(plain(&stream, 1), Verdict::Neither, "{what}");
    }
    // The end makes what was open wrong.
    assert_eq!(judged("33000000 0b000000", true, false, &Awaited::Plain(1)), Verdict::Neither);
    let drive = judged(&format!("33000000 {DRIVE}"), true, false, &Awaited::Plain(1));
    assert_eq!(drive, found(ONE, "C:\\"));
}

#[test]
fn four_groups_of_a_prefix_are_read_and_five_are_too_much() {
    let path = "61*200";
    assert_eq!(plain(&format!("33000000 ca000000 03000000 c801 {path}"), 1), found(ONE, &"a".repeat(200)));
    assert_eq!(
        plain(&format!("33000000 cc000000 03000000 c8818000 {path}"), 1),
        found(ONE, &"a".repeat(200))
    );
    assert_eq!(plain(&format!("33000000 cd000000 03000000 c881808000 {path}"), 1), Verdict::Neither);
}

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// An encrypted part: what a plaintext, its padding included, becomes under the key and a vector of zeros.
fn sealed(plain: &str) -> String {
    let secrets = Secrets { key: bytes(KEY), iv: [0; 16], padding: Padding::Zeros };
    let sealed = secrets.seal(&bytes(plain)).unwrap();
    format!(
        "{} {}",
        hex_text::encode(&u32::try_from(sealed.len()).unwrap().to_le_bytes()),
        hex_text::encode(&sealed)
    )
}

fn aes(hex: &str, any_command: bool) -> Verdict {
    let secrets = Secrets { key: bytes(KEY), iv: [0; 16], padding: Padding::Pkcs7 };
    judged(hex, false, any_command, &Awaited::Aes(secrets))
}

fn padding(verdict: &Verdict) -> Option<Padding> {
    let Verdict::Found(_, Some(response)) = verdict else { panic!("{verdict:?}") };
    response.padding()
}

#[test]
fn a_response_that_decrypts_tells_place_and_padding() {
    let plain = "b0*16 03000000 0a2f6f70742f6f74746572";
    let (pkcs7, zeros, odd) = (format!("{plain} 01"), format!("{plain} 00"), format!("{plain} 05"));
    for (form, version) in [(ONE, "33000000"), (FOUR, "33000000 01000000 02000000 07000000")] {
        for (plain, expected) in
            [(&pkcs7, Some(Padding::Pkcs7)), (&zeros, Some(Padding::Zeros)), (&odd, None)]
        {
            let verdict = aes(&format!("{version} {}", sealed(plain)), false);
            assert!(matches!(&verdict, Verdict::Found(found, _) if *found == form), "{verdict:?}");
            assert_eq!(padding(&verdict), expected);
        }
    }
    // Without a command to go by, the padding must be one.
    assert_eq!(aes(&format!("33000000 {}", sealed(&odd)), true), Verdict::Neither);
}

#[test]
fn nothing_behind_a_path_at_the_end_of_a_block_is_zeros() {
    let verdict = aes(&format!("33000000 {}", sealed("b0*16 03000000 0b2f6f70742f6f747465722f")), false);
    assert_eq!(padding(&verdict), Some(Padding::Zeros));
    let whole_block = sealed("b0*16 03000000 0b2f6f70742f6f747465722f 10*16");
    assert_eq!(padding(&aes(&format!("33000000 {whole_block}"), false)), Some(Padding::Pkcs7));
}

#[test]
fn a_version_like_the_length_of_an_encrypted_part_does_not_keep_waiting() {
    // 5.2000.…: read as one number, 2000 encrypted bytes would follow.
    let stream =
        format!("05000000 d0070000 00000000 00000000 {}", sealed("b0*16 03000000 0a2f6f70742f6f74746572 01"));
    assert!(matches!(aes(&stream, false), Verdict::Found(FOUR, _)));
}

#[test]
fn a_server_hello_or_an_alert_tells_by_its_place() {
    let of = |hex: &str, ended| judged(hex, ended, false, &Awaited::Tls);
    let hello = "16030300 7a020000 760303aa bbccddee ff001122 33445566";
    assert_eq!(of(&format!("33000000 {hello}"), false), Verdict::Found(ONE, None));
    assert_eq!(of(&format!("00*16 {hello}"), false), Verdict::Found(FOUR, None));
    assert_eq!(of("33000000 15030300 020228", true), Verdict::Found(ONE, None), "an alert, and the end");
    assert_eq!(of("33000000 15030300 020228", false), Verdict::Open, "four numbers may be under way");
    assert_eq!(of("00*16 15030300 020228", false), Verdict::Found(FOUR, None));
    assert_eq!(of("33000000 16030300", false), Verdict::Open);
    assert_eq!(
        of("33000000 16030000 7a020000 760303aa bbccddee", false),
        Verdict::Neither,
        "no version of TLS"
    );
    // A version made of the beginning of a record.
    let made = "33000000 16030300 7a020000 760303aa";
    assert_eq!(of(&format!("{made} {hello}"), false), Verdict::Both);
    assert_eq!(of("33000000", true), Verdict::Neither, "nothing but the version");
}
