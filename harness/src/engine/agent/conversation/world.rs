//! Steps about the world around a conversation: the subject itself, its processes, its files, its memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep};

use super::super::running::{Agent, NotRunning, Refusal};
use super::scope::Scope;
use super::{Conversation, Counterpart, Mismatch, Outcome, Trouble};
use crate::citation::own;
use crate::hex_text::amount;
use crate::subject::{Ending, memory};
use crate::terms::{Feature, TimeSpan};
use crate::vectors::transcript::Step;
use crate::vectors::transcript::world::{File, Files, Memory, Process, Restart, Signal, Start, Subject};
use crate::verdict::clip;
use crate::yaml::Spot;

/// Ticks of 100 ns between 0001-01-01 and 1970-01-01 (DAT-4).
const TICKS_BEFORE_1970: i128 = 621_355_968_000_000_000;

/// A file modified so recently has no time but that at which it was written.
const FRESH: Duration = Duration::from_secs(15 * 60);

const TICKS_PER_SECOND: i128 = 10_000_000;

/// Files larger than this are compared by their beginning and their size.
const LARGEST_FILE: u64 = 80 << 20;

impl<'a> Conversation<'a> {
    /// Starts, stops or restarts the subject.
    pub(super) async fn subject(&self, step: &Spot<Step>, subject: &Subject) -> Outcome {
        let Counterpart::Own(own) = &self.counterpart else {
            return Err(Trouble::CannotRun("the subject belongs to other cases, too".to_owned()));
        };
        let mut agent = own.borrow_mut().take();
        let outcome = if let Some(start) = &subject.start {
            if let Some(agent) = agent.take() {
                agent.kill().await;
            }
            match subject.refuses {
                Some(_) => self.refused(step, subject, start).await,
                None => match Agent::start_with(self.background.manifest, self.asked, Some(start)).await {
                    Ok(started) => {
                        *self.values.borrow_mut() = std::rc::Rc::clone(&started.values);
                        agent = Some(Box::new(started));
                        Ok(())
                    }
                    Err(error) => Err(self.not_running(step, "start", error)),
                },
            }
        } else if let Some(signal) = &subject.signal {
            self.signal(step, signal.value, agent.as_deref_mut()).await
        } else if let Some(Spot { value: Restart::SameState, .. }) = subject.restart {
            match agent.as_mut() {
                Some(agent) => {
                    agent.restart().await.map_err(|error| self.not_running(step, "restart", error))
                }
                None => Err(Trouble::CannotRun("there is no subject to start again".to_owned())),
            }
        } else if let Some(more) = &subject.open_files {
            let process = agent.as_deref().and_then(Agent::process);
            limit_open_files(process.map(crate::subject::Process::family), more.value)
        } else {
            Ok(())
        };
        *own.borrow_mut() = agent;
        outcome
    }

    fn not_running(&self, step: &Spot<Step>, what: &str, error: NotRunning) -> Trouble {
        let log = error.log.map_or(String::new(), |log| format!("; it logged: {}", clip(log.trim())));
        let mismatch =
            Mismatch::words("the subject did not run", "it accepts on its port", error.reason + &log);
        self.stumble(step, what, mismatch)
    }

    /// Starts the subject with settings that it must refuse.
    async fn refused(&self, step: &Spot<Step>, subject: &Subject, start: &Start) -> Outcome {
        let manifest = self.background.manifest;
        let (agent, refusal) = Agent::start_refused(manifest, self.asked, start)
            .await
            .map_err(|error| Trouble::CannotRun(error.reason))?;
        let log = agent.log().await.unwrap_or_default();
        agent.kill().await;
        let within = TimeSpan(manifest.ready_within);
        let expected =
            format!("it ends with a status other than 0 within {within}, its port never accepting");
        let summary = "the subject did not refuse to start";
        let ended = matches!(refusal, Refusal::Ended(_));
        let actual = match refusal {
            Refusal::Ended(Ending::Exited(0)) => "it exited with status 0".to_owned(),
            Refusal::Ended(_) => return self.refusal_told(step, subject, &log),
            Refusal::Accepted => "its port accepted".to_owned(),
            Refusal::RunsOn => format!("it neither accepted nor ended within {within}"),
        };
        let mismatch = Mismatch::words(summary, expected, actual);
        // Whoever ends did refuse, if not as the contract has it.
        let mismatch = if ended { mismatch.breaking(own::REFUSAL) } else { mismatch };
        Err(self.stumble(step, "refuses", mismatch))
    }

