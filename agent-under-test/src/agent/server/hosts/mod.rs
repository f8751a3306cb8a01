//! Product hosts: started on first use, one for each product of a session, and ended in time (RTE-1 to RTE-13, SES-1 to SES-7).
//!
//! A [`Member`] is a connection's place in a session. Through it, it [forwards](Host::try_forward) messages to hosts and
//! [hears](Hearing::poll) what they send. Each host has two threads of its own, because rings are waited for by blocking.

#![allow(clippy::disallowed_methods, reason = "a host has a thread that starts it and ends it")]

mod folder;
mod host;
mod outlet;
mod process;
mod room;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{Notify, mpsc::UnboundedReceiver, watch};
use tokio::time::{sleep_until, timeout};

use self::folder::Folder;
pub(super) use self::folder::remove_leftovers;
pub(super) use self::host::Host;
use self::host::{Listening, Waiting};
use self::outlet::Outlet;
pub(super) use self::outlet::{Heard, Hearing};
pub(super) use self::process::Equipment;
pub use self::process::Listen;
use self::process::{Process, StartError};
use self::room::Room;
use super::Agent;
use crate::agent::core::{Opening, Product, Sessions};
use crate::protocol::SessionId;

/// How long the end of the agent waits for its hosts, which have 2 s of their own to finish (SES-6).
const LAST_HOSTS: Duration = Duration::from_secs(4);

/// All sessions and hosts of an agent.
#[derive(Debug)]
pub(super) struct Hosts {
    /// What they are started with; `None` if there is no program for them.
    equipment: Option<Equipment>,
    update_dir: PathBuf,
    state: Mutex<State>,
    /// A deadline of a session may have changed.
    changed: Notify,
    /// How many threads work for hosts.
    working: watch::Sender<usize>,
}

#[derive(Debug)]
struct State {
    sessions: Sessions,
    rooms: HashMap<i32, Arc<Room>>,
    hosts: HashMap<(i32, Product), Arc<Host>>,
    /// No host is started any more.
    is_stopping: bool,
}

impl Hosts {
    pub(super) fn new(equipment: Option<Equipment>, update_dir: PathBuf, session_timeout: Duration) -> Self {
        let state = State {
            sessions: Sessions::new(session_timeout),
            rooms: HashMap::new(),
            hosts: HashMap::new(),
            is_stopping: false,
        };
        let state = Mutex::new(state);
        Self { equipment, update_dir, state, changed: Notify::new(), working: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends hosts whose sessions have been without a client for too long, for ever (SES-2).
    pub(super) async fn expire(agent: &Arc<Agent>) {
        let hosts = &agent.hosts;
        loop {
            let changed = hosts.changed.notified();
            let deadline = hosts.lock().sessions.deadline();
            match deadline {
                None => changed.await,
                Some(deadline) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(agent.started + deadline) => hosts.end_expired(agent),
                },
            }
        }
    }

    fn end_expired(&self, agent: &Agent) {
        let mut state = self.lock();
        for (session, product) in state.sessions.take_expired(agent.now()) {
            let name = product.name();
            agent.log.line(format_args!(
                "session {}: no client for too long, its host for {name} is ended",
                session.0
            ));
            if let Some(host) = state.hosts.remove(&(session.0, product)) {
                host.finish();
            }
            state.forget_empty_room(session);
        }
    }

    /// Ends all hosts, and waits for that (SES-6).
    pub(super) async fn stop(&self) {
        {
            let mut state = self.lock();
            state.is_stopping = true;
            state.hosts.values().for_each(|host| host.finish());
        }
        let mut working = self.working.subscribe();
        // Whoever is left after that is killed with this process.
        let _ = timeout(LAST_HOSTS, working.wait_for(|working| *working == 0)).await;
    }

    /// Starts a host, on a thread of its own that lives as long as the host.
    fn start(
        state: &mut State,
        agent: &Arc<Agent>,
        session: SessionId,
        product: Product,
    ) -> Option<Arc<Host>> {
        let equipment = agent.hosts.equipment.clone().filter(|_| !state.is_stopping)?;
        let (host, waiting) = Host::new(product);
        let room = Arc::clone(state.rooms.entry(session.0).or_default());
        let work = Work { agent: Arc::clone(agent), host: Arc::clone(&host), session, room };
        let name = format!("host {} {}", session.0, product.name());
        agent.hosts.working.send_modify(|working| *working += 1);
        if let Err(error) = thread::Builder::new().name(name).spawn(move || work.run(&equipment, waiting)) {
            agent.hosts.working.send_modify(|working| *working -= 1);
            agent.log.line(format_args!("no host can be started: there is no thread for it: {error}"));
            return None;
        }
        state.hosts.insert((session.0, product), Arc::clone(&host));
        Some(host)
    }

    /// A host is gone: its clients are told, and it is found no more.
    fn forget(&self, session: SessionId, host: &Arc<Host>, room: &Room) {
        let mut state = self.lock();
        host.is_gone();
        let key = (session.0, host.product);
        if state.hosts.get(&key).is_some_and(|found| Arc::ptr_eq(found, host)) {
            state.hosts.remove(&key);
            state.sessions.remove_host(session, host.product);
            room.end(host.product);
            state.forget_empty_room(session);
        }
    }
}

impl State {
    /// A room lasts as long as there is anybody to enter it: its session.
    fn forget_empty_room(&mut self, session: SessionId) {
        if !self.sessions.exists(session) {
            self.rooms.remove(&session.0);
        }
    }
}

/// What the thread of a host works on.
struct Work {
    agent: Arc<Agent>,
    host: Arc<Host>,
    session: SessionId,
    room: Arc<Room>,
}

impl Work {
    /// The whole life of a host.
    #[allow(clippy::needless_pass_by_value, reason = "it belongs to the thread")]
    fn run(self, equipment: &Equipment, waiting: UnboundedReceiver<Waiting>) {
        let _working = Working(&self.agent.hosts.working);
        let (log, id, name) = (&self.agent.log, self.session.0, self.host.product.name());
        match self.start(equipment) {
            Ok((mut process, sender, receiver)) => {
                log.line(format_args!("session {id}: a host for {name} runs"));
                let hearing =
                    Listening { listen: equipment.listen, max_message: self.agent.policy.max_message };
                let ended = self.host.work(&mut process, (sender, receiver), waiting, &self.room, hearing);
                log.line(format_args!("session {id}: the host for {name} is gone: {ended}"));
            }
            Err(error) => log.line(format_args!("session {id}: no host for {name}: {error}")),
        }
        self.agent.hosts.forget(self.session, &self.host, &self.room);
    }

