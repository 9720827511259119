//! Inputs that fuzzing found worth keeping, packed into one file for each target in `fuzz/kept`: the least of the sittings' corpus that
//! still reaches every place that all of it reaches. `cargo xtask fuzz --keep` writes them.

use std::path::{Path, PathBuf};

/// More than the inputs of any target come to.
const MOST: usize = 64 << 20;

fn file(target: &str) -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let folder = above.map(|folder| folder.join("fuzz/kept")).find(|folder| folder.is_dir());
    folder.expect("fuzz/kept is part of the repository").join(format!("{target}.z"))
}

/// The kept inputs of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    unpacked(&std::fs::read(file(target)).unwrap())
}

/// The inputs of such a file.
pub fn unpacked(packed: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(packed, MOST).unwrap()[..];
    let mut inputs = Vec::new();
    while !rest.is_empty() {
        let (length, more) = rest.split_first_chunk::<4>().expect("a length");
        let (input, more) = more.split_at(u32::from_le_bytes(*length) as usize);
        inputs.push(input.to_vec());
        rest = more;
    }
    inputs
}

/// The file that these inputs are kept in, packed so that [`unpacked`] reads them.
pub fn packed(mut inputs: Vec<Vec<u8>>) -> Vec<u8> {
    inputs.sort();
    let one = |input: &Vec<u8>| [&(input.len() as u32).to_le_bytes()[..], input].concat();
    miniz_oxide::deflate::compress_to_vec_zlib(&inputs.iter().flat_map(one).collect::<Vec<u8>>(), 9)
}
