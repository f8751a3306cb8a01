//! The data conventions: good bytes, and malformed ones with field, offset and reason (DAT-1 to DAT-6).

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

use std::borrow::Cow;

use iaspec_reference::protocol::{Decode, Encode, Malformed, Reason, Ticks};
use rstest::rstest;
use uuid::Uuid;

/// Decoding fails at offset 0 with that reason, in the one field that a bare value has.
#[track_caller]
fn fails_at_the_start<'a, T: Decode<'a> + std::fmt::Debug>(bytes: &'a [u8], reason: Reason) {
    let error = T::decode(bytes).expect_err("malformed bytes were decoded");
    assert_eq!(error, Malformed { field: "value".to_owned(), offset: 0, reason });
}

#[rstest]
#[case(0, "00")]
#[case(1, "01")]
#[case(127, "7f")]
#[case(-128, "80")]
#[case(-1, "ff")]
fn int8(#[case] value: i8, #[case] hex: &str) {
    assert_eq!(hex::encode(value.encode().unwrap()), hex);
    assert_eq!(i8::decode(&hex::decode(hex).unwrap()), Ok((value, 0)));
}

#[rstest]
#[case(0, "00")]
#[case(127, "7f")]
#[case(128, "80")]
#[case(255, "ff")]
fn byte(#[case] value: u8, #[case] hex: &str) {
    assert_eq!(hex::encode(value.encode().unwrap()), hex);
    assert_eq!(u8::decode(&hex::decode(hex).unwrap()), Ok((value, 0)));
}

#[rstest]
#[case("", "00000000")]
#[case("00", "0100000000")]
#[case("00ff10", "0300000000ff10")]
fn byte_array(#[case] contents: &str, #[case] hex: &str) {
    let value: Cow<'_, [u8]> = hex::decode(contents).unwrap().into();
    assert_eq!(hex::encode(value.encode().unwrap()), hex);
    assert_eq!(Cow::<[u8]>::decode(&hex::decode(hex).unwrap()), Ok((value, 0)));
}

/// An over-long length prefix is read as .NET reads it (DAT-6); bytes behind the value are left (CMP-2).
#[rstest]
#[case::two_bytes_for_1("810061", "a", 0)]
#[case::five_bytes_for_1("818080800061", "a", 0)]
#[case::five_bytes_for_0("8080808000", "", 0)]
#[case::rest("02c3a9ff", "\u{e9}", 1)]
#[case::rest_after_nothing("00ffff", "", 2)]
fn string_that_no_writer_makes(#[case] hex: &str, #[case] value: &str, #[case] rest: usize) {
    assert_eq!(Cow::<str>::decode(&hex::decode(hex).unwrap()), Ok((value.into(), rest)));
}

#[rstest]
#[case::empty("", Reason::PrefixCutShort)]
#[case::cut_after_one("80", Reason::PrefixCutShort)]
#[case::cut_after_four("ffffffff", Reason::PrefixCutShort)]
#[case::runs_on("ffffffffff01", Reason::PrefixTooLong)]
#[case::runs_on_with_low_bits_clear("8080808080", Reason::PrefixTooLong)]
#[case::bit_32("8080808010", Reason::PrefixTooLarge)]
#[case::all_35_bits("ffffffff7f", Reason::PrefixTooLarge)]
#[case::greatest_length("ffffffff0f", Reason::PastTheEnd { length: 4_294_967_295, left: 0 })]
#[case::one_byte_missing("0261", Reason::PastTheEnd { length: 2, left: 1 })]
#[case::lone_continuation("0180", Reason::NotUtf8)]
#[case::cut_inside_a_character("01c3", Reason::NotUtf8)]
#[case::over_long_slash("02c0af", Reason::NotUtf8)]
#[case::surrogate("03eda080", Reason::NotUtf8)]
#[case::above_10ffff("04f4908080", Reason::NotUtf8)]
#[case::bytes_that_never_occur("02fffe", Reason::NotUtf8)]
fn malformed_string(#[case] hex: &str, #[case] reason: Reason) {
    fails_at_the_start::<Cow<'_, str>>(&hex::decode(hex).unwrap(), reason);
}

#[rstest]
#[case::empty("", Reason::CutShort { needed: 4, left: 0 })]
#[case::count_cut("010000", Reason::CutShort { needed: 4, left: 3 })]
#[case::negative("ffffffff", Reason::Negative(-1))]
#[case::most_negative("00000080ff", Reason::Negative(i32::MIN))]
#[case::one_byte_missing("0200000061", Reason::PastTheEnd { length: 2, left: 1 })]
#[case::greatest("ffffff7f", Reason::PastTheEnd { length: 2_147_483_647, left: 0 })]
fn malformed_byte_array(#[case] hex: &str, #[case] reason: Reason) {
    fails_at_the_start::<Cow<'_, [u8]>>(&hex::decode(hex).unwrap(), reason);
}

#[rstest]
#[case::below("ffffffffffffffff", -1)]
#[case::least("0000000000000080", i64::MIN)]
#[case::one_above("0040 37f47528ca2b", 3_155_378_976_000_000_000)]
#[case::greatest("ffffffffffffff7f", i64::MAX)]
#[case::a_kind_bit("0080b5f7f57f9f48", 0x489f_7ff5_f7b5_8000)]
fn datetime_out_of_range(#[case] hex: &str, #[case] ticks: i64) {
    let bytes = hex::decode(hex.replace(' ', "")).unwrap();
    fails_at_the_start::<Ticks>(&bytes, Reason::TicksOutOfRange(ticks));
    assert!(Ticks::new(ticks).is_err());
}

#[test]
fn a_fixed_field_cut_short_is_wrong_itself() {
    for left in 0..16 {
        let bytes = vec![0; left];
        let cut = |needed| Reason::CutShort { needed, left };
        fails_at_the_start::<Uuid>(&bytes, cut(16));
        if left < 8 {
            fails_at_the_start::<i64>(&bytes, cut(8));
            fails_at_the_start::<Ticks>(&bytes, cut(8));
        }
        if left < 4 {
            fails_at_the_start::<i32>(&bytes, cut(4));
        }
        if left < 1 {
            fails_at_the_start::<i8>(&bytes, cut(1));
            fails_at_the_start::<u8>(&bytes, cut(1));
        }
    }
}
