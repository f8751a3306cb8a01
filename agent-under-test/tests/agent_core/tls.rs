//! TLS around the messages, with a client of rustls and without a socket.

#![allow(clippy::disallowed_methods, reason = "the certificate comes to the settings by a file")]

use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use iaspec_reference::agent::core::{End, Policy, RequiredEncryption, Sessions, Versions};
use iaspec_reference::agent::settings::{Choices, EncryptionMode, Settings, Stated};
use proptest::prelude::*;
use proptest::sample::Index;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rstest::rstest;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;

use crate::support::*;

const NOW: Duration = Duration::ZERO;

/// Mode 1, 2000, server version 51.
const PICKED_2000_SSL: &str = "01 d0070000 33000000";
const OTTER: &str = "01000000 03000000 01";
const BUILDMASTER: &str = "01000000 03000000 02";

/// A certificate for `localhost`, and what settings make of it.
struct Ground {
    certificate: CertificateDer<'static>,
    encryption: RequiredEncryption,
}

static GROUND: LazyLock<Ground> = LazyLock::new(|| {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("agent.pem");
    std::fs::write(&path, cert.pem() + &KeyPair::serialize_pem(&signing_key)).unwrap();
    let choices = Choices {
        encryption: Some(Stated { value: EncryptionMode::Ssl, place: "Encryption".to_owned() }),
        certificate: Some(Stated { value: path, place: "CertificateName".to_owned() }),
        ..Choices::default()
    };
    let encryption = Settings::new(choices).unwrap().policy.encryption;
    Ground { certificate: cert.der().clone(), encryption }
});

fn ssl() -> Arc<Policy> {
    let mut policy = Policy::clone(&encrypted(Versions::BOTH, GROUND.encryption.clone()));
    policy.max_message = 1 << 20;
    Arc::new(policy)
}

/// A client of the agent whose messages go through TLS.
struct TlsClient {
    client: Client,
    sessions: Sessions,
    tls: ClientConnection,
    /// How many of the bytes received TLS has had.
    seen: usize,
    plaintext: Vec<u8>,
    closed: bool,
}

impl TlsClient {
    /// One that has its acknowledgement and has not begun with TLS.
    fn acknowledged(versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(GROUND.certificate.clone()).unwrap();
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_protocol_versions(versions)
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let (client, sessions) = (Client::of(ssl(), NOW), no_sessions());
        let mut client = Self { client, sessions, tls, seen: 9, plaintext: Vec::new(), closed: false };
        client.send_raw(&bytes(OFFER_BOTH), NOW);
        assert_eq!(client.client.received, bytes(PICKED_2000_SSL));
        client
    }

    /// One that has agreed on TLS.
    fn agreed(versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut client = Self::acknowledged(versions);
        client.talk(&[]);
        assert!(!client.tls.is_handshaking() && client.client.connection.is_past_handshake());
        client
    }

    fn send_raw(&mut self, bytes: &[u8], now: Duration) {
        self.client.send(bytes, &mut self.sessions, now);
    }

    /// What TLS has to send.
    fn flight(&mut self) -> Vec<u8> {
        let mut flight = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut flight).unwrap();
        }
        flight
    }

    /// Takes what has come; tells whether TLS was content with it.
    fn take(&mut self) -> bool {
        let mut new = &self.client.received[self.seen..];
        self.seen = self.client.received.len();
        while !new.is_empty() {
            self.tls.read_tls(&mut new).unwrap();
            let Ok(state) = self.tls.process_new_packets() else { return false };
            let mut plaintext = vec![0; state.plaintext_bytes_to_read()];
            self.tls.reader().read_exact(&mut plaintext).unwrap();
            self.plaintext.extend(plaintext);
            self.closed |= state.peer_has_closed();
        }
        true
    }

    /// Goes on until neither side has anything to send, the client's bytes cut into pieces.
    fn talk(&mut self, cuts: &[Index]) {
        loop {
            let flight = self.flight();
            if flight.is_empty() {
                return;
            }
            for piece in pieces(&flight, cuts) {
                self.send_raw(piece, NOW);
            }
            assert!(self.take());
        }
    }

    fn say(&mut self, hex: &str) {
        self.tls.writer().write_all(&bytes(hex)).unwrap();
        self.talk(&[]);
    }

    fn end(&self) -> Option<&End> {
        self.client.end()
    }
}

