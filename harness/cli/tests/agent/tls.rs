//! The reference agent in mode ssl, and clients of rustls and of OpenSSL.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rstest::rstest;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;

use crate::process::{Agent, Client, Ended, OFFER, OTTER, PATIENCE, V1_NEW_SESSION, bytes, root_path};
use crate::support::has_tool;

/// The PEM files of a certificate for `localhost` and its key.
pub(crate) struct Certificate {
    pub(crate) folder: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("cert.pem"), cert.pem()).expect("written");
        std::fs::write(folder.path().join("key.pem"), KeyPair::serialize_pem(&signing_key)).expect("written");
        Self { folder, der: cert.der().clone() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn certificate(&self) -> String {
        self.path("cert.pem").to_str().expect("UTF-8").to_owned()
    }

    pub(crate) fn key(&self) -> String {
        self.path("key.pem").to_str().expect("UTF-8").to_owned()
    }

    fn start(&self, more: &[&str]) -> Agent {
        let (certificate, key) = (self.certificate(), self.key());
        let options = ["--encryption", "ssl", "--certificate", &certificate, "--certificate-key", &key];
        Agent::start(&[&options, more].concat())
    }

    /// A client that trusts this certificate alone and has agreed on TLS.
    pub(crate) fn client(
        &self,
        address: SocketAddr,
        offer: &str,
        version: &'static SupportedProtocolVersion,
    ) -> TlsClient {
        let mut client = Client::connect(address);
        client.send(offer);
        assert_eq!(client.read(1), [1]);
        client.read(8);
        self.secure(client, version)
    }

    fn secure(&self, client: Client, version: &'static SupportedProtocolVersion) -> TlsClient {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut client = StreamOwned::new(tls, client.0);
        while client.conn.is_handshaking() {
            client.conn.complete_io(&mut client.sock).expect("TLS");
        }
        assert_eq!(client.conn.peer_certificates(), Some(&[self.der.clone()][..]));
        client
    }
}

pub(crate) type TlsClient = StreamOwned<ClientConnection, TcpStream>;

fn send(client: &mut TlsClient, hex: &str) {
    client.write_all(&bytes(hex)).expect("sent");
}

/// The end of the connection, said inside TLS: without that, reading gives an error.
fn ends(client: &mut TlsClient) {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("a close_notify");
    assert_eq!(rest, Vec::<u8>::new());
}

#[rstest]
#[case::tls_1_2(&TLS12)]
#[case::tls_1_3(&TLS13)]
fn clients_of_both_versions_are_served(#[case] version: &'static SupportedProtocolVersion) {
    let certificate = Certificate::new();
    let agent = certificate.start(&[]);
    let mut client = certificate.client(agent.address, OFFER, version);
    for _ in 0..3 {
        send(&mut client, OTTER);
        assert_eq!(root_path(&mut client), agent.otter());
    }
    let mut client = certificate.client(agent.address, V1_NEW_SESSION, version);
    send(&mut client, "01000000 00 03000000 01");
    assert_eq!(root_path(&mut client), agent.otter());
}

#[test]
fn certificate_and_key_may_be_in_the_file_that_the_configuration_names() {
    let certificate = Certificate::new();
    let both =
        [certificate.certificate(), certificate.key()].map(|path| std::fs::read_to_string(path).unwrap());
    std::fs::write(certificate.path("both.pem"), both.concat()).unwrap();
    let text = format!(
        "<InedoAgentConfig><Listener><Encryption Mode='ssl'><CertificateName>{}</CertificateName></Encryption>\
         </Listener></InedoAgentConfig>",
        certificate.path("both.pem").display()
    );
    std::fs::write(certificate.path("InedoAgent.config"), text).unwrap();
    let agent = Agent::start(&["--config", certificate.path("InedoAgent.config").to_str().unwrap()]);
    let mut client = certificate.client(agent.address, OFFER, &TLS13);
    send(&mut client, OTTER);
    assert_eq!(root_path(&mut client), agent.otter());
}

#[test]
fn a_client_that_says_it_is_done_gets_its_answers_and_the_same_word() {
    let certificate = Certificate::new();
    let agent = certificate.start(&[]);
    let mut client = certificate.client(agent.address, OFFER, &TLS13);
    send(&mut client, &format!("{OTTER} {OTTER} 01000000"));
    client.conn.send_close_notify();
    client.flush().unwrap();
    assert_eq!([root_path(&mut client), root_path(&mut client)], [agent.otter(), agent.otter()]);
    ends(&mut client);
}

#[test]
fn a_client_that_half_closes_tcp_gets_the_same() {
    let certificate = Certificate::new();
    let agent = certificate.start(&[]);
    let mut client = certificate.client(agent.address, OFFER, &TLS12);
    send(&mut client, OTTER);
    client.sock.shutdown(Shutdown::Write).unwrap();
    assert_eq!(root_path(&mut client), agent.otter());
    ends(&mut client);
}

