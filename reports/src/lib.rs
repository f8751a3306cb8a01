//! Reports of iaspec runs: events in; text, NDJSON, JSON, JUnit and Markdown out.
//!
//! A [`Reporter`] takes [`Event`]s one after the other, live or from a [`Recording`], and starts nothing.
//!
//! ```
//! use iaspec_harness::event::{Event, Notice};
//! use iaspec_reports::{Ndjson, Reporter};
//!
//! let mut out = Vec::new();
//! let notice = Notice { subject: "demo".into(), warning: false, error: false, message: "hello".into() };
//! Ndjson::new(&mut out).event(&Event::Notice(notice)).unwrap();
//! assert_eq!(out, b"{\"event\":\"notice\",\"subject\":\"demo\",\"warning\":false,\"message\":\"hello\"}\n");
//! ```

mod characters;
mod failure;
mod json;
mod junit;
mod markdown;
mod ndjson;
mod progress;
mod record;
mod recording;
mod text;
mod waivers;

pub use json::results_schema;
pub use ndjson::Ndjson;
pub use progress::Progress;
pub use record::Document;
pub use recording::{Recording, RecordingError};
pub use text::Text;

use std::io;

use iaspec_harness::event::Event;

/// Takes the events of a run.
pub trait Reporter {
    /// Takes the next event.
    ///
    /// # Errors
    ///
    /// When the report cannot be written.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// Tells that no event will follow. Where `run_finished` was not among them, the report is completed with
    /// what there is and says that it is incomplete; otherwise nothing happens.
    ///
    /// # Errors
    ///
    /// When the report cannot be written.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
