//! YAML with positions: where values stand, what is refused, and what readers are told.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

use iaspec_harness::finding::{Finding, sorted};
use iaspec_harness::yaml::{Node, Source, Span, Spot, Value, from_node, parse};
use proptest::prelude::*;
use rstest::rstest;
use serde::Deserialize;

fn tree(text: &str) -> Node {
    parse(&Source::new("t.yaml", text)).expect("good YAML")
}

/// The text that a span covers.
fn covered(text: &str, span: Span) -> &str {
    &text[span.start..span.start + span.len]
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "read by Debug")]
enum Choice {
    Plain,
    Number(i64),
    Text(String),
    Pair { a: i64 },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "read, not used")]
struct Case {
    id: Spot<String>,
    count: Option<u8>,
    #[serde(default)]
    list: Vec<Spot<i32>>,
    choice: Option<Choice>,
    flag: Option<bool>,
}

fn mistake(text: &str) -> String {
    let source = Source::new("t.yaml", text);
    match parse(&source) {
        Err(finding) => finding.render(false),
        Ok(node) => Finding::typed(&source, &from_node::<Case>(&node).expect_err("a mistake")).render(false),
    }
}

#[rstest]
#[case::flow("{a: é, b: 日本, c: x}")]
#[case::block("a: é\nb: 日本\nc: x\n")]
#[case::after_a_comment("# 🚀 é\na: é # 日\nb: 日本\nc: x\n")]
#[case::windows_lines("a: é\r\nb: 日本\r\nc: x\r\n")]
#[case::nested_after_text("a: é\nb: 日本\n# é\nc:   x\n")]
fn values_behind_multi_byte_text_are_found(#[case] text: &str) {
    let node = tree(text);
    for (key, value) in [("a", "é"), ("b", "日本"), ("c", "x")] {
        let found = node.get(key).expect("the member");
        assert_eq!(found.text(), Some(value));
        assert_eq!(covered(text, found.span), value, "{:?}", found.span);
        let (key_node, _) = node.entries().iter().find(|(k, _)| k.text() == Some(key)).expect("the key");
        assert_eq!(covered(text, key_node.span), key);
    }
}

#[test]
fn quoted_text_is_covered_with_its_quotes() {
    let text = "é: [\"a\\u0062\", 'c''d']";
    let node = tree(text);
    let items = node.get("é").expect("the list").items();
    let found: Vec<_> = items.iter().map(|item| (item.text().unwrap(), covered(text, item.span))).collect();
    assert_eq!(found, [("ab", "\"a\\u0062\""), ("c'd", "'c''d'")]);
}

#[test]
fn columns_count_characters_and_lines_count_line_feeds() {
    let source = Source::new("t.yaml", "é日🚀x\nab\r\nc");
    let places: Vec<_> = [0, 2, 5, 9, 10, 11, 13, 14, 15, 16, 99].map(|at| source.line_column(at)).to_vec();
    let expected = [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 1), (2, 3), (2, 4), (3, 1), (3, 2), (3, 2)];
    assert_eq!(places, expected);
    assert_eq!(source.line_column(1), (1, 1), "inside a character is at it");
}

#[rstest]
#[case("~", Value::Null)]
#[case("null", Value::Null)]
#[case("", Value::Null)]
#[case("true", Value::Bool(true))]
#[case("yes", Value::Text("yes".to_owned()))]
#[case("-7", Value::Integer(-7))]
#[case("18446744073709551615", Value::Integer(18_446_744_073_709_551_615))]
#[case("1.5", Value::Float(1.5))]
#[case("'1'", Value::Text("1".to_owned()))]
#[case("\"\"", Value::Text(String::new()))]
#[case("00ff", Value::Text("00ff".to_owned()))]
fn a_scalar_has_its_kind(#[case] text: &str, #[case] expected: Value) {
    assert_eq!(tree(&format!("a: {text}")).get("a").expect("a").value, expected);
}

