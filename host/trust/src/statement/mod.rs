//! in-toto statements, version 1: who says what about which release.
//!
//! One statement has exactly one subject, the digest of a release index. The type of what is said lies inside the
//! signed bytes and is matched exactly, so one kind of statement is never taken for another (SIG-09).

mod approval;
mod compiled;
mod deletion;
mod dpia;
mod provenance;
mod test_result;
mod vendor;

pub(crate) use approval::SignedApproval;
pub use approval::{Approval, ApprovalDraft, DpoAdvice, GateNamed, KravId, Responsible};
pub use compiled::{Compilation, EngineField, EngineId};
pub use deletion::{DeletedOriginal, DeletionRecord};
pub use dpia::{Dpia, DpiaPart, DpiaRecord, ResidualRisk};
pub use provenance::{Build, Provenance};
pub use test_result::{Outcome, TakenPart, TestResult};
pub use vendor::VendorRelease;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vaern_door::{Digest, guard};

use crate::json;
use crate::printable::printable;
use crate::sig_error::{Form, SigError};

/// Payload type of every statement.
pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// What can be said of a release.
pub(crate) trait Predicate: Serialize + DeserializeOwned {
    /// Its type, matched byte for byte.
    const TYPE: &'static str;
}

/// The release that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    /// Name of the release for people, as in the layout.
    pub(crate) name: String,
    /// Digest of the release index.
    pub(crate) digest: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<WireSubject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSubject {
    name: String,
    digest: BTreeMap<String, String>,
}

/// Writes the statement that `subject` is as `predicate` says.
pub(crate) fn write<P: Predicate>(subject: &Subject, predicate: &P) -> Result<Vec<u8>, SigError> {
    let malformed = |e: serde_json::Error| SigError::json(Form::Predicate)(json::JsonError::Syntax(e.to_string()));
    let wire = Wire {
        kind: STATEMENT_TYPE.to_owned(),
        subject: vec![WireSubject {
            name: subject.name.clone(),
            digest: BTreeMap::from([("sha256".to_owned(), subject.digest.hex())]),
        }],
        predicate_type: P::TYPE.to_owned(),
        predicate: serde_json::to_value(predicate).map_err(malformed)?,
    };
    json::write(&wire).map_err(SigError::json(Form::Statement))
}

