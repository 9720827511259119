//! Paths become capabilities here, once.

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::failure::Failure;

/// Opens a directory that must exist.
pub(crate) fn open_dir(what: &str, path: &Path) -> Result<Dir, Failure> {
    Dir::open_ambient_dir(path, ambient_authority())
        .map_err(|e| Failure::file(&format!("cannot open the {what} directory"), path, &e))
}

/// Opens a directory, making it and its parents where they do not exist.
pub(crate) fn make_dir(what: &str, path: &Path) -> Result<Dir, Failure> {
    Dir::create_ambient_dir_all(path, ambient_authority())
        .map_err(|e| Failure::file(&format!("cannot make the {what} directory"), path, &e))?;
    open_dir(what, path)
}

/// The directory of a file, and the file's name in it.
pub(crate) fn split(what: &str, path: &Path) -> Result<(Dir, String), Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::usage(format!("`{}` names no {what} file", path.display())))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    Ok((open_dir(what, parent)?, name.to_owned()))
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read(what: &str, path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let fail = |e: std::io::Error| Failure::file(&format!("cannot read the {what}"), path, &e);
    let (dir, name) = split(what, path)?;
    let mut bytes = Vec::new();
    dir.open(&name).map_err(fail)?.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(Failure::usage(format!("the {what} `{}` is larger than {limit} bytes", path.display())));
    }
    Ok(bytes)
}
