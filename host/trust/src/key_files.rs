//! Keys on disk: a secret file for its owner alone and a public file to hand out.

use std::io;

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use vaern_door::Name;
use zeroize::{Zeroize, Zeroizing};

use crate::files::{self, Readers};
use crate::keys::{KeyError, PublicKey, SigningKeyPair};
use crate::sig_error::{Form, SigError};

/// A key file is a few hundred bytes.
const MAX_BYTES: u64 = 4096;

/// Whose key it is: for people and for choosing the right file. Authority comes from the trust root alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOwner {
    /// Name of the vendor, or of the desk in the city.
    pub name: Name,
    /// `vendor`, or the municipal role, such as `jura`.
    pub role: Name,
}

/// The two files of a key pair, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFiles {
    /// For the owner only.
    pub secret: String,
    /// To hand out.
    pub public: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicFile {
    name: Name,
    role: Name,
    key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretFile {
    name: Name,
    role: Name,
    key: String,
    secret: String,
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Writes `NAME.secret.toml` (mode 0600) and `NAME.public.toml`. Nothing is overwritten.
///
/// # Errors
/// [`KeyError::Exists`] if either file is there, [`KeyError::Io`] if writing fails.
pub fn write_pair(dir: &Dir, owner: &KeyOwner, pair: &SigningKeyPair) -> Result<KeyFiles, KeyError> {
    let names =
        KeyFiles { secret: format!("{}.secret.toml", owner.name), public: format!("{}.public.toml", owner.name) };
    for file in [&names.secret, &names.public] {
        match dir.symlink_metadata(file) {
            Ok(_) => return Err(KeyError::Exists(file.clone())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(io_error(file)(e)),
        }
    }
    let (name, role, key) = (&owner.name, &owner.role, pair.public());
    // Every value is of a closed alphabet, so nothing needs quoting.
    let public = format!("name = \"{name}\"\nrole = \"{role}\"\nkey = \"{key}\"\n");
    let secret_text = pair.secret_text();
    let mut secret = Zeroizing::new(String::with_capacity(public.len() + secret_text.len() + 128));
    secret.push_str("# A vaern secret key. Whoever reads this file can sign as its owner.\n");
    secret.push_str(&public);
    secret.push_str("secret = \"");
    secret.push_str(&secret_text);
    secret.push_str("\"\n");
    files::write_whole(dir, &names.secret, secret.as_bytes(), Readers::Owner).map_err(io_error(&names.secret))?;
    files::write_whole(dir, &names.public, public.as_bytes(), Readers::Everyone).map_err(io_error(&names.public))?;
    Ok(names)
}

/// Reads a secret key file.
///
/// # Errors
/// [`KeyError::Readable`] if others than the owner may read it, [`KeyError::Mixed`] if its halves do not belong together.
pub fn read_secret(dir: &Dir, file: &str) -> Result<(KeyOwner, SigningKeyPair), KeyError> {
    if !owner_only(dir, file).map_err(io_error(file))? {
        return Err(KeyError::Readable(file.to_owned()));
    }
    let text = read_text(dir, file)?;
    let raw: SecretFile = toml::from_str(&text).map_err(|_| form(file, SigError::malformed(Form::Key)))?;
    let pair = SigningKeyPair::from_secret_text(&raw.secret).map_err(|why| form(file, why))?;
    let public: PublicKey = raw.key.parse().map_err(|why| form(file, why))?;
    if public != pair.public() {
        return Err(KeyError::Mixed(file.to_owned()));
    }
    Ok((KeyOwner { name: raw.name.clone(), role: raw.role.clone() }, pair))
}

/// Reads a public key file.
///
/// # Errors
/// [`KeyError::Form`] if it is not one.
pub fn read_public(dir: &Dir, file: &str) -> Result<(KeyOwner, PublicKey), KeyError> {
    let text = read_text(dir, file)?;
    let raw: PublicFile = toml::from_str(&text).map_err(|_| form(file, SigError::malformed(Form::Key)))?;
    let key = raw.key.parse().map_err(|why| form(file, why))?;
    Ok((KeyOwner { name: raw.name, role: raw.role }, key))
}

fn read_text(dir: &Dir, file: &str) -> Result<Zeroizing<String>, KeyError> {
    let bytes = Zeroizing::new(files::read_at_most(dir, file, MAX_BYTES).map_err(io_error(file))?);
    if bytes.len() as u64 > MAX_BYTES {
        return Err(form(file, SigError::malformed(Form::Key)));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(form(file, SigError::malformed(Form::Key))),
    }
}

#[cfg(unix)]
fn owner_only(dir: &Dir, file: &str) -> io::Result<bool> {
    use cap_std::fs::PermissionsExt as _;
    Ok(dir.metadata(file)?.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn owner_only(dir: &Dir, file: &str) -> io::Result<bool> {
    dir.metadata(file).map(|_| true)
}

fn io_error(file: &str) -> impl FnOnce(io::Error) -> KeyError {
    let file = file.to_owned();
    move |e| KeyError::Io { file, kind: e.kind() }
}

fn form(file: &str, why: SigError) -> KeyError {
    KeyError::Form { file: file.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> (cap_tempfile::TempDir, KeyOwner, SigningKeyPair) {
        let dir = cap_tempfile::TempDir::new(cap_std::ambient_authority()).unwrap();
        let owner = KeyOwner { name: Name::new("jura-1").unwrap(), role: Name::new("jura").unwrap() };
        (dir, owner, SigningKeyPair::from_seed(&[9; 32]))
    }

    #[test]
    fn a_pair_comes_back_and_is_never_overwritten() {
        let (dir, owner, pair) = room();
        let files = write_pair(&dir, &owner, &pair).unwrap();
        let (who, back) = read_secret(&dir, &files.secret).unwrap();
        assert_eq!((who, back.public()), (owner.clone(), pair.public()));
        assert_eq!(read_public(&dir, &files.public).unwrap(), (owner.clone(), pair.public()));
        assert_eq!(write_pair(&dir, &owner, &pair), Err(KeyError::Exists("jura-1.secret.toml".into())));
        assert!(!dir.read_to_string(&files.public).unwrap().contains("secret"));
        assert_eq!(dir.entries().unwrap().count(), 2, "nothing is left beside the two files");
    }

    #[cfg(unix)]
    #[test]
    fn the_secret_is_for_the_owner_alone() {
        use cap_std::fs::{Permissions, PermissionsExt as _};
        let (dir, owner, pair) = room();
        let files = write_pair(&dir, &owner, &pair).unwrap();
        assert_eq!(dir.metadata(&files.secret).unwrap().permissions().mode() & 0o777, 0o600);
        dir.set_permissions(&files.secret, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_secret(&dir, &files.secret), Err(KeyError::Readable(_))));
    }

    #[test]
    fn sig_22n_a_file_with_halves_of_two_keys_is_refused() {
        let (dir, owner, pair) = room();
        let files = write_pair(&dir, &owner, &pair).unwrap();
        let other = SigningKeyPair::from_seed(&[1; 32]).public().to_string();
        let mixed = dir.read_to_string(&files.secret).unwrap().replace(&pair.public().to_string(), &other);
        dir.remove_file(&files.secret).unwrap();
        files::write_whole(&dir, &files.secret, mixed.as_bytes(), Readers::Owner).unwrap();
        assert!(matches!(read_secret(&dir, &files.secret), Err(KeyError::Mixed(_))));
    }
}
