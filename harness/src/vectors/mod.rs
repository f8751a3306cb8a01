//! The vectors: what is sent to subjects and what is expected of them, as data.
//!
//! [`CorpusFiles`] are the texts, compiled in or from a directory; [`Corpus::load`] reads them into
//! cases; [`check`] looks deeper than reading needs to; [`export`] and [`schema`] serve ports and
//! editors. What a vector file may hold is [`schema::VectorFile`].

pub mod check;
pub mod codec;
mod corpus;
pub mod export;
mod files;
pub mod former;
pub mod schema;
mod side;
pub mod transcript;

pub use codec::CodecCase;
pub use corpus::Corpus;
pub use files::CorpusFiles;
pub use side::Side;
pub use transcript::{Transcript, TranscriptCase};
