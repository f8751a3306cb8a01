//! `iaspec show`, `list --by`, `completions`, and the examples in every help.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use rstest::rstest;
use support::run;

/// What a case is shown as, in a pipe.
fn shown(case: &str) -> String {
    let ran = run(&["show", case]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    ran.stdout
}

#[track_caller]
fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part}\nis not in\n{text}");
}

#[test]
fn a_conversation_is_shown_step_by_step_and_field_by_field() {
    let text = shown("framing/segments/two-frames-in-one-write");
    let head = "\
framing/segments/two-frames-in-one-write
  two messages that come together are answered one after the other
  file      vectors/framing/segments.yaml:5
  roles     agent
  tier      hardening
  needs     versions 2000
";
    assert!(text.starts_with(head), "{text}");
    contains(
        &text,
        "\n  FRM-5 (hardening) Frames in any segmentation: A frame may come cut into any TCP segments",
    );
    let steps = "
1. client a → agent
    handshake_v2, 24 bytes
      0   4e d2 eb 6c f7 4a 13 4a b9 af 81 d3 df c6 44 be  protocol_id: 6cebd24e-4af7-4a13-b9af-
                                                           81d3dfc644be
     16   e8 03 00 00                                      min: 1000, lowest protocol version
     20   d0 07 00 00                                      max: 2000, highest protocol version

2. agent → client a
    within 2s of the step before on this connection
    ack, of a length that the run decides
      0   ??                                               encryption: the mode of the run
      1   ?? …                                             iv: only where the mode is aes: 16 bytes,
                                                           the first vector
      1+  d0 07 00 00                                      value: 2000, protocol version
      5+  ?? …                                             server_version: any: one int32 or four

3. client a → agent
    message 1: frame_client_v2, 9 bytes
      0   01 00 00 00                                      length: 1
      4   03 00 00 00                                      command: 3
      8   01                                               agent_type: 1 (otter)
    message 2: frame_client_v2, 9 bytes
      0   01 00 00 00                                      length: 1
      4   03 00 00 00                                      command: 3
      8   02                                               agent_type: 2 (buildmaster)

4. agent → client a
    message 1: frame_agent, of a length that the run decides
      0   ?? ?? ?? ??                                      length: the length of the data
      4   03 00 00 00                                      command: 3
      8   ?? …                                             root_path: the setting otter_root
";
    contains(&text, steps);
}

#[test]
fn a_conversation_of_v1_is_shown_in_the_words_of_v1() {
    let text = shown("sessions/v1_ids/any-id:one");
    contains(
        &text,
        "    told to connect as a v1 client with session 1 (`hello`)\n    tests HS-1\n    handshake_v1, 24 bytes\n",
    );
    contains(
        &text,
        " 01 00 00 00                                      session: 1, session ID, 0 for a new one\n",
    );
    contains(
        &text,
        " ?? ?? ?? ??                                      value: any (played: 41), session ID\n",
    );
    contains(&text, "3. result of `hello`\n    it gives session: 41\n");
    let message = "    message 1: frame_client_v1, 10 bytes
      0   01 00 00 00                                      length: 1
      4   00                                               target: 0 (meta), agent type
      5   03 00 00 00                                      command: 3
      9   01                                               agent_type: 1 (otter)
";
    contains(&text, message);
}

#[test]
fn a_handshake_in_two_parts_goes_on_where_it_stopped() {
    let text = shown("handshake/segments/*");
    contains(&text, "    handshake_v2, bytes 0 to 1 of 24\n      0   4e d2  ");
    contains(
        &text,
        "    handshake_v2, bytes 2 to 23 of 24\n      2   eb 6c f7 4a 13 4a b9 af 81 d3 df c6 44 be  ",
    );
}

#[test]
fn a_codec_case_is_shown_with_its_value_and_its_bytes() {
    let text = shown("codec/frames_v1/two-bytes");
    let checks = r#"
1. encode
    the value {"target":1,"command":7,"data":"aabb"}
    becomes these bytes
    frame_client_v1, 11 bytes
      0   02 00 00 00                                      length: 2
      4   01                                               target: 1 (otter), agent type
      5   07 00 00 00                                      command: 7
      9   aa bb                                            data: 2 bytes

2. decode
    these bytes give {"target":1,"command":7,"data":"aabb"}
"#;
    assert!(text.ends_with(checks), "{text}");
}

