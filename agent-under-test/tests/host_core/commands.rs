//! What each command does when all is well, and what is answered when not.

use std::time::Duration;

use iaspec_reference::host::core::{Host, Outcome, Task};
use rstest::rstest;

use crate::support::{START, answer, bytes, sent};

#[rstest]
#[case::echo("06000000 65000000 07000000 cafe", "07000000 65000000 07000000 00 cafe")]
#[case::echo_of_nothing("04000000 65000000 ffffffff", "05000000 65000000 ffffffff 00")]
#[case::burst(
    "0c000000 67000000 01000000 02000000 03000000",
    "0c000000 67000000 01000000 00 00000000 000102  0c000000 67000000 01000000 00 01000000 010203"
)]
#[case::burst_of_nothing("0c000000 67000000 01000000 00000000 03000000", "")]
#[case::burst_of_empty_messages(
    "0c000000 67000000 01000000 02000000 00000000",
    "09000000 67000000 01000000 00 00000000  09000000 67000000 01000000 00 01000000"
)]
#[case::throw(
    "07000000 68000000 09000000 026e6f",
    "17000000 68000000 09000000 01 0e50726f6265457863657074696f6e 026e6f"
)]
// CRC-32 of "123456789" is cbf43926.
#[case::sink_and_total(
    "08000000 6d000000 01000000 31323334  09000000 6d000000 02000000 3536373839  04000000 6e000000 03000000",
    "19000000 6e000000 03000000 00 0200000000000000 0900000000000000 2639f4cb"
)]
#[case::total_starts_anew(
    "04000000 6d000000 01000000  04000000 6e000000 02000000  04000000 6e000000 03000000",
    "19000000 6e000000 02000000 00 0100000000000000 0000000000000000 00000000
     19000000 6e000000 03000000 00 0000000000000000 0000000000000000 00000000"
)]
#[case::delayed_by_nothing("09000000 66000000 01000000 00000000 aa", "06000000 66000000 01000000 00 aa")]
#[case::later_by_nothing(
    "09000000 71000000 01000000 00000000 aa",
    "05000000 71000000 01000000 00  01000000 c8000000 aa"
)]
#[case::bytes_behind_the_fields_are_ignored(
    "06000000 6e000000 03000000 ffff",
    "19000000 6e000000 03000000 00 0000000000000000 0000000000000000 00000000"
)]
fn requests_and_their_answers(#[case] request: &str, #[case] expected: &str) {
    assert_eq!(hex::encode(answer(request)), hex::encode(bytes(expected)));
}

/// The answer's command, token and type; its message says more.
fn exception(answer: &[u8]) -> (i32, i32, u8, String) {
    let int32 = |at: usize| i32::from_le_bytes(answer[at..at + 4].try_into().unwrap());
    assert_eq!(int32(0), i32::try_from(answer.len()).unwrap() - 8, "one message");
    let length = usize::from(answer[13]);
    (int32(4), int32(8), answer[12], String::from_utf8(answer[14..14 + length].to_vec()).unwrap())
}

