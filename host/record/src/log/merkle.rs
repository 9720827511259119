//! The Merkle tree of RFC 6962, and its two proofs (RFC 9162, section 2.1).

use sha2::{Digest as _, Sha256};

use crate::AuditError;

/// A hash of the tree.
pub type Hash = [u8; 32];

/// The root of a tree without leaves.
pub(crate) fn empty() -> Hash {
    Sha256::digest([]).into()
}

/// The hash of a leaf that holds `entry`.
pub(crate) fn leaf(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// The hash of a node over two others.
pub(crate) fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Gives the hash of a whole subtree: `level` counts from the leaves, `index` from the left.
pub(crate) trait Subtrees {
    fn subtree(&self, level: u8, index: u64) -> Result<Hash, AuditError>;
}

/// The largest power of two below `n`, as its exponent. `n` is at least 2.
fn split(n: u64) -> u8 {
    (63 - (n - 1).leading_zeros()) as u8
}

/// The hash over the leaves `from..to`, where `from` is a multiple of the largest power of two up to `to - from`.
pub(crate) fn range(tree: &impl Subtrees, from: u64, to: u64) -> Result<Hash, AuditError> {
    match to - from {
        0 => Ok(empty()),
        n if n.is_power_of_two() => {
            let level = n.trailing_zeros() as u8;
            tree.subtree(level, from >> level)
        }
        n => {
            let middle = from + (1 << split(n));
            Ok(node(&range(tree, from, middle)?, &range(tree, middle, to)?))
        }
    }
}

/// The hashes beside the way from leaf `index` up to the root over `size` leaves.
pub(crate) fn inclusion(tree: &impl Subtrees, index: u64, size: u64) -> Result<Vec<Hash>, AuditError> {
    if index >= size {
        return Err(AuditError::NoLeaf { index, size });
    }
    let (mut from, mut to) = (0, size);
    let mut path = Vec::new();
    while to - from > 1 {
        let middle = from + (1 << split(to - from));
        if index < middle {
            path.push(range(tree, middle, to)?);
            to = middle;
        } else {
            path.push(range(tree, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show that the tree over `old` leaves is the beginning of the one over `new`.
pub(crate) fn consistency(tree: &impl Subtrees, old: u64, new: u64) -> Result<Vec<Hash>, AuditError> {
    if old > new {
        return Err(AuditError::NoLeaf { index: old, size: new });
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut from, mut to, mut whole) = (0, new, true);
    let mut path = Vec::new();
    while old != to {
        let middle = from + (1 << split(to - from));
        if old <= middle {
            path.push(range(tree, middle, to)?);
            to = middle;
        } else {
            path.push(range(tree, from, middle)?);
            from = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(range(tree, from, to)?);
    }
    path.reverse();
    Ok(path)
}

/// The root that an inclusion proof leads to (RFC 9162, 2.1.3.2).
pub(crate) fn root_of_inclusion(index: u64, size: u64, leaf: &Hash, path: &[Hash]) -> Result<Hash, AuditError> {
    if index >= size {
        return Err(AuditError::NoLeaf { index, size });
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for beside in path {
        if last == 0 {
            return Err(AuditError::BadProof);
        }
        if at & 1 == 1 || at == last {
            hash = node(beside, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, beside);
        }
        at >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok(hash) } else { Err(AuditError::BadProof) }
}

/// Checks that the tree `(old, old_root)` is the beginning of `(new, new_root)` (RFC 9162, 2.1.4.2).
pub(crate) fn check_consistency(
    (old, old_root): (u64, &Hash),
    (new, new_root): (u64, &Hash),
    path: &[Hash],
) -> Result<(), AuditError> {
    let wrong = AuditError::InconsistentTree { size: old };
    if old > new {
        return Err(AuditError::CheckpointRollback { have: old, offered: new });
    }
    if old == new || old == 0 {
        let same = old != new || old_root == new_root;
        let begins = old != 0 || *old_root == empty();
        return if path.is_empty() && same && begins { Ok(()) } else { Err(wrong) };
    }
    let mut hashes = path.iter();
    let mut first = *old_root;
    if !old.is_power_of_two() {
        let Some(hash) = hashes.next() else { return Err(wrong) };
        first = *hash;
    }
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut left, mut right) = (first, first);
    for beside in hashes {
        if last == 0 {
            return Err(wrong);
        }
        if at & 1 == 1 || at == last {
            left = node(beside, &left);
            right = node(beside, &right);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            right = node(&right, beside);
        }
        at >>= 1;
        last >>= 1;
    }
    if last == 0 && left == *old_root && right == *new_root { Ok(()) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Leaves(Vec<Hash>);

    impl Subtrees for Leaves {
        fn subtree(&self, level: u8, index: u64) -> Result<Hash, AuditError> {
            if level == 0 {
                return Ok(self.0[usize::try_from(index).unwrap()]);
            }
            Ok(node(&self.subtree(level - 1, 2 * index)?, &self.subtree(level - 1, 2 * index + 1)?))
        }
    }

    fn leaves(n: u64) -> Leaves {
        Leaves((0..n).map(|i| leaf(&i.to_be_bytes())).collect())
    }

    #[test]
    fn roots_are_those_of_rfc_6962_trees() {
        // The well-known inputs of the certificate transparency test vectors.
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let tree = Leaves(inputs.iter().map(|entry| leaf(entry)).collect());
        let root = |n| hex::encode(range(&tree, 0, n).unwrap());
        assert_eq!(root(0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(root(1), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(root(8), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    #[test]
    fn every_proof_of_every_small_tree_holds_and_no_other() {
        let tree = leaves(40);
        for size in 1..=40 {
            let root = range(&tree, 0, size).unwrap();
            for index in 0..size {
                let path = inclusion(&tree, index, size).unwrap();
                let leaf = tree.subtree(0, index).unwrap();
                assert_eq!(root_of_inclusion(index, size, &leaf, &path).unwrap(), root);
                for other in (0..size).filter(|other| *other != index) {
                    assert_ne!(root_of_inclusion(other, size, &leaf, &path).ok(), Some(root), "{index} as {other}");
                }
            }
            for old in 0..=size {
                let old_root = range(&tree, 0, old).unwrap();
                let path = consistency(&tree, old, size).unwrap();
                check_consistency((old, &old_root), (size, &root), &path).unwrap();
                if old > 0 {
                    assert!(check_consistency((old, &[0; 32]), (size, &root), &path).is_err());
                    assert!(check_consistency((old, &old_root), (size, &[0; 32]), &path).is_err());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_spoiled_consistency_proof_never_holds(new in 2_u64..300, at in any::<prop::sample::Index>(), bit in 0_usize..256, old in any::<prop::sample::Index>()) {
            let tree = leaves(new);
            let old = 1 + old.index(usize::try_from(new).unwrap() - 1) as u64;
            let (old_root, new_root) = (range(&tree, 0, old).unwrap(), range(&tree, 0, new).unwrap());
            let mut path = consistency(&tree, old, new).unwrap();
            prop_assert!(!path.is_empty());
            let at = at.index(path.len());
            path[at][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(check_consistency((old, &old_root), (new, &new_root), &path).is_err());
        }
    }
}
