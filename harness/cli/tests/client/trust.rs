//! Which agents a client trusts in mode ssl (TLS-3).

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, connect};
use crate::process::Agent;

/// The PEM files of a certificate for `localhost` and its key.
pub(crate) struct Certificate(TempDir);

impl Certificate {
    pub(crate) fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("cert.pem"), cert.pem()).expect("written");
        std::fs::write(folder.path().join("key.pem"), KeyPair::serialize_pem(&signing_key)).expect("written");
        Self(folder)
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    pub(crate) fn certificate(&self) -> String {
        self.file("cert.pem")
    }

    /// An agent's options for mode ssl.
    pub(crate) fn options(&self) -> Vec<String> {
        let (certificate, key) = (self.certificate(), self.file("key.pem"));
        ["--encryption", "ssl", "--certificate", &certificate, "--certificate-key", &key]
            .map(str::to_owned)
            .to_vec()
    }

    fn start(&self) -> Agent {
        let options = self.options();
        Agent::start(&options.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[rstest]
#[case::its_root(json!({"ca_pem": "OWN", "name": "localhost"}), None)]
#[case::another_root(json!({"ca_pem": "OTHER", "name": "localhost"}), Some("tls"))]
#[case::another_name(json!({"ca_pem": "OWN", "name": "elsewhere.example"}), Some("tls"))]
#[case::the_address_as_name(json!({"ca_pem": "OWN"}), Some("tls"))]
#[case::the_roots_of_the_system(json!({"name": "localhost"}), Some("tls"))]
#[case::nothing_said(Value::Null, Some("tls"))]
#[case::not_verified(json!({"verify": false}), None)]
#[case::not_verified_with_a_name(json!({"ca_pem": "OTHER", "name": "elsewhere.example", "verify": false}), None)]
fn certificates_are_checked_unless_told_otherwise(#[case] mut tls: Value, #[case] fails: Option<&str>) {
    let (own, other) = (Certificate::new(), Certificate::new());
    match tls.get("ca_pem").and_then(Value::as_str) {
        Some("OWN") => tls["ca_pem"] = own.certificate().into(),
        Some("OTHER") => tls["ca_pem"] = other.certificate().into(),
        _ => {}
    }
    let agent = own.start();
    let mut client = Client::start();
    let connect = connect(agent.address, &json!({"tls": tls}));
    if let Some(kind) = fails {
        assert_eq!(client.fails(&connect), kind);
        let after = json!({"id": 1, "op": "receive", "conn": 1});
        assert_eq!(client.fails(&after), kind);
    } else {
        assert_eq!(client.succeeds(&connect)["encryption"], 1);
        assert_eq!(client.root_path(1, "otter"), agent.otter());
    }
}

#[test]
fn without_a_word_on_tls_the_roots_of_the_system_and_the_host_decide() {
    let certificate = Certificate::new();
    let agent = certificate.start();
    let mut client = Client::start_with(&[("SSL_CERT_FILE", &certificate.certificate())]);
    let connected = client.succeeds(&connect(agent.address, &json!({"host": "localhost"})));
    assert_eq!(connected["encryption"], 1);
    assert_eq!(client.root_path(1, "otter"), agent.otter());
}

#[test]
fn roots_that_are_no_certificates_are_a_mistake_of_the_request() {
    let certificate = Certificate::new();
    let agent = certificate.start();
    let mut client = Client::start();
    for path in [certificate.file("key.pem"), certificate.file("missing.pem")] {
        assert_eq!(client.fails(&connect(agent.address, &json!({"tls": {"ca_pem": path}}))), "usage");
    }
}
