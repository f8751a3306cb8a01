//! The other process of the tests. Not part of the product.
//!
//! - `host PATH RINGS SPIN LIMIT LONGEST SEED` attaches and exchanges streams with its parent; what came of it is its last
//!   line, `received BYTES; OUTCOME`;
//! - `agent FOLDER CAPACITY HOST_RINGS RINGS SPIN LIMIT LONGEST SEED` creates a segment, in memory if the folder is `-`,
//!   starts such a host, prints its process ID once it is attached, and exchanges streams with it.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper"
)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use iaspec_shm::{Attached, Expected, Place, Plan, Segment, Wait, inherit_nothing, parent_pid};

#[path = "../support/mod.rs"]
mod support;

use support::{Exchange, NONCE};

fn main() {
    inherit_nothing().unwrap();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["host", path, rings, ref exchange @ ..] => host(path.as_ref(), rings == "1", exchange),
        ["agent", folder, capacity, host_rings, rings, ref exchange @ ..] => {
            agent(folder, capacity.parse().unwrap(), host_rings, rings == "1", exchange);
        }
        _ => panic!("unknown task {arguments:?}"),
    }
}

fn exchange(arguments: &[&str]) -> Exchange {
    let [spin, limit, longest, seed] = arguments[..] else { panic!("not an exchange: {arguments:?}") };
    Exchange {
        seed: seed.parse().unwrap(),
        limit: limit.parse().unwrap(),
        longest: longest.parse().unwrap(),
        wait: Wait::forever().spin(Duration::from_micros(spin.parse().unwrap())),
    }
}

fn host(path: &Path, rings: bool, arguments: &[&str]) {
    let expected = Expected { nonce: NONCE, agent_pid: parent_pid(), session: 7, agent_type: 2 };
    let attached = match Attached::open(path, &expected, rings) {
        Ok(attached) => attached,
        Err(error) => {
            println!("{error}");
            std::process::exit(3);
        }
    };
    let (sender, receiver) = attached.take_ends().unwrap();
    let exchanged = exchange(arguments).run(sender, receiver);
    let outcome = exchanged.receiving.map_or_else(|error| error.to_string(), |()| "the end".to_owned());
    println!("received {}; {outcome}", exchanged.received);
}

fn agent(folder: &str, capacity: u32, host_rings: &str, rings: bool, arguments: &[&str]) {
    let place = if folder == "-" { Place::Memory } else { Place::Directory(folder.into()) };
    let plan = Plan { place, capacity, session: 7, agent_type: 2, nonce: NONCE, rings };
    let mut segment = Segment::create(&plan).unwrap();
    let mut host = Command::new(std::env::current_exe().unwrap())
        .arg("host")
        .arg(segment.path())
        .arg(host_rings)
        .args(arguments)
        .spawn()
        .unwrap();
    segment.watch_host(host.id()).unwrap();
    segment.wait_attached(&Wait::forever()).unwrap();
    segment.unlink();
    println!("{}", host.id());
    let (sender, receiver) = segment.take_ends().unwrap();
    exchange(arguments).run(sender, receiver);
    host.wait().unwrap();
}
