//! Annotations that came with the originals, carried over to the masked pictures: YOLO beside a picture, COCO for a folder.
//!
//! Only numbers and class names go on. A masked picture stands upright; what was drawn on a picture as stored is turned
//! with it. Where nobody says how it was meant, the annotations of a turned picture are left out, not guessed about.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use vaern_door::Size;
use vaern_privacy::Turning;

use super::journal::Masked;

/// Name of the COCO file in the output folder.
pub(super) const FILE: &str = "annotations.json";
/// Boxes of one YOLO file at most.
const MAX_BOXES: usize = 10_000;

/// How the annotations of pictures with an orientation tag are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Annotated {
    /// On the picture as a viewer shows it.
    Upright,
    /// On the pixels as they are stored.
    Stored,
}

/// Why a COCO file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnotationError {
    /// Not COCO.
    #[error("the annotations are not COCO: {0}")]
    Form(String),
}

/// A box by its corners, in pixels.
type Corners = (f64, f64, f64, f64);

/// The box on the upright picture, or nothing where nobody knows.
fn upright(corners: Corners, turning: Turning, meant: Option<Annotated>) -> Option<Corners> {
    match meant {
        _ if turning.is_upright() => Some(corners),
        Some(Annotated::Upright) => Some(corners),
        Some(Annotated::Stored) => {
            let (a, b) = (turning.upright((corners.0, corners.1)), turning.upright((corners.2, corners.3)));
            Some((a.0.min(b.0), a.1.min(b.1), a.0.max(b.0), a.1.max(b.1)))
        }
        None => None,
    }
}

/// A YOLO file anew from its numbers: class, centre, width, height as fractions. Nothing where any of it is in doubt.
pub(super) fn yolo(text: &str, turning: Turning, meant: Option<Annotated>) -> Option<String> {
    let on = if turning.is_upright() || meant == Some(Annotated::Stored) {
        turning.stored()
    } else {
        turning.upright_size()
    };
    let (width, height) = (f64::from(on.width()), f64::from(on.height()));
    let to = turning.upright_size();
    let mut out = String::new();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() > MAX_BOXES {
        return None;
    }
    for line in lines {
        let mut words = line.split_ascii_whitespace();
        let class: u32 = words.next()?.parse().ok()?;
        let numbers: Vec<f64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
        let [cx, cy, w, h] = *numbers.as_slice() else { return None };
        if !numbers.iter().all(|v| (0.0..=1.0).contains(v)) {
            return None;
        }
        let corners =
            ((cx - w / 2.0) * width, (cy - h / 2.0) * height, (cx + w / 2.0) * width, (cy + h / 2.0) * height);
        let (x0, y0, x1, y1) = upright(corners, turning, meant)?;
        let (tw, th) = (f64::from(to.width()), f64::from(to.height()));
        let (cx, cy) = ((x0 + x1) / 2.0 / tw, (y0 + y1) / 2.0 / th);
        let _ = writeln!(out, "{class} {cx:.6} {cy:.6} {:.6} {:.6}", (x1 - x0) / tw, (y1 - y0) / th);
    }
    Some(out)
}

#[derive(Deserialize)]
struct CocoFile {
    images: Vec<Image>,
    annotations: Vec<Box>,
    categories: Vec<Category>,
}

