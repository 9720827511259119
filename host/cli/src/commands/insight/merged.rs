//! What else was seen of the same object, and what people decided.

use std::path::Path;

use cap_std::fs::Dir;
use serde::Serialize;
use vaern_door::{Blame, Krav};
use vaern_proposals::{Book, Proposal, Run, Seen, Verdict};

use crate::commands::proposals::attach;
use crate::failure::Failure;
use crate::files;

/// The proposal that a find is of.
#[derive(Serialize)]
pub(super) struct Merged {
    /// Its id.
    pub(super) proposal: String,
    /// What stands of it, in Danish.
    pub(super) status: &'static str,
    /// Why it is withdrawn, in Danish.
    pub(super) withdrawn: Option<&'static str>,
    /// Where the object is.
    pub(super) place: Option<Place>,
    /// First and last day.
    pub(super) days: Option<(String, String)>,
    /// Runs in which it was seen.
    pub(super) runs: usize,
    /// Everything that was seen of it.
    pub(super) seen: Vec<Seen>,
    /// How much of it was withdrawn.
    pub(super) withdrawn_finds: usize,
    /// The verdict that stands: who, why, and whether the picture was shown.
    pub(super) verdict: Option<Verdict>,
    /// In how many exports it was handed on.
    pub(super) exports: usize,
}

/// Where the object is.
#[derive(Serialize)]
pub(super) struct Place {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) error_m: f64,
    pub(super) position_is: &'static str,
    #[serde(skip)]
    pub(super) danish: &'static str,
    pub(super) bearing: Option<f64>,
}

/// The find that `id` is about, in this run, and the proposal that it is of where the proposals are named.
pub(super) fn find(proposals: Option<&Path>, id: &str, result: &Dir) -> Result<(String, Option<Merged>), Failure> {
    let Some(path) = proposals else {
        return match id.starts_with('p') {
            false => Ok((id.to_owned(), None)),
            true => Err(Failure::usage("the id is that of a proposal")
                .mend("name the folder of the proposals with --proposals")),
        };
    };
    let mut book = Book::open(files::open_dir("proposals", path)?)?;
    attach(&mut book);
    let refused = |what: String, mend: &str| Failure::refused(what, Krav("RET-02"), Blame::Operator).mend(mend);
    let run = Run::read(result, "result")?.key().to_owned();
    let of = |proposal: &Proposal| proposal.id == id || proposal.seen.iter().any(|seen| seen.id == id);
    let Some(proposal) = book.proposals().into_iter().find(of) else {
        let mend = "take the id from `proposals.geojson`; what is withdrawn and erased has no finds any more";
        return Err(refused("nothing of this id is in these proposals".to_owned(), mend));
    };
    // Of several finds in this run, the surest that still has a picture: they come in that order.
    let seen = proposal.seen.iter().find(|seen| seen.id == id || (proposal.id == id && seen.run == run));
    let Some(find) = seen.map(|seen| seen.id.clone()) else {
        let mut runs: Vec<&str> = proposal.seen.iter().map(|seen| seen.run.as_str()).collect();
        runs.dedup();
        let what = match runs.is_empty() {
            true => "the proposal is withdrawn, and what was seen of it is erased".to_owned(),
            false => format!("this run saw nothing of the proposal; it was seen by {}", runs.join(", ")),
        };
        return Err(refused(what, "name the folder of one of these runs with --result"));
    };
    let exports = book.exports().iter().filter(|export| export.proposals.contains(&proposal.id)).count();
    let verdict = book.standing(&proposal.id).cloned();
    Ok((find, Some(merged(proposal, verdict, exports))))
}

fn merged(proposal: Proposal, verdict: Option<Verdict>, exports: usize) -> Merged {
    let place = proposal.place.as_ref().map(|place| Place {
        latitude: place.latitude,
        longitude: place.longitude,
        error_m: place.error_m,
        position_is: place.kind.as_str(),
        danish: place.kind.danish(),
        bearing: place.bearing,
    });
    Merged {
        status: proposal.status.as_str(),
        withdrawn: proposal.cause.map(vaern_proposals::Cause::danish),
        place,
        days: proposal.days,
        runs: proposal.runs,
        seen: proposal.seen,
        withdrawn_finds: proposal.withdrawn_finds,
        verdict,
        exports,
        proposal: proposal.id,
    }
}
