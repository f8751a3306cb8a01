//! Whether initialization vectors can be foreseen (HS-16, AES-7): a look at many of them, one after the other.
//!
//! Nothing proves that somebody cannot foresee them; what is looked for are the ways in which implementers make them
//! foreseeable. A correct subject, whose vectors are drawn at random, fails less than once in 10^9 times; one that uses
//! random UUIDs, six bits of which never change, does not fail either.

use std::collections::HashSet;

use crate::format::AES_BLOCK;
use crate::hex_text::spaced;

/// A vector.
type Vector = [u8; AES_BLOCK];

/// With fewer vectors that follow another nothing is said: too much can be chance.
pub(super) const FEWEST: usize = 60;

/// How far behind each other vectors are compared: those of two threads may take turns.
const FURTHEST: usize = 3;

/// So many standard deviations off is no chance: less than 10^-14 each time.
const DEVIATIONS: f64 = 8.0;

/// What the bits that stand still may take of those that differ: this part of all.
const STILL_SHARE: f64 = 0.05;

/// So many bits may stand still.
const MOST_STILL: usize = 16;

/// Bits of a vector.
const BITS: usize = 8 * AES_BLOCK;

/// Why vectors can be foreseen, if that shows; each list has those that came one after the other.
pub(super) fn foreseeable(lists: &[Vec<Vector>]) -> Option<String> {
    if let Some(vector) = repeated(lists) {
        return Some(format!("{} came twice", spaced(&vector)));
    }
    (1..=FURTHEST).find_map(|apart| {
        let pairs: Vec<(Vector, Vector)> = lists
            .iter()
            .flat_map(|list| list.iter().copied().zip(list.iter().copied().skip(apart)))
            .collect();
        if pairs.len() < FEWEST { None } else { of_pairs(&pairs, apart) }
    })
}

fn repeated(lists: &[Vec<Vector>]) -> Option<Vector> {
    // The lists may be different views of the same vectors, but none of them has one twice.
    lists.iter().find_map(|list| {
        let mut seen = HashSet::new();
        list.iter().copied().find(|vector| !seen.insert(*vector))
    })
}

fn of_pairs(pairs: &[(Vector, Vector)], apart: usize) -> Option<String> {
    let which = if apart == 1 { "the next".to_owned() } else { format!("that {apart} later") };
    if let Some((place, share)) = steady_byte(pairs) {
        return Some(format!(
            "byte {place} differs by the same amount from vector to {which} in {share} % of {}",
            pairs.len()
        ));
    }
    if let Some(what) = derived(pairs) {
        return Some(format!("each is {what} of {which}"));
    }
    let changed: usize = pairs.iter().map(|(one, other)| distance(one, other)).sum();
    let all = pairs.len() * BITS;
    if is_off(changed, all) {
        return Some(format!(
            "{changed} of {all} bits differ from vector to {which}, where half of them are due"
        ));
    }
    let still = (0..BITS).filter(|bit| stands_still(pairs, *bit)).count();
    (still > MOST_STILL)
        .then(|| format!("{still} of {BITS} bits nearly always differ, or never, from vector to {which}"))
}

/// A byte that changes by the same amount in at least half of the pairs: of a counter, or one that stands still.
fn steady_byte(pairs: &[(Vector, Vector)]) -> Option<(usize, usize)> {
    (0..AES_BLOCK).find_map(|place| {
        let mut counts = [0_usize; 256];
        for (one, other) in pairs {
            counts[usize::from(other[place].wrapping_sub(one[place]))] += 1;
        }
        let most = counts.into_iter().max().unwrap_or(0);
        (2 * most >= pairs.len()).then(|| (place, 100 * most / pairs.len()))
    })
}

/// A simple function by which at least half of the vectors follow from the ones before.
fn derived(pairs: &[(Vector, Vector)]) -> Option<&'static str> {
    let mostly = |function: &dyn Fn(u128) -> u128| {
        let right = pairs.iter().filter(|(one, other)| function(number(one)) == number(other)).count();
        2 * right >= pairs.len()
    };
    if (1..128).any(|bits| mostly(&|one| one.rotate_left(bits))) {
        return Some("a rotation");
    }
    if mostly(&|one| !one) {
        return Some("the complement");
    }
    (mostly(&u128::swap_bytes) || mostly(&u128::reverse_bits)).then_some("the reverse")
}

