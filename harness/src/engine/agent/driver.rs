//! The line protocol with a client: many requests under way at once, on behalf of many cases.
//!
//! One task writes lines in the order in which they were asked, another reads answers and hands each to who waits for
//! it. Nothing here waits for a case: a client that says what is no answer is broken, and everybody learns it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value as Json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::engine::Breakdown;
use crate::engine::lines::LONGEST_LINE;
use crate::engine::reply::{self, Reply};

/// How much is read at once.
const READ_SIZE: usize = 64 << 10;

/// How long the last lines may take to be written before the input is closed.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// How an op went.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// It gave back these members.
    Ok(Map<String, Json>),
    /// It failed.
    Error {
        /// The word for why.
        kind: String,
        /// A sentence for people.
        message: String,
    },
}

/// An answer with the time at which it came.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) answer: Answer,
    pub(super) when: Instant,
}

/// An op that was asked, and may be answered.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    answered: Answers,
    /// Just before the line was handed over.
    pub(super) asked: Instant,
}

impl Ticket {
    /// The answer, if it is there by a deadline.
    pub(super) async fn answer(&self, deadline: Instant) -> Option<Arc<Answered>> {
        let mut answered = self.answered.clone();
        let waited = timeout_at(deadline, answered.wait_for(Option::is_some)).await;
        // What ended the protocol everybody learns in another way.
        waited.ok()?.ok()?.clone()
    }

    /// The answer, if it is there.
    pub(super) fn answered(&self) -> Option<Arc<Answered>> {
        self.answered.borrow().clone()
    }
}

type Waiting = watch::Sender<Option<Arc<Answered>>>;
type Answers = watch::Receiver<Option<Arc<Answered>>>;

/// What was asked and not answered yet.
#[derive(Debug, Default)]
struct Open {
    by_id: HashMap<u64, Waiting>,
    /// Lines from which no id can be read: they are answered in their order, as far as anybody can tell.
    without_id: VecDeque<Waiting>,
    last_id: u64,
}

/// A line protocol with a client.
#[derive(Debug)]
pub(super) struct Driver {
    open: Arc<Mutex<Open>>,
    lines: mpsc::UnboundedSender<Vec<u8>>,
    broken: watch::Receiver<Option<Breakdown>>,
    writer: JoinHandle<ChildStdin>,
    reader: JoinHandle<()>,
}

impl Driver {
    /// Takes over the standard input and output of a client.
    pub(super) fn new(stdin: ChildStdin, stdout: ChildStdout) -> Self {
        let open = Arc::new(Mutex::new(Open::default()));
        let (lines, to_write) = mpsc::unbounded_channel();
        let (breaks, broken) = watch::channel(None);
        let writer = tokio::spawn(write(stdin, to_write));
        let reader = tokio::spawn(read(stdout, Arc::clone(&open), breaks));
        Self { open, lines, broken, writer, reader }
    }

    /// Asks for an op: its line is made up from the id that it gets. `has_id` tells whether the client can read that
    /// from the line.
    pub(super) fn ask(&self, line: impl FnOnce(u64) -> String, has_id: bool) -> (Ticket, String) {
        let (waiting, answered) = watch::channel(None);
        let mut open = lock(&self.open);
        open.last_id += 1;
        let id = open.last_id;
        if self.broken.borrow().is_some() {
            // Nobody answers any more, which who waits learns at once.
            drop(waiting);
        } else if has_id {
            open.by_id.insert(id, waiting);
        } else {
            open.without_id.push_back(waiting);
        }
        let line = line(id);
        let asked = Instant::now();
        // A client that reads no more is noticed by the answers that do not come. The lock keeps the order.
        let _ = self.lines.send([line.as_bytes(), b"\n"].concat());
        (Ticket { answered, asked }, line)
    }

    /// How the protocol broke down, once it did.
    pub(super) fn breakdown(&self) -> Option<Breakdown> {
        self.broken.borrow().clone()
    }

    /// Waits until the protocol breaks down.
    pub(super) async fn broken(&self) -> Breakdown {
        let mut broken = self.broken.clone();
        let seen = broken.wait_for(Option::is_some).await.ok().and_then(|seen| seen.clone());
        match seen {
            Some(breakdown) => breakdown,
            None => std::future::pending().await,
        }
    }

