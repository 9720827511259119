//! `vaern plugin new|build|from-onnx|pack|sign|push|pull|check|inspect`: the vendor's side.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Interface, Label, Licences, Manifest, ManifestModel, Name, Size, TensorSpec, Version};
use vaern_trust::{PackInputs, Provenance};

use crate::commands::approve::signers;
use crate::failure::Failure;
use crate::output::Output;
use crate::{files, plugin_template};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a new plugin project that builds and passes its tests.
    New {
        /// Name of the plugin.
        name: Name,
        /// Folder in which the project's own folder NAME is made.
        #[arg(long = "in", default_value = ".")]
        parent: PathBuf,
    },
    /// Pack component, models, manifest and model card into a release.
    Pack {
        /// The component (`.wasm`).
        #[arg(long, required_unless_present = "module")]
        component: Option<PathBuf>,
        /// Or a core module that keeps to the world's canonical ABI, from a compiler that knows no components: the component is
        /// made around it.
        #[arg(long, conflicts_with = "component")]
        module: Option<PathBuf>,
        /// The manifest (`vaern.toml`); the files that it names are looked for beside it.
        #[arg(long)]
        manifest: PathBuf,
        /// The SBOM: CycloneDX JSON. It must agree with the list that `cargo auditable` leaves in a component.
        #[arg(long, conflicts_with = "lock")]
        sbom: Option<PathBuf>,
        /// Make the SBOM from this `Cargo.lock`, for the package that has the name of the plugin.
        #[arg(long)]
        lock: Option<PathBuf>,
        /// Directory for the release; must be empty or absent.
        #[arg(long)]
        out: PathBuf,
    },
    /// Build a project to a component, and pack the release around it. Uses the compiler that is here.
    Build(super::build::Args),
    /// Make a whole release around a detection model, without a line of code.
    FromOnnx(super::from_onnx::Args),
    /// Sign a release as its vendor.
    Sign {
        /// The release directory.
        release: PathBuf,
        /// The vendor's secret key file.
        #[arg(long)]
        key: PathBuf,
        /// How the component was made: the file that `vaern plugin build` leaves beside the component.
        #[arg(long)]
        provenance: Option<PathBuf>,
    },
    /// Push a release, its statements and its compiled code to a registry.
    Push(super::registry::PushArgs),
    /// Pull a release, and what was said of it, from a registry.
    Pull(super::registry::PullArgs),
    /// Everything that stands between a release and an approval, at once, each with the krav and the mend.
    Check(super::check::Args),
    /// One page: what a release is, and what it can and cannot do.
    Inspect {
        /// The release directory.
        release: PathBuf,
    },
}

/// `vaern.toml`: the manifest as a vendor writes it, with files instead of digests.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VendorFile {
    name: Name,
    version: Version,
    counter: u64,
    vendor: Name,
    purpose: Name,
    intended_use: String,
    labels: Vec<Label>,
    capabilities: Vec<Interface>,
    #[serde(default)]
    tensors: Vec<TensorSpec>,
    frame: Size,
    #[serde(default)]
    models: Vec<VendorModel>,
    #[serde(default)]
    model_card: Option<PathBuf>,
    licences: Licences,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VendorModel {
    name: Name,
    file: PathBuf,
}

/// No vendor's file has reason to be larger; the profile of the city sets its own limits.
const MAX_PART_BYTES: u64 = 512 << 20;

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::New { name, parent } => new(name, parent, output),
        Command::Pack { component, module, manifest, sbom, lock, out } => {
            let component = match (component, module) {
                (Some(path), _) => files::read("component", path, MAX_PART_BYTES)?,
                (None, Some(path)) => super::build::around(&files::read("core module", path, MAX_PART_BYTES)?)?,
                (None, None) => return Err(Failure::usage("name a --component or a --module")),
            };
            let text = files::read("manifest", manifest, 1 << 20)?;
            let beside = manifest.parent().unwrap_or_else(|| Path::new(""));
            let mut inputs = inputs(component, &text, |file| {
                files::read("part of the release", &beside.join(file), MAX_PART_BYTES)
            })?;
            inputs.sbom = match (sbom, lock) {
                (Some(file), _) => Some(files::read("SBOM", file, 1 << 20)?),
                (None, Some(file)) => Some(sbom_of(&files::read("lock file", file, 16 << 20)?, &inputs.manifest.name)?),
                (None, None) => None,
            };
            let digest = pack(&inputs, out)?;
            let lines = format!(
                "Packed {}\n  release  {}\n  next     vaern plugin sign {0} --key YOUR.secret.toml",
                out.display(),
                digest
            );
            output.result(&Packed { release: digest }, &lines)
        }
        Command::Sign { release, key, provenance } => {
            let dir = files::open_dir("release", release)?;
            let pairs = signers(std::slice::from_ref(key))?;
            let Some((owner, pair)) = pairs.first() else {
                return Err(Failure::usage("no key was given"));
            };
            // The build first: what it says may be about another component, and then nothing is signed.
            let mut lines = String::new();
            if let Some(path) = provenance {
                let made = Provenance::read(&files::read("provenance", path, 1 << 20)?)?;
                vaern_trust::sign_provenance(&dir, &made, pair)?;
                lines = format!("\n  made by  {}", made.compiler().unwrap_or_default());
            }
            let digest = vaern_trust::sign_vendor(&dir, pair)?;
            output.result(&Packed { release: digest }, &format!("Signed {digest} as {}{lines}", owner.name))
        }
        Command::Build(args) => super::build::run(args, output),
        Command::FromOnnx(args) => super::from_onnx::run(args, output),
        Command::Push(args) => super::registry::push(args, output),
        Command::Pull(args) => super::registry::pull(args, output),
        Command::Check(args) => super::check::run(args, output),
        Command::Inspect { release } => inspect(release, output),
    }
}

