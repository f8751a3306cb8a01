//! The listening socket: who is accepted, and when.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;

use super::connection::serve_client;
use super::{Agent, StartError};
use crate::agent::core::{Admission, AllowedAddresses};

/// How many clients the operating system lets wait to be accepted.
const BACKLOG: u32 = 4096;

/// The pause after an accept that failed, so that a lack of memory or of open files can pass.
const PAUSE: Duration = Duration::from_millis(50);

/// An open port.
pub(super) struct Listener(TcpListener);

impl Listener {
    /// Opens a port; without an address on all of them, IPv6 included where the system has it.
    pub(super) fn open(address: Option<IpAddr>, port: u16) -> Result<Self, StartError> {
        let open = |address: IpAddr| {
            let address = SocketAddr::new(address, port);
            listen(address).map(Self).map_err(|source| StartError::Listen { address, source })
        };
        match address {
            Some(address) => open(address),
            None => match open(Ipv6Addr::UNSPECIFIED.into()) {
                Err(StartError::Listen { source, .. }) if source.kind() != io::ErrorKind::AddrInUse => {
                    open(Ipv4Addr::UNSPECIFIED.into())
                }
                result => result,
            },
        }
    }

    /// Where clients find it.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Accepts clients for ever, while there is room for their handshakes (HS-17).
    pub(super) async fn serve(&self, agent: &Arc<Agent>, limit: usize, allowed: AllowedAddresses) {
        let gate = Arc::new(Gate { admission: Mutex::new(Admission::new(limit)), freed: Notify::new() });
        let mut failing = false;
        loop {
            gate.room().await;
            match self.0.accept().await {
                Ok((socket, peer)) => {
                    failing = false;
                    if allowed.allow(peer.ip()) {
                        let slot = Slot::new(&gate);
                        tokio::spawn(watched(Arc::clone(agent), socket, peer, slot));
                    } else {
                        agent.log.line(format_args!("{peer}: refused: not among AllowedAddresses"));
                    }
                }
                // The client has already gone.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if !failing {
                        agent.log.line(format_args!("nobody can be accepted for now: {error}"));
                    }
                    failing = true;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections that are still being closed must not keep a new agent from its port.
    socket.set_reuseaddr(true)?;
    // The sockets that are accepted get the next two from here, without a call for each. An answer does not
    // wait for the one before it to be confirmed, and a client that is gone without a word is found out.
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves a client; should the agent have a defect that only shows with this client, says so.
async fn watched(agent: Arc<Agent>, socket: TcpStream, peer: SocketAddr, slot: Slot) {
    let _watch = Watch { agent: Arc::clone(&agent), peer };
    serve_client(&agent, socket, peer, slot).await;
}

/// The runtime ends only the task that panics (CMP-4); this tells whose it was.
struct Watch {
    agent: Arc<Agent>,
    peer: SocketAddr,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if thread::panicking() {
            self.agent.log.line(format_args!("{}: a defect of the agent ended the connection", self.peer));
        }
    }
}

/// Lets as many handshakes in as there are slots.
struct Gate {
    admission: Mutex<Admission>,
    freed: Notify,
}

impl Gate {
    async fn room(&self) {
        while !self.admission.lock().unwrap_or_else(PoisonError::into_inner).has_room() {
            self.freed.notified().await;
        }
    }
}

/// A handshake's place, given back when it is over or its task has ended in any way (HS-15).
pub(super) struct Slot(Arc<Gate>);

impl Slot {
    fn new(gate: &Arc<Gate>) -> Self {
        gate.admission.lock().unwrap_or_else(PoisonError::into_inner).enter();
        Self(Arc::clone(gate))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.admission.lock().unwrap_or_else(PoisonError::into_inner).leave();
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the test reads a log")]
mod tests {
    use super::super::hosts::Hosts;
    use super::*;
    use crate::agent::settings::{Choices, Settings};
    use crate::log::Log;

    #[tokio::test]
    async fn accepted_sockets_do_not_delay_and_find_out_who_is_gone() {
        let listener = Listener::open(Some(Ipv4Addr::LOCALHOST.into()), 0).unwrap();
        let _client = TcpStream::connect(listener.address().unwrap()).await.unwrap();
        let (accepted, _) = listener.0.accept().await.unwrap();
        assert!(accepted.nodelay().unwrap());
        assert!(rustix::net::sockopt::socket_keepalive(&accepted).unwrap());
    }

    /// A defect cannot be had on purpose, so a task with one stands for the service of a client.
    #[tokio::test]
    async fn a_defect_ends_one_task_which_is_logged_and_frees_its_slot() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("agent.log");
        let (log, writer) = Log::open(Some(&file)).unwrap();
        let policy = Settings::new(Choices::default()).unwrap().policy;
        let hosts = Hosts::new(None, folder.path().to_owned(), Duration::ZERO);
        let agent = Arc::new(Agent::new(policy, hosts, folder.path().to_owned(), log));
        let gate = Arc::new(Gate { admission: Mutex::new(Admission::new(1)), freed: Notify::new() });
        let (slot, watched) = (Slot::new(&gate), Arc::clone(&agent));
        let task = tokio::spawn(async move {
            let _watch = Watch { agent: watched, peer: "127.0.0.1:7".parse().unwrap() };
            let _slot = slot;
            panic!("on purpose");
        });
        gate.room().await;
        assert!(task.await.unwrap_err().is_panic());
        drop(agent);
        writer.finish();
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.ends_with("] 127.0.0.1:7: a defect of the agent ended the connection\n"), "{text}");
    }
}
