//! `vaern plugin check REL`: everything that stands between a release and an approval, at once, each with the krav and
//! the mend. Nothing of it is a grant: the city runs its own suite.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::Dir;
use serde::Serialize;
use vaern_door::{Digest, Interface, Krav, Name};
use vaern_inference::{Model, ModelLimits};
use vaern_policy::PolicySet;
use vaern_sandbox::{InProcess, ReceivedFrame, Runner as _};
use vaern_trust::{Contents, Release, ReleaseError, SigError, Verified};

use crate::commands::gate::{self, Engine, Purpose, trust_root};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

/// Frames that the plugin is shown to see how long it takes; the first warms up and is not counted.
const FRAMES: usize = 4;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The release directory.
    release: PathBuf,
    /// The city's policy directory: labels, capabilities, sizes and times are held against it.
    #[arg(long)]
    policies: Option<PathBuf>,
    /// The trust root: the vendor's signature is held against it.
    #[arg(long)]
    trust: Option<PathBuf>,
    #[command(flatten)]
    purpose: Purpose,
    #[command(flatten)]
    engine: Engine,
}

/// One thing that is wrong, or that the city will ask about.
#[derive(Debug, Serialize)]
struct Finding {
    /// Whether the release is refused for it.
    refused: bool,
    what: String,
    krav: Krav,
    mend: String,
}

#[derive(Serialize)]
struct Checked {
    release: Option<Digest>,
    findings: Vec<Finding>,
    not_checked: Vec<&'static str>,
    /// Milliseconds for one frame of the wanted size, the slowest of a few, and the city's deadline.
    slowest_ms: Option<u64>,
    deadline_ms: Option<u32>,
}

impl Checked {
    fn refuse(&mut self, what: impl Into<String>, krav: Krav, mend: impl Into<String>) {
        self.findings.push(Finding { refused: true, what: what.into(), krav, mend: mend.into() });
    }

    fn ask(&mut self, what: impl Into<String>, krav: &'static str, mend: impl Into<String>) {
        self.findings.push(Finding { refused: false, what: what.into(), krav: Krav(krav), mend: mend.into() });
    }
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let dir = files::open_dir("release", &args.release)?;
    let mut checked =
        Checked { release: None, findings: Vec::new(), not_checked: Vec::new(), slowest_ms: None, deadline_ms: None };
    match vaern_trust::inspect(&dir) {
        // What cannot be read cannot be looked at further.
        Err(error) => checked.refuse(error.to_string(), error.krav(), error.mend()),
        Ok((digest, contents)) => {
            checked.release = Some(digest);
            declared(&contents, &mut checked);
            let signed = signature(&dir, args, &mut checked)?;
            match &args.policies {
                None => checked.not_checked.push("labels, capabilities, limits and times: name a city's --policies"),
                Some(path) => {
                    let set = gate::policy_set(path, &args.purpose)?;
                    under_policy(&contents, &set, args, &mut checked)?;
                    own_tests(signed.as_ref(), &set, &mut checked);
                }
            }
        }
    }
    let lines = lines(&checked);
    let refused = checked.findings.iter().filter(|finding| finding.refused).count();
    output.result(&checked, &lines)?;
    if refused == 0 || !vaern_door::guard::stands("check.refused") {
        return Ok(());
    }
    let krav = checked.findings.iter().find(|f| f.refused).map_or(Krav("LEV-01"), |f| f.krav);
    Err(Failure::refused(
        format!("{refused} finding(s) would have this release refused"),
        krav,
        vaern_door::Blame::Vendor,
    )
    .mend("mend them in any order, pack and sign anew, and check again"))
}

