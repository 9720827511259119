//! Ed25519 keys. A secret and its public half are one value, so nobody can sign with a pair that does not belong
//! together (SIG-22); only the strict verification exists.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vaern_door::Digest;
use vaern_memory::{Secret, leaving_no_trace};
use zeroize::Zeroizing;

use crate::sig_error::{Form, SigError};

/// Every key says which algorithm it is for; there is one.
const PREFIX: &str = "ed25519:";

/// The public half of a key: who signed. Written `ed25519:` and 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Takes the 32 bytes of a key.
    ///
    /// # Errors
    /// [`SigError::WeakKey`] for a point of small order, one off the curve, or a second spelling of a point.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, SigError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| SigError::WeakKey)?;
        // Two spellings of one point would be two keys in a count of distinct keys.
        if key.is_weak() || key.to_edwards().compress().as_bytes() != bytes {
            return Err(SigError::WeakKey);
        }
        Ok(Self(key))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The digest of the 32 bytes. A hint for finding the key again; it proves nothing (SIG-04).
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of(self.as_bytes())
    }

    /// Checks a signature over `message` with the strict rules: canonical scalars, no point of small order (SIG-13).
    ///
    /// # Errors
    /// [`SigError::WrongAlgorithm`] if it is not 64 bytes long, else [`SigError::BadSignature`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SigError> {
        let signature = Signature::from_slice(signature).map_err(|_| SigError::WrongAlgorithm)?;
        self.0.verify_strict(message, &signature).map_err(|_| SigError::BadSignature)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = SigError;
    fn from_str(text: &str) -> Result<Self, SigError> {
        let mut bytes = [0; 32];
        decode(text, &mut bytes)?;
        Self::from_bytes(&bytes)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Writes the bytes of a key where they are to lie.
fn decode(text: &str, into: &mut [u8]) -> Result<(), SigError> {
    let digits = text.strip_prefix(PREFIX).ok_or(SigError::WrongAlgorithm)?;
    if digits.len() != 64 || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(SigError::malformed(Form::Key));
    }
    hex::decode_to_slice(digits, into).map_err(|_| SigError::malformed(Form::Key))
}

/// A secret key with its public half. The secret lies in a page of its own, in no core file, and is overwritten when the value goes; what
/// a signature leaves of it on the stack is wiped (AUD-11). It is never printed.
///
/// The two halves cannot be mixed: there is no way to hand in a public key of one's own.
///
/// ```
/// let pair = vaern_trust::SigningKeyPair::generate()?;
/// let signature = pair.sign(b"words");
/// assert!(pair.public().verify(b"words", &signature).is_ok());
/// # Ok::<(), vaern_trust::KeyError>(())
/// ```
///
/// ```compile_fail
/// let pair = vaern_trust::SigningKeyPair::generate()?;
/// let other = vaern_trust::SigningKeyPair::generate()?;
/// let signature = pair.sign(b"words", &other.public());
/// # Ok::<(), vaern_trust::KeyError>(())
/// ```
///
/// ```compile_fail
/// let pair = vaern_trust::SigningKeyPair::generate()?;
/// let other = vaern_trust::SigningKeyPair::generate()?;
/// let mixed = vaern_trust::SigningKeyPair { public: other.public(), ..pair };
/// # Ok::<(), vaern_trust::KeyError>(())
/// ```
pub struct SigningKeyPair {
    seed: Secret,
    public: PublicKey,
}

