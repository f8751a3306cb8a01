//! TLS between the acknowledgement and messages (TLS-1), and what comes in its place.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, ServerConfig, ServerConnection,
    SignatureScheme,
};

use crate::hex_text;
use crate::subject::Certificate;
use crate::vectors::transcript::Party;

/// A record with a ClientHello that offers TLS 1.1: two suites with elliptic curves and one without,
/// the curve P-256, and signatures that newer versions know, too.
const OLD_CLIENT_HELLO: &str = "16 0301 004b 01 000047 0302 5a*32 00 0006 c009 c013 002f 01 00 \
                                0018 000a 0004 0002 0017 000b 0002 0100 000d 0006 0004 0403 0401";

/// A record with a ServerHello that chooses TLS 1.1 and the first suite above.
const OLD_SERVER_HELLO: &str = "16 0302 002a 02 000026 0302 a5*32 00 c009 00";

/// The beginning of a record with a ServerHello of 118 bytes, whose random bytes are under way.
const HALF_A_SERVER_HELLO: &str = "16 0303 007a 02 000076 0303 a5*20";

/// A TLS connection without a network.
#[derive(Debug)]
pub(in super::super) struct Tls {
    connection: Connection,
    /// The alert by which the peer gave up.
    refused: Option<String>,
}

impl Tls {
    /// A client that takes whatever certificate it is shown: the case looks at it afterwards.
    ///
    /// # Errors
    ///
    /// A sentence for people: TLS cannot be set up.
    pub(super) fn client() -> Result<Self, String> {
        let provider = provider();
        let verifier = AnyCertificate(provider.signature_verification_algorithms);
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(failed)?;
        Ok(Self { connection: connection.into(), refused: None })
    }