#[derive(Serialize)]
struct Packed {
    release: Digest,
}

fn new(name: &Name, parent: &Path, output: &Output) -> Result<(), Failure> {
    let path = parent.join(name.as_str());
    let dir = files::open_dir("parent", parent)?;
    plugin_template::write(&dir, name).map_err(|e| Failure::file("cannot write the project", &path, &e))?;
    let lines = format!(
        "Made {0}\n  test     cd {0} && cargo test\n  read     {0}/README.md says how to build, pack and sign it",
        path.display()
    );
    output.result(&serde_json::json!({ "project": path }), &lines)
}

/// Turns a vendor's manifest file into the inputs of a release. `read` fetches the files that it names.
pub(crate) fn inputs(
    component: Vec<u8>,
    manifest: &[u8],
    read: impl Fn(&Path) -> Result<Vec<u8>, Failure>,
) -> Result<PackInputs, Failure> {
    let text = std::str::from_utf8(manifest).map_err(|_| Failure::usage("the manifest is not UTF-8"))?;
    let file: VendorFile = toml::from_str(text).map_err(|e| {
        let what = format!("the manifest is not valid: {e}");
        Failure::refused(what, vaern_door::Krav("LEV-06"), vaern_door::Blame::Vendor)
    })?;
    let mut models = Vec::new();
    let mut entries = Vec::new();
    for model in file.models {
        let bytes = read(&model.file)?;
        entries.push(ManifestModel { name: model.name.clone(), digest: Digest::of(&bytes) });
        models.push((model.name, bytes));
    }
    let model_card = match &file.model_card {
        None => None,
        Some(path) => {
            let card = String::from_utf8(read(path)?).map_err(|_| Failure::usage("the model card is not UTF-8"))?;
            Some(card)
        }
    };
    let manifest = Manifest {
        name: file.name,
        version: file.version,
        counter: file.counter,
        vendor: file.vendor,
        purpose: file.purpose,
        intended_use: file.intended_use,
        labels: file.labels,
        capabilities: file.capabilities,
        tensors: file.tensors,
        frame: file.frame,
        models: entries,
        licences: file.licences,
    };
    Ok(PackInputs { component, manifest, models, model_card, sbom: None })
}

/// The SBOM of a plugin from the lock file that it was built with.
pub(crate) fn sbom_of(lock: &[u8], plugin: &Name) -> Result<Vec<u8>, Failure> {
    let text = std::str::from_utf8(lock).map_err(|_| Failure::usage("the lock file is not UTF-8"))?;
    Ok(vaern_trust::sbom_from_cargo_lock(text, plugin.as_str())?)
}

/// Packs into a directory that is made where it is absent.
pub(crate) fn pack(inputs: &PackInputs, out: &Path) -> Result<Digest, Failure> {
    let dir = files::make_dir("release", out)?;
    Ok(vaern_trust::pack(inputs, &dir)?)
}

fn inspect(release: &Path, output: &Output) -> Result<(), Failure> {
    let dir = files::open_dir("release", release)?;
    let (digest, contents) = vaern_trust::inspect(&dir)?;
    let manifest = &contents.manifest;
    let can = |interface: Interface, yes: &str, no: &str| {
        if manifest.capabilities.contains(&interface) { format!("  +  {yes}\n") } else { format!("  -  {no}\n") }
    };
    let mut lines = format!(
        "{} {} (counter {}) by {}\n  release  {digest}\n  purpose  {}\n  labels   {}\n\nWhat it asks for:\n",
        manifest.name,
        manifest.version,
        manifest.counter,
        manifest.vendor,
        manifest.purpose,
        manifest.labels.iter().map(Label::as_str).collect::<Vec<_>>().join(", "),
    );
    lines += &can(Interface::Pixels, "reads the masked pixels", "reads no pixel: it is pixel-blind");
    lines += &can(Interface::Zoom, "asks for native resolution of masked regions", "no zoom");
    lines += &can(Interface::Models, "runs the models of its own release", "runs no model");
    lines += &can(Interface::Diagnostics, "writes diagnostics (never in operation)", "writes nothing");
    lines += "\nWhat no plugin can do: see an unmasked frame, a position or a time; open a file or a connection;\nremember anything from one frame to the next; answer with anything but labelled boxes.\n\nImports, recomputed from the binary:\n";
    for import in &contents.ports.imports {
        lines += &format!("  {import}\n");
    }
    lines += &format!(
        "\nWhat comes with it:\n  licences    plugin {}; model {}; training data {}\n  model card  {}\n  SBOM        {}\n",
        manifest.licences.plugin,
        manifest.licences.model,
        manifest.licences.training_data,
        contents.model_card.as_ref().map_or("none".to_owned(), |card| format!("{} bytes", card.len())),
        match (&contents.sbom, &contents.ports.packages) {
            (None, _) => "none",
            (Some(_), None) => "CycloneDX; the component holds no list of its own to compare it with",
            (Some(_), Some(_)) => "CycloneDX, the same as the list inside the component",
        },
    );
    output.result(
        &serde_json::json!({ "release": digest, "manifest": manifest, "imports": contents.ports.imports }),
        &lines,
    )
}
