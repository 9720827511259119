//! Compiled code of an approved release: the bytes that were verified are the bytes that are loaded.

use vaern_door::{Digest, guard};

use super::{Answered as _, Approved, Release, ReleaseError};
use crate::dsse::Envelope;
use crate::package::PkgError;
use crate::sig_error::SigError;
use crate::statement::{self, Compilation, EngineId, PAYLOAD_TYPE, Subject};
use crate::trust_root::{Authority, TrustRoot};

/// Compiled code that the city vouched for: as much of it as was read and held against the signed digest, and no file behind
/// it that anybody could change (PKG-17). Only [`Release::compiled`] makes one.
///
/// ```compile_fail
/// fn forge(bytes: Vec<u8>, said: vaern_trust::Compilation) -> vaern_trust::CompiledCode {
///     vaern_trust::CompiledCode { bytes, said }
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct CompiledCode {
    said: Compilation,
    bytes: Vec<u8>,
}

impl CompiledCode {
    /// The code.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the city signed for it.
    #[must_use]
    pub const fn said(&self) -> &Compilation {
        &self.said
    }
}

impl Release<Approved> {
    /// Reads the compiled code that runs on the engine `here`: first the signed statement, then the very bytes that it names.
    ///
    /// # Errors
    /// [`ReleaseError::Compiled`] where no statement holds ([`SigError::Unsigned`] where there is none),
    /// [`PkgError::EngineMismatch`] where none is for this engine, [`PkgError::DigestMismatch`] where the bytes are others.
    pub fn compiled(&self, trust: &TrustRoot, here: &EngineId) -> Result<CompiledCode, ReleaseError> {
        let shelved = self.state.compiled();
        let subject = Subject { name: self.name.clone(), digest: self.digest };
        let component = Digest::of(&self.state.contents().component);
        let mut outcome = Err(ReleaseError::Compiled(SigError::Unsigned));
        for envelope in &shelved.statements {
            outcome = vouched(envelope, &subject, component, trust).map_err(ReleaseError::Compiled).and_then(|said| {
                let fits = said.engine.fits(here).map_err(|field| PkgError::EngineMismatch { field });
                Ok(fits.map(|()| said)?)
            });
            if outcome.is_ok() {
                break;
            }
        }
        let said = outcome?;
        let bytes = shelved.layout.code(&shelved.code, said.code, said.size)?;
        Ok(CompiledCode { said, bytes })
    }
}

fn vouched(envelope: &[u8], subject: &Subject, component: Digest, trust: &TrustRoot) -> Result<Compilation, SigError> {
    let envelope = Envelope::decode(envelope)?;
    let checked = envelope.check(PAYLOAD_TYPE, trust.role_keys())?;
    trust.decide(Authority::Compiled, &checked.signers)?;
    let said: Compilation = statement::read(checked.payload, subject)?;
    let same = said.component == component || !guard::stands("trust.code-component");
    if same { Ok(said) } else { Err(SigError::SubjectMismatch) }
}
