//! Where initialization vectors come from.

use std::fmt;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use thiserror::Error;

use crate::protocol::InitializationVector;

/// A source of initialization vectors, one for each acknowledgement (HS-16) and each message (AES-7).
///
/// The cores have no randomness of their own. An agent or a client at work needs a source that nobody can
/// predict; with one that can be, a test knows every byte beforehand.
pub trait VectorSource: fmt::Debug + Send + Sync {
    /// A vector that was not given before.
    ///
    /// # Errors
    ///
    /// [`NoVector`] if none can be had. The connection that asked for it is ended: a vector that is not fresh
    /// is never sent.
    fn vector(&self) -> Result<InitializationVector, NoVector>;
}

/// A [`VectorSource`] gave nothing.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("no random initialization vector can be had: {0}")]
pub struct NoVector(pub String);

/// The operating system's random numbers, which nobody can predict (HS-16, AES-7).
#[derive(Clone, Copy, Debug)]
pub struct SystemVectors;

impl VectorSource for SystemVectors {
    fn vector(&self) -> Result<InitializationVector, NoVector> {
        let mut bytes = [0; InitializationVector::SIZE];
        let mut filled = 0;
        while filled < bytes.len() {
            match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(NoVector(error.to_string())),
            }
        }
        Ok(InitializationVector(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_vector_comes_twice_and_no_byte_of_them_stands_still() {
        let vectors: HashSet<[u8; 16]> = (0..100).map(|_| SystemVectors.vector().unwrap().0).collect();
        assert_eq!(vectors.len(), 100);
        for place in 0..16 {
            let values: HashSet<u8> = vectors.iter().map(|vector| vector[place]).collect();
            assert!(values.len() > 1, "byte {place}");
        }
    }
}
