//! What an agent is told to be: from its configuration file and from options over it.
//!
//! Each source gives [`Choices`], in which nothing is decided that it did not say. Put one
//! [over](Choices::over) the other, and [`Settings::new`] adds the defaults (CFG-1) and refuses what does not
//! fit together.
//!
//! ```
//! use iaspec_reference::agent::settings::{Choices, Settings, parse_config};
//!
//! let file = "<InedoAgentConfig><Listener><Port>1234</Port></Listener></InedoAgentConfig>";
//! let file = parse_config("InedoAgent.config", file)?;
//! let options = Choices { port: Some(4321), ..Choices::default() };
//! assert_eq!(Settings::new(options.over(file))?.port, 4321);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod certificate;
mod config_file;
pub mod values;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::core::{AllowedAddresses, Policy, RequiredEncryption, RootPaths, Versions};
use crate::channel::SystemVectors;
pub use crate::protocol::ServerVersionForm;
use crate::protocol::{AesFailure, Cipher, Key, Padding, ServerVersion};

pub use certificate::CertificateError;
pub use config_file::{ConfigError, parse_config, read_config};

/// The port an agent listens on unless told otherwise (CFG-1).
pub const DEFAULT_PORT: u16 = 46336;

/// What one source of settings says; `None` where it says nothing.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// `LogFile`: where to log to, instead of standard error.
    pub log_file: Option<PathBuf>,
    /// `ExtensionCachePath`: the folder of the products' extensions.
    pub extension_cache: Option<PathBuf>,
    /// `OtterRootPath`: what Get Agent Root Path answers for Otter.
    pub otter_root: Option<String>,
    /// `BuildMasterRootPath`: the same for BuildMaster.
    pub buildmaster_root: Option<String>,
    /// `HedgehogRootPath`: the same for Hedgehog.
    pub hedgehog_root: Option<String>,
    /// `Listener`, attribute `Enabled`: whether clients are listened for.
    pub listen: Option<Stated<bool>>,
    /// `Encryption`, attribute `Mode`.
    pub encryption: Option<Stated<EncryptionMode>>,
    /// `CertificateName`: a PEM file with the certificate, and with its key unless that is given apart.
    pub certificate: Option<Stated<PathBuf>>,
    /// A PEM file with the certificate's key; there is no element for it.
    pub certificate_key: Option<Stated<PathBuf>>,
    /// `Key`: the key of mode aes.
    pub aes_key: Option<Stated<Key>>,
    /// The padding of mode aes, which the published pages do not tell (AES-3); there is no element for it.
    pub aes_padding: Option<Padding>,
    /// `Address`: where to listen.
    pub address: Option<IpAddr>,
    /// `Port`: where to listen; 0 has the operating system choose.
    pub port: Option<u16>,
    /// `MaxConcurrentHandshakes`: how many run at once.
    pub max_concurrent_handshakes: Option<u32>,
    /// `HandshakeTimeout`: how long one may take.
    pub handshake_timeout: Option<Duration>,
    /// `AllowedAddresses`: where clients may come from.
    pub allowed_addresses: Option<AllowedAddresses>,
    /// `Connections`: products that the agent itself is to connect to.
    pub connections: Option<Connections>,
    /// `SessionTimeout`: how long a session lasts without a client.
    pub session_timeout: Option<Duration>,
    /// `UpdatePath`: where updates put files.
    pub update_dir: Option<PathBuf>,
    /// `ProductHost`: the program that handles products' messages.
    pub product_host: Option<PathBuf>,
    /// `Versions`: the protocol versions spoken.
    pub versions: Option<Versions>,
    /// Where paths lie that are not given.
    pub state_dir: Option<PathBuf>,
    /// Bytes of each shared-memory ring.
    pub ring_capacity: Option<u32>,
    /// The folder for shared-memory segments.
    pub shm_dir: Option<PathBuf>,
    /// The form of the server version (HS-9).
    pub server_version: Option<ServerVersionForm>,
    /// The most bytes of data that a message may have.
    pub max_message: Option<u32>,
}

