//! Training and operation stay apart (SEP-03): what operates opens no folder that belongs to a training set.

use std::path::Path;

use vaern_door::{Blame, Krav, guard};
use vaern_node::collection::MANIFEST;

use crate::failure::Failure;

/// Refuses a folder that is a training set, or lies in one.
pub(crate) fn from_training<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Result<(), Failure> {
    for folder in folders {
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        // Where links lead, not what they are called; of a folder that is not there yet, the part that is.
        let there = absolute.ancestors().find_map(|part| part.canonicalize().ok()).unwrap_or(absolute);
        let set = there.ancestors().find(|part| part.join(MANIFEST).symlink_metadata().is_ok());
        if let Some(set) = set.filter(|_| guard::stands("cli.training-set")) {
            let what = format!(
                "`{}` belongs to the training set in `{}`: training and operation are kept apart",
                folder.display(),
                set.display()
            );
            return Err(Failure::refused(what, Krav("SEP-03"), Blame::Operator).mend(
                "give what operates folders of its own; to look at a training set, use a policy made for evaluation",
            ));
        }
    }
    Ok(())
}
