//! The configuration file `InedoAgent.config` (CFG-1), read strictly: whatever is not understood is an error
//! with file, line and element, never skipped (CFG-2).

use std::collections::HashMap;
use std::io;
use std::path::Path;

use roxmltree::{Document, Node};
use thiserror::Error;

use super::{Choices, Connections, Server, Stated, values};
use crate::files;

/// What is wrong with a configuration file.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ConfigError {
    /// There is none that could be read.
    #[error("{file}: the configuration file cannot be read: {reason}")]
    Unreadable {
        /// The file as it was named.
        file: String,
        /// Why not.
        reason: String,
    },
    /// Something in it is wrong.
    #[error("{file}:{line}: {message}")]
    Wrong {
        /// The file as it was named.
        file: String,
        /// The line, from 1.
        line: u32,
        /// What, beginning with the element.
        message: String,
    },
}

/// Reads a configuration file.
///
/// # Errors
///
/// [`ConfigError`] for the first thing wrong with it.
pub fn read_config(path: &Path) -> Result<Choices, ConfigError> {
    let file = path.display().to_string();
    let text = files::read(path).and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
    match text {
        Ok(text) => parse_config(&file, &text),
        Err(error) => Err(ConfigError::Unreadable { file, reason: error.to_string() }),
    }
}

/// Reads the text of a configuration file; `file` is its name in messages.
///
/// # Errors
///
/// [`ConfigError`] for the first thing wrong with it.
pub fn parse_config(file: &str, text: &str) -> Result<Choices, ConfigError> {
    let document = Document::parse(text).map_err(|error| ConfigError::Wrong {
        file: file.to_owned(),
        line: error.pos().row,
        message: format!("not well-formed XML: {error}"),
    })?;
    let root = Element { file, node: document.root_element() };
    if root.name() != ROOT || root.node.tag_name().namespace().is_some() {
        return Err(root.wrong(format!("the root element has to be {ROOT}, in no namespace")));
    }
    root.choices()
}

const ROOT: &str = "InedoAgentConfig";

/// An element and the file it is in.
#[derive(Clone, Copy)]
struct Element<'a, 'input> {
    file: &'a str,
    node: Node<'a, 'input>,
}

/// The elements within one, by name.
type Children<'a, 'input> = HashMap<&'a str, Element<'a, 'input>>;

impl<'a, 'input> Element<'a, 'input> {
    fn choices(self) -> Result<Choices, ConfigError> {
        self.attributes(&[])?;
        let children = self.children(&[
            "LogFile",
            "ExtensionCachePath",
            "BuildMasterRootPath",
            "OtterRootPath",
            "HedgehogRootPath",
            "SessionTimeout",
            "UpdatePath",
            "ProductHost",
            "Versions",
            "Listener",
            "Connections",
        ])?;
        let mut choices = Choices {
            log_file: optional(&children, "LogFile", values::path)?,
            extension_cache: value(&children, "ExtensionCachePath", values::path)?,
            buildmaster_root: value(&children, "BuildMasterRootPath", values::text_of_path)?,
            otter_root: value(&children, "OtterRootPath", values::text_of_path)?,
            hedgehog_root: value(&children, "HedgehogRootPath", values::text_of_path)?,
            session_timeout: value(&children, "SessionTimeout", values::seconds)?,
            update_dir: value(&children, "UpdatePath", values::path)?,
            product_host: value(&children, "ProductHost", values::path)?,
            versions: value(&children, "Versions", |text| text.parse().map_err(|error| format!("{error}")))?,
            ..Choices::default()
        };
        if let Some(listener) = children.get("Listener") {
            listener.listener(&mut choices)?;
        }
        choices.connections = children.get("Connections").map(|element| element.connections()).transpose()?;
        Ok(choices)
    }

    fn listener(self, choices: &mut Choices) -> Result<(), ConfigError> {
        self.attributes(&["Enabled"])?;
        choices.listen = self.attribute("Enabled", values::boolean)?;
        let children = self.children(&[
            "Encryption",
            "Address",
            "Port",
            "MaxConcurrentHandshakes",
            "HandshakeTimeout",
            "AllowedAddresses",
        ])?;
        if let Some(encryption) = children.get("Encryption") {
            encryption.encryption(choices)?;
        }
        choices.address = optional(&children, "Address", values::address)?;
        choices.port = value(&children, "Port", values::port)?;
        choices.max_concurrent_handshakes = value(&children, "MaxConcurrentHandshakes", values::count)?;
        choices.handshake_timeout = value(&children, "HandshakeTimeout", values::seconds)?;
        choices.allowed_addresses = value(&children, "AllowedAddresses", str::parse)?;
        Ok(())
    }

    fn encryption(self, choices: &mut Choices) -> Result<(), ConfigError> {
        self.attributes(&["Mode"])?;
        choices.encryption = self.attribute("Mode", values::encryption_mode)?;
        let children = self.children(&["CertificateName", "Key"])?;
        choices.certificate = optional_stated(&children, "CertificateName", values::path)?;
        choices.aes_key = optional_stated(&children, "Key", values::aes_key)?;
        Ok(())
    }

