//! A folder of captures: every file that could be a picture, in a fixed order, none left out without a word.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use vaern_door::guard;

/// Files that lie beside pictures and are none.
const SIDECARS: [&str; 9] = ["gpx", "json", "jsonl", "geojson", "csv", "txt", "md", "toml", "xml"];

/// Folders within folders; deeper ones are counted as unreadable.
const MAX_DEPTH: usize = 16;

/// One entry of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A file to take in, by its path inside the source.
    File(PathBuf),
    /// Something that cannot be read: it counts as a frame in, and is refused by name.
    Unreadable(PathBuf),
}

impl Entry {
    /// The name shown to the operator: printable, never more than 200 characters.
    pub(crate) fn name(&self) -> String {
        let (Self::File(path) | Self::Unreadable(path)) = self;
        path.to_string_lossy().chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    }
}

/// Everything in the source, sorted by path. Links that lead out of the source are unreadable, because `Dir` does not follow them;
/// so are links to folders.
pub(crate) fn list(source: &Dir) -> std::io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    walk(source, Path::new(""), 0, &mut found)?;
    found.sort_by_key(Entry::name);
    Ok(found)
}

fn walk(dir: &Dir, at: &Path, depth: usize, found: &mut Vec<Entry>) -> std::io::Result<()> {
    for entry in dir.entries()? {
        let Ok(entry) = entry else {
            found.push(Entry::Unreadable(at.join("?")));
            continue;
        };
        let name = entry.file_name();
        let path = at.join(&name);
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // A link to a picture is a picture. A linked folder is not gone into: it is listed where it lies, or leads in a circle.
        let linked = dir.symlink_metadata(&name).is_ok_and(|data| data.is_symlink());
        match dir.metadata(&name) {
            Ok(data) if data.is_dir() && (!linked || !guard::stands("source.linked-folder")) => {
                let inner = if depth < MAX_DEPTH { dir.open_dir(&name) } else { Err(std::io::ErrorKind::Other.into()) };
                if inner.and_then(|inner| walk(&inner, &path, depth + 1, found)).is_err() {
                    found.push(Entry::Unreadable(path));
                }
            }
            Ok(data) if data.is_file() => {
                if !is_sidecar(&path) {
                    found.push(Entry::File(path));
                }
            }
            // Devices, sockets and pipes would block or never end.
            _ => found.push(Entry::Unreadable(path)),
        }
    }
    Ok(())
}

fn is_sidecar(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|e| SIDECARS.contains(&e.as_str()))
}

/// Reads a file, one byte past the limit at most: the gate refuses what is longer.
pub(crate) fn read(source: &Dir, path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    #[test]
    fn std_02n_a_linked_folder_is_named_and_never_gone_into() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("picture.jpg"), b"x").unwrap();
        for link in ["one", "other"] {
            std::os::unix::fs::symlink(".", temp.path().join(link)).unwrap();
        }
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let expected =
            [Entry::Unreadable("one".into()), Entry::Unreadable("other".into()), Entry::File("picture.jpg".into())];
        assert_eq!(list(&dir).unwrap(), expected);
    }

    #[test]
    fn every_file_is_listed_once_and_links_out_of_the_source_are_unreadable() {
        let temp = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret.jpg"), b"x").unwrap();
        std::fs::create_dir(temp.path().join("b")).unwrap();
        for file in ["z.jpg", "a.png", "b/c.jpg", "track.gpx", ".hidden.jpg", "no-extension"] {
            std::fs::write(temp.path().join(file), b"x").unwrap();
        }
        std::os::unix::fs::symlink(outside.path().join("secret.jpg"), temp.path().join("link.jpg")).unwrap();
        std::os::unix::fs::symlink("loop", temp.path().join("loop")).unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let names: Vec<(String, bool)> =
            list(&dir).unwrap().iter().map(|e| (e.name(), matches!(e, Entry::File(_)))).collect();
        let expected = [
            ("a.png", true),
            ("b/c.jpg", true),
            ("link.jpg", false),
            ("loop", false),
            ("no-extension", true),
            ("z.jpg", true),
        ];
        assert_eq!(names, expected.map(|(n, f)| (n.to_owned(), f)));
    }
}
