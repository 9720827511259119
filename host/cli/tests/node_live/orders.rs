//! Orders, swaps and stops to their end.

use jiff::{SignedDuration, Timestamp};
use vaern_trust::{Authority, CHANNEL_FILE, ChannelSource as _, SignedFiles, sign_file};

use crate::nodes::{City, Service};
use crate::program::{json, text, vaern};
use crate::{files, good, leaves, refused};

/// Honest, but for frames that are wider than 400 pixels: at those it traps.
fn traps_at_wide() -> Vec<u8> {
    let honest = include_str!("../../../../conformance-tests/hostile/honest.wat");
    let looked = "(call $size (local.get $frame) (i32.const 112))";
    assert!(honest.contains(looked));
    let trap = "(if (i32.gt_u (i32.load16_u (i32.const 112)) (i32.const 400)) (then unreachable))";
    vaern_hostile::component_of(&honest.replace(looked, &format!("{looked} {trap}"))).unwrap()
}

/// Brings captures until the health says so.
fn feed(
    city: &City,
    service: &mut Service,
    captures: &mut Captures,
    what: &str,
    holds: impl Fn(&serde_json::Value) -> bool,
) {
    for _ in 0..60 {
        let health = service.health();
        if holds(&health) {
            return;
        }
        captures.bring(city, 2);
        service.saw(captures.brought);
    }
    panic!("no captures brought it about: {what}; {:#}", service.health());
}

struct Captures {
    all: std::vec::IntoIter<Vec<u8>>,
    brought: u64,
    before: u64,
}

impl Captures {
    /// Goes on along the drive where `before` captures ended: one from where the last was taken would be too near to be looked at.
    fn new(size: (u16, u16), before: u64) -> Self {
        let past = usize::try_from(before).unwrap();
        Self { all: good(size, 140).split_off(past).into_iter(), brought: 0, before }
    }

    fn bring(&mut self, city: &City, count: usize) {
        let some: Vec<Vec<u8>> = self.all.by_ref().take(count).collect();
        city.bring(&files(&some, usize::try_from(self.before + self.brought).unwrap()));
        self.brought += some.len() as u64;
    }
}

#[test]
fn sbx_27n_a_release_that_fails_in_the_seat_gives_it_back_by_itself_and_no_frame_is_lost() {
    let city = City::new("[swap]\nshadow_frames = 2\nwatch_frames = 200\n");
    let first = city.release("honest", 1, None);
    let mut captures = Captures::new((320, 180), 0);
    let mut service = city.start();
    service.is("running", |h| h["release"] == first.as_str() && h["condition"] == "running");
    let second = city.release_of("wide", &traps_at_wide(), 2, None);
    service.is("the trial", |h| h["trial"] == second.as_str());
    feed(&city, &mut service, &mut captures, "the swap", |h| h["release"] == second.as_str());
    // Now what it was not shown beside: it traps, and the one before has the seat again with the next frame.
    let before = captures.brought;
    let mut wide = Captures::new((640, 360), before);
    wide.bring(&city, 2);
    service.saw(before + 2);
    service.is("the rollback", |h| h["release"] == first.as_str());
    wide.bring(&city, 4);
    service.saw(before + 6);
    let metrics = service.get("/metrics").unwrap().1;
    assert!(metrics.contains("vaern_swaps_total{cause=\"rollback\"} 1\n"), "{metrics}");
    // It was turned down for good: through a restart it is not tried again.
    service.end();
    let mut service = city.start();
    service.is("running", |h| h["release"] == first.as_str() && h["condition"] == "running");
    let last = wide.brought;
    wide.bring(&city, 3);
    service.saw(wide.brought - last);
    assert!(service.health()["trial"].is_null());
    service.end();
    let [frames, found, empty, none] = city.account();
    assert_eq!((frames, found + empty + none), (before + 9, before + 9));
    let failed: u64 = city.windows().iter().map(|w| w["failed_by_reason"]["plugin_trap"].as_u64().unwrap_or(0)).sum();
    assert!((1..=2).contains(&failed), "only the watched release failed, {failed}");
    let swaps: Vec<_> =
        leaves(&city, "release_swapped").iter().map(|s| s["cause"].as_str().unwrap().to_owned()).collect();
    assert_eq!(swaps, ["newer", "rollback"]);
    let incidents = leaves(&city, "incident");
    assert!(
        incidents.iter().any(|i| i["reason"] == "watch_failed" && i["release"] == second.as_str()),
        "{incidents:?}"
    );
}

#[test]
fn cyb_01p_swap_and_rollback_by_hand_do_what_they_say_and_no_more() {
    let city = City::new("[swap]\nshadow_frames = 2\nwatch_frames = 200\n");
    let first = city.release("honest", 1, None);
    let mut captures = Captures::new((320, 180), 0);
    let mut service = city.start();
    service.is("running", |h| h["release"] == first.as_str() && h["condition"] == "running");
    // There is nothing to go back to, and nothing to swap to: both are said.
    city.node(&["rollback"]);
    service.is("said", |h| h["alarms"].to_string().contains("nothing to go back to"));
    city.node(&["swap"]);
    service.is("said", |h| h["alarms"].to_string().contains("no other listed release"));

    let second = city.release("honest", 2, None);
    feed(&city, &mut service, &mut captures, "the swap", |h| h["release"] == second.as_str());
    // A swap is in the log with the first frame that the new release sees.
    captures.bring(&city, 2);
    service.saw(captures.brought);
    city.node(&["rollback"]);
    service.is("back", |h| h["release"] == first.as_str());
    // Turned down: it does not come again by itself, and it does where somebody asks for it by name.
    captures.bring(&city, 4);
    service.saw(captures.brought);
    assert_eq!(service.health()["release"], first.as_str());
    city.node(&["swap", &second]);
    feed(&city, &mut service, &mut captures, "the swap that was asked for", |h| h["release"] == second.as_str());
    captures.bring(&city, 2);
    service.saw(captures.brought);
    service.end();
    let swaps: Vec<_> =
        leaves(&city, "release_swapped").iter().map(|s| s["cause"].as_str().unwrap().to_owned()).collect();
    assert_eq!(swaps, ["newer", "rollback", "asked"]);
    let [frames, found, empty, none] = city.account();
    assert_eq!((frames, found + empty, none), (captures.brought, captures.brought, 0));
}

