//! What verification costs: time against size, and the floor's own part. `cargo run --release -p vaern-trust --example verification`
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "an example that measures: it stops where something is wrong"
)]

use std::time::Instant;

use cap_tempfile::TempDir;
use jiff::SignedDuration;
use vaern_door::{Digest, Interface, Label, Licences, Manifest, ManifestModel, Name, Size, Version};
use vaern_trust::{
    Authority, CHANNEL_FILE, ChannelFile, ChannelSource as _, DEFAULT_MAX_STALE, PackInputs, Release, SignedFiles,
    SigningKeyPair, State, TrustRoot, sign_file,
};

const RUNS: usize = 9;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The prebuilt reference component and one model of this many bytes.
fn release(model: usize) -> TempDir {
    let component = include_bytes!("../../../plugins/prebuilt/container-model.wasm").to_vec();
    let bytes: Vec<u8> = (0..model).map(|at| (at * 31 % 251) as u8).collect();
    let manifest = Manifest {
        name: name("container-model"),
        version: Version::new("1.0.0").unwrap(),
        counter: 1,
        vendor: name("example-vision"),
        purpose: name("containere"),
        intended_use: "Measured.".into(),
        labels: vec![Label::new("affaldscontainer").unwrap()],
        capabilities: vec![Interface::Models],
        tensors: vec![],
        frame: Size::new(1280, 720).unwrap(),
        models: vec![ManifestModel { name: name("finder"), digest: Digest::of(&bytes) }],
        licences: Licences { plugin: "x".into(), model: "x".into(), training_data: "x".into() },
    };
    let dir = TempDir::new(cap_std::ambient_authority()).unwrap();
    let inputs =
        PackInputs { component, manifest, models: vec![(name("finder"), bytes)], model_card: None, sbom: None };
    vaern_trust::pack(&inputs, &dir).unwrap();
    vaern_trust::sign_vendor(&dir, &vendor()).unwrap();
    dir
}

fn vendor() -> SigningKeyPair {
    SigningKeyPair::from_seed(&[1; 32])
}

fn main() {
    let trust = TrustRoot::from_toml(&format!(
        "[approval]\nthreshold = 1\n[[roles]]\nrole = \"jura\"\nname = \"jura\"\nkey = \"{}\"\n[[vendors]]\nname = \"example-vision\"\nkey = \"{}\"\nrisk_record = {{ date = \"2026-01-01\", digest = \"{}\" }}\n",
        SigningKeyPair::from_seed(&[2; 32]).public(),
        vendor().public(),
        Digest::of(b"")
    ))
    .unwrap();
    println!("{:>12}  {:>9}  {:>9}  {:>9}  {:>10}", "model bytes", "least ms", "median ms", "most ms", "MB/s beyond");
    let mut first: Option<(usize, f64)> = None;
    for model in [0, 1 << 20, 4 << 20, 16 << 20, 64 << 20] {
        let dir = release(model);
        let mut times: Vec<f64> = (0..RUNS)
            .map(|_| {
                let start = Instant::now();
                let verified = Release::open(&dir).and_then(|release| release.verify(&trust)).unwrap();
                assert_eq!(verified.models().count(), 1);
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let (least, median, most) = (times[0], times[RUNS / 2], times[RUNS - 1]);
        let beyond = first.map_or_else(String::new, |(size, time)| {
            format!("{:.0}", (model - size) as f64 / 1e6 / ((median - time) / 1e3))
        });
        first = first.or(Some((model, median)));
        println!("{model:>12}  {least:>9.2}  {median:>9.2}  {most:>9.2}  {beyond:>10}");
    }
    let median = floor(&trust);
    println!("\nfloor opened and checked, channel read, verified and taken: {median:.2} ms (median of {RUNS})");
}

/// What a node that follows a channel pays at each start.
fn floor(trust: &TrustRoot) -> f64 {
    let [channel, state] = [(); 2].map(|()| TempDir::new(cap_std::ambient_authority()).unwrap());
    let now: jiff::Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
    let file = ChannelFile {
        channel: name("pilot"),
        sequence: 1,
        issued: now,
        expires: now + SignedDuration::from_hours(24),
        revocations: 0,
        releases: vec![],
        minimum: vec![],
        hosts: vec![],
        assigned: false,
    };
    let jura = SigningKeyPair::from_seed(&[2; 32]);
    channel.write(CHANNEL_FILE, sign_file(&file, trust, Authority::Channel, &[&jura]).unwrap()).unwrap();
    let source = SignedFiles::new(&channel);
    drop(State::enrol(&state, trust, &source.offered(trust).unwrap()).unwrap());
    let mut times: Vec<f64> = (1..=RUNS)
        .map(|run| {
            let later = now + SignedDuration::from_secs(i64::try_from(run).unwrap());
            let start = Instant::now();
            let mut state = State::open(&state).unwrap();
            state.take(&source.offered(trust).unwrap(), later, DEFAULT_MAX_STALE).unwrap();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}
