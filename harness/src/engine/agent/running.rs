//! An agent that runs: started by its manifest on a port of its own, until it is stopped.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::ports::ReservedPort;
use super::settings::{Asked, PROBE_CONDUCT, set_seconds};
use super::support::{placeholder, text};
use crate::subject::listener::{self, Owner};
use crate::subject::manifest::Launch;
use crate::subject::placeholders::{self, Template, Values};
use crate::subject::{Certificates, Ending, Ground, Manifest, Process, Stopped, Wiring};
use crate::terms::TimeSpan;
use crate::vectors::transcript::world::Start;

/// The name by which `iaspec` knows that it is started as a product host, the probe product.
pub(super) const PROBE_HOST: &str = "iaspec-probe-host";

/// The file beside it that tells it how to treat its agent, and the word for a probe that is no program.
const CONDUCT: &str = "iaspec-probe-conduct";
const NOT_EXECUTABLE: &str = "not_executable";

/// The folder beside it in which it keeps diaries.
pub(super) const DIARIES: &str = "iaspec-probe-diary";

/// How often a start is tried whose port somebody else took.
const MOST_LOST_RACES: u32 = 5;

/// How long to wait before the port is tried again, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// How long one attempt to connect may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Why an agent could not be brought to run.
#[derive(Clone, Debug)]
pub(super) struct NotRunning {
    /// One sentence.
    pub(super) reason: String,
    /// What it logged.
    pub(super) log: Option<String>,
}

impl NotRunning {
    fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), log: None }
    }
}

/// An agent, its folders and its port.
#[derive(Debug)]
pub(super) struct Agent<'a> {
    manifest: &'a Manifest,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// The settings it was started with, by placeholder.
    pub(super) values: Rc<Values>,
    started: Option<Started>,
}

/// What the harness started, where it did.
#[derive(Debug)]
struct Started {
    /// `None` while it is stopped between a signal and a restart.
    process: Option<Process>,
    ground: Ground,
    config: Option<Template>,
    _port: ReservedPort,
}

/// How a start went.
enum Launched {
    Ready,
    /// Somebody else listens on its port.
    LostRace,
}

impl<'a> Agent<'a> {
    /// Starts an agent, or finds the one that runs already, and waits until its port accepts.
    ///
    /// # Errors
    ///
    /// It cannot be started, ends, or does not accept in time.
    pub(super) async fn start(manifest: &'a Manifest, asked: &Asked) -> Result<Self, NotRunning> {
        Self::start_with(manifest, asked, None).await
    }

    /// As [`Agent::start`], with what a step of a case sets.
    ///
    /// # Errors
    ///
    /// As of [`Agent::start`].
    pub(super) async fn start_with(
        manifest: &'a Manifest,
        asked: &Asked,
        start: Option<&Start>,
    ) -> Result<Self, NotRunning> {
        if let Launch::Address { address, assume } = &manifest.launch {
            return Self::find(manifest, address, assume).await;
        }
        for _ in 0..MOST_LOST_RACES {
            let mut agent = Self::prepare(manifest, asked, start).map_err(NotRunning::because)?;
            if let Launched::Ready = agent.launch().await? {
                return Ok(agent);
            }
            agent.kill().await;
        }
        Err(NotRunning::because(format!(
            "on {MOST_LOST_RACES} ports, one after the other, another process listened instead of the subject"
        )))
    }

    async fn find(
        manifest: &'a Manifest,
        address: &str,
        assume: &indexmap::IndexMap<String, serde_json::Value>,
    ) -> Result<Self, NotRunning> {
        let unknown =
            |error| NotRunning::because(format!("the address {address} cannot be resolved: {error}"));
        let found = tokio::net::lookup_host(address).await.map_err(unknown)?.next();
        let address = found.ok_or_else(|| NotRunning::because(format!("{address} has no address")))?;
        let mut values = Values::new();
        for (name, value) in assume {
            if let Some(known) = placeholders::named(name) {
                values.insert(known, text(value));
            }
        }
        values.insert("host", address.ip().to_string());
        values.insert("port", address.port().to_string());
        let attempt = timeout(CONNECT_WITHIN, TcpStream::connect(address)).await;
        match attempt {
            Ok(Ok(_)) => Ok(Self { manifest, address, values: Rc::new(values), started: None }),
            Ok(Err(error)) => {
                Err(NotRunning::because(format!("the agent at {address} cannot be reached: {error}")))
            }
            Err(_) => Err(NotRunning::because(format!(
                "the agent at {address} did not accept within {}",
                TimeSpan(CONNECT_WITHIN)
            ))),
        }
    }