/// What the vendor says and leaves out.
fn declared(contents: &Contents, checked: &mut Checked) {
    let manifest = &contents.manifest;
    for (empty, what) in [
        (manifest.intended_use.trim().is_empty(), "intended use"),
        (manifest.licences.plugin.trim().is_empty(), "licence of the plugin"),
        (manifest.licences.model.trim().is_empty() && !manifest.models.is_empty(), "licence of the models"),
        (
            manifest.licences.training_data.trim().is_empty() && !manifest.models.is_empty(),
            "licence of the training data",
        ),
    ] {
        if empty {
            let krav = if what == "intended use" { "LEV-06" } else { "LEV-07" };
            checked.refuse(format!("the manifest says nothing of the {what}"), Krav(krav), "say it in vaern.toml");
        }
    }
    if !manifest.models.is_empty() && contents.model_card.as_ref().is_none_or(|card| card.trim().is_empty()) {
        let mend = "write what the model was trained on, what it finds and misses, and name the file as `model_card`";
        checked.ask("there is no model card", "LEV-02", mend);
    }
    if contents.sbom.is_none() {
        checked.ask("there is no SBOM", "LEV-02", "pack with --lock Cargo.lock, or with --sbom FILE");
    } else if contents.ports.packages.is_none() {
        let mend = "build with `cargo auditable` to let the component itself say what is in it";
        checked.ask("the SBOM cannot be compared: the component holds no list of its packages", "LEV-02", mend);
    }
    for asked in manifest.capabilities.iter().filter(|asked| !contents.ports.needs.contains(asked)) {
        let what = format!("`{}` is asked for, and the component never calls it", asked.as_str());
        checked.ask(what, "LEV-06", "take it out of `capabilities`: the city grants what is used");
    }
    if manifest.capabilities.contains(&Interface::Pixels) {
        let mend = "a plugin that only calls `model.infer-frame` needs no pixel, and the city prefers it";
        checked.ask("the plugin asks to see pixels", "MIN-05", mend);
    }
}

fn signature(dir: &Dir, args: &Args, checked: &mut Checked) -> Result<Option<Release<Verified>>, Failure> {
    let Some(path) = &args.trust else {
        checked.not_checked.push("the vendor's signature: name the city's --trust");
        return Ok(None);
    };
    let trust = trust_root(path)?;
    match vaern_trust::Release::open(dir).and_then(|release| release.verify(&trust)) {
        Err(error) => {
            checked.refuse(error.to_string(), error.krav(), error.mend());
            Ok(None)
        }
        Ok(release) => {
            match release.provenance() {
                Ok(_) => {}
                Err(ReleaseError::Provenance(SigError::Unsigned)) => {
                    let mend = "sign with --provenance what `vaern plugin build` left beside the component";
                    checked.ask("the vendor does not say how it was built", "LEV-02", mend);
                }
                Err(error) => checked.refuse(error.to_string(), error.krav(), error.mend()),
            }
            Ok(Some(release))
        }
    }
}

/// Where the city's profile asks for it, the vendor's own signed run of the suite. A signature that does not hold was told before.
fn own_tests(release: Option<&Release<Verified>>, set: &PolicySet, checked: &mut Checked) {
    let Some(release) = release.filter(|_| set.profile.approval.vendor_result) else { return };
    match release.vendors_result(&set.purpose.catalogue) {
        Ok(Some(_)) => {}
        Ok(None) => {
            let mend = "run `vaern conform --profile vendor` on this release, with --vendor-key";
            checked.refuse("its vendor signed no result of the suite".to_owned(), Krav("LEV-01"), mend);
        }
        Err(error) => checked.refuse(error.to_string(), error.krav(), error.mend()),
    }
}

