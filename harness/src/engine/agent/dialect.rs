//! How a subject reads what the protocol leaves open: one value of each knob.

use std::fmt;

use super::support;
use crate::format::Padding;
use crate::subject::Manifest;
use crate::subject::manifest::Knob;
use crate::terms::{Encryption, word};
use crate::vectors::transcript::entry::{AesPadding, ResponseCode, ServerVersion};
use crate::vectors::transcript::{Needs, op};

/// One value of each knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Width of the server version in an acknowledgement.
    pub(super) server_version: ServerVersion,
    /// Padding of AES frames.
    pub(super) aes_padding: AesPadding,
    /// Command code of responses.
    pub(super) response_code: ResponseCode,
}

impl Dialect {
    /// That of an agent: it follows one reading of each knob.
    pub(super) fn of_agent(manifest: &Manifest) -> Self {
        let knobs = &manifest.dialect;
        Self {
            server_version: server_version(reading(&knobs.server_version, "int32")),
            aes_padding: aes_padding(reading(&knobs.aes_padding, "pkcs7")),
            response_code: response_code(reading(&knobs.response_code, "echo")),
        }
    }

    /// All that a client can be told to speak.
    pub(super) fn of_client(manifest: &Manifest) -> Vec<Self> {
        let knobs = &manifest.dialect;
        let mut all = Vec::new();
        for version in readings(&knobs.server_version, "int32") {
            for padding in readings(&knobs.aes_padding, "pkcs7") {
                for code in readings(&knobs.response_code, "echo") {
                    all.push(Self {
                        server_version: server_version(version),
                        aes_padding: aes_padding(padding),
                        response_code: response_code(code),
                    });
                }
            }
        }
        all
    }

    /// Those of some dialects in which a case is worth running: that fit its needs, and differ in what shows in a mode of
    /// encryption. Responses with any command are a matter of the cases that ask for them.
    pub(super) fn worthwhile(all: &[Self], needs: Option<&op::Dialect>, mode: Encryption) -> Vec<Self> {
        let wanted = |dialect: &&Self| needs.is_none_or(|needs| dialect.meets(needs));
        let asks_for_code = needs.is_some_and(|needs| needs.response_code.is_some());
        let speaks_echo = all.iter().any(|dialect| dialect.response_code == ResponseCode::Echo);
        let mut found: Vec<Self> = Vec::new();
        for dialect in all.iter().filter(wanted) {
            let same = |known: &Self| {
                known.server_version == dialect.server_version
                    && (mode != Encryption::Aes || known.aes_padding == dialect.aes_padding)
            };
            let is_asked = asks_for_code || !speaks_echo || dialect.response_code == ResponseCode::Echo;
            if is_asked && !found.iter().any(same) {
                found.push(*dialect);
            }
        }
        found
    }

    fn meets(&self, needs: &op::Dialect) -> bool {
        needs.server_version.as_ref().is_none_or(|wanted| wanted.value == self.server_version)
            && needs.aes_padding.as_ref().is_none_or(|wanted| wanted.value == self.aes_padding)
            && needs.response_code.as_ref().is_none_or(|wanted| wanted.value == self.response_code)
    }

    /// The same with other readings of some knobs.
    pub(super) fn with(self, other: &op::Dialect) -> Self {
        Self {
            server_version: other.server_version.as_ref().map_or(self.server_version, |knob| knob.value),
            aes_padding: other.aes_padding.as_ref().map_or(self.aes_padding, |knob| knob.value),
            response_code: other.response_code.as_ref().map_or(self.response_code, |knob| knob.value),
        }
    }

    /// Why an agent of this dialect need not pass a case; `None` when it must.
    pub(super) fn differs_from(&self, needs: &Needs) -> Option<String> {
        let readings = [word(&self.aes_padding), word(&self.server_version), word(&self.response_code)];
        support::differing(needs, readings.each_ref().map(|reading| Some(reading.as_str())))
    }

