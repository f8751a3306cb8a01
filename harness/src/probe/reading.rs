//! Where the first thing behind an acknowledgement begins, which tells how wide the server version is.
//!
//! The server version stands last in the acknowledgement, as one int32 or as four (HS-9), and nothing says which. So
//! the bytes behind the number of the acknowledgement are read both ways: what was asked for must stand behind 4
//! bytes, or behind 16. A reading **fits** when the bytes hold what was asked for and nothing else, is **open** while
//! more bytes could make it fit, and is **contradicted** otherwise. What has to agree:
//!
//! - in clear, every frame: its data length, its command, and the length prefix of the only string in it (FRM-3,
//!   MTA-3), which is UTF-8 without NUL, as no path of any system holds one. Versions of zeros contradict: a frame
//!   of no data holds no string. So does a version that looks like a header: the response behind it is too much.
//! - with AES, the length of the encrypted part, and what it decrypts to under the known key: that alone is no accident.
//! - with SSL, the record of the ServerHello, or of an alert, which answers the ClientHello. Before it a server sends
//!   nothing.
//!
//! Only paths of a few bytes leave a second reading open in clear, such as `C:\`: see [`Verdict::Tied`].

use super::asking::COMMAND;
use crate::format::{AES_BLOCK, Formats, Padding, Secrets};
use crate::vectors::transcript::entry::ServerVersion;

/// The most data bytes of a response with a path: a path of Windows has 32767 characters at most.
const LARGEST_RESPONSE: usize = 128 << 10;

/// The most bytes of a TLS record's fragment, that of TLS 1.2 encrypted included.
const LARGEST_RECORD: usize = (16 << 10) + 2048;

/// What was asked for, and so must come behind the server version.
#[derive(Clone, Debug)]
pub(super) enum Awaited {
    /// So many responses to Get Agent Root Path, in clear.
    Plain(usize),
    /// One, encrypted with this.
    Aes(Secrets),
    /// The answer to a ClientHello.
    Tls,
}

/// What a response says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    /// The root path.
    pub(super) path: String,
    /// With AES, what stands behind it in the plaintext.
    pub(super) tail: Option<Vec<u8>>,
}

impl Response {
    /// How the plaintext is padded: 1 to 16 bytes that hold their number, or less than 16 zeros (AES-3).
    pub(super) fn padding(&self) -> Option<Padding> {
        let tail = self.tail.as_ref()?;
        let count = u8::try_from(tail.len()).ok()?;
        if (1..=16).contains(&count) && tail.iter().all(|&byte| byte == count) {
            return Some(Padding::Pkcs7);
        }
        (count < 16 && tail.iter().all(|&byte| byte == 0)).then_some(Padding::Zeros)
    }
}

/// What the bytes come to, read in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fit {
    /// What was asked for, and nothing else. TLS tells no response here.
    Whole(Option<Response>),
    /// The beginning of it.
    Open,
    /// Something else.
    Contradicted,
}

/// What the bytes come to, read in both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// One reading holds.
    Found(ServerVersion, Option<Response>),
    /// More bytes have to tell.
    Open,
    /// One reading fits, the other is open: one more question brings bytes that may contradict it.
    Tied(ServerVersion, Option<Response>),
    /// Both fit.
    Both,
    /// Neither fits.
    Neither,
}

/// Reads bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub(super) formats: &'a Formats,
    /// Whether a response may carry any command.
    pub(super) any_command: bool,
}

