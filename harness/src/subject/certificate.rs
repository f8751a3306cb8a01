//! The certificates of a run: those that agents present, and the authorities behind them. All are made when the harness
//! first needs one, and are the same for all subjects of a run.

use std::sync::OnceLock;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    date_time_ymd,
};

use crate::vectors::transcript::data::WrongCertificate;

/// The names that certificates are for.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// A name that nobody connects to.
const OTHER_NAME: &str = "another.example";

/// A certificate with its key.
#[derive(Debug)]
pub struct Certificate {
    /// The certificate, PEM.
    pub pem: String,
    /// Its private key, PEM.
    pub key_pem: String,
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// Its private key, DER (PKCS#8).
    pub key_der: Vec<u8>,
}

/// All certificates of a run.
#[derive(Debug)]
pub struct Certificates {
    /// For `localhost` and 127.0.0.1, signed by the run's authority: the good one.
    pub good: Certificate,
    /// The authority that signed it, PEM.
    pub authority_pem: String,
    /// An authority that signed nothing that an agent presents, PEM.
    pub other_authority_pem: String,
    /// Those with one thing wrong.
    wrong: Vec<(WrongCertificate, Certificate)>,
}

impl Certificates {
    /// The certificates of this run.
    ///
    /// # Errors
    ///
    /// A sentence for people: none can be made.
    pub fn of_this_run() -> Result<&'static Self, String> {
        static MADE: OnceLock<Result<Certificates, String>> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            Self::make().map_err(|error| format!("no certificate can be made for the subject: {error}"))
        });
        made.as_ref().map_err(Clone::clone)
    }

    /// The one with something wrong.
    pub fn wrong(&self, wrong: WrongCertificate) -> Option<&Certificate> {
        self.wrong.iter().find(|(known, _)| *known == wrong).map(|(_, certificate)| certificate)
    }

    fn make() -> Result<Self, rcgen::Error> {
        let authority = authority("iaspec authority of this run")?;
        let other = authority_that_signs_nothing()?;
        let third = self::authority("iaspec authority that nobody trusts")?;
        let mut wrong = Vec::new();
        for kind in WrongCertificate::ALL {
            let mut params =
                params(if kind == WrongCertificate::OtherName { &[OTHER_NAME] } else { &NAMES })?;
            match kind {
                WrongCertificate::Expired => params.not_after = date_time_ymd(2001, 1, 1),
                WrongCertificate::NotYetValid => params.not_before = date_time_ymd(4000, 1, 1),
                _ => {}
            }
            let certificate = match kind {
                WrongCertificate::SelfSigned => Certificate::signed_by_itself(&params)?,
                WrongCertificate::OtherAuthority => Certificate::signed_by(&third, &params)?,
                _ => Certificate::signed_by(&authority, &params)?,
            };
            wrong.push((kind, certificate));
        }
        let good = Certificate::signed_by(&authority, &params(&NAMES)?)?;
        Ok(Self { good, authority_pem: authority.pem(), other_authority_pem: other, wrong })
    }
}

impl Certificate {
    fn signed_by(
        authority: &CertifiedIssuer<'_, KeyPair>,
        params: &CertificateParams,
    ) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let certificate = params.clone().signed_by(&key, authority)?;
        Ok(Self::new(&certificate, &key))
    }

    fn signed_by_itself(params: &CertificateParams) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        Ok(Self::new(&params.self_signed(&key)?, &key))
    }

    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            der: certificate.der().to_vec(),
            key_der: key.serialize_der(),
        }
    }
}

fn params(names: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = named("iaspec agent");
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn authority_that_signs_nothing() -> Result<String, rcgen::Error> {
    authority("iaspec authority that signs nothing").map(|authority| authority.pem())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_certificate_of_each_kind() {
        let made = Certificates::of_this_run().unwrap();
        assert_eq!(made.good.der, Certificates::of_this_run().unwrap().good.der);
        assert!(made.good.pem.starts_with("-----BEGIN CERTIFICATE-----"), "{}", made.good.pem);
        assert!(made.good.key_pem.starts_with("-----BEGIN PRIVATE KEY-----"));
        let mut all = vec![&made.good.der];
        all.extend(WrongCertificate::ALL.iter().map(|kind| &made.wrong(*kind).unwrap().der));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 6);
        assert_ne!(made.authority_pem, made.other_authority_pem);
    }
}
