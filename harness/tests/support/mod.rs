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

/// The data of Update Agent with 300 files, whose names are of a byte each. Each file has four fields: name length, name,
/// modification time, count of contents.
pub(crate) fn update_of_300_files(names: &[u8; 300]) -> Vec<u8> {
    let files = names.iter().flat_map(|name| [&[1, *name][..], &[0; 12]].concat());
    [&[1, 0x2c, 1, 0, 0][..], &files.collect::<Vec<u8>>(), &[0; 4]].concat()
}

/// Clauses and formats as they are, and one file of cases.
pub(crate) fn files_with(path: &str, text: &str) -> CorpusFiles {
    let embedded = CorpusFiles::embedded();
    let keep = ["clauses.yaml", "formats/1000.yaml", "formats/2000.yaml"];
    let kept = keep.map(|path| (path, embedded.get(path).expect("part of the corpus").text.as_str()));
    CorpusFiles::from_texts(kept).with(path, text)
}
