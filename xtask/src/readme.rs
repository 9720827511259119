//! `cargo xtask readme`: runs every `sh` block of the README, in order, from the root of the repository.
//!
//! A claim that nobody runs goes stale. Blocks in other languages are for the eye only.

use std::path::Path;
use std::process::{Command, ExitCode};

/// The text of every fenced `sh` block, with the line it begins on.
pub(crate) fn blocks(markdown: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in markdown.lines().enumerate() {
        match (&mut open, line.trim_end()) {
            (None, "```sh") => open = Some((index + 2, String::new())),
            (Some(_), "```") => found.extend(open.take()),
            (Some((_, text)), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    found
}

/// Runs the blocks; the first that fails ends the run.
pub(crate) fn run(root: &Path) -> ExitCode {
    let readme = match std::fs::read_to_string(root.join("README.md")) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("cannot read README.md: {error}");
            return ExitCode::FAILURE;
        }
    };
    let blocks = blocks(&readme);
    if blocks.is_empty() {
        eprintln!("README.md holds no `sh` block: there is nothing to run, and that is a failure");
        return ExitCode::FAILURE;
    }
    for (line, text) in blocks {
        println!("\n-- README.md line {line}\n{}", text.trim_end());
        let status = Command::new("bash").args(["-euo", "pipefail", "-c", &text]).current_dir(root).status();
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => {
                eprintln!("README.md line {line}: {status}");
                return ExitCode::FAILURE;
            }
            Err(error) => {
                eprintln!("cannot start bash: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn only_sh_blocks_are_taken_and_lines_are_counted_from_one() {
        let text = "a\n```sh\nx\ny\n```\n```text\nno\n```\n```sh\nz\n```\n";
        assert_eq!(blocks(text), [(3, "x\ny\n".to_owned()), (10, "z\n".to_owned())]);
    }
}