impl SigningKeyPair {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Randomness`] if the system has none.
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self::of(Secret::random().map_err(|_| KeyError::Randomness)?))
    }

    /// The key of a known seed: for tests and for keys held elsewhere.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::of(Secret::from_bytes(seed))
    }

    pub(crate) fn from_secret_text(text: &str) -> Result<Self, SigError> {
        Ok(Self::of(Secret::filled(|bytes| decode(text, bytes))?))
    }

    fn of(seed: Secret) -> Self {
        let public = with_key(&seed, |key| PublicKey(key.verifying_key()));
        Self { seed, public }
    }

    pub(crate) fn secret_text(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(self.seed.expose(|bytes| hex::encode(bytes)));
        // Sized once: growing would leave a copy of the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + digits.len()));
        text.push_str(PREFIX);
        text.push_str(&digits);
        text
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    /// Signs `message`. The same key and message always give the same signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        with_key(&self.seed, |key| key.sign(message).to_bytes())
    }
}

/// Lends the key out of its page for one piece of work. The library's own copies lie on the stack, and are gone when this returns.
fn with_key<T>(seed: &Secret, work: impl FnOnce(&SigningKey) -> T) -> T {
    leaving_no_trace(|| seed.expose(|bytes| work(&SigningKey::from_bytes(bytes))))
}

impl fmt::Debug for SigningKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeyPair({})", self.public)
    }
}

/// Why a key could not be made, written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Randomness,
    /// A key of this name is there already; keys are never overwritten.
    #[error("`{0}` exists already; a key is never overwritten")]
    Exists(String),
    /// Others than the owner may read the secret key file.
    #[error(
        "`{0}` can be read by others: make its mode 0600 (chmod 600), and make a new key if others may have read it"
    )]
    Readable(String),
    /// The file could not be read or written.
    #[error("`{file}`: {kind}")]
    Io {
        /// Name of the file.
        file: String,
        /// What the system said.
        kind: std::io::ErrorKind,
    },
    /// The file is not a key file.
    #[error("`{file}` is not a key file: {why}")]
    Form {
        /// Name of the file.
        file: String,
        /// What is wrong with it.
        why: SigError,
    },
    /// The public key in a secret key file is not the one that belongs to the secret.
    #[error("`{0}` holds a public key that does not belong to its secret key")]
    Mixed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex32(text: &str) -> [u8; 32] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn signatures_are_those_of_rfc_8032() {
        // RFC 8032, section 7.1, test 2.
        let pair =
            SigningKeyPair::from_seed(&hex32("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
        assert_eq!(
            pair.public().to_string(),
            "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
        assert_eq!(
            hex::encode(pair.sign(&[0x72])),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
    }

    #[test]
    fn sig_17n_other_algorithms_are_refused_by_their_name() {
        let good = SigningKeyPair::from_seed(&[7; 32]).public().to_string();
        assert!(good.parse::<PublicKey>().is_ok());
        for other in ["rsa", "ecdsa-p256", "ml-dsa-65", "ED25519", "ed448", ""] {
            let text = good.replace("ed25519", other);
            assert_eq!(text.parse::<PublicKey>(), Err(SigError::WrongAlgorithm), "{text}");
        }
        for bad in [good.to_uppercase().replace("ED25519", "ed25519"), good[..70].to_owned(), format!("{good}00")] {
            assert_eq!(bad.parse::<PublicKey>(), Err(SigError::malformed(Form::Key)), "{bad}");
        }
        let key: PublicKey = good.parse().unwrap();
        assert_eq!(key.verify(b"", &[0; 2420]), Err(SigError::WrongAlgorithm));
    }

    #[test]
    fn sig_13n_weak_and_doubly_spelled_keys_are_refused() {
        // The eight points of small order and their second spellings, then a full-order point spelled above the prime.
        for text in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ] {
            assert_eq!(PublicKey::from_bytes(&hex32(text)), Err(SigError::WeakKey), "{text}");
        }
    }

    #[test]
    fn sig_13n_edge_signatures_are_refused() {
        let pair = SigningKeyPair::from_seed(&[3; 32]);
        let good = pair.sign(b"words");
        assert_eq!(pair.public().verify(b"words", &good), Ok(()));
        // s + L: the same scalar spelled above the group order.
        let order = hex32("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let mut above = good;
        let mut carry = 0_u16;
        for (byte, add) in above[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert_eq!(pair.public().verify(b"words", &above), Err(SigError::BadSignature));
        // R of small order, with s = 0.
        for r in ["01", "ec"] {
            let mut small = [0_u8; 64];
            small[0] = u8::from_str_radix(r, 16).unwrap();
            if r == "ec" {
                small[1..31].fill(0xff);
                small[31] = 0x7f;
            }
            assert_eq!(pair.public().verify(b"words", &small), Err(SigError::BadSignature));
        }
        for position in 0..64 * 8 {
            let mut flipped = good;
            flipped[position / 8] ^= 1 << (position % 8);
            assert_eq!(pair.public().verify(b"words", &flipped), Err(SigError::BadSignature), "{position}");
        }
    }

    #[test]
    fn a_key_pair_does_not_print_its_secret() {
        let pair = SigningKeyPair::from_seed(&[0x5a; 32]);
        assert!(!format!("{pair:?}").contains("5a5a5a"));
        assert_eq!(*pair.secret_text(), format!("ed25519:{}", "5a".repeat(32)));
    }
}