#[rstest]
#[case::unknown("06000000 63000000 07000000 aabb", 99, 7, "UnknownCommand")]
#[case::unknown_behind_the_last("04000000 72000000 07000000", 114, 7, "UnknownCommand")]
#[case::unknown_and_negative("04000000 ffffffff 07000000", -1, 7, "UnknownCommand")]
#[case::the_unsolicited_one("04000000 c8000000 07000000", 200, 7, "UnknownCommand")]
#[case::unknown_without_token("00000000 63000000", 99, 0, "UnknownCommand")]
#[case::echo_without_token("00000000 65000000", 101, 0, "Malformed")]
#[case::half_a_token("02000000 65000000 0700", 101, 0, "Malformed")]
#[case::sink_without_token("03000000 6d000000 070000", 109, 0, "Malformed")]
#[case::delay_without_time("06000000 66000000 07000000 0100", 102, 7, "Malformed")]
#[case::delay_before_now("08000000 66000000 07000000 ffffffff", 102, 7, "Malformed")]
#[case::burst_without_size("08000000 67000000 07000000 01000000", 103, 7, "Malformed")]
#[case::burst_of_fewer_than_none("0c000000 67000000 07000000 ffffffff 01000000", 103, 7, "Malformed")]
#[case::burst_above_every_length("0c000000 67000000 07000000 01000000 f7ffff7f", 103, 7, "Malformed")]
#[case::throw_cut_short("06000000 68000000 07000000 0261", 104, 7, "Malformed")]
#[case::throw_no_utf_8("06000000 68000000 07000000 01ff", 104, 7, "Malformed")]
#[case::exit_without_code("04000000 6a000000 07000000", 106, 7, "Malformed")]
#[case::abort_without_token("00000000 6b000000", 107, 0, "Malformed")]
#[case::stall_without_time("04000000 6c000000 07000000", 108, 7, "Malformed")]
#[case::open_without_path("04000000 6f000000 07000000", 111, 7, "Malformed")]
#[case::launch_without_time("07000000 70000000 07000000 010203", 112, 7, "Malformed")]
#[case::later_without_time("04000000 71000000 07000000", 113, 7, "Malformed")]
fn what_cannot_be_served_is_told(
    #[case] request: &str,
    #[case] command: i32,
    #[case] token: i32,
    #[case] kind: &str,
) {
    let mut host = Host::new();
    host.handle_input(&bytes(request), START);
    assert_eq!(exception(&sent(&mut host)), (command, token, 1, kind.to_owned()));
    assert_eq!(host.take_task(), None);
    host.handle_input(&bytes("05000000 65000000 01000000 61"), START);
    assert_eq!(sent(&mut host), bytes("06000000 65000000 01000000 00 61"), "it lives on");
}

#[rstest]
#[case::report("04000000 69000000 07000000", Task::Report)]
#[case::open("09000000 6f000000 07000000 042f612f62", Task::OpenFile("/a/b".to_owned()))]
#[case::launch("08000000 70000000 07000000 3c000000", Task::Launch(Duration::from_secs(60)))]
#[case::exit("08000000 6a000000 07000000 2a000000", Task::Exit(42))]
#[case::abort("04000000 6b000000 07000000", Task::Abort)]
fn what_the_world_has_to_do_holds_up_the_requests_behind_it(#[case] request: &str, #[case] task: Task) {
    let mut host = Host::new();
    let echo = "05000000 65000000 01000000 61";
    host.handle_input(&bytes(&format!("{echo} {request} {echo}")), START);
    assert_eq!(sent(&mut host), bytes("06000000 65000000 01000000 00 61"), "the first echo alone");
    assert!(!host.is_reading());
    assert_eq!(host.take_task(), Some(task));
    assert_eq!((host.take_task(), host.is_reading()), (None, false));
}

#[rstest]
#[case::report(
    "04000000 69000000 07000000",
    Ok(Outcome::Report("{}".to_owned())),
    "08000000 69000000 07000000 00 027b7d"
)]
#[case::open("05000000 6f000000 07000000 00", Ok(Outcome::Done), "05000000 6f000000 07000000 00")]
#[case::launch(
    "08000000 70000000 07000000 01000000",
    Ok(Outcome::Child(0x0102)),
    "09000000 70000000 07000000 00 02010000"
)]
#[case::failure(
    "05000000 6f000000 07000000 00",
    Err("no".to_owned()),
    "14000000 6f000000 07000000 01 0b494f457863657074696f6e 026e6f"
)]
fn outcomes_are_answered_and_requests_go_on(
    #[case] request: &str,
    #[case] outcome: Result<Outcome, String>,
    #[case] expected: &str,
) {
    let mut host = Host::new();
    host.handle_input(&bytes(&format!("{request} 04000000 65000000 08000000")), START);
    assert!(host.take_task().is_some());
    host.handle_outcome(outcome, START);
    let expected = format!("{expected} 05000000 65000000 08000000 00");
    assert_eq!(hex::encode(sent(&mut host)), hex::encode(bytes(&expected)));
    assert!(host.is_reading());
}
