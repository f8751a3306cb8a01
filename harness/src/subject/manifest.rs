//! Manifests: how a subject is started, what it supports, and where it is known to deviate.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::placeholders::{self, Template, Values};
use crate::finding::Finding;
use crate::select::Pattern;
use crate::terms::word;
pub use crate::terms::{Day, Encryption, Feature, Target, TimeSpan};
use crate::verdict::Outcome;
use crate::yaml::{Source, Spot, from_node, parse};

/// What a subject implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The server.
    Agent,
    /// A product that connects to an agent.
    Client,
    /// A process that an agent starts for a product.
    Host,
    /// Encoding and decoding alone.
    Codec,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Agent => "agent",
            Role::Client => "client",
            Role::Host => "host",
            Role::Codec => "codec",
        })
    }
}

/// Settings that the harness may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the contract's")]
pub enum Setting {
    HandshakeTimeout,
    SessionTimeout,
    MaxConcurrentHandshakes,
    AllowedAddresses,
    RootPaths,
    RingCapacity,
}

impl Setting {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::HandshakeTimeout,
        Self::SessionTimeout,
        Self::MaxConcurrentHandshakes,
        Self::AllowedAddresses,
        Self::RootPaths,
        Self::RingCapacity,
    ];
}

/// What a subject can do; cases that need more are skipped.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Supports {
    /// Protocol versions.
    pub versions: Vec<i32>,
    /// Modes of encryption.
    pub encryption: Vec<Encryption>,
    /// Targets of messages.
    pub targets: Vec<Target>,
    /// Abilities.
    pub features: Vec<Feature>,
    /// Settings that can be chosen.
    pub settings: Vec<Setting>,
}

impl Supports {
    /// The same in words, for reports.
    pub fn claims(&self) -> Claims {
        fn words(choices: &[impl Serialize]) -> Vec<String> {
            choices.iter().map(word).collect()
        }
        Claims {
            versions: self.versions.clone(),
            encryption: words(&self.encryption),
            targets: words(&self.targets),
            features: words(&self.features),
            settings: words(&self.settings),
        }
    }
}

/// What a subject can do, in the words of its manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claims {
    /// Protocol versions.
    pub versions: Vec<i32>,
    /// Modes of encryption.
    pub encryption: Vec<String>,
    /// Targets of messages.
    pub targets: Vec<String>,
    /// Abilities.
    pub features: Vec<String>,
    /// Settings that can be chosen.
    pub settings: Vec<String>,
}

/// When a started subject counts as ready.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// How long it may take.
    pub within: TimeSpan,
}

/// How a subject is asked to stop.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// By which signal.
    #[serde(default = "StopSignal::default")]
    pub signal: StopSignal,
    /// How long it may take before it is killed.
    #[serde(default = "Stop::within")]
    pub within: TimeSpan,
}

impl Stop {
    fn within() -> TimeSpan {
        TimeSpan(Duration::from_secs(5))
    }
}

/// The signals that may ask a subject to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopSignal {
    /// SIGTERM.
    #[default]
    Term,
    /// SIGINT.
    Int,
    /// SIGHUP.
    Hup,
    /// SIGQUIT.
    Quit,
    /// SIGKILL: no grace.
    Kill,
}

/// A known deviation, which is waived: the cases, how they end, and why.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// A glob over case names.
    pub case: Spot<String>,
    /// The outcome that is expected.
    pub outcome: Spot<Outcome>,
    /// A text that must occur in what goes wrong: see [`crate::waiver`].
    pub failure: Option<Spot<String>>,
    /// Why; never empty.
    pub reason: Spot<String>,
    /// Whom to ask; an empty text names nobody.
    pub owner: Option<String>,
    /// The last day on which the entry counts, by UTC; without one, it counts for ever.
    pub until: Option<Day>,
}

/// The knobs of the protocol as the subject reads them; a client may list several values.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dialect {
    /// `int32`, `int32x4` or `auto`.
    pub server_version: Knob,
    /// `pkcs7`, `zeros` or `auto`.
    pub aes_padding: Knob,
    /// `echo`, `any` or `auto`.
    pub response_code: Knob,
}

