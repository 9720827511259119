//! Which finds are of one object.
//!
//! First within a drive: from picture to picture the fix is wrong by much the same, so that finds of one drive are compared by what
//! differs between them. Two boxes of one picture are two objects. Then across drives: what one drive saw takes its place among
//! what is known, one to one, at the least statistical distance in all.
//!
//! Drives are taken in the order in which they drove, whatever the order in which they are named. A drive adds finds to objects, or
//! new objects; what is one object stays one, and keeps its id. What was merged in an earlier call is handed in as pinned and stays
//! as it is, so that the same holds for a drive that comes late.

mod assign;
mod blend;
mod near;

use std::collections::{BTreeMap, BTreeSet};

use vaern_door::{Digest, Label};

use self::blend::{Body, Fused};
use self::near::Near;
use crate::geo::Spread;
use crate::sight::{Estimate, PositionKind};

/// Squared statistical distance beyond which two things are not one: in 997 of 1,000 cases one thing is nearer to itself.
const GATE: f64 = 11.8;
/// The cost of taking something for new: the gate, and as much as something that little is known of.
const ANEW: f64 = GATE + 4.0;
/// How much the fix wanders between two pictures of a drive, in metres.
const WANDER_M: f64 = 1.0;
/// What all drives have wrong in common: the camera's mount, the flat street, in metres.
const COMMON_M: f64 = 1.2;
/// A drive is cut into passes, within which the fix is wrong by much the same: at most so many seconds, with no gap longer than that.
const PASS_S: f64 = 240.0;
const GAP_S: f64 = 30.0;

/// One find of a drive.
#[derive(Debug, Clone, PartialEq)]
pub struct Find {
    /// Its id, random.
    pub id: String,
    /// What it is.
    pub label: Label,
    /// Where it is. Without a place it is merged with nothing.
    pub estimate: Option<Estimate>,
    /// The picture: finds of one picture are different things.
    pub frame: String,
    /// Place of the picture in its drive.
    pub number: usize,
    /// When the picture was taken, in milliseconds since 1970, where known.
    pub time_ms: Option<i64>,
}

/// What one drive found.
#[derive(Debug, Clone, PartialEq)]
pub struct Drive {
    /// The drive's name: tells drives of one moment apart.
    pub name: String,
    /// What was found, in any order.
    pub finds: Vec<Find>,
}

/// A find that an earlier call gave to an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Pin {
    /// The find.
    pub find: String,
    /// The object.
    pub object: String,
    /// The drive.
    pub drive: String,
    /// What it is.
    pub label: Label,
    /// Where it is.
    pub estimate: Option<Estimate>,
}

/// One object, by everything that was seen of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// Its id. It stays when more is seen of it.
    pub id: String,
    /// What it is.
    pub label: Label,
    /// The finds, in the order of their ids.
    pub finds: Vec<String>,
}

/// A place by everything that a group of finds says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Radius around it that holds the object in 95 of 100 cases, in metres.
    pub error_m: f64,
    /// Whose place it is.
    pub kind: PositionKind,
    /// Degrees clockwise from north from the camera to the object, in the picture that knows its place best.
    pub bearing: Option<f64>,
    /// 95 of 100 bearings are no farther off, in degrees.
    pub bearing_error: Option<f64>,
}

/// Which finds are of one object. `pins` are what earlier calls said; finds that they name are not looked at again.
#[must_use]
pub fn merge(drives: &[Drive], pins: &[Pin]) -> Vec<Merged> {
    let mut objects = Objects::pinned(pins);
    let known: BTreeSet<&str> = pins.iter().map(|pin| pin.find.as_str()).collect();
    let mut passes = Vec::new();
    for drive in drives {
        passes.extend(cut(drive, &known));
    }
    passes.sort_by(|a, b| a.order().cmp(&b.order()));
    for pass in &passes {
        objects.take(&pass.drive, pass.tracks());
    }
    objects.into_merged()
}

