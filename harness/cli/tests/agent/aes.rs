//! The reference agent in mode aes, and clients that encrypt with a library that it does not use.

use std::collections::HashSet;

use aes::{Aes128, Aes256};
use cbc::cipher::array::Array;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use rstest::rstest;

use crate::process::{Agent, Client, Ended, OFFER, OTTER, V1_NEW_SESSION, bytes};

const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The vectors of the client, which need not be fresh in a test.
const NEXT: [u8; 16] = [0xa1; 16];

fn encrypt<M: BlockModeEncrypt>(mut mode: M, bytes: &mut [u8]) {
    mode.encrypt_blocks(Array::slice_as_chunks_mut(bytes).0);
}

fn decrypt<M: BlockModeDecrypt>(mut mode: M, bytes: &mut [u8]) {
    mode.decrypt_blocks(Array::slice_as_chunks_mut(bytes).0);
}

/// A connection that is encrypted, with the vectors due.
struct AesClient {
    client: Client,
    key: Vec<u8>,
    zeros: bool,
    sent: [u8; 16],
    received: [u8; 16],
    acknowledged: [u8; 4],
}

impl AesClient {
    fn new(agent: &Agent, offer: &str, key: &str, zeros: bool) -> Self {
        let mut client = agent.client(offer);
        assert_eq!(client.read(1), [2]);
        let iv: [u8; 16] = client.read(16).try_into().unwrap();
        let acknowledged = client.read(4).try_into().unwrap();
        client.read(4);
        Self { client, key: bytes(key), zeros, sent: iv, received: iv, acknowledged }
    }

    /// The frame of a plaintext in hexadecimal, behind the next vector.
    fn seal(&mut self, plaintext: &str) -> Vec<u8> {
        let mut text = [NEXT.to_vec(), bytes(plaintext)].concat();
        let missing = 16 - text.len() % 16;
        match self.zeros {
            true => text.resize(text.len() + missing % 16, 0),
            false => text.resize(text.len() + missing, u8::try_from(missing).unwrap()),
        }
        match self.key.len() {
            16 => encrypt(Encryptor::<Aes128>::new_from_slices(&self.key, &self.sent).unwrap(), &mut text),
            _ => encrypt(Encryptor::<Aes256>::new_from_slices(&self.key, &self.sent).unwrap(), &mut text),
        }
        self.sent = NEXT;
        [u32::try_from(text.len()).unwrap().to_le_bytes().to_vec(), text].concat()
    }

    fn send(&mut self, plaintext: &str) {
        let frame = self.seal(plaintext);
        std::io::Write::write_all(&mut self.client.0, &frame).unwrap();
    }

    /// What is behind the next vector in a frame from the agent, without padding of PKCS7.
    fn receive(&mut self) -> Vec<u8> {
        let length = u32::from_le_bytes(self.client.read(4).try_into().unwrap());
        assert!(length < 4096 && length.is_multiple_of(16), "{length}");
        let mut text = self.client.read(length as usize);
        match self.key.len() {
            16 => {
                decrypt(Decryptor::<Aes128>::new_from_slices(&self.key, &self.received).unwrap(), &mut text);
            }
            _ => decrypt(Decryptor::<Aes256>::new_from_slices(&self.key, &self.received).unwrap(), &mut text),
        }
        if !self.zeros {
            let padding = usize::from(*text.last().unwrap());
            assert!((1..=16).contains(&padding));
            let padding = text.split_off(text.len() - padding);
            assert!(padding.iter().all(|&byte| usize::from(byte) == padding.len()), "{padding:02x?}");
        }
        self.received = text[..16].try_into().unwrap();
        text.split_off(16)
    }

    /// The answer to Get Agent Root Path of Otter has come, padded by zeros perhaps.
    fn is_told_otters_path(&mut self, agent: &Agent) {
        let path = agent.otter();
        let mut expected = [bytes("03000000"), vec![u8::try_from(path.len()).unwrap()], path.into()].concat();
        if self.zeros {
            expected.resize(expected.len().next_multiple_of(16), 0);
        }
        assert_eq!(self.receive(), expected);
    }
}

fn start(key: &str, more: &[&str]) -> Agent {
    Agent::start(&[&["--encryption", "aes", "--aes-key", key], more].concat())
}

