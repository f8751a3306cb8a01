//! TLS around the messages of a connection (TLS-1), as a machine like the connection itself.

use std::io::{BufRead, Write};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};

use super::buffers::Outbox;
use super::end::End;

/// The agent's side of TLS with a client. What it has to send goes to an outbox at once.
#[derive(Debug)]
pub(super) struct TlsSession(ServerConnection);

impl TlsSession {
    /// A session that waits for the client to begin.
    pub(super) fn new(config: &Arc<ServerConfig>) -> Result<Self, End> {
        let mut connection = ServerConnection::new(Arc::clone(config)).map_err(failure)?;
        // Nothing stays in its buffers: the outbox is what is bounded.
        connection.set_buffer_limit(None);
        Ok(Self(connection))
    }

    /// Whether the two have not agreed yet.
    pub(super) fn is_negotiating(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Takes bytes from the client, and hands over in pieces what they say. Tells whether the client has said
    /// that it sends nothing more (close_notify).
    pub(super) fn receive(
        &mut self,
        mut input: &[u8],
        outbox: &mut Outbox,
        mut hand_over: impl FnMut(&[u8]),
    ) -> Result<bool, End> {
        while !input.is_empty() {
            self.0.read_tls(&mut input).map_err(failure)?;
            let processed = self.0.process_new_packets();
            // Also when something is wrong: an alert says so.
            self.flush(outbox);
            let state = processed.map_err(failure)?;
            let mut reader = self.0.reader();
            while let Ok(piece @ [_, ..]) = reader.fill_buf() {
                hand_over(piece);
                let length = piece.len();
                reader.consume(length);
            }
            if state.peer_has_closed() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sends bytes inside TLS.
    pub(super) fn send(&mut self, bytes: &[u8], outbox: &mut Outbox) -> Result<(), End> {
        self.0.writer().write_all(bytes).map_err(failure)?;
        self.flush(outbox);
        Ok(())
    }

    /// Says that nothing more will be sent (close_notify), unless an alert or this has been sent before.
    pub(super) fn close(&mut self, outbox: &mut Outbox) {
        self.0.send_close_notify();
        self.flush(outbox);
    }

    /// An outbox takes everything, so that no write fails.
    fn flush(&mut self, outbox: &mut Outbox) {
        while self.0.wants_write() && self.0.write_tls(outbox.tail()).is_ok() {}
    }
}

fn failure(error: impl std::error::Error) -> End {
    End::Tls(error.to_string())
}
