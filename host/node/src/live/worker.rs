//! One thread for pixels: a frame through the gate and the seated release, to its one outcome.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use jiff::Timestamp;
use vaern_door::{Blame, Krav, Name};
use vaern_privacy::{Capture, ClearFrame, Fenced, Gate};
use vaern_sandbox::Runner;

use super::clerk::{Settled, Told};
use super::control::Control;
use super::dispatch::Dispatcher;
use super::inbox::{Shelf, Taken};
use super::seat::Seat;
use super::swap::{Looked, Trials};
use crate::outcome::{FrameResult, Refusal, SeenFrame};
use crate::pipeline::{from_gate, host_fault, look, place};

/// A capture that was dropped because more came than could be worked on.
pub(crate) const OVERLOAD: &str = "overload";

/// A capture whose position is proven, waiting for a thread.
pub(crate) struct Waiting {
    /// Its place in the order of outcomes.
    pub(crate) ticket: u64,
    pub(crate) taken: Taken,
    pub(crate) fenced: Fenced,
}

/// Reads a capture and proves its position. Nothing is decoded here.
pub(crate) fn locate(
    gate: &Gate,
    shelf: &Shelf,
    taken: &Taken,
    camera: Option<&Name>,
    now: Timestamp,
) -> Result<Fenced, Refusal> {
    let bytes = shelf.read(taken, gate.policy().max_bytes()).map_err(|error| Refusal {
        reason: "unreadable",
        krav: Krav("STD-02"),
        blame: Blame::Operator,
        detail: error.kind().to_string(),
    })?;
    let capture = Capture::located_by_exif(bytes).claiming(taken.claims()).from_camera(camera.cloned());
    let located = gate.locate(capture, now).map_err(|r| from_gate(&r))?;
    gate.fence(located).map_err(|r| from_gate(&r))
}

/// That a capture was dropped unread.
pub(crate) fn overload() -> Refusal {
    Refusal {
        reason: OVERLOAD,
        krav: Krav("SKJ-09"),
        blame: Blame::Operator,
        detail: "more captures came than this machine can work on; the oldest was dropped unread".to_owned(),
    }
}

/// What the threads share.
pub(crate) struct Floor<'a> {
    pub(crate) gate: &'a Gate,
    pub(crate) control: &'a Control,
    pub(crate) dispatcher: &'a Dispatcher<Waiting, Seat>,
    pub(crate) trials: &'a Trials,
}

/// The runner of a thread, and whose it is.
struct Hand {
    seat: Arc<Seat>,
    runner: Box<dyn Runner>,
}

/// Works until the dispatcher has nothing more.
pub(crate) fn work(floor: &Floor<'_>, tell: &Sender<Told>) {
    let mut hand: Option<Hand> = None;
    while let Some((Waiting { ticket, taken, fenced }, seat)) = floor.dispatcher.next() {
        // A panic is the host's own fault, and costs this frame and no other.
        let seen = catch_unwind(AssertUnwindSafe(|| see(floor, fenced, &seat, &mut hand)));
        let seen = seen.unwrap_or_else(|_| {
            hand = None;
            Err(host_fault("a fault in the program itself"))
        });
        let (result, rest) = match seen {
            Ok((seen, rest)) => (FrameResult::Seen(seen), rest),
            Err(refusal) => (FrameResult::Refused(refusal), None),
        };
        floor.trials.saw(&seat, &result);
        let settled = Settled { ticket, taken, seat: Some(Arc::clone(&seat)), result };
        if tell.send(Told::Settled(Box::new(settled))).is_err() {
            return;
        }
        // The outcome is on its way before a release on trial sees anything.
        if let Some((clear, looked)) = rest {
            floor.trials.show(clear, looked);
        }
    }
}

type Rest = Option<(ClearFrame, Looked)>;

fn see(
    floor: &Floor<'_>,
    fenced: Fenced,
    seat: &Arc<Seat>,
    hand: &mut Option<Hand>,
) -> Result<(Box<SeenFrame>, Rest), Refusal> {
    let place = fenced.position().map(place);
    floor.control.permit()?;
    let raw = floor.gate.decode(fenced).map_err(|r| from_gate(&r))?;
    let proof = floor.gate.search(&raw).map_err(|r| from_gate(&r))?;
    let (clear, receipt) = floor.gate.mask(raw, proof).map_err(|r| from_gate(&r))?;
    floor.control.permit()?;
    let grants = seat.live.grants();
    let scaled = clear.scaled_to(grants.frame).map_err(|_| host_fault("the clear frame could not be scaled"))?;
    let mut seen = Box::new(SeenFrame {
        frame_id: clear.id().to_string(),
        size: scaled.size(),
        position: place,
        masked_share: receipt.masked_fraction,
        masked_boxes: receipt.masked_regions.clone(),
        seconds_in_clear: receipt.seconds_in_clear,
        objects: Vec::new(),
        dropped_answers: BTreeMap::new(),
        picture: None,
    });
    let runner = runner(seat, hand)?;
    let begun = Instant::now();
    look(&mut BTreeMap::new(), &mut seen, runner, (&scaled, &clear), grants)?;
    let took = begun.elapsed();
    // What was found while the node was stopped is not found (UPD-12).
    floor.control.permit()?;
    let rest = floor.trials.wants(seat).then(|| (clear, Looked::of(&seen, took)));
    Ok((seen, rest))
}

/// The runner of the seated release. One of another release goes back to it: it may come back.
fn runner<'h>(seat: &Arc<Seat>, hand: &'h mut Option<Hand>) -> Result<&'h mut dyn Runner, Refusal> {
    if hand.as_ref().is_none_or(|hand| hand.seat.generation != seat.generation) {
        if let Some(Hand { seat, runner }) = hand.take() {
            seat.live.put_back(runner);
        }
        let runner = seat.live.runner().map_err(|error| Refusal {
            reason: error.reason(),
            krav: error.krav(),
            blame: error.blame(),
            detail: error.to_string(),
        })?;
        *hand = Some(Hand { seat: Arc::clone(seat), runner });
    }
    match hand {
        Some(hand) => Ok(hand.runner.as_mut()),
        None => Err(host_fault("no runner")),
    }
}
