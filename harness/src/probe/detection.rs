//! The readings of an agent, found out by as few connections as that takes: one as a rule.

use super::asking::{Asked, Asker, Question, Tie, Unanswered, ask, form_by_end, numbers};
use super::greeting::{Greeted, Target, greet};
use super::offer::Offer;
use crate::format::Padding;
use crate::hex_text::spaced;
use crate::terms::Encryption;
use crate::vectors::transcript::entry::ServerVersion;

/// Otter and BuildMaster: two products whose root paths differ (MTA-5).
const FIRST_PRODUCT: u8 = 1;
const SECOND_PRODUCT: u8 = 2;

/// The reading of one knob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Knob<T> {
    pub(crate) reading: T,
    /// How it was found out, in words.
    pub(crate) how: String,
}

/// What was found out, or why not.
#[derive(Clone, Debug)]
pub(crate) struct Detection {
    pub(crate) server_version: Result<Knob<ServerVersion>, String>,
    /// `None` where the mode is another one than aes.
    pub(crate) aes_padding: Option<Result<Knob<Padding>, String>>,
    /// The server version itself.
    pub(super) numbers: Vec<i32>,
    /// What the agent answered, for Otter.
    pub(super) asked: Result<Asked, Unanswered>,
}

/// Finds out the readings of an agent that acknowledged an offer.
pub(crate) async fn detect(target: &Target<'_>, asker: &Asker, offer: Offer, greeted: Greeted) -> Detection {
    let encryption = greeted.encryption;
    let detecting = Detecting { target, asker, offer };
    if encryption == Encryption::Aes && asker.aes_key.is_none() {
        let detection = Detection::of(Err(Unanswered::NoKey), encryption);
        return detection.with_form_of(form_by_end(greeted, target).await);
    }
    let asked = match detecting.ask(greeted, Padding::Pkcs7, FIRST_PRODUCT).await {
        Err(Unanswered::Tied(tie)) => detecting.break_tie(*tie).await,
        // It may be the other padding that it understands: one that does not decrypt ends the connection (AES-6).
        Err(first) if encryption == Encryption::Aes => detecting.pad_with_zeros().await.map_err(|_| first),
        asked => asked,
    };
    let detection = Detection::of(asked, encryption);
    if encryption == Encryption::Aes && detection.asked.is_err() {
        return detection.with_form_of(detecting.form_by_end().await);
    }
    detection
}

struct Detecting<'a> {
    target: &'a Target<'a>,
    asker: &'a Asker,
    offer: Offer,
}

impl Detecting<'_> {
    async fn ask(&self, greeted: Greeted, padding: Padding, product: u8) -> Result<Asked, Unanswered> {
        ask(greeted, self.target, self.asker, Question { product, padding }).await
    }

    /// Asks on another connection.
    async fn ask_again(&self, padding: Padding, product: u8) -> Result<Asked, Unanswered> {
        let greeted = greet(self.target, self.offer).await;
        let greeted = greeted.map_err(|error| Unanswered::Unable(error.to_string()))?;
        self.ask(greeted, padding, product).await
    }

    async fn form_by_end(&self) -> Option<(ServerVersion, Vec<i32>)> {
        form_by_end(greet(self.target, self.offer).await.ok()?, self.target).await
    }

    async fn pad_with_zeros(&self) -> Result<Asked, Unanswered> {
        self.ask_again(Padding::Zeros, FIRST_PRODUCT).await
    }

    /// One int32 fits, and four are open: then three of the four would be a header and a path. The server version is
    /// the same whatever is asked for, and paths are not.
    async fn break_tie(&self, tie: Tie) -> Result<Asked, Unanswered> {
        let narrow = ServerVersion::Int32;
        let differs = |other: &Tie| {
            tie.form == narrow && other.form == narrow && tie.came.get(4..16) != other.came.get(4..16)
        };
        let holds = match self.ask_again(Padding::Pkcs7, SECOND_PRODUCT).await {
            Ok(other) => other.form == tie.form,
            Err(Unanswered::Tied(other)) => differs(&other),
            Err(_) => false,
        };
        if !holds {
            return Err(Unanswered::Tied(Box::new(tie)));
        }
        let Tie { form, came, response } = tie;
        let server_version = numbers(came.get(..form.size()).unwrap_or_default());
        Ok(Asked { form, server_version, tls: None, response: Ok(response) })
    }
}

impl Detection {
    fn of(asked: Result<Asked, Unanswered>, encryption: Encryption) -> Self {
        let server_version = match &asked {
            Ok(asked) => Ok(Knob { reading: asked.form, how: place(asked, encryption) }),
            Err(why) => Err(why.to_string()),
        };
        let aes_padding = (encryption == Encryption::Aes).then(|| match &asked {
            Ok(asked) => padding(asked),
            Err(why) => Err(why.to_string()),
        });
        let numbers = asked.as_ref().map(|asked| asked.server_version.clone()).unwrap_or_default();
        Self { server_version, aes_padding, numbers, asked }
    }

    /// The same with what a connection told that ended without a message: all that can be had without the key.
    fn with_form_of(mut self, seen: Option<(ServerVersion, Vec<i32>)>) -> Self {
        if let Some((reading, numbers)) = seen {
            let size = reading.size();
            let how =
                format!("the agent sent {size} bytes of it before it ended a connection without a message");
            self.server_version = Ok(Knob { reading, how });
            self.numbers = numbers;
        }
        self
    }
}

/// How the form of the server version was found out.
fn place(asked: &Asked, encryption: Encryption) -> String {
    let what = match encryption {
        Encryption::None => "the response to Get Agent Root Path",
        Encryption::Aes => "the encrypted response to Get Agent Root Path",
        Encryption::Ssl => "the answer to the TLS ClientHello",
    };
    format!("{what} begins {} bytes behind the number of the acknowledgement", asked.form.size())
}

fn padding(asked: &Asked) -> Result<Knob<Padding>, String> {
    let (response, _) = asked.response.as_ref().map_err(Clone::clone)?;
    let tail = response.tail.as_deref().unwrap_or_default();
    let what = if tail.is_empty() { "nothing".to_owned() } else { spaced(tail) };
    let how = format!("behind the path of a response stands {what}");
    match response.padding() {
        Some(reading) => Ok(Knob { reading, how }),
        None => Err(format!("{how}, which is neither pkcs7 nor zeros")),
    }
}