#[test]
fn cyb_01n_a_node_that_asks_less_of_a_new_release_than_the_city_does_not_start() {
    let city = City::ruled("[swap]\nwatch_frames = 30\n", &[("watch_frames = 100", "watch_frames = 60")]);
    let refused = vaern(&["--json", "run", "--config", text(&city.at("node.toml"))]);
    assert_eq!(refused.status.code(), Some(1));
    let error = &json(&refused.stderr)["error"];
    assert!(error["what"].as_str().unwrap().contains("watch_frames"), "{error}");
    assert_eq!(error["krav"], "CYB-01");
}

#[test]
fn exf_08n_a_schedule_that_tells_more_than_the_policy_lets_be_said_is_refused() {
    let city = City::ruled("", &[("bits_per_hour = 20_000", "bits_per_hour = 20_001")]);
    let refused = vaern(&["--json", "run", "--config", text(&city.at("node.toml"))]);
    assert_eq!(refused.status.code(), Some(1));
    let error = &json(&refused.stderr)["error"];
    assert!(error["what"].as_str().unwrap().contains("bits in an hour"), "{error}");
    assert_eq!(error["krav"], "SEP-04");
}

/// The next issue of the channel, which ends in so many seconds.
fn publish_until(city: &City, seconds: i64) {
    let dir = |path: &str| cap_std::fs::Dir::open_ambient_dir(city.at(path), cap_std::ambient_authority()).unwrap();
    let trust = std::fs::read_to_string(city.at("policies/trust.toml")).unwrap();
    let trust = vaern_trust::TrustRoot::from_toml(&trust).unwrap();
    let mut channel = SignedFiles::new(&dir("channel")).offered(&trust).unwrap().channel.into_file();
    channel.sequence += 1;
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    channel.issued = now.max(channel.issued);
    channel.expires = channel.issued + SignedDuration::from_secs(seconds);
    let keys = ["jura", "systemejer"]
        .map(|desk| vaern_trust::read_secret(&dir("keys"), &format!("{desk}.secret.toml")).unwrap().1);
    let bytes = sign_file(&channel, &trust, Authority::Channel, &[&keys[0], &keys[1]]).unwrap();
    vaern_node::sinks::write_file(&dir("channel"), CHANNEL_FILE, &bytes).unwrap();
}

#[test]
fn upd_03n_clk_07n_a_node_without_a_newer_channel_stops_says_so_and_goes_on_with_one() {
    let city = City::new("");
    city.release("honest", 1, None);
    let pictures = good((320, 180), 9);
    city.bring(&files(&pictures[..3], 0));
    let mut service = city.start();
    service.saw(3);
    publish_until(&city, 2);
    let health = service.is("stopped", |h| h["condition"] == "stopped");
    assert_eq!((&health["why"]["cause"], &health["why"]["krav"]), (&"stale".into(), &"GOV-03".into()), "{health:#}");
    assert_eq!((service.get("/readyz").unwrap().0, service.get("/healthz").unwrap().0), (503, 200));
    city.bring(&files(&pictures[3..6], 3));
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(service.health()["frames"], 3, "a node out of touch sees nothing");
    // A restart is no way around it.
    service.end();
    let mut service = city.start();
    service.is("stopped", |h| h["condition"] == "stopped" && h["why"]["cause"] == "stale");
    city.signing(&["channel", "publish"]);
    service.saw(3);
    service.end();
    assert_eq!(city.account()[0], 6);
    let stops: Vec<_> = leaves(&city, "stopped").iter().map(|s| s["cause"].as_str().unwrap().to_owned()).collect();
    assert!(stops.iter().all(|cause| cause == "stale") && !stops.is_empty(), "{stops:?}");
    // Nobody asked for this stop, so nobody let the node go on.
    assert!(leaves(&city, "resumed").iter().all(|resumed| resumed["by"] == serde_json::json!([])));
}

#[test]
fn gov_03n_what_waits_when_a_node_is_stopped_is_not_shown_and_is_dropped_under_that_name() {
    let city = City::new("");
    city.release("honest", 1, None);
    let mut service = city.start();
    service.is("running", |h| h["condition"] == "running");
    // Far more than is done before the order is there: it is a file, written at once.
    let pictures = good((320, 180), 30);
    city.bring(&files(&pictures, 0));
    service.saw(1);
    let order = city.at("state/control");
    std::fs::write(order.join(".stop"), b"{\"stop\":\"00000000000000000000000000000001\"}").unwrap();
    std::fs::rename(order.join(".stop"), order.join("stop.json")).unwrap();
    service.is("stopped", |h| h["condition"] == "stopped");
    service.end();
    let [frames, ..] = city.account();
    let stopped = refused(&city, "node_stopped");
    assert!(stopped > 0, "the machine was done with {frames} captures before it was told to stop");
    assert_eq!(refused(&city, "overload"), 0, "nothing was dropped for another reason than the stop");
    assert_eq!(frames + city.left() as u64, 30);
}