#[rstest]
#[case::of_128_bits(KEY_128, false, &[])]
#[case::of_256_bits(KEY_256, false, &["--aes-padding", "pkcs7"])]
#[case::padded_with_zeros(KEY_256, true, &["--aes-padding", "zeros"])]
fn clients_of_both_versions_are_served(#[case] key: &str, #[case] zeros: bool, #[case] more: &[&str]) {
    let agent = start(key, more);
    let mut client = AesClient::new(&agent, OFFER, key, zeros);
    assert_eq!(client.acknowledged, [0xd0, 7, 0, 0]);
    for _ in 0..3 {
        client.send("03000000 01");
        client.is_told_otters_path(&agent);
    }
    let mut client = AesClient::new(&agent, V1_NEW_SESSION, key, zeros);
    client.send("00 03000000 01");
    client.is_told_otters_path(&agent);
}

/// One that announced a vector twice, or the same to two clients, would be found out.
#[test]
fn no_vector_comes_twice() {
    let agent = start(KEY_256, &[]);
    let mut vectors = HashSet::new();
    for _ in 0..50 {
        let mut client = AesClient::new(&agent, OFFER, KEY_256, false);
        assert!(vectors.insert(client.received));
        for _ in 0..3 {
            client.send("03000000 01");
            client.is_told_otters_path(&agent);
            assert!(vectors.insert(client.received));
        }
    }
    assert_eq!(vectors.len(), 200);
}

/// Answers come first; then the same end for all, which the log tells in the same words.
#[rstest]
#[case::plaintext(OTTER)]
#[case::no_whole_blocks("1f000000")]
// Two blocks that decrypt to a last byte of no good padding; for this key and the fixed bytes before it.
#[case::bad_padding("20000000 00000000000000000000000000000000 00000000000000000000000000000000")]
fn what_does_not_decrypt_ends_the_connection(#[case] sent: &str) {
    let agent = start(KEY_256, &[]);
    let mut client = AesClient::new(&agent, OFFER, KEY_256, false);
    client.send("03000000 01");
    client.client.send(sent);
    client.is_told_otters_path(&agent);
    assert_eq!(client.client.end(), Ended::Closed(Vec::new()));
    agent.logged("ended: a bad frame: the message does not decrypt");
    let mut other = AesClient::new(&agent, OFFER, KEY_256, false);
    other.send("03000000 01");
    other.is_told_otters_path(&agent);
}

#[test]
fn a_client_that_half_closes_gets_its_answers() {
    let agent = start(KEY_128, &[]);
    let mut client = AesClient::new(&agent, OFFER, KEY_128, false);
    client.send("03000000 01");
    let cut = client.seal("03000000 01");
    std::io::Write::write_all(&mut client.client.0, &cut[..cut.len() - 1]).unwrap();
    client.client.half_close();
    client.is_told_otters_path(&agent);
    assert_eq!(client.client.end(), Ended::Closed(Vec::new()));
}

#[test]
fn an_update_is_put_in_place() {
    let agent = start(KEY_256, &[]);
    let mut client = AesClient::new(&agent, OFFER, KEY_256, false);
    client.send("02000000 01 01000000 05612e646c6c 00008c1daec9d508 02000000 00ff 00000000");
    client.send("03000000 01");
    client.is_told_otters_path(&agent);
    let expected = vec![("otter/assemblies/a.dll".to_owned(), vec![0, 0xff])];
    assert_eq!(crate::process::files(&agent.updates()), expected);
}

#[test]
fn a_length_alone_takes_no_memory() {
    let agent = start(KEY_256, &[]);
    drop(AesClient::new(&agent, OFFER, KEY_256, false));
    let before = agent.memory("VmHWM");
    let mut clients: Vec<_> = (0..20).map(|_| AesClient::new(&agent, OFFER, KEY_256, false)).collect();
    for client in &mut clients {
        client.client.send("40000004");
    }
    let mut above = AesClient::new(&agent, OFFER, KEY_256, false);
    above.client.send("50000004");
    assert_eq!(above.client.end(), Ended::Closed(Vec::new()));
    let grown = agent.memory("VmHWM") - before;
    assert!(grown < 16 << 10, "{grown} KiB for 20 messages of 64 MiB that have not come");
}
