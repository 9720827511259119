//! T11 with the gate's own detector on drawn streets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests state what they expect")]

mod common;

use common::{gate_of_drawn_people, scenes};
use vaern_masking_attacks::t11_recall;

#[test]
fn frm_10n_t11_recall_on_drawn_streets() {
    let verdict = t11_recall(&gate_of_drawn_people(), &scenes(200..204, (960, 540)), false);
    println!("{verdict}");
    assert!(verdict.holds, "{verdict}");
}

#[test]
#[ignore = "deep: 40 drawn streets of 1280 x 720"]
fn frm_10n_t11_recall_on_many_drawn_streets() {
    let verdict = t11_recall(&gate_of_drawn_people(), &scenes(300..340, (1280, 720)), true);
    println!("DEEP {verdict}");
    assert!(verdict.holds, "{verdict}");
}
