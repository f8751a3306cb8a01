//! Folders of vectors that cannot be read. What can be wrong in a vector has snapshots beside the check of vectors;
//! here it is how the commands tell it.

use crate::desk::Desk;
use crate::support::root;

/// Every command that reads vectors.
const COMMANDS: [&str; 6] =
    ["vectors check", "vectors export", "list", "run", "show 'codec/**'", "explain DAT-2"];

/// A codec case of a type that is misspelt, and one that cites no clause there is.
const CASES: &str = r#"format: 1
codec:
  - {id: one, clauses: [DAT-2], type: strin, value: x, bytes: "0178"}
  - {id: two, clauses: [DTA-2], type: string, value: x, bytes: "0178"}
"#;

#[test]
fn folders_that_are_none() {
    let mut desk = Desk::new();
    desk.file("file", "").file("empty/.keep", "").file("latin-1/codec/x.yaml", [b'f', 0xe9]);
    for command in COMMANDS {
        desk.types(&format!("{command} --vectors none"));
    }
    desk.types("vectors check --vectors file")
        .types("vectors check --vectors empty")
        .types("vectors check --vectors latin-1")
        .types("vectors check none")
        .types_under(("IASPEC_VECTORS", "none"), "vectors check");
    desk.assert("folders_that_are_none");
}

#[test]
fn vectors_with_mistakes() {
    let mut desk = Desk::new();
    for file in ["clauses.yaml", "formats/1000.yaml", "formats/2000.yaml"] {
        let text = std::fs::read_to_string(root().join("vectors").join(file)).expect("a file of the vectors");
        desk.file(&format!("mistaken/{file}"), text);
    }
    desk.file("mistaken/codec/x.yaml", CASES);
    for command in COMMANDS {
        desk.types(&format!("{command} --vectors mistaken"));
    }
    desk.assert("vectors_with_mistakes");
}