    /// What a refusing subject must say: something, and where the harness wrote the configuration also what is wrong.
    fn refusal_told(&self, step: &Spot<Step>, subject: &Subject, log: &str) -> Outcome {
        if log.trim().is_empty() {
            let summary = "the subject refused to start without a word";
            let mismatch = Mismatch::words(summary, "a message on stderr", "nothing");
            let mismatch = mismatch.breaking(own::REFUSAL);
            return Err(self.stumble(step, "refuses", mismatch));
        }
        let wrote_config = self.background.manifest.supports.features.contains(&Feature::ConfigFile);
        let lower = log.to_lowercase();
        let mentions = subject.mentions.iter().flat_map(|mentions| &mentions.value);
        let unsaid = mentions.into_iter().find(|word| !lower.contains(&word.to_lowercase()));
        match unsaid {
            Some(word) if wrote_config => {
                let summary = "the message does not say what is wrong";
                let expected = format!("stderr mentions {word}");
                Err(self.stumble(step, "mentions", Mismatch::words(summary, expected, clip(log.trim()))))
            }
            _ => Ok(()),
        }
    }

    async fn signal(&self, step: &Spot<Step>, signal: Signal, agent: Option<&mut Agent<'a>>) -> Outcome {
        let process = agent.and_then(Agent::take_process);
        let Some(process) = process else {
            return Err(Trouble::CannotRun("there is no process to send a signal to".to_owned()));
        };
        // Its connections end with it.
        self.saw_end.set(true);
        for (_, talk) in self.all_talks() {
            talk.phase.set(super::Phase::Ended);
        }
        match signal {
            Signal::Kill => {
                // What it started is to see to its own end (SES-6).
                process.kill_alone().await;
                self.killed.borrow_mut().push(process);
                Ok(())
            }
            Signal::Stop => {
                let stopped = process.stop().await;
                if !stopped.killed {
                    return Ok(());
                }
                let within = TimeSpan(self.background.manifest.stop_within);
                let expected = format!("it ends within {within}");
                let mismatch = Mismatch::words("the subject did not stop", expected, "it had to be killed");
                let mismatch = mismatch.breaking(own::STOP);
                Err(self.stumble(step, "signal", mismatch))
            }
        }
    }

    /// Looks whether a process is there.
    pub(super) async fn process(&self, step: &Spot<Step>, process: &Process, scope: &Scope<'_>) -> Outcome {
        let pid = self.with_matching(scope, |matching| process.pid.played(matching.player.known));
        let pid = pid.map_err(|error| self.unbuildable(&error.into()))?;
        let number = pid.as_i64().and_then(|pid| i32::try_from(pid).ok());
        let Some(number) = number.filter(|number| *number > 0) else {
            return Err(Trouble::CannotRun(format!("{}: {pid} is no process", self.place(process.pid.span))));
        };
        let within = process.within.as_ref().map_or(Duration::ZERO, |within| within.0);
        let deadline = Instant::now() + within;
        let is_there = || match process.reaped {
            Some(_) => memory::is_known(number),
            None => memory::is_alive(number),
        };
        while is_there() == process.gone {
            if Instant::now() >= deadline {
                let (expected, actual) = match process.gone {
                    true if memory::is_alive(number) => ("it is gone", "it runs on"),
                    true => ("its parent has waited for it", "it has ended and is a zombie"),
                    false => ("it runs", "it is gone"),
                };
                let summary = format!("process {number} is not as it must be");
                return Err(self.stumble(step, "", Mismatch::words(summary, expected, actual)));
            }
            sleep(Duration::from_millis(10)).await;
        }
        self.look_at_process(step, number, process, scope)
    }

