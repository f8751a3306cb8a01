//! The certificate of mode ssl: from PEM files to what TLS is configured with.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, ServerConfig, version};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use super::Stated;
use crate::files;

/// A file that no certificate or no key can be had from.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{place}: {}: {problem}", path.display())]
pub struct CertificateError {
    /// The setting that names the file: an option, or file, line and element.
    pub place: String,
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: String,
}

impl CertificateError {
    fn new(stated: &Stated<PathBuf>, problem: impl Into<String>) -> Self {
        Self { place: stated.place.clone(), path: stated.value.clone(), problem: problem.into() }
    }
}

/// Configures TLS 1.2 and 1.3 with the certificate of one file and the key of another, or of the same (TLS-2).
///
/// # Errors
///
/// [`CertificateError`] if a file cannot be read, what is in it is missing or damaged, or the two do not belong
/// together.
pub(super) fn tls_config(
    certificate: &Stated<PathBuf>,
    key: Option<&Stated<PathBuf>>,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let chain = chain(certificate)?;
    let private = private_key(certificate, key)?;
    let in_key = |problem| CertificateError::new(key.unwrap_or(certificate), problem);
    let provider = Arc::new(default_provider());
    let unusable = |error: Error| in_key(format!("the private key cannot be used: {error}"));
    let signer = provider.key_provider.load_private_key(private).map_err(unusable)?;
    let certified = CertifiedKey::new(chain, signer);
    match certified.keys_match() {
        // Unknown: the kind of key does not tell, and the first handshake will.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        Err(Error::InconsistentKeys(_)) => {
            return Err(in_key("the private key does not belong to the certificate".to_owned()));
        }
        Err(error) => {
            return Err(CertificateError::new(
                certificate,
                format!("the certificate cannot be used: {error}"),
            ));
        }
    }
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(unusable)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    // Connections last, so there is little to gain from resuming; and a ticket that a client has not read
    // when it closes would turn its end into a reset.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

fn chain(certificate: &Stated<PathBuf>) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let bytes = read(certificate)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|error| CertificateError::new(certificate, format!("no PEM file: {error}")))?;
    if chain.is_empty() {
        return Err(CertificateError::new(certificate, "there is no certificate in this PEM file"));
    }
    Ok(chain)
}

fn private_key(
    certificate: &Stated<PathBuf>,
    key: Option<&Stated<PathBuf>>,
) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let stated = key.unwrap_or(certificate);
    let bytes = read(stated)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let problem = match (error, key) {
            (pem::Error::NoItemsFound, None) => {
                "there is no private key beside the certificate; put it there, \
                                                 or name its file by --certificate-key"
                    .to_owned()
            }
            (pem::Error::NoItemsFound, Some(_)) => {
                "there is no private key in this PEM file; it has to be there without a password".to_owned()
            }
            (error, _) => format!("no PEM file: {error}"),
        };
        CertificateError::new(stated, problem)
    })
}

fn read(stated: &Stated<PathBuf>) -> Result<Vec<u8>, CertificateError> {
    files::read(&stated.value).map_err(|error| CertificateError::new(stated, error.to_string()))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the tests write the files that are read")]
mod tests {
    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
    use rstest::rstest;
    use tempfile::TempDir;

    use super::*;

    const NO_KEY_BESIDE: &str = "there is no private key beside the certificate; put it there, or name its file by \
                                 --certificate-key";
    const NO_KEY: &str = "there is no private key in this PEM file; it has to be there without a password";

    /// PEM texts of a certificate and its key, in one file or two.
    struct Files {
        folder: TempDir,
        certificate: String,
        key: String,
    }

    impl Files {
        fn new() -> Self {
            let CertifiedKey { cert, signing_key } =
                generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            let key = KeyPair::serialize_pem(&signing_key);
            Self { folder: TempDir::new().unwrap(), certificate: cert.pem(), key }
        }

        /// What comes of a file for the certificate and perhaps another for the key.
        fn config(&self, certificate: &[u8], key: Option<&[u8]>) -> Result<Arc<ServerConfig>, String> {
            let write = |name: &str, bytes: &[u8]| {
                let path = self.folder.path().join(name);
                std::fs::write(&path, bytes).unwrap();
                Stated { value: path, place: format!("--{name}") }
            };
            let key = key.map(|key| write("key", key));
            let config = tls_config(&write("certificate", certificate), key.as_ref());
            let folder = format!("{}/", self.folder.path().display());
            config.map_err(|error| error.to_string().replace(&folder, ""))
        }
    }

    #[test]
    fn certificate_and_key_may_be_in_one_file_or_two_in_any_order() {
        let files = Files::new();
        let (certificate, key) = (&files.certificate, &files.key);
        assert!(files.config(certificate.as_bytes(), Some(key.as_bytes())).is_ok());
        assert!(files.config(format!("{certificate}{key}").as_bytes(), None).is_ok());
        assert!(files.config(format!("{key}\n# a comment\n{certificate}").as_bytes(), None).is_ok());
    }

    #[test]
    fn nothing_is_kept_to_resume_by() {
        let files = Files::new();
        let config = files.config(files.certificate.as_bytes(), Some(files.key.as_bytes())).unwrap();
        assert_eq!(config.send_tls13_tickets, 0);
        assert!(!config.session_storage.can_cache());
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let (files, others) = (Files::new(), Files::new());
        let other = others.key.as_bytes();
        let said = files.config(files.certificate.as_bytes(), Some(other)).unwrap_err();
        assert_eq!(said, "--key: key: the private key does not belong to the certificate");
        let said = files.config(format!("{}{}", files.certificate, others.key).as_bytes(), None).unwrap_err();
        assert_eq!(said, "--certificate: certificate: the private key does not belong to the certificate");
    }

    #[test]
    fn a_missing_part_is_named() {
        let files = Files::new();
        let (certificate, key) = (files.certificate.as_bytes(), files.key.as_bytes());
        let no_certificate = "--certificate: certificate: there is no certificate in this PEM file";
        assert_eq!(files.config(key, None).unwrap_err(), no_certificate);
        assert_eq!(files.config(b"", None).unwrap_err(), no_certificate);
        let said = files.config(certificate, None).unwrap_err();
        assert_eq!(said, format!("--certificate: certificate: {NO_KEY_BESIDE}"));
        let said = files.config(certificate, Some(certificate)).unwrap_err();
        assert_eq!(said, format!("--key: key: {NO_KEY}"));
        let encrypted = files.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let said = files.config(certificate, Some(encrypted.as_bytes())).unwrap_err();
        assert_eq!(said, format!("--key: key: {NO_KEY}"));
    }

    #[rstest]
    #[case::cut_short("-----BEGIN CERTIFICATE-----\nMIIB\n", "--certificate: certificate: no PEM file: ")]
    #[case::not_base64(
        "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
        "--certificate: certificate: no PEM file: base64 decode error"
    )]
    #[case::no_certificate_inside(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "--certificate: certificate: the certificate cannot be used: invalid peer certificate: BadEncoding"
    )]
    fn a_damaged_certificate_is_refused(#[case] certificate: &str, #[case] message: &str) {
        let files = Files::new();
        let said = files.config(certificate.as_bytes(), Some(files.key.as_bytes())).unwrap_err();
        assert!(said.starts_with(message), "{said}");
    }

    #[test]
    fn a_damaged_key_is_refused() {
        let files = Files::new();
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let said = files.config(files.certificate.as_bytes(), Some(key.as_bytes())).unwrap_err();
        assert!(said.starts_with("--key: key: the private key cannot be used: "), "{said}");
    }
}