/// Reads what is said of `subject`, if that is what the statement is about. Call it on signed bytes only.
pub(crate) fn read<P: Predicate>(payload: &[u8], subject: &Subject) -> Result<P, SigError> {
    let wire: Wire = json::parse(payload).map_err(SigError::json(Form::Statement))?;
    let wrong = |found: &str, expected| SigError::WrongStatementType { found: printable(found), expected };
    if wire.kind != STATEMENT_TYPE {
        return Err(wrong(&wire.kind, STATEMENT_TYPE));
    }
    if guard::stands("trust.statement-type") && wire.predicate_type != P::TYPE {
        return Err(wrong(&wire.predicate_type, P::TYPE));
    }
    let [about] = wire.subject.as_slice() else {
        return Err(SigError::SubjectCount(wire.subject.len()));
    };
    let mut digests = about.digest.iter();
    let (Some((algorithm, hex)), None) = (digests.next(), digests.next()) else {
        return Err(SigError::DigestFormat);
    };
    let digest: Digest = format!("{algorithm}:{hex}").parse().map_err(|_| SigError::DigestFormat)?;
    if guard::stands("trust.subject") && (digest != subject.digest || about.name != subject.name) {
        return Err(SigError::SubjectMismatch);
    }
    json::from_value(wire.predicate).map_err(SigError::json(Form::Predicate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaern_door::{Name, Version};

    fn subject() -> Subject {
        Subject { name: "container-model-1.4.0".into(), digest: Digest::of(b"release") }
    }

    fn vendor() -> VendorRelease {
        let name = |text| Name::new(text).unwrap();
        VendorRelease {
            vendor: name("example"),
            plugin: name("container-model"),
            version: Version::new("1.4.0").unwrap(),
            counter: 4,
            purpose: name("containere"),
        }
    }

    fn text() -> String {
        String::from_utf8(write(&subject(), &vendor()).unwrap()).unwrap()
    }

    fn read_text(text: &str) -> Result<VendorRelease, SigError> {
        read(text.as_bytes(), &subject())
    }

    #[test]
    fn sig_14p_15p_16p_an_honest_statement_is_read() {
        assert_eq!(read_text(&text()), Ok(vendor()));
        let value: Value = serde_json::from_str(&text()).unwrap();
        assert_eq!(value["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(value["subject"][0]["digest"]["sha256"], Digest::of(b"release").hex());
    }

    #[test]
    fn sig_09n_other_types_are_refused() {
        for (from, to) in [
            ("urn:vaern:vendor-release:v1", "urn:vaern:approval:v1"),
            ("urn:vaern:vendor-release:v1", "URN:vaern:vendor-release:v1"),
            ("urn:vaern:vendor-release:v1", "urn:vaern:vendor-release:v1 "),
            ("in-toto.io/Statement/v1", "in-toto.io/Statement/v0.1"),
        ] {
            let other = read_text(&text().replace(from, to));
            assert!(matches!(other, Err(SigError::WrongStatementType { .. })), "{to}: {other:?}");
        }
    }

    #[test]
    fn sig_14n_another_subject_is_refused() {
        let other = Digest::of(b"another").hex();
        assert_eq!(read_text(&text().replace(&subject().digest.hex(), &other)), Err(SigError::SubjectMismatch));
        assert_eq!(read_text(&text().replace("model-1.4.0", "model-1.5.0")), Err(SigError::SubjectMismatch));
    }

    #[test]
    fn sig_15n_no_or_two_subjects_are_refused() {
        let one = format!(r#"{{"name":"container-model-1.4.0","digest":{{"sha256":"{}"}}}}"#, subject().digest.hex());
        let other = one.replace(&subject().digest.hex(), &Digest::of(b"hostile").hex());
        assert!(text().contains(&one));
        for (list, count) in [
            (String::new(), 0),
            (format!("{one},{other}"), 2),
            (format!("{other},{one}"), 2),
            (format!("{one},{one}"), 2),
        ] {
            assert_eq!(read_text(&text().replace(&one, &list)), Err(SigError::SubjectCount(count)));
        }
    }

    #[test]
    fn sig_16n_other_digest_forms_are_refused() {
        let hex = subject().digest.hex();
        let good = format!(r#""sha256":"{hex}""#);
        for bad in [
            format!(r#""sha1":"{}""#, &hex[..40]),
            format!(r#""SHA256":"{hex}""#),
            format!(r#""sha256":"{}""#, hex.to_uppercase()),
            format!(r#""sha256":"{}""#, &hex[..63]),
            format!(r#""sha256":"sha256:{hex}""#),
            format!(r#""":"{hex}""#),
            format!(r#"{good},"sha512":"{hex}{hex}""#),
            String::new(),
        ] {
            assert_eq!(read_text(&text().replace(&good, &bad)), Err(SigError::DigestFormat), "{bad}");
        }
    }

    #[test]
    fn unknown_fields_are_refused_everywhere() {
        for (from, to) in [
            ("{\"_type\"", "{\"extra\":1,\"_type\""),
            ("{\"name\":\"container-model-1.4.0\"", "{\"uri\":\"x\",\"name\":\"container-model-1.4.0\""),
            ("\"counter\":4", "\"counter\":4,\"conter\":5"),
        ] {
            let changed = text().replacen(from, to, 1);
            assert_ne!(changed, text());
            assert!(matches!(read_text(&changed), Err(SigError::Malformed { .. })), "{to}");
        }
    }
}
