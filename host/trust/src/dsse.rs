//! DSSE envelopes, version 1: a payload, its type, and signatures over both.
//!
//! The payload can be read only after a signature over it was checked: nothing is parsed beyond the envelope before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vaern_door::guard;

use crate::json;
use crate::keys::{PublicKey, SigningKeyPair};
use crate::printable::printable;
use crate::sig_error::{Form, SigError};

/// More signatures than any threshold needs; each costs a verification per trusted key.
const MAX_SIGNATURES: usize = 32;

/// An envelope in its one accepted form, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<Wire>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireEnvelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<Wire>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
    // Known only to be refused: a message never says how it is to be checked (SIG-17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<Value>,
}

/// Why one signature of an envelope does not count. The envelope may still hold by its others (SIG-18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// By no key of the trust root.
    UnknownKey,
    /// It does not fit the bytes.
    BadSignature,
    /// Not an Ed25519 signature, or one that names an algorithm.
    WrongAlgorithm,
    /// Not base64 in the accepted form.
    Malformed,
    /// A second signature by a key that is counted already (SIG-05).
    Repeated,
    /// By a role that advises and does not decide.
    Adviser,
}

/// What an envelope is worth: its payload, and who signed it.
#[derive(Debug)]
pub struct Checked<'e> {
    /// The signed bytes.
    pub payload: &'e [u8],
    /// Distinct keys whose signature holds; at least one.
    pub signers: Vec<PublicKey>,
    /// Signatures that do not count, with the reason.
    pub ignored: Vec<Ignored>,
}

/// The bytes that are signed: lengths are counted in bytes, so no two pairs of type and payload look alike (SIG-10).
fn pre_authentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

impl Envelope {
    /// Signs `payload` with each of `pairs`.
    #[must_use]
    pub fn sign(payload_type: &str, payload: Vec<u8>, pairs: &[&SigningKeyPair]) -> Self {
        let message = pre_authentication(payload_type, &payload);
        let signatures = pairs
            .iter()
            .map(|pair| Wire {
                keyid: Some(pair.public().id().to_string()),
                sig: STANDARD.encode(pair.sign(&message)),
                alg: None,
            })
            .collect();
        Self { payload_type: payload_type.to_owned(), payload, signatures }
    }

    /// Reads an envelope: strict JSON, standard base64 with padding, bounded in size and number.
    ///
    /// # Errors
    /// [`SigError::Malformed`] for any other form, [`SigError::Unsigned`] for an envelope without signatures.
    pub fn decode(bytes: &[u8]) -> Result<Self, SigError> {
        let wire: WireEnvelope = json::parse(bytes).map_err(SigError::json(Form::Envelope))?;
        if wire.signatures.is_empty() {
            return Err(SigError::Unsigned);
        }
        if wire.signatures.len() > MAX_SIGNATURES {
            return Err(SigError::malformed(Form::Envelope));
        }
        let payload = STANDARD.decode(&wire.payload).map_err(|_| SigError::malformed(Form::Base64))?;
        Ok(Self { payload_type: wire.payload_type, payload, signatures: wire.signatures })
    }

    /// Writes the envelope.
    ///
    /// # Errors
    /// [`SigError::Malformed`] if it is larger than an envelope may be.
    pub fn encode(&self) -> Result<Vec<u8>, SigError> {
        let wire = WireEnvelope {
            payload_type: self.payload_type.clone(),
            payload: STANDARD.encode(&self.payload),
            signatures: self.signatures.clone(),
        };
        let bytes = json::write(&wire).map_err(SigError::json(Form::Envelope))?;
        if bytes.len() > json::MAX_BYTES { Err(SigError::malformed(Form::Envelope)) } else { Ok(bytes) }
    }

    /// The payload before any signature was checked: for a root, which alone says who must have signed it.
    pub(crate) fn unchecked_payload(&self, payload_type: &'static str) -> Result<&[u8], SigError> {
        if self.payload_type == payload_type {
            return Ok(&self.payload);
        }
        Err(SigError::WrongStatementType { found: printable(&self.payload_type), expected: payload_type })
    }

