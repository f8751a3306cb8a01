//! What the tests of the command line share.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The `iaspec` program, deaf to the environment of whoever runs the tests.
pub(crate) fn iaspec() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iaspec"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("IASPEC_")) {
        command.env_remove(name);
    }
    command.env_remove("CLICOLOR_FORCE").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    Ran::from(iaspec().args(arguments).output().expect("iaspec can be started"))
}

/// What a run of the program gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8 output");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    pub(crate) fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }
}

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the project's root")
}

/// A copy of the project's vectors that a test may spoil.
pub(crate) struct Spoiled {
    pub(crate) folder: TempDir,
}

impl Spoiled {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        copy(&root().join("vectors"), folder.path());
        Self { folder }
    }

    pub(crate) fn path(&self) -> &str {
        self.folder.path().to_str().expect("a UTF-8 path")
    }

    /// Replaces a text that occurs exactly once in a file.
    pub(crate) fn replace(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.path().join(file);
        let text = std::fs::read_to_string(&path).expect("a vector file");
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {file}");
        std::fs::write(path, text.replacen(from, to, 1)).expect("written");
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.folder.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copied");
        }
    }
}

/// A manifest in a folder of its own.
pub(crate) struct Written {
    pub(crate) folder: TempDir,
    pub(crate) path: String,
}

/// Writes a manifest of a codec with the given lines behind its name and role.
pub(crate) fn manifest(lines: &str) -> Written {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("subject.yaml");
    std::fs::write(&path, format!("name: tested\nrole: codec\n{lines}\n")).expect("written");
    let path = path.to_str().expect("a UTF-8 path").to_owned();
    Written { folder, path }
}

/// A manifest whose command is the reference codec behind a shell script.
pub(crate) fn shell(script: &str) -> Written {
    let program = env!("CARGO_BIN_EXE_iaspec");
    let script = script.replace("CODEC", &format!("'{program}' codec"));
    let quoted = serde_json::to_string(&script).expect("JSON").replace('{', "{{").replace('}', "}}");
    manifest(&format!("command: [sh, -c, {quoted}]\nsupports: {{encryption: [aes]}}\nstop: {{within: 2s}}"))
}

/// A manifest of the reference codec with a fault of the catalogue.
pub(crate) fn faulty(fault: &str) -> Written {
    manifest(&format!("command: [iaspec, codec, --fault, {fault}]\nsupports: {{encryption: [aes]}}"))
}

/// Whether a program that a test needs is there; where it is not, the test says so and passes, or fails if
/// `IASPEC_REQUIRE_TOOLS=1` demands it.
pub(crate) fn has_tool(name: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert_ne!(
        std::env::var("IASPEC_REQUIRE_TOOLS").as_deref(),
        Ok("1"),
        "{name} is required and not installed"
    );
    println!("skipped: {name} is not installed");
    false
}