    fn start(
        &self,
        equipment: &Equipment,
    ) -> Result<(Process, iaspec_shm::Sender, iaspec_shm::Receiver), StartError> {
        let product = self.host.product;
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| StartError::Folder(error);
        let folder = Folder::create(&self.agent.hosts.update_dir).map_err(|error| failed(error.into()))?;
        self.agent.updates.copy_assemblies(product, folder.path()).map_err(|error| failed(error.into()))?;
        let is_wanted = || !self.host.is_to_finish();
        Process::start(equipment, folder, self.session, product.agent_type().0, is_wanted)
    }
}

/// One thread more that works for a host, until it is dropped, also by a defect.
struct Working<'a>(&'a watch::Sender<usize>);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|working| *working -= 1);
    }
}

/// A connection's place in a session, which it gives back at its end.
#[derive(Debug)]
pub(super) struct Member {
    agent: Arc<Agent>,
    /// Its session.
    pub(super) session: SessionId,
    /// What makes it a client.
    ear: Option<Ear>,
}

#[derive(Debug)]
struct Ear {
    room: Arc<Room>,
    outlet: Arc<Outlet>,
    hearing: Hearing,
}

impl Member {
    /// A place in a session of v1.
    pub(super) fn join(agent: &Arc<Agent>, wanted: SessionId) -> Self {
        let session = agent.hosts.lock().sessions.join(wanted);
        Self { agent: Arc::clone(agent), session, ear: None }
    }

    /// A place in a product's session of v2 as a client, once its host runs; `None` if that cannot be served (RTE-2).
    pub(super) async fn open(agent: Arc<Agent>, product: Product, wanted: SessionId) -> Option<Self> {
        agent.hosts.equipment.as_ref()?;
        let (mut member, host) = Self::place(&agent, product, wanted)?;
        (host.started().await && member.enter(Some(&host))).then_some(member)
    }

    fn place(agent: &Arc<Agent>, product: Product, wanted: SessionId) -> Option<(Self, Arc<Host>)> {
        let mut state = agent.hosts.lock();
        let (session, host) = match state.sessions.open(product, wanted, agent.now()) {
            Opening::OfAnotherProduct => return None,
            Opening::Found(session) => (session, state.hosts.get(&(session.0, product)).cloned()),
            Opening::New(session) => {
                let host = Hosts::start(&mut state, agent, session, product);
                if host.is_none() {
                    state.sessions.remove_host(session, product);
                }
                (session, host)
            }
        };
        drop(state);
        let member = Self { agent: Arc::clone(agent), session, ear: None };
        host.map(|host| (member, host))
    }

    /// Makes it a client, unless `needed` is gone already; tells whether it is one.
    pub(super) fn enter(&mut self, needed: Option<&Arc<Host>>) -> bool {
        let mut state = self.agent.hosts.lock();
        let is_there = |host: &Arc<Host>| {
            state.hosts.get(&(self.session.0, host.product)).is_some_and(|found| Arc::ptr_eq(found, host))
        };
        if !needed.is_none_or(is_there) {
            return false;
        }
        if self.ear.is_none() {
            state.sessions.enter(self.session);
            let room = Arc::clone(state.rooms.entry(self.session.0).or_default());
            let (outlet, hearing) = room.enter();
            self.ear = Some(Ear { room, outlet, hearing });
            self.agent.hosts.changed.notify_one();
        }
        true
    }

    /// What it hears, as a client.
    pub(super) fn hearing(&self) -> Option<&Hearing> {
        self.ear.as_ref().map(|ear| &ear.hearing)
    }

    /// The host for a product in its session, started if it does not run; `None` if none can be had.
    pub(super) fn host(&self, product: Product) -> Option<Arc<Host>> {
        let mut state = self.agent.hosts.lock();
        if let Some(host) = state.hosts.get(&(self.session.0, product)) {
            return Some(Arc::clone(host));
        }
        let host = Hosts::start(&mut state, &self.agent, self.session, product)?;
        state.sessions.add_host(self.session, product, self.agent.now());
        Some(host)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.agent.hosts.lock();
        let ear = self.ear.take();
        if let Some(ear) = &ear {
            ear.room.leave(&ear.outlet);
        }
        state.sessions.leave(self.session, ear.is_some(), self.agent.now());
        state.forget_empty_room(self.session);
        self.agent.hosts.changed.notify_one();
    }
}
