//! Lines out of chunks, in bounded memory.

use std::io::{self, BufRead, ErrorKind};
use std::str;

use super::MAX_LINE;
use super::usage::Usage;

/// What reading lines comes to.
pub(crate) enum Input<'a> {
    /// A line, without its line feed, or why there is none to go by.
    Line(Result<&'a str, Usage>),
    /// Nothing more lies ready; the next thing is to wait for it.
    Pause,
}

/// Hands over every line of `input` until it ends; a last line without line feed counts. A line above
/// [`MAX_LINE`] is skipped in bounded memory.
///
/// # Errors
///
/// Whatever reading `input`, or `handle`, fails with.
pub(crate) fn each_line(
    mut input: impl BufRead,
    mut handle: impl FnMut(Input<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut pending = LineBuffer::default();
    loop {
        handle(Input::Pause)?;
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            break;
        }
        let mut unread = chunk;
        while let Some((line, after)) = pending.complete(unread) {
            handle(Input::Line(line.text()))?;
            unread = after;
            pending.clear();
        }
        pending.extend(unread);
        let consumed = chunk.len();
        input.consume(consumed);
    }
    match pending.last() {
        Some(line) => handle(Input::Line(line.text())),
        None => Ok(()),
    }
}

/// What a line turned out to be, without its line feed.
#[derive(Debug, Eq, PartialEq)]
enum Line<'a> {
    /// At most [`MAX_LINE`] bytes.
    Bytes(&'a [u8]),
    /// More than that; they are gone.
    Overlong,
}

impl<'a> Line<'a> {
    fn text(self) -> Result<&'a str, Usage> {
        match self {
            Self::Bytes(bytes) => {
                str::from_utf8(bytes).map_err(|_| Usage::new("the line is not valid UTF-8"))
            }
            Self::Overlong => Err(Usage::new(format!("the line is longer than {MAX_LINE} bytes"))),
        }
    }
}

/// The beginning of a line whose end has not come yet.
#[derive(Debug, Default)]
struct LineBuffer {
    begun: Vec<u8>,
    overlong: bool,
}

impl LineBuffer {
    /// The line that ends in `chunk`, and what follows it there; `None` if no line ends in it.
    ///
    /// A line that lies within the chunk is not copied. The next one needs a [`LineBuffer::clear`] before it.
    fn complete<'a, 'chunk: 'a>(&'a mut self, chunk: &'chunk [u8]) -> Option<(Line<'a>, &'chunk [u8])> {
        let end = chunk.iter().position(|&byte| byte == b'\n')?;
        let (tail, after) = chunk.split_at_checked(end)?;
        let after = after.split_first().map_or(after, |(_line_feed, after)| after);
        if self.begun.is_empty() && !self.overlong && tail.len() <= MAX_LINE {
            return Some((Line::Bytes(tail), after));
        }
        self.extend(tail);
        self.last().map(|line| (line, after))
    }

    /// Adds to the line that has begun, or gives it up when it gets too long.
    fn extend(&mut self, part: &[u8]) {
        self.overlong |= part.len() > MAX_LINE.saturating_sub(self.begun.len());
        if self.overlong {
            self.begun.clear();
        } else {
            self.begun.extend_from_slice(part);
        }
    }

    /// What has begun, taken as a line; `None` if nothing has.
    fn last(&self) -> Option<Line<'_>> {
        match (self.overlong, self.begun.is_empty()) {
            (true, _) => Some(Line::Overlong),
            (false, false) => Some(Line::Bytes(&self.begun)),
            (false, true) => None,
        }
    }

    /// Forgets the line, for the next one to begin.
    fn clear(&mut self) {
        self.begun.clear();
        self.overlong = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_put_together_from_chunks() {
        let mut buffer = LineBuffer::default();
        assert_eq!(buffer.complete(b"ab"), None);
        buffer.extend(b"ab");
        buffer.extend(b"c");
        assert_eq!(buffer.complete(b"d\nrest"), Some((Line::Bytes(b"abcd"), &b"rest"[..])));
        buffer.clear();
        assert_eq!(buffer.complete(b"\n"), Some((Line::Bytes(b""), &b""[..])));
        assert_eq!(buffer.last(), None);
    }

    #[test]
    fn a_line_of_the_greatest_length_is_kept_and_one_byte_more_is_not() {
        let mut buffer = LineBuffer::default();
        let longest = vec![b'x'; MAX_LINE];
        buffer.extend(&longest);
        assert_eq!(buffer.last(), Some(Line::Bytes(&longest)));
        assert_eq!(buffer.complete(b"x\ny"), Some((Line::Overlong, &b"y"[..])));
    }

    #[test]
    fn what_comes_after_an_overlong_beginning_takes_no_memory() {
        let mut buffer = LineBuffer::default();
        let part = vec![b'x'; MAX_LINE / 2 + 1];
        for _ in 0..8 {
            buffer.extend(&part);
        }
        assert!(buffer.begun.capacity() <= 2 * MAX_LINE);
        assert_eq!(buffer.complete(b"\n"), Some((Line::Overlong, &b""[..])));
        buffer.clear();
        assert_eq!(buffer.complete(b"z\n"), Some((Line::Bytes(b"z"), &b""[..])));
    }

    #[test]
    fn an_overlong_line_within_one_chunk_is_noticed() {
        let mut buffer = LineBuffer::default();
        let mut chunk = vec![b'x'; MAX_LINE + 1];
        chunk.push(b'\n');
        assert_eq!(buffer.complete(&chunk), Some((Line::Overlong, &b""[..])));
    }
}
