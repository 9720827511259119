//! The vendor's side as people run it: check, from a model to a release, and from an empty folder to a running plugin.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod program;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use program::{skip, text, vaern};
use serde_json::Value;

fn done(args: &[&str]) -> Value {
    let output = vaern(&[&["--json"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{args:?}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A demo, for its policies, keys and trust root.
fn demo() -> &'static Path {
    static DEMO: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &DEMO
        .get_or_init(|| {
            let temp = tempfile::tempdir().unwrap();
            let out = temp.path().join("demo");
            done(&["demo", "--frames", "4", "--out", text(&out)]);
            (temp, out)
        })
        .1
}

/// The release is listed, and what it is refused for, by krav.
fn check(release: &Path) -> (Option<i32>, Value) {
    let policies = demo().join("policies");
    let trust = policies.join("trust.toml");
    let args = ["--json", "plugin", "check", text(release), "--policies", text(&policies), "--trust", text(&trust)];
    let output = vaern(&args);
    let told = serde_json::from_slice(&output.stdout);
    (output.status.code(), told.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr))))
}

#[test]
fn lev_01p_a_whole_release_has_nothing_refused_and_says_its_headroom() {
    let (status, told) = check(&demo().join("release"));
    assert_eq!(status, Some(0), "{told}");
    assert!(told["findings"].as_array().unwrap().iter().all(|finding| finding["refused"] == false), "{told}");
    assert!(told["slowest_ms"].as_u64().unwrap() < told["deadline_ms"].as_u64().unwrap());
}

#[test]
fn lev_01n_check_tells_everything_that_is_wrong_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let root = repository();
    let manifest = std::fs::read_to_string(root.join("plugins/container-model/vaern.toml")).unwrap();
    let spoiled =
        manifest
            .replace("training_data = \"Apache-2.0", "training_data = \"\" # \"")
            .replace("\"glascontainer\"", "\"mennesker\"")
            .replace("../../models/container.onnx", "broken.onnx")
            .lines()
            .filter(|line| !line.starts_with("model_card"))
            .map(|line| {
                if line.starts_with("intended_use") { "intended_use = \" \"\n".to_owned() } else { format!("{line}\n") }
            })
            .collect::<String>();
    std::fs::write(temp.path().join("vaern.toml"), spoiled).unwrap();
    std::fs::write(temp.path().join("broken.onnx"), b"no model").unwrap();
    let release = temp.path().join("release");
    let component = root.join("plugins/prebuilt/container-model.wasm");
    let manifest = temp.path().join("vaern.toml");
    done(&["plugin", "pack", "--component", text(&component), "--manifest", text(&manifest), "--out", text(&release)]);
    let (status, told) = check(&release);
    assert_eq!(status, Some(1));
    let findings = told["findings"].as_array().unwrap();
    let has = |part: &str, krav: &str| {
        findings.iter().any(|f| f["what"].as_str().unwrap().contains(part) && f["krav"] == krav && f["mend"] != "")
    };
    for (part, krav) in [
        ("intended use", "LEV-06"),
        ("licence of the training data", "LEV-07"),
        ("mennesker", "STD-03"),
        ("model `container`", "CYB-01"),
        ("vendor signature", "SKJ-03"),
        ("no model card", "LEV-02"),
        ("no SBOM", "LEV-02"),
    ] {
        assert!(has(part, krav), "{part}: {told:#}");
    }
}

