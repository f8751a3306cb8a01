//! Clients and agents of all versions together (CMP-6), and the manifest of the client.

use rstest::rstest;
use serde_json::{Value, json};

use crate::client::{Client, connect};
use crate::process::Agent;
use crate::support::{root, run};

fn range(min: i32, max: i32) -> Value {
    json!({"version": 2, "min": min, "max": max})
}

/// The matrix, row by row: what agents of 1000, of both and of 2000 come to; `None` where they refuse.
#[rstest]
#[case::v1(json!({"version": 1, "session": 0}), [Some(1000), Some(1000), None])]
#[case::v2_up_to_1000(range(1000, 1000), [Some(1000), Some(1000), None])]
#[case::v2(range(1000, 2000), [Some(1000), Some(2000), Some(2000)])]
#[case::v2_alone(range(2000, 2000), [None, Some(2000), Some(2000)])]
#[case::later(range(1000, 3000), [Some(1000), Some(2000), Some(2000)])]
#[case::later_alone(range(3000, 3000), [None, None, None])]
fn versions_meet_where_they_can(#[case] protocol: Value, #[case] expected: [Option<i32>; 3]) {
    let mut client = Client::start();
    for ((versions, expected), conn) in ["1000", "1000,2000", "2000"].into_iter().zip(expected).zip(1..) {
        let agent = Agent::start(&["--versions", versions]);
        let connect = connect(agent.address, &json!({"protocol": protocol}));
        if let Some(speaks) = expected {
            let connected = client.succeeds(&connect);
            assert_eq!((&connected["conn"], &connected["speaks"]), (&json!(conn), &json!(speaks)));
            assert_eq!(client.root_path(conn, "otter"), agent.otter());
        } else {
            assert_eq!(client.fails(&connect), "closed");
        }
    }
}

#[test]
fn the_manifest_is_accepted() {
    let manifest = root().join("agent-under-test/subject-client.yaml");
    let ran = run(&["run", manifest.to_str().unwrap(), "--list"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.lines().count() > 100, "{}", ran.stdout);
    assert!(ran.last_line().ends_with(" cases for reference-client (role client)"), "{}", ran.last_line());
}
