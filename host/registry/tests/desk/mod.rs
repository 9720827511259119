//! The city's desk: keys, a release, Debian's registry, and servers that say what they are told to say.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cap_std::fs::Dir;
use vaern_door::{Digest, Interface, Label, Licences, Manifest, Name, Size, Version};
use vaern_registry::Place;
use vaern_trust::{ApprovalDraft, Dpia, DpoAdvice, EngineId, PackInputs, Responsible, SigningKeyPair, TrustRoot};

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn vendor() -> SigningKeyPair {
    SigningKeyPair::from_seed(&[1; 32])
}

pub fn jura() -> SigningKeyPair {
    SigningKeyPair::from_seed(&[2; 32])
}

pub fn now() -> jiff::Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

pub fn trust() -> TrustRoot {
    let (jura, vendor, none) = (jura().public(), vendor().public(), Digest::of(b""));
    TrustRoot::from_toml(&format!(
        "approval = {{ threshold = 1 }}\nroles = [{{ role = \"jura\", name = \"jura\", key = \"{jura}\" }}]\n[[vendors]]\nname = \"example-vision\"\nkey = \"{vendor}\"\nrisk_record = {{ date = \"2026-01-01\", digest = \"{none}\" }}\n"
    ))
    .unwrap()
}

pub fn engine() -> EngineId {
    EngineId { version: "1".into(), settings: Digest::of(b""), target: "x".into(), cpu: [].into() }
}

pub fn folder(path: &Path) -> Dir {
    std::fs::create_dir_all(path).unwrap();
    Dir::open_ambient_dir(path, cap_std::ambient_authority()).unwrap()
}

/// A release with this counter: packed, signed, approved, compiled and vouched for.
pub fn release(path: &Path, counter: u64) -> Dir {
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
        gate: None,
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

pub fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIP {why}");
}

/// Debian's registry on a port of its own, ended with the test.
pub struct Registry {
    child: Child,
    address: &'static str,
    pub port: u16,
    _temp: tempfile::TempDir,
}

impl Registry {
    pub fn start() -> Option<Self> {
        Self::start_at("127.0.0.1", None)
    }

    /// At another address of this machine, to which TLS is spoken: with this certificate and its key.
    pub fn start_at(address: &'static str, tls: Option<(&str, &str)>) -> Option<Self> {
        let temp = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let config = temp.path().join("config.yml");
        let root = temp.path().join("store");
        let mut text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}:{port}\n",
            root.display()
        );
        if let Some((certificate, key)) = tls {
            let (at, of) = (temp.path().join("server.pem"), temp.path().join("server.key"));
            std::fs::write(&at, certificate).unwrap();
            std::fs::write(&of, key).unwrap();
            text += &format!("  tls:\n    certificate: {}\n    key: {}\n", at.display(), of.display());
        }
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
        let registry = Self { child, address, port, _temp: temp };
        for _ in 0..200 {
            if TcpStream::connect((address, port)).is_ok() {
                return Some(registry);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("docker-registry does not answer");
    }

    pub fn place(&self, rest: &str) -> Place {
        format!("oci://{}:{}/{rest}", self.address, self.port).parse().unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that answers each path as it is told, on a thread of its own until the test is over.
pub fn server(address: &'static str, answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
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

pub fn say(stream: &mut TcpStream, status: &str, media: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}
