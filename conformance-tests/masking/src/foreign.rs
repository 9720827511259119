//! The suite on anybody's output: originals in one folder, masked pictures of the same names in another. Nothing is known of
//! the tool, so only what can be tried blind is tried; what is found is proof, what is not found is none.

mod pair;
mod regions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::redetect::PeopleModel;
pub use pair::{PairReport, RegionReport, attack_pair};

/// Why the folders could not be attacked.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// A folder or file cannot be read.
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// No picture of one folder has a picture of the same name in the other.
    #[error("no picture of {0} has one of the same name in {1}")]
    NoPairs(PathBuf, PathBuf),
    /// The list of boxes is not what it must be.
    #[error("the list of boxes: {0}; wanted is {{\"name\": [[x0, y0, x1, y1], ...]}} in pixels of the upright picture")]
    Boxes(String),
}

/// Boxes that were to be masked, by the name of the picture without its extension.
pub type Boxes = BTreeMap<String, Vec<[u16; 4]>>;

/// Reads a list of boxes.
///
/// # Errors
/// [`ForeignError::Boxes`].
pub fn parse_boxes(text: &str) -> Result<Boxes, ForeignError> {
    serde_json::from_str(text).map_err(|e| ForeignError::Boxes(e.to_string()))
}

/// One line of the verdict.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Which test it is like.
    pub test: &'static str,
    /// What was looked for.
    pub what: &'static str,
    /// Whether nothing was found; absent where the test could not be run.
    pub holds: Option<bool>,
    /// The figure it rests on.
    pub says: String,
}

/// All that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The verdict, line by line.
    pub verdict: Vec<Line>,
    /// Originals without a masked picture of the same name.
    pub only_before: Vec<String>,
    /// Masked pictures without an original of the same name.
    pub only_after: Vec<String>,
    /// Every pair.
    pub pairs: Vec<PairReport>,
}

impl Report {
    /// Whether every test that was run holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.verdict.iter().all(|line| line.holds != Some(false))
    }
}

fn pictures(folder: &Path) -> Result<BTreeMap<String, PathBuf>, ForeignError> {
    let io = |e| ForeignError::Io(folder.to_owned(), e);
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let known = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        let stem = path.file_stem().and_then(|s| s.to_str()).map(str::to_owned);
        if let (Some("jpg" | "jpeg" | "png"), Some(stem)) = (known.as_deref(), stem) {
            found.insert(stem, path);
        }
    }
    Ok(found)
}

/// Attacks every pair of pictures of the two folders. `told` is called with each name before its turn.
///
/// # Errors
/// [`ForeignError`] where there is nothing to attack.
pub fn attack(
    before: &Path,
    after: &Path,
    boxes: &Boxes,
    faces: Option<&PeopleModel>,
    mut told: impl FnMut(&str),
) -> Result<Report, ForeignError> {
    let (originals, mut masked) = (pictures(before)?, pictures(after)?);
    let mut pairs = Vec::new();
    let mut only_before = Vec::new();
    for (name, original) in originals {
        // Tools add a word behind the name, `vaern mask` a number before it.
        let same = |k: &&String| {
            let behind = k.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
            behind || k.strip_suffix(name.as_str()).is_some_and(|front| front.ends_with('-'))
        };
        let key = masked.keys().find(same);
        let Some(path) = key.cloned().and_then(|key| masked.remove(&key)) else {
            only_before.push(name);
            continue;
        };
        told(&name);
        let read = |path: &Path| std::fs::read(path).map_err(|e| ForeignError::Io(path.to_owned(), e));
        let given = boxes.get(&name).map(Vec::as_slice).unwrap_or_default();
        pairs.push(attack_pair(&name, &read(&original)?, &read(&path)?, given, faces));
    }
    if pairs.is_empty() {
        return Err(ForeignError::NoPairs(before.to_owned(), after.to_owned()));
    }
    let verdict = verdict(&pairs, !boxes.is_empty(), faces.is_some());
    Ok(Report { verdict, only_before, only_after: masked.into_keys().collect(), pairs })
}

fn verdict(pairs: &[PairReport], boxed: bool, faces: bool) -> Vec<Line> {
    let regions = || pairs.iter().flat_map(|p| &p.regions);
    let count = regions().count();
    let sum = |of: &dyn Fn(&PairReport) -> usize| pairs.iter().map(of).sum::<usize>();
    let tested = |holds: bool| Some(holds).filter(|_| count > 0);
    let telling = regions().filter(|r| r.tells).count();
    let most = regions().map(|r| r.correlation).fold(0.0, f64::max);
    let gained = regions().filter(|r| r.gain_db > 0.1).count();
    let best = regions().fold((0.0, "none"), |a, r| if r.gain_db > a.0 { (r.gain_db, r.reversal) } else { a });
    let off = regions().filter(|r| !r.on_grid).count();
    let leaks: BTreeMap<String, usize> = pairs.iter().flat_map(|p| &p.leaks).fold(BTreeMap::new(), |mut all, leak| {
        *all.entry(format!("{leak:?}")).or_default() += 1;
        all
    });
    let unreadable = sum(&|p| usize::from(p.unreadable));
    let (found, again, missed) = (sum(&|p| p.faces_before), sum(&|p| p.faces_again), sum(&|p| p.faces_outside_masks));
    let bare = sum(&|p| p.bare_boxes);
    let changed = pairs.iter().map(|p| p.changed).sum::<f64>() / pairs.len().max(1) as f64;
    vec![
        Line {
            test: "T2",
            what: "masks end on the original's compression grid",
            holds: tested(off == 0),
            says: format!("{off} of {count} masked regions do not"),
        },
        Line {
            test: "T3",
            what: "masked regions tell nothing of what was there",
            holds: tested(telling == 0),
            says: format!("{telling} of {count} do; largest correlation with the original {most:.2}"),
        },
        Line {
            test: "T4",
            what: "no reversal makes a masked region clearer",
            holds: tested(gained == 0),
            says: format!("{gained} of {count} by more than 0.1 dB; most {:.1} dB, {}", best.0, best.1),
        },
        Line {
            test: "T7",
            what: "no face is found again where one was found before",
            holds: (faces && found > 0).then_some(again == 0),
            says: if faces { format!("{again} of {found} found again") } else { "no face model was given".to_owned() },
        },
        Line {
            test: "T8",
            what: "the file holds pixels and nothing else",
            holds: Some(leaks.is_empty() && unreadable == 0),
            says: if leaks.is_empty() { format!("{} files", pairs.len()) } else { format!("{leaks:?}") },
        },
        Line {
            test: "T11",
            what: "every face that was found lies under a mask",
            holds: (faces && found > 0).then_some(missed == 0),
            says: if faces { format!("{missed} of {found} do not") } else { "no face model was given".to_owned() },
        },
        Line {
            test: "T11",
            what: "every box that was given lies under a mask",
            holds: boxed.then_some(bare == 0),
            says: if boxed { format!("{bare} do not") } else { "no boxes were given".to_owned() },
        },
        Line {
            test: "T11",
            what: "something is left to see",
            holds: Some(pairs.iter().all(|p| p.changed < 0.9)),
            says: format!("{:.1} % of the pixels were masked", changed * 100.0),
        },
    ]
}