    /// Looks at what a process that is there has open, and at the group it is in.
    fn look_at_process(&self, step: &Spot<Step>, pid: i32, process: &Process, scope: &Scope<'_>) -> Outcome {
        if let Some(path) = &process.opens {
            let actual = match opened(pid, path) {
                Some(true) => None,
                Some(false) => Some("it may be written, too"),
                None => Some("it is not among what is open"),
            };
            if let Some(actual) = actual {
                let expected = format!("{} is open, for reading alone", clip(path));
                let summary = format!("process {pid} has not opened what it should");
                return Err(self.stumble(step, "opens", Mismatch::words(summary, expected, actual)));
            }
        }
        let Some(leader) = &process.group_of else { return Ok(()) };
        let leader = self.with_matching(scope, |matching| leader.played(matching.player.known));
        let leader = leader.map_err(|error| self.unbuildable(&error.into()))?;
        let expected = leader.as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(memory::group);
        let actual = memory::group(pid);
        if expected.is_some() && actual == expected {
            return Ok(());
        }
        let shown = |group: Option<i32>| group.map_or("none".to_owned(), |group| format!("group {group}"));
        let summary = format!("process {pid} is in another process group");
        let mismatch =
            Mismatch::words(summary, format!("{}, that of {leader}", shown(expected)), shown(actual));
        Err(self.stumble(step, "group_of", mismatch))
    }

    /// The highest memory that the processes of the subject took so far, in bytes.
    pub(super) fn peak_memory(&self) -> u64 {
        let family = match &self.counterpart {
            Counterpart::Client(client) => Some(client.process().family()),
            Counterpart::Hosts(hosts) => Some(hosts.family()),
            Counterpart::Shared(_) | Counterpart::Own(_) => {
                self.with_agent(|agent| agent.process().map(crate::subject::Process::family)).flatten()
            }
        };
        family.unwrap_or_default().into_iter().map(memory::peak).sum()
    }

    /// Looks how much memory the subject took since the case began.
    pub(super) fn memory(&self, step: &Spot<Step>, memory: &Memory) -> Outcome {
        let grown = self.peak_memory().saturating_sub(self.memory_at_start.get());
        if grown < memory.grows_below.0 {
            return Ok(());
        }
        let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
        let expected = format!("less than {} more than at the start", mebibytes(memory.grows_below.0));
        let mismatch = Mismatch::words("the subject took too much memory", expected, mebibytes(grown));
        let mut trouble = self.stumble(step, "", mismatch);
        if let Trouble::Stumble(stumble) = &mut trouble {
            stumble.timeless = true;
        }
        Err(trouble)
    }

    /// Looks which files are in the update directory: at once, or until they are as they must be.
    pub(super) async fn files(&self, step: &Spot<Step>, files: &Files) -> Outcome {
        let folders =
            self.with_agent(|agent| agent.ground().map(|ground| (ground.update_dir(), ground.path(""))));
        let Some((update_dir, own)) = folders.flatten() else {
            return Err(Trouble::CannotRun("the subject has no folder of the harness's".to_owned()));
        };
        let cannot_look =
            |error| Trouble::CannotRun(format!("the update directory cannot be looked at: {error}"));
        let resolution = resolution(&own).map_err(cannot_look)?;
        let deadline = Instant::now() + step.within.as_ref().map_or(Duration::ZERO, |within| within.0);
        loop {
            let mut found = BTreeMap::new();
            collect(&update_dir, 3, "", &mut found).map_err(cannot_look)?;
            let Some(mismatch) = files_differ(files, found, resolution) else { return Ok(()) };
            if Instant::now() >= deadline {
                return Err(self.stumble(step, "", mismatch));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Whether a process has a file open for reading alone; `None` if it has not opened it.
fn opened(pid: i32, path: &str) -> Option<bool> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let found = descriptors
        .flatten()
        .filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(path)));
    let read_only = |number: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap_or_default();
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default();
        // Octal; the two lowest bits are how it was opened, 0 for reading.
        flags.trim().ends_with(['0', '4'])
    };
    let ways: Vec<bool> =
        found.map(|entry| read_only(entry.file_name().to_string_lossy().as_ref())).collect();
    (!ways.is_empty()).then(|| ways.iter().all(|read_only| *read_only))
}

