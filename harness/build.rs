//! Has the crate rebuilt when a vector changes: they are compiled in.

fn main() {
    println!("cargo::rerun-if-changed=../vectors");
}