/// The bytes behind the bad length must not make the end a reset, which would discard the answers.
#[test]
fn answers_come_before_the_end_that_a_bad_frame_brings() {
    let certificate = Certificate::new();
    let agent = certificate.start(&[]);
    let mut client = certificate.client(agent.address, OFFER, &TLS13);
    send(&mut client, &format!("{OTTER} ffffffff {}", "00".repeat(100_000)));
    thread::sleep(Duration::from_millis(200));
    assert_eq!(root_path(&mut client), agent.otter());
    ends(&mut client);
    agent.logged("ended: a bad frame: length at offset 0: is negative: -1");
}

#[test]
fn plaintext_where_tls_is_due_is_answered_with_an_alert_at_most() {
    let certificate = Certificate::new();
    let agent = certificate.start(&[]);
    let mut client = agent.client(OFFER);
    assert_eq!(client.read(5), bytes("01 d0070000"));
    client.read(4);
    client.send(&format!("{OTTER} {OTTER}"));
    let Ended::Closed(rest) = client.end() else { panic!("reset") };
    // An alert is a record of type 21 with two bytes.
    assert!(rest.is_empty() || (rest.len() == 7 && rest[0] == 0x15), "{rest:02x?}");
    agent.logged("ended: TLS: ");
    send(&mut certificate.client(agent.address, OFFER, &TLS13), OTTER);
}

#[test]
fn clients_that_stall_in_tls_are_cut_off_by_the_timeout_and_idle_ones_are_not() {
    let certificate = Certificate::new();
    let agent = certificate.start(&["--handshake-timeout-ms", "3000"]);
    let mut idle = certificate.client(agent.address, OFFER, &TLS13);
    let began = Instant::now();
    let mut silent = agent.client(OFFER);
    silent.read(9);
    // The head of a ClientHello, and nothing more.
    let mut begun = agent.client(&format!("{OFFER} 160301020001"));
    begun.read(9);
    assert_eq!(silent.end(), Ended::Closed(Vec::new()));
    assert!(began.elapsed() >= Duration::from_millis(2100), "{:?}", began.elapsed());
    assert_eq!(begun.end(), Ended::Closed(Vec::new()));
    agent.logged("ended: no handshake within 3.000 s");
    agent.logged("ended: no handshake within 3.000 s");
    send(&mut idle, OTTER);
    assert_eq!(root_path(&mut idle), agent.otter());
}

#[test]
fn the_slot_of_a_handshake_is_held_until_tls_is_agreed_on() {
    let certificate = Certificate::new();
    let agent = certificate.start(&["--max-concurrent-handshakes", "1"]);
    let mut first = agent.client(OFFER);
    assert_eq!(first.read(1), [1]);
    first.read(8);
    let mut second = agent.client(OFFER);
    assert!(second.is_quiet(Duration::from_millis(300)));
    let mut first = certificate.secure(first, &TLS13);
    assert_eq!(second.read(1), [1]);
    second.read(8);
    let mut third = agent.client(OFFER);
    assert!(third.is_quiet(Duration::from_millis(300)));
    drop(second);
    assert_eq!(third.read(1), [1]);
    send(&mut first, OTTER);
    assert_eq!(root_path(&mut first), agent.otter());
}

/// Accepts one client, does the handshake of the Inedo Agent protocol in its place, and then passes everything
/// on, so that a program that knows nothing but TLS can talk to an agent.
fn splice(agent: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let (client, _) = listener.accept().expect("a client");
        let mut server = Client::connect(agent);
        server.send(OFFER);
        server.read(9);
        let copy = |mut from: TcpStream, mut to: TcpStream| {
            thread::spawn(move || {
                // However it ends, that end is passed on.
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            })
        };
        let twin = |stream: &TcpStream| stream.try_clone().expect("a twin");
        let threads = [copy(twin(&client), twin(&server.0)), copy(server.0, client)];
        threads.map(|thread| thread.join())
    });
    address
}

#[rstest]
#[case::tls_1_2("-tls1_2")]
#[case::tls_1_3("-tls1_3")]
fn openssl_is_served(#[case] version: &str) {
    if !has_tool("openssl") {
        return;
    }
    let certificate = Certificate::new();
    let agent = certificate.start(&[]);
    let address = splice(agent.address).to_string();
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &address, version, "-quiet", "-no_ign_eof", "-verify_return_error"])
        .args(["-verify_hostname", "localhost", "-CAfile", &certificate.certificate()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl");
    let (mut stdin, mut stdout) =
        (client.stdin.take().expect("a pipe"), client.stdout.take().expect("a pipe"));
    for _ in 0..2 {
        stdin.write_all(&bytes(OTTER)).expect("written");
        assert_eq!(root_path(&mut stdout), agent.otter());
    }
    drop(stdin);
    let output = client.wait_with_output().expect("an end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// TLS 1.1 is no more, however a client is willing to be weak.
#[test]
fn openssl_of_old_is_refused() {
    if !has_tool("openssl") {
        return;
    }
    let certificate = Certificate::new();
    let agent = certificate.start(&[]);
    let address = splice(agent.address).to_string();
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &address, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-quiet"])
        .stdin(Stdio::null())
        .output()
        .expect("openssl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("alert"), "{said}");
    agent.logged("ended: TLS: ");
    let mut client = certificate.client(agent.address, OFFER, &TLS12);
    client.sock.set_read_timeout(Some(PATIENCE)).unwrap();
    send(&mut client, OTTER);
    assert_eq!(root_path(&mut client), agent.otter());
}
