//! How an agent starts, refuses to, and ends.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use iaspec_harness::subject::Manifest;
use iaspec_harness::subject::placeholders::Values;
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::process::{Agent, Client, Ended, OFFER, OTTER, bytes, root_path};
use crate::support::{Ran, iaspec, root, run};
use crate::tls::Certificate;

/// A port that nothing listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Writes a configuration file with these lines in its `Listener` and runs an agent by it.
fn refused(listener: &str, port: u16) -> (Ran, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("InedoAgent.config");
    let text = format!(
        "<InedoAgentConfig>\n<Listener>\n<Address>127.0.0.1</Address>\n<Port>{port}</Port>\n{listener}\n\
         </Listener>\n</InedoAgentConfig>\n"
    );
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (run(&["agent", "--config", &path]), path)
}

#[rstest]
#[case::unknown_element(
    "<HandshakeTimeOut>5</HandshakeTimeOut>",
    "HandshakeTimeOut: Listener has no such element; there are Encryption, Address, Port, \
     MaxConcurrentHandshakes, HandshakeTimeout, AllowedAddresses"
)]
#[case::bad_number(
    "<HandshakeTimeout>0</HandshakeTimeout>",
    "HandshakeTimeout: `0` is no whole number from 1 to 4294967295, in seconds"
)]
#[case::unknown_mode(
    "<Encryption Mode='des'/>",
    "Encryption: attribute Mode: `des` is no encryption mode; write none, ssl or aes"
)]
#[case::short_key(
    "<Encryption Mode='aes'><Key>00</Key></Encryption>",
    "Key: a key is 32 or 64 hexadecimal digits; this one has 2"
)]
#[case::no_key(
    "<Encryption Mode='aes'/>",
    "Encryption: mode aes needs a key: the element Key in Encryption, or --aes-key"
)]
fn a_bad_configuration_is_refused_by_file_line_and_element(#[case] line: &str, #[case] message: &str) {
    let port = free_port();
    let (ran, path) = refused(line, port);
    assert_eq!((ran.code, ran.stderr), (Some(2), format!("iaspec: {path}:5: {message}\n")));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the port is closed");
}

#[rstest]
#[case::aes_without_key(
    &["--encryption", "aes"],
    "--encryption: mode aes needs a key: the element Key in Encryption, or --aes-key"
)]
#[case::ssl_without_certificate(
    &["--encryption", "ssl"],
    "--encryption: mode ssl needs a certificate: the element CertificateName in Encryption, or --certificate"
)]
#[case::ssl_with_a_key_alone(
    &["--encryption", "ssl", "--certificate-key", "key.pem"],
    "--encryption: mode ssl needs a certificate: the element CertificateName in Encryption, or --certificate"
)]
#[case::key_without_mode(
    &["--aes-key", "000102030405060708090a0b0c0d0e0f"],
    "--aes-key is given and no encryption mode; say one by attribute Mode of Encryption, or by --encryption"
)]
#[case::certificate_without_mode(
    &["--certificate", "agent.pem"],
    "--certificate is given and no encryption mode; say one by attribute Mode of Encryption, or by --encryption"
)]
#[case::certificate_not_there(
    &["--encryption", "ssl", "--certificate", "/nonexistent/agent.pem"],
    "--certificate: /nonexistent/agent.pem: No such file or directory (os error 2)"
)]
fn encryption_that_cannot_be_is_refused_not_left_out(#[case] options: &[&str], #[case] message: &str) {
    let port = free_port();
    let ran = run(&[&["agent", "--host", "127.0.0.1", "--port", &port.to_string()], options].concat());
    assert_eq!((ran.code, ran.stderr), (Some(2), format!("iaspec: {message}\n")));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the port is closed");
}

#[test]
fn a_certificate_that_is_no_good_is_refused_by_file_line_and_element() {
    let certificate = Certificate::new();
    let path = certificate.certificate();
    let line = format!("<Encryption Mode='ssl'><CertificateName>{path}</CertificateName></Encryption>");
    let (ran, config) = refused(&line, free_port());
    let message = "there is no private key beside the certificate; put it there, or name its file by \
                   --certificate-key";
    let expected = format!("iaspec: {config}:5: CertificateName: {path}: {message}\n");
    assert_eq!((ran.code, ran.stderr), (Some(2), expected));
    let gone = "/nonexistent/key.pem";
    let options = ["agent", "--encryption", "ssl", "--certificate", &path, "--certificate-key", gone];
    let ran = run(&options);
    assert_eq!(ran.code, Some(2));
    assert_eq!(
        ran.stderr,
        format!("iaspec: --certificate-key: {gone}: No such file or directory (os error 2)\n")
    );
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (certificate, another) = (Certificate::new(), Certificate::new());
    let (path, key) = (certificate.certificate(), another.key());
    let ran = run(&["agent", "--encryption", "ssl", "--certificate", &path, "--certificate-key", &key]);
    let expected =
        format!("iaspec: --certificate-key: {key}: the private key does not belong to the certificate\n");
    assert_eq!((ran.code, ran.stderr), (Some(2), expected));
}

