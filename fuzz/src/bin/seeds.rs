//! Writes the seeds, the kept inputs and the dictionary of each target: `seeds DIR` makes `DIR/TARGET/` and `DIR/TARGET.dict`, and
//! ends. `seeds --keep FOLDER FILE` packs the inputs of a folder into a file of `fuzz/kept`.
//!
//! It is a fuzz target by form only: what it is made of is built for coverage, and needs libFuzzer to be linked.
#![no_main]

#[path = "../../../host/privacy/tests/targets/mod.rs"]
mod targets;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn write() -> std::io::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if let [word, folder, file] = arguments.as_slice()
        && word.as_os_str() == "--keep"
    {
        return keep(folder, file);
    }
    let out = arguments.into_iter().next().unwrap_or_else(|| "corpus".into());
    for target in targets::ALL {
        let folder = out.join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in targets::seeds::of(target).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
        for (number, input) in targets::kept::of(target).iter().enumerate() {
            std::fs::write(folder.join(format!("kept-{number}")), input)?;
        }
        let mut words = String::new();
        for word in targets::seeds::dictionary(target) {
            let escaped: String = word.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "\\x{byte:02x}");
                text
            });
            let _ = writeln!(words, "\"{escaped}\"");
        }
        std::fs::write(out.join(format!("{target}.dict")), words)?;
    }
    Ok(())
}

fn keep(folder: &Path, file: &Path) -> std::io::Result<()> {
    let inputs = std::fs::read_dir(folder)?.map(|entry| std::fs::read(entry?.path()));
    std::fs::write(file, targets::kept::packed(inputs.collect::<std::io::Result<_>>()?))
}

/// Writes, and ends the program before any fuzzing begins.
fn write_and_end() {
    let status = match write() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    };
    std::process::exit(status)
}

libfuzzer_sys::fuzz_target!(init: write_and_end(), |_data: &[u8]| {});
