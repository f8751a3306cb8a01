//! Lines out of chunks, in bounded memory.

use super::MAX_LINE;

/// What a line turned out to be, without its line feed.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Line<'a> {
    /// At most [`MAX_LINE`] bytes.
    Bytes(&'a [u8]),
    /// More than that; they are gone.
    Overlong,
}

/// The beginning of a line whose end has not come yet.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    begun: Vec<u8>,
    overlong: bool,
}

impl LineBuffer {
    /// The line that ends in `chunk`, and what follows it there; `None` if no line ends in it.
    ///
    /// A line that lies within the chunk is not copied. The next one needs a [`LineBuffer::clear`] before it.
    pub(super) fn complete<'a, 'chunk: 'a>(
        &'a mut self,
        chunk: &'chunk [u8],
    ) -> Option<(Line<'a>, &'chunk [u8])> {
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
    pub(super) fn extend(&mut self, part: &[u8]) {
        self.overlong |= part.len() > MAX_LINE.saturating_sub(self.begun.len());
        if self.overlong {
            self.begun.clear();
        } else {
            self.begun.extend_from_slice(part);
        }
    }

    /// What has begun, taken as a line; `None` if nothing has.
    pub(super) fn last(&self) -> Option<Line<'_>> {
        match (self.overlong, self.begun.is_empty()) {
            (true, _) => Some(Line::Overlong),
            (false, false) => Some(Line::Bytes(&self.begun)),
            (false, true) => None,
        }
    }

    /// Forgets the line, for the next one to begin.
    pub(super) fn clear(&mut self) {
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