#[test]
fn block_nodes_are_shown_by_their_first_key() {
    let text = "x:\n  - id: a\n    n: 1\n";
    let node = tree(text);
    let item = &node.get("x").expect("x").items()[0];
    assert_eq!(covered(text, item.visible_span()), "id");
    assert_eq!(covered(text, node.get("x").expect("x").visible_span()), "id");
}

#[test]
fn a_spot_knows_where_it_was_written() {
    let text = "é: 1\nid: b\nlist: [3, -4]\n";
    let node = tree(&text[5..]);
    let case: Case = from_node(&node).expect("a case");
    assert_eq!((case.id.value.as_str(), covered(&text[5..], case.id.span)), ("b", "b"));
    let items: Vec<_> = case.list.iter().map(|item| (item.value, covered(&text[5..], item.span))).collect();
    assert_eq!(items, [(3, "3"), (-4, "-4")]);
}

#[rstest]
#[case("plain", "Plain")]
#[case("{plain: null}", "Plain")]
#[case("{number: 4}", "Number(4)")]
#[case("{text: x}", "Text(\"x\")")]
#[case("{pair: {a: 5}}", "Pair { a: 5 }")]
fn a_choice_is_a_word_or_one_member(#[case] text: &str, #[case] expected: &str) {
    let case: Case = from_node(&tree(&format!("{{id: a, choice: {text}}}"))).expect("a case");
    assert_eq!(format!("{:?}", case.choice.expect("a choice")), expected);
}

#[rstest]
#[case("unknown_member", "id: a\ncuont: 1\n")]
#[case("missing_member_in_flow", "{count: 1}")]
#[case("missing_member_in_block", "# é\ncount: 1\n")]
#[case("empty_mapping", "{}")]
#[case("empty_file", "")]
#[case("only_a_comment", "# nothing\n")]
#[case("number_instead_of_text", "{id: 5}")]
#[case("text_instead_of_number", "{id: a, count: \"5\"}")]
#[case("number_out_of_range", "{id: a, count: 256}")]
#[case("negative_number", "{id: a, count: -1}")]
#[case("number_beyond_64_bits", "{id: a, count: 99999999999999999999}")]
#[case("float_instead_of_integer", "{id: a, count: 1.5}")]
#[case("list_instead_of_text", "{id: [a]}")]
#[case("mapping_instead_of_list", "{id: a, list: {b: 1}}")]
#[case("item_of_the_wrong_kind", "id: a\nlist:\n  - 1\n  - x\n")]
#[case("null_instead_of_text", "{id: null}")]
#[case("yes_is_no_boolean", "{id: a, flag: yes}")]
#[case("choice_of_two_members", "{id: a, choice: {number: 1, text: x}}")]
#[case("choice_of_no_member", "{id: a, choice: {}}")]
#[case("unknown_choice", "{id: a, choice: {nubmer: 1}}")]
#[case("choice_that_takes_no_value", "{id: a, choice: {plain: 4}}")]
#[case("choice_that_needs_a_value", "{id: a, choice: number}")]
#[case("choice_is_a_number", "{id: a, choice: 5}")]
#[case("choice_with_a_wrong_value", "{id: a, choice: {pair: {a: x}}}")]
#[case("member_twice", "id: a\ncount: 1\nid: b\n")]
#[case("too_deep", &format!("id: {}{}\n", "[".repeat(70), "]".repeat(70)))]
#[case("anchor", "id: &x a\nlist: []\n")]
#[case("alias", "{id: *x}")]
#[case("merge_key", "<<: {id: a}\n")]
#[case("tab_as_indent", "id:\n\t- a\n")]
#[case("unclosed_bracket", "id: [a, b\n")]
#[case("unclosed_brace_after_text", "é: 日本\nid: {a: 1\n")]
#[case("unclosed_quote", "id: \"abc\n")]
#[case("bad_escape", "id: \"\\x\"\n")]
#[case("two_documents", "id: a\n---\nid: b\n")]
#[case("wrong_indent", "id: a\n  count: 1\n")]
#[case("control_character", "id: a\u{1}b\n")]
#[case("key_is_a_list", "{[a]: 1, id: b}")]
fn a_mistake_is_shown_where_it_is(#[case] name: &str, #[case] text: &str) {
    insta::assert_snapshot!(name, mistake(text));
}

