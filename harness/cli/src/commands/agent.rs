//! `iaspec agent`: the reference agent as a subject.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use iaspec_reference::agent::core::{AllowedAddresses, Versions};
use iaspec_reference::agent::server;
use iaspec_reference::agent::settings::{
    Choices, EncryptionMode, ServerVersionForm, Settings, Stated, read_config, values,
};
use iaspec_reference::faults;
use iaspec_reference::protocol::{Key, Padding};

use super::faults::known_fault;
use crate::exit::Failure;

pub(crate) const HELP: &str = "\
An option goes over its environment variable, that over the configuration file, and that over the default.

Examples:
  iaspec agent --config InedoAgent.config
  iaspec agent --host 127.0.0.1 --port 0 --update-dir ./updates
                       the port is chosen by the system and told on standard error

Exit codes:
  0    ended by SIGTERM or SIGINT
  2    the command line or the configuration file is wrong; the port was never opened
  3    the operating system refuses, for instance because the port is taken";

/// The settings of CFG-1 and those that have no element there.
#[derive(Debug, Args)]
pub(crate) struct AgentArguments {
    /// The configuration file (InedoAgent.config); without it, the options alone decide
    #[arg(long, value_name = "PATH", env = "IASPEC_AGENT_CONFIG")]
    config: Option<PathBuf>,
    /// The address to listen on [default: any]
    #[arg(long, value_name = "ADDRESS", env = "IASPEC_AGENT_HOST", value_parser = values::address)]
    host: Option<IpAddr>,
    /// The port to listen on, 0 to have one chosen [default: 46336]
    #[arg(long, env = "IASPEC_AGENT_PORT", value_parser = values::port_or_any)]
    port: Option<u16>,
    /// The protocol versions spoken: 1000, 2000 or 1000,2000 [default: both]
    #[arg(long, env = "IASPEC_AGENT_VERSIONS", value_parser = str::parse::<Versions>)]
    versions: Option<Versions>,
    /// The encryption mode: none, ssl or aes [default: none]
    #[arg(long, value_name = "MODE", env = "IASPEC_AGENT_ENCRYPTION", value_parser = values::encryption_mode)]
    encryption: Option<EncryptionMode>,
    /// The key of mode aes: 32 or 64 hexadecimal digits
    #[arg(long, value_name = "HEX", env = "IASPEC_AGENT_AES_KEY", hide_env_values = true, value_parser = values::aes_key)]
    aes_key: Option<Key>,
    /// The padding of mode aes: pkcs7 or zeros [default: pkcs7]
    #[arg(long, value_name = "PADDING", env = "IASPEC_AGENT_AES_PADDING", value_parser = values::aes_padding)]
    aes_padding: Option<Padding>,
    /// The PEM file with the certificate of mode ssl, and with its key unless that is given apart
    #[arg(long, value_name = "PATH", env = "IASPEC_AGENT_CERTIFICATE", value_parser = values::path)]
    certificate: Option<PathBuf>,
    /// The PEM file with the certificate's key [default: that of the certificate]
    #[arg(long, value_name = "PATH", env = "IASPEC_AGENT_CERTIFICATE_KEY", value_parser = values::path)]
    certificate_key: Option<PathBuf>,
    /// How long a handshake may take, in milliseconds [default: 30000]
    #[arg(long, value_name = "MS", env = "IASPEC_AGENT_HANDSHAKE_TIMEOUT_MS", value_parser = values::milliseconds)]
    handshake_timeout_ms: Option<Duration>,
    /// How long a session lasts without a client, in milliseconds [default: 1800000]
    #[arg(long, value_name = "MS", env = "IASPEC_AGENT_SESSION_TIMEOUT_MS", value_parser = values::milliseconds)]
    session_timeout_ms: Option<Duration>,
    /// How many handshakes run at once [default: 100]
    #[arg(long, value_name = "N", env = "IASPEC_AGENT_MAX_CONCURRENT_HANDSHAKES", value_parser = values::count)]
    max_concurrent_handshakes: Option<u32>,
    /// The addresses that clients may come from, ; between and no blanks [default: any]
    #[arg(long, value_name = "LIST", env = "IASPEC_AGENT_ALLOWED_ADDRESSES", value_parser = str::parse::<AllowedAddresses>)]
    allowed_addresses: Option<AllowedAddresses>,
    /// The root path that is answered for Otter [default: otter in the state directory]
    #[arg(long, value_name = "PATH", env = "IASPEC_AGENT_OTTER_ROOT", value_parser = values::text_of_path)]
    otter_root: Option<String>,
    /// The root path that is answered for BuildMaster [default: buildmaster in the state directory]
    #[arg(long, value_name = "PATH", env = "IASPEC_AGENT_BUILDMASTER_ROOT", value_parser = values::text_of_path)]
    buildmaster_root: Option<String>,
    /// The root path that is answered for Hedgehog [default: hedgehog in the state directory]
    #[arg(long, value_name = "PATH", env = "IASPEC_AGENT_HEDGEHOG_ROOT", value_parser = values::text_of_path)]
    hedgehog_root: Option<String>,
    /// Where updates put files, as PRODUCT/assemblies/NAME [default: updates in the state directory]
    #[arg(long, value_name = "DIR", env = "IASPEC_AGENT_UPDATE_DIR", value_parser = values::path)]
    update_dir: Option<PathBuf>,
    /// The folder of the products' extensions [default: extensions in the state directory]
    #[arg(long, value_name = "DIR", env = "IASPEC_AGENT_EXTENSION_CACHE", value_parser = values::path)]
    extension_cache: Option<PathBuf>,
    /// The program that is started for each session of a product and handles its messages [default: none]
    #[arg(long, value_name = "PATH", env = "IASPEC_AGENT_PRODUCT_HOST", value_parser = values::path)]
    product_host: Option<PathBuf>,
    /// Bytes of each shared-memory ring, a power of two from 64 to 1073741824 [default: 4194304]
    #[arg(long, value_name = "BYTES", env = "IASPEC_AGENT_RING_CAPACITY", value_parser = values::ring_capacity)]
    ring_capacity: Option<u32>,
    /// The folder for shared-memory segments [default: none, they are in memory alone]
    #[arg(long, value_name = "DIR", env = "IASPEC_AGENT_SHM_DIR", value_parser = values::path)]
    shm_dir: Option<PathBuf>,
    /// Where paths lie that are not given [default: iaspec-agent in the working directory]
    #[arg(long, value_name = "DIR", env = "IASPEC_AGENT_STATE_DIR", value_parser = values::path)]
    state_dir: Option<PathBuf>,
    /// The file that the log is appended to [default: standard error]
    #[arg(long, value_name = "PATH", env = "IASPEC_AGENT_LOG_FILE", value_parser = values::path)]
    log_file: Option<PathBuf>,
    /// The form of the server version in acknowledgements: int32 or int32x4 [default: int32]
    #[arg(long, value_name = "FORM", env = "IASPEC_AGENT_SERVER_VERSION", value_parser = values::server_version)]
    server_version: Option<ServerVersionForm>,
    /// The most bytes of data that a message may have [default: 67108864]
    #[arg(long, value_name = "BYTES", env = "IASPEC_AGENT_MAX_MESSAGE", value_parser = values::message_limit)]
    max_message: Option<u32>,
    /// Be an agent with this fault; for those who test what finds it out
    #[arg(long, value_name = "NAME", hide = true, value_parser = |name: &str| known_fault(name, faults::agent::names()))]
    fault: Option<String>,
}

