//! Drawn streets as a plugin gets them: masked from the truth, so that no detector's mistakes are blamed on a plugin.
//!
//! What the city's gate really covers is the gate's own test (`docs/privacy-gate.md`). Here persons, faces and plates are masked
//! exactly as the policy says they should be: grown, snapped to 16 pixels, filled with the policy's colours.

#[cfg(test)]
use std::collections::BTreeMap;
use std::sync::Arc;
#[cfg(test)]
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use vaern_door::{Rect, Size};
use vaern_sandbox::{ReceivedFrame, SandboxError};
use vaern_scenes::{Class, ContainerKind, Dice, Light, Scene, SceneParams, TruthObject, Weather};

use crate::keep;
use crate::plan::{Series, case_seed};

/// Masks lie on this grid.
const SNAP: u16 = 16;

/// A container in a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Thing {
    #[serde(with = "keep::rect")]
    pub(crate) rect: Rect,
    pub(crate) kind: ContainerKind,
    /// The same number in pictures of the same street.
    pub(crate) id: u32,
    #[serde(with = "keep::single")]
    pub(crate) visible: f32,
    /// It is large and visible enough that a plugin must find it.
    pub(crate) counts: bool,
    /// Share of it under masks.
    #[serde(with = "keep::double")]
    pub(crate) masked: f64,
    /// Somebody beside it, if anybody is.
    pub(crate) beside: Option<Somebody>,
}

/// What the drawing knows of a person. Never of a real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Somebody {
    pub(crate) skin: u8,
    pub(crate) child: bool,
    pub(crate) aid: bool,
}

/// A drawn street, masked.
#[derive(Debug, Clone)]
pub(crate) struct Street {
    pub(crate) size: Size,
    pub(crate) rgb: Vec<u8>,
    pub(crate) masked: Vec<Rect>,
    pub(crate) things: Vec<Thing>,
    pub(crate) weather: Weather,
    pub(crate) light: Light,
}

impl Street {
    /// A frame on which nothing stands.
    pub(crate) fn blank(size: Size, rgb: Vec<u8>) -> Self {
        Self { size, rgb, masked: Vec::new(), things: Vec::new(), weather: Weather::Clear, light: Light::Day }
    }

    /// The frame as it is handed over.
    pub(crate) fn frame(&self) -> Result<ReceivedFrame, SandboxError> {
        ReceivedFrame::new(self.size, self.rgb.as_slice().into(), Arc::from(self.masked.as_slice()), None)
    }
}

/// How often a street is drawn anew in search of a container that counts.
const TRIES: u64 = 6;

/// Draws the street of a case. Chance alone leaves most streets empty, and a short run without a container shows nothing: every
/// second street is drawn until one counts, every fourth until a wheelie bin does.
pub(crate) fn street(run_seed: u64, case: u32, size: Size) -> Option<Street> {
    #[cfg(test)]
    return cached::STREETS.of((run_seed, case, size), || drawn_street(run_seed, case, size));
    #[cfg(not(test))]
    drawn_street(run_seed, case, size)
}

fn drawn_street(run_seed: u64, case: u32, size: Size) -> Option<Street> {
    let wanted = |street: &Street| match case % 4 {
        0 => street.things.iter().any(|thing| thing.counts && thing.kind == ContainerKind::Affaldscontainer),
        2 => street.things.iter().any(|thing| thing.counts),
        _ => true,
    };
    let draw = |attempt, size: Size| {
        let seed = case_seed(run_seed, Series::Street, case).wrapping_add(attempt);
        let params = SceneParams::sample(&mut Dice::new(seed ^ 0x5EED), (size.width(), size.height()));
        let scene = vaern_scenes::render(seed, &params).ok()?;
        Some(masked(&scene, size, &params))
    };
    let sketch = sketched(size)?;
    let mut attempt = 0;
    while attempt + 1 < TRIES && !wanted(&draw(attempt, sketch)?) {
        attempt += 1;
    }
    draw(attempt, size)
}

/// A smaller frame of the same street: what stands in it is the same, and it is drawn far sooner.
fn sketched(size: Size) -> Option<Size> {
    let part = if size.width() >= 640 && size.height() >= 360 { 4 } else { 1 };
    Size::new(size.width() / part, size.height() / part).ok()
}

