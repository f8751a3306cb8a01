//! A folder with files, in which command lines are typed, and what came of them as one text.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use tempfile::TempDir;

use crate::support::{Ran, iaspec, root};

/// The vectors that the command lines are about: reading all of them takes a while.
const VECTORS: [&str; 6] = [
    "clauses.yaml",
    "formats/1000.yaml",
    "formats/2000.yaml",
    "codec/guid.yaml",
    "codec/strings.yaml",
    "handshake/acknowledgement.yaml",
];

/// A folder to type command lines in.
pub(crate) struct Desk {
    folder: TempDir,
    vectors: TempDir,
    told: String,
    hidden: Vec<(String, &'static str)>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let (folder, vectors) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
        for file in VECTORS {
            let to = vectors.path().join(file);
            std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
            std::fs::copy(root().join("vectors").join(file), to).expect("copied");
        }
        Self { folder, vectors, told: String::new(), hidden: Vec::new() }
    }

    /// A folder with no vectors but these, by their paths, beside clauses and formats.
    pub(crate) fn with_vectors(files: &[(&str, &str)]) -> Self {
        let desk = Self::new();
        for topic in VECTORS.iter().filter(|file| **file != "clauses.yaml" && !file.starts_with("formats/")) {
            std::fs::remove_file(desk.vectors.path().join(topic)).expect("taken away");
        }
        files.iter().for_each(|(path, text)| desk.vector(path, text));
        desk
    }

    /// Lays out a vector file.
    pub(crate) fn vector(&self, path: &str, text: &str) {
        let path = self.vectors.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    /// Gives a vector file another path.
    pub(crate) fn moves(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.vectors.path().join(from)).expect("a vector file");
        std::fs::remove_file(self.vectors.path().join(from)).expect("taken away");
        self.vector(to, &text);
    }

    /// Replaces a text in the snapshot that is another one each time.
    pub(crate) fn hides(&mut self, text: impl Into<String>, by: &'static str) -> &mut Self {
        self.hidden.push((text.into(), by));
        self
    }

    /// Lays a file out.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, content).expect("written");
        self
    }

    /// Lays out a shell script that can be run.
    pub(crate) fn script(&self, name: &str, lines: &str) -> &Self {
        self.file(name, format!("#!/bin/sh\n{lines}\n"));
        let path = self.folder.path().join(name);
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("set");
        self
    }

    /// Shows in the snapshot what a file holds that the next command line reads.
    pub(crate) fn shows(&mut self, text: &str) -> &mut Self {
        self.told.extend(text.lines().map(|line| format!("| {line}\n")));
        self
    }

    /// Types a command line; words are separated by blanks, quoted as a shell has it by `'`.
    pub(crate) fn types(&mut self, line: &str) -> &mut Self {
        self.types_with(line, &[], "")
    }

    /// The same, with an environment variable before it.
    pub(crate) fn types_under(&mut self, (name, value): (&str, &str), line: &str) -> &mut Self {
        self.types_with(line, &[(name, value)], "")
    }

    /// The same, with something on standard input.
    pub(crate) fn types_into(&mut self, line: &str, input: &str) -> &mut Self {
        self.types_with(line, &[], input)
    }

    /// Shows what a file holds that a command line may have written.
    pub(crate) fn tells(&mut self, name: &str) -> &mut Self {
        match self.reads(name) {
            Some(text) => self.shows(&text),
            None => self.shows(&format!("(there is no {name})")),
        };
        self.told.push('\n');
        self
    }

    /// What a file holds, if it is there.
    pub(crate) fn reads(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join(name)).ok()
    }

    /// Runs a command line that the snapshot does not show.
    pub(crate) fn runs(&self, line: &str) -> Ran {
        self.run(line, &[], "")
    }

    fn types_with(&mut self, line: &str, environment: &[(&str, &str)], input: &str) -> &mut Self {
        let ran = self.run(line, environment, input);
        self.note(line, environment, input, &ran);
        self
    }

    fn run(&self, line: &str, environment: &[(&str, &str)], input: &str) -> Ran {
        let mut child = iaspec()
            .args(words(line))
            .current_dir(self.folder.path())
            .env("IASPEC_VECTORS", self.vectors.path())
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("iaspec can be started");
        let mut stdin = child.stdin.take().expect("a pipe");
        // It may end without having read all of it.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let ran = Ran::from(child.wait_with_output().expect("an end"));
        assert_ne!(ran.code, Some(101), "iaspec {line} panicked: {}", ran.stderr);
        ran
    }

    fn note(&mut self, line: &str, environment: &[(&str, &str)], input: &str, ran: &Ran) {
        let variables: String = environment.iter().map(|(name, value)| format!("{name}={value} ")).collect();
        self.told.push_str(&format!("$ {variables}iaspec {line}\n"));
        for line in input.lines() {
            self.told.push_str(&format!("< {line}\n"));
        }
        self.told.push_str(&ran.stdout);
        self.told
            .extend(ran.stderr.lines().filter(|line| !is_progress(line)).map(|line| format!("{line}\n")));
        self.told.push_str(&format!(
            "[{}]\n\n",
            ran.code.map_or("no exit code".to_owned(), |code| code.to_string())
        ));
    }

    /// Compares all that was told so far with a snapshot.
    pub(crate) fn assert(&self, name: &str) {
        let folder = self.folder.path().canonicalize().expect("a path");
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.add_filter(&escaped(folder.to_str().expect("UTF-8")), "{folder}");
        settings.add_filter(&escaped(self.folder.path().to_str().expect("UTF-8")), "{folder}");
        settings.add_filter(&escaped(self.vectors.path().to_str().expect("UTF-8")), "{vectors}");
        settings.add_filter(&escaped(env!("CARGO_BIN_EXE_iaspec")), "iaspec");
        settings.add_filter(&format!(r"\biaspec {}", escaped(env!("CARGO_PKG_VERSION"))), "iaspec {version}");
        settings.add_filter(r"vectors [0-9a-f]{8} ", "vectors {digest} ");
        settings.add_filter(r"vectors <code>[0-9a-f]{8}<", "vectors <code>{digest}<");
        settings.add_filter(r"cannot be resolved: .*", "cannot be resolved: {reason of the system}");
        settings.add_filter(r"\bon port \d{4,5}\b", "on port {port}");
        for (text, by) in &self.hidden {
            settings.add_filter(&escaped(text), *by);
        }
        settings.bind(|| insta::assert_snapshot!(name, self.told.trim_end()));
    }
}

/// How far a run has come: how often that is told depends on the time it takes.
fn is_progress(line: &str) -> bool {
    line.contains(" done, ") && line.ends_with(" failed")
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (place, part) in line.split('\'').enumerate() {
        if place % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// A text as a regular expression.
fn escaped(text: &str) -> String {
    let special = |c: char| if c.is_alphanumeric() || c == '/' { String::from(c) } else { format!("\\{c}") };
    text.chars().map(special).collect()
}
