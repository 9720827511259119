//! One thread for pixels: a frame through the gate and the seated release, to its one outcome.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use vaern_door::{Blame, Krav, Name};
use vaern_privacy::{ClearFrame, Fenced, Gate, PictureKind};
use vaern_sandbox::Runner;

use super::clerk::{Settled, Told};
use super::control::{Control, STOPPED};
use super::dispatch::Dispatcher;
use super::inbox::{Held, Shelf, Taken, claims};
use super::probe::{self, Answer, Rota};
use super::seat::Seat;
use super::source::{Arrived, Content, Located};
use super::swap::{Looked, Trials};
use crate::keeper::{self, Crops};
use crate::outcome::{FrameResult, Refusal, SeenFrame};
use crate::pipeline::{from_gate, host_fault, look, place};
use crate::probes::Probe;

/// A capture that was dropped because more came than could be worked on.
pub(crate) const OVERLOAD: &str = "overload";

/// A capture whose position is proven, waiting for a thread.
pub(crate) struct Waiting {
    /// Its place in the order of outcomes.
    pub(crate) ticket: u64,
    pub(crate) taken: Taken,
    pub(crate) fenced: Fenced,
}

/// How captures are read and placed.
pub(crate) struct Intake {
    pub(crate) shelf: Shelf,
    pub(crate) positions: Located,
    pub(crate) camera: Option<Name>,
    /// How long a camera and the way from it may take.
    pub(crate) delay: SignedDuration,
}

/// Reads a capture and proves its position. Nothing is decoded here. What was in memory is not in `taken` any more.
pub(crate) fn locate(gate: &Gate, intake: &Intake, taken: &mut Taken, now: Timestamp) -> Result<Fenced, Refusal> {
    let unreadable =
        |detail: String| Refusal { reason: "unreadable", krav: Krav("STD-02"), blame: Blame::Operator, detail };
    let capture = match std::mem::replace(&mut taken.held, Held::Gone) {
        Held::File(file) => {
            let read = intake.shelf.read(&file, gate.policy().max_bytes());
            let kind = claims(&file);
            // It stays in the folder until it has its outcome.
            taken.held = Held::File(file);
            let bytes = read.map_err(|error| unreadable(error.kind().to_string()))?;
            intake.positions.capture(bytes).claiming(kind)
        }
        Held::Memory(arrived) => match *arrived {
            Arrived { content: Content::Whole(bytes), at } => {
                intake.positions.capture(bytes).claiming(Some(PictureKind::Jpeg)).arrived(at, intake.delay)
            }
            Arrived { content: Content::Torn(error), .. } => {
                let detail = error.map_or_else(|| "the picture broke off".to_owned(), |error| error.to_string());
                return Err(Refusal { reason: TORN, ..unreadable(detail) });
            }
            Arrived { content: Content::Dropped, .. } => return Err(overload()),
        },
        Held::Gone => return Err(host_fault("a capture that was taken twice")),
    };
    let located = gate.locate(capture.from_camera(intake.camera.clone()), now).map_err(|r| from_gate(&r))?;
    gate.fence(located).map_err(|r| from_gate(&r))
}

/// A capture that was in memory when the node ended in order.
pub(crate) const ENDED: &str = "node_ended";

/// A picture of a stream that never was whole.
pub(crate) const TORN: &str = "stream_broke";

