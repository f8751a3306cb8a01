//! A relay between two sockets that lets a [`Meddler`] have its way with whatever passes.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

/// Bytes read at once.
const READ_SIZE: usize = 64 << 10;

/// While so many bytes wait for one side, nothing is read from the other.
const LIMIT: usize = 256 << 10;

/// How long a side that was told the end may take to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// What stands between a client and an agent. It is told what comes and puts what goes on into the [`Wire`].
pub(super) trait Meddler: Send {
    /// The connection is there.
    fn begin(&mut self, _wire: &mut Wire) {}

    /// The client sent this.
    fn take_from_client(&mut self, bytes: &[u8], wire: &mut Wire);

    /// The agent sent this.
    fn take_from_agent(&mut self, bytes: &[u8], wire: &mut Wire);

    /// The client sends nothing more.
    fn client_ended(&mut self, wire: &mut Wire) {
        wire.finish_agent = true;
    }

    /// The client has broken the connection off.
    fn client_broke(&mut self) {}

    /// The agent sends nothing more.
    fn agent_ended(&mut self, wire: &mut Wire) {
        wire.finish_client = true;
    }

    /// When to call [`handle_time`](Self::handle_time), counted from the begin.
    fn deadline(&self) -> Option<Duration> {
        None
    }

    /// It is that late.
    fn handle_time(&mut self, _now: Duration, _wire: &mut Wire) {}
}

/// What waits to be sent, and how the connection is to go on.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// Bytes for the client.
    pub(super) to_client: BytesMut,
    /// Bytes for the agent.
    pub(super) to_agent: BytesMut,
    /// Tell the client the end behind them.
    pub(super) finish_client: bool,
    /// Tell the agent the end behind them.
    pub(super) finish_agent: bool,
    /// End both sides: at once, or once the client has got what waits for it.
    pub(super) cut: Option<Cut>,
    /// Read without limit, whether or not the other side takes it.
    pub(super) unlimited: bool,
    /// What a write does not take of the bytes for one side is lost.
    pub(super) loses_rest: bool,
    /// While something waits for one of the two, nothing is read from that one.
    pub(super) one_way: bool,
    /// The socket of the client is never closed, though its end is told.
    pub(super) stays_open: bool,
    /// The client is gone, and the agent is not told.
    pub(super) orphaned: bool,
    /// The time since the begin.
    pub(super) now: Duration,
}

/// How a connection is ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cut {
    /// By FIN, behind what waits for the client.
    Close,
    /// By RST.
    Reset,
}

/// Passes bytes on between the two until both have ended or the meddler ends it.
pub(super) async fn relay(client: TcpStream, agent: TcpStream, meddler: &mut dyn Meddler) {
    let mut relay = Relay {
        client,
        agent,
        wire: Wire::default(),
        began: Instant::now(),
        client_ended: false,
        agent_ended: None,
        client_finished: false,
        agent_finished: false,
    };
    meddler.begin(&mut relay.wire);
    // However it goes, the connection is over.
    let _ = relay.run(meddler).await;
    if relay.wire.stays_open {
        std::mem::forget(relay.client);
    }
}

struct Relay {
    client: TcpStream,
    agent: TcpStream,
    wire: Wire,
    began: Instant,
    client_ended: bool,
    agent_ended: Option<Instant>,
    client_finished: bool,
    agent_finished: bool,
}

