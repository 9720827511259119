//! Signed notes (C2SP signed-note): a text, and signatures below it. Ed25519 only, strict verification only.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};
use vaern_door::Digest;

use crate::AuditError;

/// Bytes of a note at most: a checkpoint is a few hundred.
pub(crate) const MAX_NOTE: u64 = 16 << 10;

/// Signatures of a note at most.
const MAX_SIGNATURES: usize = 32;

/// Kinds of key, as the specification numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Signs the text itself.
    Log = 1,
    /// Cosigns it with a time (C2SP tlog-cosignature).
    Witness = 4,
}

/// Name of a key, which is also the origin line of its log: 1 to 128 of a to z, 0 to 9, `.`, `/`, `_`, `-`.
///
/// The specification allows more; spaces and plus signs never, and look-alikes help nobody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(String);

impl KeyName {
    /// Takes a name.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] for any other character or length.
    pub fn new(name: impl Into<String>) -> Result<Self, AuditError> {
        let name = name.into();
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'/' | b'_' | b'-');
        if (1..=128).contains(&name.len()) && name.bytes().all(plain) {
            Ok(Self(name))
        } else {
            Err(AuditError::Malformed { what: "a key name" })
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The public key of a log, or of a witness, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoteKey {
    pub(crate) name: KeyName,
    pub(crate) kind: Kind,
    key: VerifyingKey,
}

impl NoteKey {
    pub(crate) fn new(name: KeyName, kind: Kind, public: &[u8; 32]) -> Result<Self, AuditError> {
        let weak = AuditError::Malformed { what: "a public key" };
        let Ok(key) = VerifyingKey::from_bytes(public) else { return Err(weak) };
        // Two spellings of one point would be two witnesses in a count of distinct ones.
        if key.is_weak() || key.to_edwards().compress().as_bytes() != public {
            return Err(weak);
        }
        Ok(Self { name, kind, key })
    }

    /// The first four bytes of `sha256(name ‖ newline ‖ kind ‖ key)`. A hint; it proves nothing.
    pub(crate) fn id(&self) -> [u8; 4] {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(self.name.as_str())
            .chain_update([b'\n', self.kind as u8])
            .chain_update(self.key.as_bytes())
            .finalize()
            .into();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    pub(crate) fn public(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    pub(crate) fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|s| self.key.verify_strict(message, &s).is_ok())
    }

    fn text(&self) -> String {
        let mut bytes = vec![self.kind as u8];
        bytes.extend_from_slice(self.key.as_bytes());
        format!("{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(bytes))
    }

    pub(crate) fn parse(text: &str, kind: Kind) -> Result<Self, AuditError> {
        let wrong = || AuditError::Malformed { what: "a verifier key" };
        // Base64 may itself hold a plus sign.
        let (name, rest) = text.split_once('+').ok_or_else(wrong)?;
        let (_, bytes) = rest.split_once('+').ok_or_else(wrong)?;
        let bytes = STANDARD.decode(bytes).map_err(|_| wrong())?;
        let (number, public) = bytes.split_first().ok_or_else(wrong)?;
        let public: &[u8; 32] = public.try_into().map_err(|_| wrong())?;
        if *number != kind as u8 {
            return Err(wrong());
        }
        let key = Self::new(KeyName::new(name)?, kind, public)?;
        if key.text() == text { Ok(key) } else { Err(wrong()) }
    }
}

/// What a log's checkpoints are checked with: `name+id+key`, as other tools of this family write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey(pub(crate) NoteKey);

impl VerifierKey {
    /// The key of a log.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] for a weak or doubly spelled key.
    pub fn new(name: KeyName, public: &[u8; 32]) -> Result<Self, AuditError> {
        NoteKey::new(name, Kind::Log, public).map(Self)
    }

    /// Name of the key, and of its log.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.0.name
    }

    /// The digest of its 32 bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.public())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text())
    }
}

impl FromStr for VerifierKey {
    type Err = AuditError;
    fn from_str(text: &str) -> Result<Self, AuditError> {
        NoteKey::parse(text, Kind::Log).map(Self)
    }
}

/// Signs for a log. The secret stays with whoever made the closure: in memory, or in a device.
pub struct LogKey {
    verifier: VerifierKey,
    sign: Box<Sign>,
}

/// Signs bytes with Ed25519.
type Sign = dyn Fn(&[u8]) -> [u8; 64] + Send + Sync;

impl LogKey {
    /// Takes the two halves, after seeing that they belong together.
    ///
    /// # Errors
    /// [`AuditError::MixedKey`] if they do not.
    pub fn new(
        verifier: VerifierKey,
        sign: impl Fn(&[u8]) -> [u8; 64] + Send + Sync + 'static,
    ) -> Result<Self, AuditError> {
        let probe = b"vaern: do these halves belong together?";
        if !verifier.0.holds(probe, &sign(probe)) {
            return Err(AuditError::MixedKey);
        }
        Ok(Self { verifier, sign: Box::new(sign) })
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(crate) fn sign(&self, text: &str) -> Line {
        let signature = (self.sign)(text.as_bytes());
        Line { name: self.verifier.name().as_str().to_owned(), id: self.verifier.0.id(), signature: signature.to_vec() }
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({})", self.verifier)
    }
}

/// One signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) id: [u8; 4],
    pub(crate) signature: Vec<u8>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id[..], &self.signature].concat();
        write!(f, "\u{2014} {} {}", self.name, STANDARD.encode(bytes))
    }
}

