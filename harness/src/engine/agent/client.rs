//! A client that runs: started by its manifest, and told by lines what to do, until its input ends.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use super::driver::Driver;
use super::running::NotRunning;
use crate::engine::Breakdown;
use crate::subject::{Certificates, Ending, Ground, Manifest, Process, Stopped, Wiring};
use crate::terms::Encryption;
use crate::vectors::transcript::op::Authority;

/// How long a process whose output ended may take to end itself.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// How long what it wrote to its log last may be on its way.
const LOG_SETTLES: Duration = Duration::from_millis(20);

/// A client, its folders and the lines to and from it.
#[derive(Debug)]
pub(super) struct Client<'a> {
    manifest: &'a Manifest,
    process: Process,
    driver: Driver,
    /// Its folders, which go when it does.
    pub(super) ground: Ground,
}

impl<'a> Client<'a> {
    /// Starts a client. It is ready at once: what it is told waits in its input.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub(super) fn start(manifest: &'a Manifest) -> Result<Self, NotRunning> {
        let because = |reason| NotRunning { reason, log: None };
        let ground = Ground::new().map_err(because)?;
        hand_out_authorities(manifest, &ground).map_err(because)?;
        let mut process = Process::start(manifest, &ground.values(), Wiring::Lines).map_err(because)?;
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(because("the subject has no standard input and output".to_owned()));
        };
        Ok(Self { manifest, process, driver: Driver::new(stdin, stdout), ground })
    }

    /// The lines to and from it.
    pub(super) fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Where an authority's certificate lies that it can be told to trust; `None` for those of the system.
    pub(super) fn authority(&self, authority: Authority) -> Option<PathBuf> {
        match authority {
            Authority::Run => Some(self.ground.path("authority.pem")),
            Authority::Other => Some(self.ground.path("other-authority.pem")),
            Authority::System => None,
        }
    }

    /// Its process.
    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    /// How it broke down, if it did.
    pub(super) fn breakdown(&self) -> Option<Breakdown> {
        let ended = |ending| Breakdown::Ended { ending, partial: String::new() };
        self.process.ending().map(ended).or_else(|| self.driver.breakdown())
    }

    /// Waits until it breaks down.
    pub(super) async fn broken(&self) -> Breakdown {
        let ended = |ending: Ending| Breakdown::Ended { ending, partial: String::new() };
        tokio::select! {
            biased;
            ending = self.process.ended() => ended(ending),
            breakdown = self.driver.broken() => match breakdown {
                // Its output ends a little before it does.
                Breakdown::ClosedOutput => {
                    self.process.ended_within(ENDS_WITHIN).await.map_or(Breakdown::ClosedOutput, ended)
                }
                breakdown => breakdown,
            },
        }
    }

    /// What it logged after so many bytes. What it wrote last may still be on its way.
    pub(super) async fn log_since(&self, length: u64) -> Option<String> {
        sleep(LOG_SETTLES).await;
        self.process.log_since(length)
    }

    /// Ends its input, then stops it by its manifest's signal, then by force.
    pub(super) async fn stop(self) -> Stopped {
        let Self { mut process, driver, ground, .. } = self;
        process.stdin = driver.close().await;
        let stopped = process.stop().await;
        drop(ground);
        stopped
    }

    /// Kills it with all that it started.
    pub(super) async fn kill(self) {
        self.process.kill().await;
    }

    /// Its manifest.
    pub(super) fn manifest(&self) -> &'a Manifest {
        self.manifest
    }
}

/// Writes the certificates of authorities where a client that knows SSL can be told to find them.
fn hand_out_authorities(manifest: &Manifest, ground: &Ground) -> Result<(), String> {
    if !manifest.supports.encryption.contains(&Encryption::Ssl) {
        return Ok(());
    }
    let made = Certificates::of_this_run()?;
    let files = [("authority.pem", &made.authority_pem), ("other-authority.pem", &made.other_authority_pem)];
    for (file, text) in files {
        let written = std::fs::write(ground.path(file), text);
        written.map_err(|error| format!("the certificate of an authority cannot be written: {error}"))?;
    }
    Ok(())
}
