//! The program as people run it: the whole road, what it refuses, and what it leaves behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod program;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use program::{copy, fresh_demo, json, skip, stderr, text, vaern};

/// One demo for all tests of this file; each test works on a copy of what it changes.
fn demo() -> &'static Path {
    static DEMO: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &DEMO
        .get_or_init(|| {
            let (made, told) = fresh_demo("12");
            assert!(told["refused_before_approval"].as_str().unwrap().starts_with("approval"), "{told}");
            made
        })
        .1
}

fn run(release: &Path, policies: &Path, out: &Path) -> Output {
    run_on(&demo().join("drive"), release, policies, out)
}

fn run_on(source: &Path, release: &Path, policies: &Path, out: &Path) -> Output {
    vaern(&[
        "--json",
        "run",
        "--source",
        text(source),
        "--release",
        text(release),
        "--policies",
        text(policies),
        "--out",
        text(out),
    ])
}

/// A refusal of the whole command: exit status 1 and the krav, whose turn it is, in JSON on standard error.
fn refusal(output: &Output) -> (String, String, String) {
    assert_eq!(output.status.code(), Some(1), "{}", stderr(output));
    let error = json(&output.stderr)["error"].clone();
    let field = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (field("what"), field("krav"), field("blame"))
}

#[test]
fn the_demo_accounts_for_every_file_and_writes_every_output() {
    let result = demo().join("result");
    let summary = json(&std::fs::read(result.join("summary.json")).unwrap());
    let pictures = std::fs::read_dir(demo().join("drive")).unwrap();
    let captures = pictures.filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "jpg")).count();
    assert_eq!(summary["frames_in"], captures);
    let number = |field: &str| summary[field].as_u64().unwrap();
    assert_eq!(number("frames_seen") + number("frames_refused"), number("frames_in"));
    let by_reason = summary["refused_by_reason"].as_object().unwrap();
    assert_eq!(by_reason.values().map(|v| v.as_u64().unwrap()).sum::<u64>(), number("frames_refused"));
    for reason in ["outside_fence", "no_fix", "truncated"] {
        assert!(by_reason.contains_key(reason), "{reason} in {by_reason:?}");
    }
    let geojson = json(&std::fs::read(result.join("detections.geojson")).unwrap());
    assert_eq!(geojson["features"].as_array().unwrap().len() as u64, number("detections"));
    let csv = std::fs::read_to_string(result.join("frames.csv")).unwrap();
    assert_eq!(csv.lines().count() as u64, number("frames_in") + 1);
    assert!(std::fs::read_to_string(result.join("report.html")).unwrap().contains("</html>"));
}