#[rstest]
#[case::of_1_2(&TLS12, ProtocolVersion::TLSv1_2)]
#[case::of_1_3(&TLS13, ProtocolVersion::TLSv1_3)]
fn messages_travel_inside_tls_by_the_configured_certificate(
    #[case] version: &'static SupportedProtocolVersion,
    #[case] agreed: ProtocolVersion,
) {
    let mut client = TlsClient::agreed(&[version]);
    assert_eq!(client.tls.protocol_version(), Some(agreed));
    assert_eq!(client.tls.peer_certificates(), Some(&[GROUND.certificate.clone()][..]));
    assert!(client.plaintext.is_empty());
    client.say(OTTER);
    client.say(&format!("{BUILDMASTER} {OTTER}"));
    assert_eq!(client.plaintext, bytes(&format!("{OTTER_ROOT} {BUILDMASTER_ROOT} {OTTER_ROOT}")));
    assert_eq!((client.end(), client.closed), (None, false));
}

#[test]
fn the_first_flight_may_come_with_the_handshake() {
    let mut client = TlsClient::acknowledged(&[&TLS13]);
    client.client = Client::of(ssl(), NOW);
    let joined = [bytes(OFFER_BOTH), client.flight()].concat();
    client.send_raw(&joined, NOW);
    assert!(client.client.received.len() > 9 && client.take());
    client.say(OTTER);
    assert_eq!(client.plaintext, bytes(OTTER_ROOT));
}

#[test]
fn tls_1_1_is_refused_with_an_alert() {
    let mut client = TlsClient::acknowledged(&[&TLS13]);
    // A record with a ClientHello of TLS 1.1: version, random, no session ID, one cipher suite, no compression,
    // and for more than an old client has to say, signature_algorithms.
    let random = "00".repeat(32);
    let hello =
        format!("16 0301 0039 01 000035 0302 {random} 00 0002 c02f 01 00 000a 000d 0006 0004 0403 0804");
    client.send_raw(&bytes(&hello), NOW);
    assert!(matches!(client.end(), Some(End::Tls(_))), "{:?}", client.end());
    // An alert is 21, a version, two bytes: fatal (2), protocol_version (70).
    let alert = &client.client.received[9..];
    assert_eq!((alert.len(), alert[0], &alert[3..]), (7, 0x15, &[0, 2, 2, 70][..]));
}

#[rstest]
#[case::request(OTTER)]
#[case::like_a_record("16000000 03000000 01 00000000 00000000 00000000 00000000 00000000 00")]
fn plaintext_where_tls_is_due_ends_the_connection(#[case] sent: &str) {
    let client = converse_with(ssl(), &format!("{OFFER_BOTH} {sent} {OTTER}"));
    assert!(matches!(client.end(), Some(End::Tls(_))), "{:?}", client.end());
    assert!(client.connection.is_over());
    let after = &client.received[9..];
    assert!(after.is_empty() || (after.len() == 7 && after[0] == 0x15), "{after:02x?}");
}

#[test]
fn plaintext_within_a_conversation_ends_it_without_an_answer() {
    let mut client = TlsClient::agreed(&[&TLS13]);
    client.say(OTTER);
    client.send_raw(&bytes(BUILDMASTER), NOW);
    assert!(matches!(client.end(), Some(End::Tls(_))), "{:?}", client.end());
    client.take();
    assert_eq!(client.plaintext, bytes(OTTER_ROOT));
}

