//! `vaern plugin from-onnx MODEL --head yolo …`: a complete release around a vendor's detection model, without vendor code.
//!
//! The component is the prebuilt `detector-yolo`, whose code the city examines once. What it must know of the model is
//! written as a text into a marked place of it; nothing else of its bytes changes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use vaern_door::{
    Channels, Digest, Fit, Interface, Label, Licences, Manifest, ManifestModel, Name, Scale, Size, TensorSpec, Version,
};
use vaern_inference::{ModelLimits, Tensor};
use vaern_trust::PackInputs;

use crate::commands::gate::Engine;
use crate::commands::plugin::{pack, sbom_of};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

const COMPONENT: &[u8] = include_bytes!("../../../../plugins/prebuilt/detector-yolo.wasm");
const LOCK: &[u8] = include_bytes!("../../../../plugins/Cargo.lock");
/// As in `plugins/detector-yolo/src/head.rs`: the mark, and the bytes of the place that it begins.
const MARK: &[u8] = b"vaern detector head, version 1: ";
const PLACE: usize = 4096;
const UNWRITTEN: u8 = b'#';
const STRIDES: [usize; 3] = [8, 16, 32];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The model (`.onnx`): one input `[1, 3, H, W]`, one output.
    model: PathBuf,
    /// Family of the model's answer. Its layout is told from the shape.
    #[arg(long, value_enum)]
    head: HeadKind,
    /// Which of the model's classes carry which label of the city, in TOML: `2 = "byggecontainer"` under `[classes]`.
    #[arg(long)]
    labels: PathBuf,
    /// Side of the model's input in pixels, or WIDTHxHEIGHT.
    #[arg(long, value_parser = side)]
    input: Size,
    /// Name of the plugin.
    #[arg(long)]
    name: Name,
    /// Name of the vendor.
    #[arg(long)]
    vendor: Name,
    /// Purpose that it is made for.
    #[arg(long)]
    purpose: Name,
    /// What it is meant to do.
    #[arg(long)]
    intended_use: String,
    /// Licence of the model.
    #[arg(long)]
    licence_model: String,
    /// Licence of the data that the model was trained on.
    #[arg(long)]
    licence_data: String,
    /// The model card, in Markdown.
    #[arg(long)]
    model_card: PathBuf,
    /// Version for people.
    #[arg(long, default_value = "0.1.0")]
    version: Version,
    /// Release counter.
    #[arg(long, default_value_t = 1)]
    counter: u64,
    /// Least score in percent.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..=100))]
    threshold: u8,
    /// Overlap in percent above which two boxes of one label are one object.
    #[arg(long, default_value_t = 45, value_parser = clap::value_parser!(u8).range(1..=100))]
    overlap: u8,
    /// Directory for the release; must be empty or absent.
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    engine: Engine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum HeadKind {
    Yolo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Layout {
    Grid,
    Columns,
}

impl Layout {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Columns => "columns",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelMap {
    classes: BTreeMap<String, Label>,
}

#[derive(Serialize)]
struct Made {
    release: Digest,
    layout: Layout,
    classes: usize,
    model_ms: u128,
}

fn side(text: &str) -> Result<Size, String> {
    let (width, height) = text.split_once('x').unwrap_or((text, text));
    let number = |text: &str| text.parse::<u16>().map_err(|e| e.to_string());
    Size::new(number(width)?, number(height)?).map_err(|e| e.to_string())
}

fn model_refused(what: impl Into<String>, mend: &str) -> Failure {
    Failure::refused(what, vaern_door::Krav("LEV-01"), vaern_door::Blame::Vendor).mend(mend)
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let HeadKind::Yolo = args.head;
    let model = files::read("model", &args.model, 512 << 20)?;
    let map = files::read("label map", &args.labels, 1 << 20)?;
    let map = String::from_utf8(map).map_err(|_| Failure::usage("the label map is not UTF-8"))?;
    let map: LabelMap = toml::from_str(&map).map_err(|e| Failure::usage(format!("the label map is not valid: {e}")))?;
    let (layout, classes, model_ms) = examine(&model, args)?;
    let (labels, kept) = labels(&map, classes)?;
    let spec = spec(layout, args.input);
    let frame = Size::new(1280, 720).map_err(|e| Failure::internal(e.to_string()))?;
    let text = text(layout, &spec, frame, args, classes, &labels, &kept);
    let card = files::read("model card", &args.model_card, 1 << 20)?;
    let name = |text: &str| Name::new(text).map_err(|e| Failure::internal(e.to_string()));
    let manifest = Manifest {
        name: args.name.clone(),
        version: args.version.clone(),
        counter: args.counter,
        vendor: args.vendor.clone(),
        purpose: args.purpose.clone(),
        intended_use: args.intended_use.clone(),
        labels,
        capabilities: vec![Interface::Models],
        tensors: vec![spec],
        frame,
        models: vec![ManifestModel { name: name("detector")?, digest: Digest::of(&model) }],
        licences: Licences {
            plugin: "Apache-2.0".to_owned(),
            model: args.licence_model.clone(),
            training_data: args.licence_data.clone(),
        },
    };
    let inputs = PackInputs {
        component: written(COMPONENT, &text)?,
        manifest,
        models: vec![(name("detector")?, model)],
        model_card: Some(String::from_utf8(card).map_err(|_| Failure::usage("the model card is not UTF-8"))?),
        sbom: Some(sbom_of(LOCK, &name("detector-yolo")?)?),
    };
    let release = pack(&inputs, &args.out)?;
    let lines = format!(
        "Packed {0}\n  release  {release}\n  model    {classes} classes, layout {1}, {model_ms} ms for one run here\n  next     vaern plugin sign {0} --key YOUR.secret.toml\n           vaern plugin check {0} --policies CITY",
        args.out.display(),
        layout.as_str()
    );
    output.result(&Made { release, layout, classes, model_ms }, &lines)
}

/// Loads and runs the model once: what the engine or the shape refuses here would be refused on the node.
fn examine(bytes: &[u8], args: &Args) -> Result<(Layout, usize, u128), Failure> {
    let backend = args.engine.open()?;
    let model = backend.load(bytes, &ModelLimits::default())?;
    let (width, height) = (usize::from(args.input.width()), usize::from(args.input.height()));
    let wanted = [1, 3, height, width];
    match model.inputs() {
        [input] if input.shape == wanted => {}
        other => {
            let shapes: Vec<_> = other.iter().map(|input| &input.shape).collect();
            let what = format!("the model's inputs are {shapes:?}, one input {wanted:?} is needed");
            return Err(model_refused(what, "name the model's own --input, and export it with a fixed batch of 1"));
        }
    }
    let blank = Tensor::new(wanted.to_vec(), vec![0.45; 3 * width * height])?;
    let start = Instant::now();
    let outputs = model.run(&[blank])?;
    let model_ms = start.elapsed().as_millis();
    let cells: usize = STRIDES.iter().map(|stride| (width / stride) * (height / stride)).sum();
    let shapes: Vec<_> = outputs.iter().map(|output| output.shape().to_vec()).collect();
    match shapes.iter().map(Vec::as_slice).collect::<Vec<_>>().as_slice() {
        [[1, rows, columns]] if *rows == cells && *columns > 5 => Ok((Layout::Grid, columns - 5, model_ms)),
        [[1, rows, columns]] if *columns == cells && *rows > 4 => Ok((Layout::Columns, rows - 4, model_ms)),
        _ => {
            let what =
                format!("the model answers {shapes:?}; [1, {cells}, 5 + classes] or [1, 4 + classes, {cells}] is read");
            Err(model_refused(
                what,
                "export it without suppression, with one output; or write a plugin: `vaern plugin new`",
            ))
        }
    }
}

/// For each class that counts: the class, and the index of its label.
type Kept = Vec<(usize, usize)>;

/// The labels in the order of their first class, and for each class that counts the index of its label.
fn labels(map: &LabelMap, classes: usize) -> Result<(Vec<Label>, Kept), Failure> {
    let mut numbered = Vec::new();
    for (class, label) in &map.classes {
        let number = class.parse::<usize>().ok().filter(|number| *number < classes);
        let number = number.ok_or_else(|| {
            Failure::usage(format!("the label map names class `{class}`; the model's classes are 0 to {}", classes - 1))
        })?;
        numbered.push((number, label));
    }
    numbered.sort();
    if numbered.is_empty() || numbered.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
        return Err(Failure::usage("the label map must name at least one class, and each once"));
    }
    let mut labels: Vec<Label> = Vec::new();
    let mut kept = Vec::new();
    for (class, label) in numbered {
        let index = labels.iter().position(|known| known == label).unwrap_or_else(|| {
            labels.push(label.clone());
            labels.len() - 1
        });
        kept.push((class, index));
    }
    Ok((labels, kept))
}

/// How each form of the family is trained to see its picture.
fn spec(layout: Layout, size: Size) -> TensorSpec {
    match layout {
        Layout::Grid => {
            TensorSpec { size, fit: Fit::LetterboxTopLeft, scale: Scale::ZeroTo255, channels: Channels::Bgr }
        }
        Layout::Columns => {
            TensorSpec { size, fit: Fit::LetterboxCentre, scale: Scale::ZeroToOne, channels: Channels::Rgb }
        }
    }
}

fn text(
    layout: Layout,
    spec: &TensorSpec,
    frame: Size,
    args: &Args,
    classes: usize,
    labels: &[Label],
    kept: &[(usize, usize)],
) -> String {
    let (fit, scale, channels) = match layout {
        Layout::Grid => ("letterbox-top-left", "zero-to-255", "bgr"),
        Layout::Columns => ("letterbox-centre", "zero-to-one", "rgb"),
    };
    let layout = layout.as_str();
    let labels = labels.iter().map(Label::as_str).collect::<Vec<_>>().join(" ");
    let kept = kept.iter().map(|(class, label)| format!("{class}:{label}")).collect::<Vec<_>>().join(" ");
    format!(
        "layout {layout}\ntensor {}x{}\nfit {fit}\nscale {scale}\nchannels {channels}\nframe {}x{}\nthreshold {}\noverlap {}\nclasses {classes}\nlabels {labels}\nkept {kept}\nend\n",
        spec.size.width(),
        spec.size.height(),
        frame.width(),
        frame.height(),
        args.threshold,
        args.overlap
    )
}

/// The component with `text` in its marked place. Where the place is not exactly as the compiler left it, nothing is
/// written: another byte must never change.
fn written(component: &[u8], text: &str) -> Result<Vec<u8>, Failure> {
    let fault = |what: &str| Failure::internal(format!("the prebuilt detector: {what}"));
    let mut places = (0..component.len()).filter(|at| component.get(*at..).is_some_and(|rest| rest.starts_with(MARK)));
    let (Some(at), None) = (places.next(), places.next()) else {
        return Err(fault("its marked place is not there once"));
    };
    let mut bytes = component.to_vec();
    let place = bytes.get_mut(at + MARK.len()..at + PLACE).ok_or_else(|| fault("its marked place is cut short"))?;
    if place.iter().any(|byte| *byte != UNWRITTEN) {
        return Err(fault("its marked place was written to already"));
    }
    let target = place.get_mut(..text.len()).ok_or_else(|| Failure::usage("too many labels and classes"))?;
    target.copy_from_slice(text.as_bytes());
    Ok(bytes)
}
