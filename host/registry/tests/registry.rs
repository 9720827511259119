//! Against a registry that is not ours (Debian's `docker-registry`) and a reader that is not ours (`skopeo`); and against servers
//! that lie, never end or hardly begin.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cap_std::fs::Dir;
use vaern_door::{Digest, Interface, Label, Licences, Manifest, Name, Size, Version};
use vaern_registry::{Login, Patience, Place, RegistryError, pull, push};
use vaern_trust::{ApprovalDraft, Dpia, DpoAdvice, EngineId, PackInputs, Responsible, SigningKeyPair, TrustRoot};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn vendor() -> SigningKeyPair {
    SigningKeyPair::from_seed(&[1; 32])
}

fn jura() -> SigningKeyPair {
    SigningKeyPair::from_seed(&[2; 32])
}

fn now() -> jiff::Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn trust() -> TrustRoot {
    let (jura, vendor, none) = (jura().public(), vendor().public(), Digest::of(b""));
    TrustRoot::from_toml(&format!(
        "approval = {{ threshold = 1 }}\nroles = [{{ role = \"jura\", name = \"jura\", key = \"{jura}\" }}]\n[[vendors]]\nname = \"example-vision\"\nkey = \"{vendor}\"\nrisk_record = {{ date = \"2026-01-01\", digest = \"{none}\" }}\n"
    ))
    .unwrap()
}

fn engine() -> EngineId {
    EngineId { version: "1".into(), settings: Digest::of(b""), target: "x".into(), cpu: [].into() }
}

fn folder(path: &Path) -> Dir {
    std::fs::create_dir_all(path).unwrap();
    Dir::open_ambient_dir(path, cap_std::ambient_authority()).unwrap()
}

/// A release with this counter: packed, signed, approved, compiled and vouched for.
fn release(path: &Path, counter: u64) -> Dir {
    let dir = folder(path);
    let manifest = Manifest {
        name: name("container-model"),
        version: Version::new("1.4.0").unwrap(),
        counter,
        vendor: name("example-vision"),
        purpose: name("containere"),
        intended_use: "Finds waste containers.".into(),
        labels: vec![Label::new("affaldscontainer").unwrap()],
        capabilities: vec![Interface::Models],
        tensors: vec![],
        frame: Size::new(640, 360).unwrap(),
        models: vec![],
        licences: Licences { plugin: "x".into(), model: "x".into(), training_data: "x".into() },
    };
    let component =
        wat::parse_str(r#"(component (instance $i) (export "tmf:vision/plugin@0.1.0" (instance $i)))"#).unwrap();
    let inputs = PackInputs { component, manifest, models: vec![], model_card: None, sbom: None };
    vaern_trust::pack(&inputs, &dir).unwrap();
    vaern_trust::sign_vendor(&dir, &vendor()).unwrap();
    let draft = ApprovalDraft {
        purpose: name("containere"),
        legal_basis: Some("x".into()),
        catalogue: Version::new("1.0.0").unwrap(),
        policy: name("pilot"),
        host_line: None,
        dpia: None,
        responsible: Some(Responsible { unit: "x".into(), manager: "x".into() }),
        dpo_advice: Some(DpoAdvice { date: "2026-03-10".parse().unwrap(), digest: Digest::of(b""), reply: "x".into() }),
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        expires: Some("2027-01-01T00:00:00Z".parse().unwrap()),
        examined: [].into(),
    };
    let dpia = "date = \"2026-01-01\"\nresidual_risk = \"lav\"\ndescription = \"a\"\nnecessity = \"b\"\nrisks = \"c\"\nmeasures = \"d\"\n";
    let dpia = Dpia::read(dpia.as_bytes()).unwrap();
    vaern_trust::approve(&dir, &trust(), &draft, &dpia, &[(&name("jura"), &jura())], now()).unwrap();
    vaern_trust::sign_compiled(&dir, &trust(), engine(), b"stands for machine code", &[&jura()]).unwrap();
    dir
}

fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIP {why}");
}

/// Debian's registry on a port of its own, ended with the test.
struct Registry {
    child: Child,
    port: u16,
    _temp: tempfile::TempDir,
}

