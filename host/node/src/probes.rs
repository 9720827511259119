//! Pictures whose answer is known, which a release in operation is shown among the frames of the street (ANS-02).
//!
//! The city makes them and writes down what is in them (`probes.toml`); the signed profile names that list by its digest, and the list names each
//! picture by its own. So nobody but the city decides what a release is held to, and no vendor learns it from the policies.

use std::collections::BTreeSet;
use std::path::Path;

use cap_std::fs::Dir;
use serde::Deserialize;
use vaern_door::{Blame, Digest, Krav, Label, guard};
use vaern_policy::PolicySet;

use crate::live::Looked;
use crate::source;

/// The list, in the folder of the pictures.
pub const LIST: &str = "probes.toml";

/// No list is longer.
const MAX_LIST: u64 = 1 << 20;

/// All pictures together, in bytes: they lie in memory while a node runs.
const MAX_BYTES: u64 = 32 << 20;

/// Pictures at most.
const MOST: usize = 256;

/// Why the pictures are not used. A node whose profile asks for them does not run without.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The profile asks for pictures that nobody brought.
    #[error("the signed profile asks for pictures with a known answer, and `[probes]` names no folder")]
    Missing,
    /// Somebody brought pictures that nobody asked for.
    #[error("`[probes]` names a folder of pictures with a known answer, and the signed profile asks for none")]
    Unasked,
    /// A file cannot be read.
    #[error("`{file}` cannot be read: {source}")]
    Io {
        /// Which.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The list is another one.
    #[error("`{LIST}` has the digest {found}; the signed profile names {named}")]
    OtherList {
        /// What it is.
        found: Digest,
        /// What it must be.
        named: Digest,
    },
    /// A picture is another one.
    #[error("`{0}` is not the picture that `{LIST}` names")]
    OtherPicture(String),
    /// The list holds something that it may not.
    #[error("`{LIST}`: {0}")]
    Form(String),
}

impl ProbeError {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        Krav("ANS-02")
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Form(_) => Blame::Policy,
            _ => Blame::Operator,
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Unasked => "leave the `[probes]` part out, or have the city sign a profile with `[probe]`",
            Self::Form(_) => "docs/node.md says what the list holds; sign the profile anew with its digest",
            _ => "bring the folder that the city made for this profile, whole",
        }
    }
}

/// One picture, and what is known to be in it.
#[derive(Debug)]
pub(crate) struct Probe {
    /// JPEG or PNG.
    pub(crate) bytes: Vec<u8>,
    pub(crate) known: Looked,
}

/// The pictures, each the one that the city signed for.
#[derive(Debug)]
pub struct ProbeSet(Vec<Probe>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    picture: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    file: String,
    sha256: Digest,
    known: Vec<Known>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    label: Label,
    /// Left, top, right, bottom, as shares of the picture.
    #[serde(rename = "box")]
    rect: [f64; 4],
}

impl ProbeSet {
    /// The pictures that the profile of `set` asks for. `None` where it asks for none.
    ///
    /// # Errors
    /// [`ProbeError`] where they are not there, whole and as the city signed for them.
    pub fn open(folder: Option<&Dir>, set: &PolicySet) -> Result<Option<Self>, ProbeError> {
        match (&set.profile.probe, folder) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(ProbeError::Missing),
            (None, Some(_)) => Err(ProbeError::Unasked),
            (Some(rule), Some(folder)) => Self::read(folder, rule.list, &set.purpose.vocabulary).map(Some),
        }
    }

    fn read(folder: &Dir, named: Digest, vocabulary: &[Label]) -> Result<Self, ProbeError> {
        let read = |file: &str, limit| {
            source::read(folder, Path::new(file), limit)
                .map_err(|source| ProbeError::Io { file: file.to_owned(), source })
        };
        let bytes = read(LIST, MAX_LIST)?;
        let found = Digest::of(&bytes);
        if guard::stands("node.probe-list") && found != named {
            return Err(ProbeError::OtherList { found, named });
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| ProbeError::Form("not UTF-8".to_owned()))?;
        let list: List = toml::from_str(text).map_err(|error| ProbeError::Form(error.message().to_owned()))?;
        if list.picture.len() > MOST {
            return Err(ProbeError::Form(format!("more than {MOST} pictures")));
        }
        let (mut room, mut pictures) = (MAX_BYTES, Vec::new());
        for Listed { file, sha256, known } in list.picture {
            let known = known.into_iter().map(|known| checked(&file, known, vocabulary));
            let known = Looked::known(known.collect::<Result<_, _>>()?);
            let bytes = read(&file, room)?;
            if guard::stands("node.probe-list") && Digest::of(&bytes) != sha256 {
                return Err(ProbeError::OtherPicture(file));
            }
            let left = room.checked_sub(bytes.len() as u64);
            room = left.ok_or_else(|| ProbeError::Form(format!("more than {MAX_BYTES} bytes of pictures")))?;
            pictures.push(Probe { bytes, known });
        }
        if pictures.iter().all(|probe| probe.known.count() == 0) {
            return Err(ProbeError::Form("nothing is known to be in any picture".to_owned()));
        }
        Ok(Self(pictures))
    }

    /// The pictures by their digests, for the gate.
    #[must_use]
    pub fn digests(&self) -> BTreeSet<Digest> {
        self.0.iter().map(|probe| Digest::of(&probe.bytes)).collect()
    }

    #[cfg(test)]
    pub(crate) const fn of(pictures: Vec<Probe>) -> Self {
        Self(pictures)
    }

    pub(crate) fn pictures(&self) -> &[Probe] {
        &self.0
    }
}