    /// Checks the signatures against `keys` and hands the payload out if at least one holds.
    /// How many are needed is for the caller to judge.
    ///
    /// # Errors
    /// [`SigError::WrongStatementType`] for another payload type; if no signature holds, the reason of the last.
    pub fn check<'k>(
        &self,
        payload_type: &'static str,
        keys: impl Iterator<Item = &'k PublicKey> + Clone,
    ) -> Result<Checked<'_>, SigError> {
        if self.payload_type != payload_type {
            let found = printable(&self.payload_type);
            return Err(SigError::WrongStatementType { found, expected: payload_type });
        }
        let message = pre_authentication(payload_type, &self.payload);
        let mut signers: Vec<PublicKey> = Vec::new();
        let mut ignored = Vec::new();
        for signature in &self.signatures {
            match signature.signer(&message, keys.clone()) {
                Ok(key) if signers.contains(&key) => ignored.push(Ignored::Repeated),
                Ok(key) => signers.push(key),
                Err(reason) => ignored.push(reason),
            }
        }
        if signers.is_empty() {
            return Err(match ignored.last() {
                None => SigError::Unsigned,
                Some(Ignored::WrongAlgorithm) => SigError::WrongAlgorithm,
                Some(Ignored::Malformed) => SigError::malformed(Form::Base64),
                Some(Ignored::BadSignature) => SigError::BadSignature,
                Some(_) => SigError::UnknownKey,
            });
        }
        Ok(Checked { payload: &self.payload, signers, ignored })
    }
}