#[test]
fn lev_05n_lig_02n_a_model_that_names_people_or_answers_with_an_embedding_is_refused() {
    let root = repository();
    // A model names its classes in a field of its file, as exporters do; the rest of it is as it was.
    let nameless = without_names(&std::fs::read(root.join("models/container.onnx")).unwrap());
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let naming = |names: &str| {
        let entry = [field(1, b"names"), field(2, names.as_bytes())].concat();
        [nameless.clone(), field(14, &entry)].concat()
    };
    let manifest = std::fs::read_to_string(root.join("plugins/container-model/vaern.toml")).unwrap();
    let component = root.join("plugins/prebuilt/container-model.wasm");
    let refused_for = |model: Vec<u8>| -> Vec<String> {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        let cut = |line: &str| !line.starts_with("model_card");
        let text_of: String = manifest.lines().filter(|line| cut(line)).map(|line| format!("{line}\n")).collect();
        std::fs::write(at("vaern.toml"), text_of.replace("../../models/container.onnx", "model.onnx")).unwrap();
        std::fs::write(at("model.onnx"), model).unwrap();
        let pack = ["plugin", "pack", "--component", text(&component), "--manifest"];
        done(&[&pack[..], &[text(&at("vaern.toml")), "--out", text(&at("release"))]].concat());
        let key = demo().join("keys/vaern-reference.secret.toml");
        done(&["plugin", "sign", text(&at("release")), "--key", text(&key)]);
        let told = check(&at("release")).1;
        let findings = told["findings"].as_array().unwrap().iter().filter(|finding| finding["refused"] == true);
        findings.map(|f| format!("{} {}", f["krav"].as_str().unwrap(), f["what"].as_str().unwrap())).collect()
    };
    let people = refused_for(naming("{0: 'affaldscontainer', 1: 'person'}"));
    assert!(people.iter().any(|told| told.starts_with("LEV-05") && told.contains("`person`")), "{people:?}");
    let groups = refused_for(naming("[\"glascontainer\", \"female\"]"));
    assert!(groups.iter().any(|told| told.starts_with("LIG-02") && told.contains("`female`")), "{groups:?}");
    let own = refused_for(naming("affaldscontainer, byggecontainer"));
    assert!(own.is_empty(), "LIG-02P, LEV-05P {own:?}");
    let embedding = refused_for(embedding_model());
    assert!(embedding.iter().any(|told| told.starts_with("LEV-05") && told.contains("embedding")), "{embedding:?}");
}