impl Reader<'_> {
    /// Judges the bytes behind the number of an acknowledgement; `ended` tells that no more will come.
    pub(super) fn judge(self, bytes: &[u8], ended: bool, awaited: &Awaited) -> Verdict {
        let fits = ServerVersion::ALL.map(|form| {
            let fit = bytes.get(form.size()..).map_or(Fit::Open, |rest| self.fit(rest, awaited));
            if ended && fit == Fit::Open { Fit::Contradicted } else { fit }
        });
        let [narrow, wide] = ServerVersion::ALL;
        match (fits, awaited) {
            ([Fit::Whole(response), Fit::Contradicted], _) => Verdict::Found(narrow, response),
            ([Fit::Contradicted, Fit::Whole(response)], _) => Verdict::Found(wide, response),
            // What decrypts to the response is the response.
            ([Fit::Whole(response), Fit::Open], Awaited::Aes(_)) => Verdict::Found(narrow, response),
            ([Fit::Open, Fit::Whole(response)], Awaited::Aes(_)) => Verdict::Found(wide, response),
            ([Fit::Whole(response), Fit::Open], Awaited::Plain(_)) => Verdict::Tied(narrow, response),
            ([Fit::Open, Fit::Whole(response)], Awaited::Plain(_)) => Verdict::Tied(wide, response),
            ([Fit::Whole(_), Fit::Whole(_)], _) => Verdict::Both,
            ([Fit::Contradicted, Fit::Contradicted], _) => Verdict::Neither,
            _ => Verdict::Open,
        }
    }

    /// The response of a stream that holds nothing else; `None` while it is open.
    ///
    /// # Errors
    ///
    /// It holds something else.
    pub(super) fn response(self, bytes: &[u8]) -> Result<Option<Response>, ()> {
        match self.plain(bytes, 1) {
            Fit::Whole(response) => Ok(response),
            Fit::Open => Ok(None),
            Fit::Contradicted => Err(()),
        }
    }

    fn fit(self, rest: &[u8], awaited: &Awaited) -> Fit {
        match awaited {
            Awaited::Plain(responses) => self.plain(rest, *responses),
            Awaited::Aes(secrets) => self.sealed(rest, secrets),
            Awaited::Tls => tls(rest),
        }
    }

    fn plain(self, mut rest: &[u8], responses: usize) -> Fit {
        let mut first = None;
        for _ in 0..responses {
            match self.frame(rest) {
                Fit::Whole(response) => {
                    let data = rest.first_chunk().map_or(0, |length| i32::from_le_bytes(*length));
                    rest = rest.get(8 + usize::try_from(data).unwrap_or(0)..).unwrap_or_default();
                    first = first.or(response);
                }
                other => return other,
            }
        }
        if rest.is_empty() { Fit::Whole(first) } else { Fit::Contradicted }
    }

    /// The frame at the start of some bytes, whatever follows it.
    fn frame(self, bytes: &[u8]) -> Fit {
        let mut length = [0; 4];
        let known = bytes.len().min(4);
        length[..known].copy_from_slice(&bytes[..known]);
        // The bytes of the length that have not come can only make it larger, or negative.
        let least = usize::try_from(i32::from_le_bytes(length)).ok();
        let Some(size) = least.filter(|size| *size <= LARGEST_RESPONSE) else { return Fit::Contradicted };
        if known == 4 && size == 0 {
            return Fit::Contradicted;
        }
        let Some(behind) = bytes.get(4..) else { return Fit::Open };
        let command = &behind[..behind.len().min(4)];
        if !self.any_command && !COMMAND.to_le_bytes().starts_with(command) {
            return Fit::Contradicted;
        }
        let Some(data) = behind.get(4..) else { return Fit::Open };
        let data = &data[..data.len().min(size)];
        match (self.path(data, size, false), data.len() == size) {
            (Fit::Whole(_), false) => Fit::Open,
            (fit, _) => fit,
        }
    }

    /// A path that has `size` bytes with its prefix, of which these have come; `padded` tells that more may follow.
    fn path(self, data: &[u8], size: usize, padded: bool) -> Fit {
        let prefix = match prefix(data) {
            Prefix::Open => return Fit::Open,
            Prefix::TooLong => return Fit::Contradicted,
            Prefix::Whole { size: prefix, text } => prefix + text,
        };
        if if padded { prefix > size } else { prefix != size } || text(data, prefix).contains(&0) {
            return Fit::Contradicted;
        }
        let Some(whole) = data.get(..prefix) else { return Fit::Open };
        let decoded = self.formats.decode("root_path", whole, None);
        match decoded.ok().and_then(|decoded| decoded.value.as_str().map(str::to_owned)) {
            Some(path) => Fit::Whole(Some(Response { path, tail: None })),
            None => Fit::Contradicted,
        }
    }

    fn sealed(self, bytes: &[u8], secrets: &Secrets) -> Fit {
        let Some(length) = bytes.first_chunk().map(|length| i32::from_le_bytes(*length)) else {
            return Fit::Open;
        };
        // A vector, a command, and one byte at least.
        let most = LARGEST_RESPONSE + 2 * AES_BLOCK;
        let size = usize::try_from(length).ok().filter(|size| (2 * AES_BLOCK..=most).contains(size));
        let Some(size) = size.filter(|size| size.is_multiple_of(AES_BLOCK)) else { return Fit::Contradicted };
        match bytes.len().cmp(&(4 + size)) {
            std::cmp::Ordering::Less => Fit::Open,
            std::cmp::Ordering::Greater => Fit::Contradicted,
            std::cmp::Ordering::Equal => self
                .opened(&bytes[4..], secrets)
                .map_or(Fit::Contradicted, |response| Fit::Whole(Some(response))),
        }
    }

    /// The response in an encrypted part, with its padding left on.
    fn opened(self, sealed: &[u8], secrets: &Secrets) -> Option<Response> {
        let raw = Secrets { padding: Padding::Zeros, ..secrets.clone() };
        let (plain, _) = raw.open(sealed).ok()?;
        let (command, data) = plain.get(AES_BLOCK..)?.split_first_chunk::<4>()?;
        if !self.any_command && i32::from_le_bytes(*command) != COMMAND {
            return None;
        }
        let Fit::Whole(Some(response)) = self.path(data, data.len(), true) else { return None };
        let Prefix::Whole { size, text } = prefix(data) else { return None };
        let response = Response { tail: Some(data[size + text..].to_vec()), ..response };
        // Without a command to go by, the padding has to tell that this is a message.
        (!self.any_command || response.padding().is_some()).then_some(response)
    }
}

