//! The end of a case: every open connection gets a request that must be answered next, and nothing is left over.

use std::rc::Rc;

use super::super::connection::Connection;
use super::super::support::has_step;
use super::check::{Watch, came};
use super::scope::Scope;
use super::talk::{Moment, Phase, Talk};
use super::{Conversation, Mismatch, Outcome, Trouble};
use crate::event::Happening;
use crate::hex_text::amount;
use crate::subject::manifest::{Launch, Setting};
use crate::terms::Target;
use crate::vectors::transcript::data::{Data, Frame, FrameFields, Item};
use crate::vectors::transcript::scalars::Hex;
use crate::vectors::transcript::step::Kind;
use crate::vectors::transcript::value::{SettingName, Symbol, Value};
use crate::vectors::transcript::{Party, Step};
use crate::yaml::{Span, Spot};

/// A product, its agent type, and its root path.
pub(super) type Product = (Target, u8, SettingName);

/// The products whose root paths can be asked for, with their agent types.
const PRODUCTS: [Product; 3] = [
    (Target::Otter, 1, SettingName::OtterRoot),
    (Target::Buildmaster, 2, SettingName::BuildmasterRoot),
    (Target::Hedgehog, 3, SettingName::HedgehogRoot),
];

/// The command of Get Agent Root Path (MTA-3).
pub(super) const GET_ROOT_PATH: i32 = 3;

impl Conversation<'_> {
    /// Asks on every open connection, then looks for what nobody asked for.
    pub(super) async fn fence(&self) -> Outcome {
        let talks = self.all_talks();
        self.fence_sessions(&talks).await?;
        let mut asked = Vec::new();
        for (name, talk) in &talks {
            let Some(connection) = talk.connection() else { continue };
            if talk.session.get().is_some() {
                continue;
            }
            if talk.takes_requests() {
                asked.push((name, talk, connection));
            } else {
                self.nothing_left(name, talk, &connection)?;
            }
        }
        // One answer too many would be taken for that to the next request, did all ask the same.
        for product in self.products() {
            for (name, talk, connection) in &asked {
                self.ask_agent(name, talk, connection, product).await?;
            }
            for (name, talk, connection) in &asked {
                self.answered(name, talk, connection, product).await?;
            }
        }
        asked.iter().try_for_each(|(name, talk, connection)| self.nothing_left(name, talk, connection))
    }

    /// Sends the request. Whether the connection still takes it the answer tells.
    async fn ask_agent(
        &self,
        name: &str,
        talk: &Rc<Talk>,
        connection: &Connection,
        product: Product,
    ) -> Outcome {
        let request = root_path_request(product);
        let framing = self.framing(Party::Client, talk)?;
        let bytes = self
            .with_matching(&Scope::default(), |matching| {
                matching.player.frame_fields(&request, Span::default(), framing)
            })
            .map_err(|error| self.unbuildable(&error))?;
        let sealed = connection.seal(&bytes, framing.header).map_err(Trouble::CannotRun)?;
        let sent = connection.send(&sealed, self.background.patience).await;
        self.trace.note_came(name, Happening::Sent, &bytes[..sent.count.min(bytes.len())]);
        talk.last.set(Moment { before: sent.before, after: sent.after });
        Ok(())
    }

    /// The product whose root path a client is told to ask for: the first that it knows.
    pub(super) fn product(&self) -> Product {
        let targets = &self.background.manifest.supports.targets;
        PRODUCTS.into_iter().find(|(target, ..)| targets.contains(target)).unwrap_or(PRODUCTS[0])
    }

    /// The products whose root paths are asked for at the end: the last that the subject serves and the one before, or
    /// the first alone where the case has a configuration of its own, which may tell no other.
    fn products(&self) -> Vec<Product> {
        let targets = &self.background.manifest.supports.targets;
        let served = PRODUCTS.into_iter().filter(|(target, ..)| targets.contains(target));
        let is_configured = |kind: Kind<'_>| matches!(kind, Kind::Subject(step) if step.start.as_ref().is_some_and(|start| start.config.is_some()));
        let products: Vec<Product> = match has_step(self.case, is_configured) {
            true => served.take(1).collect(),
            false => served.rev().take(2).collect(),
        };
        if products.is_empty() { vec![PRODUCTS[0]] } else { products }
    }

    /// Whether the harness knows the root paths of the subject.
    fn knows_root(&self, name: SettingName) -> bool {
        let manifest = self.background.manifest;
        match manifest.launch {
            Launch::Command(_) => manifest.supports.settings.contains(&Setting::RootPaths),
            Launch::Address { .. } => super::super::settings::known(&self.values.borrow(), name).is_some(),
        }
    }

    async fn answered(&self, name: &str, talk: &Talk, connection: &Connection, product: Product) -> Outcome {
        let (_, _, root) = product;
        let path = match self.knows_root(root) {
            true => Symbol::Setting(spot(root)),
            false => Symbol::Any { play: None },
        };
        let path = Item::Typed { type_name: spot("root_path".to_owned()), value: spot(Value::Symbol(path)) };
        let answer = spot(Frame::Fields(Box::new(FrameFields {
            target: None,
            command: literal(GET_ROOT_PATH.into()),
            data: Some(spot(Data(vec![spot(path)]))),
            length: None,
            times: None,
        })));
        let since = talk.last.get().after;
        let step = self.fence_step(name);
        let watch = Watch {
            step: &step,
            name,
            what: "the request at the end, which must be answered next".to_owned(),
            number: 0,
            deadline: since + self.background.patience,
            since,
            not_before: None,
        };
        self.message(&watch, &answer, connection, talk, &Scope::default()).await.map(|_| ())
    }

    pub(super) fn nothing_left(&self, name: &str, talk: &Talk, connection: &Connection) -> Outcome {
        if talk.phase.get() == Phase::Ended {
            return Ok(());
        }
        let inbox = connection.inbox();
        if inbox.unread().is_empty() || self.may_be_left(name, inbox.unread()) {
            return Ok(());
        }
        let actual = came(&inbox);
        let summary = format!("{} left over at the end of the case", amount(inbox.unread().len()));
        drop(inbox);
        let step = self.fence_step(name);
        Err(self.stumble(&step, "at the end", Mismatch::words(summary, "nothing more", actual)))
    }

    /// A step that stands for the end of the case, on a connection.
    pub(super) fn fence_step(&self, name: &str) -> Spot<Step> {
        let span = self.case.steps().last().map_or(Span::default(), |step| step.span);
        let agent = crate::vectors::transcript::scalars::Name(name.to_owned());
        Spot { span, value: Step { agent: Some(spot(agent)), ..Step::default() } }
    }
}

/// Get Agent Root Path of a product.
pub(super) fn root_path_request((_, agent_type, _): Product) -> FrameFields {
    FrameFields {
        target: None,
        command: literal(GET_ROOT_PATH.into()),
        data: Some(spot(Data(vec![spot(Item::Hex(Hex::of(&[agent_type])))]))),
        length: None,
        times: None,
    }
}

pub(super) fn spot<T>(value: T) -> Spot<T> {
    Spot { span: Span::default(), value }
}

fn literal(value: serde_json::Value) -> Spot<Value> {
    spot(Value::Literal(value))
}