    /// An agent that presents a certificate.
    ///
    /// # Errors
    ///
    /// As of [`Tls::client`].
    pub(super) fn agent(certificate: &Certificate) -> Result<Self, String> {
        let chain = vec![CertificateDer::from(certificate.der.clone())];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certificate.key_der.clone()));
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(failed)?;
        let connection = ServerConnection::new(Arc::new(config)).map_err(failed)?;
        Ok(Self { connection: connection.into(), refused: None })
    }

    /// As of [`Layer::receive`](super::Layer::receive). What follows an alert is dropped.
    pub(super) fn receive(&mut self, raw: &mut Vec<u8>, plain: &mut Vec<u8>) -> Result<(), String> {
        let came = std::mem::take(raw);
        let mut rest = came.as_slice();
        while !rest.is_empty() && self.refused.is_none() {
            self.connection.read_tls(&mut rest).map_err(|error| error.to_string())?;
            match self.connection.process_new_packets() {
                Ok(_) => {}
                Err(rustls::Error::AlertReceived(alert)) => self.refused = Some(format!("{alert:?}")),
                Err(error) => return Err(error.to_string()),
            }
            // All that is there: the end of the stream is that of TCP.
            let _ = self.connection.reader().read_to_end(plain);
        }
        Ok(())
    }

    /// Bytes that it wants to be sent.
    pub(super) fn outgoing(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.connection.wants_write() {
            // Writing to memory cannot fail.
            let _ = self.connection.write_tls(&mut bytes);
        }
        bytes
    }

    pub(super) fn wants_to_send(&self) -> bool {
        self.connection.wants_write()
    }

    /// Whether messages can go both ways.
    pub(super) fn is_ready(&self) -> bool {
        !self.connection.is_handshaking() && !self.connection.wants_write()
    }

    /// A message in records.
    pub(super) fn seal(&mut self, message: &[u8]) -> Result<Vec<u8>, String> {
        self.connection.set_buffer_limit(None);
        self.connection.writer().write_all(message).map_err(|error| error.to_string())?;
        Ok(self.outgoing())
    }

    /// What goes before the end of what is sent.
    pub(super) fn seal_end(&mut self) -> Vec<u8> {
        self.connection.send_close_notify();
        self.outgoing()
    }

    /// The alert by which the peer gave up.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The certificate that the peer presented, DER.
    pub(super) fn certificate(&self) -> Option<Vec<u8>> {
        self.connection.peer_certificates()?.first().map(|certificate| certificate.to_vec())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn failed(error: rustls::Error) -> String {
    format!("TLS cannot be set up: {error}")
}

/// The first half of the first bytes of a TLS handshake that a party sends.
pub(in super::super) fn half_a_hello(party: Party) -> Vec<u8> {
    if party != Party::Client {
        return literal(HALF_A_SERVER_HELLO);
    }
    let mut hello = Tls::client().map(|mut client| client.outgoing()).unwrap_or_default();
    hello.truncate(hello.len() / 2);
    hello
}

/// A TLS handshake message of a version older than 1.2.
pub(in super::super) fn old_hello(party: Party) -> Vec<u8> {
    literal(if party == Party::Client { OLD_CLIENT_HELLO } else { OLD_SERVER_HELLO })
}

/// Bytes that are written out above; a test reads them.
fn literal(text: &str) -> Vec<u8> {
    hex_text::parse(text).unwrap_or_default()
}

/// Checks what is signed, but not by whom.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_hello_begins_a_tls_handshake() {
        for party in [Party::Client, Party::Agent] {
            let half = half_a_hello(party);
            // A record of type 22, TLS; its length says more than is there.
            assert_eq!(half[..2], [0x16, 0x03]);
            let length = usize::from(half[3]) << 8 | usize::from(half[4]);
            assert!(half.len() < 5 + length, "{party}");
        }
    }

    #[test]
    fn an_old_hello_is_whole_and_names_tls_1_1() {
        for (party, kind) in [(Party::Client, 1), (Party::Agent, 2)] {
            let hello = old_hello(party);
            let record = usize::from(hello[3]) << 8 | usize::from(hello[4]);
            let message = usize::from(hello[7]) << 8 | usize::from(hello[8]);
            assert_eq!((hello[0], hello[5], hello[6]), (0x16, kind, 0));
            assert_eq!((record, message), (hello.len() - 5, hello.len() - 9), "{party}");
            assert_eq!(hello[9..11], [3, 2]);
        }
    }

    #[test]
    fn both_sides_refuse_old_versions() {
        let certificate = &crate::subject::Certificates::of_this_run().unwrap().good;
        let cases = [
            (Tls::agent(certificate).unwrap(), Party::Client, "Tls12NotOffered"),
            (Tls::client().unwrap(), Party::Agent, "ServerDoesNotSupportTls12Or13"),
        ];
        for (mut tls, party, why) in cases {
            tls.outgoing();
            let refused = tls.receive(&mut old_hello(party), &mut Vec::new());
            let reason = refused.unwrap_err();
            assert!(reason.contains(why), "{reason}");
        }
    }

    #[test]
    fn messages_go_both_ways_and_an_alert_is_told() {
        let certificate = &crate::subject::Certificates::of_this_run().unwrap().good;
        let (mut client, mut agent) = (Tls::client().unwrap(), Tls::agent(certificate).unwrap());
        let mut plain = Vec::new();
        while !(client.is_ready() && agent.is_ready()) {
            agent.receive(&mut client.outgoing(), &mut plain).unwrap();
            client.receive(&mut agent.outgoing(), &mut plain).unwrap();
        }
        assert_eq!(client.certificate().as_ref(), Some(&certificate.der));
        agent.receive(&mut client.seal(b"there").unwrap(), &mut plain).unwrap();
        client.receive(&mut agent.seal(b" and back").unwrap(), &mut plain).unwrap();
        assert_eq!(plain, b"there and back");
        let mut fresh = Tls::agent(certificate).unwrap();
        // A record of type 21: fatal, unknown certificate authority.
        fresh.receive(&mut vec![0x15, 3, 3, 0, 2, 2, 48], &mut plain).unwrap();
        assert_eq!(fresh.refused(), Some("UnknownCA"));
    }
}