/// A value with the place that it stands at, for messages about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stated<T> {
    /// What was said.
    pub value: T,
    /// Where: an option, or file, line and element.
    pub place: String,
}

/// How messages travel, in the words of the configuration (CFG-1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EncryptionMode {
    /// `none`.
    None,
    /// `ssl`.
    Ssl,
    /// `aes`.
    Aes,
}

/// `Connections`: products that the agent itself is to connect to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Connections {
    /// Whether it is to.
    pub enabled: bool,
    /// Which.
    pub servers: Vec<Server>,
}

/// A `Server` of [`Connections`].
#[derive(Clone, Eq, PartialEq)]
pub struct Server {
    /// Attribute `Host`.
    pub host: String,
    /// Attribute `Key`: a secret.
    pub key: String,
}

impl std::fmt::Debug for Server {
    /// Without the key, which must not reach a log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Server").field("host", &self.host).finish_non_exhaustive()
    }
}

macro_rules! first_of {
    ($over:ident, $below:ident, $($field:ident)+) => {
        Choices { $($field: $over.$field.or($below.$field)),+ }
    };
}

impl Choices {
    /// What this one says, and where it says nothing, what the other does.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        first_of!(self, below,
            log_file extension_cache otter_root buildmaster_root hedgehog_root listen encryption certificate
            certificate_key aes_key aes_padding address port max_concurrent_handshakes handshake_timeout
            allowed_addresses connections session_timeout update_dir product_host versions state_dir
            ring_capacity shm_dir server_version max_message)
    }
}

/// Everything an agent has to know, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; `None` is any address.
    pub address: Option<IpAddr>,
    /// Where to listen; 0 has the operating system choose.
    pub port: u16,
    /// What connections go by.
    pub policy: Policy,
    /// How many handshakes run at once (HS-11).
    pub max_concurrent_handshakes: u32,
    /// Where clients may come from (HS-14).
    pub allowed_addresses: AllowedAddresses,
    /// Products that the agent itself is to connect to.
    pub connections: Connections,
    /// How long a session lasts without a client (SES-2).
    pub session_timeout: Duration,
    /// Where updates put files (MTA-8).
    pub update_dir: PathBuf,
    /// The folder of the products' extensions.
    pub extension_cache: PathBuf,
    /// The program that handles products' messages, if there is one.
    pub product_host: Option<PathBuf>,
    /// Bytes of each shared-memory ring.
    pub ring_capacity: u32,
    /// The folder for shared-memory segments; `None` has them in no folder.
    pub shm_dir: Option<PathBuf>,
    /// Where to log to; `None` is standard error.
    pub log_file: Option<PathBuf>,
}

