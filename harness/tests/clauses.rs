//! The list of clauses against the protocol: every id once, in order, with its tiers.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

use iaspec_harness::clauses::Clauses;
use iaspec_harness::clauses::Tier::{self, C, D, H, I, R};
use iaspec_harness::finding::Finding;
use iaspec_harness::vectors::CorpusFiles;
use iaspec_harness::yaml::Source;
use rstest::rstest;

/// All clauses of the protocol in its order, with their tiers, the deciding one first.
#[rustfmt::skip]
const PROTOCOL: [(&str, &[Tier]); 140] = [
    ("HS-1", &[D]),
    ("HS-2", &[D]),
    ("HS-3", &[D]),
    ("HS-4", &[D]),
    ("HS-5", &[D]),
    ("HS-6", &[D]),
    ("HS-7", &[D]),
    ("HS-8", &[D]),
    ("HS-9", &[I]),
    ("HS-10", &[D, R]),
    ("HS-11", &[R, D]),
    ("HS-12", &[H]),
    ("HS-13", &[D]),
    ("HS-14", &[D]),
    ("HS-15", &[H]),
    ("HS-16", &[H]),
    ("HS-17", &[H]),
    ("NEG-1", &[I]),
    ("NEG-2", &[I]),
    ("NEG-3", &[I]),
    ("NEG-4", &[I]),
    ("NEG-5", &[I]),
    ("NEG-6", &[I]),
    ("NEG-7", &[I]),
    ("NEG-8", &[I]),
    ("FRM-1", &[D]),
    ("FRM-2", &[D]),
    ("FRM-3", &[D]),
    ("FRM-4", &[D]),
    ("FRM-5", &[H]),
    ("FRM-6", &[H]),
    ("FRM-7", &[H]),
    ("FRM-8", &[D]),
    ("AES-1", &[D]),
    ("AES-2", &[D]),
    ("AES-3", &[I]),
    ("AES-4", &[I]),
    ("AES-5", &[D, R]),
    ("AES-6", &[H]),
    ("AES-7", &[H]),
    ("AES-8", &[R]),
    ("AES-9", &[D]),
    ("AES-10", &[D]),
    ("TLS-1", &[D]),
    ("TLS-2", &[H]),
    ("TLS-3", &[H]),
    ("TLS-4", &[H]),
    ("TLS-5", &[H]),
    ("DAT-1", &[D]),
    ("DAT-2", &[D]),
    ("DAT-3", &[D]),
    ("DAT-4", &[D]),
    ("DAT-5", &[H]),
    ("DAT-6", &[H]),
    ("MTA-1", &[D]),
    ("MTA-2", &[D]),
    ("MTA-3", &[D]),
    ("MTA-4", &[I]),
    ("MTA-5", &[D]),
    ("MTA-6", &[H]),
    ("MTA-7", &[H]),
    ("MTA-8", &[H]),
    ("MTA-9", &[I]),
    ("MTA-10", &[I]),
    ("MTA-11", &[I]),
    ("CMP-1", &[D]),
    ("CMP-2", &[I]),
    ("CMP-3", &[I]),
    ("CMP-4", &[R]),
    ("CMP-5", &[D]),
    ("CMP-6", &[I]),
    ("RTE-1", &[D]),
    ("RTE-2", &[I]),
    ("RTE-3", &[D]),
    ("RTE-4", &[D]),
    ("RTE-5", &[D]),
    ("RTE-6", &[D]),
    ("RTE-7", &[D]),
    ("RTE-8", &[R]),
    ("RTE-9", &[R]),
    ("RTE-10", &[H]),
    ("RTE-11", &[H]),
    ("RTE-13", &[I]),
    ("RTE-12", &[I]),
    ("ORD-1", &[D]),
    ("ORD-2", &[D]),
    ("ORD-3", &[H]),
    ("ORD-4", &[H]),
    ("ORD-5", &[D]),
    ("SES-1", &[D]),
    ("SES-2", &[D]),
    ("SES-3", &[D]),
    ("SES-4", &[D]),
    ("SES-5", &[D]),
    ("SES-6", &[H]),
    ("SES-7", &[H]),
    ("CFG-1", &[D]),
    ("CFG-2", &[H]),
    ("SUB-1", &[C]),
    ("SUB-2", &[C]),
    ("DRV-1", &[C]),
    ("DRV-2", &[C]),
    ("DRV-3", &[C]),
    ("DRV-4", &[C]),
    ("DRV-5", &[C]),
    ("DRV-6", &[C]),
    ("DRV-7", &[C]),
    ("DRV-8", &[C]),
    ("DRV-9", &[C]),
    ("DRV-10", &[C]),
    ("DRV-11", &[C]),
    ("DRV-12", &[C]),
    ("SHM-1", &[C]),
    ("SHM-2", &[C]),
    ("SHM-3", &[C]),
    ("SHM-4", &[C]),
    ("SHM-5", &[C]),
    ("SHM-6", &[C]),
    ("SHM-7", &[C]),
    ("SHM-8", &[C]),
    ("SHM-9", &[C]),
    ("SHM-10", &[C]),
    ("SHM-11", &[C]),
    ("SHM-12", &[C]),
    ("SHM-13", &[C]),
    ("SHM-14", &[C]),
    ("SHM-15", &[C]),
    ("SHM-16", &[C]),
    ("PRB-1", &[C]),
    ("PRB-2", &[C]),
    ("PRB-3", &[C]),
    ("PRB-4", &[C]),
    ("PRB-5", &[C]),
    ("PRB-6", &[C]),
    ("PRB-7", &[C]),
    ("PRB-8", &[C]),
    ("PRB-9", &[C]),
    ("PRB-10", &[C]),
    ("PRB-11", &[C]),
    ("PRB-12", &[C]),
];

