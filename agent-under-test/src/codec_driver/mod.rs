//! The reference codec as a subject: one JSON request a line in, one JSON answer a line out.
//!
//! ```
//! use iaspec_reference::codec_driver::{answer, run};
//!
//! let request = r#"{"id":1,"op":"encode","type":"string","value":"é"}"#;
//! assert_eq!(answer(request), r#"{"id":1,"ok":{"hex":"02c3a9"}}"#);
//!
//! let input = b"{\"id\":2,\"op\":\"decode\",\"type\":\"string\",\"hex\":\"02c3a9ff\"}\n";
//! let mut output = Vec::new();
//! run(&input[..], &mut output)?;
//! assert_eq!(String::from_utf8(output)?, "{\"id\":2,\"ok\":{\"value\":\"é\",\"rest\":1}}\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `encode` takes a `value` and gives its bytes, `decode` takes `hex` and gives the value with the number of
//! bytes left over; the types and their JSON are listed at [`answer`]. What goes wrong is answered as
//! `{"id":…,"error":{"kind":…,"message":…}}`:
//!
//! | kind | when |
//! |---|---|
//! | `malformed` | the bytes are no encoding of the type; `offset` says where the innermost wrong field starts |
//! | `crypto` | an encrypted frame does not decrypt; without offset (AES-6) |
//! | `usage` | no JSON object, no usable `id`, a missing or wrong member, a value that cannot be encoded |
//! | `unsupported` | an `op` or `type` that there is none of |

mod failure;
mod request;
mod shapes;

use std::io::{self, BufRead, BufWriter, Write};

use crate::line_protocol::{self, Input, each_line};
use failure::Failure;

pub use request::answer;

/// The longest line, in bytes without its line feed: 16 MiB, for requests and answers alike.
pub const MAX_LINE: usize = line_protocol::MAX_LINE;

/// Answers every line of `input` until it ends; a last line without line feed counts.
///
/// Answers come in the order of their requests. They are held back while another complete request lies in the
/// buffer of `input`, and flushed before waiting for more, so that pipelining is fast and a lone request is
/// answered at once. A line above [`MAX_LINE`] is skipped in bounded memory and answered as `usage`.
///
/// # Errors
///
/// Whatever reading `input` or writing `output` fails with.
pub fn run(input: impl BufRead, output: impl Write) -> io::Result<()> {
    let mut output = BufWriter::with_capacity(64 * 1024, output);
    each_line(input, |input| match input {
        Input::Pause => output.flush(),
        Input::Line(line) => {
            let answer = line.map_or_else(|usage| Failure::from(usage).answer(None), answer);
            output.write_all(answer.as_bytes())?;
            output.write_all(b"\n")
        }
    })?;
    output.flush()
}
