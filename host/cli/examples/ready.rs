//! How long until a release can look at its first frame: verified, its code taken or compiled, its worker locked down.
//! `cargo run --release -p vaern --example ready`
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "an example that measures: it stops where something is wrong"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use cap_std::fs::Dir;
use vaern_door::{
    Digest, Grants, Interface, Label, Licences, Limits, Manifest, ManifestModel, Name, OutputRules, Size, TensorSpec,
    Version,
};
use vaern_sandbox::wall::{self, Launch, Vendor, Wall, WallSettings, WorkerSetup};
use vaern_trust::{ApprovalDraft, Approved, Dpia, PackInputs, Release, SigningKeyPair, TrustRoot};

const RUNS: usize = 15;

const LIMITS: Limits = Limits {
    memory_bytes: 64 << 20,
    table_elements: 10_000,
    instances: 16,
    deadline_ms: 10_000,
    hostcall_bytes: 1 << 20,
    handles: 64,
    stack_bytes: 1 << 20,
    log_bytes: 0,
    zoom_pixels: 0,
    component_bytes: 4 << 20,
    model_bytes: 4 << 20,
};

#[derive(serde::Deserialize)]
struct Declared {
    labels: Vec<Label>,
    #[serde(default)]
    tensors: Vec<TensorSpec>,
    capabilities: Vec<Interface>,
    frame: Size,
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn vendors() -> SigningKeyPair {
    SigningKeyPair::from_seed(&[1; 32])
}

fn jura() -> SigningKeyPair {
    SigningKeyPair::from_seed(&[2; 32])
}

fn now() -> jiff::Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn trust() -> TrustRoot {
    let (jura, vendor, none) = (jura().public(), vendors().public(), Digest::of(b""));
    TrustRoot::from_toml(&format!(
        r#"
        approval = {{ threshold = 1 }}
        roles = [{{ role = "jura", name = "jura", key = "{jura}" }}]
        [[vendors]]
        name = "example-vision"
        key = "{vendor}"
        risk_record = {{ date = "2026-01-01", digest = "{none}" }}
        "#
    ))
    .unwrap()
}

fn draft() -> ApprovalDraft {
    let none = Digest::of(b"");
    toml::from_str(&format!(
        r#"
        purpose = "containere"
        legal_basis = "measured"
        catalogue = "1.0.0"
        policy = "pilot"
        not_before = "2026-01-01T00:00:00Z"
        expires = "2036-01-01T00:00:00Z"
        responsible = {{ unit = "measured", manager = "measured" }}
        dpo_advice = {{ date = "2026-01-01", digest = "{none}", reply = "measured" }}
        "#
    ))
    .unwrap()
}

/// A reference plugin, packed, signed, approved, compiled and vouched for.
struct Ready {
    _temp: tempfile::TempDir,
    dir: Dir,
    grants: Arc<Grants>,
}

fn ready(plugin: &str, model: Option<&str>, settings: &WallSettings) -> Ready {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let component = std::fs::read(root.join(format!("plugins/prebuilt/{plugin}.wasm"))).unwrap();
    let text = std::fs::read_to_string(root.join(format!("plugins/{plugin}/vaern.toml"))).unwrap();
    let declared: Declared = toml::from_str(&text).unwrap();
    let read = |model: &str| (name(model), std::fs::read(root.join(format!("models/{model}.onnx"))).unwrap());
    let models: Vec<(Name, Vec<u8>)> = model.map(read).into_iter().collect();
    let listed = models.iter().map(|(name, bytes)| ManifestModel { name: name.clone(), digest: Digest::of(bytes) });
    let manifest = Manifest {
        name: name(plugin),
        version: Version::new("1.0.0").unwrap(),
        counter: 1,
        vendor: name("example-vision"),
        purpose: name("containere"),
        intended_use: "Measured.".into(),
        labels: declared.labels.clone(),
        capabilities: declared.capabilities.clone(),
        tensors: declared.tensors.clone(),
        frame: declared.frame,
        models: listed.collect(),
        licences: Licences { plugin: "x".into(), model: "x".into(), training_data: "x".into() },
    };
    let output = OutputRules {
        grid: 8,
        score_steps: 16,
        min_score: 0,
        max_detections: 64,
        bits_per_frame: 4000,
        bits_per_hour: 20_000,
    };
    let grants = Grants {
        interfaces: declared.capabilities.into_iter().collect(),
        frame: declared.frame,
        tensors: declared.tensors,
        labels: declared.labels,
        limits: LIMITS,
        output,
    };
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), cap_std::ambient_authority()).unwrap();
    let inputs = PackInputs { component: component.clone(), manifest, models, model_card: None, sbom: None };
    vaern_trust::pack(&inputs, &dir).unwrap();
    vaern_trust::sign_vendor(&dir, &vendors()).unwrap();
    let dpia = "date = \"2026-01-01\"\nresidual_risk = \"lav\"\ndescription = \"a\"\nnecessity = \"b\"\nrisks = \"c\"\nmeasures = \"d\"\n";
    let dpia = Dpia::read(dpia.as_bytes()).unwrap();
    vaern_trust::approve(&dir, &trust(), &draft(), &dpia, &[(&name("jura"), &jura())], now()).unwrap();
    let begun = Instant::now();
    let code = wall::compile(settings, &component, &LIMITS).unwrap();
    let took = begun.elapsed().as_secs_f64() * 1e3;
    vaern_trust::sign_compiled(&dir, &trust(), wall::engine(), &code, &[&jura()]).unwrap();
    println!(
        "{plugin}: component {} KiB, code {} KiB, compiled by the city in {took:.0} ms",
        component.len() >> 10,
        code.len() >> 10
    );
    Ready { _temp: temp, dir, grants: Arc::new(grants) }
}