/// Where the object is that all of `estimates` are of, each with the name of its drive. Nothing where none of them has a place.
#[must_use]
pub fn place<'a>(estimates: impl IntoIterator<Item = (&'a str, &'a Estimate)>) -> Option<Placed> {
    let estimates: Vec<(&str, &Estimate)> = estimates.into_iter().collect();
    let best = estimates.iter().map(|(_, e)| *e).min_by(|a, b| by_precision(a, b))?;
    let mut bodies: BTreeMap<&str, Body> = BTreeMap::new();
    // Pictures that know no more than the camera's place add nothing to those that know the object's.
    let mut told: Vec<_> = estimates.iter().filter(|(_, e)| e.kind == best.kind).collect();
    told.sort_by(|a, b| a.0.cmp(b.0).then_with(|| by_precision(a.1, b.1)));
    for (drive, estimate) in told {
        bodies.entry(drive).or_insert_with(|| Body::at(best.at)).see(estimate);
    }
    let mut fused = Fused::at(best.at);
    for body in bodies.values() {
        fused.add(body);
    }
    let (at, spread) = fused.place()?;
    let sigma = spread.plus(Spread::round(COMMON_M)).widest();
    Some(Placed {
        latitude: at.latitude,
        longitude: at.longitude,
        error_m: 2.45 * sigma,
        kind: best.kind,
        bearing: best.bearing,
        bearing_error: best.bearing.map(|_| (1.96 * best.bearing_sigma).min(180.0)),
    })
}

/// The best known place first; where two are known equally well, any fixed order will do.
fn by_precision(a: &Estimate, b: &Estimate) -> std::cmp::Ordering {
    let key = |e: &Estimate| (std::cmp::Reverse(e.kind), e.spread.plus(Spread::round(e.fix_m)).widest());
    let ((kind_a, wide_a), (kind_b, wide_b)) = (key(a), key(b));
    kind_a
        .cmp(&kind_b)
        .then(wide_a.total_cmp(&wide_b))
        .then(a.at.latitude.total_cmp(&b.at.latitude))
        .then(a.at.longitude.total_cmp(&b.at.longitude))
}

/// A part of a drive within which the fix is wrong by much the same.
struct Pass<'a> {
    drive: String,
    /// The finds of each picture, in the order of the pictures.
    frames: Vec<Vec<&'a Find>>,
}

impl Pass<'_> {
    fn order(&self) -> (i64, &str, &str) {
        let first = self.frames.first().and_then(|finds| finds.first());
        let time = first.and_then(|find| find.time_ms).unwrap_or(i64::MAX);
        (time, &self.drive, first.map_or("", |find| &find.id))
    }

    /// The things that the pass saw, each once.
    fn tracks(&self) -> Vec<Track> {
        let mut tracks: Vec<Track> = Vec::new();
        let mut near = Near::default();
        for finds in &self.frames {
            let candidates = finds.iter().map(|find| {
                let Some(estimate) = &find.estimate else { return Vec::new() };
                let mut pairs = Vec::new();
                for at in near.around(&find.label, estimate.at, estimate.spread.widest() + WANDER_M) {
                    let Some(Some(body)) = tracks.get(at).map(|track| &track.body) else { continue };
                    let (place, spread) = body.place();
                    let own = estimate.spread.plus(Spread::round(WANDER_M));
                    pairs.extend(cost(own.plus(spread), place.to(estimate.at)).map(|cost| (at, cost)));
                }
                pairs
            });
            let candidates: Vec<Vec<(usize, i64)>> = candidates.collect();
            for (find, taken) in finds.iter().zip(assign::assign(&candidates, tracks.len(), scaled(GATE))) {
                let at = taken.unwrap_or(tracks.len());
                if at == tracks.len() {
                    tracks.push(Track::of(find));
                } else if let Some(track) = tracks.get_mut(at) {
                    track.see(find);
                }
                if let Some(body) = tracks.get(at).and_then(|track| track.body.as_ref()) {
                    let (place, spread) = body.place();
                    near.put(&find.label, at, place, spread.widest());
                }
            }
        }
        mended(tracks)
    }
}

/// Joins what is one thing in two pieces: a first look from far away may be off by more than the gate, and what came after began
/// anew. Pieces that were in one picture are two things.
fn mended(mut tracks: Vec<Track>) -> Vec<Track> {
    let mut near = Near::default();
    for (at, track) in tracks.iter().enumerate() {
        if let Some((place, spread)) = track.body.as_ref().map(Body::place) {
            near.put(&track.label, at, place, spread.widest());
        }
    }
    let mut pairs: Vec<(i64, usize, usize)> = Vec::new();
    for (at, track) in tracks.iter().enumerate() {
        let Some((place, spread)) = track.body.as_ref().map(Body::place) else { continue };
        for other in near.around(&track.label, place, spread.widest() + WANDER_M) {
            let Some((there, known)) = tracks.get(other).and_then(|t| t.body.as_ref()).map(Body::place) else {
                continue;
            };
            let own = spread.plus(Spread::round(WANDER_M));
            if other > at
                && let Some(cost) = cost(own.plus(known), place.to(there))
            {
                pairs.push((cost, at, other));
            }
        }
    }
    pairs.sort_unstable();
    let mut into: Vec<usize> = (0..tracks.len()).collect();
    let root = |into: &[usize], mut at: usize| {
        while let Some(up) = into.get(at).copied().filter(|up| *up != at) {
            at = up;
        }
        at
    };
    for (_, a, b) in pairs {
        let (a, b) = (root(&into, a), root(&into, b));
        let (keep, goes) = (a.min(b), a.max(b));
        let apart = |keep: &Track, goes: &Track| keep.frames.is_disjoint(&goes.frames);
        if keep == goes || !tracks.get(keep).zip(tracks.get(goes)).is_some_and(|(keep, goes)| apart(keep, goes)) {
            continue;
        }
        if let Some(goes_into) = into.get_mut(goes) {
            *goes_into = keep;
        }
        let moved = tracks.get_mut(goes).map(Track::emptied);
        if let (Some(track), Some(moved)) = (tracks.get_mut(keep), moved) {
            track.join(moved);
        }
    }
    tracks.retain(|track| !track.finds.is_empty());
    tracks
}

