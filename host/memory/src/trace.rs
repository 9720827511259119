//! What a computation leaves on the stack when it is over.

use std::hint::black_box;

use zeroize::Zeroize as _;

/// Stack that is wiped: more than a signature or a cipher takes.
const DEPTH: usize = 64 << 10;

/// Does `work` and wipes the stack below: copies of keys that a library made there and did not overwrite are gone.
pub fn leaving_no_trace<T>(work: impl FnOnce() -> T) -> T {
    let done = apart(work);
    wipe();
    done
}

/// In a frame of its own, so that it lies where [`wipe`] will be.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn wipe() {
    let mut below = [0_u8; DEPTH];
    below.zeroize();
    black_box(&below);
}