#[test]
fn a_missing_configuration_is_refused() {
    let ran = run(&["agent", "--config", "/nonexistent/InedoAgent.config"]);
    let expected = "iaspec: /nonexistent/InedoAgent.config: the configuration file cannot be read: \
                    No such file or directory (os error 2)\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), expected));
}

#[rstest]
#[case::option(&["--handshake-timeout-ms", "0"], "--handshake-timeout-ms <MS>", "`0` is no whole number")]
#[case::port(&["--port", "65536"], "--port <PORT>", "`65536` is no whole number from 0 to 65535")]
#[case::mode(&["--encryption", "tls"], "--encryption <MODE>", "`tls` is no encryption mode; write none, ssl or aes")]
#[case::padding(&["--aes-padding", "iso"], "--aes-padding <PADDING>", "`iso` is no padding; write pkcs7 or zeros")]
#[case::key_of_192_bits(
    &["--aes-key", "000102030405060708090a0b0c0d0e0f1011121314151617"],
    "--aes-key <HEX>",
    "a key is 32 or 64 hexadecimal digits; this one has 48"
)]
#[case::versions(&["--versions", "1000,1500"], "--versions <VERSIONS>", "`1500` is no version")]
#[case::key(&["--aes-key", "00"], "--aes-key <HEX>", "a key is 32 or 64 hexadecimal digits; this one has 2")]
fn a_bad_option_is_refused_by_its_name(#[case] options: &[&str], #[case] name: &str, #[case] why: &str) {
    let ran = run(&[&["agent"], options].concat());
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains(name) && ran.stderr.contains(why), "{}", ran.stderr);
}

#[test]
fn a_port_that_is_taken_is_told_with_another_exit_code() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let ran = run(&["agent", "--host", "127.0.0.1", "--port", &port.to_string()]);
    let expected = format!(
        "iaspec: Address and Port (--host, --port): cannot listen on 127.0.0.1:{port}: \
         Address already in use (os error 98)\n"
    );
    assert_eq!((ran.code, ran.stderr), (Some(3), expected));
}

#[test]
fn options_go_over_the_environment_that_over_the_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("InedoAgent.config");
    let roots = "<OtterRootPath>/file/o</OtterRootPath><BuildMasterRootPath>/file/b</BuildMasterRootPath>\
                 <HedgehogRootPath>/file/h</HedgehogRootPath>";
    std::fs::write(&path, format!("<InedoAgentConfig>{roots}</InedoAgentConfig>")).unwrap();
    let mut command = iaspec();
    command.arg("agent").arg("--config").arg(&path).args(["--otter-root", "/option/o"]);
    command.env("IASPEC_AGENT_OTTER_ROOT", "/environment/o");
    command.env("IASPEC_AGENT_BUILDMASTER_ROOT", "/environment/b");
    let agent = Agent::from_command(TempDir::new().unwrap(), command);
    let mut client = agent.client(&format!("{OFFER} {OTTER} 01000000 03000000 02 01000000 03000000 03"));
    client.read(9);
    let paths = [client.root_path(), client.root_path(), client.root_path()];
    assert_eq!(paths, ["/option/o", "/environment/b", "/file/h"]);
}

#[rstest]
#[case::sigterm(Signal::TERM, "SIGTERM")]
#[case::sigint(Signal::INT, "SIGINT")]
fn a_signal_ends_it_with_its_connections_and_status_0(#[case] signal: Signal, #[case] name: &str) {
    let agent = Agent::start(&[]);
    let mut client = agent.client(OFFER);
    client.read(9);
    let stalled = agent.client("4ed2");
    agent.signal(signal);
    agent.logged(&format!("stopping after {name}"));
    let address = agent.address;
    let (status, _folder) = agent.ended();
    assert_eq!(status.code(), Some(0));
    assert_eq!(client.end(), Ended::Closed(Vec::new()));
    assert!(stalled.end().without_a_byte());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_log_file_takes_the_log() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("agent.log");
    let port = free_port();
    let mut command = iaspec();
    command.args(["agent", "--host", "127.0.0.1", "--port", &port.to_string(), "--log-file"]).arg(&log);
    let mut process = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let connected = (0..6000).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let pid = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
    drop(connected.expect("the agent listens"));
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut process.stderr.take().unwrap(), &mut stderr).unwrap();
    assert_eq!(stderr, "");
    let text = std::fs::read_to_string(log).unwrap();
    let lines: Vec<_> = text.lines().map(|line| line.split_once("] ").unwrap().1).collect();
    assert_eq!(lines, [format!("listening on 127.0.0.1:{port}"), "stopping after SIGTERM".to_owned()]);
}

#[test]
fn a_log_file_that_cannot_be_opened_refuses_the_start() {
    let ran = run(&["agent", "--port", "0", "--log-file", "/nonexistent/agent.log"]);
    let expected =
        "iaspec: LogFile (--log-file): /nonexistent/agent.log: No such file or directory (os error 2)\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(3), expected));
}

