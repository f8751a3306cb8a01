//! How agent and client leave a connection that they end themselves.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// So long and so many bytes may still come without disturbing what was sent before: a socket that is closed
/// with unread bytes discards what its peer has not read yet.
const LAST_INPUT: Duration = Duration::from_secs(1);
const LAST_INPUT_SIZE: u64 = 1 << 20;

/// Says that nothing more will be sent, and gives the peer time to read what was.
pub(crate) async fn part(socket: &mut TcpStream) {
    // However it goes, the connection is over.
    let _ = timeout(LAST_INPUT, end_output_and_drain(socket)).await;
}

async fn end_output_and_drain(socket: &mut TcpStream) -> io::Result<()> {
    socket.shutdown().await?;
    tokio::io::copy(&mut socket.take(LAST_INPUT_SIZE), &mut tokio::io::sink()).await?;
    Ok(())
}
