//! What the tests of the harness share.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::expect_used, reason = "in a test, a panic is the verdict")]

pub(crate) mod agents;
pub(crate) mod clients;
pub(crate) mod hosts;

use std::sync::LazyLock;

use iaspec_harness::format::Formats;
use iaspec_harness::vectors::CorpusFiles;

/// The formats of this release.
pub(crate) static FORMATS: LazyLock<Formats> =
    LazyLock::new(|| Formats::read(&CorpusFiles::embedded()).expect("formats"));

/// Bytes in the notation of the vectors.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    iaspec_harness::hex_text::parse(hex).expect("hex")
}

/// Clauses and formats as they are, and one file of cases.
pub(crate) fn files_with(path: &str, text: &str) -> CorpusFiles {
    let embedded = CorpusFiles::embedded();
    let keep = ["clauses.yaml", "formats/1000.yaml", "formats/2000.yaml"];
    let kept = keep.map(|path| (path, embedded.get(path).expect("part of the corpus").text.as_str()));
    CorpusFiles::from_texts(kept).with(path, text)
}
