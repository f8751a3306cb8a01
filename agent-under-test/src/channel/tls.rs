//! TLS around the messages of a connection (TLS-1), as a machine like the connection itself.

use std::io::{BufRead, Write};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;
use thiserror::Error;

use super::buffers::Outbox;

/// What came is not TLS as it has to be, in the words of the TLS library (TLS-3, TLS-4).
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("TLS: {0}")]
pub(crate) struct TlsFailure(pub(crate) String);

impl TlsFailure {
    fn new(error: impl std::error::Error) -> Self {
        Self(error.to_string())
    }
}

/// One side of TLS. What it has to send goes to an outbox at once.
#[derive(Debug)]
pub(crate) struct TlsSession(rustls::Connection);

impl TlsSession {
    /// The agent's side, which waits for the client to begin.
    pub(crate) fn server(config: &Arc<ServerConfig>) -> Result<Self, TlsFailure> {
        Ok(Self::new(ServerConnection::new(Arc::clone(config)).map_err(TlsFailure::new)?))
    }

    /// The client's side, which begins: its first flight goes to the outbox.
    pub(crate) fn client(
        config: &Arc<ClientConfig>,
        name: ServerName<'static>,
        outbox: &mut Outbox,
    ) -> Result<Self, TlsFailure> {
        let connection = ClientConnection::new(Arc::clone(config), name).map_err(TlsFailure::new)?;
        let mut session = Self::new(connection);
        session.flush(outbox);
        Ok(session)
    }

    fn new(connection: impl Into<rustls::Connection>) -> Self {
        let mut connection = connection.into();
        // Nothing stays in its buffers: the outbox is what is bounded.
        connection.set_buffer_limit(None);
        Self(connection)
    }

    /// Whether the two have not agreed yet.
    pub(crate) fn is_negotiating(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Takes bytes from the peer, and hands over in pieces what they say. Tells whether the peer has said that
    /// it sends nothing more (close_notify). What came before something wrong is handed over, too.
    pub(crate) fn receive(
        &mut self,
        mut input: &[u8],
        outbox: &mut Outbox,
        mut hand_over: impl FnMut(&[u8]),
    ) -> Result<bool, TlsFailure> {
        while !input.is_empty() {
            self.0.read_tls(&mut input).map_err(TlsFailure::new)?;
            let processed = self.0.process_new_packets();
            // Also when something is wrong: an alert says so.
            self.flush(outbox);
            let mut reader = self.0.reader();
            while let Ok(piece @ [_, ..]) = reader.fill_buf() {
                hand_over(piece);
                let length = piece.len();
                reader.consume(length);
            }
            if processed.map_err(TlsFailure::new)?.peer_has_closed() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sends bytes inside TLS.
    pub(crate) fn send(&mut self, bytes: &[u8], outbox: &mut Outbox) -> Result<(), TlsFailure> {
        self.0.writer().write_all(bytes).map_err(TlsFailure::new)?;
        self.flush(outbox);
        Ok(())
    }

    /// Says that nothing more will be sent (close_notify), unless an alert or this has been sent before.
    pub(crate) fn close(&mut self, outbox: &mut Outbox) {
        self.0.send_close_notify();
        self.flush(outbox);
    }

    /// An outbox takes everything, so that no write fails.
    fn flush(&mut self, outbox: &mut Outbox) {
        while self.0.wants_write() && self.0.write_tls(outbox.tail()).is_ok() {}
    }
}
