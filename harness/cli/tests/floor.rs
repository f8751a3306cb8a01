//! The floor of the reference subjects, which the gate compares each run with.

#![allow(clippy::expect_used, clippy::panic, reason = "in a test, a panic is the verdict")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use iaspec_harness::floor::Floor;
use iaspec_harness::yaml::Source;

/// Files of vectors without cases: without one of them, no vector can be read.
const WITHOUT_CASES: [&str; 3] = ["clauses", "formats/1000", "formats/2000"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files of a folder and of those in it, by their paths without `.yaml`.
fn files(folder: &Path, under: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of vectors") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        if path.is_dir() {
            files(&path, &format!("{under}{stem}/"), found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.insert(format!("{under}{stem}"));
        }
    }
}

#[test]
fn no_file_of_vectors_can_go_without_a_case_of_the_floor() {
    let path = root().join("agent-under-test/floor.yaml");
    let text = std::fs::read_to_string(&path).expect("the floor");
    Floor::parse(&Source::new("floor.yaml", text.clone())).expect("a floor");
    let held: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "))
        .filter_map(|case| case.rsplit_once('/'))
        .map(|(file, _)| file)
        .collect();
    let mut all = BTreeSet::new();
    files(&root().join("vectors"), "", &mut all);
    assert!(all.len() > 50, "{} files", all.len());
    let without: Vec<&String> = all.iter().filter(|file| !held.contains(file.as_str())).collect();
    assert_eq!(without, WITHOUT_CASES);
}