/// What a run would put in place of the placeholders, blanks and XML's own characters included.
fn values(folder: &Path, port: u16, encryption: &str) -> Values {
    let inside = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let text = |text: &str| text.to_owned();
    [
        ("host", text("127.0.0.1")),
        ("port", port.to_string()),
        ("versions", text("1000,2000")),
        ("encryption", text(encryption)),
        ("handshake_timeout_ms", text("30000")),
        ("handshake_timeout_s", text("30")),
        ("session_timeout_ms", text("1800000")),
        ("max_concurrent_handshakes", text("100")),
        ("otter_root", inside("otter <&'\"> root")),
        ("buildmaster_root", inside("buildmaster")),
        ("hedgehog_root", inside("hedgehog")),
        ("update_dir", inside("updates")),
        ("state_dir", inside("state")),
        ("shm_dir", inside("segments")),
        ("probe_host", inside("probe <&'\"> host")),
        ("config", inside("InedoAgent.config")),
    ]
    .into()
}

/// Starts an agent as a manifest of the project says, with these values for the placeholders.
fn start_by(file: &str, folder: TempDir, values: &Values) -> Agent {
    let manifest = Manifest::read(&root().join("agent-under-test").join(file)).unwrap();
    if let Some(template) = &manifest.config_template {
        std::fs::write(&values["config"], template.render(values).unwrap()).unwrap();
    }
    let manifest = manifest.with_program("iaspec", Path::new(iaspec().get_program()));
    let (program, words) = manifest.command(values).unwrap();
    let mut command = Command::new(program);
    command.args(words);
    let agent = Agent::spawn(folder, command);
    assert_eq!(agent.address.port().to_string(), values["port"]);
    agent
}

/// The manifests of the project and the agent understand each other.
#[rstest]
fn an_agent_starts_as_its_manifest_says(
    #[values("subject-agent.yaml", "subject-agent-options.yaml")] file: &str,
) {
    let folder = TempDir::new().unwrap();
    let values = values(folder.path(), free_port(), "none");
    let agent = start_by(file, folder, &values);
    let mut client = agent.client(&format!("{OFFER} {OTTER}"));
    client.read(9);
    assert_eq!(client.root_path(), values["otter_root"]);
}

#[rstest]
fn an_agent_encrypts_with_aes_as_its_manifest_says(
    #[values("subject-agent.yaml", "subject-agent-options.yaml")] file: &str,
) {
    let folder = TempDir::new().unwrap();
    let mut values = values(folder.path(), free_port(), "aes");
    values.insert("aes_key", "000102030405060708090a0b0c0d0e0f".to_owned());
    let agent = start_by(file, folder, &values);
    let mut client = agent.client(&format!("{OFFER} 11000000"));
    assert_eq!(client.read(1), [2]);
    assert!(matches!(client.end(), Ended::Closed(rest) if rest.len() == 24));
}

#[rstest]
fn an_agent_presents_its_certificate_as_its_manifest_says(
    #[values("subject-agent.yaml", "subject-agent-options.yaml")] file: &str,
) {
    let certificate = Certificate::new();
    let folder = TempDir::new().unwrap();
    let mut values = values(folder.path(), free_port(), "ssl");
    values.insert("cert_pem", certificate.certificate());
    values.insert("key_pem", certificate.key());
    let agent = start_by(file, folder, &values);
    let mut client = certificate.client(agent.address, OFFER, &rustls::version::TLS13);
    std::io::Write::write_all(&mut client, &bytes(OTTER)).unwrap();
    assert_eq!(root_path(&mut client), values["otter_root"]);
}

/// Every option stands for an element of the configuration or is told apart from it, and has its twin.
#[test]
fn each_long_option_has_a_twin_in_the_environment() {
    let help = run(&["agent", "--help"]).stdout;
    let options = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    let names: Vec<_> =
        options.map(|rest| rest.split([' ', '=']).next().unwrap()).filter(|name| !name.is_empty()).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let twin = format!("[env: IASPEC_AGENT_{}", name.to_uppercase().replace('-', "_"));
        assert!(help.contains(&twin), "{twin} in\n{help}");
    }
}

#[test]
fn the_form_of_the_server_version_is_an_option() {
    let agent = Agent::start(&["--server-version", "int32x4"]);
    let mut client = agent.client(&format!("{OFFER} ffffffff"));
    assert_eq!(client.read(5), bytes("00 d0070000"));
    let Ended::Closed(version) = client.end() else { panic!("reset") };
    assert_eq!(version.len(), 16);
}

#[test]
fn a_version_that_is_not_spoken_is_refused() {
    let agent = Agent::start(&["--versions", "1000"]);
    let mut client = agent.client(OFFER);
    let acknowledgement = client.read(9);
    assert_eq!(acknowledgement[..5], bytes("00 01000000"));
    let refused = agent.client("4ed2eb6c f74a134a b9af81d3 dfc644be d0070000 d0070000");
    assert_eq!(refused.end(), Ended::Closed(Vec::new()));
    agent.logged("ended: the versions 2000 to 2000 are offered, and the agent speaks 1000");
    drop(Client::connect(agent.address));
}
