//! One JSON request a line in, one JSON answer a line out: what the drivers of codec and client share.

mod answers;
mod json;
mod lines;
mod usage;

pub(crate) use answers::{failure, success, usable_id};
pub(crate) use json::{Decimal, FromJson, Hex, Members, ToJson, bytes_from_hex, parse, text_from_json};
pub(crate) use lines::{Input, each_line};
pub(crate) use usage::{Usage, shortened};

/// The longest line, in bytes without its line feed: 16 MiB, for requests and answers alike.
pub(crate) const MAX_LINE: usize = 16 * 1024 * 1024;