#[test]
fn a_damaged_record_ends_the_connection_without_effect() {
    let mut client = TlsClient::agreed(&[&TLS13]);
    client.tls.writer().write_all(&bytes(UPDATE_V2)).unwrap();
    let mut record = client.flight();
    *record.last_mut().unwrap() ^= 1;
    client.send_raw(&record, NOW);
    assert!(matches!(client.end(), Some(End::Tls(_))), "{:?}", client.end());
    assert!(client.client.updates.is_empty() && !client.take());
}

#[rstest]
#[case::said_inside_tls(true)]
#[case::end_of_tcp_alone(false)]
fn a_client_that_half_closes_gets_its_answers_and_a_close_notify(#[case] said: bool) {
    let mut client = TlsClient::agreed(&[&TLS13]);
    client.tls.writer().write_all(&bytes(&format!("{OTTER} {UPDATE_V2} {BUILDMASTER} 01000000 03"))).unwrap();
    if said {
        client.tls.send_close_notify();
    }
    client.talk(&[]);
    if !said {
        assert!(!client.closed);
        client.client.end_input(&mut client.sessions, NOW);
        assert!(client.take());
    }
    assert_eq!(client.plaintext, bytes(&format!("{OTTER_ROOT} {BUILDMASTER_ROOT}")));
    assert_eq!((client.closed, client.end(), client.client.updates.len()), (true, Some(&End::Client), 1));
    assert!(client.client.connection.is_over());
}

#[test]
fn a_client_that_leaves_while_tls_is_agreed_on_gets_no_more() {
    let mut client = TlsClient::acknowledged(&[&TLS13]);
    let flight = client.flight();
    client.send_raw(&flight[..flight.len() - 1], NOW);
    client.client.end_input(&mut client.sessions, NOW);
    assert_eq!((client.client.received.len(), client.end()), (9, Some(&End::Client)));
    assert!(client.client.connection.is_over() && client.client.connection.is_past_handshake());
}

#[test]
fn a_bad_frame_ends_the_connection_after_the_answers_with_a_close_notify() {
    let mut client = TlsClient::agreed(&[&TLS12]);
    client.say(&format!("{OTTER} 01001000 {BUILDMASTER}"));
    assert_eq!((client.plaintext.as_slice(), client.closed), (&bytes(OTTER_ROOT)[..], true));
    assert!(matches!(client.end(), Some(End::BadFrame(_))), "{:?}", client.end());
}

/// As without TLS, where the output counts as it is sent: records, of which each answer is one.
#[test]
fn a_client_that_does_not_read_is_not_listened_to() {
    let mut client = TlsClient::agreed(&[&TLS13]);
    let connection = &mut client.client.connection;
    let mut asked = 0;
    while connection.wants_input() {
        client.tls.writer().write_all(&bytes(OTTER)).unwrap();
        let mut flight = Vec::new();
        client.tls.write_tls(&mut flight).unwrap();
        connection.handle_input(&flight, NOW);
        asked += 1;
    }
    assert!((65_536..65_700).contains(&connection.output().len()), "{}", connection.output().len());
    assert!(asked > 1000);
    client.client.send(&[], &mut client.sessions, NOW);
    assert!(client.take());
    assert_eq!(client.plaintext, bytes(OTTER_ROOT).repeat(asked));
}

#[test]
fn one_clock_runs_over_handshake_and_tls() {
    let accepted = Duration::from_secs(100);
    let mut client = TlsClient::acknowledged(&[&TLS13]);
    client.client = Client::of(ssl(), accepted);
    client.send_raw(&bytes(OFFER_BOTH), accepted + Duration::from_secs(20));
    let flight = client.flight();
    client.send_raw(&flight, accepted + Duration::from_secs(25));
    let connection = &mut client.client.connection;
    assert!(connection.is_acknowledged() && !connection.is_past_handshake());
    assert_eq!(connection.deadline(), Some(accepted + TIMEOUT));
    connection.handle_time(accepted + TIMEOUT - Duration::from_nanos(1));
    assert_eq!(connection.end(), None);
    connection.handle_time(accepted + TIMEOUT);
    assert_eq!(connection.end(), Some(&End::HandshakeTimeout(TIMEOUT)));
    assert!(connection.is_over() && connection.is_past_handshake());
}

