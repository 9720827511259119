//! `attack-masking`: the attacks that can be run blind, on two folders of pictures. Run it as `cargo xtask attack-masking`.
//!
//! Exit status: 0 nothing was found, 1 something was, 2 wrong use.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use vaern_masking_attacks::PeopleModel;
use vaern_masking_attacks::foreign::{Boxes, Report, attack, parse_boxes};

#[derive(Parser)]
#[command(name = "attack-masking", about = "Attacks what a masking tool made of a folder of pictures")]
struct Arguments {
    /// Folder of the originals.
    #[arg(long)]
    before: PathBuf,
    /// Folder of the masked pictures, of the same names.
    #[arg(long)]
    after: PathBuf,
    /// Boxes that were to be masked: `{"name": [[x0, y0, x1, y1], ...]}`.
    #[arg(long)]
    boxes: Option<PathBuf>,
    /// A YuNet model that finds faces in photographs. Without one the two tests that look for faces are left out.
    #[arg(long)]
    faces: Option<PathBuf>,
    /// Where the whole report goes, as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(report) => {
            print(&report);
            if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("attack-masking: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<Report, String> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
    let boxes = match &arguments.boxes {
        Some(path) => parse_boxes(&String::from_utf8_lossy(&read(path)?)).map_err(|e| e.to_string())?,
        None => Boxes::default(),
    };
    let faces = match &arguments.faces {
        Some(path) => Some(PeopleModel::yunet(&read(path)?).map_err(|e| format!("{}: {e}", path.display()))?),
        None => None,
    };
    let told = |name: &str| eprintln!("  {name}");
    let report =
        attack(&arguments.before, &arguments.after, &boxes, faces.as_ref(), told).map_err(|e| e.to_string())?;
    if let Some(path) = &arguments.out {
        let text = serde_json::to_string_pretty(&report).map_err(|e| e.to_string())?;
        std::fs::write(path, text + "\n").map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(report)
}

fn print(report: &Report) {
    for line in &report.verdict {
        let word = match line.holds {
            Some(true) => "holds",
            Some(false) => "FAILS",
            None => "not run",
        };
        println!("{:<4} {:<52} {word:<8} {}", line.test, line.what, line.says);
    }
    println!("{} pairs; {} originals without a masked picture", report.pairs.len(), report.only_before.len());
    if !report.only_after.is_empty() {
        println!("{} masked pictures without an original", report.only_after.len());
    }
    println!("What is not found blind may still be there: for a tool's code, run the whole suite on it (`Masker`).");
}
