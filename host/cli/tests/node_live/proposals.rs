//! What a service found, as proposals; and taken back when the city revokes the release.

use serde_json::Value;
use vaern_node::fields;

use crate::nodes::{City, done};
use crate::program::{json, text};
use crate::{files, good, leaves};

/// Proposals over all windows, entered into the node's own log.
fn proposals(city: &City) -> Value {
    let windows: Vec<_> = std::fs::read_dir(city.at("out")).unwrap().map(|window| window.unwrap().path()).collect();
    let (to, log, key) = (city.at("proposals"), city.at("log"), city.at("keys/node-1.secret.toml"));
    let mut args = vec!["proposals", "--out", text(&to), "--log", text(&log), "--log-key", text(&key)];
    args.extend(windows.iter().map(|window| text(window)));
    done(&args)
}

#[test]
fn std_05n_what_a_release_found_is_withdrawn_from_the_next_export_once_a_node_knows_that_it_is_revoked() {
    let city = City::new("");
    let digest = city.release("honest", 1, None);
    city.bring(&files(&good((320, 180), 4), 0));
    let mut service = city.start();
    service.saw(4);
    service.end();
    let first = proposals(&city);
    assert!(first["proposals"].as_u64().unwrap() > 0, "{first:#}");
    assert!(first["withdrawn"].as_array().unwrap().is_empty());
    assert!(!std::fs::read_dir(city.at("out")).unwrap().any(|w| w.unwrap().path().join("revoked.json").exists()));
    let mut service = city.start();
    city.bring(&files(&good((320, 180), 6)[4..], 100));
    service.saw(2);
    city.signing(&["revoke", &digest, "--reason", "fejl"]);
    service.is("the stop", |h| h["why"]["cause"] == "revoked");
    service.end();
    let told: Vec<Value> = std::fs::read_dir(city.at("out"))
        .unwrap()
        .filter_map(|window| std::fs::read(window.unwrap().path().join("revoked.json")).ok())
        .map(|bytes| json(&bytes))
        .collect();
    assert_eq!(told, [serde_json::json!({ "form": 1, "releases": [digest] })]);
    assert_eq!(fields::astray(fields::REVOKED, &told[0]), Vec::<String>::new());
    let second = proposals(&city);
    assert_eq!(second["proposals"], 0, "{second:#}");
    let withdrawn = second["withdrawn"].as_array().unwrap();
    assert!(withdrawn.len() as u64 >= first["proposals"].as_u64().unwrap());
    let recalled = |one: &&Value| one["cause"] == "release" && one["exports"][0][0] == 1;
    assert_eq!(withdrawn.iter().filter(recalled).count() as u64, first["proposals"].as_u64().unwrap(), "{second:#}");
    assert!(!std::fs::read_to_string(city.at("proposals/proposals.geojson")).unwrap().contains(&digest));
    assert_eq!(leaves(&city, "withdrawn").len(), 1);
    // Named again, the windows change nothing: it is withdrawn once.
    proposals(&city);
    assert_eq!(leaves(&city, "withdrawn").len(), 1);
}