/// A capture that was in memory when the node ended in order.
pub(crate) fn ended() -> Refusal {
    Refusal {
        reason: ENDED,
        krav: Krav("SKJ-08"),
        blame: Blame::Operator,
        detail: "the node ended, and what lies in memory only ends with it".to_owned(),
    }
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
    /// Pictures with a known answer, where the profile asks for them.
    pub(crate) probes: Option<&'a Rota>,
    /// Whether a crop of each object is taken for evidence.
    pub(crate) evidence: bool,
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
        let camera = fenced.position().map(|sealed| sealed.camera().clone());
        let seen = catch_unwind(AssertUnwindSafe(|| see(floor, fenced, &seat, &mut hand)));
        let seen = seen.unwrap_or_else(|_| {
            hand = None;
            Err(host_fault("a fault in the program itself"))
        });
        let (result, crops, rest) = match seen {
            Ok((seen, crops, rest)) => (FrameResult::Seen(seen), crops, rest),
            Err(refusal) => (FrameResult::Refused(refusal), Crops::default(), None),
        };
        floor.trials.saw(&seat, &result);
        let due = floor.probes.filter(|_| matches!(result, FrameResult::Seen(_))).and_then(Rota::due);
        let due = due.map(|probe| (probe, camera.clone()));
        let settled = Settled { ticket, taken, seat: Some(Arc::clone(&seat)), result, camera, crops };
        if tell.send(Told::Settled(Box::new(settled))).is_err() {
            return;
        }
        // The outcome is on its way before a release on trial sees anything.
        if let Some((clear, looked)) = rest {
            floor.trials.show(clear, looked);
        }
        if let Some((probe, camera)) = due {
            let answer = catch_unwind(AssertUnwindSafe(|| answer(floor, probe, camera, &seat, &mut hand)));
            let answer = answer.unwrap_or_else(|_| {
                hand = None;
                Err(host_fault("a fault in the program itself"))
            });
            // A node that was stopped meanwhile shows nothing, and that is no answer.
            if answer.as_ref().err().is_some_and(|refusal| refusal.reason == STOPPED) {
                continue;
            }
            if tell.send(Told::Probed(seat, answer)).is_err() {
                return;
            }
        }
    }
}

/// Shows the release a picture whose answer is known. What it fails at, it did not find; what the gate or the host fails at says nothing of it.
fn answer(
    floor: &Floor<'_>,
    probe: &Probe,
    camera: Option<Name>,
    seat: &Arc<Seat>,
    hand: &mut Option<Hand>,
) -> Result<Answer, Refusal> {
    let fenced = probe::fenced(floor.gate, probe, camera, floor.control.time())?;
    match shown(floor, fenced, seat, hand) {
        Ok(Shown { seen, took, .. }) => Ok(Answer::of(&probe.known, &Looked::of(&seen, took))),
        Err(refusal) if refusal.blame == Blame::Vendor => Ok(Answer::none(&probe.known)),
        Err(refusal) => Err(refusal),
    }
}

type Rest = Option<(ClearFrame, Looked)>;

fn see(
    floor: &Floor<'_>,
    fenced: Fenced,
    seat: &Arc<Seat>,
    hand: &mut Option<Hand>,
) -> Result<(Box<SeenFrame>, Crops, Rest), Refusal> {
    let first = keeper::first_day(&fenced);
    let Shown { clear, scaled, seen, took } = shown(floor, fenced, seat, hand)?;
    let crops = if floor.evidence { keeper::crops(&scaled, &seen.objects, first)? } else { Crops::default() };
    let rest = floor.trials.wants(seat).then(|| (clear, Looked::of(&seen, took)));
    Ok((seen, crops, rest))
}

/// A frame that the seated release has looked at.
struct Shown {
    clear: ClearFrame,
    scaled: ClearFrame,
    seen: Box<SeenFrame>,
    took: Duration,
}

/// Through the gate and to the seated release: one way for a frame of the street and for a picture whose answer is known, so that the release
/// cannot tell them apart by it.
fn shown(floor: &Floor<'_>, fenced: Fenced, seat: &Arc<Seat>, hand: &mut Option<Hand>) -> Result<Shown, Refusal> {
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
        zoom_pixels: None,
        picture: None,
    });
    let runner = runner(seat, hand)?;
    let begun = Instant::now();
    look(&mut BTreeMap::new(), &mut seen, runner, (&scaled, &clear), grants)?;
    let took = begun.elapsed();
    // What was found while the node was stopped is not found (UPD-12).
    floor.control.permit()?;
    Ok(Shown { clear, scaled, seen, took })
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
