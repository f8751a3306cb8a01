//! SIGINT and SIGTERM: the first asks the run to end and clean up, a second one does not wait for that.

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
            if seen.set(which).is_err() {
                // The subject is killed as the runtime is torn down.
                std::process::exit(128 + i32::from(which.1));
            }
            interrupter.interrupt();
        }
    });
    Ok(caught)
}
