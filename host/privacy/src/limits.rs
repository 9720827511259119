//! How much is collected: not twice the same spot, not faster than the purpose needs, not more than it needs (MIN-07, MIN-11).
//!
//! A frame is judged before it is decoded and counted when it is masked: what was refused on the way costs nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use vaern_door::{Name, guard};

use crate::position::Position;
use crate::receipt::SealedPosition;
use crate::refusal::Refusal;

/// Spots remembered. Past it the oldest are forgotten, so that memory stays flat.
const REMEMBERED: usize = 200_000;
/// Frames of one camera that count as its newest: as many as are in work at once, for they are not masked in the order in which
/// they were taken.
const NEWEST: usize = 4;
/// Two frames of one place that look further apart than this, in degrees, show two things.
const SAME_VIEW_DEG: f64 = 60.0;

/// A durable count of what a purpose collected. The caller keeps it, for only the caller knows where it is safe.
pub trait Quota: Send + Sync + fmt::Debug {
    /// Whether one more frame may be collected. Asked before a frame is decoded.
    fn left(&self) -> bool;

    /// Counts one frame. False, and nothing counted, where the quota is reached or the count cannot be kept.
    fn take(&self) -> bool;
}

/// Which frames a new one is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory {
    /// All that were collected: a collection shows no spot twice.
    #[default]
    All,
    /// The newest of each camera: in operation the same street is looked at again on the next round, and no way is kept.
    Newest,
}

/// The limits of one purpose. `Default` sets none.
#[derive(Debug, Clone, Default)]
pub struct CollectionLimits {
    /// Shortest time between two frames of one camera, in seconds.
    pub min_interval_s: Option<f64>,
    /// Shortest distance between two frames of one camera that look the same way, in metres.
    pub min_distance_m: Option<f64>,
    /// Which frames count for the two above.
    pub memory: Memory,
    /// How many frames in all.
    pub quota: Option<Arc<dyn Quota>>,
}

/// What was collected so far.
#[derive(Default)]
pub(crate) struct Collected {
    cameras: BTreeMap<Name, Seen>,
    order: VecDeque<(Name, Cell, Position)>,
}

type Cell = (i64, i64);

#[derive(Default)]
struct Seen {
    times_ms: BTreeSet<i64>,
    spots: HashMap<Cell, Vec<Position>>,
}

impl Collected {
    /// Refuses a frame that the purpose does not need.
    pub(crate) fn check(&self, limits: &CollectionLimits, place: Option<&SealedPosition>) -> Result<(), Refusal> {
        if guard::stands("privacy.quota") && limits.quota.as_ref().is_some_and(|quota| !quota.left()) {
            return Err(Refusal::QuotaReached);
        }
        let Some((seen, place)) = place.and_then(|p| Some((self.cameras.get(p.camera())?, p.open()))) else {
            return Ok(());
        };
        if let (Some(least), Some(time)) = (limits.min_interval_s, place.time()) {
            let (time, least) = (time.as_millisecond(), (least * 1e3) as i64);
            let near = seen.times_ms.range(time.saturating_sub(least).saturating_add(1)..time.saturating_add(least));
            if guard::stands("privacy.rate") && near.take(1).count() > 0 {
                return Err(Refusal::TooSoon);
            }
        }
        if let Some(least) = limits.min_distance_m {
            let (x, y) = cell(place, least);
            let around = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (x + dx, y + dy)));
            let mut near = around.filter_map(|at| seen.spots.get(&at)).flatten();
            if guard::stands("privacy.same-spot") && near.any(|other| same_spot(place, other, least)) {
                return Err(Refusal::SameSpot);
            }
        }
        Ok(())
    }

    /// Counts a frame that was masked. Judged anew: another frame may have come first.
    pub(crate) fn admit(&mut self, limits: &CollectionLimits, place: Option<&SealedPosition>) -> Result<(), Refusal> {
        self.check(limits, place)?;
        if let Some(quota) = &limits.quota
            && !quota.take()
        {
            return Err(Refusal::QuotaReached);
        }
        let Some(place) = place else { return Ok(()) };
        if limits.min_distance_m.is_none() && limits.min_interval_s.is_none() {
            return Ok(());
        }
        self.remember(limits, place.camera().clone(), *place.open());
        Ok(())
    }

    /// Remembers a frame, without asking whether it was needed.
    pub(crate) fn remember(&mut self, limits: &CollectionLimits, camera: Name, position: Position) {
        let least = limits.min_distance_m.unwrap_or(1.0);
        if self.order.len() >= REMEMBERED {
            self.forget(0);
        }
        let at = cell(&position, least);
        let seen = self.cameras.entry(camera.clone()).or_default();
        seen.times_ms.extend(position.time().map(|time| time.as_millisecond()));
        seen.spots.entry(at).or_default().push(position);
        self.order.push_back((camera.clone(), at, position));
        if limits.memory == Memory::Newest && self.order.iter().filter(|(other, ..)| *other == camera).count() > NEWEST
        {
            let oldest = self.order.iter().position(|(other, ..)| *other == camera);
            self.forget(oldest.unwrap_or_default());
        }
    }

    fn forget(&mut self, which: usize) {
        let Some((camera, at, position)) = self.order.remove(which) else { return };
        let Some(seen) = self.cameras.get_mut(&camera) else { return };
        if let Some(time) = position.time() {
            seen.times_ms.remove(&time.as_millisecond());
        }
        if let Some(spots) = seen.spots.get_mut(&at) {
            spots.retain(|spot| *spot != position);
            if spots.is_empty() {
                seen.spots.remove(&at);
            }
        }
    }
}

/// The square of a grid whose squares are nowhere narrower than the distance: near spots lie in neighbouring squares.
fn cell(position: &Position, least_m: f64) -> Cell {
    // Metres per degree of latitude are at least 110,574; of longitude the same times the cosine, taken at the northern
    // side of the band of ten degrees, where it is least.
    let band = (position.latitude().abs() / 10.0).ceil() * 10.0;
    let east = (band.min(89.0).to_radians().cos() * 111_320.0 / least_m).max(1e-6);
    ((position.longitude() * east).floor() as i64, (position.latitude() * 110_574.0 / least_m).floor() as i64)
}

fn same_spot(a: &Position, b: &Position, least_m: f64) -> bool {
    let view = match (a.heading(), b.heading()) {
        (Some(a), Some(b)) => {
            let apart = (a - b).abs() % 360.0;
            apart.min(360.0 - apart) <= SAME_VIEW_DEG
        }
        // Nobody says that they look apart.
        _ => true,
    };
    view && a.distance_m(b) < least_m
}