    /// Makes folders and values, without starting anything.
    fn prepare(manifest: &'a Manifest, asked: &Asked, start: Option<&Start>) -> Result<Self, String> {
        let ground = Ground::new()?;
        let port = ReservedPort::any()?;
        let mut values = asked.values(manifest, &ground);
        values.insert("port", port.number().to_string());
        for (name, value) in start.iter().flat_map(|start| &start.settings) {
            values.insert(placeholder(*name), value.value.clone());
        }
        set_seconds(&mut values);
        hand_out_certificate(&mut values, &ground)?;
        let config = match start.and_then(|start| start.config.as_ref()) {
            Some(text) => Some(Template::parse(text)?),
            None => manifest.config_template.clone(),
        };
        values.insert("config", ground.path("InedoAgent.config").display().to_string());
        link_probe_host(&ground, asked.get(PROBE_CONDUCT))?;
        let diaries = std::fs::create_dir(ground.path(DIARIES));
        diaries.map_err(|error| format!("no folder can be made for what hosts tell: {error}"))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port.number()));
        let started = Some(Started { process: None, ground, config, _port: port });
        Ok(Self { manifest, address, values: Rc::new(values), started })
    }

    /// Starts the process, without waiting for anything.
    fn spawn(&mut self) -> Result<(), NotRunning> {
        let Some(started) = &mut self.started else { return Ok(()) };
        if let Some(template) = &started.config {
            let missing = |name| format!("`{{{name}}}` in the configuration file has no value");
            let text = template.render(&self.values).map_err(missing).map_err(NotRunning::because)?;
            std::fs::write(started.ground.path("InedoAgent.config"), text).map_err(|error| {
                NotRunning::because(format!("the configuration file cannot be written: {error}"))
            })?;
        }
        let process = Process::start(self.manifest, &self.values, Wiring::Log);
        started.process = Some(process.map_err(NotRunning::because)?);
        Ok(())
    }

    async fn launch(&mut self) -> Result<Launched, NotRunning> {
        self.spawn()?;
        let deadline = Instant::now() + self.manifest.ready_within;
        let mut pause = FIRST_PAUSE;
        loop {
            if accepts(self.address).await {
                return Ok(if self.is_ours() { Launched::Ready } else { Launched::LostRace });
            }
            if let Some(ending) = self.ending() {
                return self.ended_early(ending).await;
            }
            if Instant::now() >= deadline {
                return Err(self.never_ready().await);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether what listens is the subject, as far as the system tells.
    fn is_ours(&self) -> bool {
        let Some(process) = self.process() else { return true };
        let port = self.address.port();
        // Its first process mostly listens itself; the others cost a look at all processes of the machine.
        listener::owner(port, &[process.pid()]) == Owner::Theirs
            || matches!(listener::owner(port, &process.family()), Owner::Theirs | Owner::Unknown)
    }

    async fn ended_early(&self, ending: Ending) -> Result<Launched, NotRunning> {
        // A port that somebody took in between is no fault of the subject's.
        if std::net::TcpListener::bind(self.address).is_err() {
            return Ok(Launched::LostRace);
        }
        Err(NotRunning {
            reason: format!("the subject {ending} before its port accepted"),
            log: self.log().await,
        })
    }

    async fn never_ready(&self) -> NotRunning {
        let within = TimeSpan(self.manifest.ready_within);
        let port = self.address.port();
        let family = self.process().map(Process::family).unwrap_or_default();
        let elsewhere: Vec<String> = listener::ports(&family).iter().map(u16::to_string).collect();
        let elsewhere = match elsewhere.as_slice() {
            [] => String::new(),
            [one] => format!("; it listens on port {one} instead"),
            many => format!("; it listens on ports {} instead", many.join(", ")),
        };
        let reason = format!("the subject did not accept on port {port} within {within}{elsewhere}");
        NotRunning { reason, log: self.log().await }
    }

    /// Starts the agent as a case has it that must be refused, and waits until it ended.
    ///
    /// # Errors
    ///
    /// It cannot be started at all.
    pub(super) async fn start_refused(
        manifest: &'a Manifest,
        asked: &Asked,
        start: &Start,
    ) -> Result<(Self, Refusal), NotRunning> {
        let mut agent = Self::prepare(manifest, asked, Some(start)).map_err(NotRunning::because)?;
        agent.spawn()?;
        let deadline = Instant::now() + manifest.ready_within;
        let refusal = loop {
            if accepts(agent.address).await && agent.is_ours() {
                break Refusal::Accepted;
            }
            if let Some(ending) = agent.ending() {
                break Refusal::Ended(ending);
            }
            if Instant::now() >= deadline {
                break Refusal::RunsOn;
            }
            sleep(Duration::from_millis(5)).await;
        };
        Ok((agent, refusal))
    }

    /// Starts it again on its port, with its folders and settings.
    ///
    /// # Errors
    ///
    /// As of [`Agent::start`]; also when another process took its port meanwhile.
    pub(super) async fn restart(&mut self) -> Result<(), NotRunning> {
        match self.launch().await? {
            Launched::Ready => Ok(()),
            Launched::LostRace => {
                Err(NotRunning::because("another process took the subject's port while it was down"))
            }
        }
    }

    /// Takes the process away, to end it.
    pub(super) fn take_process(&mut self) -> Option<Process> {
        self.started.as_mut()?.process.take()
    }

    /// The certificate that it was started with, DER, where that is the harness's own.
    pub(super) fn certificate(&self) -> Option<Vec<u8>> {
        let ground = self.ground()?;
        let own = ground.path("agent.crt").display().to_string();
        let is_own = self.values.get("cert_pem").is_some_and(|path| *path == own);
        if is_own { Certificates::of_this_run().ok().map(|made| made.good.der.clone()) } else { None }
    }

    /// The highest version that it was started with; that of its manifest where nothing says with which.
    pub(super) fn highest_version(&self) -> Option<i32> {
        let told = self.values.get("versions").map(String::as_str).unwrap_or_default();
        let told = told.split(',').filter_map(|version| version.parse().ok());
        told.max().or_else(|| self.manifest.supports.versions.iter().copied().max())
    }

    /// Its process, where the harness started it and it was not stopped.
    pub(super) fn process(&self) -> Option<&Process> {
        self.started.as_ref()?.process.as_ref()
    }

    /// Its folders, where the harness started it.
    pub(super) fn ground(&self) -> Option<&Ground> {
        self.started.as_ref().map(|started| &started.ground)
    }

    /// How its process ended, if it did.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.process().and_then(Process::ending)
    }

    /// Waits until its process ends.
    pub(super) async fn ended(&self) -> Ending {
        match self.process() {
            Some(process) => process.ended().await,
            None => std::future::pending().await,
        }
    }

    /// What it logged. What it wrote last may still be on its way.
    pub(super) async fn log(&self) -> Option<String> {
        self.log_since(0).await
    }

    /// What it logged after so many bytes.
    pub(super) async fn log_since(&self, length: u64) -> Option<String> {
        let process = self.process()?;
        sleep(Duration::from_millis(20)).await;
        process.log_since(length)
    }

    /// How many bytes its log has so far.
    pub(super) fn log_length(&self) -> u64 {
        self.process().map_or(0, Process::log_length)
    }

    /// Stops it by its manifest's signal, then by force.
    pub(super) async fn stop(mut self) -> Option<Stopped> {
        match self.take_process() {
            Some(process) => Some(process.stop().await),
            None => None,
        }
    }

    /// Kills it with all that it started.
    pub(super) async fn kill(mut self) {
        if let Some(process) = self.take_process() {
            process.kill().await;
        }
    }
}

/// What a subject did that had to refuse to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It ended.
    Ended(Ending),
    /// Its port accepted.
    Accepted,
    /// It neither accepted nor ended in time.
    RunsOn,
}

