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
use super::files;

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