#[test]
fn skj_07n_in_operation_a_frame_without_an_object_leaves_no_picture_and_skj_07p_one_with_an_object_does() {
    let result = demo().join("result");
    let summary = json(&std::fs::read(result.join("summary.json")).unwrap());
    let number = |field: &str| summary[field].as_u64().unwrap();
    assert!(0 < number("frames_with_objects") && number("frames_with_objects") < number("frames_seen"), "{summary}");
    let geojson = json(&std::fs::read(result.join("detections.geojson")).unwrap());
    let named: BTreeSet<String> = geojson["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|feature| feature["properties"]["picture"].as_str().unwrap().to_owned())
        .collect();
    let kept: BTreeSet<String> = std::fs::read_dir(result.join("pictures"))
        .unwrap()
        .map(|entry| format!("pictures/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    assert_eq!(kept, named, "the pictures that are kept are those of the finds");
    assert_eq!(kept.len() as u64, number("frames_with_objects"));
}

#[test]
fn frm_03n_masked_pictures_carry_no_byte_of_the_camera_s_metadata() {
    let source = std::fs::read(demo().join("drive/frame-0001.jpg")).unwrap();
    assert!(source.windows(4).any(|w| w == b"Exif"), "the drive carries EXIF, or this test shows nothing");
    for entry in std::fs::read_dir(demo().join("result/pictures")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for foreign in [b"Exif".as_slice(), b"drawn-cam", b"JFIF", b"http"] {
            assert!(!bytes.windows(foreign.len()).any(|w| w == foreign));
        }
        assert_eq!(bytes.windows(3).filter(|w| *w == [0xFF, 0xD8, 0xFF]).count(), 1, "one picture, no thumbnail");
    }
}

#[test]
fn pkg_01n_a_changed_byte_of_the_release_is_refused_and_pkg_01p_the_whole_one_runs() {
    let temp = tempfile::tempdir().unwrap();
    let policies = demo().join("policies");
    let output = run(&demo().join("release"), &policies, &temp.path().join("out"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let release = temp.path().join("release");
    copy(&demo().join("release"), &release);
    let mut blobs: Vec<PathBuf> =
        std::fs::read_dir(release.join("blobs/sha256")).unwrap().map(|e| e.unwrap().path()).collect();
    blobs.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    let largest = blobs.last().unwrap();
    let mut bytes = std::fs::read(largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(largest, bytes).unwrap();
    let out = temp.path().join("refused");
    let (what, _, blame) = refusal(&run(&release, &policies, &out));
    assert!(what.starts_with("package:") && what.contains("digest"), "{what}");
    assert_eq!(blame, "vendor");
    assert!(!out.exists(), "a refused release leaves no output");
}

#[test]
fn sig_03n_a_vendor_key_outside_the_trust_root_and_sig_01n_no_approval_are_refused_by_stage() {
    let temp = tempfile::tempdir().unwrap();
    let keys = temp.path().join("keys");
    let made = vaern(&["keys", "new", "--name", "stranger", "--role", "vendor", "--out", text(&keys)]);
    assert!(made.status.success(), "{}", stderr(&made));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let release = temp.path().join("release");
    let packed = vaern(&[
        "plugin",
        "pack",
        "--component",
        text(&root.join("plugins/prebuilt/container-model.wasm")),
        "--manifest",
        text(&root.join("plugins/container-model/vaern.toml")),
        "--out",
        text(&release),
    ]);
    assert!(packed.status.success(), "{}", stderr(&packed));
    let out = temp.path().join("out");
    let policies = demo().join("policies");
    let (what, _, _) = refusal(&run(&release, &policies, &out));
    assert!(what.starts_with("vendor signature:"), "{what}");

    let key = keys.join("stranger.secret.toml");
    let signed = vaern(&["plugin", "sign", text(&release), "--key", text(&key)]);
    assert!(signed.status.success(), "{}", stderr(&signed));
    let (what, _, _) = refusal(&run(&release, &policies, &out));
    assert!(what.starts_with("vendor signature:"), "{what}");

    let key = demo().join("keys/vaern-reference.secret.toml");
    let signed = vaern(&["plugin", "sign", text(&release), "--key", text(&key)]);
    assert!(signed.status.success(), "{}", stderr(&signed));
    let (what, _, _) = refusal(&run(&release, &policies, &out));
    assert!(what.starts_with("approval:"), "{what}");
}

#[test]
fn bad_input_is_one_named_refusal_each_and_the_rest_goes_through() {
    let temp = tempfile::tempdir().unwrap();
    let source = temp.path().join("source");
    std::fs::create_dir(&source).unwrap();
    let good = std::fs::read(demo().join("drive/frame-0001.jpg")).unwrap();
    let frames: Vec<_> = vaern_scenes::Drive::generate(5, 8, (320, 192)).map(|frame| frame.unwrap()).collect();
    std::fs::write(source.join("a-good.jpg"), &good).unwrap();
    std::fs::write(source.join("b-torn.jpg"), &good[..good.len() / 3]).unwrap();
    std::fs::write(source.join("c-text.jpg"), b"not a picture").unwrap();
    std::fs::write(source.join("d-huge.jpg"), with_size(&good, 65535, 65535)).unwrap();
    let no_fix = frames.iter().find(|f| f.truth.fix.is_none() && f.truth.inside).unwrap();
    std::fs::write(source.join("e-no-fix.jpg"), &no_fix.jpeg).unwrap();
    std::fs::write(source.join("f-utm.jpg"), utm_position()).unwrap();
    std::os::unix::fs::symlink("nowhere", source.join("g-unreadable")).unwrap();
    let out = temp.path().join("out");
    let policies = demo().join("policies");
    let output =
        vaern(&["--json", "mask", "--source", text(&source), "--policies", text(&policies), "--out", text(&out)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary = json(&output.stdout);
    assert_eq!((summary["frames_in"].as_u64(), summary["frames_seen"].as_u64()), (Some(7), Some(1)), "{summary}");
    let expected = [
        ("bad_position", 1),
        ("no_fix", 1),
        ("not_a_picture", 1),
        ("too_large", 1),
        ("truncated", 1),
        ("unreadable", 1),
    ];
    let by_reason: Vec<(String, u64)> = summary["refused_by_reason"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(reason, count)| (reason.clone(), count.as_u64().unwrap()))
        .collect();
    assert_eq!(by_reason, expected.map(|(reason, count)| (reason.to_owned(), count)));
}

#[test]
fn skj_09n_a_full_disk_is_a_named_refusal_and_nothing_half_written_stays() {
    let temp = tempfile::Builder::new().prefix("vaern").tempdir().unwrap();
    let out = temp.path().join("out");
    std::fs::create_dir(&out).unwrap();
    // A file system of our own, of 256 KiB, in a name space of our own: room for some pictures, not for all.
    let script = format!(
        "mount -t tmpfs -o size=256k none {out} && {vaern} --json mask --source {source} --policies {policies} --out {out}; \
         echo \"status $?\"; find {out} -type f -printf 'file %f\\n'; for f in {out}/pictures/*.jpg; do tail -c 2 $f | od -An -tx1; done",
        out = text(&out),
        vaern = env!("CARGO_BIN_EXE_vaern"),
        source = text(&demo().join("drive")),
        policies = text(&demo().join("policies")),
    );
    let output = Command::new("unshare").args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).output();
    let output = match output {
        Ok(output) if !stderr(&output).contains("Operation not permitted") => output,
        _ => {
            skip("skj_09n full disk: no mount name space can be made here");
            return;
        }
    };
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = stderr(&output);
    // The disk has room for one picture. The account of the run no longer fits, so the command says so and ends with 1.
    assert!(listing.contains("status 1"), "{listing}\n{errors}");
    assert_eq!(json(output.stderr.as_slice())["error"]["krav"], "SKJ-09", "{errors}");
    let files: Vec<&str> = listing.lines().filter_map(|line| line.strip_prefix("file ")).collect();
    assert!(files.iter().any(|file| file.ends_with(".jpg")), "{listing}");
    assert!(!files.iter().any(|file| file.starts_with('.') || file.contains("tmp")), "leftovers: {listing}");
    assert!(!files.contains(&"summary.json"), "a summary is the sign of a whole run: {listing}");
    let endings: Vec<&str> = listing.lines().filter(|line| line.starts_with(' ')).map(str::trim).collect();
    assert!(endings.iter().all(|ending| *ending == "ff d9"), "half-written: {listing}");
}

#[test]
fn wrong_use_says_so_with_status_2() {
    assert_eq!(vaern(&["run", "--source"]).status.code(), Some(2));
    assert_eq!(vaern(&["no-such-command"]).status.code(), Some(2));
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("mine.txt"), b"keep me").unwrap();
    let output = vaern(&["demo", "--out", text(temp.path())]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(temp.path().join("mine.txt").exists(), "what somebody else made is never removed");
}

#[test]
fn min_04n_pictures_without_position_are_refused_under_an_operating_purpose() {
    let temp = tempfile::tempdir().unwrap();
    let (source, policies) = (demo().join("drive"), demo().join("policies"));
    let out = temp.path().join("out");
    let output = vaern(&[
        "--json",
        "mask",
        "--unlocated",
        "--source",
        text(&source),
        "--policies",
        text(&policies),
        "--out",
        text(&out),
    ]);
    assert_eq!(refusal(&output).1, "MIN-04");
}

#[test]
fn min_07n_a_folder_is_looked_at_no_closer_than_the_profile_lets_and_min_07p_the_next_place_is() {
    let temp = tempfile::tempdir().unwrap();
    let source = temp.path().join("drive");
    std::fs::create_dir(&source).unwrap();
    let drive = |n: u32| std::fs::read(demo().join(format!("drive/frame-{n:04}.jpg"))).unwrap();
    // Another capture of the same moment and place: other bytes, so that it is no replay.
    let again = [&drive(1)[..2], b"\xff\xfe\x00\x06also", &drive(1)[2..]].concat();
    for (name, bytes) in [("1.jpg", drive(1)), ("2.jpg", again), ("3.jpg", drive(2))] {
        std::fs::write(source.join(name), bytes).unwrap();
    }
    let out = temp.path().join("out");
    let run = run_on(&source, &demo().join("release"), &demo().join("policies"), &out);
    assert!(run.status.success(), "{}", stderr(&run));
    let summary = json(&run.stdout);
    assert_eq!((&summary["frames_seen"], &summary["frames_refused"]), (&2.into(), &1.into()), "{summary}");
    let by_reason = summary["refused_by_reason"].as_object().unwrap();
    assert!(by_reason.contains_key("too_soon") || by_reason.contains_key("same_spot"), "{by_reason:?}");
}

/// The same JPEG, whose frame header claims another size.
fn with_size(jpeg: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut bytes = jpeg.to_vec();
    let at = (0..bytes.len()).rfind(|i| bytes[*i..].starts_with(&[0xFF, 0xC0, 0x00, 0x11])).unwrap();
    bytes[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    bytes[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// A JPEG whose EXIF gives a position in metres of UTM zone 32 instead of degrees.
fn utm_position() -> Vec<u8> {
    use vaern_scenes::{ExifBlock, ExifEntry, ExifValue, encode_jpeg};
    let entry = |tag, value| ExifEntry { tag, value };
    let metres = |m: u32| ExifValue::Rational(vec![(m, 1), (0, 1), (0, 1)]);
    let block = ExifBlock {
        primary: vec![entry(0x0110, ExifValue::Ascii(vaern_scenes::CAMERA_ID.to_owned()))],
        exif: vec![],
        gps: Some(vec![
            entry(0x0001, ExifValue::Ascii("N".to_owned())),
            entry(0x0002, metres(6_175_804)),
            entry(0x0003, ExifValue::Ascii("E".to_owned())),
            entry(0x0004, metres(724_352)),
        ]),
        thumbnail: None,
        big_endian: false,
    };
    encode_jpeg(&vec![128; 64 * 64 * 3], (64, 64), 90, Some(&block)).unwrap()
}

#[test]
fn gov_01n_without_a_whole_impact_assessment_nothing_is_approved_and_gov_02n_a_high_risk_stops_it() {
    let temp = tempfile::tempdir().unwrap();
    let (release, city) = (temp.path().join("release"), temp.path().join("city"));
    copy(&demo().join("release"), &release);
    copy(&demo().join("city"), &city);
    let (trust, draft) = (demo().join("policies/trust.toml"), city.join("approval.toml"));
    let [jura, owner] = ["jura", "systemejer"].map(|desk| demo().join(format!("keys/{desk}.secret.toml")));
    let approve = |json: &[&str]| {
        let args = ["approve", text(&release), "--trust", text(&trust), "--draft", text(&draft)];
        vaern(&[json, &args, &["--key", text(&jura), "--key", text(&owner)]].concat())
    };
    let parts = ["description", "necessity", "risks", "measures"].map(|part| format!("{part} = \"Sagt.\"\n"));
    let record = format!("date = \"2026-02-01\"\nresidual_risk = \"lav\"\n{}", parts.concat());
    let with = |record: &str| {
        std::fs::write(city.join("dpia.toml"), record).unwrap();
        refusal(&approve(&["--json"]))
    };
    for line in record.lines() {
        let (what, krav, blame) = with(&record.replace(&format!("{line}\n"), ""));
        assert_eq!((krav.as_str(), blame.as_str()), ("GOV-01", "policy"), "without {line}: {what}");
    }
    assert_eq!(with(&record.replace("risks = \"Sagt.\"", "risks = \" - \"")).1, "GOV-01");
    let (_, krav, _) = with(&record.replace("\"lav\"", "\"høj\""));
    assert_eq!(krav, "GOV-02");
    // A digest alone is no record.
    let named = std::fs::read_to_string(&draft).unwrap();
    let inline = "dpia = { digest = \"sha256:00\", date = \"2026-02-01\", residual_risk = \"lav\" }";
    std::fs::write(&draft, named.replace("dpia = \"dpia.toml\"", inline)).unwrap();
    let (what, krav, _) = with(&record);
    assert_eq!(krav, "GOV-01", "{what}");
    // The whole record, part by part, is shown with what is signed.
    std::fs::write(&draft, named).unwrap();
    std::fs::write(city.join("dpia.toml"), &record).unwrap();
    let shown = approve(&[]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for part in ["residual risk lav", "description", "necessity", "risks", "measures", "Nothing was signed"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