/// Cuts a drive into passes. Finds that are known already are left out.
fn cut<'a>(drive: &'a Drive, known: &BTreeSet<&str>) -> Vec<Pass<'a>> {
    let mut finds: Vec<&Find> = drive.finds.iter().filter(|find| !known.contains(find.id.as_str())).collect();
    finds.sort_by(|a, b| {
        let key = |f: &'a Find| (f.time_ms.unwrap_or(i64::MAX), f.number, f.frame.as_str(), f.id.as_str());
        key(a).cmp(&key(b))
    });
    // A picture without a time counts as one a second.
    let clock = |find: &Find| find.time_ms.map_or(find.number as f64, |ms| ms as f64 / 1000.0);
    let mut passes: Vec<Pass<'a>> = Vec::new();
    let (mut began, mut last) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    let mut frame: Option<&str> = None;
    for find in finds {
        let now = clock(find);
        let same = frame == Some(find.frame.as_str());
        if !same && (now - began > PASS_S || now - last > GAP_S) {
            passes.push(Pass { drive: drive.name.clone(), frames: Vec::new() });
            began = now;
        }
        (frame, last) = (Some(find.frame.as_str()), now);
        if let Some(pass) = passes.last_mut() {
            match pass.frames.last_mut() {
                Some(finds) if same => finds.push(find),
                _ => pass.frames.push(vec![find]),
            }
        }
    }
    passes
}

/// One thing, as a pass saw it.
struct Track {
    label: Label,
    finds: Vec<String>,
    frames: BTreeSet<String>,
    body: Option<Body>,
}

impl Track {
    fn see(&mut self, find: &Find) {
        self.finds.push(find.id.clone());
        self.frames.insert(find.frame.clone());
        if let (Some(body), Some(estimate)) = (&mut self.body, &find.estimate) {
            body.see(estimate);
        }
    }

    /// Takes everything out.
    fn emptied(&mut self) -> Self {
        let (finds, frames) = (std::mem::take(&mut self.finds), std::mem::take(&mut self.frames));
        Self { label: self.label.clone(), finds, frames, body: self.body.take() }
    }

    fn join(&mut self, other: Self) {
        self.finds.extend(other.finds);
        self.frames.extend(other.frames);
        if let (Some(body), Some(more)) = (&mut self.body, &other.body) {
            body.join(more);
        }
    }

    fn of(find: &Find) -> Self {
        let body = find.estimate.as_ref().map(|estimate| Body::at(estimate.at));
        let mut track = Self { label: find.label.clone(), finds: Vec::new(), frames: BTreeSet::new(), body };
        track.see(find);
        track
    }

    /// The id of an object that this track is the first of.
    fn founds(&self) -> String {
        let first = self.finds.iter().min().map(String::as_str).unwrap_or_default();
        let digest = Digest::of(format!("vaern proposal\n{first}").as_bytes()).to_string();
        let hex = digest.rsplit(':').next().unwrap_or_default();
        format!("p{}", hex.get(..32).unwrap_or(hex))
    }
}

/// What is known, drive by drive.
struct Objects {
    all: Vec<Object>,
    near: Near,
}

struct Object {
    id: String,
    label: Label,
    finds: Vec<String>,
    /// The drives that saw it.
    drives: BTreeSet<String>,
    fused: Option<Fused>,
}

