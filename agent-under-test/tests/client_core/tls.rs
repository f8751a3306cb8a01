//! TLS around the messages, with an agent's side of rustls and without a socket.

use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use iaspec_reference::client::core::{Kind, Operation, Terms, Trust, TrustSource};
use iaspec_reference::protocol::AgentType;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rstest::rstest;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::support::*;

/// Mode 1, 2000, server version 51.
const PICKED_2000_SSL: &str = "01 d0070000 33000000";

struct Ground {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

static GROUND: LazyLock<Ground> = LazyLock::new(|| {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Ground { certificate: cert.der().clone(), key: KeyPair::serialize_der(&signing_key) }
});

#[derive(Debug)]
struct Trusting(&'static str);

impl TrustSource for Trusting {
    fn trust(&self) -> Result<Trust, String> {
        let mut roots = RootCertStore::empty();
        roots.add(GROUND.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Trust { config: Arc::new(config), name: ServerName::try_from(self.0).unwrap() })
    }
}

/// A client and the agent's side of TLS.
struct Pair {
    client: Client,
    agent: ServerConnection,
    plaintext: Vec<u8>,
}

impl Pair {
    /// The two after the acknowledgement, which a part of the agent's bytes may come with.
    fn new(name: &'static str, version: &'static SupportedProtocolVersion) -> Self {
        let key = PrivateKeyDer::try_from(GROUND.key.clone()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![GROUND.certificate.clone()], key)
            .unwrap();
        let agent = ServerConnection::new(Arc::new(config)).unwrap();
        let trusting = Terms { trust: Arc::new(Trusting(name)), ..terms(range(1000, 2000)) };
        let mut client = Client::new(trusting);
        assert_eq!(client.sent(), bytes(OFFER_BOTH));
        client.hears(PICKED_2000_SSL);
        Self { client, agent, plaintext: Vec::new() }
    }

    /// Carries bytes between the two until neither has any; the client's come in pieces of this size.
    fn talk(&mut self, size: usize) {
        loop {
            let sent = self.client.sent();
            let mut sent = &sent[..];
            while !sent.is_empty() {
                self.agent.read_tls(&mut sent).unwrap();
                // An alert is an error that tests look at.
                let _ = self.agent.process_new_packets();
            }
            let _ = self.agent.reader().read_to_end(&mut self.plaintext);
            let mut flight = Vec::new();
            while self.agent.wants_write() {
                self.agent.write_tls(&mut flight).unwrap();
            }
            if flight.is_empty() {
                return;
            }
            for piece in flight.chunks(size) {
                self.client.hears_bytes(piece, NOW);
            }
        }
    }

    fn agent_says(&mut self, hex: &str) {
        self.agent.writer().write_all(&bytes(hex)).unwrap();
        self.talk(usize::MAX);
    }

    fn alert(&mut self) -> String {
        self.agent.process_new_packets().map(drop).unwrap_err().to_string()
    }
}

#[rstest]
#[case::tls_1_2(&TLS12, 1)]
#[case::tls_1_3(&TLS13, 1)]
#[case::tls_1_3_in_one(&TLS13, usize::MAX)]
fn messages_go_through_tls(#[case] version: &'static SupportedProtocolVersion, #[case] size: usize) {
    let mut pair = Pair::new("localhost", version);
    let root = pair.client.asks(Operation::GetRootPath(AgentType::OTTER));
    assert_eq!(pair.client.outcomes(), []);
    pair.talk(size);
    assert_eq!(pair.client.outcomes(), [(CONNECT, connected(1, 2000, None))]);
    assert_eq!(pair.plaintext, bytes(OTTER));
    pair.agent_says(OTTER_ROOT);
    assert_eq!(pair.client.outcomes(), [(root, path("/o"))]);
    pair.client.asks(Operation::Close);
    pair.talk(size);
    assert!(pair.agent.process_new_packets().unwrap().peer_has_closed());
}

#[test]
fn a_wrong_name_is_refused_with_an_alert() {
    let mut pair = Pair::new("elsewhere.example", &TLS13);
    pair.talk(usize::MAX);
    assert_eq!(pair.client.kinds(), [(CONNECT, Err(Kind::Tls))]);
    assert!(pair.client.connection.is_over());
    assert!(pair.alert().contains("alert"), "{}", pair.alert());
}

#[rstest]
#[case::plaintext("03000000 03000000 02 2f6f 00000000")]
#[case::alert("15 0303 0002 0228")]
fn what_is_not_tls_is_told_as_such(#[case] heard: &str) {
    let mut pair = Pair::new("localhost", &TLS13);
    pair.client.hears(heard);
    assert_eq!(pair.client.kinds(), [(CONNECT, Err(Kind::Tls))]);
}

#[test]
fn what_came_before_the_end_of_tls_can_be_received() {
    let mut pair = Pair::new("localhost", &TLS13);
    pair.talk(usize::MAX);
    pair.agent.writer().write_all(&bytes(UNSOLICITED)).unwrap();
    pair.agent.send_close_notify();
    pair.talk(usize::MAX);
    pair.client.outcomes();
    let (first, second) = (pair.client.asks(Operation::Receive), pair.client.asks(Operation::Receive));
    let outcomes = pair.client.outcomes();
    assert_eq!(outcomes[0], (first, message(200, "aabb")));
    let failure = outcomes[1].1.as_ref().unwrap_err();
    assert_eq!((outcomes[1].0, failure.kind), (second, Kind::Closed));
}

/// A good message and, in the same piece, a record that is none of TLS.
#[test]
fn what_came_before_damage_can_be_received() {
    let mut pair = Pair::new("localhost", &TLS13);
    pair.talk(usize::MAX);
    pair.client.outcomes();
    pair.agent.writer().write_all(&bytes(UNSOLICITED)).unwrap();
    let mut flight = Vec::new();
    pair.agent.write_tls(&mut flight).unwrap();
    flight.extend(bytes("ff 0303 0001 00"));
    pair.client.hears_bytes(&flight, NOW);
    assert_eq!(pair.client.connection.failure().map(|failure| failure.kind), Some(Kind::Tls));
    let received = pair.client.asks(Operation::Receive);
    assert_eq!(pair.client.outcomes(), [(received, message(200, "aabb"))]);
}

#[test]
fn a_bad_length_ends_tls_with_a_word() {
    let mut pair = Pair::new("localhost", &TLS12);
    pair.talk(usize::MAX);
    pair.agent_says("ffffffff");
    assert_eq!(pair.client.connection.failure().map(|failure| failure.kind), Some(Kind::Protocol));
    assert!(pair.agent.process_new_packets().unwrap().peer_has_closed());
}

#[test]
fn an_end_while_tls_is_negotiated_is_an_end() {
    let mut pair = Pair::new("localhost", &TLS13);
    pair.client.hears_the_end();
    assert_eq!(pair.client.kinds(), [(CONNECT, Err(Kind::Closed))]);
}

#[test]
fn tls_that_stalls_is_given_up_with_the_time_for_connecting() {
    let mut pair = Pair::new("localhost", &TLS13);
    let almost = TIMEOUT.checked_sub(Duration::from_nanos(1)).unwrap();
    pair.client.connection.handle_time(almost);
    assert_eq!(pair.client.kinds(), []);
    pair.client.connection.handle_time(TIMEOUT);
    assert_eq!(pair.client.kinds(), [(CONNECT, Err(Kind::Timeout))]);
}