/// What TLS had to say and the client did not take is not waited for.
#[test]
fn a_stalled_client_that_does_not_read_either_is_cut_off_at_once() {
    let mut client = TlsClient::acknowledged(&[&TLS13]);
    let flight = client.flight();
    client.client.connection.handle_input(&flight, NOW);
    assert!(!client.client.connection.output().is_empty());
    client.client.connection.handle_time(TIMEOUT);
    assert!(client.client.connection.is_over());
}

#[test]
fn an_idle_connection_stays_open_for_ever() {
    let mut client = TlsClient::agreed(&[&TLS13]);
    assert_eq!(client.client.connection.deadline(), None);
    client.client.connection.handle_time(Duration::from_secs(365 * 86_400));
    client.say(OTTER);
    assert_eq!(client.plaintext, bytes(OTTER_ROOT));
}

/// It takes 13 records.
#[test]
fn a_large_update_arrives_whole() {
    let contents: Vec<u8> = (0..200_000_u32).map(|index| index.to_le_bytes()[1] ^ 0x5a).collect();
    let mut client = TlsClient::agreed(&[&TLS13]);
    let head = "5b0d0300 02000000 01 01000000 05612e646c6c 00008c1daec9d508 400d0300";
    let message = [bytes(head), contents.clone(), bytes(&format!("00000000 {OTTER}"))].concat();
    for piece in message.chunks(40_000) {
        client.tls.writer().write_all(piece).unwrap();
        client.talk(&[]);
    }
    assert!(client.client.updates[0].files[0].contents == contents);
    assert_eq!(client.plaintext, bytes(OTTER_ROOT));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_pieces_make_no_difference(cuts in cuts(), requests in 1_usize..20, of_1_3 in any::<bool>()) {
        let mut client = TlsClient::acknowledged(&[if of_1_3 { &TLS13 } else { &TLS12 }]);
        client.talk(&cuts);
        client.tls.writer().write_all(&bytes(OTTER).repeat(requests)).unwrap();
        client.talk(&cuts);
        prop_assert_eq!(&client.plaintext, &bytes(OTTER_ROOT).repeat(requests));
    }

    /// Offer, first and last flight of TLS 1.3 at any times: agreed exactly if the last came in time.
    #[test]
    fn tls_is_agreed_on_exactly_if_it_is_complete_in_time(
        mut arrivals in proptest::collection::vec(0_u64..40_000, 3),
    ) {
        arrivals.sort_unstable();
        let [offer, hello, finished] = [0, 1, 2].map(|index| Duration::from_millis(arrivals[index]));
        let mut client = TlsClient::acknowledged(&[&TLS13]);
        client.client = Client::of(ssl(), NOW);
        client.send_raw(&bytes(OFFER_BOTH), offer);
        let flight = client.flight();
        client.send_raw(&flight, hello);
        if client.client.received.len() > 9 {
            prop_assert!(client.take());
        }
        let flight = client.flight();
        client.send_raw(&flight, finished);
        let in_time = finished < TIMEOUT && !flight.is_empty();
        prop_assert_eq!(client.end().is_none() && client.client.connection.is_past_handshake(), in_time);
        prop_assert_eq!(client.client.connection.deadline().is_none(), in_time);
        prop_assert_eq!(finished < TIMEOUT, in_time);
    }

    /// Whatever comes where TLS is due, the core neither panics nor goes on without end.
    #[test]
    fn any_bytes_are_survived(
        record in any::<bool>(),
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        cuts in cuts(),
    ) {
        let head = if record { "16 0303 0050 01 00004c" } else { "" };
        let stream = [bytes(OFFER_BOTH), bytes(head), noise].concat();
        let (received, updates, end) = outcome(ssl(), &pieces(&stream, &cuts));
        prop_assert!(received.starts_with(&bytes(PICKED_2000_SSL)));
        prop_assert!(updates.is_empty() && end.is_some());
    }
}
