//! The form of metadata: what is signed, by whom, and the digest that a number stands for.

use cap_std::fs::Dir;
use serde_json::{Value, json};
use sigstore_tuf::canonical_json::to_canonical_bytes;
use sigstore_tuf::{Key, Root};
use vaern_trust::{Digest, MetadataError, PublicKey, SigningKeyPair, UpdateError};

use crate::error::refused;

/// The most that any file of a repository may be; the same as for the plain files of a channel.
pub(crate) const MOST: u64 = 1 << 20;
/// A timestamp is small, and it is what a stranger's server is asked for first.
pub(crate) const MOST_TIMESTAMP: u64 = 16 << 10;

/// A key as TUF writes it.
pub(crate) fn key_value(key: &PublicKey) -> Value {
    json!({ "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": hex::encode(key.as_bytes()) } })
}

/// The id of a key: the digest of its canonical form, as other writers make it.
pub(crate) fn key_id(key: &PublicKey) -> Result<String, UpdateError> {
    let key: Key = serde_json::from_value(key_value(key)).map_err(|e| refused(e.into()))?;
    key.key_id().map_err(refused)
}

/// Signs a role's content with those of `pairs` whose ids are in `ids`.
pub(crate) fn envelope(signed: &Value, pairs: &[&SigningKeyPair], ids: &[String]) -> Result<Vec<u8>, UpdateError> {
    let message = to_canonical_bytes(signed).map_err(refused)?;
    let mut signatures = Vec::new();
    for pair in pairs {
        let id = key_id(&pair.public())?;
        if ids.contains(&id) && !signatures.iter().any(|known: &Value| known.get("keyid") == Some(&json!(id))) {
            signatures.push(json!({ "keyid": id, "sig": hex::encode(pair.sign(&message)) }));
        }
    }
    serde_json::to_vec_pretty(&json!({ "signatures": signatures, "signed": signed })).map_err(|e| refused(e.into()))
}

/// The digest of what was signed. Signatures are not part of it: one more of them makes no other file.
pub(crate) fn digest(bytes: &[u8]) -> Result<Digest, UpdateError> {
    let value: Value = serde_json::from_slice(bytes).map_err(|e| refused(e.into()))?;
    let signed = value.get("signed").unwrap_or(&Value::Null);
    Ok(Digest::of(&to_canonical_bytes(signed).map_err(refused)?))
}

/// What the library does not ask of a root. It counts ids: one key under two ids would count twice (SIG-06). And it lets a
/// root lower the number of keys that the next one takes (UPD-08).
pub(crate) fn sound(root: &Root, before: Option<&Root>) -> Result<(), UpdateError> {
    let bad = |why: &str| Err(UpdateError::Metadata(MetadataError::BadRootChain(why.to_owned())));
    let mut keys: Vec<&str> = root.keys.values().map(|key| key.keyval.public.as_str()).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair.first() == pair.last()) {
        return bad("one key stands under two ids");
    }
    let threshold = |root: &Root| root.role("root").map_or(0, |role| role.threshold);
    if before.is_some_and(|before| threshold(root) < threshold(before)) {
        return bad("it lowers the number of root keys needed");
    }
    Ok(())
}

/// Reads a file of at most `most` bytes, if it is there.
pub(crate) fn read(dir: &Dir, file: &str, most: u64) -> Result<Option<Vec<u8>>, UpdateError> {
    use std::io::Read as _;
    let fail = |e: std::io::Error| UpdateError::Io { file: file.to_owned(), kind: e.kind() };
    match dir.symlink_metadata(file) {
        Ok(data) if data.is_file() => {}
        Ok(_) => return Err(UpdateError::Io { file: file.to_owned(), kind: std::io::ErrorKind::InvalidInput }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(fail(e)),
    }
    let mut bytes = Vec::new();
    dir.open(file).map_err(fail)?.take(most + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > most {
        return Err(UpdateError::TooLong(file.to_owned()));
    }
    Ok(Some(bytes))
}

/// As [`read`], where it must be there.
pub(crate) fn must_read(dir: &Dir, file: &str, most: u64) -> Result<Vec<u8>, UpdateError> {
    read(dir, file, most)?.ok_or_else(|| UpdateError::Io { file: file.to_owned(), kind: std::io::ErrorKind::NotFound })
}

/// Where a target lies: its digest stands before the last part of its name.
pub(crate) fn target_file(name: &str, sha256: &str) -> String {
    match name.rsplit_once('/') {
        Some((folder, last)) => format!("{}/{folder}/{sha256}.{last}", crate::TARGETS),
        None => format!("{}/{sha256}.{name}", crate::TARGETS),
    }
}
