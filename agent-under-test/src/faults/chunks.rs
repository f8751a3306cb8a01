//! What goes wrong where bytes or text are handled piece by piece, and where time is that of a place.

/// Bytes of a piece of long contents.
const PIECE: usize = 64 << 10;

/// Characters of UTF-16 that are encoded at a time.
const UNITS: usize = 64;

/// Bytes of text that are decoded at a time.
const BYTES: usize = 4096;

/// Has the first two pieces of long contents change places.
pub(super) fn swap(bytes: &mut [u8]) {
    if bytes.len() >= 2 * PIECE {
        let (first, second) = bytes.split_at_mut(PIECE);
        first.swap_with_slice(&mut second[..PIECE]);
    } else if bytes.len() > PIECE {
        bytes.rotate_left(PIECE);
    }
}

/// Has the first piece of long contents stand where the second belongs, too.
pub(super) fn double(bytes: &mut [u8]) {
    if bytes.len() > PIECE {
        let second = PIECE.min(bytes.len() - PIECE);
        bytes.copy_within(..second, PIECE);
    }
}

/// Leaves the second piece of long contents out.
pub(super) fn lose(bytes: &mut Vec<u8>) {
    if bytes.len() > PIECE {
        bytes.drain(PIECE..bytes.len().min(2 * PIECE));
    }
}

/// A text as it comes out where so many characters of UTF-16 are encoded at a time: a pair of surrogates that two pieces
/// share is none.
pub(super) fn encoded_in_pieces(text: &str) -> String {
    let units: Vec<u16> = text.encode_utf16().collect();
    units.chunks(UNITS).map(String::from_utf16_lossy).collect()
}

/// A text as it comes out where bytes are decoded some at a time, the first of them at this place of a message: a character
/// that two pieces share is none.
pub(super) fn decoded_in_pieces(text: &str, place: usize) -> String {
    let first = BYTES - place % BYTES;
    let (head, tail) = text.as_bytes().split_at(first.min(text.len()));
    let pieces = std::iter::once(head).chain(tail.chunks(BYTES));
    pieces.map(String::from_utf8_lossy).collect()
}

/// Ticks by which local time is ahead of UTC, by the environment: `TZ=NAME-HOURS:MINUTES`, west of it counted up.
pub(super) fn local_ticks() -> i64 {
    let zone = std::env::var("TZ").unwrap_or_default();
    let offset = zone.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let (sign, digits) = match offset.strip_prefix('-') {
        Some(east) => (1, east),
        None => (-1, offset.trim_start_matches('+')),
    };
    let mut parts = digits.split(':').map(|part| part.parse::<i64>().unwrap_or(0));
    let minutes = 60 * parts.next().unwrap_or(0) + parts.next().unwrap_or(0);
    sign * minutes * 600_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_change_places_and_are_doubled_or_lost() {
        let whole: Vec<u8> = [1, 2, 3].iter().flat_map(|byte| vec![*byte; PIECE]).collect();
        let firsts = |bytes: &[u8]| bytes.chunks(PIECE).map(|piece| piece[0]).collect::<Vec<u8>>();
        let (mut swapped, mut doubled, mut lost) = (whole.clone(), whole.clone(), whole.clone());
        swap(&mut swapped);
        double(&mut doubled);
        lose(&mut lost);
        assert_eq!(
            (firsts(&swapped), firsts(&doubled), firsts(&lost)),
            (vec![2, 1, 3], vec![1, 1, 3], vec![1, 3])
        );
        let mut short = whole[..PIECE].to_vec();
        swap(&mut short);
        double(&mut short);
        lose(&mut short);
        assert_eq!(short, whole[..PIECE], "one piece stays as it is");
    }

    #[test]
    fn text_suffers_at_the_ends_of_pieces_alone() {
        let (good, bad) = (format!("{}😀", "a".repeat(62)), format!("{}😀", "a".repeat(63)));
        assert_eq!(encoded_in_pieces(&good), good);
        assert_eq!(encoded_in_pieces(&bad), format!("{}\u{fffd}\u{fffd}", "a".repeat(63)));
        assert_eq!(decoded_in_pieces("é", 4094), "é");
        assert_eq!(decoded_in_pieces("é", 4095), "\u{fffd}\u{fffd}");
    }
}