impl Dialect {
    /// Each knob with the values that hold, the default where none is given.
    pub fn readings(&self) -> Readings {
        let of = |knob: &Knob, default: &str| {
            if knob.0.is_empty() { vec![default.to_owned()] } else { knob.0.clone() }
        };
        Readings {
            server_version: of(&self.server_version, "int32"),
            aes_padding: of(&self.aes_padding, "pkcs7"),
            response_code: of(&self.response_code, "echo"),
        }
    }
}

/// How a subject reads the knobs of the protocol: the values that are tried, or `auto`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Readings {
    /// `int32`, `int32x4` or `auto`.
    pub server_version: Vec<String>,
    /// `pkcs7`, `zeros` or `auto`.
    pub aes_padding: Vec<String>,
    /// `echo`, `any` or `auto`.
    pub response_code: Vec<String>,
}

/// The values of one knob.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knob(pub Vec<String>);

impl<'de> Deserialize<'de> for Knob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> serde::de::Visitor<'de> for OneOrMany {
            type Value = Knob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the value of a knob as text, or a list of them")
            }

            fn visit_str<E>(self, value: &str) -> Result<Knob, E> {
                Ok(Knob(vec![value.to_owned()]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut access: A) -> Result<Knob, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = access.next_element()? {
                    values.push(value);
                }
                Ok(Knob(values))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spot<String>,
    role: Spot<Role>,
    command: Option<Spot<Vec<Spot<String>>>>,
    address: Option<Spot<String>>,
    assume: Option<Spot<IndexMap<String, serde_json::Value>>>,
    workdir: Option<Spot<String>>,
    #[serde(default)]
    env: IndexMap<String, Spot<String>>,
    config_template: Option<Spot<String>>,
    ready: Option<Ready>,
    stop: Option<Stop>,
    #[serde(default)]
    supports: Supports,
    #[serde(default)]
    dialect: Option<Spot<Dialect>>,
    #[serde(default)]
    expect: Vec<Expect>,
}

/// How the subject comes to be there.
#[derive(Clone, Debug)]
pub enum Launch {
    /// The harness starts it.
    Command(Vec<Template>),
    /// It runs already.
    Address {
        /// HOST:PORT.
        address: String,
        /// The settings it was started with.
        assume: IndexMap<String, serde_json::Value>,
    },
}

/// The command, its placeholders unfilled, or the address.
impl fmt::Display for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Launch::Command(words) => {
                f.write_str(&words.iter().map(Template::to_string).collect::<Vec<_>>().join(" "))
            }
            Launch::Address { address, .. } => f.write_str(address),
        }
    }
}

/// A subject's manifest.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// What it implements.
    pub role: Role,
    /// How it comes to be there.
    pub launch: Launch,
    /// The folder it is started in.
    pub workdir: PathBuf,
    /// Additions to its environment.
    pub env: Vec<(String, Template)>,
    /// What `{config}` is rendered from before each start.
    pub config_template: Option<Template>,
    /// How long it may take to become ready.
    pub ready_within: Duration,
    /// How it is stopped.
    pub stop_signal: StopSignal,
    /// How long stopping may take.
    pub stop_within: Duration,
    /// What it can do.
    pub supports: Supports,
    /// How it reads the protocol's knobs.
    pub dialect: Dialect,
    /// Known deviations, with their patterns.
    pub expect: Vec<(Pattern, Expect)>,
    /// The manifest's text, for findings.
    pub source: Arc<Source>,
}

impl Manifest {
    /// Reads a manifest file.
    ///
    /// # Errors
    ///
    /// Findings, or one sentence when the file cannot be read at all.
    pub fn read(path: &Path) -> Result<Self, Vec<String>> {
        let shown = path.display();
        let bytes = std::fs::read(path)
            .map_err(|error| vec![format!("the manifest {shown} cannot be read: {error}")])?;
        let no_text = |valid| vec![format!("the manifest {shown} is not UTF-8 text from byte {valid} on")];
        let text = String::from_utf8(bytes).map_err(|error| no_text(error.utf8_error().valid_up_to()))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = std::path::absolute(folder)
            .map_err(|error| vec![format!("the folder of the manifest {shown} cannot be had: {error}")])?;
        Self::parse(&Source::new(shown.to_string(), text), &folder)
            .map_err(|findings| findings.iter().map(|finding| finding.render(false)).collect())
    }

