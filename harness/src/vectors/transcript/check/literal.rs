//! What an op must put on the connection, by the formats.

use serde_json::{Value as Json, json};

use super::super::op::{Connect, Op, UpdateAgent, UpdateFile};
use super::super::play::{Framing, agent_type};
use super::super::value::{Known, Value};
use crate::format::{Format, Formats};
use crate::hex_text;
use crate::yaml::Spot;

/// The handshake of `connect`, as a type of the formats and a value; `None` where it is not known.
pub(super) fn handshake<'a>(
    connect: &Connect,
    formats: &'a Formats,
    known: &dyn Known,
) -> Option<(&'a str, Json)> {
    let played = |value: &Option<Spot<Value>>| value.as_ref()?.played(known).ok();
    match &connect.session {
        Some(_) => {
            let oldest = formats.iter().next()?;
            let session = played(&connect.session)?;
            Some((
                &oldest.conversation.handshake,
                json!({"version": oldest.protocol.value, "session": session}),
            ))
        }
        None => {
            let newest = formats.iter().last()?;
            let (min, max) = (played(&connect.min)?, played(&connect.max)?);
            Some((&newest.conversation.handshake, json!({"min": min, "max": max})))
        }
    }
}

/// The message of an op in plaintext; `None` where it sends none or it is not known.
pub(super) fn message(
    op: &Op,
    framing: Framing<'_>,
    formats: &Formats,
    known: &dyn Known,
) -> Option<Vec<u8>> {
    let (target, command, data) = match op {
        Op::Send(send) => {
            let target = send.target.as_ref().map(|target| target.played(known)).transpose().ok()?;
            let data = send.data.as_ref().map(|data| data.bytes()).unwrap_or_default();
            (target.unwrap_or(Json::from(0)), send.command.played(known).ok()?, data)
        }
        _ => {
            let meta = formats.iter().rev_meta(op.name())?;
            let value = request(op, known)?;
            (Json::from(0), Json::from(meta.command), formats.encode(&meta.request, &value, None).ok()?)
        }
    };
    let mut members = json!({"command": command, "data": hex_text::encode(&data)});
    if framing.has_target {
        members["target"] = agent_type(target);
    }
    formats.encode(framing.type_name, &members, None).ok()
}

/// Looks a meta message up by its name, newest format first.
trait MetaByName<'a> {
    fn rev_meta(self, name: &str) -> Option<&'a crate::format::MetaMessage>;
}

impl<'a, I: Iterator<Item = &'a Format>> MetaByName<'a> for I {
    fn rev_meta(self, name: &str) -> Option<&'a crate::format::MetaMessage> {
        self.flat_map(|format| &format.meta).filter(|meta| meta.name == name).last()
    }
}

/// The data of a meta message, in the JSON of the codec contract.
fn request(op: &Op, known: &dyn Known) -> Option<Json> {
    let product = |value: &Spot<Value>| value.played(known).ok().map(agent_type);
    Some(match op {
        Op::GetRootPath(request) => json!({"agent_type": product(&request.agent_type)?}),
        Op::OpenSession(open) => {
            json!({"agent_type": product(&open.agent_type)?, "session": open.session.played(known).ok()?})
        }
        Op::UpdateAgent(update) => update_agent(update, product(&update.agent_type)?),
        _ => return None,
    })
}

fn update_agent(update: &UpdateAgent, agent_type: Json) -> Json {
    let files = |files: &[UpdateFile]| -> Vec<Json> {
        let one = |file: &UpdateFile| {
            json!({
                "name": file.name.value,
                "modified_ticks": file.modified_ticks.value,
                "contents": hex_text::encode(&file.contents.bytes()),
            })
        };
        files.iter().map(one).collect()
    };
    json!({
        "agent_type": agent_type,
        "assemblies": files(&update.assemblies),
        "extensions": files(&update.extensions),
    })
}
