//! Clients with one fault each: the correct client, what it is told and answers, and a relay between it and its agent.

mod driving;
mod mistakes;
mod order;
mod pieces;
mod tls;
mod vectors;

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::fault::{Fault, Surroundings};
use super::relay::{Meddler, relay};
use super::talk::Talk;
use super::veil::Veil;
use crate::SystemVectors;
use crate::agent::core::VectorSource;
use crate::agent::settings::{Choices, ServerVersionForm, Settings};
use crate::client::driver;

/// How long the relay tries to reach an agent in place of the client.
const REACH_WITHIN: Duration = Duration::from_secs(5);

fn all() -> impl Iterator<Item = &'static Fault> {
    [mistakes::FAULTS, driving::FAULTS, order::FAULTS, pieces::FAULTS, tls::FAULTS, vectors::FAULTS]
        .into_iter()
        .flatten()
}

/// The names of all faults that a client can have, in no order.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|fault| fault.name).chain(EMPTY.iter().map(|(name, _)| *name))
}

/// Clients that are none: what they answer to any line, if anything.
const EMPTY: &[(&str, Option<&str>)] = &[
    ("empty-does-nothing", None),
    (
        "empty-finds-all-well",
        Some(
            r#""ok":{"conn":1,"encryption":0,"speaks":2000,"session":null,"server_version":"51.0.0.0","path":"/"}"#,
        ),
    ),
    ("empty-finds-all-closed", Some(r#""error":{"kind":"closed","message":"no connection"}"#)),
];

/// What a client was told, by the id of each request.
type Told = Arc<Mutex<HashMap<String, Value>>>;

/// Does what the lines of `input` say until it ends, as a client with a fault does.
///
/// # Errors
///
/// As [`driver::run`].
pub fn run(
    name: &str,
    input: impl BufRead + Send + 'static,
    output: impl Write + Send + 'static,
) -> io::Result<()> {
    if let Some((_, answer)) = EMPTY.iter().find(|(empty, _)| *empty == name) {
        return pretend(*answer, input, output);
    }
    let Some(fault) = all().find(|fault| fault.name == name) else {
        return driver::run(input, output);
    };
    let (requests, to_client) = io::pipe()?;
    let (from_client, answers) = io::pipe()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let told = Told::default();
    let known = Arc::clone(&told);
    let telling = thread::spawn(move || tell(fault, from_client, output, &known));
    thread::spawn(move || {
        // The client ends with its requests, and this process with it.
        let _ = pass_on(fault, input, to_client, &told, &runtime);
        // Connections are over when the client has closed them.
        thread::sleep(Duration::from_secs(2));
        runtime.shutdown_background();
    });
    let vectors =
        fault.vectors.map_or_else(|| Arc::new(SystemVectors) as Arc<dyn VectorSource>, |make| make());
    let result = driver::run_with(BufReader::new(requests), answers, vectors);
    let _ = telling.join();
    result
}

/// Answers every line with the same words.
fn pretend(answer: Option<&str>, input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    for line in input.lines() {
        let request: Value = serde_json::from_str(&line?).unwrap_or_default();
        if let Some(answer) = answer {
            writeln!(output, r#"{{"id":{},{answer}}}"#, request["id"])?;
            output.flush()?;
        }
    }
    Ok(())
}

/// Passes requests on to the client, connects by way of a relay.
fn pass_on(
    fault: &'static Fault,
    input: impl BufRead,
    mut to_client: impl Write,
    told: &Told,
    runtime: &Runtime,
) -> io::Result<()> {
    for line in input.lines() {
        let line = line?;
        let Ok(mut request) = serde_json::from_str::<Value>(&line) else {
            writeln!(to_client, "{line}")?;
            continue;
        };
        told.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(request["id"].to_string(), request.clone());
        let asked = request.clone();
        if let Some(change) = fault.told {
            change(&mut request);
        }
        if request["op"] == "connect"
            && let Some(port) = runtime.block_on(relayed(fault, &asked))
        {
            request["host"] = "127.0.0.1".into();
            request["port"] = port.into();
        }
        writeln!(to_client, "{request}")?;
        to_client.flush()?;
    }
    Ok(())
}

/// Opens a port for one connection of the client, from where it goes on to the agent; `None` if that cannot be reached.
async fn relayed(fault: &'static Fault, request: &Value) -> Option<u16> {
    let (host, port) = (request["host"].as_str()?, u16::try_from(request["port"].as_u64()?).ok()?);
    let agent = timeout(REACH_WITHIN, TcpStream::connect((host, port))).await.ok()?.ok()?;
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.ok()?;
    let own = listener.local_addr().ok()?.port();
    let form = match request["dialect"]["server_version"].as_str() {
        Some("int32x4") => ServerVersionForm::Int32x4,
        _ => ServerVersionForm::Int32,
    };
    let choices = Choices { server_version: Some(form), ..Choices::default() };
    let around = Arc::new(Surroundings::new(Settings::new(choices).ok()?));
    let tls = fault.ends_tls.and_then(|early| Some((early, driver::trust_of(&request.to_string())?)));
    let talk = Talk::new(fault, around, None);
    let mut meddler: Box<dyn Meddler> = match tls {
        Some((early, trust)) => Box::new(Veil::of_client(talk, trust, early, REACH_WITHIN)),
        None => Box::new(talk),
    };
    tokio::spawn(async move {
        let Ok(Ok((client, _))) = timeout(REACH_WITHIN, listener.accept()).await else { return };
        drop(listener);
        let _ = (client.set_nodelay(true), agent.set_nodelay(true));
        relay(client, agent, meddler.as_mut()).await;
    });
    Some(own)
}

/// Passes answers on.
fn tell(fault: &Fault, from_client: impl io::Read, mut output: impl Write, told: &Told) -> io::Result<()> {
    for line in BufReader::new(from_client).lines() {
        let line = line?;
        let changed = fault.answered.and_then(|change| {
            let mut answer: Value = serde_json::from_str(&line).ok()?;
            let request =
                told.lock().unwrap_or_else(PoisonError::into_inner).remove(&answer["id"].to_string())?;
            change(&mut answer, &request);
            Some(answer.to_string())
        });
        let line = changed.unwrap_or(line);
        for line in fault.prints.map_or_else(|| vec![line.clone()], |prints| prints(&line)) {
            writeln!(output, "{line}")?;
        }
        output.flush()?;
    }
    Ok(())
}