#[test]
fn an_encrypted_frame_is_shown_with_its_plaintext() {
    let text = shown("codec/aes_frames_128/v1-client-root-path");
    contains(&text, "  key      2b7e151628aed2a6abf7158809cf4f3c\n");
    contains(
        &text,
        "\n    ~16   00                                               target: 0 (meta), agent type\n",
    );
    contains(&text, "\n    ~ in the plaintext of the encrypted part\n");
}

#[test]
fn long_bytes_are_cut_with_a_count() {
    let text = shown("codec/frames_v1/255-bytes");
    contains(&text, "\n          … 191 more\n");
}

#[test]
fn several_names_and_globs_may_be_given() {
    let ran = run(&["show", "codec/strings/empty", "framing/segments/*"]);
    let names: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with(['c', 'f'])).collect();
    assert_eq!(names.first(), Some(&"codec/strings/empty"));
    assert!(
        names.len() > 3 && names[1..].iter().all(|name| name.starts_with("framing/segments/")),
        "{names:?}"
    );
}

#[rstest]
#[case(
    "codec/strings/emtpy",
    "iaspec: `codec/strings/emtpy` matches no case; did you mean `codec/strings/empty`? (`iaspec list` lists all)\n"
)]
#[case(
    "codec/strings",
    "iaspec: `codec/strings` matches no case; `codec/strings/**` means all below it (`iaspec list` lists all)\n"
)]
fn an_unknown_name_gets_a_suggestion(#[case] name: &str, #[case] expected: &str) {
    let ran = run(&["show", "codec/strings/empty", name]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(2), "", expected));
}

#[rstest]
#[case(60)]
#[case(80)]
#[case(140)]
fn every_case_can_be_shown_and_no_line_is_too_long(#[case] width: usize) {
    let ran = run(&["show", "**", "--width", &width.to_string()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let long: Vec<&str> =
        ran.stdout.lines().filter(|line| textwrap::core::display_width(line) > width).collect();
    assert!(long.is_empty(), "{} lines over {width} columns, first {}", long.len(), long[0]);
    let listed = run(&["list"]).stdout;
    let (cases, _) = listed.trim_end().rsplit_once('\n').expect("cases and their number");
    let files = ran.stdout.lines().filter(|line| line.starts_with("  file  ")).count();
    assert_eq!(files, cases.lines().count(), "each case has a line for its file");
}

#[rstest]
#[case("bash")]
#[case("zsh")]
#[case("fish")]
#[case("powershell")]
#[case("elvish")]
fn completions_know_the_commands(#[case] shell: &str) {
    let ran = run(&["completions", shell]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for word in ["iaspec", "run", "explain", "fail-fast"] {
        contains(&ran.stdout, word);
    }
}

#[test]
fn cases_are_counted_by_clause_and_by_group() {
    let filter = "codec/strings/empty,codec/frames_v1/to-otter";
    let by_clause = run(&["list", "--by", "clause", "--filter", filter]);
    let lines: Vec<&str> = by_clause.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{by_clause:?}");
    assert!(lines[0].starts_with("FRM-1        1  "), "{by_clause:?}");
    assert!(lines[1].starts_with("DAT-2        1  "), "{by_clause:?}");
    assert!(lines[2].starts_with("CMP-5        1  "), "{by_clause:?}");
    assert_eq!(lines[3], "2 cases; one that cites several counts for each of them");
    let by_group =
        run(&["list", "--by", "group", "--clause", "FRM", "--filter", "codec/frames_v1/two-bytes"]);
    // It cites FRM-1 and FRM-4, and is one case of the group all the same.
    let expected = "FRM          1\n1 case; one that cites several counts for each of them\n";
    assert_eq!(by_group.stdout, expected);
}

#[rstest]
#[case(&[])]
#[case(&["run"])]
#[case(&["list"])]
#[case(&["show"])]
#[case(&["explain"])]
#[case(&["vectors"])]
#[case(&["vectors", "check"])]
#[case(&["vectors", "schema"])]
#[case(&["vectors", "export"])]
#[case(&["completions"])]
#[case(&["codec"])]
#[case(&["agent"])]
fn every_help_has_an_example(#[case] command: &[&str]) {
    let ran = run(&[command, &["--help"]].concat());
    let (_, examples) = ran.stdout.split_once("\nExample").expect("examples");
    contains(examples, "iaspec");
}
