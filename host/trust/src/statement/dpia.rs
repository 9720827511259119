//! The record of a data protection impact assessment: what an approval rests on (GOV-01, GOV-02).
//!
//! The record says what the law asks of it (GDPR art. 35(7)) in four parts: a description, why it is necessary, the risks, and
//! the measures against them. One without all four is none. Whether they are good is for people to judge; the approval
//! carries the digest of exactly the text that they judged.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use vaern_door::Digest;

use crate::json::JsonError;
use crate::printable::printable;
use crate::sig_error::{ApprovalGap, Form, SigError};

/// The largest record that is read.
const MAX_BYTES: usize = 1 << 20;

/// The risk left after all measures, from the DPIA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResidualRisk {
    /// Low.
    #[serde(rename = "lav")]
    Lav,
    /// Medium.
    #[serde(rename = "middel")]
    Middel,
    /// High: such a project does not go on (GOV-02).
    #[serde(rename = "høj")]
    Hoej,
}

impl ResidualRisk {
    /// The Danish word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lav => "lav",
            Self::Middel => "middel",
            Self::Hoej => "høj",
        }
    }
}

/// The text is none of `lav`, `middel`, `høj`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the residual risk is one of `lav`, `middel`, `høj`")]
pub struct RiskError;

impl FromStr for ResidualRisk {
    type Err = RiskError;
    /// `hoej` is taken for `høj`, for keyboards without the letter.
    fn from_str(text: &str) -> Result<Self, RiskError> {
        match text {
            "lav" => Ok(Self::Lav),
            "middel" => Ok(Self::Middel),
            "høj" | "hoej" => Ok(Self::Hoej),
            _ => Err(RiskError),
        }
    }
}

/// What an approval says of the record that it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DpiaRecord {
    /// Digest of the record.
    pub digest: Digest,
    /// Its date.
    pub date: Date,
    /// The risk left after all measures.
    pub residual_risk: ResidualRisk,
}

/// One of the four parts of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DpiaPart {
    /// What is done with which data, and for what.
    Description,
    /// Why it is necessary, and no more than that.
    Necessity,
    /// The risks for those who are in the pictures.
    Risks,
    /// What is done against them.
    Measures,
}

impl fmt::Display for DpiaPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Description => "description",
            Self::Necessity => "necessity",
            Self::Risks => "risks",
            Self::Measures => "measures",
        })
    }
}

/// A whole record: it was read, it has its four parts, and nobody else can make one. An approval cannot be signed without it.
///
/// ```compile_fail
/// fn forge(record: vaern_trust::DpiaRecord) -> vaern_trust::Dpia {
///     vaern_trust::Dpia { record, parts: Default::default() }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dpia {
    record: DpiaRecord,
    parts: [String; 4],
}

/// The record as people write it. What is missing gets a name, so everything may be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    date: Option<Date>,
    residual_risk: Option<ResidualRisk>,
    description: Option<String>,
    necessity: Option<String>,
    risks: Option<String>,
    measures: Option<String>,
}

