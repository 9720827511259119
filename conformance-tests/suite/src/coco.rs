//! Labelled pictures in COCO form: a real corpus (`--corpus DIR`), or one that was opened from its seal in memory.
//!
//! Pictures are masked already: vendor code runs in this process, and no raw frame may lie here. What was masked is labelled `mask`; a
//! corpus that labels people, faces or plates is refused.

use std::collections::BTreeMap;

use fast_image_resize::images::Image;
use fast_image_resize::{PixelType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Label, Rect, Size};
use vaern_scenes::{ContainerKind, Light, Weather};
use zeroize::Zeroizing;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::bench::Look;
use crate::corpus::{Street, Thing, share};
use crate::fault::Fault;
use crate::matching;

/// The labels' file in a corpus.
pub const LABELS: &str = "corpus.json";
/// Category of what is masked.
const MASK: &str = "mask";
/// Categories that say that a picture shows somebody, with the class that they are of for the gate.
const PEOPLE: [(&str, &str); 7] = [
    ("person", "person"),
    ("human", "person"),
    ("face", "face"),
    ("head", "face"),
    ("plate", "plate"),
    ("license plate", "plate"),
    ("nummerplade", "plate"),
];
/// Pictures of a corpus at most, and bytes of one.
const MOST: usize = 100_000;
pub(crate) const LARGEST: u64 = 64 << 20;
const LARGEST_SIDE: usize = 16_384;

/// Why a corpus is none.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A file cannot be read.
    #[error("`{0}` of the corpus cannot be read: {1}")]
    Io(String, #[source] std::io::Error),
    /// The labels are not COCO, or not such as are known here.
    #[error("the labels of the corpus are not as they must be: {0}")]
    Labels(String),
    /// A picture that is none.
    #[error("`{0}` of the corpus is no picture that can be read (JPEG)")]
    Picture(String),
    /// Somebody is to be seen.
    #[error("the corpus labels `{0}`: pictures for plugins are masked before they are labelled")]
    People(String),
    /// The seal does not hold.
    #[error("the corpus does not open: another key, another corpus, or changed bytes")]
    Sealed,
    /// The system has no randomness, or a fault of this build.
    #[error("{0}")]
    Host(&'static str),
}

/// Where files of a corpus come from: a directory, or memory.
pub(crate) trait Files: Send + Sync {
    fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, CorpusError>;
}

impl Files for cap_std::fs::Dir {
    fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, CorpusError> {
        use std::io::Read as _;
        let io = |error| CorpusError::Io(name.to_owned(), error);
        let mut bytes = Zeroizing::new(Vec::new());
        self.open(name).map_err(io)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(io)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= LARGEST) {
            Ok(bytes)
        } else {
            Err(io(std::io::ErrorKind::FileTooLarge.into()))
        }
    }
}

#[derive(Deserialize)]
struct Coco {
    images: Vec<CocoImage>,
    annotations: Vec<CocoBox>,
    categories: Vec<CocoCategory>,
}

#[derive(Deserialize)]
struct CocoImage {
    id: u64,
    file_name: String,
    width: u16,
    height: u16,
    /// Under which conditions it was taken, as the city words them: `light`, `weather`, `district`. Not part of COCO.
    #[serde(default)]
    conditions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct CocoBox {
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    /// A crowd, or one that is not to be judged.
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct CocoCategory {
    id: u64,
    name: String,
}

/// One labelled picture, without its pixels.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) file: String,
    size: Size,
    boxes: Vec<([f64; 4], ContainerKind, bool)>,
    masks: Vec<[f64; 4]>,
    /// Who is to be seen, for the gate; empty in a corpus for plugins.
    pub(crate) people: Vec<(&'static str, Rect)>,
    /// `light night`, `district nordvest`: the groups that it belongs to.
    pub(crate) groups: Vec<String>,
}

/// A corpus that was read: labels here, pictures where they lie.
pub struct Corpus {
    pub(crate) pictures: Vec<Picture>,
    pub(crate) files: Box<dyn Files>,
    pub(crate) digest: Digest,
    used: For,
}

/// What a corpus is used for: the two are never mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum For {
    /// Masked pictures, shown to plugins.
    Plugins,
    /// Raw pictures with people, shown to the gate alone.
    Gate,
}

impl std::fmt::Debug for Corpus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Corpus({} pictures)", self.pictures.len())
    }
}

