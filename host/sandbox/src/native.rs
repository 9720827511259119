//! Compiled code, taken in: the one place where bytes become machine code without a compiler.
//!
//! It is unsafe because wasmtime believes what it is handed: it compares the engine that is named in the code with itself, and
//! checks nothing else. Of 231 flipped bits, 202 were loaded without a word. So code comes here only as [`Vouched`]: on the node
//! that is what the release chain made after it had checked the city's signatures and the digest of these very bytes; in a
//! worker, what its node sent over the one socket that it has, held against the digest once more.

#![allow(unsafe_code, reason = "wasmtime's loader believes the bytes that it is given")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use vaern_door::{Digest, guard};
use vaern_trust::CompiledCode;
use wasmtime::component::Component;

use crate::SandboxError;

/// Code that the city vouches for.
#[derive(Clone, Copy)]
pub(crate) struct Vouched<'a> {
    code: &'a [u8],
    digest: Digest,
}

impl<'a> Vouched<'a> {
    /// What the release chain verified.
    pub(crate) fn of(code: &'a CompiledCode) -> Self {
        Self { code: code.bytes(), digest: code.said().code }
    }

    /// What a node sent to this worker. Call it with what came over the node's socket and with nothing else.
    ///
    /// # Errors
    /// [`SandboxError::BadCode`] where the bytes are not those that the node named.
    pub(crate) fn sent_by_node(code: &'a [u8], digest: Digest) -> Result<Self, SandboxError> {
        let same = Digest::of(code) == digest || !guard::stands("wall.code_digest");
        if same { Ok(Self { code, digest }) } else { Err(SandboxError::BadCode) }
    }

    /// The code, to be sent to a worker.
    pub(crate) const fn code(self) -> &'a [u8] {
        self.code
    }

    pub(crate) const fn digest(self) -> Digest {
        self.digest
    }
}

/// Makes a component of compiled code. wasmtime copies it: nothing that happens to the bytes later reaches what runs.
pub(crate) fn load(engine: &wasmtime::Engine, vouched: Vouched<'_>) -> Result<Component, SandboxError> {
    // SAFETY: the bytes are what this engine's own compiler made in the city's hands, unchanged: that is what `Vouched` says.
    let loaded = catch_unwind(AssertUnwindSafe(|| unsafe { Component::deserialize(engine, vouched.code) }));
    match loaded {
        Ok(Ok(component)) => Ok(component),
        // The chain compares engines by name first; this is the engine's own comparison.
        Ok(Err(_)) | Err(_) => Err(SandboxError::BadCode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkg_16n_a_worker_takes_no_bytes_but_those_that_the_node_named() {
        let code = b"stands for machine code".to_vec();
        let digest = Digest::of(&code);
        assert!(Vouched::sent_by_node(&code, digest).is_ok(), "PKG-16P");
        for at in 0..code.len() * 8 {
            let mut flipped = code.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(matches!(Vouched::sent_by_node(&flipped, digest), Err(SandboxError::BadCode)), "bit {at}");
        }
    }

    #[test]
    fn pkg_08n_what_is_no_code_of_this_engine_is_an_error_and_no_panic() {
        let engine = wasmtime::Engine::default();
        for bytes in [&b""[..], b"\x7fELF", b"\0asm\x0d\0\x01\0", &[0; 4096]] {
            let vouched = Vouched::sent_by_node(bytes, Digest::of(bytes)).unwrap();
            assert!(matches!(load(&engine, vouched), Err(SandboxError::BadCode)));
        }
    }
}