pub(crate) fn agent(arguments: AgentArguments) -> Result<ExitCode, Failure> {
    let fault = arguments.fault.clone();
    let file = match (&arguments.config, &fault) {
        (Some(path), None) => read_config(path).map_err(usage)?,
        (Some(path), Some(fault)) => faults::agent::read(fault, path).map_err(usage)?,
        (None, _) => Choices::default(),
    };
    let mut choices = arguments.choices().over(file);
    if let Some(fault) = &fault {
        faults::agent::choose(fault, &mut choices);
    }
    let settings = Settings::new(choices).map_err(usage)?;
    let ended = match &fault {
        None => server::run(settings),
        Some(fault) => faults::agent::run(fault, settings),
    };
    ended.map_err(|error| Failure::environment(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

fn usage(error: impl std::error::Error) -> Failure {
    Failure::usage(error.to_string())
}

/// An option's value, for messages that name the option.
fn stated<T>(option: &str, value: Option<T>) -> Option<Stated<T>> {
    value.map(|value| Stated { value, place: option.to_owned() })
}

impl AgentArguments {
    fn choices(self) -> Choices {
        Choices {
            address: self.host,
            port: self.port,
            versions: self.versions,
            encryption: stated("--encryption", self.encryption),
            aes_key: stated("--aes-key", self.aes_key),
            aes_padding: self.aes_padding,
            certificate: stated("--certificate", self.certificate),
            certificate_key: stated("--certificate-key", self.certificate_key),
            handshake_timeout: self.handshake_timeout_ms,
            session_timeout: self.session_timeout_ms,
            max_concurrent_handshakes: self.max_concurrent_handshakes,
            allowed_addresses: self.allowed_addresses,
            otter_root: self.otter_root,
            buildmaster_root: self.buildmaster_root,
            hedgehog_root: self.hedgehog_root,
            update_dir: self.update_dir,
            extension_cache: self.extension_cache,
            product_host: self.product_host,
            ring_capacity: self.ring_capacity,
            shm_dir: self.shm_dir,
            state_dir: self.state_dir,
            log_file: self.log_file,
            server_version: self.server_version,
            max_message: self.max_message,
            // Only a configuration file can say these.
            listen: None,
            connections: None,
        }
    }
}
