//! What the shipped program must not hold.
#![allow(clippy::unwrap_used, reason = "tests state what they expect")]

/// The word that a build with switches looks for in its environment (`vaern-door`, `guard`).
const SWITCH: &[u8] = b"VAERN_GUARD_OFF";

fn holds(program: &[u8], word: &[u8]) -> bool {
    program.windows(word.len()).any(|run| run == word)
}

/// A guard that the environment can switch off is no guard. `cargo xtask guards` shows that the word is found in a build
/// with switches, so this test can fail.
#[test]
fn the_program_knows_no_switch_for_its_guards() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_vaern")).unwrap();
    assert!(holds(&program, b"MIN-01"), "this is not the program: the krav that it names are not in it");
    assert!(!holds(&program, SWITCH), "built with the feature test-switches");
}