impl Ready {
    fn verified(&self) -> Release<Approved> {
        vaern_trust::verify(&self.dir, &trust(), now(), &name("containere")).unwrap()
    }

    fn vendor(&self, release: &Release<Approved>) -> Vendor {
        let models: BTreeMap<Name, Vec<u8>> =
            release.models().map(|(name, bytes)| (name.clone(), bytes.to_vec())).collect();
        Vendor { component: release.component().to_vec(), models, grants: Arc::clone(&self.grants) }
    }
}

fn line(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    println!("  {what:<58} {:>7.2} {:>7.2} {:>7.2}", times[0], times[RUNS / 2], times[RUNS - 1]);
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "worker") {
        let memory_bytes = args[3].parse().unwrap();
        return wall::worker(&WorkerSetup { runtime: None, memory_bytes, probe: None });
    }
    let settings = WallSettings::strict(Launch::this_program("worker", None));
    println!("{:<60} {:>7} {:>7} {:>7}  ms, of {RUNS}", "", "least", "median", "most");
    for (plugin, model) in [("container-classic", None), ("container-model", Some("container"))] {
        let ready = ready(plugin, model, &settings);
        let (mut verify, mut taken, mut compiled) = (vec![], vec![], vec![]);
        for _ in 0..RUNS {
            let begun = Instant::now();
            let release = ready.verified();
            let code = release.compiled(&trust(), &wall::engine()).unwrap();
            verify.push(begun.elapsed().as_secs_f64() * 1e3);
            let wall = Wall::with_code(settings.clone(), ready.vendor(&release), &code).unwrap();
            taken.push(begun.elapsed().as_secs_f64() * 1e3);
            drop(wall);
            let begun = Instant::now();
            let release = ready.verified();
            let wall = Wall::build(settings.clone(), ready.vendor(&release)).unwrap();
            compiled.push(begun.elapsed().as_secs_f64() * 1e3);
            drop(wall);
        }
        line("verify release and code", verify);
        line("verify, then load the code in a fresh walled worker", taken);
        line("verify, then compile in a fresh walled worker", compiled);
    }
    ExitCode::SUCCESS
}
