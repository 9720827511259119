//! T12: with any single step of the constant fill gone, or with everything masked, at least one test turns red.
//!
//! These are mutants of a plain second writing of the fill. The gate's own guards are switched off one by one by
//! `cargo xtask guards`, with the tests of this crate among those that must turn red.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

mod common;

use common::{gallery, laden_sources, scenes};
use vaern_masking_attacks::{Depth, Mutant, TestId, Verdict, Wrong, t1, t2, t5, t6, t8, t9_files, t10, t11_use};

fn run(test: TestId, mutant: &Mutant) -> Verdict {
    match test {
        TestId::T1 => t1(mutant, 20),
        TestId::T2 => t2(mutant, 3),
        TestId::T5 => t5(mutant, gallery()),
        TestId::T6 => t6(mutant, gallery()),
        TestId::T8 => t8(mutant, &laden_sources()),
        TestId::T9 => t9_files(mutant),
        TestId::T10 => t10(mutant, Depth::Fast),
        TestId::T11 => t11_use(mutant, &scenes(100..104, (640, 360))),
        other => panic!("{other:?} is not among the tests of the mutants"),
    }
}

const fn must_be_red(wrong: Wrong) -> &'static [TestId] {
    use TestId::{T1, T2, T5, T6, T8, T9, T10, T11};
    match wrong {
        Wrong::Nothing => &[],
        Wrong::NoGrow => &[T5, T10],
        Wrong::NoOrientation | Wrong::SkipSmall => &[T10],
        Wrong::NoSnap | Wrong::NoMargin => &[T2],
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
    let mut wrong = Vec::new();
    for mutant in Wrong::ALL {
        assert!(!must_be_red(mutant).is_empty(), "{mutant:?}");
        for test in must_be_red(mutant) {
            let verdict = run(*test, &Mutant::new(mutant).unwrap());
            println!("{mutant:?}: {verdict}");
            if verdict.holds {
                wrong.push(format!("{mutant:?}: {verdict}"));
            }
        }
    }
    assert!(wrong.is_empty(), "these stay green:\n{}", wrong.join("\n"));
}

#[test]
fn t12_the_fill_with_nothing_wrong_is_green() {
    for test in [TestId::T1, TestId::T2, TestId::T8, TestId::T9, TestId::T10, TestId::T11] {
        let verdict = run(test, &Mutant::new(Wrong::Nothing).unwrap());
        assert!(verdict.holds, "{verdict}");
    }
}
