//! Bytes that .NET itself wrote (BinaryWriter, Guid, DateTime, RijndaelManaged), decoded and encoded again.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

use std::borrow::Cow;
use std::fmt::Debug;

use iaspec_reference::protocol::{Cipher, Decode, Encode, InitializationVector, Key, Padding, Ticks};
use rstest::rstest;
use uuid::Uuid;

#[track_caller]
fn both_ways<T>(value: T, hex: &str)
where
    T: Encode + for<'a> Decode<'a> + PartialEq + Debug,
{
    let bytes = hex::decode(hex).unwrap();
    assert_eq!(hex::encode(value.encode().unwrap()), hex);
    assert_eq!(T::decode(&bytes), Ok((value, 0)));
}

#[rstest]
#[case("6cebd24e-4af7-4a13-b9af-81d3dfc644be", "4ed2eb6cf74a134ab9af81d3dfc644be")]
#[case("00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000")]
#[case("00112233-4455-6677-8899-aabbccddeeff", "33221100554477668899aabbccddeeff")]
fn guid(#[case] value: Uuid, #[case] hex: &str) {
    both_ways(value, hex);
}

#[rstest]
#[case(0, "00000000")]
#[case(1, "01000000")]
#[case(-1, "ffffffff")]
#[case(127, "7f000000")]
#[case(128, "80000000")]
#[case(255, "ff000000")]
#[case(256, "00010000")]
#[case(1000, "e8030000")]
#[case(2000, "d0070000")]
#[case(3000, "b80b0000")]
#[case(46336, "00b50000")]
#[case(65535, "ffff0000")]
#[case(65536, "00000100")]
#[case(2147483647, "ffffff7f")]
#[case(-2147483648, "00000080")]
fn int32(#[case] value: i32, #[case] hex: &str) {
    both_ways(value, hex);
}

#[rstest]
#[case(0, "0000000000000000")]
#[case(1, "0100000000000000")]
#[case(-1, "ffffffffffffffff")]
#[case(4294967296, "0000000001000000")]
#[case(9223372036854775807, "ffffffffffffff7f")]
#[case(-9223372036854775808, "0000000000000080")]
fn int64(#[case] value: i64, #[case] hex: &str) {
    both_ways(value, hex);
}

#[rstest]
#[case("", "00")]
#[case("a", "0161")]
#[case("Otter.Agent.exe", "0f4f747465722e4167656e742e657865")]
#[case(
    "C:\\Windows\\Temp\\InedoAgent\\Otter",
    "20433a5c57696e646f77735c54656d705c496e65646f4167656e745c4f74746572"
)]
#[case("/var/tmp/inedo agent/\"otter\"", "1c2f7661722f746d702f696e65646f206167656e742f226f7474657222")]
#[case("na\u{ef}ve caf\u{e9}", "0c6e61c3af766520636166c3a9")]
#[case("\u{65e5}\u{672c}\u{8a9e}", "09e697a5e69cace8aa9e")]
#[case("\u{1f680} launch", "0bf09f9a80206c61756e6368")]
#[case("e\u{301} is not \u{e9}", "0d65cc81206973206e6f7420c3a9")]
#[case("nul\0inside", "0a6e756c00696e73696465")]
#[case("\u{feff}bom", "06efbbbf626f6d")]
#[case("tab\tnewline\r\n", "0d746162096e65776c696e650d0a")]
fn string(#[case] value: &str, #[case] hex: &str) {
    let bytes = hex::decode(hex).unwrap();
    let value = Cow::Borrowed(value);
    assert_eq!(hex::encode(value.encode().unwrap()), hex);
    assert_eq!(Cow::<str>::decode(&bytes), Ok((value, 0)));
}

/// What .NET wrote is recorded as its first bytes: the length prefix and the beginning of the text.
#[rstest]
#[case("x", 1, "0178")]
#[case("x", 126, "7e78787878787878")]
#[case("x", 127, "7f78787878787878")]
#[case("x", 128, "8001787878787878")]
#[case("x", 129, "8101787878787878")]
#[case("x", 255, "ff01787878787878")]
#[case("x", 256, "8002787878787878")]
#[case("x", 300, "ac02787878787878")]
#[case("x", 16383, "ff7f787878787878")]
#[case("x", 16384, "8080017878787878")]
#[case("x", 2097151, "ffff7f7878787878")]
#[case("x", 2097152, "8080800178787878")]
#[case("\u{e9}", 63, "7ec3a9c3a9c3a9c3")]
#[case("\u{e9}", 64, "8001c3a9c3a9c3a9")]
#[case("\u{e9}", 100, "c801c3a9c3a9c3a9")]
#[case("\u{20ac}", 42, "7ee282ace282ace2")]
#[case("\u{20ac}", 43, "8101e282ace282ac")]
fn repeated_character(#[case] character: &str, #[case] count: usize, #[case] head: &str) {
    let text: Cow<'_, str> = Cow::Owned(character.repeat(count));
    let bytes = text.encode().unwrap();
    assert!(hex::encode(&bytes).starts_with(head));
    let prefix = bytes.len() - text.len();
    assert_eq!(hex::encode(&bytes[prefix..]), hex::encode(character).repeat(count));
    assert_eq!(Cow::<str>::decode(&bytes), Ok((text, 0)));
}

