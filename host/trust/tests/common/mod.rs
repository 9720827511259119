//! A small release, its keys and its trust root, and the tools to spoil them.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cap_tempfile::TempDir;
use jiff::Timestamp;
use serde_json::{Value, json};
use vaern_door::{Digest, Interface, Label, Licences, Manifest, ManifestModel, Name, Size, Version};
use vaern_trust::{
    ApprovalDraft, ApprovalRule, Dpia, DpoAdvice, EngineId, Envelope, KravId, PackInputs, Responsible, RiskRecord,
    RoleEntry, RootKey, RootRule, SigningKeyPair, TrustRoot, TrustRootFile, VendorEntry,
};

pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn now() -> Timestamp {
    time("2026-06-01T12:00:00Z")
}

/// The smallest component that offers the plugin interface by name.
pub fn tiny() -> Vec<u8> {
    wat::parse_str(r#"(component (instance $i) (export "tmf:vision/plugin@0.1.0" (instance $i)))"#).unwrap()
}

/// A component of this repository's own world that imports every function for which `keep` says yes.
pub fn from_wit(keep: impl Fn(&str) -> bool) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/vision.wit");
    let text: String = std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .filter(|line| !line.trim_start().starts_with("///"))
        .filter(|line| {
            let function = line.trim().split_once(": func(").map(|(name, _)| name);
            function.is_none_or(&keep)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("vision.wit", &text).unwrap();
    let world = resolve.select_world(&[package], Some("vision-plugin")).unwrap();
    let mut module = wit_component::dummy_module(&resolve, world, wit_parser::ManglingAndAbi::Standard32);
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8, false)
        .unwrap();
    wit_component::ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

pub fn manifest(models: &[(Name, Vec<u8>)]) -> Manifest {
    Manifest {
        name: name("container-model"),
        version: Version::new("1.4.0").unwrap(),
        counter: 4,
        vendor: name("example-vision"),
        purpose: name("containere"),
        intended_use: "Finds waste containers.".into(),
        labels: vec![Label::new("affaldscontainer").unwrap()],
        capabilities: vec![Interface::Models],
        tensors: vec![],
        frame: Size::new(640, 360).unwrap(),
        models: models
            .iter()
            .map(|(name, bytes)| ManifestModel { name: name.clone(), digest: Digest::of(bytes) })
            .collect(),
        licences: Licences { plugin: "Apache-2.0".into(), model: "Apache-2.0".into(), training_data: "CC0-1.0".into() },
    }
}

pub fn inputs() -> PackInputs {
    let models = vec![(name("finder"), b"model bytes".to_vec())];
    PackInputs {
        component: tiny(),
        manifest: manifest(&models),
        models,
        model_card: Some("# Card\n".into()),
        sbom: Some(br#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[]}"#.to_vec()),
    }
}

pub fn draft() -> ApprovalDraft {
    ApprovalDraft {
        purpose: name("containere"),
        legal_basis: Some("GDPR art. 6(1)(e)".into()),
        catalogue: Version::new("1.0.0").unwrap(),
        policy: name("pilot"),
        host_line: None,
        gate: None,
        dpia: None,
        responsible: Some(Responsible { unit: "Byens Anvendelse".into(), manager: "enhedschef".into() }),
        dpo_advice: Some(DpoAdvice {
            date: "2026-03-10".parse().unwrap(),
            digest: Digest::of(b"advice"),
            reply: "Rådet følges.".into(),
        }),
        not_before: time("2026-04-01T00:00:00Z"),
        expires: Some(time("2027-04-01T00:00:00Z")),
        examined: [KravId::new("LEV-01").unwrap()].into(),
    }
}

/// A record with this residual risk.
pub fn dpia_of(risk: &str) -> Dpia {
    let text = format!(
        "date = \"2026-03-01\"\nresidual_risk = \"{risk}\"\ndescription = \"a\"\nnecessity = \"b\"\nrisks = \"c\"\nmeasures = \"d\"\n"
    );
    Dpia::read(text.as_bytes()).unwrap()
}

pub fn dpia() -> Dpia {
    dpia_of("lav")
}

/// The engine of the machine at hand.
pub fn engine() -> EngineId {
    EngineId {
        version: "wasmtime 48.0.8".into(),
        settings: Digest::of(b"settings"),
        target: "x86_64-linux-gnu".into(),
        cpu: ["avx2".to_owned()].into(),
    }
}

/// Keys by a number, so that each test reads the same.
pub fn key(seed: u8) -> SigningKeyPair {
    SigningKeyPair::from_seed(&[seed; 32])
}

pub fn vendor() -> SigningKeyPair {
    key(1)
}
pub fn other_vendor() -> SigningKeyPair {
    key(2)
}
pub fn jura() -> SigningKeyPair {
    key(11)
}
pub fn jura_too() -> SigningKeyPair {
    key(12)
}
pub fn sikkerhed() -> SigningKeyPair {
    key(13)
}
pub fn drift() -> SigningKeyPair {
    key(14)
}
pub fn dpo() -> SigningKeyPair {
    key(15)
}
pub fn stranger() -> SigningKeyPair {
    key(99)
}

/// One of three keys of the root.
pub fn root(number: u8) -> SigningKeyPair {
    key(60 + number)
}

pub fn root_key(number: u8) -> RootKey {
    RootKey { name: name(&format!("root-{number}")), key: root(number).public().to_string() }
}

pub fn trust_file() -> TrustRootFile {
    let vendor_entry = |text: &str, pair: &SigningKeyPair| VendorEntry {
        name: name(text),
        key: pair.public().to_string(),
        risk_record: Some(RiskRecord { date: "2026-01-10".parse().unwrap(), digest: Digest::of(b"risk") }),
        retired: vec![],
    };
    let role = |role: &str, holder: &str, pair: &SigningKeyPair| RoleEntry {
        role: name(role),
        name: name(holder),
        key: pair.public().to_string(),
        retired: false,
    };
    TrustRootFile {
        version: None,
        vendors: vec![vendor_entry("example-vision", &vendor()), vendor_entry("other-vision", &other_vendor())],
        roles: vec![
            role("jura", "jura-1", &jura()),
            role("jura", "jura-2", &jura_too()),
            role("it-sikkerhed", "sikkerhed-1", &sikkerhed()),
            role("drift", "drift-1", &drift()),
            role("dpo", "dpo-1", &dpo()),
        ],
        approval: ApprovalRule { threshold: 2, roles: vec![name("jura")] },
        channel: Some(ApprovalRule { threshold: 1, roles: vec![name("drift")] }),
        revocation: None,
        compiled: None,
        root: Some(RootRule { threshold: 2, keys: [1, 2, 3].map(root_key).into() }),
    }
}

pub fn trust() -> TrustRoot {
    TrustRoot::new(&trust_file()).unwrap()
}

/// An empty folder, in memory where there is some: thousands of synced files would wait for the disk, and what a disk
/// loses is tested elsewhere.
pub fn room() -> TempDir {
    let memory = cap_std::fs::Dir::open_ambient_dir("/dev/shm", cap_std::ambient_authority());
    let made = memory.and_then(|memory| TempDir::new_in(&memory));
    made.or_else(|_| TempDir::new(cap_std::ambient_authority())).unwrap()
}

/// Packed, not signed.
pub fn packed() -> TempDir {
    let dir = room();
    vaern_trust::pack(&inputs(), &dir).unwrap();
    dir
}

/// Packed and signed by the vendor.
pub fn signed() -> TempDir {
    let dir = packed();
    vaern_trust::sign_vendor(&dir, &vendor()).unwrap();
    dir
}

/// Approved by two roles.
pub fn approved() -> TempDir {
    let dir = signed();
    let signers = [(&name("jura"), &jura()), (&name("it-sikkerhed"), &sikkerhed())];
    vaern_trust::approve(&dir, &trust(), &draft(), &dpia(), &signers, now()).unwrap();
    dir
}

pub fn verify(dir: &cap_std::fs::Dir) -> Result<Digest, vaern_trust::ReleaseError> {
    vaern_trust::verify(dir, &trust(), now(), &name("containere")).map(|release| release.digest())
}

// Spoiling tools: they write the layout by hand, with right digests, so that only the spoiled part is wrong.

pub fn put(dir: &cap_std::fs::Dir, bytes: &[u8]) -> (String, u64) {
    let digest = Digest::of(bytes);
    dir.write(format!("blobs/sha256/{}", digest.hex()), bytes).unwrap();
    (digest.to_string(), bytes.len() as u64)
}

pub fn put_json(dir: &cap_std::fs::Dir, value: &Value) -> (String, u64) {
    put(dir, &serde_json::to_vec(value).unwrap())
}

pub fn read_index(dir: &cap_std::fs::Dir) -> Value {
    serde_json::from_slice(&dir.read("index.json").unwrap()).unwrap()
}

pub fn write_index(dir: &cap_std::fs::Dir, index: &Value) {
    dir.write("index.json", serde_json::to_vec(index).unwrap()).unwrap();
}

pub fn blob(dir: &cap_std::fs::Dir, descriptor: &Value) -> Vec<u8> {
    let digest: Digest = descriptor["digest"].as_str().unwrap().parse().unwrap();
    dir.read(format!("blobs/sha256/{}", digest.hex())).unwrap()
}

/// Changes the JSON blob that `descriptor` names and lets the descriptor name the new one.
pub fn edit(dir: &cap_std::fs::Dir, descriptor: &mut Value, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&blob(dir, descriptor)).unwrap();
    change(&mut value);
    let (digest, size) = put_json(dir, &value);
    descriptor["digest"] = digest.into();
    descriptor["size"] = size.into();
}

/// Changes the release index; its statements are dropped.
pub fn edit_release(dir: &cap_std::fs::Dir, change: impl FnOnce(&mut Value)) {
    let mut index = read_index(dir);
    let mut release = index["manifests"][0].clone();
    edit(dir, &mut release, change);
    index["manifests"] = json!([release]);
    write_index(dir, &index);
}

/// The position of a part of the release index by its artifact type; the component has none.
pub fn part(release: &Value, artifact_type: Option<&str>) -> usize {
    let parts = release["manifests"].as_array().unwrap();
    parts.iter().position(|p| p["artifactType"].as_str() == artifact_type).unwrap()
}

/// Digest and name of the release in the layout.
pub fn release_of(dir: &cap_std::fs::Dir) -> (String, String) {
    let release = &read_index(dir)["manifests"][0];
    let title = release["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap();
    (release["digest"].as_str().unwrap().to_owned(), title.to_owned())
}

/// A statement about the release in `dir`.
pub fn statement(dir: &cap_std::fs::Dir, predicate_type: &str, predicate: &Value) -> Value {
    let (digest, title) = release_of(dir);
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": title, "digest": {"sha256": digest.strip_prefix("sha256:").unwrap()}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    })
}

pub fn envelope(statement: &Value, pairs: &[&SigningKeyPair]) -> Value {
    let payload = serde_json::to_vec(statement).unwrap();
    serde_json::from_slice(&Envelope::sign(PAYLOAD_TYPE, payload, pairs).encode().unwrap()).unwrap()
}

/// Files an envelope under the release, as `kind`.
pub fn file(dir: &cap_std::fs::Dir, kind: &str, envelope: &Value) {
    let mut index = read_index(dir);
    let release = &index["manifests"][0];
    let subject = json!({"mediaType": INDEX, "digest": release["digest"], "size": release["size"]});
    let (empty, _) = put(dir, b"{}");
    let (layer, size) = put_json(dir, envelope);
    let (digest, length) = put_json(
        dir,
        &json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": DSSE,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
            "layers": [{"mediaType": DSSE, "digest": layer, "size": size}],
            "subject": subject,
        }),
    );
    index["manifests"].as_array_mut().unwrap().push(json!({
        "mediaType": MANIFEST, "digest": digest, "size": length, "artifactType": DSSE,
        "annotations": {"vnd.vaern.statement": kind},
    }));
    write_index(dir, &index);
}

/// The envelopes in the layout that are filed as `kind`.
pub fn filed(dir: &cap_std::fs::Dir, kind: &str) -> Vec<Value> {
    let index = read_index(dir);
    let entries = index["manifests"].as_array().unwrap();
    let wanted = entries.iter().filter(|e| e["annotations"]["vnd.vaern.statement"] == kind);
    wanted
        .map(|entry| {
            let manifest: Value = serde_json::from_slice(&blob(dir, entry)).unwrap();
            serde_json::from_slice(&blob(dir, &manifest["layers"][0])).unwrap()
        })
        .collect()
}

/// Takes all statements of a kind out of the layout.
pub fn unfile(dir: &cap_std::fs::Dir, kind: &str) {
    let mut index = read_index(dir);
    let entries = index["manifests"].as_array_mut().unwrap();
    entries.retain(|e| e["annotations"]["vnd.vaern.statement"] != kind);
    write_index(dir, &index);
}

/// What the approval in `dir` says.
pub fn approval_statement(dir: &cap_std::fs::Dir) -> Value {
    let payload = filed(dir, "approval")[0]["payload"].as_str().unwrap().to_owned();
    serde_json::from_slice(&STANDARD.decode(payload).unwrap()).unwrap()
}
