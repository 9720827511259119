//! The vendors' bit ledger from one run of the program to the next.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

mod program;

use program::{fresh_demo, json, stderr, text, vaern};

#[test]
fn exf_18n_a_second_run_goes_on_where_the_first_stopped_and_an_unreadable_ledger_stops_it() {
    let ((_temp, demo), _) = fresh_demo("6");
    let kept = demo.join("kept");
    let run = |out: &str| {
        let (source, release, policies, out) =
            (demo.join("drive"), demo.join("release"), demo.join("policies"), demo.join(out));
        let mut args = vec!["--json", "run", "--source", text(&source), "--release", text(&release)];
        args.extend(["--policies", text(&policies), "--out", text(&out), "--ledger", text(&kept)]);
        vaern(&args)
    };
    let ledger = || json(&std::fs::read(kept.join("bits.json")).unwrap());
    let charged = |out: &str| {
        let done = run(out);
        assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
        json(&done.stdout)["sandbox"]["bits_charged"].as_u64().unwrap()
    };
    let first = charged("one");
    assert!(first > 0, "the demo finds something");
    let level = |ledger: serde_json::Value| {
        let vendors = ledger["vendors"].as_object().unwrap().clone();
        vendors.values().next().unwrap()["millibits"].as_u64().unwrap()
    };
    let before = level(ledger());
    // The same captures again: their clock stands still, so nothing leaked in between.
    let second = charged("two");
    let after = level(ledger());
    assert!(after > before && after <= (first + second) * 1000, "{before} and {after} after {first} and {second} bits");
    std::fs::write(kept.join("bits.json"), "{}").unwrap();
    let refused = run("three");
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("no bit ledger") && stderr(&refused).contains("STD-04"), "{}", stderr(&refused));
    assert!(!demo.join("three").join("summary.json").exists(), "nothing was run");
    std::fs::remove_file(kept.join("bits.json")).unwrap();
    assert_eq!(run("three").status.code(), Some(1), "a ledger that is gone is no empty one");
}