    /// Reads a manifest's text. Relative paths in it start at `folder`.
    ///
    /// # Errors
    ///
    /// Everything in it that a reader must mend.
    pub fn parse(source: &Arc<Source>, folder: &Path) -> Result<Self, Vec<Finding>> {
        Self::parse_with(source, folder, &|path| std::fs::read_to_string(path))
    }

    /// As [`Manifest::parse`], with another way to read the files that the manifest names: those of an embedded
    /// manifest are embedded too.
    ///
    /// # Errors
    ///
    /// As of [`Manifest::parse`].
    pub fn parse_with(
        source: &Arc<Source>,
        folder: &Path,
        read: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Self, Vec<Finding>> {
        let node = parse(source).map_err(|finding| vec![finding])?;
        let file: File = from_node(&node).map_err(|error| vec![Finding::typed(source, &error)])?;
        let mut reader = Reader { source, findings: Vec::new() };
        let launch = reader.launch(&file);
        let config_template =
            file.config_template.as_ref().and_then(|path| reader.config_template(path, folder, read));
        let env =
            file.env.iter().filter_map(|(name, text)| Some((name.clone(), reader.template(text)?))).collect();
        let expect = file.expect.iter().filter_map(|expect| reader.expect(expect)).collect();
        reader.dialect(file.dialect.as_ref(), file.role.value);
        let (Some(launch), true) = (launch, reader.findings.is_empty()) else {
            return Err(reader.findings);
        };
        let seconds = Duration::from_secs;
        Ok(Self {
            name: file.name.value,
            role: file.role.value,
            launch,
            workdir: file.workdir.map_or_else(|| folder.to_path_buf(), |dir| folder.join(dir.value)),
            env,
            config_template,
            ready_within: file.ready.map_or(seconds(10), |ready| ready.within.0),
            stop_signal: file.stop.as_ref().map_or(StopSignal::Term, |stop| stop.signal),
            stop_within: file.stop.as_ref().map_or(seconds(5), |stop| stop.within.0),
            supports: file.supports,
            dialect: file.dialect.map(|dialect| dialect.value).unwrap_or_default(),
            expect,
            source: Arc::clone(source),
        })
    }

    /// The manifest with another program where its command begins with `name` alone: how the manifests
    /// of the reference, whose program is `iaspec`, come to start the running one.
    #[must_use]
    pub fn with_program(mut self, name: &str, program: &Path) -> Self {
        if let Launch::Command(words) = &mut self.launch
            && let Some(first) = words.first_mut()
            && first.is_literal(name)
        {
            *first = Template::literal(&program.to_string_lossy());
        }
        self
    }

    /// The manifest with words more at the end of its command.
    #[must_use]
    pub fn with_words(mut self, more: &[&str]) -> Self {
        if let Launch::Command(words) = &mut self.launch {
            words.extend(more.iter().map(|word| Template::literal(word)));
        }
        self
    }

    /// Whether a placeholder occurs where the subject could read it.
    pub fn mentions(&self, placeholder: &str) -> bool {
        let words: &[Template] = if let Launch::Command(words) = &self.launch { words } else { &[] };
        let environment = self.env.iter().map(|(_, template)| template);
        let mut templates = words.iter().chain(environment).chain(&self.config_template);
        templates.any(|template| template.names().any(|name| name == placeholder))
    }

    /// The program and its arguments, with values in place.
    ///
    /// # Errors
    ///
    /// A sentence for people: there is no command, or a placeholder in it has no value for this role.
    pub fn command(&self, values: &Values) -> Result<(PathBuf, Vec<String>), String> {
        let Launch::Command(words) = &self.launch else {
            return Err(format!("{}: has no command to be started by", self.source.name));
        };
        let missing = |name: String| {
            format!("{}: `{{{name}}}` has no value for a subject of role {}", self.source.name, self.role)
        };
        let mut words = placeholders::render_command(words, values).map_err(missing)?;
        if words.is_empty() {
            return Err(format!("{}: the command is empty", self.source.name));
        }
        let program = words.remove(0);
        let program = if program.contains('/') { self.workdir.join(program) } else { program.into() };
        Ok((program, words))
    }

    /// The additions to the environment, with values in place.
    ///
    /// # Errors
    ///
    /// As [`Manifest::command`].
    pub fn environment(&self, values: &Values) -> Result<Vec<(String, String)>, String> {
        self.env
            .iter()
            .map(|(name, template)| {
                let value = template.render(values).map_err(|missing| {
                    format!(
                        "{}: `{{{missing}}}` has no value for a subject of role {}",
                        self.source.name, self.role
                    )
                })?;
                Ok((name.clone(), value))
            })
            .collect()
    }
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn report<T>(&mut self, at: &Spot<T>, message: impl Into<String>) {
        self.findings.push(Finding::new(self.source, at.span, message));
    }

    fn template(&mut self, text: &Spot<String>) -> Option<Template> {
        Template::parse(text).map_err(|message| self.report(text, message)).ok()
    }

    fn config_template(
        &mut self,
        path: &Spot<String>,
        folder: &Path,
        read: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Option<Template> {
        let full = folder.join(&path.value);
        let template = match read(&full) {
            Ok(text) => Template::parse(&text).map_err(|message| format!("{}: {message}", path.value)),
            Err(error) => {
                Err(format!("the configuration template {} cannot be read: {error}", full.display()))
            }
        };
        template.map_err(|message| self.report(path, message)).ok()
    }

    fn launch(&mut self, file: &File) -> Option<Launch> {
        match (&file.command, &file.address) {
            (Some(command), None) => {
                if let Some(assume) = &file.assume {
                    self.report(assume, "`assume` goes with `address`, not with `command`");
                }
                if command.is_empty() {
                    self.report(command, "the command needs at least a program");
                    return None;
                }
                let words: Vec<Template> = command.iter().filter_map(|word| self.template(word)).collect();
                Some(Launch::Command(words))
            }
            (None, Some(address)) => {
                if file.role.value != Role::Agent {
                    self.report(address, "only an agent can be named by `address`; others need a `command`");
                }
                let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
                if !matches!(port, Some(Ok(_))) {
                    let message = format!("`{}` is no address; write HOST:PORT", address.value);
                    self.report(address, message);
                }
                let assume = file.assume.as_ref().map(|assume| assume.value.clone()).unwrap_or_default();
                Some(Launch::Address { address: address.value.clone(), assume })
            }
            (Some(_), Some(address)) => {
                self.report(address, "`command` and `address` exclude each other");
                None
            }
            (None, None) => {
                self.report(&file.role, "neither `command` nor `address` says where the subject is");
                None
            }
        }
    }

    fn expect(&mut self, expect: &Expect) -> Option<(Pattern, Expect)> {
        if matches!(expect.outcome.value, Outcome::Pass | Outcome::Skip) {
            self.report(&expect.outcome, "only fail, difference, warning and error can be expected");
        }
        if expect.reason.trim().is_empty() {
            self.report(&expect.reason, "the reason is empty: say why this is expected, such as a ticket");
        }
        if let Some(failure) = expect.failure.as_ref().filter(|failure| failure.trim().is_empty()) {
            self.report(
                failure,
                "an empty text occurs in every failure: write a part of this one, or leave `failure` out",
            );
        }
        match Pattern::new(&expect.case) {
            Ok(pattern) => Some((pattern, expect.clone())),
            Err(message) => {
                self.report(&expect.case, message);
                None
            }
        }
    }

    fn dialect(&mut self, dialect: Option<&Spot<Dialect>>, role: Role) {
        let Some(dialect) = dialect else { return };
        let knobs = [
            ("server_version", &dialect.server_version, ["int32", "int32x4", "auto"]),
            ("aes_padding", &dialect.aes_padding, ["pkcs7", "zeros", "auto"]),
            ("response_code", &dialect.response_code, ["echo", "any", "auto"]),
        ];
        for (name, knob, allowed) in knobs {
            if let Some(wrong) = knob.0.iter().find(|value| !allowed.contains(&value.as_str())) {
                self.report(dialect, format!("`{name}: {wrong}` is not one of {}", allowed.join(", ")));
            }
            if knob.0.len() > 1 && role != Role::Client {
                self.report(dialect, format!("only a client may list several values of `{name}`"));
            }
        }
    }
}