    fn connections(self) -> Result<Connections, ConfigError> {
        self.attributes(&["Enabled"])?;
        let enabled = self.attribute("Enabled", values::boolean)?.is_none_or(|enabled| enabled.value);
        let servers = self.elements(&["Server"])?.into_iter().map(|element| element.server());
        Ok(Connections { enabled, servers: servers.collect::<Result<_, _>>()? })
    }

    fn server(self) -> Result<Server, ConfigError> {
        self.attributes(&["Host", "Key"])?;
        self.elements(&[])?;
        let attribute = |name| {
            let attribute = self.attribute(name, |text| Ok(text.to_owned()))?;
            let missing = || self.wrong(format!("attribute {name} is missing"));
            attribute.map(|stated| stated.value).ok_or_else(missing)
        };
        Ok(Server { host: attribute("Host")?, key: attribute("Key")? })
    }

    fn name(self) -> &'a str {
        self.node.tag_name().name()
    }

    /// The elements within this one, each of a known name and there once.
    fn children(self, known: &[&str]) -> Result<Children<'a, 'input>, ConfigError> {
        let mut children = Children::new();
        for element in self.elements(known)? {
            if let Some(first) = children.insert(element.name(), element) {
                return Err(element.wrong(format!("the element is there already, in line {}", first.line())));
            }
        }
        Ok(children)
    }

    /// The elements within this one, each of a known name, with nothing but blanks and comments between.
    fn elements(self, known: &[&str]) -> Result<Vec<Self>, ConfigError> {
        let mut elements = Vec::new();
        for node in self.node.children() {
            let element = Self { file: self.file, node };
            if node.is_element() {
                if !known.contains(&element.name()) || node.tag_name().namespace().is_some() {
                    return Err(element.wrong(format!("{} has no such element{}", self.name(), list(known))));
                }
                elements.push(element);
            } else if let Some(text) = node.text().filter(|text| node.is_text() && !text.trim().is_empty()) {
                // The text begins with the line break behind the element before it.
                let blanks = text.len() - text.trim_start().len();
                let line = self.line_at(node.range().start + blanks);
                return Err(self.wrong_at(line, format!("text where elements belong: `{}`", text.trim())));
            }
        }
        Ok(elements)
    }

    /// Refuses attributes of other names.
    fn attributes(self, known: &[&str]) -> Result<(), ConfigError> {
        let known_here = |name: &str, namespace: Option<&str>| known.contains(&name) && namespace.is_none();
        let unknown =
            self.node.attributes().find(|attribute| !known_here(attribute.name(), attribute.namespace()));
        unknown.map_or(Ok(()), |attribute| {
            let line = self.line_at(attribute.range().start);
            Err(self.wrong_at(line, format!("there is no attribute {}{}", attribute.name(), list(known))))
        })
    }

    fn attribute<T>(
        self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<Stated<T>>, ConfigError> {
        let Some(attribute) = self.node.attribute_node(name) else { return Ok(None) };
        let line = self.line_at(attribute.range().start);
        let wrong = |message| self.wrong_at(line, format!("attribute {name}: {message}"));
        let value = parse(attribute.value()).map_err(wrong)?;
        Ok(Some(Stated { value, place: self.place_at(line) }))
    }

    /// The text within this element, which must hold nothing else, without the blanks around it.
    fn text(self) -> Result<String, ConfigError> {
        self.attributes(&[])?;
        let mut text = String::new();
        for node in self.node.children() {
            if node.is_element() {
                let element = Self { file: self.file, node };
                return Err(element.wrong(format!("{} has no such element", self.name())));
            }
            text.push_str(node.text().filter(|_| node.is_text()).unwrap_or_default());
        }
        Ok(text.trim().to_owned())
    }

    fn line(self) -> u32 {
        self.line_at(self.node.range().start)
    }

    fn line_at(self, offset: usize) -> u32 {
        self.node.document().text_pos_at(offset).row
    }

    /// This element in a message about a value that is wrong beside others.
    fn place_at(self, line: u32) -> String {
        format!("{}:{line}: {}", self.file, self.name())
    }

    fn wrong(self, message: String) -> ConfigError {
        self.wrong_at(self.line(), message)
    }

    fn wrong_at(self, line: u32, message: String) -> ConfigError {
        ConfigError::Wrong {
            file: self.file.to_owned(),
            line,
            message: format!("{}: {message}", self.name()),
        }
    }
}

/// The value of an element that may be missing but not empty.
fn value<T>(
    children: &Children<'_, '_>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    let Some(element) = children.get(name) else { return Ok(None) };
    parse(&element.text()?).map(Some).map_err(|message| element.wrong(message))
}

/// The value of an element that may also be empty, which is then as if it were missing.
fn optional<T>(
    children: &Children<'_, '_>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    match children.get(name) {
        Some(element) if element.text()?.is_empty() => Ok(None),
        _ => value(children, name, parse),
    }
}

/// The same with the place of the element.
fn optional_stated<T>(
    children: &Children<'_, '_>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<Stated<T>>, ConfigError> {
    let Some(element) = children.get(name) else { return Ok(None) };
    let place = element.place_at(element.line());
    Ok(optional(children, name, parse)?.map(|value| Stated { value, place }))
}

fn list(known: &[&str]) -> String {
    match known {
        [] => String::new(),
        [one] => format!("; there is {one}"),
        many => format!("; there are {}", many.join(", ")),
    }
}
