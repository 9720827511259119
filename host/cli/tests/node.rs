//! The node as a service: the real program, a watched folder, orders, and the city's word, through to log and results.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod nodes;
mod program;

use nodes::{City, drive};
use program::{json, stderr, text, vaern};

#[test]
fn cyb_01p_each_capture_is_taken_once_and_counted_and_the_service_ends_in_order() {
    let city = City::new("[window]\nframes = 4\n");
    city.release("honest", 1, None);
    let captures = drive(10);
    city.bring(&captures[..7]);
    let mut service = city.start();
    service.saw(7);
    let (code, metrics) = service.get("/metrics").unwrap();
    assert_eq!(code, 200);
    assert!(metrics.contains("\nvaern_running 1\n"), "{metrics}");
    assert_eq!(service.get("/readyz").unwrap().0, 200);
    service.end();
    assert_eq!(city.account()[0], 7);
    assert_eq!(city.left(), 0, "an original that has its outcome is gone");

    // Between two runs captures wait, and nothing is counted twice.
    city.bring(&captures[7..]);
    let mut service = city.start();
    service.saw(3);
    service.end();
    let [frames, found, empty, refused] = city.account();
    assert_eq!((frames, found + empty + refused), (10, 10));
    assert!(found > 0 && refused > 0, "{found} {refused}");
    // 4, 3, 3: each window a run with its end in the log.
    let kinds = city.kinds();
    let count = |kind: &str| kinds.iter().filter(|k| *k == kind).count();
    assert_eq!((count("run_begun"), count("run_ended")), (3, 3), "{kinds:?}");
    assert_eq!((count("approval_seen"), count("release_activated"), count("policy_in_force")), (1, 1, 1), "{kinds:?}");
    // SKJ-07: what is kept of a frame without an object is that it was.
    for window in city.windows() {
        assert!(window.get("frames").is_none());
    }
    for name in ["frames.csv", "pictures", "report.html"] {
        let any = std::fs::read_dir(city.at("out")).unwrap().any(|w| w.unwrap().path().join(name).exists());
        assert!(!any, "{name}");
    }
}

#[test]
fn gov_03n_a_local_stop_holds_through_a_restart_until_the_city_says_so_and_health_says_why() {
    let city = City::new("");
    city.release("honest", 1, None);
    let captures = drive(9);
    city.bring(&captures[..3]);
    let mut service = city.start();
    service.saw(3);
    city.node(&["stop"]);
    let health = service.is("stopped", |h| h["condition"] == "stopped");
    assert_eq!((&health["why"]["cause"], &health["why"]["krav"]), (&"asked".into(), &"GOV-03".into()), "{health:#}");
    assert_eq!(service.get("/readyz").unwrap().0, 503);
    assert_eq!(service.get("/healthz").unwrap().0, 200, "health stays up");
    city.bring(&captures[3..6]);
    // The inbox is looked into many times a second: whoever would see a frame would see these now.
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert_eq!(service.health()["frames"], 3, "a stopped node sees nothing");
    }
    service.end();

    // Taking the order away is no start, and neither is an order by too few.
    std::fs::remove_file(city.at("state/control/stop.json")).unwrap();
    let mut service = city.start();
    let health = service.is("stopped", |h| h["condition"] == "stopped");
    assert_eq!(health["frames"], 0);
    city.node(&["stop"]);
    let config = city.at("node.toml");
    let one = city.at("keys/jura.secret.toml");
    let refused = vaern(&["--json", "node", "start", "--config", text(&config), "--key", text(&one)]);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    let both = city.at("keys/systemejer.secret.toml");
    city.node(&["start", "--key", text(&one), "--key", text(&both)]);
    service.saw(3);
    service.end();
    assert_eq!(city.account()[0], 6, "what came meanwhile was seen when the city said so, and not before");
}

#[test]
fn gov_03p_the_city_lets_a_stopped_node_go_on_and_upd_12n_gov_02n_its_word_stops_it_again() {
    let city = City::new("");
    let digest = city.release("honest", 1, None);
    let captures = drive(12);
    let mut service = city.start();
    service.is("running", |h| h["condition"] == "running");
    city.node(&["stop"]);
    service.is("stopped", |h| h["condition"] == "stopped");
    let keys = ["jura", "systemejer"].map(|desk| city.at(&format!("keys/{desk}.secret.toml")));
    city.node(&["start", "--key", text(&keys[0]), "--key", text(&keys[1])]);
    city.bring(&captures[..4]);
    service.saw(4);

    // An order to go on that lies there is for the stop before, and starts nothing after the next.
    city.node(&["stop"]);
    service.is("stopped", |h| h["condition"] == "stopped");
    city.node(&["start", "--key", text(&keys[0]), "--key", text(&keys[1])]);
    service.is("running", |h| h["condition"] == "running");

    // The city raises the risk, and brings it down again.
    city.signing(&["risk", "--purpose", "containere", "--level", "høj"]);
    let health = service.is("stopped", |h| h["condition"] == "stopped");
    assert_eq!((&health["why"]["cause"], &health["why"]["krav"]), (&"risk_raised".into(), &"GOV-02".into()));
    city.bring(&captures[4..8]);
    city.signing(&["risk", "--purpose", "containere", "--level", "middel"]);
    service.saw(8);

    // A channel that somebody spoils changes nothing; what it revokes does.
    let channel = city.at("channel/channel.json");
    let good = std::fs::read(&channel).unwrap();
    std::fs::write(&channel, b"{}").unwrap();
    service.is("an alarm", |h| h["alarms"].as_array().is_some_and(|a| !a.is_empty()));
    assert_eq!(service.health()["condition"], "running");
    std::fs::write(&channel, good).unwrap();
    city.signing(&["revoke", &digest, "--reason", "finds cars"]);
    let health = service.is("stopped", |h| h["condition"] == "stopped");
    assert_eq!(health["why"]["cause"], "revoked");
    assert!(health["why"]["what"].as_str().unwrap().contains("finds cars"));
    city.bring(&captures[8..]);
    service.end();
    let [frames, _, _, _] = city.account();
    assert_eq!(frames, 8, "nothing was seen after the revocation");
    assert_eq!(city.left(), 4);
    let kinds = city.kinds();
    let stops: Vec<&str> = kinds.iter().map(String::as_str).filter(|k| ["stopped", "resumed"].contains(k)).collect();
    assert_eq!(stops, ["stopped", "resumed", "stopped", "resumed", "stopped", "resumed", "stopped"], "{kinds:?}");
}