impl Registry {
    fn start() -> Option<Self> {
        let temp = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = temp.path().join("config.yml");
        let root = temp.path().join("store");
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            root.display()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            skip("a real registry: docker-registry is not installed");
            return None;
        };
        let registry = Self { child, port, _temp: temp };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(registry);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("docker-registry does not answer");
    }

    fn place(&self, rest: &str) -> Place {
        format!("oci://127.0.0.1:{}/{rest}", self.port).parse().unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn go(dir: &Dir, to: &Place) -> vaern_registry::Pushed {
    push(dir, to, &Login::Anonymous, Patience::default()).unwrap()
}

fn come(from: &Place, dir: &Dir) -> Result<Digest, RegistryError> {
    pull(from, dir, &Login::Anonymous, Patience::default())
}

#[test]
fn pkg_07p_what_comes_back_from_a_real_registry_is_the_release_with_all_that_was_said_of_it() {
    let Some(registry) = Registry::start() else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = release(&temp.path().join("here"), 4);
    let pushed = go(&dir, &registry.place("city/container-model"));
    assert_eq!((pushed.tag.as_str(), pushed.referrers), ("container-model-1.4.0", 4));
    // Again changes nothing, and what others hung on it stays.
    assert_eq!(go(&dir, &registry.place("city/container-model")), pushed);
    let there = folder(&temp.path().join("there"));
    let place = registry.place(&format!("city/container-model@{}", pushed.release));
    assert_eq!(come(&place, &there).unwrap(), pushed.release);
    let verified = vaern_trust::verify(&there, &trust(), now(), &name("containere")).unwrap();
    assert_eq!(verified.digest(), pushed.release);
    assert_eq!(verified.compiled(&trust(), &engine()).unwrap().bytes(), b"stands for machine code");
    // A directory that holds something is not written to.
    assert!(matches!(come(&place, &there), Err(RegistryError::Io { .. })));
    let nothing = folder(&temp.path().join("nothing"));
    let unknown = come(&registry.place("city/container-model:no-such-tag"), &nothing);
    assert!(matches!(unknown, Err(RegistryError::NotARelease(_))), "{unknown:?}");
}

#[test]
fn pkg_20n_a_tag_that_was_moved_gives_another_digest_and_never_the_one_that_was_asked_for() {
    let Some(registry) = Registry::start() else { return };
    let temp = tempfile::tempdir().unwrap();
    let (first, second) = (release(&temp.path().join("4"), 4), release(&temp.path().join("5"), 5));
    let four = go(&first, &registry.place("plugin:current")).release;
    let five = go(&second, &registry.place("plugin:current")).release;
    assert_ne!(four, five);
    let at = |path: &str| folder(&temp.path().join(path));
    assert_eq!(come(&registry.place("plugin:current"), &at("by-tag")).unwrap(), five);
    assert_eq!(come(&registry.place(&format!("plugin@{four}")), &at("by-digest")).unwrap(), four);
    // The statements are those of the release that came.
    assert!(vaern_trust::verify(&at("by-digest"), &trust(), now(), &name("containere")).is_ok());
}

#[test]
fn skopeo_reads_the_layout_and_what_lies_in_the_registry() {
    if Command::new("skopeo").arg("--version").output().is_err() {
        return skip("a reader of layouts that is not ours: skopeo is not installed");
    }
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("here");
    let dir = release(&path, 4);
    let (digest, _) = vaern_trust::inspect(&dir).unwrap();
    let raw = |args: &[&str]| {
        let output = Command::new("skopeo").args(["inspect", "--raw"]).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Digest::of(&output.stdout)
    };
    assert_eq!(raw(&[&format!("oci:{}:container-model-1.4.0", path.display())]), digest);
    let Some(registry) = Registry::start() else { return };
    go(&dir, &registry.place("plugin"));
    let there = format!("docker://127.0.0.1:{}/plugin:container-model-1.4.0", registry.port);
    assert_eq!(raw(&["--tls-verify=false", &there]), digest);
}

/// A server that answers each path as it is told, on a thread of its own until the test is over.
fn server(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut first = String::new();
            let _ = reader.read_line(&mut first);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                line.clear();
            }
            answer(first.split(' ').nth(1).unwrap_or_default(), &mut stream);
        }
    });
    port
}

