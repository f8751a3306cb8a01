//! SIGINT and SIGTERM: the first asks the run to end. Further ones change nothing, for the end is bounded in
//! time, and what it does (ending the subject's processes, closing the reports) must not be cut short.

use std::sync::{Arc, OnceLock};

use iaspec_harness::engine::Interrupter;
use tokio::signal::unix::{SignalKind, signal};

/// The signal that came first: its name and number.
pub(crate) type Caught = Arc<OnceLock<(&'static str, u8)>>;

/// Interrupts the run at the first signal; tells afterwards which it was.
pub(crate) fn listen(interrupter: Interrupter) -> std::io::Result<Caught> {
    let caught = Caught::default();
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let seen = Arc::clone(&caught);
    tokio::spawn(async move {
        loop {
            let which = tokio::select! {
                _ = interrupts.recv() => ("SIGINT", 2),
                _ = terminations.recv() => ("SIGTERM", 15),
            };
            let _ = seen.set(which);
            interrupter.interrupt();
        }
    });
    Ok(caught)
}
