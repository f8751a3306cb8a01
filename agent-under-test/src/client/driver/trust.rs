//! Which certificates are trusted: those under given roots or the system's, or any.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, client::WebPkiServerVerifier,
    version,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::client::core::{Trust, TrustSource};
use crate::files;

/// Where systems keep the certificates that they trust: Debian and many more, Fedora, openSUSE, Alpine.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The variable that names another file, as OpenSSL knows it.
const SYSTEM_ROOTS_VARIABLE: &str = "SSL_CERT_FILE";

/// Which roots a certificate has to come from.
#[derive(Clone, Debug)]
pub(super) enum Roots {
    /// The system's.
    System,
    /// Those of a PEM file.
    Given(Arc<RootCertStore>),
    /// None at all.
    Any,
}

impl Roots {
    /// The roots in a PEM file.
    pub(super) fn from_pem(path: &Path) -> Result<Self, String> {
        read_roots(path).map(|roots| Self::Given(Arc::new(roots)))
    }
}

/// The trust of one connection, made ready when it is needed.
#[derive(Clone, Debug)]
pub(super) struct ConnectionTrust {
    /// Which roots a certificate has to come from.
    pub(super) roots: Roots,
    /// The name that it has to be for.
    pub(super) name: String,
}

impl TrustSource for ConnectionTrust {
    fn trust(&self) -> Result<Trust, String> {
        let name = server_name(&self.name)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match &self.roots {
            Roots::Any => Arc::new(AnyCertificate(Arc::clone(&provider))),
            Roots::Given(roots) => verifier(Arc::clone(roots), &provider)?,
            Roots::System => verifier(system_roots()?, &provider)?,
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        // Each connection stands for itself.
        config.resumption = Resumption::disabled();
        Ok(Trust { config: Arc::new(config), name })
    }
}

/// A name or address that a certificate can be for.
pub(super) fn server_name(name: &str) -> Result<ServerName<'static>, String> {
    let unusable = |_| format!("{name:?} is no name that a certificate can be for");
    ServerName::try_from(name.to_owned()).map_err(unusable)
}

fn verifier(
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider));
    Ok(builder.build().map_err(|error| error.to_string())?)
}

fn system_roots() -> Result<Arc<RootCertStore>, String> {
    static ROOTS: OnceLock<Result<Arc<RootCertStore>, String>> = OnceLock::new();
    ROOTS.get_or_init(|| read_system_roots().map(Arc::new)).clone()
}

fn read_system_roots() -> Result<RootCertStore, String> {
    if let Some(path) = std::env::var_os(SYSTEM_ROOTS_VARIABLE) {
        return read_roots(Path::new(&path));
    }
    let known = SYSTEM_ROOTS.iter().map(Path::new).find(|path| path.exists());
    let path = known.ok_or_else(|| {
        format!(
            "this system's trusted certificates are not known; {SYSTEM_ROOTS_VARIABLE} can name their file"
        )
    })?;
    read_roots(path)
}

fn read_roots(path: &Path) -> Result<RootCertStore, String> {
    let wrong = |problem: String| format!("{}: {problem}", path.display());
    let bytes = files::read(path).map_err(|error| wrong(error.to_string()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|error| wrong(format!("no PEM file: {error}")))?;
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        let what = if unusable == 0 { "there is no certificate" } else { "no certificate can be used" };
        return Err(wrong(format!("{what} in this PEM file")));
    }
    Ok(roots)
}

/// Takes any certificate, whoever it is for and from (`"verify": false`). That the agent has its key is still
/// checked: that is a part of TLS.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
