//! What a pattern over case names means.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

use iaspec_harness::select::Pattern;
use proptest::prelude::*;
use rstest::rstest;

#[rstest]
#[case::itself("codec/strings/empty", "codec/strings/empty")]
#[case::star_is_any_part("codec/*/empty", "codec/strings/empty")]
#[case::star_may_be_nothing("codec/strings/empty*", "codec/strings/empty")]
#[case::star_within_a_part("codec/str*s/*pty", "codec/strings/empty")]
#[case::two_stars_in_a_part("codec/*ri*gs/empty", "codec/strings/empty")]
#[case::question_mark("codec/strings/e?pty", "codec/strings/empty")]
#[case::question_mark_is_one_character("codec/x/?", "codec/x/é")]
#[case::deep_at_the_end("codec/**", "codec/strings/empty")]
#[case::deep_alone("**", "codec/strings/empty")]
#[case::deep_at_the_start("**/empty", "codec/strings/empty")]
#[case::deep_at_the_start_may_be_nothing("**/empty", "empty")]
#[case::deep_in_the_middle("handshake/**/offers", "handshake/a/b/offers")]
#[case::deep_in_the_middle_may_be_nothing("handshake/**/offers", "handshake/offers")]
#[case::deep_before_a_mode("**@aes", "handshake/negotiation/offers:later@aes")]
#[case::deep_within_a_part("hand**offers", "handshake/negotiation/offers")]
#[case::rows("handshake/negotiation/offers:*", "handshake/negotiation/offers:later")]
#[case::brackets_are_characters("a/[bc]", "a/[bc]")]
#[case::braces_are_characters("a/{b,c}", "a/{b,c}")]
#[case::backslash_is_a_character("a\\*", "a\\b")]
#[case::exclamation_mark_is_a_character("!a", "!a")]
#[case::stars_that_overlap("a*a*a", "aaa")]
#[case::three_stars("a***z", "a/b/z")]
fn a_pattern_means_the_name(#[case] pattern: &str, #[case] name: &str) {
    assert!(Pattern::new(pattern).expect("a pattern").matches(name));
}

#[rstest]
#[case::part_of_the_name("codec/strings", "codec/strings/empty")]
#[case::end_of_the_name("strings/empty", "codec/strings/empty")]
#[case::longer_name("codec/strings/empty", "codec/strings/empty-too")]
#[case::star_stops_at_a_slash("codec/*", "codec/strings/empty")]
#[case::star_alone_stops_at_a_slash("*", "codec/strings")]
#[case::question_mark_is_no_slash("codec?strings", "codec/strings")]
#[case::question_mark_is_not_nothing("codec/x?", "codec/x")]
#[case::deep_is_below("codec/**", "codec")]
#[case::deep_keeps_parts_whole("handshake/**/offers", "handshake/no-offers")]
#[case::deep_at_the_start_keeps_parts_whole("**/empty", "codec/not-empty")]
#[case::case_matters("Codec/**", "codec/strings")]
#[case::brackets_are_no_class("a/[bc]", "a/b")]
#[case::braces_are_no_choice("a/{b,c}", "a/b")]
#[case::backslash_does_not_escape("a\\*", "a*")]
#[case::stars_that_overlap("a*a*a", "aa")]
fn a_pattern_does_not_mean_the_name(#[case] pattern: &str, #[case] name: &str) {
    assert!(!Pattern::new(pattern).expect("a pattern").matches(name));
}

#[test]
fn an_empty_or_endless_pattern_is_refused() {
    assert_eq!(Pattern::new("").expect_err("refused"), "an empty pattern matches no case");
    assert_eq!(
        Pattern::new(&"*a".repeat(501)).expect_err("refused"),
        "a pattern has at most 1000 characters, this one has 1002"
    );
}

#[test]
fn the_former_name_of_a_case_counts_too() {
    let pattern = Pattern::new("codec/old-*").expect("a pattern");
    assert!(pattern.matches_either("codec/new-name", Some("codec/old-name")));
    assert!(!pattern.matches_either("codec/new-name", None));
    assert!(!pattern.matches_either("codec/new-name", Some("other/old-name")));
    assert_eq!(pattern.text(), "codec/old-*");
}

#[test]
fn a_pattern_of_stars_takes_no_time() {
    let pattern = Pattern::new(&"*a".repeat(500)).expect("a pattern");
    assert!(!pattern.matches(&"a".repeat(2000).replace('a', "ab")));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_name_means_itself(name in "[a-z0-9/:@\\[\\]{}!\\\\é,-]{1,40}") {
        prop_assert!(Pattern::new(&name).expect("a pattern").matches(&name));
    }

    #[test]
    fn stars_in_place_of_text_still_mean_the_name(name in "[a-z/]{1,30}", from in 0..30_usize, len in 0..30_usize) {
        let from = from.min(name.len());
        let to = (from + len).min(name.len());
        let with = |stars: &str| format!("{}{stars}{}", &name[..from], &name[to..]);
        // Between slashes `**` stands for whole parts.
        let whole_parts = name[..from].ends_with('/') || from == 0;
        if !(whole_parts && name[to..].starts_with('/')) {
            prop_assert!(Pattern::new(&with("**")).expect("a pattern").matches(&name));
        }
        let crosses = name[from..to].contains('/');
        prop_assert!(crosses || Pattern::new(&with("*")).expect("a pattern").matches(&name));
    }

    #[test]
    fn any_pattern_can_be_tried(pattern in ".{1,40}", name in ".{0,40}") {
        let _ = Pattern::new(&pattern).expect("a pattern").matches(&name);
    }
}