#[test]
fn sixty_levels_are_read_and_seventy_are_not() {
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(&Source::new("t.yaml", nested(60))).is_ok());
    for levels in [70, 5000] {
        let error = parse(&Source::new("t.yaml", nested(levels))).expect_err("too deep");
        assert!(error.message().starts_with("not readable as YAML: "), "{}", error.message());
    }
}

#[test]
fn a_file_beyond_8_mib_is_not_read() {
    let largest = 8 << 20;
    let comment = |bytes: usize| format!("id: a\n#{}", "x".repeat(bytes - 7));
    assert!(parse(&Source::new("t.yaml", comment(largest))).is_ok());
    let error = parse(&Source::new("t.yaml", comment(largest + 1))).expect_err("too large");
    assert_eq!(error.line(), "t.yaml:1:1: the file has 8388609 bytes; at most 8388608 are read");
}

#[test]
fn aliases_cannot_multiply() {
    let mut text = "a0: &a0 [x]\n".to_owned();
    for level in 1..30 {
        text.push_str(&format!("a{level}: &a{level} [*a{}, *a{}]\n", level - 1, level - 1));
    }
    assert!(parse(&Source::new("t.yaml", text)).is_err());
}

#[test]
fn findings_are_sorted_by_place_and_not_repeated() {
    let (a, b) = (Source::new("a.yaml", "one two"), Source::new("b.yaml", "three"));
    let at = |start| Span { start, len: 3 };
    let findings = vec![
        Finding::new(&b, at(0), "x"),
        Finding::new(&a, at(4), "y"),
        Finding::new(&a, at(0), "z"),
        Finding::new(&a, at(4), "y"),
        Finding::new(&a, at(4), "x"),
    ];
    let lines: Vec<_> = sorted(findings).iter().map(Finding::line).collect();
    assert_eq!(lines, ["a.yaml:1:1: z", "a.yaml:1:5: x", "a.yaml:1:5: y", "b.yaml:1:1: x"]);
}

#[test]
fn a_finding_may_carry_help() {
    let source = Source::new("t.yaml", "clauses: [DAT-9]\n");
    let finding = Finding::new(&source, Span { start: 10, len: 5 }, "there is no clause DAT-9")
        .help("did you mean DAT-6?");
    insta::assert_snapshot!("finding_with_help", finding.render(false));
    assert!(finding.render(true).contains('\u{1b}'), "colours on demand");
    assert!(!finding.render(false).contains('\u{1b}'));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_tree_or_a_finding(text in "(?s).{0,80}|[-:{}\\[\\],&*!|>'\"%@#? \\n\\ta-cé🚀0-9.]{0,60}") {
        let source = Source::new("t.yaml", text.clone());
        match parse(&source) {
            Ok(node) => {
                let _ = from_node::<Case>(&node);
                prop_assert!(spans(&node).all(|span| text.get(span.start..span.start + span.len).is_some()));
            }
            Err(finding) => {
                let (_, line, column) = finding.place();
                prop_assert!(line >= 1 && column >= 1);
                let _ = finding.render(false);
            }
        }
    }

    #[test]
    fn any_span_of_any_text_can_be_shown(
        text in "(?s).{0,60}|[a\\n\\r\\té🚀\u{200b}]{0,40}",
        start in prop_oneof![0..90_usize, Just(usize::MAX)],
        len in prop_oneof![0..90_usize, Just(usize::MAX)],
    ) {
        let finding = Finding::new(&Source::new("t.yaml", text), Span { start, len }, "wrong").help("mend it");
        let shown = finding.render(false);
        prop_assert!(shown.starts_with("error: wrong"));
        prop_assert!(finding.line().starts_with("t.yaml:"));
    }
}

fn spans(node: &Node) -> Box<dyn Iterator<Item = Span> + '_> {
    let inner = node.items().iter().chain(node.entries().iter().flat_map(|(key, value)| [key, value]));
    Box::new(std::iter::once(node.span).chain(inner.flat_map(spans)))
}
