//! The signature check and the hashes that the TUF library asks for: the release chain's own, and no other scheme.

use sha2::{Digest as _, Sha256, Sha384, Sha512};
use sigstore_crypto::{CryptoProvider, Error, HashContext, SigningScheme, install_default_provider};
use sigstore_types::HashAlgorithm;
use vaern_trust::PublicKey;

#[derive(Debug)]
struct Checks;

/// Gives the library its checks. A second call changes nothing.
pub(crate) fn install() {
    // It fails where a provider is there already, and nothing in this program installs another.
    let _ = install_default_provider(&Checks);
}

struct Running<H>(H);

impl<H: sha2::Digest + Send> HashContext for Running<H> {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}

impl CryptoProvider for Checks {
    fn hash(&self, algorithm: HashAlgorithm) -> Result<Box<dyn HashContext>, Error> {
        Ok(match algorithm {
            HashAlgorithm::Sha2256 => Box::new(Running(Sha256::new())),
            HashAlgorithm::Sha2384 => Box::new(Running(Sha384::new())),
            HashAlgorithm::Sha2512 => Box::new(Running(Sha512::new())),
            _ => return Err(Error::UnsupportedAlgorithm("no such hash here".to_owned())),
        })
    }

    /// Ed25519 and nothing else, strictly: weak keys and second spellings are refused as everywhere in the chain (SIG-13).
    fn verify_raw(&self, scheme: SigningScheme, key: &[u8], data: &[u8], signature: &[u8]) -> Result<(), Error> {
        if scheme != SigningScheme::Ed25519 {
            return Err(Error::UnsupportedAlgorithm("only Ed25519 is used here".to_owned()));
        }
        let refused = || Error::Verification("it does not hold".to_owned());
        let key = PublicKey::from_bytes(key.try_into().map_err(|_| refused())?).map_err(|_| refused())?;
        key.verify(data, signature).map_err(|_| refused())
    }

    fn verify_prehashed(&self, _: SigningScheme, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), Error> {
        Err(Error::UnsupportedAlgorithm("only whole messages are checked here".to_owned()))
    }
}