impl Line {
    pub(crate) fn parse(line: &str) -> Result<Self, AuditError> {
        let wrong = || AuditError::Malformed { what: "a signature line" };
        let (name, bytes) = line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' ')).ok_or_else(wrong)?;
        let bytes = STANDARD.decode(bytes).map_err(|_| wrong())?;
        let (id, signature) = bytes.split_first_chunk::<4>().ok_or_else(wrong)?;
        if name.is_empty() || name.contains(['+', ' ']) || signature.is_empty() {
            return Err(wrong());
        }
        Ok(Self { name: name.to_owned(), id: *id, signature: signature.to_vec() })
    }

    /// Whether it claims to be by `key`. Others are passed over: a note may carry signatures of people we do not know.
    pub(crate) fn claims(&self, key: &NoteKey) -> bool {
        self.name == key.name.as_str() && self.id == key.id()
    }
}

/// A note in its one accepted form, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// The signed text, with its last newline.
    pub(crate) text: String,
    pub(crate) lines: Vec<Line>,
}

impl Note {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, AuditError> {
        let wrong = || AuditError::Malformed { what: "a signed note" };
        let whole = std::str::from_utf8(bytes).map_err(|_| wrong())?;
        if bytes.len() as u64 > MAX_NOTE || whole.chars().any(|c| c.is_control() && c != '\n') {
            return Err(wrong());
        }
        // The last empty line parts the text from the signatures.
        let cut = whole.rfind("\n\n").ok_or_else(wrong)?;
        let (text, signatures) = whole.split_at(cut + 1);
        let signatures = signatures.strip_prefix('\n').and_then(|s| s.strip_suffix('\n')).ok_or_else(wrong)?;
        let lines = signatures.split('\n').map(Line::parse).collect::<Result<Vec<_>, _>>()?;
        if lines.len() > MAX_SIGNATURES {
            return Err(wrong());
        }
        Ok(Self { text: text.to_owned(), lines })
    }

    pub(crate) fn encode(&self) -> String {
        let mut whole = format!("{}\n", self.text);
        for line in &self.lines {
            whole += &format!("{line}\n");
        }
        whole
    }

    /// Checks that `key` signed the text. One signature that claims to be by it and does not hold spoils the note.
    pub(crate) fn check(&self, key: &NoteKey) -> Result<(), AuditError> {
        let mut signed = false;
        for line in self.lines.iter().filter(|line| line.claims(key)) {
            let holds = key.holds(self.text.as_bytes(), &line.signature);
            if vaern_door::guard::stands("record.signature") && !holds {
                return Err(AuditError::BadSignature { name: key.name.to_string() });
            }
            signed = true;
        }
        if signed { Ok(()) } else { Err(AuditError::Unsigned { name: key.name.to_string() }) }
    }
}