    /// Ends the protocol. Gives the input back, still open, unless the client reads no more; its output goes on being
    /// read, unless it is nonsense.
    pub(super) async fn close(self) -> Option<ChildStdin> {
        let Self { lines, mut writer, reader, .. } = self;
        drop(lines);
        drop(reader);
        match timeout(WRITTEN_WITHIN, &mut writer).await {
            Ok(stdin) => stdin.ok(),
            Err(_) => {
                writer.abort();
                None
            }
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes lines until there are no more; gives the input back.
async fn write(mut stdin: ChildStdin, mut lines: mpsc::UnboundedReceiver<Vec<u8>>) -> ChildStdin {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(&line).await.is_err() {
            // It reads no more. What follows is dropped.
            lines.close();
        }
    }
    stdin
}

/// Reads answers until the output ends or says what is no answer.
async fn read(mut stdout: ChildStdout, open: Arc<Mutex<Open>>, breaks: watch::Sender<Option<Breakdown>>) {
    let (mut incoming, mut scanned) = (Vec::new(), 0);
    let breakdown = loop {
        incoming.reserve(READ_SIZE);
        match stdout.read_buf(&mut incoming).await {
            Ok(count) if count > 0 => {}
            _ => break Breakdown::ClosedOutput,
        }
        if let Err(breakdown) = take_lines(&mut incoming, &mut scanned, &open) {
            break breakdown;
        }
    };
    breaks.send_replace(Some(breakdown));
    // Who waits learns that nothing comes any more. What does come is not read: whoever talks nonsense waits.
    *lock(&open) = Open::default();
}

/// Hands out the answers of all complete lines. The first bytes of what is left were looked through for the end of a line.
fn take_lines(incoming: &mut Vec<u8>, scanned: &mut usize, open: &Mutex<Open>) -> Result<(), Breakdown> {
    let mut taken = 0;
    while let Some(found) = memchr::memchr(b'\n', &incoming[*scanned..]) {
        let end = *scanned + found;
        let line = &incoming[taken..end];
        let (id, reply) = reply::reply(line)?;
        let answer = answer(&reply, line)?;
        let waiting = match id {
            Some(id) => lock(open).by_id.remove(&id).ok_or_else(|| Breakdown::UnknownId(id.to_string())),
            None => lock(open).without_id.pop_front().ok_or_else(|| Breakdown::UnknownId("null".to_owned())),
        }?;
        waiting.send_replace(Some(Arc::new(Answered { answer, when: Instant::now() })));
        taken = end + 1;
        *scanned = taken;
    }
    incoming.drain(..taken);
    *scanned = incoming.len();
    if incoming.len() > LONGEST_LINE {
        let start = String::from_utf8_lossy(&incoming[..256]).into_owned();
        return Err(Breakdown::LineTooLong { start });
    }
    // A long line must not be paid for until the end of the run.
    if incoming.capacity() > LONGEST_LINE && incoming.len() < READ_SIZE {
        incoming.shrink_to(READ_SIZE);
    }
    Ok(())
}

fn answer(reply: &Reply<'_>, line: &[u8]) -> Result<Answer, Breakdown> {
    if let Some(error) = &reply.error {
        return Ok(Answer::Error { kind: error.kind.to_string(), message: error.message.to_string() });
    }
    let members = reply.ok.and_then(|ok| serde_json::from_str(ok.get()).ok());
    members.map(Answer::Ok).ok_or_else(|| Breakdown::NotAnAnswer {
        why: "its `ok` is no object".to_owned(),
        line: String::from_utf8_lossy(&line[..line.len().min(1024)]).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_with(ids: &[u64], without_id: usize) -> (Mutex<Open>, Vec<Answers>) {
        let mut open = Open::default();
        let mut receivers = Vec::new();
        for id in ids {
            let (waiting, receiver) = watch::channel(None);
            open.by_id.insert(*id, waiting);
            receivers.push(receiver);
        }
        for _ in 0..without_id {
            let (waiting, receiver) = watch::channel(None);
            open.without_id.push_back(waiting);
            receivers.push(receiver);
        }
        (Mutex::new(open), receivers)
    }

    fn seen(receiver: &Answers) -> Option<Answer> {
        receiver.borrow().as_ref().map(|answered| answered.answer.clone())
    }

    #[test]
    fn answers_go_to_who_waits_for_them() {
        let (open, receivers) = open_with(&[3, 4], 1);
        let mut scanned = 0;
        let mut incoming = br#"{"id":4,"ok":{"conn":1}}
{"id":null,"error":{"kind":"usage","message":"no"}}
{"id":3,"#
            .to_vec();
        take_lines(&mut incoming, &mut scanned, &open).unwrap();
        assert_eq!(incoming, br#"{"id":3,"#);
        assert_eq!(seen(&receivers[0]), None);
        assert_eq!(seen(&receivers[1]), Some(Answer::Ok(Map::from_iter([("conn".to_owned(), 1.into())]))));
        let error = Answer::Error { kind: "usage".to_owned(), message: "no".to_owned() };
        assert_eq!(seen(&receivers[2]), Some(error));
        incoming.extend_from_slice(b"\"ok\":{}}\n");
        take_lines(&mut incoming, &mut scanned, &open).unwrap();
        assert_eq!((seen(&receivers[0]), incoming.len()), (Some(Answer::Ok(Map::new())), 0));
    }

    #[test]
    fn what_is_no_answer_breaks_the_protocol() {
        let (open, _receivers) = open_with(&[3], 0);
        let broken =
            |line: &str| take_lines(&mut format!("{line}\n").into_bytes(), &mut 0, &open).unwrap_err();
        assert_eq!(broken(r#"{"id":9,"ok":{}}"#), Breakdown::UnknownId("9".to_owned()));
        assert_eq!(broken(r#"{"id":null,"ok":{}}"#), Breakdown::UnknownId("null".to_owned()));
        assert!(matches!(broken("hello"), Breakdown::NotJson(_)));
        assert!(broken(r#"{"id":3,"ok":7}"#).to_string().contains("its `ok` is no object"));
        let mut endless = vec![b' '; LONGEST_LINE + 1];
        assert!(matches!(take_lines(&mut endless, &mut 0, &open), Err(Breakdown::LineTooLong { .. })));
    }
}