impl Relay {
    async fn run(&mut self, meddler: &mut dyn Meddler) -> io::Result<()> {
        let mut buffer = vec![0; READ_SIZE];
        loop {
            self.finish().await;
            if self.is_over() {
                return self.leave().await;
            }
            self.wire.now = self.began.elapsed();
            let deadline = meddler.deadline().map(|deadline| self.began + deadline);
            let farewell = self.agent_ended.filter(|_| self.client_finished).map(|ended| ended + FAREWELL);
            let (take_client, take_agent) = (self.takes_from_client(), self.takes_from_agent());
            tokio::select! {
                ready = self.client.readable(), if take_client => {
                    ready?;
                    self.read_client(&mut buffer, meddler)?;
                }
                ready = self.agent.readable(), if take_agent => {
                    ready?;
                    self.read_agent(&mut buffer, meddler)?;
                }
                ready = self.client.writable(), if !self.wire.orphaned && !self.wire.to_client.is_empty() => {
                    ready?;
                    write(&self.client, &mut self.wire.to_client, self.wire.loses_rest)?;
                }
                ready = self.agent.writable(), if !self.wire.to_agent.is_empty() => {
                    ready?;
                    // An agent that takes nothing more may still have something to say.
                    if write(&self.agent, &mut self.wire.to_agent, self.wire.loses_rest).is_err() {
                        self.wire.to_agent.clear();
                    }
                }
                () = at(deadline) => {
                    self.wire.now = self.began.elapsed();
                    meddler.handle_time(self.wire.now, &mut self.wire);
                }
                () = at(farewell) => return Ok(()),
            }
        }
    }

    fn takes_from_client(&self) -> bool {
        let waits = self.wire.one_way && !self.wire.to_client.is_empty();
        !self.client_ended && !waits && (self.wire.unlimited || self.wire.to_agent.len() < LIMIT)
    }

    fn takes_from_agent(&self) -> bool {
        let waits = self.wire.one_way && !self.wire.to_agent.is_empty();
        self.agent_ended.is_none() && !waits && (self.wire.unlimited || self.wire.to_client.len() < LIMIT)
    }

    fn read_client(&mut self, buffer: &mut [u8], meddler: &mut dyn Meddler) -> io::Result<()> {
        match self.client.try_read(buffer) {
            Ok(0) => {
                self.client_ended = true;
                meddler.client_ended(&mut self.wire);
            }
            Ok(count) => meddler.take_from_client(&buffer[..count], &mut self.wire),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                meddler.client_broke();
                // What happens to one side happens to the other.
                let _ = self.agent.set_zero_linger();
                return Err(error);
            }
        }
        Ok(())
    }

    fn read_agent(&mut self, buffer: &mut [u8], meddler: &mut dyn Meddler) -> io::Result<()> {
        match self.agent.try_read(buffer) {
            Ok(0) => {
                self.agent_ended = Some(Instant::now());
                meddler.agent_ended(&mut self.wire);
            }
            Ok(count) => meddler.take_from_agent(&buffer[..count], &mut self.wire),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                let _ = self.client.set_zero_linger();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Tells the ends that are to be told and have nothing in front of them any more.
    async fn finish(&mut self) {
        if self.wire.finish_client && !self.client_finished && self.wire.to_client.is_empty() {
            self.client_finished = true;
            // Who is gone already need not be told.
            let _ = self.client.shutdown().await;
        }
        if self.wire.finish_agent && !self.agent_finished && self.wire.to_agent.is_empty() {
            self.agent_finished = true;
            let _ = self.agent.shutdown().await;
        }
    }

    fn is_over(&self) -> bool {
        match self.wire.cut {
            Some(Cut::Reset) => true,
            Some(Cut::Close) => self.wire.to_client.is_empty(),
            None if self.wire.orphaned => self.agent_ended.is_some(),
            None => {
                self.client_ended && self.client_finished && self.agent_finished && self.agent_ended.is_some()
            }
        }
    }

    async fn leave(&mut self) -> io::Result<()> {
        match self.wire.cut {
            Some(Cut::Reset) => self.client.set_zero_linger(),
            // Unread bytes would turn a close into a reset.
            Some(Cut::Close) => {
                self.client.shutdown().await?;
                let mut buffer = vec![0; READ_SIZE];
                let drain = async {
                    loop {
                        self.client.readable().await?;
                        match self.client.try_read(&mut buffer) {
                            Ok(0) => return Ok(()),
                            Ok(_) => {}
                            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                            Err(error) => return Err(error),
                        }
                    }
                };
                timeout(FAREWELL, drain).await.unwrap_or(Ok(()))
            }
            None => Ok(()),
        }
    }
}

fn write(socket: &TcpStream, bytes: &mut BytesMut, loses_rest: bool) -> io::Result<()> {
    match socket.try_write(bytes) {
        Ok(_) if loses_rest => bytes.clear(),
        Ok(count) => bytes.advance(count),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
