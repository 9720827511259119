//! A city with a node: keys, rules, a channel, releases made of small guests, a watched folder, and the service as a process.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test file uses a part; tests state what they expect"
)]

pub(crate) mod feed;
pub(crate) mod rounds;
pub(crate) mod soak;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use vaern_scenes::Drive;

use crate::program::{copy, json, stderr, text, vaern};

/// Longer than anything takes on a busy machine; only a hang lasts so long.
const HANGS: Duration = Duration::from_secs(120);

pub(crate) fn done(args: &[&str]) -> Value {
    let output = vaern(&[&["--json"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{args:?}\n{}", stderr(&output));
    json(&output.stdout)
}

/// Waits until something holds. What it waits for is not a time.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < HANGS, "it hangs: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A demo's keys, rules and approval: made once for all tests of a file.
fn demo() -> &'static Path {
    static DEMO: OnceLock<PathBuf> = OnceLock::new();
    DEMO.get_or_init(|| {
        let at = Path::new(env!("CARGO_TARGET_TMPDIR")).join(concat!("demo-of-", env!("CARGO_CRATE_NAME")));
        done(&["demo", "--frames", "4", "--out", text(&at)]);
        at
    })
}

/// The city, and what it gave its node.
pub(crate) struct City {
    _temp: Option<tempfile::TempDir>,
    at: PathBuf,
    port: u16,
}

impl City {
    /// A demo's keys and rules, a channel that lists nothing yet, an enrolled node.
    pub(crate) fn new(more: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let at = temp.path().to_owned();
        Self::make(Some(temp), at, more)
    }

    /// The same under rules of its own: in the profile each first text is replaced by the second.
    pub(crate) fn ruled(more: &str, changes: &[(&str, &str)]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let at = temp.path().to_owned();
        Self::make_ruled(Some(temp), at, more, changes)
    }

    /// The same in a folder that stays.
    pub(crate) fn make(temp: Option<tempfile::TempDir>, at: PathBuf, more: &str) -> Self {
        Self::make_ruled(temp, at, more, &[])
    }

    fn make_ruled(temp: Option<tempfile::TempDir>, at: PathBuf, more: &str, changes: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let city = Self { _temp: temp, at, port };
        for part in ["keys", "policies", "city"] {
            copy(&demo().join(part), &city.at(part));
        }
        city.rule(changes);
        done(&["keys", "new", "--name", "node-1", "--role", "log", "--out", text(&city.at("keys"))]);
        city.signing(&["channel", "init", "--name", "drift"]);
        let (channel, trust, state) = (city.at("channel"), city.at("policies/trust.toml"), city.at("state"));
        done(&["channel", "enrol", "--channel", text(&channel), "--trust", text(&trust), "--state", text(&state)]);
        for part in ["inbox", "releases"] {
            std::fs::create_dir_all(city.at(part)).unwrap();
        }
        let config = format!(
            "[node]\nstate = \"state\"\nout = \"out\"\nworkers = 2\n[rules]\npolicies = \"policies\"\n\
             [releases]\nfolder = \"releases\"\nchannel = \"channel\"\n\
             [log]\nfolder = \"log\"\nkey = \"keys/node-1.secret.toml\"\n\
             [metrics]\nlisten = \"127.0.0.1:{port}\"\nevery_ms = 50\n[source]\nfolder = \"inbox\"\n{more}"
        );
        std::fs::write(city.at("node.toml"), config).unwrap();
        city
    }

    /// Signs a profile for tests: the same captures again and again are looked at, a swap is soon judged, and figures are told at
    /// once, for which the budget must be wide (EXF-08).
    fn rule(&self, changes: &[(&str, &str)]) {
        let profile = self.at("policies/profiles/edge.toml");
        let mut text_ = std::fs::read_to_string(&profile).unwrap();
        for (from, to) in changes.iter().chain(&[
            ("bits_per_hour = 20_000", "bits_per_hour = 100_000_000"),
            ("frames_per_second = 10", "frames_per_second = 120"),
            ("min_distance_m = 5", "min_distance_m = 0"),
            ("shadow_frames = 50", "shadow_frames = 1"),
            ("watch_frames = 100", "watch_frames = 1"),
            // A few frames on a busy machine say nothing of how slow a release is.
            ("slower_percent = 300", "slower_percent = 10000"),
            // The machine that runs the tests need not grant what a vehicle's must. Who asks for that spells it otherwise.
            ("may_reach_disk = false", "may_reach_disk = true"),
        ]) {
            text_ = text_.replace(from, to);
        }
        std::fs::write(&profile, text_).unwrap();
        let (dir, trust) = (self.at("policies"), self.at("policies/trust.toml"));
        let keys = ["jura", "systemejer"].map(|desk| self.at(&format!("keys/{desk}.secret.toml")));
        let sign = ["policy", "sign", text(&dir), "--trust", text(&trust), "--first", "--yes"];
        done(&[&sign[..], &["--key", text(&keys[0]), "--key", text(&keys[1])]].concat());
    }

    /// Changes the node's configuration.
    pub(crate) fn configure(&self, from: &str, to: &str) {
        let file = self.at("node.toml");
        let before = std::fs::read_to_string(&file).unwrap();
        let after = before.replace(from, to);
        assert_ne!(before, after, "{from} is not in the configuration");
        std::fs::write(file, after).unwrap();
    }

    /// A city that was made before.
    pub(crate) const fn again(at: PathBuf, port: u16) -> Self {
        Self { _temp: None, at, port }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.at.join(path)
    }

    /// A command that the city's two desks sign.
    pub(crate) fn signing(&self, args: &[&str]) -> Value {
        let (channel, trust) = (self.at("channel"), self.at("policies/trust.toml"));
        let keys = ["jura", "systemejer"].map(|desk| self.at(&format!("keys/{desk}.secret.toml")));
        let signing = ["--channel", text(&channel), "--trust", text(&trust)];
        done(&[args, &signing, &["--key", text(&keys[0]), "--key", text(&keys[1])]].concat())
    }

    /// A release made of a guest, approved until `until`, in the folder of releases and in the channel. Answers with its digest.
    pub(crate) fn release(&self, guest: &str, counter: u64, until: Option<&str>) -> String {
        self.release_of(guest, &vaern_hostile::component(guest).unwrap(), counter, until)
    }

    /// The same of a component of one's own.
    pub(crate) fn release_of(&self, guest: &str, component: &[u8], counter: u64, until: Option<&str>) -> String {
        self.release_with(guest, component, counter, until, "")
    }

    /// The same of one that asks for capabilities.
    pub(crate) fn release_with(
        &self,
        guest: &str,
        component: &[u8],
        counter: u64,
        until: Option<&str>,
        capabilities: &str,
    ) -> String {
        let name = format!("{guest}-{counter}");
        let work = self.at("work").join(&name);
        std::fs::create_dir_all(&work).unwrap();
        std::fs::write(work.join("plugin.wasm"), component).unwrap();
        let manifest = format!(
            "name = \"guest\"\nversion = \"0.1.{counter}\"\ncounter = {counter}\nvendor = \"vaern-reference\"\n\
             purpose = \"containere\"\nintended_use = \"A guest of the tests.\"\nlabels = [\"affaldscontainer\"]\n\
             capabilities = [{capabilities}]\nframe = {{ width = 1280, height = 720 }}\n[licences]\nplugin = \"Apache-2.0\"\n\
             model = \"\"\ntraining_data = \"\"\n"
        );
        std::fs::write(work.join("vaern.toml"), manifest).unwrap();
        let (wasm, toml, release) = (work.join("plugin.wasm"), work.join("vaern.toml"), work.join("release"));
        done(&["plugin", "pack", "--component", text(&wasm), "--manifest", text(&toml), "--out", text(&release)]);
        let vendor = self.at("keys/vaern-reference.secret.toml");
        done(&["plugin", "sign", text(&release), "--key", text(&vendor)]);
        let draft = std::fs::read_to_string(self.at("city/approval.toml")).unwrap();
        let draft: String = draft
            .lines()
            .map(|line| match until {
                Some(until) if line.starts_with("expires") => format!("expires = \"{until}\"\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        // Beside the record of the impact assessment that it names.
        let (there, trust) = (self.at(&format!("city/{name}.toml")), self.at("policies/trust.toml"));
        std::fs::write(&there, draft).unwrap();
        let draft = there;
        let keys = ["jura", "systemejer"].map(|desk| self.at(&format!("keys/{desk}.secret.toml")));
        done(&[
            "approve",
            text(&release),
            "--trust",
            text(&trust),
            "--draft",
            text(&draft),
            "--key",
            text(&keys[0]),
            "--key",
            text(&keys[1]),
            "--yes",
        ]);
        let there = self.at("releases").join(&name);
        std::fs::rename(&release, &there).unwrap();
        let published = self.signing(&["channel", "publish", text(&there)]);
        let listed = published["channel"]["releases"].as_array().unwrap();
        listed.iter().find(|r| r["counter"] == counter).unwrap()["release"].as_str().unwrap().to_owned()
    }

    /// Brings captures, as a camera does: whole before they have their names.
    pub(crate) fn bring(&self, captures: &[(String, Vec<u8>)]) {
        for (name, bytes) in captures {
            let hidden = self.at("inbox").join(format!(".{name}"));
            std::fs::write(&hidden, bytes).unwrap();
            std::fs::rename(hidden, self.at("inbox").join(name)).unwrap();
        }
    }

    pub(crate) fn start(&self) -> Service {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, environment: &[(&str, &str)]) -> Service {
        self.started(&[env!("CARGO_BIN_EXE_vaern")], environment)
    }

    /// The service by another program than the one under test.
    pub(crate) fn start_by(&self, program: &Path) -> Service {
        self.started(&[text(program)], &[])
    }

    /// The service started through other programs: each with its arguments, the service's own come last.
    pub(crate) fn start_through(&self, programs: &[&str]) -> Service {
        self.started(&[programs, &[env!("CARGO_BIN_EXE_vaern")]].concat(), &[])
    }

    fn started(&self, line: &[&str], environment: &[(&str, &str)]) -> Service {
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(self.at("node.err")).unwrap();
        let child = Command::new(line[0])
            .args(&line[1..])
            .args(["run", "--config", text(&self.at("node.toml"))])
            .envs(environment.iter().copied())
            .env_remove("VAERN_MODELS")
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .unwrap();
        Service { child, port: self.port }
    }

    /// The service under a tracer that kills it with the `number`-th of these calls of any one of its threads, before the call is made.
    pub(crate) fn start_to_be_cut(&self, calls: &str, number: u32) -> Service {
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(self.at("node.err")).unwrap();
        let child = Command::new("strace")
            .args(["-qq", "-f", "--seccomp-bpf", "-o", "/dev/null"])
            .args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:signal=KILL:when={number}")])
            .arg(env!("CARGO_BIN_EXE_vaern"))
            .args(["run", "--config", text(&self.at("node.toml"))])
            .env_remove("VAERN_MODELS")
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .unwrap();
        Service { child, port: self.port }
    }

    pub(crate) fn node(&self, args: &[&str]) -> Value {
        let config = self.at("node.toml");
        done(&[&["node"], args, &["--config", text(&config)]].concat())
    }

    /// The leaves of the log, verified.
    pub(crate) fn leaves(&self) -> Vec<Value> {
        let log = self.at("log");
        let account = done(&["audit", "verify", text(&log)]);
        let shown = done(&["audit", "show", text(&log), "--count", "1000000"]);
        let leaves = shown.as_array().unwrap().clone();
        assert_eq!(leaves.len() as u64, account["leaves"].as_u64().unwrap());
        leaves
    }

    /// The kinds of the leaves, in order.
    pub(crate) fn kinds(&self) -> Vec<String> {
        let kind = |leaf: &Value| leaf["record"]["event"].as_object().unwrap().keys().next().unwrap().clone();
        self.leaves().iter().map(kind).collect()
    }

    /// The windows' accounts: what each says of itself. A window that a kill cut off has none yet; the next start gives it one.
    pub(crate) fn windows(&self) -> Vec<Value> {
        let Ok(entries) = std::fs::read_dir(self.at("out")) else { return Vec::new() };
        let summary = |entry: std::io::Result<std::fs::DirEntry>| {
            std::fs::read(entry.unwrap().path().join("summary.json")).ok().map(|bytes| json(&bytes))
        };
        entries.filter_map(summary).collect()
    }

    /// Frames in all windows: in, with objects, empty, refused.
    pub(crate) fn account(&self) -> [u64; 4] {
        self.windows().iter().fold([0; 4], |[frames, found, empty, refused], window| {
            let of = |name: &str| window[name].as_u64().unwrap();
            let seen = of("frames_seen");
            [
                frames + of("frames_in"),
                found + of("frames_with_objects"),
                empty + seen - of("frames_with_objects"),
                refused + of("frames_refused"),
            ]
        })
    }

    /// Captures in the watched folder, taken or not.
    pub(crate) fn left(&self) -> usize {
        let count = |folder: PathBuf| {
            let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
            entries.filter(|e| e.as_ref().unwrap().file_type().unwrap().is_file()).count()
        };
        count(self.at("inbox")) + count(self.at("inbox/.taken"))
    }
}

/// The service, running.
pub(crate) struct Service {
    child: Child,
    port: u16,
}

impl Service {
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    pub(crate) fn health(&self) -> Value {
        self.get("/healthz").map_or(Value::Null, |(_, body)| json(body.as_bytes()))
    }

    /// Waits until the health says so.
    pub(crate) fn is(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let mut moved = Instant::now();
        loop {
            let health = self.health();
            if holds(&health) {
                return health;
            }
            if !health.is_null() && health != last {
                last = health;
                moved = Instant::now();
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the service ended with {status}; it was: {last:#}");
            }
            // A busy machine makes it slow; what moves does not hang.
            assert!(moved.elapsed() < HANGS, "it hangs: {what}; it is: {last:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn saw(&mut self, frames: u64) -> Value {
        self.is(&format!("{frames} frames"), |health| health["frames"].as_u64().is_some_and(|n| n >= frames))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let _ = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).output();
    }

    /// Whether it ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The processes that it started.
    pub(crate) fn children(&self) -> Vec<String> {
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", self.child.id())) else { return Vec::new() };
        let of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let all: String = tasks.flatten().map(of).collect();
        all.split_whitespace().map(str::to_owned).collect()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("the end of the service", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub(crate) fn end(mut self) {
        self.signal("TERM");
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{status}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Captures of one drive, named in their order. Some lie outside the fence or have no fix.
pub(crate) fn drive(frames: usize) -> Vec<(String, Vec<u8>)> {
    drive_of(frames, (320, 180))
}

/// The same in another size.
pub(crate) fn drive_of(frames: usize, size: (u16, u16)) -> Vec<(String, Vec<u8>)> {
    let drive = Drive::generate(7, frames, size);
    drive.map(|frame| frame.unwrap()).map(|frame| (frame.truth.name.clone(), frame.jpeg)).collect()
}

/// Whether any file below a folder holds these bytes.
pub(crate) fn holds(folder: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, needle);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}