/// Whether something accepts connections there.
async fn accepts(address: SocketAddr) -> bool {
    matches!(timeout(CONNECT_WITHIN, TcpStream::connect(address)).await, Ok(Ok(_)))
}

/// Writes the run's certificate and its key where a subject in mode ssl finds them, unless a step names others.
fn hand_out_certificate(values: &mut Values, ground: &Ground) -> Result<(), String> {
    let wanted = values.get("encryption").is_some_and(|mode| mode == "ssl");
    if !wanted || values.contains_key("cert_pem") || values.contains_key("key_pem") {
        return Ok(());
    }
    let certificate = &Certificates::of_this_run()?.good;
    let files = [("cert_pem", "agent.crt", &certificate.pem), ("key_pem", "agent.key", &certificate.key_pem)];
    for (name, file, text) in files {
        let path = ground.path(file);
        std::fs::write(&path, text).map_err(|error| format!("the certificate cannot be written: {error}"))?;
        values.insert(name, path.display().to_string());
    }
    Ok(())
}

/// Puts the program where `{probe_host}` is, by the name at which it knows that it is the probe product, and beside it how
/// it treats its agent.
#[cfg(unix)]
fn link_probe_host(ground: &Ground, conduct: Option<&str>) -> Result<(), String> {
    let path = ground.path(PROBE_HOST);
    let put = || match conduct {
        Some(NOT_EXECUTABLE) => put_no_program(&path),
        Some(conduct) => {
            std::fs::write(ground.path(CONDUCT), conduct)?;
            std::os::unix::fs::symlink(std::env::current_exe()?, &path)
        }
        None => std::os::unix::fs::symlink(std::env::current_exe()?, &path),
    };
    put().map_err(|error| format!("the program for product hosts cannot be put into place: {error}"))
}

/// Puts a file there that may be executed, and begins as programs do, but is none.
#[cfg(unix)]
fn put_no_program(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, b"\x7fELF\0\0\0\0")?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn link_probe_host(_ground: &Ground, _conduct: Option<&str>) -> Result<(), String> {
    Ok(())
}