fn clauses() -> Clauses {
    Clauses::read(CorpusFiles::embedded().get("clauses.yaml").expect("the file")).expect("clauses")
}

#[test]
fn every_clause_of_the_protocol_is_there_once_and_in_order() {
    let clauses = clauses();
    let found: Vec<_> = clauses.iter().map(|clause| clause.id.value.as_str()).collect();
    assert_eq!(found, PROTOCOL.map(|(id, _)| id));
}

#[test]
fn every_clause_has_the_tiers_of_the_protocol() {
    let clauses = clauses();
    for (id, tiers) in PROTOCOL {
        let found: Vec<_> = clauses.get(id).expect(id).tiers().collect();
        assert_eq!(found, tiers, "{id}");
    }
}

#[test]
fn every_clause_says_what_it_demands_in_its_own_words() {
    let clauses = clauses();
    for clause in clauses.iter() {
        assert!(clause.text.len() > 40, "{}: {}", *clause.id, clause.text);
        assert!((2..=6).contains(&clause.title.split(' ').count()), "{}: {}", *clause.id, clause.title);
    }
    let mut texts: Vec<_> = clauses.iter().map(|clause| clause.text.as_str()).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), PROTOCOL.len(), "no text stands for two clauses");
}

#[test]
fn hazards_and_errata_are_those_of_the_protocol() {
    let clauses = clauses();
    let hazards: Vec<_> = clauses.hazards.iter().map(|hazard| hazard.id.value.as_str()).collect();
    assert_eq!(hazards, ["NEG-H1", "NEG-H2", "AES-H1", "AES-H2"]);
    let errata: Vec<_> = clauses.errata.iter().map(|erratum| erratum.id.value.as_str()).collect();
    assert_eq!(errata, ["E1", "E2", "E3"]);
}

#[rstest]
#[case::documented(&["HS-1"], D)]
#[case::regression(&["AES-8"], R)]
#[case::contract(&["DRV-1"], C)]
#[case::inferred(&["NEG-1"], I)]
#[case::hardening(&["DAT-5"], H)]
#[case::the_first_counts(&["DAT-6", "HS-1"], H)]
#[case::whatever_stands_after_it(&["HS-1", "DAT-6"], D)]
#[case::several_tiers_count_by_the_gravest(&["HS-11"], D)]
#[case::none_is_documented(&[], D)]
#[case::unknown_ones_are_documented(&["XXX-1"], D)]
fn a_case_weighs_as_the_clause_that_it_is_about(#[case] cited: &[&str], #[case] expected: Tier) {
    let cited: Vec<String> = cited.iter().map(|&id| id.to_owned()).collect();
    assert_eq!(clauses().main_tier(&cited), expected);
}