/// Settings that do not fit together, or that nothing can be made of.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SettingsError {
    /// Nothing is listened for.
    #[error(
        "{0}: Enabled is false, and an agent that does not listen has nothing to do: it makes no connections"
    )]
    NotListening(String),
    /// Mode aes and no key (AES-8).
    #[error("{0}: mode aes needs a key: the element Key in Encryption, or --aes-key")]
    NoKey(String),
    /// Mode ssl and no certificate.
    #[error("{0}: mode ssl needs a certificate: the element CertificateName in Encryption, or --certificate")]
    NoCertificate(String),
    /// A key or a certificate and no mode. Whoever gives one wants it used: to go on without encryption would be
    /// a bad surprise (AES-8).
    #[error(
        "{0} is given and no encryption mode; say one by attribute Mode of Encryption, or by --encryption"
    )]
    NoMode(String),
    /// A certificate that cannot be presented.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A key that the AES library does not take.
    #[error("{place}: {failure}")]
    Aes {
        /// The setting that gives the key.
        place: String,
        /// What the library says.
        failure: AesFailure,
    },
    /// No working directory, in which paths would lie that are not given.
    #[error("--state-dir: no absolute path can be had for {}: {reason}", path.display())]
    NoStateDirectory {
        /// The path as it was given.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl Settings {
    /// Adds the defaults to what was chosen, and reads the certificate of mode ssl.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] names the settings that do not fit together, or the certificate that is no good.
    pub fn new(choices: Choices) -> Result<Self, SettingsError> {
        if let Some(Stated { value: false, place }) = choices.listen {
            return Err(SettingsError::NotListening(place));
        }
        let encryption = encryption(&choices)?;
        let state = state_directory(choices.state_dir.as_deref())?;
        let root = |path: Option<String>, name| {
            path.unwrap_or_else(|| state.join(name).to_string_lossy().into_owned())
        };
        Ok(Self {
            address: choices.address,
            port: choices.port.unwrap_or(DEFAULT_PORT),
            policy: Policy {
                versions: choices.versions.unwrap_or(Versions::BOTH),
                server_version: choices.server_version.unwrap_or_default().own_version(),
                encryption,
                handshake_timeout: choices.handshake_timeout.unwrap_or(Duration::from_secs(30)),
                max_message: choices.max_message.map_or(64 << 20, |bytes| bytes as usize),
                roots: RootPaths {
                    otter: root(choices.otter_root, "otter"),
                    buildmaster: root(choices.buildmaster_root, "buildmaster"),
                    hedgehog: root(choices.hedgehog_root, "hedgehog"),
                },
            },
            max_concurrent_handshakes: choices.max_concurrent_handshakes.unwrap_or(100),
            allowed_addresses: choices.allowed_addresses.unwrap_or_default(),
            connections: choices.connections.unwrap_or_default(),
            session_timeout: choices.session_timeout.unwrap_or(Duration::from_secs(30 * 60)),
            update_dir: choices.update_dir.unwrap_or_else(|| state.join("updates")),
            extension_cache: choices.extension_cache.unwrap_or_else(|| state.join("extensions")),
            product_host: choices.product_host,
            ring_capacity: choices.ring_capacity.unwrap_or(4 << 20),
            shm_dir: choices.shm_dir,
            log_file: choices.log_file,
        })
    }
}

fn encryption(choices: &Choices) -> Result<RequiredEncryption, SettingsError> {
    let Choices { certificate, certificate_key, aes_key, .. } = choices;
    let Some(Stated { value: mode, place }) = &choices.encryption else {
        let paths = [certificate, certificate_key].into_iter().flatten().map(|path| &path.place);
        let unused = aes_key.iter().map(|key| &key.place).chain(paths).next();
        return unused
            .map_or(Ok(RequiredEncryption::None), |place| Err(SettingsError::NoMode(place.clone())));
    };
    match mode {
        EncryptionMode::None => Ok(RequiredEncryption::None),
        EncryptionMode::Ssl => {
            let certificate =
                certificate.as_ref().ok_or_else(|| SettingsError::NoCertificate(place.clone()))?;
            Ok(RequiredEncryption::Ssl(certificate::tls_config(certificate, certificate_key.as_ref())?))
        }
        EncryptionMode::Aes => {
            let key = aes_key.as_ref().ok_or_else(|| SettingsError::NoKey(place.clone()))?;
            let failed = |failure| SettingsError::Aes { place: key.place.clone(), failure };
            let cipher = Cipher::new(key.value, choices.aes_padding.unwrap_or_default()).map_err(failed)?;
            Ok(RequiredEncryption::Aes { cipher, vectors: Arc::new(SystemVectors) })
        }
    }
}

/// A folder in the working directory unless told otherwise.
fn state_directory(chosen: Option<&Path>) -> Result<PathBuf, SettingsError> {
    let path = chosen.unwrap_or(Path::new("iaspec-agent"));
    std::path::absolute(path)
        .map_err(|error| SettingsError::NoStateDirectory { path: path.to_owned(), reason: error.to_string() })
}

impl ServerVersionForm {
    /// The version of this crate.
    fn own_version(self) -> ServerVersion {
        let parts = [
            env!("CARGO_PKG_VERSION_MAJOR"),
            env!("CARGO_PKG_VERSION_MINOR"),
            env!("CARGO_PKG_VERSION_PATCH"),
            "0",
        ]
        .map(|part| part.parse().unwrap_or(0));
        match self {
            Self::Int32 => ServerVersion::Number(parts[0]),
            Self::Int32x4 => ServerVersion::Parts(parts),
        }
    }
}

#[cfg(test)]
mod tests;