/// Draws the same street twice: with its people, and as if nobody were there. Drawn until a wheelie bin counts.
pub(crate) fn pair(run_seed: u64, case: u32, size: Size) -> Option<(Street, Street)> {
    #[cfg(test)]
    return cached::PAIRS.of((run_seed, case, size), || drawn_pair(run_seed, case, size));
    #[cfg(not(test))]
    drawn_pair(run_seed, case, size)
}

fn drawn_pair(run_seed: u64, case: u32, size: Size) -> Option<(Street, Street)> {
    let draw = |attempt, size: Size| {
        let seed = case_seed(run_seed, Series::Pair, case).wrapping_add(attempt);
        let mut dice = Dice::new(seed ^ 0x5EED);
        let mut params = SceneParams::sample(&mut dice, (size.width(), size.height()));
        params.people = dice.range(1.2, 2.4);
        params.containers = dice.range(1.2, 2.0);
        let with = vaern_scenes::render(seed, &params).ok()?;
        let with = masked(&with, size, &params);
        Some((seed, params, with))
    };
    let bin = |street: &Street| {
        street.things.iter().any(|thing| thing.counts && thing.kind == ContainerKind::Affaldscontainer)
    };
    let sketch = sketched(size)?;
    let mut attempt = 0;
    while attempt + 1 < TRIES && !bin(&draw(attempt, sketch)?.2) {
        attempt += 1;
    }
    let (seed, params, with) = draw(attempt, size)?;
    let without = vaern_scenes::render_without_people(seed, &params).ok()?;
    Some((with, masked(&without, size, &params)))
}

fn masked(scene: &Scene, size: Size, params: &SceneParams) -> Street {
    let mut rgb = scene.rgb.clone();
    let mut masks = Vec::new();
    // Later fills lie on top, as the gate paints them.
    for (class, grow, fill) in [
        (Class::Face, (1.5, 1.5), [40, 90, 160]),
        (Class::Person, (1.1, 1.1), [60, 110, 180]),
        (Class::Plate, (1.25, 1.1), [200, 160, 40]),
    ] {
        for object in scene.truth.objects.iter().filter(|object| object.class == class) {
            if let Some(rect) = grown(object.bbox, grow, size) {
                paint(&mut rgb, size, rect, fill);
                masks.push(rect);
            }
        }
    }
    let things = scene.truth.objects.iter().filter_map(|object| thing(object, scene, size, &masks)).collect();
    Street { size, rgb, masked: masks, things, weather: params.weather, light: params.light }
}

fn thing(object: &TruthObject, scene: &Scene, size: Size, masks: &[Rect]) -> Option<Thing> {
    let Class::Container(kind) = object.class else { return None };
    let [x0, y0, x1, y1] = object.bbox;
    let rect = Rect::new(x0, y0, x1, y1).ok()?;
    let masked = share(rect.covered_by(masks), rect.area());
    // Half visible, a fortieth of the frame's width at least, and not mostly under a mask: no plugin may report that.
    let large = u32::from(rect.width().min(rect.height())) * 40 >= u32::from(size.width());
    let counts = object.visible >= 0.5 && large && masked <= 0.5;
    let id = object.attributes.thing.unwrap_or_default();
    Some(Thing { rect, kind, id, visible: object.visible, counts, masked, beside: beside(rect, scene) })
}

/// The person nearest to a container, if one is within its own width of it.
fn beside(rect: Rect, scene: &Scene) -> Option<Somebody> {
    let people = scene.truth.objects.iter().filter(|object| object.class == Class::Person);
    let near = people.filter_map(|person| {
        let [x0, y0, x1, y1] = person.bbox;
        let gap = u32::from(x0.saturating_sub(rect.x1())) + u32::from(rect.x0().saturating_sub(x1));
        let level = y1 > rect.y0() && y0 < rect.y1();
        (level && gap <= u32::from(rect.width())).then_some((gap, person))
    });
    let (_, person) = near.min_by_key(|(gap, _)| *gap)?;
    let attributes = &person.attributes;
    Some(Somebody { skin: attributes.skin?, child: attributes.child, aid: attributes.aid.is_some() })
}

