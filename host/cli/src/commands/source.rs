//! Where a channel comes from: plain signed files, or a TUF repository from a pinned root on. One or the other, by configuration.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use jiff::Timestamp;
use vaern_door::Name;
use vaern_trust::{
    ChannelSource as _, Offered, REVOCATIONS_FILE, SignedFiles, TrustRoot, UpdateError, assignment_file,
};

use crate::commands::channel::place;
use crate::failure::Failure;
use crate::files;

#[derive(clap::Args)]
pub(crate) struct TufRoot {
    /// The channel is a TUF repository: its root, as this side pinned it.
    #[arg(long)]
    pub(crate) tuf_root: Option<PathBuf>,
}

/// A channel's place, and how it is read.
pub(crate) struct Source {
    dir: Dir,
    file: String,
    node: Option<Name>,
    root: Option<Vec<u8>>,
}

impl Source {
    /// The channel at `path`: with `root` a repository, without it a folder of signed files or the channel's file itself.
    pub(crate) fn open(path: &Path, node: Option<Name>, root: Option<&Path>) -> Result<Self, Failure> {
        if let Some(root) = root {
            built_for_it()?;
            let root = Some(files::read("root", root, 1 << 20)?);
            return Ok(Self { dir: files::open_dir("repository", path)?, file: String::new(), node, root });
        }
        let (dir, file) = place(path)?;
        Ok(Self { dir, file, node, root: None })
    }

    /// What it offers at `time`. Plain files have no time of their own: the floor judges them.
    pub(crate) fn offered(&self, trust: &TrustRoot, time: Timestamp) -> Result<Offered, UpdateError> {
        match &self.root {
            Some(root) => tuf(&self.dir, root, time, self.node.clone(), trust),
            None => SignedFiles::named(&self.dir, self.file.clone()).seen_by(self.node.clone()).offered(trust),
        }
    }

    /// The folder, and the files in it that change with what is offered.
    pub(crate) fn watched(&self) -> Result<(Dir, Vec<String>), Failure> {
        let dir = self.dir.try_clone().map_err(|e| Failure::internal(e.to_string()))?;
        if self.root.is_some() {
            return Ok((dir, vec!["metadata/timestamp.json".to_owned()]));
        }
        let mut files = vec![self.file.clone(), REVOCATIONS_FILE.to_owned()];
        files.extend(self.node.as_ref().map(assignment_file));
        Ok((dir, files))
    }
}

#[cfg(feature = "tuf")]
pub(super) fn built_for_it() -> Result<(), Failure> {
    Ok(())
}

#[cfg(not(feature = "tuf"))]
pub(super) fn built_for_it() -> Result<(), Failure> {
    Err(Failure::usage("this program is built without TUF")
        .mend("build it with `cargo build --release --features tuf`, or follow the channel's plain signed files"))
}

#[cfg(feature = "tuf")]
fn tuf(dir: &Dir, root: &[u8], time: Timestamp, node: Option<Name>, trust: &TrustRoot) -> Result<Offered, UpdateError> {
    vaern_tuf::TufFiles::new(dir, root, time).seen_by(node).offered(trust)
}

/// Never reached: a source with a root is not opened in such a build.
#[cfg(not(feature = "tuf"))]
fn tuf(_: &Dir, _: &[u8], _: Timestamp, _: Option<Name>, _: &TrustRoot) -> Result<Offered, UpdateError> {
    Err(UpdateError::Metadata(vaern_trust::MetadataError::Malformed("built without TUF".to_owned())))
}
