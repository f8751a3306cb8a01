//! The event stream as lines of JSON, each written out at once: what a killed run leaves can be read.

use std::io::{self, Write};

use iaspec_harness::event::Event;

use crate::Reporter;

/// Writes each event as one line of JSON. The form is documented at [`iaspec_harness::event`].
#[derive(Debug)]
pub struct Ndjson<W> {
    out: W,
}

impl<W: Write> Ndjson<W> {
    /// A report to a writer.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write> Reporter for Ndjson<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.out.write_all(&line)?;
        self.out.flush()
    }
}