/// What the city's numbers say: grants, models, component, and the time of a frame.
fn under_policy(contents: &Contents, set: &PolicySet, args: &Args, checked: &mut Checked) -> Result<(), Failure> {
    let manifest = &contents.manifest;
    for label in manifest.labels.iter().filter(|label| !set.purpose.vocabulary.contains(label)) {
        let krav = Krav("STD-03");
        checked.refuse(
            format!("`{label}` is not in the city's vocabulary for `{}`", set.purpose.name),
            krav,
            "use the city's labels",
        );
    }
    let backend = args.engine.open()?;
    let limits = ModelLimits { bytes: set.profile.limits.model_bytes, ..ModelLimits::default() };
    let mut models: BTreeMap<Name, Arc<dyn Model>> = BTreeMap::new();
    for (name, bytes) in &contents.models {
        let mend =
            "export it with fixed shapes, the usual operators, within the node's size, and with boxes for answers";
        match vaern_inference::named_classes(bytes) {
            Ok(classes) => {
                if let Err(error) = set.classes(name, &classes) {
                    checked.refuse(error.to_string(), error.krav(), error.mend());
                }
            }
            Err(reason) => checked.refuse(format!("the model `{name}`: {reason}"), Krav("CYB-01"), mend),
        }
        match vaern_inference::load_vendors(backend.as_ref(), bytes, &limits) {
            Ok(model) => drop(models.insert(name.clone(), model)),
            Err(error) => checked.refuse(format!("the model `{name}`: {error}"), error.krav(), mend),
        }
    }
    let grants = match set.grants(manifest) {
        Ok(grants) => grants,
        Err(error) => {
            // A label was told above, each of them.
            if !matches!(error, vaern_policy::PolicyError::UnknownLabel { .. }) {
                checked.refuse(error.to_string(), error.krav(), "ask for no more than the city's profile gives");
            }
            return Ok(());
        }
    };
    checked.deadline_ms = Some(grants.limits.deadline_ms);
    let frame = grants.frame;
    let run = || {
        let engine = vaern_sandbox::Engine::new()?;
        let compiled = engine.compile(&contents.component, &grants.limits)?;
        let mut runner = InProcess::new(&engine, &compiled, Arc::new(grants.clone()), models.clone())?;
        let grey: Arc<[u8]> = vec![114; frame.rgb_bytes()].into();
        let picture = ReceivedFrame::new(frame, grey, Arc::from([]), None)?;
        let mut slowest = 0;
        for number in 0..FRAMES {
            let wall = runner.detect(&picture)?.usage.wall.as_millis();
            if number > 0 {
                slowest = slowest.max(u64::try_from(wall).unwrap_or(u64::MAX));
            }
        }
        Ok::<u64, vaern_sandbox::SandboxError>(slowest)
    };
    // With a model missing the plugin would only fail at it a second time.
    if models.len() < contents.models.len() {
        return Ok(());
    }
    match run() {
        Ok(slowest) => {
            checked.slowest_ms = Some(slowest);
            let deadline = u64::from(grants.limits.deadline_ms);
            if slowest.saturating_mul(2) > deadline {
                let what = format!("one frame took {slowest} ms here; the city's deadline is {deadline} ms");
                checked.ask(
                    what,
                    "STD-02",
                    "leave headroom: a slower node stops what overruns. Use a smaller model or tensor",
                );
            }
        }
        Err(error) => checked.refuse(
            error.to_string(),
            error.krav(),
            "run it at home with `cargo test` and the SDK's fake frames",
        ),
    }
    Ok(())
}

fn lines(checked: &Checked) -> String {
    let mut text = match checked.release {
        Some(release) => format!("{release}\n"),
        None => String::new(),
    };
    for finding in &checked.findings {
        let mark = if finding.refused { "x" } else { "?" };
        let _ = writeln!(text, "  {mark}  {}\n       {}  {}", finding.what, finding.krav, finding.mend);
    }
    if let (Some(slowest), Some(deadline)) = (checked.slowest_ms, checked.deadline_ms) {
        let times = u64::from(deadline).checked_div(slowest.max(1)).unwrap_or_default();
        let _ = writeln!(
            text,
            "  +  one frame in {slowest} ms at most; the deadline of {deadline} ms is {times} times that"
        );
    }
    for what in &checked.not_checked {
        let _ = writeln!(text, "  -  not checked: {what}");
    }
    if checked.findings.is_empty() {
        text += "  +  nothing to mend\n";
    }
    text
}
