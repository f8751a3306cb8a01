//! The client as a subject: one JSON request a line in, one JSON answer a line out, in any order.
//!
//! | `op` | members | answer |
//! |---|---|---|
//! | `connect` | `host`, `port`, `protocol`; if wanted `aes_key`, `tls`, `require`, `dialect` | `conn`, `encryption`, `speaks`, `session`, `server_version` |
//! | `send` | `target` (v1), `command`, `data` | nothing |
//! | `receive` | | `command`, `data` |
//! | `get_root_path` | `agent_type` | `path` |
//! | `update_agent` | `agent_type`, `assemblies`, `extensions` | nothing |
//! | `open_session` | `agent_type`, `session` | `session` |
//! | `close` | | nothing |
//!
//! All but `connect` carry `conn`, and each may carry `timeout_ms`. Connections are numbered from 1 in the order
//! of their `connect`s, so that operations may be given before one is made; they wait for it.
//!
//! Three kinds of threads work together: one reads lines and hands operations to connections, the runtime's
//! serve each connection in a task of its own, and one writes answers. Memory is bounded: nothing more is read
//! while the lines of operations under way come to [`BUDGET`] bytes.

#![allow(clippy::disallowed_methods, reason = "around the core there are threads, clocks and sockets")]

mod answers;
mod connection;
mod dispatch;
mod request;
mod trust;

use std::io::{self, BufRead, BufWriter, Write};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::runtime::{self, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::SystemVectors;
use crate::client::core::{Trust, TrustSource, VectorSource};
use crate::line_protocol::Members;
use crate::log::Log;
use dispatch::Dispatcher;

/// How many bytes the lines of operations under way may have; a line counts 256 bytes at least.
pub const BUDGET: usize = 64 << 20;

/// How long operations under way may take after the end of input.
const LAST_OPERATIONS: Duration = Duration::from_secs(1);

/// How long the last answers may take to be written.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Answers that may wait to be written; each can have 16 MiB.
const WAITING_ANSWERS: usize = 4;

/// What a client trusts that was told so by a `connect` line.
pub(crate) fn trust_of(line: &str) -> Option<Trust> {
    let members = Members::of_line(line).ok()?;
    let tls = members.optional("tls").ok()??;
    request::connection_trust(&tls, "").ok()?.trust().ok()
}

/// Does what the lines of `input` say until it ends; connections that are open then are closed. Ends within two
/// seconds after that.
///
/// # Errors
///
/// Whatever reading `input` or writing `output` fails with, or if there are no threads to be had.
pub fn run(input: impl BufRead + Send + 'static, output: impl Write + Send + 'static) -> io::Result<()> {
    run_with(input, output, Arc::new(SystemVectors))
}

/// Does the same as [`run`] with a source of vectors of one's own.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn run_with(
    input: impl BufRead + Send + 'static,
    output: impl Write + Send + 'static,
    vectors: Arc<dyn VectorSource>,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let (log, log_writer) = Log::open(None)?;
    let (answers, to_write) = mpsc::channel(WAITING_ANSWERS);
    let (written, writing) = oneshot::channel();
    let (last_written, last_writing) = sync_channel(1);
    thread::Builder::new().name("answers".to_owned()).spawn(move || {
        // Nobody may be left who wants to know.
        let _ = written.send(write_answers(output, to_write));
        let _ = last_written.send(());
    })?;
    let result = converse(&runtime, input, answers, log, writing, vectors);
    runtime.shutdown_background();
    match last_writing.recv_timeout(LAST_ANSWERS) {
        Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
    }
    log_writer.finish();
    result
}

/// Serves until the end of input and of what was under way then, or until nobody takes answers any more.
fn converse(
    runtime: &Runtime,
    input: impl BufRead + Send + 'static,
    answers: mpsc::Sender<String>,
    log: Log,
    writing: oneshot::Receiver<io::Result<()>>,
    vectors: Arc<dyn VectorSource>,
) -> io::Result<()> {
    let (alive, mut last_alive) = mpsc::channel(1);
    let mut dispatcher = Dispatcher::new(runtime.handle().clone(), answers, log, alive, vectors);
    let (was_read, reading) = oneshot::channel();
    thread::Builder::new().name("requests".to_owned()).spawn(move || {
        let result = dispatcher.dispatch(input);
        drop(dispatcher);
        // The conversation may be over for another reason.
        let _ = was_read.send(result);
    })?;
    runtime.block_on(async {
        tokio::select! {
            read = reading => {
                read.map_err(|_| io::Error::other("a defect of the client ended the reading of requests"))??;
                // Connections that take longer are left.
                let _ = timeout(LAST_OPERATIONS, last_alive.recv()).await;
                Ok(())
            }
            written = writing => {
                written.map_err(|_| io::Error::other("a defect of the client ended the writing of answers"))?
            }
        }
    })
}

fn write_answers(output: impl Write, mut answers: mpsc::Receiver<String>) -> io::Result<()> {
    let mut output = BufWriter::with_capacity(64 << 10, output);
    while let Some(answer) = answers.blocking_recv() {
        let mut next = Some(answer);
        while let Some(answer) = next {
            output.write_all(answer.as_bytes())?;
            output.write_all(b"\n")?;
            next = answers.try_recv().ok();
        }
        output.flush()?;
    }
    Ok(())
}