impl Dpia {
    /// Reads a record: TOML with `date`, `residual_risk`, and the texts `description`, `necessity`, `risks` and `measures`.
    ///
    /// # Errors
    /// [`ApprovalGap::DpiaPart`] for a part that is missing or says nothing, [`ApprovalGap::Dpia`] without date or residual risk,
    /// [`SigError::Malformed`] for anything that is no record.
    pub fn read(bytes: &[u8]) -> Result<Self, SigError> {
        let malformed = |why: &str| SigError::json(Form::Dpia)(JsonError::Syntax(printable(why)));
        if bytes.len() > MAX_BYTES {
            return Err(malformed("larger than 1 MiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8"))?;
        let file: File = toml::from_str(text).map_err(|e| malformed(e.message()))?;
        let part = |text: Option<String>, part| {
            let said = text.filter(|text| text.chars().any(char::is_alphanumeric));
            said.ok_or(ApprovalGap::DpiaPart(part))
        };
        let parts = [
            part(file.description, DpiaPart::Description)?,
            part(file.necessity, DpiaPart::Necessity)?,
            part(file.risks, DpiaPart::Risks)?,
            part(file.measures, DpiaPart::Measures)?,
        ];
        let (Some(date), Some(residual_risk)) = (file.date, file.residual_risk) else {
            return Err(ApprovalGap::Dpia.into());
        };
        Ok(Self { record: DpiaRecord { digest: Digest::of(bytes), date, residual_risk }, parts })
    }

    /// What the approval says of it.
    #[must_use]
    pub const fn record(&self) -> &DpiaRecord {
        &self.record
    }

    /// Its four parts, in the order of the law.
    pub fn parts(&self) -> impl Iterator<Item = (DpiaPart, &str)> {
        use DpiaPart::{Description, Measures, Necessity, Risks};
        [Description, Necessity, Risks, Measures].into_iter().zip(self.parts.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "date = \"2026-03-01\"\nresidual_risk = \"middel\"\ndescription = \"Biler fotograferer gaden.\"\n\
        necessity = \"Containere findes ikke i noget register.\"\nrisks = \"Personer kan genkendes.\"\nmeasures = \"Alle maskeres.\"\n";

    fn gap(text: &str) -> ApprovalGap {
        match Dpia::read(text.as_bytes()) {
            Err(SigError::Approval(gap)) => gap,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn gov_01p_a_record_with_its_four_parts_is_one() {
        let dpia = Dpia::read(WHOLE.as_bytes()).unwrap();
        assert_eq!(dpia.record().digest, Digest::of(WHOLE.as_bytes()));
        assert_eq!(
            (dpia.record().date.to_string().as_str(), dpia.record().residual_risk.as_str()),
            ("2026-03-01", "middel")
        );
        let names: Vec<String> = dpia.parts().map(|(part, _)| part.to_string()).collect();
        assert_eq!(names, ["description", "necessity", "risks", "measures"]);
        assert_eq!(dpia.parts().nth(2).unwrap().1, "Personer kan genkendes.");
    }

    #[test]
    fn gov_01n_a_record_without_one_of_its_parts_is_none() {
        for name in ["description", "necessity", "risks", "measures", "date", "residual_risk"] {
            let without: String =
                WHOLE.lines().filter(|line| !line.starts_with(name)).map(|line| format!("{line}\n")).collect();
            assert_eq!(gap(&without).krav().0, "GOV-01", "{name}");
        }
        for blank in ["", " \\n\\t ", "-", "...", "\\u200b"] {
            let text = WHOLE.replace("Alle maskeres.", blank);
            assert_eq!(gap(&text), ApprovalGap::DpiaPart(DpiaPart::Measures), "{blank:?}");
        }
    }

    #[test]
    fn gov_01n_what_is_no_record_is_malformed_and_gov_02n_no_other_word_is_a_risk() {
        for text in [
            "not toml".to_owned(),
            format!("{WHOLE}extra = 1\n"),
            format!("{WHOLE}risks = \"twice\"\n"),
            WHOLE.replace("middel", "acceptabel"),
            WHOLE.replace("2026-03-01", "1. marts 2026"),
            WHOLE.replace("\"Alle maskeres.\"", "1"),
        ] {
            let refused = Dpia::read(text.as_bytes());
            assert!(matches!(refused, Err(SigError::Malformed { form: Form::Dpia, .. })), "{refused:?}");
        }
        assert!(Dpia::read(b"\xff").is_err());
        assert!(Dpia::read(&vec![b' '; MAX_BYTES + 1]).is_err());
    }

    #[test]
    fn the_risk_is_written_in_danish() {
        assert_eq!(serde_json::to_string(&ResidualRisk::Hoej).unwrap(), "\"høj\"");
        assert_eq!("hoej".parse(), Ok(ResidualRisk::Hoej));
        assert_eq!("high".parse::<ResidualRisk>(), Err(RiskError));
    }
}