#[test]
fn sig_19n_a_running_release_stops_when_its_approval_ends() {
    let city = City::new("");
    let mut seconds = 8;
    let (mut service, captures) = loop {
        let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        city.release("honest", seconds as u64, Some(&until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
        let captures = drive(6);
        city.bring(&captures[..3]);
        let mut service = city.start();
        let health = service
            .is("running or refused", |h| h["frames"] == 3 || h["alarms"].as_array().is_some_and(|a| !a.is_empty()));
        if health["frames"] == 3 {
            break (service, captures);
        }
        // The machine was too busy to see a frame before the end: once more, with more time.
        drop(service);
        seconds *= 2;
    };
    let health = service.is("stopped", |h| h["condition"] == "stopped");
    assert_eq!((&health["why"]["cause"], &health["why"]["krav"]), (&"approval_expired".into(), &"GOV-04".into()));
    city.bring(&captures[3..]);
    service.end();
    assert_eq!(city.account()[0], 3);
}

#[test]
fn std_01n_a_configuration_that_is_not_clear_is_refused_with_file_and_line() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("node.toml");
    std::fs::write(&file, "[node]\nstate = \"s\"\nout = \"o\"\ncolour = \"red\"\n").unwrap();
    let refused = vaern(&["--json", "run", "--config", text(&file)]);
    assert_eq!(refused.status.code(), Some(1));
    let what = json(&refused.stderr)["error"]["what"].as_str().unwrap().to_owned();
    assert!(what.contains("node.toml:4: ") && what.contains("colour"), "{what}");
    let nothing = vaern(&["run"]);
    assert_eq!(nothing.status.code(), Some(2), "{}", stderr(&nothing));
}

#[test]
fn sbx_17p_a_newer_release_takes_over_between_two_frames_and_sbx_27n_a_broken_one_never_does() {
    let city = City::new("[swap]\nshadow_frames = 3\nwatch_frames = 3\n");
    let first = city.release("honest", 1, None);
    let captures = drive(80);
    let mut captures = captures.chunks(4);
    let mut service = city.start();
    service.is("running", |h| h["release"] == first.as_str() && h["condition"] == "running");

    // One that traps at each frame is tried beside, and turned down; the one that runs does not notice.
    let broken = city.release("trap", 2, None);
    let mut fed = 0;
    let mut feed = |service: &mut nodes::Service, what: &str, holds: &dyn Fn(&serde_json::Value) -> bool| loop {
        let chunk = captures.next().unwrap_or_else(|| panic!("no captures left: {what}"));
        city.bring(chunk);
        fed += chunk.len() as u64;
        let health = service.saw(fed);
        if holds(&health) {
            return health;
        }
    };
    service.is("the trial", |h| h["trial"] == broken.as_str());
    service.is("the trial beside", |_| true);
    let health = feed(&mut service, "turned down", &|h| h["trial"].is_null());
    assert_eq!(health["release"], first.as_str());
    let failed = |service: &nodes::Service| service.get("/metrics").unwrap().1;
    assert!(failed(&service).contains("outcome=\"failed\"} 0\n"), "{}", failed(&service));

    let second = city.release("honest", 3, None);
    service.is("the trial", |h| h["trial"] == second.as_str());
    feed(&mut service, "the swap", &|h| h["release"] == second.as_str());
    // Frames until it is confirmed, and then a restart: the node comes back with it.
    feed(&mut service, "the watch", &|_| true);
    feed(&mut service, "the watch", &|_| true);
    service.end();
    let mut service = city.start();
    service.is("running", |h| h["release"] == second.as_str() && h["condition"] == "running");
    service.end();

    assert_eq!(city.account()[0], fed);
    let mut releases: Vec<String> =
        city.windows().iter().map(|w| w["release"]["digest"].as_str().unwrap().to_owned()).collect();
    releases.sort();
    releases.dedup();
    let mut both = vec![first, second];
    both.sort();
    assert_eq!(releases, both, "each window is of one release");
    let kinds = city.kinds();
    let count = |kind: &str| kinds.iter().filter(|k| *k == kind).count();
    assert_eq!((count("release_swapped"), count("release_activated"), count("incident")), (1, 1, 1), "{kinds:?}");
}

#[test]
fn skj_03p_the_unit_takes_every_right_that_the_node_does_not_need() {
    let unit = include_str!("../../../packaging/vaern.service");
    let set = |name: &str| unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).next_back();
    for (name, value) in [
        ("CapabilityBoundingSet", ""),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateDevices", "yes"),
        ("RestrictNamespaces", "yes"),
        ("IPAddressDeny", "any"),
        ("IPAddressAllow", "localhost"),
        ("LimitCORE", "0"),
        ("MemorySwapMax", "0"),
    ] {
        assert_eq!(set(name), Some(value), "{name}");
    }
    assert_ne!(set("User"), Some("root"));
    assert!(unit.contains("vaern run --config"), "and it is the command that this program has");
}