fn checked(file: &str, known: Known, vocabulary: &[Label]) -> Result<(Label, [f64; 4]), ProbeError> {
    let Known { label, rect: rect @ [x0, y0, x1, y1] } = known;
    if !vocabulary.contains(&label) {
        return Err(ProbeError::Form(format!("`{file}`: `{label}` is no word of the purpose")));
    }
    let within = 0.0 <= x0 && x0 < x1 && x1 <= 1.0 && 0.0 <= y0 && y0 < y1 && y1 <= 1.0;
    if !within {
        let what = "a box is left, top, right and bottom, as shares of the picture from 0 to 1";
        return Err(ProbeError::Form(format!("`{file}`: {what}")));
    }
    Ok((label, rect))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    fn vocabulary() -> [Label; 1] {
        [Label::new("affaldscontainer").unwrap()]
    }

    /// A folder with one picture, and a list that says `known` of it; read as if the profile named `list`, or the true one.
    fn read(known: &str, list: Option<Digest>, picture: &[u8]) -> Result<ProbeSet, ProbeError> {
        let temp = tempfile::tempdir().unwrap();
        let of = Digest::of(b"a picture");
        let text = format!("[[picture]]\nfile = \"1.jpg\"\nsha256 = \"{of}\"\nknown = [{known}]\n");
        std::fs::write(temp.path().join(LIST), &text).unwrap();
        std::fs::write(temp.path().join("1.jpg"), picture).unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        ProbeSet::read(&dir, list.unwrap_or_else(|| Digest::of(text.as_bytes())), &vocabulary())
    }

    const KNOWN: &str = "{ label = \"affaldscontainer\", box = [0.25, 0.5, 0.5, 1.0] }";

    #[test]
    fn ans_02n_pictures_that_the_city_did_not_sign_for_are_refused_and_ans_02p_its_own_are_read() {
        let set = read(KNOWN, None, b"a picture").unwrap();
        assert_eq!((set.pictures().len(), set.pictures()[0].known.count()), (1, 1));
        assert_eq!(set.digests(), [Digest::of(b"a picture")].into());
        let other = read(KNOWN, Some(Digest::of(b"another list")), b"a picture");
        assert!(matches!(other, Err(ProbeError::OtherList { .. })), "{other:?}");
        let easier = read(KNOWN, None, b"an easier picture");
        assert!(matches!(easier, Err(ProbeError::OtherPicture(_))), "{easier:?}");
    }

    #[test]
    fn ans_02n_a_list_that_holds_nobody_to_anything_is_refused() {
        for wrong in [
            "",
            "{ label = \"person\", box = [0.25, 0.5, 0.5, 1.0] }",
            "{ label = \"affaldscontainer\", box = [0.5, 0.5, 0.25, 1.0] }",
            "{ label = \"affaldscontainer\", box = [0.25, 0.5, 0.5, 100.0] }",
            "{ label = \"affaldscontainer\", box = [nan, 0.5, 0.5, 1.0] }",
            "{ label = \"affaldscontainer\" }",
        ] {
            let refused = read(wrong, None, b"a picture");
            assert!(matches!(refused, Err(ProbeError::Form(_))), "{wrong}: {refused:?}");
        }
    }
}
