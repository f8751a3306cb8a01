//! What an agent is set to, as far as its conversations go.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use thiserror::Error;

use crate::channel::VectorSource;
use crate::protocol::{AgentType, Cipher, ProtocolVersion, ServerVersion};

/// The settings that every connection of an agent shares.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The protocol versions spoken.
    pub versions: Versions,
    /// What acknowledgements carry (HS-9).
    pub server_version: ServerVersion,
    /// How messages have to travel (AES-10).
    pub encryption: RequiredEncryption,
    /// The time that a client has for its 24 bytes, and for TLS where it is due (HS-10, TLS-5).
    pub handshake_timeout: Duration,
    /// The most bytes of data that a message may have (FRM-6).
    pub max_message: usize,
    /// What Get Agent Root Path answers (MTA-5).
    pub roots: RootPaths,
}

/// How messages have to travel, with what that takes.
#[derive(Clone, Debug)]
pub enum RequiredEncryption {
    /// In clear.
    None,
    /// Inside TLS, by this configuration: certificate, versions and provider.
    Ssl(Arc<ServerConfig>),
    /// Encrypted one by one.
    Aes {
        /// Key and padding.
        cipher: Cipher,
        /// Where vectors come from.
        vectors: Arc<dyn VectorSource>,
    },
}

/// The root temporary path of each product (MTA-3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RootPaths {
    /// Otter's.
    pub otter: String,
    /// BuildMaster's.
    pub buildmaster: String,
    /// Hedgehog's.
    pub hedgehog: String,
}

impl RootPaths {
    /// The path of a product; the agent itself has none.
    #[must_use]
    pub fn of(&self, product: Product) -> Option<&str> {
        match product {
            Product::Meta => None,
            Product::Otter => Some(&self.otter),
            Product::BuildMaster => Some(&self.buildmaster),
            Product::Hedgehog => Some(&self.hedgehog),
        }
    }
}

/// Whose files an agent keeps: the agent types that exist (MTA-1).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Product {
    /// The agent itself, type 0.
    Meta,
    /// Type 1.
    Otter,
    /// Type 2.
    BuildMaster,
    /// Type 3.
    Hedgehog,
}

impl Product {
    /// The product of an agent type, if it is one of the list.
    #[must_use]
    pub fn of(agent_type: AgentType) -> Option<Self> {
        match agent_type {
            AgentType::META => Some(Self::Meta),
            AgentType::OTTER => Some(Self::Otter),
            AgentType::BUILDMASTER => Some(Self::BuildMaster),
            AgentType::HEDGEHOG => Some(Self::Hedgehog),
            _ => None,
        }
    }

    /// Its agent type.
    #[must_use]
    pub fn agent_type(self) -> AgentType {
        match self {
            Self::Meta => AgentType::META,
            Self::Otter => AgentType::OTTER,
            Self::BuildMaster => AgentType::BUILDMASTER,
            Self::Hedgehog => AgentType::HEDGEHOG,
        }
    }

    /// The name that its folder has among updates (MTA-8).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Otter => "otter",
            Self::BuildMaster => "buildmaster",
            Self::Hedgehog => "hedgehog",
        }
    }
}

/// A set of protocol versions, never empty: 1000, 2000 or both.
///
/// ```
/// use iaspec_reference::agent::core::Versions;
///
/// assert_eq!("2000,1000".parse(), Ok(Versions::BOTH));
/// assert!("3000".parse::<Versions>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Versions {
    v1: bool,
    v2: bool,
}

impl Versions {
    /// 1000 alone: an agent from before there were ranges (NEG-5).
    pub const V1: Self = Self { v1: true, v2: false };
    /// 2000 alone.
    pub const V2: Self = Self { v1: false, v2: true };
    /// 1000 and 2000.
    pub const BOTH: Self = Self { v1: true, v2: true };

    /// Whether a version is one of them.
    #[must_use]
    pub fn contain(self, version: ProtocolVersion) -> bool {
        match version {
            ProtocolVersion::V1 => self.v1,
            ProtocolVersion::V2 => self.v2,
            _ => false,
        }
    }

    /// The highest of them within a range (NEG-1).
    #[must_use]
    pub fn highest_within(self, min: ProtocolVersion, max: ProtocolVersion) -> Option<ProtocolVersion> {
        [ProtocolVersion::V2, ProtocolVersion::V1]
            .into_iter()
            .find(|&version| self.contain(version) && min <= version && version <= max)
    }
}

impl FromStr for Versions {
    type Err = UnsupportedVersion;

    /// Reads a list with commas between: `1000,2000`.
    fn from_str(text: &str) -> Result<Self, UnsupportedVersion> {
        let mut versions = Self { v1: false, v2: false };
        for word in text.split(',') {
            match word {
                "1000" => versions.v1 = true,
                "2000" => versions.v2 = true,
                _ => return Err(UnsupportedVersion(word.to_owned())),
            }
        }
        Ok(versions)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match (self.v1, self.v2) {
            (true, true) => "1000,2000",
            (true, false) => "1000",
            _ => "2000",
        })
    }
}

/// A word in a list of versions that names none this agent speaks.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is no version that this agent speaks; write 1000, 2000 or 1000,2000")]
pub struct UnsupportedVersion(pub String);