    /// A server's version in this reading, of which the first number is given.
    pub(super) fn version_of_server(&self, first: i32) -> Vec<i32> {
        let mut numbers = vec![0; self.server_version.numbers()];
        numbers[0] = first;
        numbers
    }

    /// The padding of AES frames.
    pub(super) fn padding(&self) -> Padding {
        match self.aes_padding {
            AesPadding::Pkcs7 => Padding::Pkcs7,
            AesPadding::Zeros => Padding::Zeros,
        }
    }

    /// Whether responses may carry any command.
    pub(super) fn any_command(&self) -> bool {
        self.response_code == ResponseCode::Any
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server_version, aes_padding, response_code } = self;
        let (version, padding, code) = (word(server_version), word(aes_padding), word(response_code));
        write!(f, "server_version {version}, aes_padding {padding}, response_code {code}")
    }
}

/// The reading of a knob that holds: the default where the manifest names none, or leaves it to be found out.
pub(super) fn reading<'a>(knob: &'a Knob, default: &'a str) -> &'a str {
    knob.0.first().map(String::as_str).filter(|value| *value != "auto").unwrap_or(default)
}

/// All readings that a manifest lists, the default where it lists none.
fn readings<'a>(knob: &'a Knob, default: &'a str) -> Vec<&'a str> {
    let named: Vec<&str> = knob.0.iter().map(String::as_str).filter(|value| *value != "auto").collect();
    if named.is_empty() { vec![default] } else { named }
}

fn server_version(word: &str) -> ServerVersion {
    if word == "int32x4" { ServerVersion::Int32x4 } else { ServerVersion::Int32 }
}

fn aes_padding(word: &str) -> AesPadding {
    if word == "zeros" { AesPadding::Zeros } else { AesPadding::Pkcs7 }
}

fn response_code(word: &str) -> ResponseCode {
    if word == "any" { ResponseCode::Any } else { ResponseCode::Echo }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::manifest::Manifest;
    use crate::yaml::{Span, Spot};

    fn client(dialect: &str) -> Vec<Dialect> {
        let text = format!("name: c\nrole: client\ncommand: [c]\n{dialect}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("subject.yaml");
        std::fs::write(&path, text).unwrap();
        Dialect::of_client(&Manifest::read(&path).unwrap())
    }

    fn spot<T>(value: T) -> Spot<T> {
        Spot { span: Span::default(), value }
    }

    #[test]
    fn all_that_a_client_lists_is_tried_where_it_shows() {
        let all = client(
            "dialect: {server_version: [int32, int32x4], aes_padding: [pkcs7, zeros], response_code: [echo, any]}",
        );
        assert_eq!(all.len(), 8);
        let tried = |needs: Option<&op::Dialect>, mode| Dialect::worthwhile(&all, needs, mode).len();
        assert_eq!(tried(None, Encryption::None), 2);
        assert_eq!(tried(None, Encryption::Ssl), 2);
        assert_eq!(tried(None, Encryption::Aes), 4);
        let any = op::Dialect { response_code: Some(spot(ResponseCode::Any)), ..op::Dialect::default() };
        let found = Dialect::worthwhile(&all, Some(&any), Encryption::None);
        assert!(found.len() == 2 && found.iter().all(Dialect::any_command), "{found:?}");
        let wide = spot(ServerVersion::Int32x4);
        let wide = op::Dialect { server_version: Some(wide), ..op::Dialect::default() };
        assert_eq!(tried(Some(&wide), Encryption::Aes), 2);
    }

    #[test]
    fn a_client_that_lists_nothing_speaks_the_defaults() {
        let all = client("");
        assert_eq!(all.len(), 1);
        let expected = "server_version int32, aes_padding pkcs7, response_code echo";
        assert_eq!(all[0].to_string(), expected);
        assert!(client("dialect: {response_code: any}")[0].any_command());
    }
}
