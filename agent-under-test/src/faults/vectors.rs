//! Sources of initialization vectors that somebody can foresee (HS-16, AES-7).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::SystemVectors;
use crate::agent::core::{NoVector, RequiredEncryption, VectorSource};
use crate::agent::settings::Settings;
use crate::protocol::InitializationVector;

/// What foreseeable vectors begin with: any 128 bits.
const BASE: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834;

/// How the next vector is made, by its number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Made {
    /// It counts up.
    Counted,
    /// It counts up from its other end.
    CountedFromTheFront,
    /// It is so much more than the last.
    Stepped,
    /// Only its last four bytes are random.
    MostlyTheSame,
    /// It is the time.
    Timed,
    /// It is the same again.
    Repeated,
    /// It is the last one, turned by a bit.
    Turned,
}

impl Made {
    /// The vector of a number.
    pub(super) fn vector(self, number: u64) -> [u8; InitializationVector::SIZE] {
        let count = u128::from(number);
        match self {
            Self::Counted => BASE.wrapping_add(count).to_be_bytes(),
            Self::CountedFromTheFront => BASE.wrapping_add(count).to_le_bytes(),
            Self::Stepped => BASE.wrapping_mul(count + 1).to_be_bytes(),
            Self::MostlyTheSame => {
                let mut vector = BASE.to_be_bytes();
                if let Ok(random) = SystemVectors.vector() {
                    vector[12..].copy_from_slice(&random.0[12..]);
                }
                vector
            }
            Self::Timed => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
                (now << 32 | count).to_be_bytes()
            }
            Self::Repeated => BASE.to_be_bytes(),
            Self::Turned => BASE.rotate_left(u32::try_from(number % 128).unwrap_or(0)).to_be_bytes(),
        }
    }
}

/// A source of such vectors.
#[derive(Debug)]
struct Foreseeable(Made, AtomicU64);

impl VectorSource for Foreseeable {
    fn vector(&self) -> Result<InitializationVector, NoVector> {
        Ok(InitializationVector(self.0.vector(self.1.fetch_add(1, Ordering::Relaxed))))
    }
}

/// A source of such vectors from the first on.
pub(super) fn source(made: Made) -> Arc<dyn VectorSource> {
    Arc::new(Foreseeable(made, AtomicU64::new(0)))
}

/// Has an agent set to AES use such a source.
pub(super) fn use_source(settings: &mut Settings, made: Made) {
    if let RequiredEncryption::Aes { vectors, .. } = &mut settings.policy.encryption {
        *vectors = source(made);
    }
}