#[allow(clippy::cast_precision_loss, reason = "areas of frames")]
pub(crate) fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

/// The rectangle grown about its middle and snapped outward.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the frame first")]
fn grown([x0, y0, x1, y1]: [u16; 4], (gx, gy): (f64, f64), size: Size) -> Option<Rect> {
    let span = |a: u16, b: u16, grow: f64, side: u16| {
        let (a, b) = (f64::from(a), f64::from(b));
        let (middle, half) = ((a + b) / 2.0, (b - a) / 2.0 * grow);
        let snap = f64::from(SNAP);
        let low = ((middle - half) / snap).floor() * snap;
        let high = ((middle + half) / snap).ceil() * snap;
        (low.clamp(0.0, f64::from(side)) as u16, high.clamp(0.0, f64::from(side)) as u16)
    };
    let (left, right) = span(x0, x1, gx, size.width());
    let (top, bottom) = span(y0, y1, gy, size.height());
    Rect::new(left, top, right, bottom).ok()
}

/// Fills a rectangle.
pub(crate) fn paint(rgb: &mut [u8], size: Size, rect: Rect, fill: [u8; 3]) {
    for y in rect.y0()..rect.y1() {
        let row = usize::from(y) * usize::from(size.width());
        let from = (row + usize::from(rect.x0())) * 3;
        let to = (row + usize::from(rect.x1())) * 3;
        if let Some(pixels) = rgb.get_mut(from..to) {
            pixels.as_chunks_mut().0.fill(fill);
        }
    }
}

/// Many tests look at the same small streets: they are drawn once.
#[cfg(test)]
mod cached {
    use super::{BTreeMap, Mutex, PoisonError, Size, Street};

    /// Run's seed, case, width, height.
    type Key = (u64, u32, u16, u16);

    pub(super) struct Cache<T>(Mutex<BTreeMap<Key, Option<T>>>);

    pub(super) static STREETS: Cache<Street> = Cache(Mutex::new(BTreeMap::new()));
    pub(super) static PAIRS: Cache<(Street, Street)> = Cache(Mutex::new(BTreeMap::new()));

    impl<T: Clone> Cache<T> {
        pub(super) fn of(&self, (seed, case, size): (u64, u32, Size), draw: impl FnOnce() -> Option<T>) -> Option<T> {
            let key: Key = (seed, case, size.width(), size.height());
            let kept = |cache: &Self| cache.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
            if let Some(drawn) = kept(self) {
                return drawn;
            }
            // Drawn outside of the lock: two threads may draw the same, and both draw the same.
            let drawn = draw();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, drawn.clone());
            drawn
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests state what they expect")]
mod tests {
    use super::*;

    fn size() -> Size {
        Size::new(320, 180).unwrap()
    }

    #[test]
    fn a_case_is_the_same_street_each_time_and_another_is_another() {
        let [first, again, other] = [1, 1, 2].map(|seed| drawn_street(seed, 0, size()));
        let (first, again, other) = (first.unwrap(), again.unwrap(), other.unwrap());
        assert_eq!((&first.rgb, &first.things, &first.masked), (&again.rgb, &again.things, &again.masked));
        assert_ne!(first.rgb, other.rgb);
    }

    #[test]
    fn lig_01p_a_pair_differs_in_its_people_alone() {
        let mut containers = 0;
        for case in 0..12 {
            let (with, without) = pair(3, case, size()).unwrap();
            let face = |street: &Street| street.masked.len();
            assert!(face(&with) >= face(&without), "case {case}");
            for thing in &with.things {
                let same = without.things.iter().find(|other| other.id == thing.id);
                let same = same.unwrap_or_else(|| panic!("case {case}: container {} is gone", thing.id));
                assert!(same.visible >= thing.visible - 1e-3 && same.kind == thing.kind, "case {case}");
                containers += 1;
            }
            assert!(without.things.iter().all(|thing| thing.beside.is_none()), "case {case}");
        }
        assert!(containers > 0);
    }
}
