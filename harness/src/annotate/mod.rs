//! A case laid out for a reader: what happens in it, and every byte with the field that it belongs to.
//!
//! [`codec_case`] and [`conversation`] give an [`Annotated`] case: sentences, and [`Block`]s of [`Row`]s that the formats
//! tell the meaning of. Nothing is cut to a width here and nothing is printed; whoever shows it does that.
//!
//! What only a run knows (a setting, a value bound before, whatever a matcher lets through) has no bytes here: such a row
//! says what fits, and [`Row::at_least`] marks offsets behind a part whose length is open.

mod bytes;
mod codec;
mod conversation;
mod messages;
mod names;
mod operations;
mod words;

pub use codec::codec_case;
pub use conversation::conversation;

/// The most fields of a block that are kept; an update may have thousands of files.
const MOST_ROWS: usize = 64;

/// The most bytes of a row that are kept.
const MOST_BYTES: usize = 64;

/// A case, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotated {
    /// `folder/file/id`, with `:row` where there are rows.
    pub name: String,
    /// What it shows, in one line.
    pub title: String,
    /// What is to be known about it: a word, and what it is.
    pub facts: Vec<(&'static str, String)>,
    /// The clauses that it cites, by ID.
    pub clauses: Vec<String>,
    /// What happens, in order.
    pub entries: Vec<Entry>,
}

/// One thing that happens: a step of a conversation, or a check of a codec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How deep it stands inside others, from 0.
    pub depth: usize,
    /// Its number, such as `3` or `3.2.1` for the first step of the second branch of step 3.
    pub number: String,
    /// Who does something, such as `client a → agent`.
    pub head: String,
    /// What else there is to say, a sentence each.
    pub notes: Vec<String>,
    /// Bytes.
    pub blocks: Vec<Block>,
}

/// Bytes that belong together: a handshake, an acknowledgement, a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What they are.
    pub title: String,
    /// Field by field.
    pub rows: Vec<Row>,
    /// How many fields more there are than `rows` has.
    pub more: usize,
}

impl Block {
    fn new(title: impl Into<String>, mut rows: Vec<Row>) -> Self {
        let more = rows.len().saturating_sub(MOST_ROWS);
        rows.truncate(MOST_ROWS);
        Self { title: title.into(), rows, more }
    }
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it begins in the bytes of the block, or in the plaintext of an encrypted part.
    pub offset: usize,
    /// Whether something of open length stands before it: it begins at the offset or later.
    pub at_least: bool,
    /// Whether it stands in the plaintext of an encrypted part.
    pub decrypted: bool,
    /// Its bytes.
    pub stretch: Stretch,
    /// Its name.
    pub field: String,
    /// What it says.
    pub text: String,
}

impl Row {
    /// The offset behind it, as far as its length is told.
    fn end(&self) -> usize {
        match &self.stretch {
            Stretch::Known { length, .. } | Stretch::Open(Some(length)) => self.offset + length,
            Stretch::Open(None) => self.offset,
        }
    }
}

/// The bytes of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// They are told by the case.
    Known {
        /// The first of them.
        start: Vec<u8>,
        /// How many there are.
        length: usize,
    },
    /// They are known only when the case is run; so many, or any number.
    Open(Option<usize>),
}

impl Stretch {
    /// Known bytes, all at hand.
    fn of(bytes: &[u8]) -> Self {
        Self::Known { start: bytes[..bytes.len().min(MOST_BYTES)].to_vec(), length: bytes.len() }
    }
}
