//! T12: with any single step of the constant fill gone, or with everything masked, at least one test turns red.
//!
//! These are mutants of a plain second writing of the fill. The gate's own guards are switched off one by one by
//! `cargo xtask guards`, with the tests of this crate among those that must turn red.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

mod common;

use common::{gallery, laden_sources, scenes};
use vaern_masking_attacks::{Depth, Mutant, TestId, Verdict, Wrong, t1, t2, t5, t6, t8, t9_files, t10, t11_use};

fn red(mutant: &Mutant) -> Vec<TestId> {
    let scenes = scenes(100..102, (480, 270));
    let sources = laden_sources();
    let verdicts: [Verdict; 8] = [
        t1(mutant, 20),
        t2(mutant, 3),
        t5(mutant, gallery()),
        t6(mutant, gallery()),
        t8(mutant, &sources),
        t9_files(mutant),
        t10(mutant, Depth::Fast),
        t11_use(mutant, &scenes),
    ];
    verdicts.into_iter().filter(|v| !v.holds).map(|v| v.test).collect()
}

const fn must_be_red(wrong: Wrong) -> &'static [TestId] {
    use TestId::{T1, T2, T5, T6, T8, T9, T10, T11};
    match wrong {
        Wrong::Nothing => &[],
        Wrong::NoGrow => &[T5, T6],
        Wrong::NoSnap | Wrong::NoMargin => &[T2],
        Wrong::NoOrientation | Wrong::SkipSmall => &[T10],
        Wrong::Translucent => &[T1, T5, T6],
        Wrong::MiddlePixel => &[T1, T5],
        Wrong::KeepSegments => &[T8],
        Wrong::MaskAll => &[T11],
        Wrong::MaskNothing => &[T1, T2, T5, T6, T10],
        Wrong::Lenient => &[T9],
    }
}

#[test]
fn t12_every_mutant_turns_its_tests_red() {
    for wrong in [Wrong::Nothing].into_iter().chain(Wrong::ALL) {
        let found = red(&Mutant::new(wrong).unwrap());
        println!("{wrong:?}: red {found:?}");
        for test in must_be_red(wrong) {
            assert!(found.contains(test), "{wrong:?}: {test:?} stays green; red are {found:?}");
        }
        assert!(wrong != Wrong::Nothing || found.is_empty(), "{found:?}");
    }
}