fn say(stream: &mut TcpStream, status: &str, media: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

/// A release index that names one artifact that names one blob of this size; and what the server does when it is asked for the blob.
fn one_blob(size: usize, blob: impl Fn(&mut TcpStream) + Send + 'static) -> Place {
    let honest = vec![7; size];
    let named = |media: &str, bytes: &[u8]| serde_json::json!({ "mediaType": media, "digest": Digest::of(bytes), "size": bytes.len() });
    let artifact =
        serde_json::json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": named("x", &honest), "layers": [] })
            .to_string();
    let index = serde_json::json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [named(MANIFEST, artifact.as_bytes())] }).to_string();
    let port = server(move |path, stream| {
        if path == "/v2/" {
            say(stream, "200 OK", "application/json", b"{}");
        } else if path.contains("/blobs/") {
            blob(stream);
        } else if path.ends_with("/manifests/tag") {
            say(stream, "200 OK", INDEX, index.as_bytes());
        } else {
            say(stream, "200 OK", MANIFEST, artifact.as_bytes());
        }
    });
    format!("oci://127.0.0.1:{port}/plugin:tag").parse().unwrap()
}

fn hasty() -> Patience {
    Patience { silence: Duration::from_secs(5), grace: Duration::from_millis(200), least_rate: 10_000 }
}

fn refused(from: &Place) -> RegistryError {
    let temp = tempfile::tempdir().unwrap();
    let dir = folder(temp.path());
    let error = pull(from, &dir, &Login::Anonymous, hasty()).unwrap_err();
    assert!(!dir.exists("index.json"), "what was cut off is no release");
    error
}

#[test]
fn upd_06n_a_server_that_hardly_sends_is_too_slow_and_one_that_never_answers_too() {
    let trickle = one_blob(100_000, |stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n";
        let mut go_on = stream.write_all(head.as_bytes()).is_ok();
        while go_on {
            std::thread::sleep(Duration::from_millis(20));
            go_on = stream.write_all(&[7; 10]).is_ok();
        }
    });
    let error = refused(&trickle);
    assert!(matches!(error, RegistryError::TooSlow), "{error}");
    let silent = server(|path, stream| {
        if path == "/v2/" {
            say(stream, "200 OK", "application/json", b"{}");
        } else {
            // Longer than anybody waits here; the test is over before.
            std::thread::sleep(Duration::from_secs(600));
        }
    });
    let place: Place = format!("oci://127.0.0.1:{silent}/plugin:tag").parse().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let patience = Patience { silence: Duration::from_millis(300), ..hasty() };
    let error = pull(&place, &folder(temp.path()), &Login::Anonymous, patience).unwrap_err();
    assert!(matches!(error, RegistryError::TooSlow | RegistryError::Refused(_)), "{error}");
}

#[test]
fn pkg_01n_other_bytes_and_pkg_02n_more_bytes_than_were_named_are_refused() {
    let other = one_blob(1000, |stream| say(stream, "200 OK", "x", &[8; 1000]));
    let error = refused(&other);
    assert!(matches!(error, RegistryError::DigestMismatch(_)), "{error}");
    let longer = one_blob(1000, |stream| say(stream, "200 OK", "x", &vec![7; 5000]));
    let error = refused(&longer);
    assert!(matches!(error, RegistryError::TooLong), "{error}");
    // Honest bytes that are no release.
    let nothing = one_blob(1000, |stream| say(stream, "200 OK", "x", &[7; 1000]));
    let error = refused(&nothing);
    assert!(matches!(error, RegistryError::NotARelease(_)), "{error}");
}

#[test]
fn pkg_05n_an_index_that_names_itself_or_too_much_ends() {
    // Each manifest that is asked for names another one: nothing of it is ever the whole.
    let port = server(|path, stream| {
        if path == "/v2/" {
            return say(stream, "200 OK", "application/json", b"{}");
        }
        let next = serde_json::json!({ "mediaType": INDEX, "digest": Digest::of(path.as_bytes()), "size": 100 });
        let index = serde_json::json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [next] }).to_string();
        say(stream, "200 OK", INDEX, index.as_bytes());
    });
    let error = refused(&format!("oci://127.0.0.1:{port}/plugin:tag").parse().unwrap());
    assert!(matches!(error, RegistryError::DigestMismatch(_) | RegistryError::Refused(_)), "{error}");
}
