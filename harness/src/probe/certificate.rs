//! What a certificate says, and whether it is trusted under given roots.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde::Serialize;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

use crate::verdict::visible;

/// A certificate for a reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateFacts {
    /// Whom it is for.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The names and addresses it is for.
    pub names: Vec<String>,
    /// From when on it is valid, UTC: `2026-01-31T12:00:00Z`.
    pub not_before: String,
    /// Until when.
    pub not_after: String,
    /// Whether it is valid now.
    pub in_time: bool,
    /// Whether its own key signed it.
    pub self_signed: bool,
}

/// Whether a certificate is trusted under the roots that were given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trust {
    /// Whether it is.
    pub trusted: bool,
    /// Why not.
    pub reason: Option<String>,
}

impl CertificateFacts {
    /// Reads a certificate, DER.
    ///
    /// # Errors
    ///
    /// A sentence for people: it is none.
    pub(super) fn read(der: &[u8]) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|error| format!("the certificate cannot be read: {error}"))?;
        let named = certificate.subject_alternative_name().ok().flatten();
        let names = named.map(|named| named.value.general_names.iter().map(name).collect());
        let validity = certificate.validity();
        Ok(Self {
            subject: visible(&certificate.subject().to_string()),
            issuer: visible(&certificate.issuer().to_string()),
            names: names.unwrap_or_default(),
            not_before: date(validity.not_before),
            not_after: date(validity.not_after),
            in_time: validity.is_valid(),
            self_signed: certificate.subject() == certificate.issuer()
                && certificate.verify_signature(None).is_ok(),
        })
    }
}

fn date(time: ASN1Time) -> String {
    let at = time.to_datetime();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => visible(name),
        GeneralName::IPAddress(bytes) => address(bytes),
        other => visible(&other.to_string()),
    }
}

fn address(bytes: &[u8]) -> String {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| std::net::Ipv4Addr::from(bytes).to_string());
    let sixteen = <[u8; 16]>::try_from(bytes).map(|bytes| std::net::Ipv6Addr::from(bytes).to_string());
    four.or(sixteen).unwrap_or_else(|_| crate::hex_text::spaced(bytes))
}

/// Certificates that an agent's should come from.
#[derive(Clone, Debug)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// The certificates of a PEM text.
    ///
    /// # Errors
    ///
    /// A sentence for people: there is none in it, or one is damaged.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate =
                certificate.map_err(|error| format!("it is no PEM with certificates: {error}"))?;
            roots.add(certificate).map_err(|error| format!("a certificate in it cannot be used: {error}"))?;
        }
        if roots.is_empty() {
            Err("there is no certificate in it".to_owned())
        } else {
            Ok(Self(Arc::new(roots)))
        }
    }
}

/// Whether a chain, DER, its end first, comes from one of the roots and is for a name.
pub(super) fn trust(chain: &[Vec<u8>], roots: &Roots, name: &str) -> Trust {
    let reason = verify(chain, roots, name).err();
    Trust { trusted: reason.is_none(), reason }
}

fn verify(chain: &[Vec<u8>], roots: &Roots, name: &str) -> Result<(), String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots.0), provider);
    let verifier = verifier.build().map_err(|error| error.to_string())?;
    let chain: Vec<CertificateDer<'_>> =
        chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let (end, intermediates) = chain.split_first().ok_or("there is no certificate")?;
    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
    let verified = verifier.verify_server_cert(end, intermediates, &name, &[], UnixTime::now());
    verified.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Certificates;
    use crate::vectors::transcript::data::WrongCertificate;

    #[test]
    fn a_certificate_tells_of_itself() {
        let made = Certificates::of_this_run().unwrap();
        let facts = CertificateFacts::read(&made.good.der).unwrap();
        assert_eq!(facts.subject, "CN=iaspec agent");
        assert_eq!(facts.issuer, "CN=iaspec authority of this run");
        assert_eq!(facts.names, ["localhost", "127.0.0.1"]);
        assert_eq!(facts.not_before, "1975-01-01T00:00:00Z");
        assert!(facts.in_time && !facts.self_signed);
        assert!(CertificateFacts::read(&made.good.der[..20]).is_err());
        let read = |wrong| CertificateFacts::read(&made.wrong(wrong).unwrap().der).unwrap();
        assert!(read(WrongCertificate::SelfSigned).self_signed);
        assert!(!read(WrongCertificate::Expired).in_time && !read(WrongCertificate::NotYetValid).in_time);
    }

    #[test]
    fn trust_asks_for_the_root_and_the_name() {
        let made = Certificates::of_this_run().unwrap();
        let own = Roots::from_pem(made.authority_pem.as_bytes()).unwrap();
        let chain = [made.good.der.clone()];
        assert_eq!(trust(&chain, &own, "localhost"), Trust { trusted: true, reason: None });
        let elsewhere = trust(&chain, &own, "example.org");
        assert!(
            !elsewhere.trusted
                && elsewhere.reason.is_some_and(|reason| reason.contains("not valid for name"))
        );
        let other = Roots::from_pem(made.other_authority_pem.as_bytes()).unwrap();
        assert!(!trust(&chain, &other, "localhost").trusted);
    }

    #[test]
    fn roots_are_certificates() {
        assert_eq!(Roots::from_pem(b"nothing").unwrap_err(), "there is no certificate in it");
        let key = &Certificates::of_this_run().unwrap().good.key_pem;
        assert_eq!(Roots::from_pem(key.as_bytes()).unwrap_err(), "there is no certificate in it");
    }
}
