//! Every kind of envelope that this crate writes, checked by an implementation that is not ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;
mod follow;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use common::*;
use follow::*;
use vaern_trust::{Authority, Outcome, Recovery, SignedRoot, TakenPart, TestResult, sign_file};

#[test]
fn sig_02p_upd_19p_another_implementation_reads_every_envelope_and_refuses_every_spoiled_one() {
    let root_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root_folder.join("target/peers/bin/python");
    if !python.exists() {
        use std::io::Write as _;
        let _ = writeln!(
            std::io::stderr(),
            "SKIP: no second implementation here: python3 -m venv target/peers && target/peers/bin/pip install 'securesystemslib[crypto]'"
        );
        return;
    }
    let dir = approved();
    let tested = TestResult {
        result: Outcome::Passed,
        configuration: vec![TakenPart::new("host", digest(1))],
        passed_tests: ["SBX-01N".to_owned()].into(),
        warned_tests: [].into(),
        failed_tests: [].into(),
    };
    vaern_trust::sign_test_result(&dir, &trust(), &tested, &sikkerhed()).unwrap();
    let node = Node::enrolled(&channel(7, &[4]));
    node.revoke(&revocations(1, &[digest(5)]));
    let recovery = Recovery {
        node: name("vogn-7"),
        serial: 1,
        issued: now(),
        expires: time("2026-06-30T00:00:00Z"),
        marks: vec![],
        revoked: vec![],
    };
    let mut file = trust_file();
    file.version = Some(1);
    let mut good: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for kind in ["vendor-release", "approval", "test-result"] {
        good.insert(kind, serde_json::to_vec(&filed(&dir, kind)[0]).unwrap());
    }
    good.insert("channel", node.channel.read("channel.json").unwrap());
    good.insert("revocations", node.channel.read("revocations.json").unwrap());
    good.insert("recovery", sign_file(&recovery, &trust(), Authority::Root, &[&root(1), &root(2)]).unwrap());
    good.insert("root", SignedRoot::sign(&file, &[&root(1), &root(2)]).unwrap());

    let out = tempfile::tempdir().unwrap();
    for folder in ["good", "bad"] {
        std::fs::create_dir(out.path().join(folder)).unwrap();
    }
    for (kind, bytes) in &good {
        std::fs::write(out.path().join(format!("good/{kind}.json")), bytes).unwrap();
        let mut spoiled: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        let payload = spoiled["payload"].as_str().unwrap();
        // Another letter in the middle of the payload: still base64, other bytes.
        let (head, tail) = payload.split_at(payload.len() / 2);
        let swapped = if tail.starts_with('A') { "B" } else { "A" };
        spoiled["payload"] = format!("{head}{swapped}{}", &tail[1..]).into();
        std::fs::write(out.path().join(format!("bad/{kind}-payload.json")), spoiled.to_string()).unwrap();
        let mut spoiled: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        spoiled["payloadType"] = "application/json".into();
        std::fs::write(out.path().join(format!("bad/{kind}-type.json")), spoiled.to_string()).unwrap();
    }
    let pairs = [vendor(), jura(), sikkerhed(), drift(), root(1), root(2)];
    let keys: BTreeMap<String, String> = pairs
        .iter()
        .map(|pair| (pair.public().id().to_string(), pair.public().to_string().replace("ed25519:", "")))
        .collect();
    std::fs::write(out.path().join("keys.json"), serde_json::to_vec(&keys).unwrap()).unwrap();
    let script = root_folder.join("conformance-tests/peers/statements.py");
    let told = Command::new(python).arg(script).arg(out.path()).output().unwrap();
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success(), "{said}{}", String::from_utf8_lossy(&told.stderr));
    assert!(said.contains("7 envelopes hold, 14 spoiled ones are refused"), "{said}");
}
