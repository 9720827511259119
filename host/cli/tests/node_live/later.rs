//! What is said of a release after a node has it: code that the city compiled, and an approval that lasts longer.

use serde_json::Value;

use crate::nodes::{City, done, until};
use crate::program::text;
use crate::{files, good, leaves};

/// A node that takes vouched code and nothing else, as one without a compiler does.
fn careful() -> City {
    let city = City::new("");
    city.configure("channel = \"channel\"", "channel = \"channel\"\ncode = \"vouched\"");
    city
}

fn compile(city: &City, release: &str) -> Value {
    let (release, policies) = (city.at("releases").join(release), city.at("policies"));
    let keys = ["jura", "systemejer"].map(|desk| city.at(&format!("keys/{desk}.secret.toml")));
    let signed = ["--key", text(&keys[0]), "--key", text(&keys[1])];
    done(&[&["compile", text(&release), "--policies", text(&policies)], &signed[..]].concat())
}

fn alarmed(health: &Value, what: &str) -> bool {
    health["alarms"].to_string().contains(what)
}

#[test]
fn pkg_16n_a_node_that_takes_vouched_code_only_waits_for_it_and_pkg_16p_runs_it_from_its_own_copy() {
    let city = careful();
    city.release("honest", 1, None);
    city.bring(&files(&good((320, 180), 4), 0));
    let mut service = city.start();
    let health = service.is("it is turned down", |health| alarmed(health, "compiled code: not signed"));
    assert!(health["release"].is_null(), "nothing has the seat");
    compile(&city, "honest-1");
    service.saw(4);
    service.end();
    // The folder is empty; the node has what it needs.
    std::fs::rename(city.at("releases"), city.at("elsewhere")).unwrap();
    std::fs::create_dir(city.at("releases")).unwrap();
    city.bring(&files(&good((320, 180), 4), 100));
    let mut service = city.start();
    service.saw(4);
    service.end();
    assert_eq!(city.account()[0], 8);
}

#[test]
fn pkg_17p_code_that_comes_for_a_release_that_is_kept_already_reaches_the_copy() {
    // The node compiles for itself, and keeps a copy without code.
    let city = City::new("");
    city.release("honest", 1, None);
    let mut service = city.start();
    service.is("running", |health| health["condition"] == "running");
    service.end();
    // Code comes while it is off; then it takes vouched code only.
    compile(&city, "honest-1");
    city.configure("channel = \"channel\"", "channel = \"channel\"\ncode = \"vouched\"");
    city.bring(&files(&good((320, 180), 4), 0));
    let mut service = city.start();
    let health = service.saw(4);
    assert!(!alarmed(&health, "not signed"), "{health}");
    service.end();
}

#[test]
fn gov_04p_an_approval_that_lasts_longer_takes_the_seat_without_a_trial_and_without_a_restart() {
    let city = City::new("");
    let release = city.release("honest", 1, Some("2027-01-31T23:00:00Z"));
    let pictures = good((320, 180), 8);
    city.bring(&files(&pictures[..4], 0));
    let mut service = city.start();
    service.saw(4);
    let (there, trust) = (city.at("releases/honest-1"), city.at("policies/trust.toml"));
    let draft = std::fs::read_to_string(city.at("city/honest-1.toml")).unwrap();
    std::fs::write(city.at("city/later.toml"), draft.replace("2027-01-31", "2027-03-31")).unwrap();
    let keys = ["jura", "systemejer"].map(|desk| city.at(&format!("keys/{desk}.secret.toml")));
    let (draft, signed) = (city.at("city/later.toml"), ["--key", text(&keys[0]), "--key", text(&keys[1]), "--yes"]);
    done(&[&["approve", text(&there), "--trust", text(&trust), "--draft", text(&draft)], &signed[..]].concat());
    let seats = format!("the release {release} has the seat");
    until("it has the seat again", || {
        std::fs::read_to_string(city.at("node.err")).unwrap().matches(&seats).count() == 2
    });
    city.bring(&files(&pictures[4..], 4));
    service.saw(8);
    service.end();
    let mut ends: Vec<String> =
        city.windows().iter().map(|window| window["release"]["approved_until"].as_str().unwrap().to_owned()).collect();
    ends.sort();
    assert_eq!(ends, ["2027-01-31T23:00:00Z", "2027-03-31T23:00:00Z"]);
    assert_eq!(city.account()[0], 8);
    assert_eq!((leaves(&city, "approval_seen").len(), leaves(&city, "release_swapped").len()), (2, 0));
}
