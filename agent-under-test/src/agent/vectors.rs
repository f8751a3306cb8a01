//! Initialization vectors for an agent at work.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::core::{NoVector, VectorSource};
use crate::protocol::InitializationVector;

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