#[rstest]
#[case("0001-01-01T00:00:00.0000000Z", 0, "0000000000000000")]
#[case("1970-01-01T00:00:00.0000000Z", 621_355_968_000_000_000, "0080b5f7f57f9f08")]
#[case("1601-01-01T00:00:00.0000000Z", 504_911_232_000_000_000, "0000772217ce0107")]
#[case("2000-02-29T12:34:56.7890000Z", 630_874_244_967_890_000, "50fc4085c850c108")]
#[case("2018-06-04T00:00:00.0000001Z", 636_636_672_000_000_001, "01008c1daec9d508")]
#[case("2038-01-19T03:14:08.0000000Z", 642_830_804_480_000_000, "0080b5f735cbeb08")]
#[case("9999-12-31T23:59:59.9999999Z", 3_155_378_975_999_999_999, "ff3f37f47528ca2b")]
fn datetime(#[case] _what_it_is: &str, #[case] ticks: i64, #[case] hex: &str) {
    both_ways(Ticks::new(ticks).unwrap(), hex);
}

const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const IV: InitializationVector = InitializationVector([
    0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
]);

#[rstest]
#[case(KEY_128, Padding::Pkcs7, "03", "2a00818636b8a6fa2497c95cddefdcfe")]
#[case(KEY_128, Padding::Zeros, "03", "70ea345cb6a68563ec97bff6c7e8ae52")]
#[case(KEY_128, Padding::Pkcs7, "030a11181f262d343b424950575e65", "52d52c06b6e471b53b83b98deb9784c0")]
#[case(KEY_128, Padding::Zeros, "030a11181f262d343b424950575e65", "1a818722584dac2b6363998d6d006522")]
#[case(
    KEY_128,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c",
    "29c99ea986fa95edf1f01a6a9ba4b1f9fc376b2b6dc3885a60200dfd5e1595ba"
)]
#[case(KEY_128, Padding::Zeros, "030a11181f262d343b424950575e656c", "29c99ea986fa95edf1f01a6a9ba4b1f9")]
#[case(
    KEY_128,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c73",
    "29c99ea986fa95edf1f01a6a9ba4b1f9600b45c22cd0fa5e3fcfa165c2dfe8c2"
)]
#[case(
    KEY_128,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c73",
    "29c99ea986fa95edf1f01a6a9ba4b1f9ae870324234719f9bd5ab62aa4837671"
)]
#[case(
    KEY_128,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c737a8188",
    "29c99ea986fa95edf1f01a6a9ba4b1f999dd6a684f407a73841a3d65ee0255e4"
)]
#[case(
    KEY_128,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c737a8188",
    "29c99ea986fa95edf1f01a6a9ba4b1f9ec9f949a4fa1a69a2890c150f9943095"
)]
#[case(
    KEY_128,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c737a81888f",
    "29c99ea986fa95edf1f01a6a9ba4b1f9038dbf1c07b30fe46f3c78f7e8e4b0bd"
)]
#[case(
    KEY_128,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c737a81888f",
    "29c99ea986fa95edf1f01a6a9ba4b1f9a173602d2b09e830735e85ef94287f2c"
)]
#[case(
    KEY_128,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5",
    "29c99ea986fa95edf1f01a6a9ba4b1f9ebcea34152b6e22a4fc2e16cc96cb9fc"
)]
#[case(
    KEY_128,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5",
    "29c99ea986fa95edf1f01a6a9ba4b1f9d0a334d165ed0618e0df6b51ca8eea76"
)]
#[case(
    KEY_128,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dc",
    "29c99ea986fa95edf1f01a6a9ba4b1f9990e43bb4c151b5afb7146d2756cde0747e066643459c2c56a27d77c3141f864"
)]
#[case(
    KEY_128,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dc",
    "29c99ea986fa95edf1f01a6a9ba4b1f9990e43bb4c151b5afb7146d2756cde07"
)]
#[case(
    KEY_128,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3",
    "29c99ea986fa95edf1f01a6a9ba4b1f9990e43bb4c151b5afb7146d2756cde07a8e629e753fd70360204af577ff28fc1"
)]
#[case(
    KEY_128,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3",
    "29c99ea986fa95edf1f01a6a9ba4b1f9990e43bb4c151b5afb7146d2756cde0763a222d2b2145f51e3662b9009bf3327"
)]
#[case(
    KEY_128,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3eaf1f8ff060d141b222930373e454c",
    "29c99ea986fa95edf1f01a6a9ba4b1f9990e43bb4c151b5afb7146d2756cde07f0a1d6943fe3ae7c0c1e6b5e9aed7cd019f933b88f3cc3de7d28abcb2ce4c6ad"
)]
#[case(
    KEY_128,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3eaf1f8ff060d141b222930373e454c",
    "29c99ea986fa95edf1f01a6a9ba4b1f9990e43bb4c151b5afb7146d2756cde07f0a1d6943fe3ae7c0c1e6b5e9aed7cd0"
)]
#[case(KEY_256, Padding::Pkcs7, "03", "5337b8adbf6f2163c957718b6a3d2eb5")]
#[case(KEY_256, Padding::Zeros, "03", "e9d09085496645033e66505a152972c0")]
#[case(KEY_256, Padding::Pkcs7, "030a11181f262d343b424950575e65", "ba49df139666f5d3a180abc3860ac53d")]
#[case(KEY_256, Padding::Zeros, "030a11181f262d343b424950575e65", "6b0e35b029264ebdfc0363b067376dc8")]
#[case(
    KEY_256,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c",
    "9bc5af02a51b5fc458a4423e83c18f184b85bbea2370360c502390144ab627d4"
)]
#[case(KEY_256, Padding::Zeros, "030a11181f262d343b424950575e656c", "9bc5af02a51b5fc458a4423e83c18f18")]
#[case(
    KEY_256,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c73",
    "9bc5af02a51b5fc458a4423e83c18f1868c9fa35d1e8be50ada482d4b5b9510a"
)]
#[case(
    KEY_256,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c73",
    "9bc5af02a51b5fc458a4423e83c18f18471b4b4f652fce6be705d984a7515946"
)]
#[case(
    KEY_256,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c737a8188",
    "9bc5af02a51b5fc458a4423e83c18f18692bd459b21c0ddd217b75c99dc2cfae"
)]
#[case(
    KEY_256,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c737a8188",
    "9bc5af02a51b5fc458a4423e83c18f1853d03dbfef6bbcda4a5ce01695496aa1"
)]
#[case(
    KEY_256,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c737a81888f",
    "9bc5af02a51b5fc458a4423e83c18f18e6016a224d24bff8b3a7a7a8ae0716a9"
)]
#[case(
    KEY_256,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c737a81888f",
    "9bc5af02a51b5fc458a4423e83c18f18ce0a69e3ae0f40b263a298a4698e466d"
)]
#[case(
    KEY_256,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5",
    "9bc5af02a51b5fc458a4423e83c18f1871b3e41e474d39a0d4272a6c7c3030b6"
)]
#[case(
    KEY_256,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5",
    "9bc5af02a51b5fc458a4423e83c18f18dd642d65c43fb70fb48ce02450740e7a"
)]
#[case(
    KEY_256,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dc",
    "9bc5af02a51b5fc458a4423e83c18f184d25a5d1ab658c4bec672003e50ddf04b40b3401cce0caa14fa84fd9f0fa22f5"
)]
#[case(
    KEY_256,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dc",
    "9bc5af02a51b5fc458a4423e83c18f184d25a5d1ab658c4bec672003e50ddf04"
)]
#[case(
    KEY_256,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3",
    "9bc5af02a51b5fc458a4423e83c18f184d25a5d1ab658c4bec672003e50ddf04af6b22c324c1b55143beb52582ce57ce"
)]
#[case(
    KEY_256,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3",
    "9bc5af02a51b5fc458a4423e83c18f184d25a5d1ab658c4bec672003e50ddf048dc714116579b9bca4b707f70ce66394"
)]
#[case(
    KEY_256,
    Padding::Pkcs7,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3eaf1f8ff060d141b222930373e454c",
    "9bc5af02a51b5fc458a4423e83c18f184d25a5d1ab658c4bec672003e50ddf04bc044be903c64a63693769470dd482b7574f54e77749da0204da5e776a09ab6b"
)]
#[case(
    KEY_256,
    Padding::Zeros,
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3eaf1f8ff060d141b222930373e454c",
    "9bc5af02a51b5fc458a4423e83c18f184d25a5d1ab658c4bec672003e50ddf04bc044be903c64a63693769470dd482b7"
)]
fn aes(#[case] key: &str, #[case] padding: Padding, #[case] plain: &str, #[case] sealed: &str) {
    let key = Key::try_from(hex::decode(key).unwrap().as_slice()).unwrap();
    let cipher = Cipher::new(key, padding).unwrap();
    let mut bytes = hex::decode(plain).unwrap();
    cipher.encrypt(&IV, &mut bytes, 0).unwrap();
    assert_eq!(hex::encode(&bytes), sealed);

    let mut expected = hex::decode(plain).unwrap();
    if padding == Padding::Zeros {
        expected.resize(expected.len().next_multiple_of(16), 0);
    }
    assert_eq!(cipher.decrypt(&IV, &mut bytes).map(hex::encode), Ok(hex::encode(expected)));
}