/// What is wrong about the files that were found.
fn files_differ(files: &Files, mut found: BTreeMap<String, There>, resolution: i128) -> Option<Mismatch> {
    for file in &files.are {
        let Some(there) = found.remove(&file.path.value) else {
            let summary = format!("the file {} is missing", clip(&file.path));
            return Some(Mismatch::words(summary, "a regular file", "nothing"));
        };
        if let Some(mismatch) = compare(file, &there, resolution) {
            return Some(mismatch);
        }
    }
    let more = found.into_keys().next()?;
    let summary = format!("the file {} is there", clip(&more));
    Some(Mismatch::words(summary, "no such file", "a regular file"))
}

/// Lets each of some processes have so many files more open than it has now.
fn limit_open_files(processes: Option<Vec<i32>>, more: u32) -> Outcome {
    let processes = processes.filter(|processes| !processes.is_empty());
    let processes = processes.ok_or_else(|| Trouble::CannotRun("there is no process to limit".to_owned()))?;
    for pid in processes {
        let limited = memory::limit_open_files(pid, more);
        limited.map_err(|error| {
            Trouble::CannotRun(format!("the open files of process {pid} cannot be limited: {error}"))
        })?;
    }
    Ok(())
}

/// A regular file that is there.
struct There {
    contents: Vec<u8>,
    size: u64,
    modified_ticks: i128,
    /// Whether that is about now: the file has kept the time at which it was written.
    is_fresh: bool,
}

/// Regular files so many levels down, by their path with `/` between.
fn collect(
    folder: &Path,
    levels: usize,
    prefix: &str,
    found: &mut BTreeMap<String, There>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() && levels > 1 {
            collect(&entry.path(), levels - 1, &format!("{name}/"), found)?;
        } else if kind.is_file() && levels == 1 {
            let metadata = entry.metadata()?;
            let contents =
                if metadata.len() <= LARGEST_FILE { std::fs::read(entry.path())? } else { Vec::new() };
            let modified = metadata.modified()?;
            let is_fresh = modified.elapsed().is_ok_and(|age| age < FRESH);
            found.insert(
                name,
                There { contents, size: metadata.len(), modified_ticks: ticks(modified), is_fresh },
            );
        }
    }
    Ok(())
}

fn ticks(time: SystemTime) -> i128 {
    let since_1970 = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX) / 100,
        Err(before) => -(i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX) / 100),
    };
    since_1970 + TICKS_BEFORE_1970
}

/// The ticks between two times that the file system of a folder tells apart; some keep whole seconds only.
fn resolution(folder: &Path) -> std::io::Result<i128> {
    let probe = tempfile::tempfile_in(folder)?;
    let odd = UNIX_EPOCH + Duration::new(1_000_000_001, 123_456_700);
    probe.set_modified(odd)?;
    let kept = ticks(probe.metadata()?.modified()?);
    Ok([1, 10, 10_000, 10_000_000, 20_000_000]
        .into_iter()
        .find(|step| kept == ticks(odd) - ticks(odd) % step)
        .unwrap_or(20_000_000))
}

fn compare(file: &File, there: &There, resolution: i128) -> Option<Mismatch> {
    if let Some(contents) = &file.contents {
        let wanted = contents.bytes();
        if wanted.len() as u64 != there.size || wanted != there.contents {
            let common = wanted.iter().zip(&there.contents).take_while(|(a, b)| a == b).count();
            let summary =
                format!("the file {} has other contents, first at offset {common}", clip(&file.path));
            let actual = format!("{} bytes", there.size);
            return Some(Mismatch::words(summary, amount(wanted.len()), actual));
        }
    }
    let wanted = file.modified_ticks.as_ref()?;
    let number: i128 = wanted.parse().ok()?;
    if number - number.rem_euclid(resolution) == there.modified_ticks {
        return None;
    }
    let summary = format!("the file {} has another modification time", clip(&file.path));
    let ticks = |number: i128| format!("{number} ticks");
    let mismatch = Mismatch::words(summary, ticks(number), ticks(there.modified_ticks));
    // A time that was not set, or that lost its fraction, was read rightly.
    let is_read = there.is_fresh || (number - there.modified_ticks).abs() < 2 * TICKS_PER_SECOND;
    Some(mismatch.breaking(if is_read { own::FILES } else { own::TICKS }))
}
