//! The agent at work: sockets, time, files and signals around the core.
//!
//! [`run`] is the whole life of an agent. Everything that can be wrong with its settings is found before the
//! port is opened.

mod connection;
mod hosts;
mod listener;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use iaspec_shm::{Place, Receiver, end_with_this_thread, inherit_nothing};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::core::{Policy, Update};
use super::settings::Settings;
use super::update_store::{Disk, StoreError, UpdateStore};
use crate::log::Log;
pub use hosts::Listen;
use hosts::{Equipment, Hosts, remove_leftovers};
use listener::Listener;

/// How long the end of the agent waits for an update that is being made. Whatever becomes of it, it is whole
/// or not there.
const LAST_UPDATE: Duration = Duration::from_secs(1);

/// Why an agent did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The log cannot be written.
    #[error("LogFile (--log-file): {}: {source}", path.display())]
    Log {
        /// The file, or standard error.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What an earlier update left cannot be removed.
    #[error("UpdatePath (--update-dir): {0}")]
    UpdateDirectory(#[from] StoreError),
    /// What hosts of an earlier agent left cannot be removed.
    #[error("UpdatePath (--update-dir): what hosts left there cannot be removed: {0}")]
    Leftovers(#[source] io::Error),
    /// Nothing can be listened on.
    #[error("Address and Port (--host, --port): cannot listen on {address}: {source}")]
    Listen {
        /// Where it was tried.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The operating system refuses something that every agent needs.
    #[error("the operating system does not let an agent start: {0}")]
    System(#[from] io::Error),
}

/// Where an agent touches the rest of the system in a way that others may want otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Seams {
    /// The last thing done to the command that starts a host, on the thread that the host lives as long as.
    pub prepare: fn(&mut Command),
    /// Waits for a host that has ended or was killed.
    pub wait: fn(&mut Child) -> io::Result<ExitStatus>,
    /// How it waits for what a host sends: as [`Receiver::read`].
    pub listen: Listen,
}

impl Default for Seams {
    /// A host ends with its agent, however that ends (SES-6).
    fn default() -> Self {
        Self { prepare: end_with_this_thread, wait: Child::wait, listen: Receiver::read }
    }
}

/// What all connections of an agent share.
#[derive(Debug)]
pub(crate) struct Agent {
    policy: Arc<Policy>,
    hosts: Hosts,
    updates: UpdateStore,
    /// Held while an update is made: one at a time, in the order they came.
    updating: tokio::sync::Mutex<()>,
    log: Log,
    started: Instant,
}

impl Agent {
    fn new(policy: Policy, hosts: Hosts, update_dir: PathBuf, log: Log) -> Self {
        Self {
            policy: Arc::new(policy),
            hosts,
            updates: UpdateStore::new(update_dir, Disk),
            updating: tokio::sync::Mutex::default(),
            log,
            started: Instant::now(),
        }
    }

    /// The time in the terms of the core.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Makes an update and logs what became of it, which no client is told (MTA-2).
    async fn update(self: Arc<Self>, update: Update, peer: SocketAddr) {
        let _turn = self.updating.lock().await;
        let agent = Arc::clone(&self);
        let work = tokio::task::spawn_blocking(move || {
            let (product, count) = (update.product.name(), update.files.len());
            match agent.updates.apply(&update) {
                Ok(()) => agent.log.line(format_args!("{peer}: updated {product}: {count} files")),
                Err(error) => agent.log.line(format_args!("{peer}: did not update {product}: {error}")),
            }
        });
        if let Err(error) = work.await {
            self.log.line(format_args!("{peer}: a defect of the agent broke an update off: {error}"));
        }
    }
}

/// Runs an agent until SIGTERM or SIGINT ends it.
///
/// # Errors
///
/// [`StartError`] says why it did not start; its port was not opened then.
pub fn run(settings: Settings) -> Result<(), StartError> {
    run_with(settings, &Seams::default(), |_| ())
}

/// Runs an agent as [`run`] does, with seams of one's own; tells its address once it listens.
///
/// # Errors
///
/// As [`run`].
pub fn run_with(
    settings: Settings,
    seams: &Seams,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), StartError> {
    let (log, writer) = Log::open(settings.log_file.as_deref()).map_err(|source| {
        let path = settings.log_file.clone().unwrap_or_else(|| "standard error".into());
        StartError::Log { path, source }
    })?;
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(settings, seams, listening, log));
    runtime.shutdown_timeout(LAST_UPDATE);
    writer.finish();
    result
}

async fn serve(
    settings: Settings,
    seams: &Seams,
    listening: impl FnOnce(SocketAddr),
    log: Log,
) -> Result<(), StartError> {
    // A host gets none of the files that this process itself may have been given (RTE-7).
    inherit_nothing()?;
    let hosts =
        Hosts::new(equipment(&settings, seams), settings.update_dir.clone(), settings.session_timeout);
    let agent = Arc::new(Agent::new(settings.policy, hosts, settings.update_dir.clone(), log));
    agent.updates.recover()?;
    remove_leftovers(&settings.update_dir).map_err(StartError::Leftovers)?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    raise_file_limit(&agent.log);
    if settings.connections.enabled && !settings.connections.servers.is_empty() {
        agent.log.line(format_args!("Connections: this agent makes no connections, it only listens"));
    }
    let listener = Listener::open(settings.address, settings.port)?;
    let address = listener.address()?;
    agent.log.line(format_args!("listening on {address}"));
    listening(address);
    let limit = usize::try_from(settings.max_concurrent_handshakes).unwrap_or(usize::MAX);
    let received = tokio::select! {
        name = first(&mut terminate, &mut interrupt) => name,
        () = listener.serve(&agent, limit, settings.allowed_addresses) => "the end of its listener",
        () = Hosts::expire(&agent) => "the end of its sessions",
    };
    agent.log.line(format_args!("stopping after {received}"));
    drop(listener);
    agent.hosts.stop().await;
    Ok(())
}

fn equipment(settings: &Settings, seams: &Seams) -> Option<Equipment> {
    let program = settings.product_host.clone()?;
    let place = settings.shm_dir.clone().map_or(Place::Memory, Place::Directory);
    let Seams { prepare, wait, listen } = *seams;
    let ring_capacity = settings.ring_capacity;
    Some(Equipment { program, ring_capacity, place, prepare, wait, listen })
}

async fn first(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// Each connection is an open file, and the soft limit of 1024 that is usual is soon reached.
fn raise_file_limit(log: &Log) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        log.line(format_args!("the limit of open files stays at {current:?}: {error}"));
    }
}
