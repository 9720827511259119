//! The outcome of a frame as the journal keeps it. A frame without an object leaves no more than that it was (SKJ-07).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize};
use vaern_door::{Blame, Krav, Label, Rect, Size, guard};

use crate::outcome::{FoundObject, FrameOutcome, FrameResult, Place, Refusal, SeenFrame};

/// One of the program's own words, read back from a file that the program wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Word(pub(crate) &'static str);

/// Words that may be read back: far more than the program has.
const WORDS: usize = 512;

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        static KNOWN: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
        let text = String::deserialize(deserializer)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(word) = known.iter().find(|word| **word == text) {
            return Ok(Self(word));
        }
        if known.len() >= WORDS || text.is_empty() || text.len() > 48 || !text.chars().all(plain) {
            return Err(serde::de::Error::custom("not a word of the program"));
        }
        // Kept for good, and only so many: the reasons and krav of the program.
        let word: &'static str = Box::leak(text.into_boxed_str());
        known.push(word);
        Ok(Self(word))
    }
}

/// What became of one frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Row {
    /// Refused, dropped or lost, by name.
    Refused { reason: Word, krav: Word, blame: Blame },
    /// Seen, and nothing found.
    Empty { masked: bool, seconds_in_clear: f64 },
    /// Seen, and something found.
    Found { masked_share: f64, seconds_in_clear: f64, frame: Box<FoundRow> },
}

/// A frame with objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FoundRow {
    frame_id: String,
    size: Size,
    position: Option<Place>,
    objects: Vec<ObjectRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectRow {
    id: String,
    label: Label,
    score: u8,
    rect: [u16; 4],
    partly: bool,
}

impl FoundRow {
    /// Objects in the frame.
    pub(crate) fn count(&self) -> u64 {
        self.objects.len() as u64
    }
}

impl Row {
    /// What the journal keeps of a result.
    pub(crate) fn of(result: &FrameResult) -> Self {
        match result {
            FrameResult::Refused(refusal) => {
                Self::Refused { reason: Word(refusal.reason), krav: Word(refusal.krav.0), blame: refusal.blame }
            }
            FrameResult::Seen(seen) if seen.objects.is_empty() && guard::stands("node.count-only") => {
                Self::Empty { masked: seen.masked_share > 0.0, seconds_in_clear: seen.seconds_in_clear }
            }
            FrameResult::Seen(seen) => {
                let objects = seen.objects.iter().map(|object| ObjectRow {
                    id: object.id.clone(),
                    label: object.label.clone(),
                    score: object.score,
                    rect: [object.rect.x0(), object.rect.y0(), object.rect.x1(), object.rect.y1()],
                    partly: object.delvist_maskeret,
                });
                let frame = FoundRow {
                    frame_id: seen.frame_id.clone(),
                    size: seen.size,
                    position: seen.position,
                    objects: objects.collect(),
                };
                let (masked_share, seconds_in_clear) = (seen.masked_share, seen.seconds_in_clear);
                Self::Found { masked_share, seconds_in_clear, frame: Box::new(frame) }
            }
        }
    }

    /// The outcome for the files of a window. `None` where a box is none: the journal is not the one that was written.
    pub(crate) fn outcome(self, number: usize, size: Size) -> Option<FrameOutcome> {
        let result = match self {
            Self::Refused { reason, krav, blame } => {
                FrameResult::Refused(Refusal { reason: reason.0, krav: Krav(krav.0), blame, detail: String::new() })
            }
            Self::Empty { masked, seconds_in_clear } => {
                let share = if masked { f64::MIN_POSITIVE } else { 0.0 };
                FrameResult::Seen(Box::new(seen(String::new(), size, None, share, seconds_in_clear)))
            }
            Self::Found { masked_share, seconds_in_clear, frame } => {
                let FoundRow { frame_id, size, position, objects } = *frame;
                let mut seen = seen(frame_id, size, position, masked_share, seconds_in_clear);
                for ObjectRow { id, label, score, rect: [x0, y0, x1, y1], partly } in objects {
                    let rect = Rect::new(x0, y0, x1, y1).ok()?;
                    seen.objects.push(FoundObject { id, label, score, rect, delvist_maskeret: partly });
                }
                FrameResult::Seen(Box::new(seen))
            }
        };
        // The name that the camera gave the file is not kept: nothing needs it any more.
        Some(FrameOutcome { number, file: String::new(), result, stages_ms: BTreeMap::new() })
    }
}

fn seen(frame_id: String, size: Size, position: Option<Place>, masked_share: f64, seconds_in_clear: f64) -> SeenFrame {
    SeenFrame {
        frame_id,
        size,
        position,
        masked_share,
        masked_boxes: BTreeMap::new(),
        seconds_in_clear,
        objects: Vec::new(),
        dropped_answers: BTreeMap::new(),
        zoom_pixels: None,
        picture: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { latitude: 55.67, longitude: 12.56, error_m: 4.0, heading: None, time_ms: Some(1), view: None }
    }

    fn found(objects: usize) -> FrameResult {
        let mut frame = seen("f".repeat(32), Size::new(640, 360).unwrap(), Some(place()), 0.25, 0.1);
        let label = Label::new("affaldscontainer").unwrap();
        let rect = Rect::new(4, 8, 16, 32).unwrap();
        let object = FoundObject { id: "o".into(), label, score: 9, rect, delvist_maskeret: true };
        frame.objects = vec![object; objects];
        FrameResult::Seen(Box::new(frame))
    }

    #[test]
    fn a_row_comes_back_as_it_was_written() {
        let refusal = Refusal { reason: "overload", krav: Krav("SKJ-09"), blame: Blame::Operator, detail: "x".into() };
        for result in [found(2), found(0), FrameResult::Refused(refusal)] {
            let row = Row::of(&result);
            let text = serde_json::to_string(&row).unwrap();
            let back: Row = serde_json::from_str(&text).unwrap();
            assert_eq!(back, row);
            let outcome = back.outcome(7, Size::new(640, 360).unwrap()).unwrap();
            match (&result, &outcome.result) {
                (FrameResult::Seen(a), FrameResult::Seen(b)) => {
                    assert_eq!(a.objects.len(), b.objects.len());
                    assert_eq!((a.masked_share > 0.0, a.seconds_in_clear), (b.masked_share > 0.0, b.seconds_in_clear));
                }
                (FrameResult::Refused(a), FrameResult::Refused(b)) => {
                    assert_eq!((a.reason, a.krav, a.blame), (b.reason, b.krav, b.blame));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn skj_07n_a_frame_without_an_object_leaves_no_place_no_time_and_no_id() {
        let text = serde_json::to_string(&Row::of(&found(0))).unwrap();
        assert_eq!(text, r#"{"empty":{"masked":true,"seconds_in_clear":0.1}}"#);
    }

    #[test]
    fn a_row_that_nobody_wrote_is_not_read() {
        for wrong in [
            r#"{"refused":{"reason":"Nørrebrogade 4","krav":"MIN-04","blame":"operator"}}"#,
            r#"{"refused":{"reason":"","krav":"MIN-04","blame":"operator"}}"#,
            r#"{"empty":{"masked":true,"seconds_in_clear":0.1,"file":"a.jpg"}}"#,
        ] {
            assert!(serde_json::from_str::<Row>(wrong).is_err(), "{wrong}");
        }
    }
}
