//! Where things lie (C2SP tlog-tiles): 256 hashes or entries to a file, and how such a file is named.

use super::merkle::{self, Hash};

/// Hashes of a full tile.
pub(crate) const WIDTH: u64 = 256;

/// Levels of the tree that one tile spans.
pub(crate) const HEIGHT: u8 = 8;

/// Bytes of a full hash tile.
pub(crate) const TILE_BYTES: u64 = WIDTH * 32;

/// Bytes of the largest bundle of records: 256 of the longest, each with salt and length.
pub(crate) const RECORD_BYTES: u64 = WIDTH * (65_535 + 34);

/// Bytes of the largest entry bundle: our entries are commitments of 32 bytes, each with its length.
pub(crate) const ENTRY_BYTES: u64 = WIDTH * 34;

/// Groups of three digits, all but the last with an `x` before them.
fn number(n: u64) -> String {
    let mut text = format!("{:03}", n % 1000);
    let mut rest = n / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    text
}

fn at(root: &str, n: u64, width: u64) -> String {
    let n = number(n);
    if width == WIDTH { format!("{root}/{n}") } else { format!("{root}/{n}.p/{width}") }
}

/// The file of hash tile `n` at `level`, `width` hashes wide (1 to 256).
pub(crate) fn hashes(level: u8, n: u64, width: u64) -> String {
    at(&format!("tile/{level}"), n, width)
}

/// The file of entry bundle `n` with `width` entries.
pub(crate) fn entries(n: u64, width: u64) -> String {
    at("tile/entries", n, width)
}

/// The file of the records beside entry bundle `n`: one file, replaced as it grows.
pub(crate) fn records(n: u64) -> String {
    format!("records/{}", number(n))
}

/// Hashes that level `level` holds for a tree of `size` leaves.
pub(crate) fn on_level(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level) * u32::from(HEIGHT)).unwrap_or(0)
}

/// Width of tile `n`, where its level holds `all` hashes.
pub(crate) fn width(n: u64, all: u64) -> u64 {
    all.saturating_sub(n.saturating_mul(WIDTH)).min(WIDTH)
}

/// The hash over all of `hashes`, as a subtree of the RFC 6962 tree. Any number from 1 to 256.
pub(crate) fn fold(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => merkle::empty(),
        [one] => *one,
        _ => {
            let middle = hashes.len().next_power_of_two() / 2;
            let (left, right) = hashes.split_at(middle);
            merkle::node(&fold(left), &fold(right))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_as_the_specification_says() {
        assert_eq!(hashes(0, 0, 256), "tile/0/000");
        assert_eq!(hashes(1, 273, 256), "tile/1/273");
        assert_eq!(hashes(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(entries(1_234_067, 8), "tile/entries/x001/x234/067.p/8");
        assert_eq!((on_level(0, 70_000), on_level(1, 70_000), on_level(2, 70_000)), (70_000, 273, 1));
        assert_eq!(on_level(8, u64::MAX), 0);
        assert_eq!((width(0, 300), width(1, 300), width(2, 300)), (256, 44, 0));
    }
}
