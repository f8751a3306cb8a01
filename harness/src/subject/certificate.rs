//! The certificate that agents present: made when the harness first needs one, the same for all subjects of a run.

use std::sync::OnceLock;

use rcgen::{CertifiedKey, generate_simple_self_signed};

/// A certificate for `localhost` and 127.0.0.1, signed by itself, with its key.
#[derive(Debug)]
pub struct Certificate {
    /// The certificate, PEM.
    pub pem: String,
    /// Its private key, PEM.
    pub key_pem: String,
    /// The certificate, DER.
    pub der: Vec<u8>,
}

impl Certificate {
    /// The certificate of this run.
    ///
    /// # Errors
    ///
    /// A sentence for people: none can be made.
    pub fn of_this_run() -> Result<&'static Self, String> {
        static MADE: OnceLock<Result<Certificate, String>> = OnceLock::new();
        MADE.get_or_init(Self::make).as_ref().map_err(Clone::clone)
    }

    fn make() -> Result<Self, String> {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)
            .map_err(|error| format!("no certificate can be made for the subject: {error}"))?;
        Ok(Self { pem: cert.pem(), key_pem: signing_key.serialize_pem(), der: cert.der().to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_certificate() {
        let first = Certificate::of_this_run().unwrap();
        assert_eq!(first.der, Certificate::of_this_run().unwrap().der);
        assert!(first.pem.starts_with("-----BEGIN CERTIFICATE-----"), "{}", first.pem);
        assert!(first.key_pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    }
}
