//! Against a registry that is not ours (Debian's `docker-registry`) and a reader that is not ours (`skopeo`); and against servers
//! that lie, never end or hardly begin.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod desk;

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use cap_std::fs::Dir;
use desk::*;
use vaern_door::Digest;
use vaern_registry::{Access, Patience, Place, RegistryError, pull, push};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn go(dir: &Dir, to: &Place) -> vaern_registry::Pushed {
    push(dir, to, &Access::default(), Patience::default()).unwrap()
}

fn come(from: &Place, dir: &Dir) -> Result<Digest, RegistryError> {
    pull(from, dir, &Access::default(), Patience::default())
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
    // A directory that holds something else is not written to.
    let other = folder(&temp.path().join("other"));
    other.write("diary.txt", b"mine").unwrap();
    assert!(matches!(come(&place, &other), Err(RegistryError::Io { .. })));
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

/// A release index that names one artifact that names one blob of this size; and what the server does when it is asked for the blob.
fn one_blob(size: usize, blob: impl Fn(&mut TcpStream) + Send + 'static) -> Place {
    let honest = vec![7; size];
    let named = |media: &str, bytes: &[u8]| serde_json::json!({ "mediaType": media, "digest": Digest::of(bytes), "size": bytes.len() });
    let artifact =
        serde_json::json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": named("x", &honest), "layers": [] })
            .to_string();
    let index = serde_json::json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [named(MANIFEST, artifact.as_bytes())] }).to_string();
    let port = server("127.0.0.1", move |path, stream| {
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
    let error = pull(from, &dir, &Access::default(), hasty()).unwrap_err();
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
    let silent = server("127.0.0.1", |path, stream| {
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
    let error = pull(&place, &folder(temp.path()), &Access::default(), patience).unwrap_err();
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
    let port = server("127.0.0.1", |path, stream| {
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

#[test]
fn pkg_16p_what_was_said_later_is_added_to_a_folder_that_holds_the_release_and_pkg_20n_another_release_is_not() {
    let Some(registry) = Registry::start() else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = release(&temp.path().join("here"), 4);
    // Pushed before it had its code: what was said until then.
    let whole = dir.read("index.json").unwrap();
    let mut listed: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    listed["manifests"].as_array_mut().unwrap().retain(|entry| {
        entry["artifactType"] != "application/vnd.vaern.compiled.v1"
            && entry["annotations"]["vnd.vaern.statement"] != "compiled"
    });
    dir.write("index.json", serde_json::to_vec(&listed).unwrap()).unwrap();
    let pushed = go(&dir, &registry.place("plugin:current"));
    let there = folder(&temp.path().join("there"));
    come(&registry.place("plugin:current"), &there).unwrap();
    let code = |dir: &Dir| {
        vaern_trust::verify(dir, &trust(), now(), &name("containere")).unwrap().compiled(&trust(), &engine())
    };
    assert!(code(&there).is_err());
    let before: std::collections::BTreeMap<_, _> = blobs(&there);
    dir.write("index.json", whole).unwrap();
    go(&dir, &registry.place("plugin:current"));
    assert_eq!(come(&registry.place("plugin:current"), &there).unwrap(), pushed.release);
    assert_eq!(code(&there).unwrap().bytes(), b"stands for machine code");
    let after = blobs(&there);
    assert!(before.iter().all(|(name, file)| after.get(name) == Some(file)), "the very files that were there");
    assert_eq!(after.len(), before.len() + 4, "the code, its statement, and a manifest for each");
    // Once more brings nothing.
    come(&registry.place("plugin:current"), &there).unwrap();
    assert_eq!(blobs(&there), after);
    // The tag was moved to another release.
    let other = release(&temp.path().join("other"), 5);
    go(&other, &registry.place("plugin:current"));
    let refused = come(&registry.place("plugin:current"), &there).unwrap_err();
    assert!(matches!(refused, RegistryError::OtherRelease { held, .. } if held == pushed.release), "{refused}");
    assert_eq!(blobs(&there), after);
    assert!(code(&there).is_ok());
}

/// Each blob: which file it is on the disk, and how long.
fn blobs(dir: &Dir) -> std::collections::BTreeMap<String, (u64, u64)> {
    use cap_std::fs::MetadataExt as _;
    let file = |entry: std::io::Result<cap_std::fs::DirEntry>| {
        let entry = entry.unwrap();
        let data = entry.metadata().unwrap();
        (entry.file_name().into_string().unwrap(), (data.mtime_nsec() as u64 ^ data.mtime() as u64, data.len()))
    };
    dir.read_dir("blobs/sha256").unwrap().map(file).collect()
}