fn number(vector: &Vector) -> u128 {
    u128::from_be_bytes(*vector)
}

/// How many bits of two vectors differ.
fn distance(one: &Vector, other: &Vector) -> usize {
    usize::try_from((number(one) ^ number(other)).count_ones()).unwrap_or(BITS)
}

/// Whether so many of all are far from half of them.
#[allow(clippy::cast_precision_loss, reason = "counts of bits")]
fn is_off(some: usize, all: usize) -> bool {
    let (some, all) = (some as f64, all as f64);
    (some - all / 2.0).abs() > DEVIATIONS * all.sqrt() / 2.0 + STILL_SHARE * all
}

/// Whether a bit changes nearly never, or nearly always.
fn stands_still(pairs: &[(Vector, Vector)], bit: usize) -> bool {
    let changes = pairs.iter().filter(|(one, other)| (number(one) ^ number(other)) >> bit & 1 == 1).count();
    let some = pairs.len() / 16;
    changes <= some || changes >= pairs.len() - some
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: u64, count: usize) -> Vec<Vector> {
        let mut source = fastrand::Rng::with_seed(seed);
        (0..count).map(|_| source.u128(..).to_be_bytes()).collect()
    }

    fn made(count: usize, make: impl FnMut(u128) -> u128) -> Vec<Vector> {
        (0..count as u128).map(make).map(u128::to_be_bytes).collect()
    }

    #[test]
    fn random_vectors_cannot_be_foreseen() {
        for seed in 0..3000 {
            assert_eq!(foreseeable(&[random(seed, 100)]), None, "{seed}");
        }
        assert_eq!(foreseeable(&[random(1, 61), random(2, 300)]), None);
        let few: Vec<_> = (0..100).map(|seed| random(seed, 2)).collect();
        assert_eq!(foreseeable(&few), None);
    }

    #[test]
    fn random_uuids_cannot_be_foreseen() {
        let mut vectors = random(9, 200);
        for vector in &mut vectors {
            vector[6] = vector[6] & 0x0f | 0x40;
            vector[8] = vector[8] & 0x3f | 0x80;
        }
        assert_eq!(foreseeable(&[vectors]), None);
    }

    #[test]
    fn counters_of_any_kind_show() {
        let base = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834_u128;
        let found = |vectors: Vec<Vector>| foreseeable(&[vectors]).unwrap_or_default();
        assert!(found(made(100, |n| base + n)).contains("by the same amount"));
        assert!(found(made(100, |n| (base + n).swap_bytes())).contains("by the same amount"));
        assert!(found(made(100, |n| base.wrapping_mul(n + 1))).contains("by the same amount"));
        assert!(found(made(100, |n| base ^ n)).contains("by the same amount"));
        assert!(found(made(100, |n| base.rotate_left(u32::try_from(n).unwrap()))).contains("a rotation"));
        let turns = [made(100, |n| base + n), random(4, 100)];
        let turned = (0..200).map(|at| turns[at % 2][at / 2]).collect();
        assert!(foreseeable(&[turned]).is_some(), "one of two threads counts");
    }

    #[test]
    fn vectors_that_share_their_bits_show() {
        let mut source = fastrand::Rng::with_seed(5);
        let of_four_bytes = made(100, |_| (0xa5a5_u128 << 100) | u128::from(source.u32(..)));
        assert!(foreseeable(&[of_four_bytes]).is_some());
        let with_few_bits = made(100, |_| source.u128(..) & source.u128(..) & source.u128(..));
        assert!(foreseeable(&[with_few_bits]).unwrap().contains("bits differ"));
        let mask = u128::MAX / 0x11 * 0x10;
        let with_still_nibbles = made(100, |_| source.u128(..) & mask);
        assert!(foreseeable(&[with_still_nibbles]).is_some());
    }

    #[test]
    fn one_that_repeats_shows_however_few_there_are() {
        let mut vectors = random(6, 5);
        vectors.push(vectors[1]);
        assert!(foreseeable(&[vectors]).unwrap().ends_with("came twice"));
    }
}
