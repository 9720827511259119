//! The release chain as people run it: admit, approve, publish, follow, revoke, recover. On copied folders, offline.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod program;

use std::path::{Path, PathBuf};
use std::process::Command;

use program::{copy, stderr, text, vaern};
use serde_json::Value;

fn done(args: &[&str]) -> Value {
    let output = vaern(&[&["--json"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{args:?}\n{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a refused command says: what happened, and the krav.
fn refused(args: &[&str]) -> (String, String) {
    let output = vaern(&[&["--json"], args].concat());
    assert_eq!(output.status.code(), Some(1), "{args:?}\n{}", stderr(&output));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    let field = |name: &str| error["error"][name].as_str().unwrap_or_default().to_owned();
    (field("what"), field("krav"))
}

struct City {
    _temp: tempfile::TempDir,
    at: PathBuf,
}

impl City {
    /// A demo's keys, policies and approved release, with a channel that lists it, all in a folder that was copied.
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let demo = temp.path().join("demo");
        done(&["demo", "--frames", "4", "--out", text(&demo)]);
        let at = temp.path().join("copied elsewhere");
        copy(&demo, &at);
        std::fs::remove_dir_all(demo).unwrap();
        let city = Self { _temp: temp, at };
        for (name, role) in [("root-1", "root"), ("root-2", "root")] {
            done(&["keys", "new", "--name", name, "--role", role, "--out", text(&city.at("keys"))]);
        }
        let public = |name: &str| {
            let shown = done(&["keys", "show", text(&city.at(&format!("keys/{name}.public.toml")))]);
            shown["key"].as_str().unwrap().to_owned()
        };
        let trust = city.at("policies/trust.toml");
        let mut file = std::fs::read_to_string(&trust).unwrap();
        file += &format!(
            "\n[channel]\nthreshold = 1\nroles = [\"systemejer\"]\n\n[root]\nthreshold = 2\nkeys = [{{ name = \"root-1\", key = \"{}\" }}, {{ name = \"root-2\", key = \"{}\" }}]\n",
            public("root-1"),
            public("root-2")
        );
        std::fs::write(trust, file).unwrap();
        city.signing(&["channel", "init", "--name", "drift"], "systemejer");
        city
    }

    fn at(&self, path: &str) -> PathBuf {
        self.at.join(path)
    }

    /// A command that signs for the channel with one desk's key.
    fn signing(&self, args: &[&str], desk: &str) -> Value {
        let key = self.at(&format!("keys/{desk}.secret.toml"));
        let (channel, trust) = (self.at("channel"), self.at("policies/trust.toml"));
        done(&[args, &["--channel", text(&channel), "--trust", text(&trust), "--key", text(&key)]].concat())
    }

    fn enrol(&self, state: &str) {
        let (channel, trust, state) = (self.at("channel"), self.at("policies/trust.toml"), self.at(state));
        done(&["channel", "enrol", "--channel", text(&channel), "--trust", text(&trust), "--state", text(&state)]);
    }

    fn run_args(&self, state: &str) -> Vec<String> {
        let mut args = vec!["run".to_owned()];
        for (flag, path) in [
            ("--source", "drive"),
            ("--release", "release"),
            ("--policies", "policies"),
            ("--out", "out"),
            ("--channel", "channel"),
            ("--state", state),
        ] {
            args.push(flag.to_owned());
            args.push(text(&self.at(path)).to_owned());
        }
        args
    }

    fn runs(&self, state: &str) -> Value {
        done(&self.run_args(state).iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn run_refused(&self, state: &str) -> (String, String) {
        refused(&self.run_args(state).iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[test]
fn upd_01n_11n_12n_13n_the_channel_decides_what_runs_and_the_floor_remembers() {
    let city = City::new();
    city.enrol("state");
    let (what, _) = city.run_refused("state");
    assert!(what.starts_with("NotListed"), "{what}");

    let release = city.at("release");
    let published = city.signing(&["channel", "publish", text(&release)], "systemejer");
    let digest = published["channel"]["releases"][0]["release"].as_str().unwrap().to_owned();
    let older = city.at("older");
    copy(&city.at("channel"), &older);
    assert!(city.runs("state")["frames_seen"].as_u64().unwrap() > 0);

    // The city's revocation, by one desk, stops it; the older folder does not bring it back.
    let (channel, trust, key) = (city.at("channel"), city.at("policies/trust.toml"), city.at("keys/jura.secret.toml"));
    let other = vaern_door::Digest::of(b"mistyped").to_string();
    let signing = ["--channel", text(&channel), "--trust", text(&trust), "--key", text(&key)];
    let mistyped = vaern(&[&["revoke", &other, "--reason", "finds cars"][..], &signing].concat());
    assert_eq!(mistyped.status.code(), Some(2), "{}", stderr(&mistyped));
    city.signing(&["revoke", &digest, "--reason", "finds cars"], "jura");
    city.signing(&["channel", "publish"], "systemejer");
    let (what, krav) = city.run_refused("state");
    assert!(what.starts_with("Revoked") && what.contains("finds cars"), "{what}");
    assert_eq!(krav, "CYB-01");
    std::fs::remove_dir_all(city.at("channel")).unwrap();
    copy(&older, &city.at("channel"));
    let (what, _) = city.run_refused("state");
    assert!(what.starts_with("Rollback"), "{what}");
}

#[test]
fn upd_02n_a_torn_floor_stops_the_node_and_the_root_s_statement_brings_it_back() {
    let city = City::new();
    let release = city.at("release");
    city.signing(&["channel", "publish", text(&release)], "systemejer");
    let (what, _) = {
        std::fs::create_dir(city.at("state")).unwrap();
        city.run_refused("state")
    };
    assert!(what.starts_with("FloorUnreadable"), "{what}");
    city.enrol("state");
    city.runs("state");
    std::fs::write(city.at("state/floor.redb"), b"torn").unwrap();
    let (what, _) = city.run_refused("state");
    assert!(what.starts_with("FloorUnreadable"), "{what}");

    let (channel, trust, out) = (city.at("channel"), city.at("policies/trust.toml"), city.at("recovery.json"));
    let keys = ["root-1", "root-2"].map(|name| city.at(&format!("keys/{name}.secret.toml")));
    let sign = |keys: &[PathBuf]| -> Vec<String> {
        let mut args: Vec<String> =
            ["channel", "recovery", "--node", "vogn-7", "--serial", "1", "--out", text(&out), "--channel"]
                .map(str::to_owned)
                .into();
        args.extend([text(&channel), "--trust", text(&trust)].map(str::to_owned));
        keys.iter().for_each(|key| args.extend(["--key".to_owned(), text(key).to_owned()]));
        args
    };
    let as_text = |args: &[String]| args.to_vec();
    let one = as_text(&sign(&keys[..1]));
    refused(&one.iter().map(String::as_str).collect::<Vec<_>>());
    let both = sign(&keys);
    done(&both.iter().map(String::as_str).collect::<Vec<_>>());
    let state = city.at("state");
    let recover = |node: &'static str| {
        ["channel", "recover", text(&out), "--node", node, "--trust", text(&trust), "--state", text(&state)]
            .map(str::to_owned)
    };
    let other = recover("vogn-8");
    assert!(refused(&other.each_ref().map(String::as_str)).0.contains("another node"));
    let own = recover("vogn-7");
    done(&own.each_ref().map(String::as_str));
    city.runs("state");
}

#[test]
fn the_whole_chain_works_with_the_network_off_on_a_copied_directory() {
    let city = City::new();
    let (release, channel, trust) = (city.at("release"), city.at("channel"), city.at("policies/trust.toml"));
    let (state, key) = (city.at("state"), city.at("keys/systemejer.secret.toml"));
    let signing = ["--channel", text(&channel), "--trust", text(&trust), "--key", text(&key)];
    let run = city.run_args("state");
    let steps: [Vec<&str>; 5] = [
        [&["channel", "publish", text(&release)], &signing[..]].concat(),
        ["channel", "verify", text(&channel), "--trust", text(&trust)].to_vec(),
        ["channel", "enrol", "--channel", text(&channel), "--trust", text(&trust), "--state", text(&state)].to_vec(),
        ["plugin", "inspect", text(&release)].to_vec(),
        run.iter().map(String::as_str).collect(),
    ];
    for step in steps {
        // A name space of its own without any interface but a loopback that is down.
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "--net", env!("CARGO_BIN_EXE_vaern"), "--json"])
            .args(&step)
            .env_remove("VAERN_MODELS")
            .output();
        match output {
            Ok(output) if !stderr(&output).contains("unshare") => {
                assert_eq!(output.status.code(), Some(0), "{step:?}\n{}", stderr(&output));
            }
            _ => {
                use std::io::Write as _;
                let _ =
                    writeln!(std::io::stderr(), "SKIP: the chain without a network: no name space can be made here");
                return;
            }
        }
    }
}

#[test]
fn lev_03n_a_vendor_is_admitted_with_a_risk_record_and_sig_21n_rotated_with_a_cut() {
    let temp = tempfile::tempdir().unwrap();
    let at = |path: &str| temp.path().join(path);
    for (folder, name, role) in
        [("a", "street-eye", "vendor"), ("b", "street-eye", "vendor"), ("c", "jura", "jura"), ("c", "drift", "drift")]
    {
        done(&["keys", "new", "--name", name, "--role", role, "--out", text(&at(folder))]);
    }
    let key = |path: &str| done(&["keys", "show", text(&at(path))])["key"].as_str().unwrap().to_owned();
    let trust = at("trust.toml");
    let roles = ["jura", "drift"].map(|role| {
        format!(
            "[[roles]]\nrole = \"{role}\"\nname = \"{role}\"\nkey = \"{}\"\n",
            key(&format!("c/{role}.public.toml"))
        )
    });
    std::fs::write(&trust, format!("[approval]\nthreshold = 2\nroles = [\"jura\"]\n{}", roles.concat())).unwrap();
    std::fs::write(at("risk.md"), "  \n").unwrap();
    let public = at("a/street-eye.public.toml");
    let risk = at("risk.md");
    let admit = |public: &Path, trust: &Path| {
        let args = [
            "vendor",
            "admit",
            text(public),
            "--trust",
            text(trust),
            "--risk-record",
            text(&risk),
            "--dated",
            "2026-11-01",
        ];
        args.map(str::to_owned)
    };
    let args = admit(&public, &trust);
    assert_eq!(refused(&args.each_ref().map(String::as_str)).1, "LEV-03");
    std::fs::write(at("risk.md"), "Ejerforhold, sikkerhed og historik er vurderet.\n").unwrap();
    done(&args.each_ref().map(String::as_str));
    let file = std::fs::read_to_string(&trust).unwrap();
    assert!(file.contains("street-eye") && file.contains("2026-11-01"), "{file}");
    // Twice is refused, and so is a key that is not a vendor's.
    assert!(refused(&args.each_ref().map(String::as_str)).0.contains("twice"));
    let desk = admit(&at("c/jura.public.toml"), &trust);
    assert_eq!(vaern(&desk.each_ref().map(String::as_str)).status.code(), Some(2));
    let next = at("b/street-eye.public.toml");
    done(&["vendor", "rotate", text(&next), "--trust", text(&trust), "--last-counter", "4"]);
    let file = std::fs::read_to_string(&trust).unwrap();
    assert!(file.contains("last_counter = 4"), "{file}");
    assert!(file.contains(&key("a/street-eye.public.toml")) && file.contains(&key("b/street-eye.public.toml")));
}

/// Held by `cargo test --features tuf` as well, where the same commands are taken.
#[test]
#[cfg(not(feature = "tuf"))]
fn a_program_without_tuf_says_so_instead_of_reading_a_repository_as_something_else() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("root.json"), "{}").unwrap();
    let (folder, root) = (text(temp.path()).to_owned(), text(&temp.path().join("root.json")).to_owned());
    for args in [
        vec!["channel", "tuf", "refresh", &folder, "--key", "nobody.toml"],
        vec!["channel", "verify", &folder, "--trust", "nobody.toml", "--tuf-root", &root],
    ] {
        let output = vaern(&args);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("built without TUF"), "{}", stderr(&output));
    }
}

#[test]
fn upd_10n_11n_16n_18n_a_rollout_ring_by_ring_over_a_carrier() {
    let city = City::new();
    let release = city.at("release");
    let published = city.signing(&["channel", "publish", text(&release), "--assigned", "true"], "systemejer");
    let digest = published["channel"]["releases"][0]["release"].as_str().unwrap().to_owned();
    let (channel, trust, bus) = (city.at("channel"), city.at("policies/trust.toml"), city.at("on the vehicle"));
    // The vehicle has a folder of its own, and gets the files one by one.
    let deliver = |node: &str, files: &[PathBuf]| {
        let mut args = vec!["channel", "deliver", "--node", node, "--channel", text(&bus), "--trust", text(&trust)];
        args.extend(files.iter().map(|file| text(file)));
        args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>()
    };
    let now_done = |args: &[String]| done(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let now_refused = |args: &[String]| refused(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let first = now_done(&deliver("vogn-7", &[channel.join("channel.json"), channel.join("channel.json")]));
    assert_eq!((first[0]["became"].as_str(), first[1]["became"].as_str()), (Some("taken"), Some("known")));
    let state = city.at("state");
    done(&["channel", "enrol", "--channel", text(&bus), "--trust", text(&trust), "--state", text(&state)]);
    let run = |node: Option<&str>| {
        let mut args = city.run_args("state");
        let at = args.iter().position(|arg| arg == "--channel").unwrap() + 1;
        args[at] = text(&bus).to_owned();
        args.extend(node.into_iter().flat_map(|node| ["--node".to_owned(), node.to_owned()]));
        args
    };
    // Listed and approved, and assigned to nobody.
    for node in [None, Some("vogn-7")] {
        let (what, _) = now_refused(&run(node));
        assert!(what.starts_with("NotAssigned"), "{what}");
    }
    city.signing(&["channel", "assign", &digest, "--node", "vogn-7"], "systemejer");
    let assigned = channel.join("assignments/vogn-7.json");
    // To another node it means nothing, whoever brings it.
    let (what, _) = now_refused(&deliver("vogn-8", std::slice::from_ref(&assigned)));
    assert!(what.starts_with("WrongNode"), "{what}");
    now_done(&deliver("vogn-7", std::slice::from_ref(&assigned)));
    assert!(now_done(&run(Some("vogn-7")))["frames_seen"].as_u64().unwrap() > 0);
    // Under another name, the node has seen an assignment and finds none.
    let (what, _) = now_refused(&run(Some("vogn-8")));
    assert!(what.starts_with("Rollback: assignment"), "{what}");

    // The second ring waits for the signed result of the first; the desk that holds the channel's key cannot sign it alone.
    let key = |desk: &str| city.at(&format!("keys/{desk}.secret.toml"));
    let (jura, systems) = (key("jura"), key("systemejer"));
    let signing = ["--channel", text(&channel), "--trust", text(&trust), "--key", text(&systems)];
    let second = ["channel", "assign", &digest, "--node", "vogn-9", "--ring", "1"];
    let (what, _) = refused(&[&second[..], &signing].concat());
    assert!(what.starts_with("RingViolation"), "{what}");
    let out = city.at("ring-0.json");
    let ring =
        ["channel", "ring", &digest, "--ring", "0", "--nodes", "1", "--frames", "4", "--failures", "0", "--trust"];
    let ring = [&ring[..], &[text(&trust), "--out", text(&out), "--key", text(&systems)]].concat();
    refused(&[&ring[..], &["--passed"]].concat());
    let (both, by_both) = (["--key", text(&jura)], ["--result", text(&out)]);
    // What did not pass opens nothing.
    done(&[&ring[..], &both].concat());
    let (what, _) = refused(&[&second[..], &signing, &by_both].concat());
    assert!(what.contains("did not pass"), "{what}");
    done(&[&ring[..], &both, &["--passed"]].concat());
    done(&[&second[..], &signing, &by_both].concat());
}