#[derive(Serialize)]
struct CarriedFile<'a> {
    images: Vec<Image>,
    annotations: Vec<Box>,
    categories: &'a [Category],
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Image {
    id: u64,
    file_name: String,
    width: u32,
    height: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Box {
    id: u64,
    image_id: u64,
    category_id: u64,
    /// Left, top, width, height in pixels.
    bbox: [f64; 4],
    #[serde(default)]
    area: f64,
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// A COCO file, without anything but images, boxes and classes: dates, places, links and outlines are not carried over.
pub(super) struct Coco(CocoFile);

impl Coco {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, AnnotationError> {
        let file: CocoFile = serde_json::from_slice(bytes).map_err(|e| AnnotationError::Form(e.to_string()))?;
        Ok(Self(file))
    }

    /// The file for the pictures that were masked, and how many pictures' boxes had to be left out.
    pub(super) fn carried<'m>(
        &self,
        masked: impl Iterator<Item = &'m Masked>,
        meant: Option<Annotated>,
    ) -> Result<(String, usize), AnnotationError> {
        let mut by_name: BTreeMap<&str, Option<&Masked>> = BTreeMap::new();
        for m in masked {
            by_name.insert(&m.original, Some(m));
            let base = m.original.rsplit('/').next().unwrap_or(&m.original);
            // A bare name that two folders hold names neither.
            if base != m.original {
                by_name.entry(base).and_modify(|other| *other = None).or_insert(Some(m));
            }
        }
        let mut boxes: BTreeMap<u64, Vec<&Box>> = BTreeMap::new();
        self.0.annotations.iter().for_each(|b| boxes.entry(b.image_id).or_default().push(b));
        let (mut images, mut annotations, mut left_out) = (Vec::new(), Vec::new(), 0);
        for image in &self.0.images {
            let Some(Some(m)) = by_name.get(image.file_name.as_str()) else { continue };
            let boxes = boxes.get(&image.id).map(Vec::as_slice).unwrap_or_default();
            match carry(image, boxes, m, meant) {
                Some((image, boxes)) => {
                    images.push(image);
                    annotations.extend(boxes);
                }
                None => left_out += 1,
            }
        }
        let file = CarriedFile { images, annotations, categories: &self.0.categories };
        let text = serde_json::to_string_pretty(&file).map_err(|e| AnnotationError::Form(e.to_string()))?;
        Ok((text + "\n", left_out))
    }
}

fn carry(image: &Image, boxes: &[&Box], masked: &Masked, meant: Option<Annotated>) -> Option<(Image, Vec<Box>)> {
    let turning = Turning::new(Size::new(masked.stored.0, masked.stored.1).ok()?, masked.orientation)?;
    let (stored, to) = (turning.stored(), turning.upright_size());
    let is = |size: Size| (image.width, image.height) == (u32::from(size.width()), u32::from(size.height()));
    // Where width and height are exchanged by turning, the file itself says which picture it means.
    let meant = match (is(stored), is(to)) {
        (true, true) => meant,
        (true, false) => Some(Annotated::Stored),
        (false, true) => Some(Annotated::Upright),
        (false, false) => return None,
    };
    let mut carried = Vec::new();
    for b in boxes {
        let [x, y, w, h] = b.bbox;
        if ![x, y, w, h].iter().all(|v| v.is_finite()) || w < 0.0 || h < 0.0 {
            return None;
        }
        let (x0, y0, x1, y1) = upright((x, y, x + w, y + h), turning, meant)?;
        carried.push(Box { bbox: [x0, y0, x1 - x0, y1 - y0], area: w * h, ..(*b).clone() });
    }
    let (width, height) = (u32::from(to.width()), u32::from(to.height()));
    Some((Image { id: image.id, file_name: masked.picture.clone(), width, height }, carried))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaern_door::Digest;

    fn turning(code: u8) -> Turning {
        Turning::new(Size::new(400, 200).unwrap(), code).unwrap()
    }

    #[test]
    fn yolo_boxes_turn_with_their_picture() {
        // A box in the upper left quarter of the stored picture.
        let text = "3 0.25 0.25 0.1 0.2\n\n";
        assert_eq!(yolo(text, turning(1), None).unwrap(), "3 0.250000 0.250000 0.100000 0.200000\n");
        // Orientation 6: stored left is upright top, stored top is upright right.
        let turned = yolo(text, turning(6), Some(Annotated::Stored)).unwrap();
        assert_eq!(turned, "3 0.750000 0.250000 0.200000 0.100000\n");
        let as_seen = yolo(text, turning(6), Some(Annotated::Upright)).unwrap();
        assert_eq!(as_seen, "3 0.250000 0.250000 0.100000 0.200000\n");
        assert_eq!(yolo(text, turning(6), None), None, "nobody says how it was meant");
        let mirrored = yolo(text, turning(3), Some(Annotated::Stored)).unwrap();
        assert_eq!(mirrored, "3 0.750000 0.750000 0.100000 0.200000\n");
    }

    #[test]
    fn yolo_files_with_anything_but_numbers_are_left_out() {
        for text in [
            "person 0.1 0.1 0.1 0.1",
            "0 0.1 0.1 0.1",
            "0 0.1 0.1 0.1 NaN",
            "0 1.5 0.1 0.1 0.1",
            "0 1 1 1 1 Hr. Jensen",
        ] {
            assert_eq!(yolo(text, turning(1), None), None, "{text}");
        }
    }

    const COCO: &str = r#"{"info":{"contributor":"Hr. Jensen"},"licenses":[],
        "images":[{"id":7,"file_name":"a.jpg","width":400,"height":200,"date_captured":"2026-06-01","coco_url":"x"},
                  {"id":8,"file_name":"turned.jpg","width":400,"height":200},
                  {"id":9,"file_name":"refused.jpg","width":400,"height":200}],
        "annotations":[{"id":1,"image_id":7,"category_id":2,"bbox":[10,20,30,40],"area":1200,"iscrowd":0,"segmentation":[[1,2,3,4]]},
                       {"id":2,"image_id":8,"category_id":2,"bbox":[0,0,40,20]},
                       {"id":3,"image_id":9,"category_id":2,"bbox":[0,0,40,20]}],
        "categories":[{"id":2,"name":"affaldscontainer","supercategory":"x"}]}"#;

    fn masked(number: u64, original: &str, orientation: u8) -> Masked {
        Masked {
            number,
            original: original.to_owned(),
            salt: String::new(),
            commitment: Digest::of(b"c"),
            picture: super::super::pictures::name(number),
            digest: Digest::of(b"d"),
            stored: (400, 200),
            orientation,
        }
    }

    #[test]
    fn coco_files_name_the_masked_pictures_and_carry_numbers_only() {
        let pictures = [masked(1, "day/a.jpg", 1), masked(2, "day/turned.jpg", 6)];
        let (text, left_out) = Coco::parse(COCO.as_bytes()).unwrap().carried(pictures.iter(), None).unwrap();
        assert_eq!(left_out, 0);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["images"][0]["file_name"], "000001.jpg");
        // Stored 400 by 200, turned upright to 200 by 400: the box of the upper left corner is at the upper right.
        assert_eq!(
            (value["images"][1]["width"].as_u64(), value["images"][1]["height"].as_u64()),
            (Some(200), Some(400))
        );
        assert_eq!(value["annotations"][1]["bbox"], serde_json::json!([180.0, 0.0, 20.0, 40.0]));
        assert_eq!(value["images"].as_array().unwrap().len(), 2, "a refused picture has no place in it");
        for word in ["Jensen", "date_captured", "coco_url", "segmentation", "refused"] {
            assert!(!text.contains(word), "{word}");
        }
    }

    #[test]
    fn a_name_that_two_folders_hold_names_neither() {
        let pictures = [masked(1, "x/a.jpg", 1), masked(2, "y/a.jpg", 1)];
        let (text, _) = Coco::parse(COCO.as_bytes()).unwrap().carried(pictures.iter(), None).unwrap();
        assert!(!text.contains("000001") && !text.contains("000002"));
        assert!(Coco::parse(b"[]").is_err());
    }
}