#[rstest]
#[case("HS-1", Some("HS-1"))]
#[case("hs-1", Some("HS-1"))]
#[case("DAT_2", Some("DAT-2"))]
#[case("DTA-2", Some("DAT-2"))]
#[case("FRMM-8", Some("FRM-8"))]
#[case("RTE-131", Some("RTE-11"))]
#[case("FRAMING-1", None)]
#[case("", None)]
fn the_nearest_clause_is_suggested(#[case] written: &str, #[case] expected: Option<&str>) {
    assert_eq!(clauses().nearest(written), expected);
}

#[rstest]
#[case("D", D)]
#[case("r", R)]
#[case("c", C)]
#[case("I", I)]
#[case("h", H)]
fn a_tier_is_written_as_a_letter(#[case] text: &str, #[case] tier: Tier) {
    assert_eq!(text.parse(), Ok(tier));
    assert_eq!(tier.to_string(), text.to_uppercase());
}

#[test]
fn another_letter_is_no_tier() {
    let message = "X".parse::<Tier>().expect_err("no tier");
    assert_eq!(
        message,
        "`X` is not a tier; there are D (documented), R (regression), C (contract), I (inferred) and H (hardening)"
    );
}

const GOOD: &str = "format: 1
sources:
  N1: {title: One}
clauses:
  - {id: A-1, title: First of all, tier: D, sources: [N1, N1 41], text: It is so.}
  - {id: A-2, title: Second of all, tier: I, also: [H], sources: [], text: It is so., untestable: why}
hazards: []
errata: []
";

#[test]
fn the_list_that_the_mistakes_are_put_into_has_none() {
    let clauses = Clauses::read(&Source::new("clauses.yaml", GOOD)).expect("clauses");
    assert_eq!(clauses.get("A-2").and_then(|clause| clause.untestable.as_deref()), Some("why"));
    assert_eq!(clauses.tier("A-2"), I);
}

#[rstest]
#[case("another_format", "format: 1", "format: 3")]
#[case("id_twice", "A-2", "A-1")]
#[case("source_not_listed", "N1 41", "N2 41")]
#[case("unknown_tier", "tier: D", "tier: E")]
#[case("tier_missing", "tier: D, ", "")]
#[case("also_is_no_list", "also: [H]", "also: H")]
#[case("text_missing", ", text: It is so.}", "}")]
#[case("unknown_member", "title: One", "titel: One")]
#[case("hazards_missing", "hazards: []\n", "")]
#[case("not_yaml", "sources: [N1, N1 41]", "sources: [N1, N1 41")]
fn a_mistake_in_the_list_is_shown_at_its_place(#[case] name: &str, #[case] from: &str, #[case] to: &str) {
    assert!(GOOD.contains(from));
    let source = Source::new("clauses.yaml", GOOD.replacen(from, to, 1));
    let findings = Clauses::read(&source).expect_err("a mistake");
    let shown: Vec<_> = findings.iter().map(|finding| finding.render(false)).collect();
    insta::assert_snapshot!(name, shown.join("\n\n"));
}

#[test]
fn two_mistakes_of_the_list_are_both_found() {
    let text = GOOD.replace("A-2", "A-1").replace("N1 41", "RN 41");
    let findings = Clauses::read(&Source::new("clauses.yaml", text)).expect_err("mistakes");
    let lines: Vec<_> = findings.iter().map(Finding::line).collect();
    let expected = [
        "clauses.yaml:5:59: source `RN` is not listed under `sources`",
        "clauses.yaml:6:10: clause A-1 stands here twice",
    ];
    assert_eq!(lines, expected);
}