impl Wire {
    fn signer<'k>(
        &self,
        message: &[u8],
        keys: impl Iterator<Item = &'k PublicKey> + Clone,
    ) -> Result<PublicKey, Ignored> {
        if self.alg.is_some() {
            return Err(Ignored::WrongAlgorithm);
        }
        let bytes = STANDARD.decode(&self.sig).map_err(|_| Ignored::Malformed)?;
        if bytes.len() != 64 {
            return Err(Ignored::WrongAlgorithm);
        }
        // The key id is a hint: it narrows the search, and a wrong hint gains nothing.
        let hinted = self.keyid.as_ref().and_then(|id| keys.clone().find(|key| key.id().to_string() == *id));
        match hinted {
            Some(key) if key.verify(message, &bytes).is_ok() || !guard::stands("trust.signature") => Ok(key.clone()),
            Some(_) => Err(Ignored::BadSignature),
            None => {
                keys.into_iter().find(|key| key.verify(message, &bytes).is_ok()).cloned().ok_or(Ignored::UnknownKey)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "application/vnd.in-toto+json";

    fn pair() -> SigningKeyPair {
        SigningKeyPair::from_seed(&[1; 32])
    }

    fn text() -> String {
        String::from_utf8(Envelope::sign(TYPE, b"{\"a\":1}".to_vec(), &[&pair()]).encode().unwrap()).unwrap()
    }

    fn check(text: &str) -> Result<Vec<u8>, SigError> {
        let envelope = Envelope::decode(text.as_bytes())?;
        envelope.check(TYPE, [pair().public()].iter()).map(|checked| checked.payload.to_vec())
    }

    #[test]
    fn an_honest_envelope_gives_its_payload() {
        assert_eq!(check(&text()).unwrap(), b"{\"a\":1}");
    }

    #[test]
    fn sig_02n_every_flipped_bit_of_payload_and_signature_is_refused() {
        let honest: WireEnvelope = json::parse(text().as_bytes()).unwrap();
        let flip = |field: &str, at: usize| {
            let mut bytes = STANDARD.decode(field).unwrap();
            bytes[at / 8] ^= 1 << (at % 8);
            STANDARD.encode(bytes)
        };
        for at in 0..7 * 8 {
            let spoiled = text().replace(&honest.payload, &flip(&honest.payload, at));
            assert_eq!(check(&spoiled), Err(SigError::BadSignature), "payload bit {at}");
        }
        let signature = &honest.signatures[0].sig;
        for at in 0..64 * 8 {
            let spoiled = text().replace(signature, &flip(signature, at));
            assert_eq!(check(&spoiled), Err(SigError::BadSignature), "signature bit {at}");
        }
    }

    #[test]
    fn sig_10n_lengths_are_counted_in_bytes() {
        // The example of the DSSE specification.
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(pre_authentication("http://example.com/HelloWorld", b"hello world"), expected);
        let kind = "application/vnd.værn+json";
        let by_bytes = pre_authentication(kind, "æ".as_bytes());
        assert_eq!(by_bytes, format!("DSSEv1 26 {kind} 2 æ").into_bytes());
        let by_characters = format!("DSSEv1 25 {kind} 1 æ").into_bytes();
        let envelope = |message: &[u8]| Envelope {
            payload_type: kind.to_owned(),
            payload: "æ".as_bytes().to_vec(),
            signatures: vec![Wire {
                keyid: Some(pair().public().id().to_string()),
                sig: STANDARD.encode(pair().sign(message)),
                alg: None,
            }],
        };
        let keys = [pair().public()];
        assert!(envelope(&by_bytes).check(kind, keys.iter()).is_ok());
        assert_eq!(envelope(&by_characters).check(kind, keys.iter()).unwrap_err(), SigError::BadSignature);
    }

    #[test]
    fn sig_11n_base64_has_one_spelling() {
        // "{"a":1}" is 7 bytes: one padded group at the end, with four bits that must be zero.
        let honest = "eyJhIjoxfQ==";
        assert!(text().contains(honest));
        for bad in [
            "eyJhIjoxfR==",
            "eyJhIjoxfQ",
            "eyJhIjoxfQ=",
            "eyJhIjoxfQ===",
            "eyJhIjox fQ==",
            "eyJhIjoxfQ==\\n",
            "=",
            "eyJh-jox",
            "eyJh_jox",
        ] {
            assert_eq!(check(&text().replace(honest, bad)), Err(SigError::malformed(Form::Base64)), "{bad}");
        }
        let signature = json::parse::<WireEnvelope>(text().as_bytes()).unwrap().signatures[0].sig.clone();
        for bad in [signature.trim_end_matches('=').to_owned(), format!(" {signature}"), format!("{signature}=")] {
            assert_eq!(check(&text().replace(&signature, &bad)), Err(SigError::malformed(Form::Base64)), "{bad}");
        }
    }

    #[test]
    fn sig_12n_envelopes_have_one_spelling() {
        let honest = text();
        for bad in [
            format!("\u{feff}{honest}"),
            format!("{honest} x"),
            format!("{honest}{honest}"),
            honest.replacen('{', "{\"payload\":\"e30=\",", 1),
            honest.replacen('{', "{\"extra\":1,", 1),
            honest.replace("\"signatures\":[{", "\"signatures\":[{\"sig\":\"AAAA\","),
            format!("[{honest}]"),
            format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)),
            honest.replacen('{', &format!("{{\"payload\":{}1{},", "[".repeat(10_000), "]".repeat(10_000)), 1),
        ] {
            let refused = check(&bad);
            assert!(matches!(refused, Err(SigError::Malformed { form: Form::Envelope, .. })), "{refused:?}");
        }
        // Spaces between the parts carry no meaning.
        assert!(check(&honest.replace(":[", ": [")).is_ok());
        let pairs: Vec<SigningKeyPair> = (0..=MAX_SIGNATURES).map(|_| pair()).collect();
        let crowd = Envelope::sign(TYPE, vec![], &pairs.iter().collect::<Vec<_>>()).encode().unwrap();
        assert_eq!(Envelope::decode(&crowd), Err(SigError::malformed(Form::Envelope)));
    }
}