impl Objects {
    fn pinned(pins: &[Pin]) -> Self {
        let mut grouped: BTreeMap<&str, Vec<&Pin>> = BTreeMap::new();
        for pin in pins {
            grouped.entry(&pin.object).or_default().push(pin);
        }
        let mut objects = Self { all: Vec::new(), near: Near::default() };
        for (id, mut pins) in grouped {
            pins.sort_by(|a, b| (&a.drive, &a.find).cmp(&(&b.drive, &b.find)));
            let Some(label) = pins.first().map(|pin| pin.label.clone()) else { continue };
            let anchor = pins.iter().find_map(|pin| pin.estimate.map(|estimate| estimate.at));
            let fused = anchor.map(|anchor| {
                let mut bodies: BTreeMap<&str, Body> = BTreeMap::new();
                for pin in &pins {
                    if let Some(estimate) = &pin.estimate {
                        bodies.entry(&pin.drive).or_insert_with(|| Body::at(anchor)).see(estimate);
                    }
                }
                let mut fused = Fused::at(anchor);
                bodies.values().for_each(|body| fused.add(body));
                fused
            });
            let finds = pins.iter().map(|pin| pin.find.clone()).collect();
            let drives = pins.iter().map(|pin| pin.drive.clone()).collect();
            objects.all.push(Object { id: id.to_owned(), label, finds, drives, fused });
            objects.place(objects.all.len() - 1);
        }
        objects
    }

    /// Enters where an object is now.
    fn place(&mut self, at: usize) {
        let Some(object) = self.all.get(at) else { return };
        if let Some((place, spread)) = object.fused.as_ref().and_then(Fused::place) {
            self.near.put(&object.label, at, place, spread.widest());
        }
    }

    /// Takes what a pass saw.
    fn take(&mut self, drive: &str, mut tracks: Vec<Track>) {
        tracks.sort_by_cached_key(Track::founds);
        let pairs: Vec<Vec<(usize, i64)>> = tracks.iter().map(|track| self.candidates(track)).collect();
        let taken = assign::assign(&pairs, self.all.len(), scaled(ANEW));
        for (track, taken) in tracks.into_iter().zip(taken) {
            let at = match taken {
                Some(at) => at,
                None => {
                    let fused = track.body.as_ref().map(|body| Fused::at(body.anchor()));
                    self.all.push(Object {
                        id: track.founds(),
                        label: track.label.clone(),
                        finds: Vec::new(),
                        drives: BTreeSet::new(),
                        fused,
                    });
                    self.all.len() - 1
                }
            };
            if let Some(object) = self.all.get_mut(at) {
                object.finds.extend(track.finds);
                object.drives.insert(drive.to_owned());
                if let (Some(fused), Some(body)) = (&mut object.fused, &track.body) {
                    fused.add(body);
                }
            }
            self.place(at);
        }
    }

    fn candidates(&self, track: &Track) -> Vec<(usize, i64)> {
        let Some(body) = &track.body else { return Vec::new() };
        let (place, spread) = body.place();
        let spread = spread.plus(Spread::round(body.fix_m())).plus(Spread::round(COMMON_M));
        let mut near: Vec<(usize, i64, usize)> = Vec::new();
        for at in self.near.around(&track.label, place, spread.widest()) {
            let Some(object) = self.all.get(at) else { continue };
            let Some((there, known)) = object.fused.as_ref().and_then(Fused::place) else { continue };
            // The less is known of where something is, the more is near to it: that speaks against it.
            let (both, vague) = (known.plus(spread), (known.plus(spread).weight() / spread.weight()).ln());
            let cost = cost(both, there.to(place)).map(|cost| cost + scaled(2.0 * vague.max(0.0)));
            near.extend(cost.map(|cost| (at, cost, object.drives.len())));
        }
        // What was seen more often is seen again more likely than what was once taken for something.
        let most = near.iter().map(|(_, _, drives)| *drives).max().unwrap_or_default();
        let rare = |drives: usize| scaled(2.0 * ((most + 1) as f64 / (drives + 1) as f64).ln());
        near.into_iter().map(|(at, cost, drives)| (at, cost + rare(drives))).collect()
    }

    fn into_merged(self) -> Vec<Merged> {
        let mut merged: Vec<Merged> = self
            .all
            .into_iter()
            .map(|Object { id, label, mut finds, .. }| {
                finds.sort_unstable();
                Merged { id, label, finds }
            })
            .collect();
        merged.sort_by(|a, b| a.id.cmp(&b.id));
        merged
    }
}

/// The cost of taking two things, so far apart under this spread, for one. Nothing beyond the gate.
fn cost(spread: Spread, apart: [f64; 2]) -> Option<i64> {
    let distance2 = spread.distance2(apart);
    (distance2 < GATE).then(|| scaled(distance2))
}

/// A squared distance in whole numbers, so that sums do not hang on their order.
fn scaled(distance2: f64) -> i64 {
    (distance2 * 1e6).round() as i64
}