/// The length prefix of a string (DAT-2).
enum Prefix {
    Open,
    TooLong,
    /// Of so many bytes, for a text of so many.
    Whole {
        size: usize,
        text: usize,
    },
}

fn prefix(data: &[u8]) -> Prefix {
    let mut text = 0_usize;
    for (place, byte) in data.iter().enumerate().take(4) {
        text |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Prefix::Whole { size: place + 1, text };
        }
    }
    // Four groups of seven bits hold more than any path has.
    if data.len() < 4 { Prefix::Open } else { Prefix::TooLong }
}

/// The bytes of a string's text that have come, where the string with its prefix ends at `end`.
fn text(data: &[u8], end: usize) -> &[u8] {
    let Prefix::Whole { size, .. } = prefix(data) else { return &[] };
    data.get(size..end.min(data.len())).unwrap_or_default()
}

/// The beginning of a server's answer to a ClientHello: the record of a ServerHello, up to its version, or an alert.
fn tls(bytes: &[u8]) -> Fit {
    let version = |byte: u8| (1..=4).contains(&byte);
    let record = |rest: &[u8]| match rest {
        [high, low, ..] => (1..=LARGEST_RECORD).contains(&(usize::from(*high) << 8 | usize::from(*low))),
        _ => true,
    };
    let fits = |place: usize, good: &dyn Fn(u8) -> bool| bytes.get(place).is_none_or(|byte| good(*byte));
    let begins =
        fits(1, &|byte| byte == 3) && fits(2, &version) && record(bytes.get(3..).unwrap_or_default());
    let (agrees, size) = match bytes.first() {
        // Handshake: a ServerHello, its 24-bit length, its version.
        Some(0x16) => (
            fits(5, &|byte| byte == 2)
                && fits(6, &|byte| byte == 0)
                && fits(9, &|byte| byte == 3)
                && fits(10, &version),
            11,
        ),
        // Alert: two bytes, the first a level.
        Some(0x15) => (
            fits(3, &|byte| byte == 0)
                && fits(4, &|byte| byte == 2)
                && fits(5, &|byte| (1..=2).contains(&byte)),
            7,
        ),
        Some(_) => (false, 0),
        None => return Fit::Open,
    };
    match (begins && agrees, bytes.len() >= size) {
        (false, _) => Fit::Contradicted,
        (true, true) => Fit::Whole(None),
        (true, false) => Fit::Open,
    }
}

#[cfg(test)]
mod tests;
