//! The end of a case that tests a client: on every open connection a request must come next and be answered, nothing is
//! left over, connections end when the client is told to close them, and all that it was told is answered.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use tokio::time::Instant;

use super::super::driver::{Answer, Answered};
use super::check::Watch;
use super::fence::{GET_ROOT_PATH, root_path_request, spot};
use super::scope::Scope;
use super::talk::{Phase, Talk};
use super::task::{Task, shown};
use super::{Conversation, Counterpart, Mismatch, Outcome, Trouble};
use crate::event::Happening;
use crate::hex_text::Stretch;
use crate::terms::TimeSpan;
use crate::vectors::transcript::Party;
use crate::vectors::transcript::data::Frame;

impl Conversation<'_> {
    /// Brings a case to its end.
    pub(in super::super) async fn settle(&self) -> Outcome {
        let mut open = Vec::new();
        for (name, talk) in self.all_talks() {
            let told = self.told.borrow().get(&name).cloned();
            let number = told.as_ref().filter(|told| !told.closed.get()).and_then(|told| told.number());
            match number.filter(|_| talk.is_open()) {
                Some(number) => open.push((name, talk, number)),
                None => self.nothing_came(&name, &talk)?,
            }
        }
        for (name, talk, number) in &open {
            self.ask_client(name, talk, *number).await?;
            self.nothing_came(name, talk)?;
        }
        let closes = self.close_all()?;
        for (name, talk, _) in &open {
            self.closed_by_client(name, talk).await?;
        }
        for close in closes {
            self.succeeded(&close).await?;
        }
        let tasks = self.tasks.borrow().clone();
        for task in tasks {
            self.answer_at_end(&task).await?;
        }
        Ok(())
    }

    /// How long the first thing took that the client was told.
    pub(in super::super) fn first_task_took(&self) -> Option<std::time::Duration> {
        self.tasks.borrow().first()?.took()
    }

    /// Has the client ask once more, and answers: what it did not have answered before is answered first.
    async fn ask_client(&self, name: &str, talk: &Rc<Talk>, number: i64) -> Outcome {
        for _ in 0..talk.unanswered.get() {
            self.answer_request(name, talk, "late").await?;
        }
        let product = self.product();
        let agent_type = crate::terms::word(&product.0);
        let members = Map::from_iter([
            ("conn".to_owned(), Json::from(number)),
            ("agent_type".to_owned(), Json::from(agent_type)),
        ]);
        let task = self.ask(name, "get_root_path", self.background.patience, members)?;
        let step = self.fence_step(name);
        let now = Instant::now();
        let watch = Watch {
            step: &step,
            name,
            what: "the request at the end, which must come next".to_owned(),
            number: 0,
            deadline: now + self.background.patience,
            since: now,
            not_before: None,
        };
        let Some(connection) = talk.connection() else { return Ok(()) };
        let request = spot(Frame::Fields(Box::new(root_path_request(product))));
        self.message(&watch, &request, &connection, talk, &Scope::default()).await?;
        let path = format!("/the/end/of/{name}");
        self.answer_request(name, talk, &path).await?;
        match &self.answer_at_end(&task).await?.answer {
            Answer::Ok(members) if members.get("path").and_then(Json::as_str) == Some(&path) => Ok(()),
            answer => {
                let expected = format!("ok {}", json!({"path": path}));
                let summary = "the request at the end has another result";
                Err(self.stumble(&step, "at the end", Mismatch::words(summary, expected, shown(answer))))
            }
        }
    }

    /// Answers a request for a root path.
    async fn answer_request(&self, name: &str, talk: &Rc<Talk>, path: &str) -> Outcome {
        let framing = self.framing(Party::Agent, talk)?;
        let Some(connection) = talk.connection() else { return Ok(()) };
        let failed = |error: String| Trouble::CannotRun(format!("the last answer cannot be made: {error}"));
        let path = self.formats().encode("root_path", &Json::from(path), None);
        let path = path.map_err(|error| failed(error.to_string()))?;
        let answer = json!({"command": GET_ROOT_PATH, "data": crate::hex_text::encode(&path)});
        let answer = self.formats().encode(framing.type_name, &answer, None);
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        let sealed = connection.seal(&answer, framing.header).map_err(failed)?;
        // Whether it was taken the result tells.
        connection.send(&sealed, self.background.patience).await;
        let count = answer.len();
        self.trace.note_sent(name, &[Stretch::Bytes(answer)], count);
        Ok(())
    }

    /// Tells the client to close what it has not closed. Gives those that must succeed.
    fn close_all(&self) -> Result<Vec<Rc<Task>>, Trouble> {
        let told: Vec<_> = self.told.borrow().clone().into_iter().collect();
        let mut closes = Vec::new();
        for (name, told) in told {
            let Some(number) = told.number() else { continue };
            if told.closed.replace(true) {
                continue;
            }
            let members = Map::from_iter([("conn".to_owned(), Json::from(number))]);
            let close = self.ask(&name, "close", self.background.patience, members)?;
            if self.talk(&name).is_some_and(|talk| talk.is_open()) {
                closes.push(close);
            }
        }
        Ok(closes)
    }

    /// Sees to it that a connection ends which the client was told to close.
    async fn closed_by_client(&self, name: &str, talk: &Rc<Talk>) -> Outcome {
        let Some(connection) = talk.connection() else { return Ok(()) };
        let patience = self.background.patience;
        let ended = connection
            .watch(Instant::now() + patience, |inbox| {
                if inbox.unread().is_empty() { inbox.end().map(|_| true) } else { Some(false) }
            })
            .await;
        match ended {
            Some(true) => {
                self.trace.note(name, Happening::ClosedBySubject);
                talk.end_told.set(true);
                Ok(())
            }
            Some(false) => self.nothing_came(name, talk),
            None => {
                let within = TimeSpan(patience);
                let (expected, actual) = (format!("its end within {within}"), format!("open after {within}"));
                let summary = "the connection did not end when the client was told to close it";
                let step = self.fence_step(name);
                Err(self.too_late(&step, "at the end", Mismatch::words(summary, expected, actual)))
            }
        }
    }

    async fn succeeded(&self, close: &Task) -> Outcome {
        match &self.answer_at_end(close).await?.answer {
            Answer::Ok(_) => Ok(()),
            answer => {
                let step = self.fence_step(&close.connection);
                let summary = format!("`{}` at the end failed", close.op);
                let mismatch = Mismatch::words(summary, "it succeeds", shown(answer));
                Err(self.stumble(&step, "at the end", mismatch))
            }
        }
    }

    /// The answer to something that no step looks at.
    async fn answer_at_end(&self, task: &Task) -> Result<Arc<Answered>, Trouble> {
        let step = self.fence_step(&task.connection);
        self.answer(&step, "at the end", task, task.deadline()).await
    }

    /// Sees to it that nothing is left of what came.
    fn nothing_came(&self, name: &str, talk: &Talk) -> Outcome {
        match talk.connection() {
            Some(connection) => self.nothing_left(name, talk, &connection),
            None => Ok(()),
        }
    }

    /// Tells the client to close its connections, and waits for nothing.
    pub(super) fn abandon(&self) {
        if !matches!(self.counterpart, Counterpart::Client(_)) {
            return;
        }
        // Whether it does is no longer this case's to judge.
        let _ = self.close_all();
        for (_, talk) in self.all_talks() {
            talk.phase.set(Phase::Ended);
        }
    }
}
