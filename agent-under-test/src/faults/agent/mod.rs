//! Agents with one fault each: the correct agent, and in front of it a relay that meddles with what passes.
//!
//! The correct one listens on a port of its own of 127.0.0.1 and may be told other settings than it was given. Clients come
//! to the relay, which makes a connection to the correct agent for each, from the address that the client has.

mod aes_layout;
mod clients;
mod deaths;
mod empty;
mod encryption;
mod endurance;
mod framing;
mod handshake;
mod hostile;
mod lifetimes;
mod meta;
mod order;
mod pieces;
mod products;
mod start;
mod tls;
mod vectors;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::fault::{CORRECT, Fault, Surroundings};
use super::relay::{Meddler, relay};
use super::talk::Talk;
use super::veil::Veil;
use crate::agent::core::RequiredEncryption;
use crate::agent::server::{self, Seams, StartError};
use crate::agent::settings::{Choices, ConfigError, Settings, parse_config, read_config};

/// The pause after accepting has failed, so that a lack of files can pass.
const PAUSE: Duration = Duration::from_millis(20);

/// The fault of a name.
fn find(name: &str) -> Option<&'static Fault> {
    all().find(|fault| fault.name == name)
}

fn all() -> impl Iterator<Item = &'static Fault> {
    [
        start::FAULTS,
        handshake::FAULTS,
        framing::FAULTS,
        encryption::FAULTS,
        aes_layout::FAULTS,
        meta::FAULTS,
        products::FAULTS,
        pieces::FAULTS,
        lifetimes::FAULTS,
        clients::FAULTS,
        deaths::FAULTS,
        order::FAULTS,
        endurance::FAULTS,
        tls::FAULTS,
        vectors::FAULTS,
        hostile::FAULTS,
        empty::AGENTS,
    ]
    .into_iter()
    .flatten()
}

/// The names of all faults that an agent can have, in no order.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|fault| fault.name)
}

/// Reads a configuration file as an agent with this fault does.
///
/// # Errors
///
/// As [`read_config`], for what it takes for wrong.
pub fn read(name: &str, path: &Path) -> Result<Choices, ConfigError> {
    match (find(name).and_then(|fault| fault.config), std::fs::read_to_string(path)) {
        (Some(change), Ok(text)) => parse_config(&path.display().to_string(), &change(&text)),
        _ => read_config(path),
    }
}

/// Changes what an agent with this fault is told to be.
pub fn choose(name: &str, choices: &mut Choices) {
    if let Some(change) = find(name).and_then(|fault| fault.choices) {
        change(choices);
    }
}

/// Runs an agent with a fault until SIGTERM or SIGINT ends it.
///
/// # Errors
///
/// As [`server::run`].
pub fn run(name: &str, settings: Settings) -> Result<(), StartError> {
    let fault = find(name).unwrap_or(&CORRECT);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (tell, told) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let mut behind = settings.clone();
    (behind.address, behind.port) = (Some(Ipv4Addr::LOCALHOST.into()), 0);
    if let Some(change) = fault.settings {
        change(&mut behind);
    }
    if fault.ends_tls.is_some() && matches!(settings.policy.encryption, RequiredEncryption::Ssl(_)) {
        behind.policy.encryption = RequiredEncryption::None;
    }
    let mut seams = Seams::default();
    if let Some(change) = fault.seams {
        change(&mut seams);
    }
    thread::spawn(move || {
        // Whoever waits for it is the rest of this process.
        let _ = end.send(server::run_with(behind, &seams, |address| {
            let _ = tell.send(address);
        }));
    });
    runtime.block_on(async {
        let serving = async {
            // Without an address the agent has not started, which the other branch tells.
            let Ok(agent) = told.await else { return std::future::pending().await };
            serve(fault, settings, agent).await
        };
        tokio::select! {
            result = ended => match fault.runs_on {
                true => std::future::pending().await,
                false => result.unwrap_or(Ok(())),
            },
            Err(error) = serving => Err(error),
        }
    })
}

/// Relays for ever.
async fn serve(fault: &'static Fault, settings: Settings, agent: SocketAddr) -> Result<(), StartError> {
    let address = SocketAddr::new(settings.address.unwrap_or(Ipv4Addr::LOCALHOST.into()), settings.port);
    let around = Arc::new(Surroundings::new(settings));
    if let Some(work) = fault.beside {
        let around = Arc::clone(&around);
        thread::spawn(move || work(&around));
    }
    let places = fault.at_once.map(|most| Arc::new(Semaphore::new(most)));
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(1024)
    };
    let listener: TcpListener = listen().map_err(|source| StartError::Listen { address, source })?;
    loop {
        let Ok((client, peer)) = listener.accept().await else {
            if fault.gives_up_accepting {
                return std::future::pending().await;
            }
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (around, places) = (Arc::clone(&around), places.clone());
        tokio::spawn(async move {
            let place = match places {
                Some(places) => places.acquire_owned().await.ok(),
                None => None,
            };
            let mut meddler = meddler(fault, around, place);
            if let Ok(agent) = connect(agent, peer.ip()).await {
                // Both are told at once what is small.
                let _ = (client.set_nodelay(true), agent.set_nodelay(true));
                relay(client, agent, meddler.as_mut()).await;
            }
        });
    }
}

/// What stands between a client and the correct agent.
fn meddler(
    fault: &'static Fault,
    around: Arc<Surroundings>,
    place: Option<OwnedSemaphorePermit>,
) -> Box<dyn Meddler> {
    let policy = &around.settings.policy;
    let tls = match (&policy.encryption, fault.ends_tls) {
        (RequiredEncryption::Ssl(config), Some(early)) => {
            Some((Arc::clone(config), early, policy.handshake_timeout))
        }
        _ => None,
    };
    let talk = Talk::new(fault, around, place);
    match tls {
        Some((config, early, timeout)) => Box::new(Veil::of_agent(talk, config, early, timeout)),
        None => Box::new(talk),
    }
}

/// A connection to the correct agent from the address that the client has, so that it can tell clients apart.
async fn connect(agent: SocketAddr, from: IpAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if from.is_ipv4() {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    socket.connect(agent).await
}
