//! Starting and looking at subjects: again, where a machine that held somebody up may be why it went wrong.

use tokio::time::Instant;

use super::{MOST_ATTEMPTS, Run};
use crate::engine::agent::health::{Ailment, Health};
use crate::engine::agent::running::NotRunning;
use crate::engine::agent::settings::Asked;
use crate::engine::agent::subject::Subject;

impl Run<'_, '_, '_> {
    /// Looks at a subject before its first case: again, while the machine may be why it is found not to serve.
    pub(super) async fn first_look<'s>(
        &'s self,
        subject: &'s Subject<'_>,
        asked: &'s Asked,
    ) -> (Health<'s>, Result<(), Ailment>) {
        let mut attempts = 1;
        loop {
            let began = Instant::now();
            let (health, first) = Health::first(&self.background, subject, asked).await;
            match &first {
                Err(ailment) if attempts < MOST_ATTEMPTS && self.hindered(ailment, began).is_some() => {
                    attempts += 1;
                }
                _ => return (health, first),
            }
        }
    }

    /// Looks at a subject after its last case: again, while the machine may be why it is found not to serve.
    pub(super) async fn last_look(&self, health: &Health<'_>) -> Result<(), Ailment> {
        let mut attempts = 1;
        loop {
            let began = Instant::now();
            match health.look().await {
                Err(ailment) if attempts < MOST_ATTEMPTS && self.hindered(&ailment, began).is_some() => {
                    attempts += 1;
                }
                seen => return seen,
            }
        }
    }
}

impl<'a> Run<'a, '_, '_> {
    /// Starts a subject: once more, if it was not ready in time on a machine that held somebody up.
    pub(super) async fn start(&self, asked: &Asked) -> Result<Subject<'a>, NotRunning> {
        let mut attempts = 1;
        loop {
            let began = Instant::now();
            let error = match Subject::start(self.background.manifest, asked).await {
                Ok(subject) => return Ok(subject),
                Err(error) => error,
            };
            let strain = self.lateness.since(began);
            if attempts == MOST_ATTEMPTS
                || !strain.is_some_and(|strain| strain.is_too_much_of(began.elapsed()))
            {
                return Err(error);
            }
            attempts += 1;
        }
    }
}