impl Corpus {
    /// Reads the labels of a directory. Each picture is read when it is shown.
    ///
    /// # Errors
    /// [`CorpusError`].
    pub fn open(dir: cap_std::fs::Dir) -> Result<Self, CorpusError> {
        Self::new(Box::new(dir), For::Plugins)
    }

    /// Reads a corpus of people for the gate: raw pictures, never shown to a plugin.
    ///
    /// # Errors
    /// [`CorpusError`].
    pub fn open_for_gate(dir: cap_std::fs::Dir) -> Result<Self, CorpusError> {
        Self::new(Box::new(dir), For::Gate)
    }

    pub(crate) fn new(files: Box<dyn Files>, used: For) -> Result<Self, CorpusError> {
        let labels = files.read(LABELS)?;
        let pictures = pictures(&labels, used)?;
        // The labels and every picture: a corpus is the same only if both are.
        let mut lines = format!("{}\n", Digest::of(&labels));
        for picture in &pictures {
            lines += &format!("{} {}\n", Digest::of(&files.read(&picture.file)?), picture.file);
        }
        Ok(Self { pictures, files, digest: Digest::of(lines.as_bytes()), used })
    }

    /// Number of pictures.
    #[must_use]
    pub fn pictures(&self) -> usize {
        self.pictures.len()
    }

    /// The names of its files, the labels first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(LABELS).chain(self.pictures.iter().map(|picture| picture.file.as_str()))
    }

    /// A picture as a plugin is shown it: no larger than the frame that is granted.
    pub(crate) fn street(&self, number: usize, most: Size) -> Result<Street, CorpusError> {
        if self.used != For::Plugins {
            return Err(CorpusError::People("person".to_owned()));
        }
        let picture = self.pictures.get(number).ok_or(CorpusError::Host("no such picture"))?;
        let bytes = self.files.read(&picture.file)?;
        let bad = || CorpusError::Picture(picture.file.clone());
        let (full, rgb) = decoded(&bytes).ok_or_else(bad)?;
        if full != picture.size {
            return Err(CorpusError::Labels(format!("`{}` is not of the size that it is labelled with", picture.file)));
        }
        let size = full.fitted_into(most);
        let rgb = if size == full { rgb } else { smaller(rgb, full, size).ok_or_else(bad)? };
        let by = (ratio(size.width(), full.width()), ratio(size.height(), full.height()));
        let masked: Vec<Rect> = picture.masks.iter().filter_map(|one| scaled(*one, by, size)).collect();
        let things = picture.boxes.iter().zip(0..).filter_map(|((one, kind, judged), id)| {
            let rect = scaled(*one, by, size)?;
            let under = share(rect.covered_by(&masked), rect.area());
            // As on drawn streets: a fortieth of the frame's width at least, and not mostly under a mask.
            let large = u32::from(rect.width().min(rect.height())) * 40 >= u32::from(size.width());
            let counts = *judged && large && under <= 0.5;
            Some(Thing { rect, kind: *kind, id, visible: 1.0, counts, masked: under, beside: None })
        });
        let things = things.collect();
        Ok(Street { size, rgb, masked, things, weather: Weather::Clear, light: Light::Day })
    }
}

fn ratio(part: u16, of: u16) -> f64 {
    f64::from(part) / f64::from(of)
}

