//! Writes the seeds and the dictionary of each target: `seeds DIR` makes `DIR/TARGET/` and `DIR/TARGET.dict`.

#[path = "../../../host/privacy/tests/targets/mod.rs"]
mod targets;

use std::fmt::Write as _;
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let out = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "corpus".into()));
    for target in targets::ALL {
        let folder = out.join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in targets::seeds(target).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
        let mut words = String::new();
        for word in targets::dictionary(target) {
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