/// An ONNX file without what it tells of itself (field 14): its parts are numbers and runs of bytes.
fn without_names(file: &[u8]) -> Vec<u8> {
    let number = |at: &mut usize| {
        let (mut value, mut shift) = (0_usize, 0);
        loop {
            let byte = file[*at];
            *at += 1;
            value |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    };
    let (mut at, mut kept) = (0, Vec::new());
    while at < file.len() {
        let from = at;
        let key = number(&mut at);
        let value = number(&mut at);
        if key & 7 == 2 {
            at += value;
        }
        if key >> 3 != 14 {
            kept.extend_from_slice(&file[from..at]);
        }
    }
    kept
}

/// The smallest model whose answer is one vector for the whole frame: its input, added to weights.
fn embedding_model() -> Vec<u8> {
    fn number(mut value: usize, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }
    let int = |field: usize, value: usize| {
        let mut out = Vec::new();
        number(field << 3, &mut out);
        number(value, &mut out);
        out
    };
    let part = |field: usize, bytes: &[u8]| {
        let mut out = Vec::new();
        number(field << 3 | 2, &mut out);
        number(bytes.len(), &mut out);
        out.extend_from_slice(bytes);
        out
    };
    let dims = [part(1, &int(1, 1)), part(1, &int(1, 128))].concat();
    let kind = part(2, &part(1, &[int(1, 1), part(2, &dims)].concat()));
    let port = |name: &str| [part(1, name.as_bytes()), kind.clone()].concat();
    let weight = [int(1, 1), int(1, 128), int(2, 1), part(8, b"w"), part(9, &[0; 512])].concat();
    let node = [part(1, b"x"), part(1, b"w"), part(2, b"y"), part(4, b"Add")].concat();
    let graph = [part(1, &node), part(2, b"g"), part(5, &weight), part(11, &port("x")), part(12, &port("y"))].concat();
    [int(1, 8), part(8, &[part(1, b""), int(2, 13)].concat()), part(7, &graph)].concat()
}

/// Makes a release around a model, signs it and gives its directory.
fn from_onnx(temp: &Path, model: &Path, extra: &[&str]) -> Output {
    let labels = temp.join("labels.toml");
    std::fs::write(&labels, "[classes]\n2 = \"byggecontainer\"\n7 = \"affaldscontainer\"\n").unwrap();
    std::fs::write(temp.join("card.md"), "# Card\n\nVehicles, for a test: labels are stand-ins.\n").unwrap();
    let (card, out) = (temp.join("card.md"), temp.join("release"));
    let args = [
        "--json",
        "plugin",
        "from-onnx",
        text(model),
        "--head",
        "yolo",
        "--labels",
        text(&labels),
        "--model-card",
        text(&card),
        "--name",
        "street-finder",
        "--vendor",
        "vaern-reference",
        "--purpose",
        "containere",
        "--intended-use",
        "A test.",
        "--licence-model",
        "Apache-2.0",
        "--licence-data",
        "CC-BY-4.0",
        "--out",
        text(&out),
    ];
    vaern(&[&args[..], extra].concat())
}

#[test]
fn lev_01p_a_vendors_model_becomes_a_release_that_passes_the_check_without_vendor_code() {
    let model = repository().join("../shared/data/models/yolox_nano_coco_416.onnx");
    if !model.exists() {
        skip("from-onnx: no YOLOX model in ../shared/data");
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let made = from_onnx(temp.path(), &model, &["--input", "416"]);
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    let told: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!((told["layout"].as_str(), told["classes"].as_u64()), (Some("grid"), Some(80)));
    let release = temp.path().join("release");
    let key = demo().join("keys/vaern-reference.secret.toml");
    done(&["plugin", "sign", text(&release), "--key", text(&key)]);
    let (status, told) = check(&release);
    assert_eq!(status, Some(0), "{told:#}");
    let page = done(&["plugin", "inspect", text(&release)]);
    assert_eq!(page["manifest"]["labels"], serde_json::json!(["byggecontainer", "affaldscontainer"]));
    assert_eq!(page["manifest"]["capabilities"], serde_json::json!(["models"]), "pixel-blind");
    // The same inputs, the same digest.
    let again = tempfile::tempdir().unwrap();
    let twin = from_onnx(again.path(), &model, &["--input", "416"]);
    let twin: Value = serde_json::from_slice(&twin.stdout).unwrap();
    assert_eq!(twin["release"], page["release"]);
    // Another size than the model's is refused with what is needed.
    let other = tempfile::tempdir().unwrap();
    let refused = from_onnx(other.path(), &model, &["--input", "640"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("LEV-01"));
    assert!(!other.path().join("release").exists());
}

#[test]
fn lev_01n_a_model_with_another_input_is_refused_with_the_one_that_it_has() {
    let temp = tempfile::tempdir().unwrap();
    let model = repository().join("models/container.onnx");
    let refused = from_onnx(temp.path(), &model, &["--input", "416"]);
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stderr));
    let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
    let what = error["error"]["what"].as_str().unwrap();
    assert!(what.contains("[1, 3, 384, 640]") && what.contains("[1, 3, 416, 416]"), "{error}");
    assert_eq!(error["error"]["krav"], "LEV-01");
}

#[test]
fn lev_01p_a_plugin_in_c_without_wasi_becomes_a_release_that_runs() {
    let temp = tempfile::tempdir().unwrap();
    let (module, release) = (temp.path().join("plugin.wasm"), temp.path().join("release"));
    let recipe = repository().join("plugins/recipe-c");
    let text_of = std::fs::read_to_string(recipe.join("plugin.c")).unwrap();
    // The command that the recipe's own first lines give.
    let line = text_of.lines().find_map(|line| line.strip_prefix("//   clang ")).unwrap();
    let args: Vec<&str> = line.split(' ').filter(|arg| !matches!(*arg, "-o" | "plugin.wasm" | "plugin.c")).collect();
    let built = std::process::Command::new("clang")
        .args(args)
        .args(["-Wall", "-Wextra", "-Werror", "-o", text(&module), text(&recipe.join("plugin.c"))])
        .output();
    let Ok(built) = built else { return skip("the C recipe: no clang here") };
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    if said.contains("wasm-ld") {
        return skip("the C recipe: no wasm-ld here");
    }
    assert!(built.status.success(), "{said}");
    let manifest = recipe.join("vaern.toml");
    done(&["plugin", "pack", "--module", text(&module), "--manifest", text(&manifest), "--out", text(&release)]);
    let key = demo().join("keys/vaern-reference.secret.toml");
    done(&["plugin", "sign", text(&release), "--key", text(&key)]);
    let (status, told) = check(&release);
    assert_eq!(status, Some(0), "{told:#}");
    assert!(told["slowest_ms"].as_u64().is_some(), "it looked at frames: {told:#}");
    let imports = done(&["plugin", "inspect", text(&release)])["imports"].to_string();
    assert!(!imports.contains("wasi"), "{imports}");
    // A module without the world's exports makes no component.
    std::fs::write(&module, b"\0asm\x01\0\0\0").unwrap();
    let other = temp.path().join("other");
    let args = ["plugin", "pack", "--module", text(&module), "--manifest", text(&manifest), "--out", text(&other)];
    assert_eq!(vaern(&args).status.code(), Some(1));
}

#[test]
#[ignore = "deep: builds a WebAssembly standard library"]
fn a_vendors_project_goes_from_an_empty_folder_to_an_approved_running_release() {
    let temp = tempfile::tempdir().unwrap();
    let at = |path: &str| temp.path().join(path);
    done(&["plugin", "new", "street-finder", "--in", text(temp.path())]);
    let (project, release) = (at("street-finder"), at("release"));
    let built = vaern(&["--json", "plugin", "build", text(&project), "--out", text(&release)]);
    let error = String::from_utf8_lossy(&built.stderr).into_owned();
    if error.contains("there is no compiler") {
        skip("a vendor's project: no compiler for wasm32-unknown-unknown here");
        return;
    }
    assert_eq!(built.status.code(), Some(0), "{error}");
    let keys = at("keys");
    done(&["keys", "new", "--name", "example-vendor", "--role", "vendor", "--out", text(&keys)]);
    let (secret, public) = (keys.join("example-vendor.secret.toml"), keys.join("example-vendor.public.toml"));
    let told: Value = serde_json::from_slice(&built.stdout).unwrap();
    let provenance = PathBuf::from(told["provenance"].as_str().unwrap());
    let made: Value = serde_json::from_slice(&std::fs::read(&provenance).unwrap()).unwrap();
    assert!(made["runDetails"]["builder"]["version"]["compiler"].as_str().unwrap().starts_with("rustc "), "{made}");
    // The source's digest with tools that are not ours.
    let sums = "find . -type f -not -path './target/*' -not -path '*/.*' | LC_ALL=C sort | xargs sha256sum | sha256sum";
    let sums = std::process::Command::new("sh").args(["-c", sums]).current_dir(&project).output().unwrap();
    let sums = String::from_utf8(sums.stdout).unwrap();
    let source = &made["buildDefinition"]["resolvedDependencies"][0];
    assert_eq!(
        (&source["name"], sums.split(' ').next()),
        (&Value::from("source"), source["digest"]["sha256"].as_str())
    );
    done(&["plugin", "sign", text(&release), "--key", text(&secret), "--provenance", text(&provenance)]);
    let policies = demo().join("policies");
    let trust = at("trust.toml");
    std::fs::copy(policies.join("trust.toml"), &trust).unwrap();
    std::fs::write(at("risk.md"), "Vurderet.\n").unwrap();
    let risk = at("risk.md");
    done(&[
        "vendor",
        "admit",
        text(&public),
        "--trust",
        text(&trust),
        "--risk-record",
        text(&risk),
        "--dated",
        "2026-11-01",
    ]);
    let draft = demo().join("city/approval.toml");
    let [jura, owner] = ["jura", "systemejer"].map(|desk| demo().join(format!("keys/{desk}.secret.toml")));
    let keys = ["--key", text(&jura), "--key", text(&owner)];
    done(
        &[&["approve", text(&release), "--trust", text(&trust), "--draft", text(&draft), "--yes"][..], &keys].concat(),
    );
    let channel = at("channel");
    let signing = ["--channel", text(&channel), "--trust", text(&trust)];
    done(&[&["channel", "init", "--name", "drift"][..], &signing, &keys].concat());
    done(&[&["channel", "publish", text(&release)][..], &signing, &keys].concat());
    let state = at("state");
    done(&[&["channel", "enrol", "--state", text(&state)][..], &signing].concat());
    let (source, out) = (demo().join("drive"), at("out"));
    let ran = done(
        &[
            &["run", "--source", text(&source), "--release", text(&release), "--policies", text(&policies)][..],
            &["--out", text(&out), "--state", text(&state)],
            &signing,
        ]
        .concat(),
    );
    assert!(ran["frames_seen"].as_u64().unwrap() > 0, "{ran}");
}