/// What a category stands for.
#[derive(Clone, Copy)]
enum What {
    Container(ContainerKind),
    Mask,
    Somebody(&'static str),
}

fn what(name: &str, used: For) -> Result<What, CorpusError> {
    let somebody = PEOPLE.iter().find(|(known, _)| *known == name.to_lowercase());
    match (somebody, used) {
        (Some(_), For::Plugins) => return Err(CorpusError::People(name.to_owned())),
        (Some((_, class)), For::Gate) => return Ok(What::Somebody(class)),
        (None, _) => {}
    }
    let label = Label::new(name).ok();
    let kind = label.and_then(|label| ContainerKind::ALL.into_iter().find(|kind| matching::names(&label, *kind)));
    match kind {
        Some(kind) => Ok(What::Container(kind)),
        None if name == MASK => Ok(What::Mask),
        None => {
            let known = "neither of the city's vocabulary nor";
            Err(CorpusError::Labels(format!("the category `{name}` is {known} `{MASK}`")))
        }
    }
}

fn pictures(labels: &[u8], used: For) -> Result<Vec<Picture>, CorpusError> {
    let wrong = |what: String| CorpusError::Labels(what);
    let coco: Coco = serde_json::from_slice(labels).map_err(|error| wrong(error.to_string()))?;
    if coco.images.is_empty() || coco.images.len() > MOST {
        return Err(wrong(format!("{} pictures", coco.images.len())));
    }
    let mut categories: BTreeMap<u64, What> = BTreeMap::new();
    for category in &coco.categories {
        if categories.insert(category.id, what(&category.name, used)?).is_some() {
            return Err(wrong(format!("the category {} stands twice", category.id)));
        }
    }
    let mut all: BTreeMap<u64, Picture> = BTreeMap::new();
    for image in coco.images {
        let CocoImage { id, file_name: file, width, height, conditions } = image;
        let plain = !file.is_empty() && !file.contains(['/', '\\', '\0']) && file != "." && file != "..";
        let size = Size::new(width, height).map_err(|error| wrong(format!("`{file}`: {error}")))?;
        let groups = conditions.iter().map(|(key, value)| format!("{key} {value}")).collect();
        let taken = all.values().any(|other| other.file == file);
        let picture = Picture { file, size, boxes: Vec::new(), masks: Vec::new(), people: Vec::new(), groups };
        if !plain || taken {
            return Err(wrong(format!("`{}` is no name for a picture, or names two", picture.file)));
        }
        if all.insert(id, picture).is_some() {
            return Err(wrong(format!("the picture {id} stands twice")));
        }
    }
    for one in coco.annotations {
        let picture =
            all.get_mut(&one.image_id).ok_or_else(|| wrong(format!("a box of no picture ({})", one.image_id)))?;
        let kind = categories.get(&one.category_id);
        let kind = *kind.ok_or_else(|| wrong(format!("a box of no category ({})", one.category_id)))?;
        if !one.bbox.iter().all(|side| side.is_finite() && *side >= 0.0) {
            return Err(wrong(format!("`{}` has a box that cannot be", picture.file)));
        }
        match kind {
            What::Container(kind) => picture.boxes.push((one.bbox, kind, one.iscrowd == 0)),
            What::Mask => picture.masks.push(one.bbox),
            What::Somebody(class) => {
                picture.people.extend(scaled(one.bbox, (1.0, 1.0), picture.size).map(|r| (class, r)))
            }
        }
    }
    Ok(all.into_values().collect())
}

/// A box in COCO's form (left, top, width, height) in the pixels of the frame that is shown.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the frame first")]
fn scaled([x, y, w, h]: [f64; 4], (by_x, by_y): (f64, f64), size: Size) -> Option<Rect> {
    let side = |value: f64, by: f64, most: u16| (value * by).round().clamp(0.0, f64::from(most)) as u16;
    let (width, height) = (size.width(), size.height());
    Rect::new(side(x, by_x, width), side(y, by_y, height), side(x + w, by_x, width), side(y + h, by_y, height)).ok()
}

pub(crate) fn decoded(bytes: &[u8]) -> Option<(Size, Vec<u8>)> {
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(LARGEST_SIDE)
        .set_max_height(LARGEST_SIDE);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    // A decoder that panics on a foreign file ends the picture, not the run.
    let rgb = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| decoder.decode().ok())).ok()??;
    let (width, height) = decoder.dimensions()?;
    let size = Size::new(u16::try_from(width).ok()?, u16::try_from(height).ok()?).ok()?;
    (rgb.len() == size.rgb_bytes()).then_some((size, rgb))
}

fn smaller(rgb: Vec<u8>, from: Size, to: Size) -> Option<Vec<u8>> {
    let source = Image::from_vec_u8(from.width().into(), from.height().into(), rgb, PixelType::U8x3).ok()?;
    let mut target = Image::new(to.width().into(), to.height().into(), PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(fast_image_resize::FilterType::Bilinear));
    Resizer::new().resize(&source, &mut target, &options).ok()?;
    Some(target.into_vec())
}

/// A look at one picture of a corpus: what a judge needs of it, and no pixel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) things: Vec<Thing>,
    pub(crate) groups: Vec<String>,
    pub(crate) look: Result<Look, Fault>,
}
