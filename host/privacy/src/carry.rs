//! Masks carried forward to the next frame of a burst: a person whom the detector lost for one frame stays masked.
//!
//! A pure function of the masks of the frame before, how the camera moved, and the time between. A carried mask stays where
//! it was and grows: what it hides walks at its own speed, and the picture flows as the camera drives and turns. It lives for
//! a bounded time from when a detector last saw it, since a mask that only grows would soon be the whole frame.

use std::collections::BTreeMap;

use serde::Deserialize;
use vaern_door::{Name, Rect, Size, guard};

use crate::camera::CameraProfile;
use crate::mask::{MaskSet, MaskedRect};
use crate::position::Position;

/// How masks are carried.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarryRule {
    /// Longest time from detection to the last frame that the mask is carried to, in seconds.
    pub max_seconds: f64,
    /// Most frames that a mask is carried to: a clock that stands still must not carry it for ever.
    pub max_frames: u16,
    /// How fast somebody may cross the picture, in heights of their own mask per second.
    pub heights_per_second: f64,
}

/// How the camera moved from one frame to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Motion {
    /// Seconds between the frames, 0 or more: frames of one camera may be masked in another order than they were taken in, and
    /// a mask is as good backwards.
    pub(crate) seconds: f64,
    /// Metres that the camera went.
    pub(crate) metres: f64,
    /// Degrees that it turned, either way; nothing where a heading is unknown.
    pub(crate) turned: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct CarriedMask {
    mask: MaskedRect,
    /// The mask when a detector saw what it hides, before it grew.
    seen: Rect,
    /// Seconds, and frames, since a detector saw what it hides.
    age: f64,
    frames: u16,
}

/// The masks of a frame that may be carried on.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Carried {
    masks: Vec<CarriedMask>,
    size: Option<Size>,
}

/// Fixes are stamped in whole seconds: two frames of one second may be this far apart.
const STAMP_S: f64 = 0.5;
/// Turn that is allowed for where no heading is known, in degrees a second.
const UNKNOWN_TURN: f64 = 10.0;

/// Nearest distance in metres at which somebody is still in view after the drive from one frame to the next; the nearer, the
/// faster the picture flows.
const NEAREST_M: f64 = 3.0;
/// The most that a drive takes an edge outward, in parts of its distance from the middle. Of one who is no further away than twice
/// the way to the next frame, an edge may go further: a mask that follows them all would be the whole frame, and no burst is
/// driven through so fast.
const MOST_FLOW: f64 = 1.0;
/// The widest view whose lens is taken for a pinhole, in degrees.
const PINHOLE_DEG: f64 = 150.0;
/// Most masks that are carried, each at most once: memory stays flat, and a flood of masks is no burst of a street.
const MOST: usize = 1024;

impl Carried {
    /// What a frame hands on: its detected masks afresh, and what it was handed itself, older now.
    pub(crate) fn after(seen: &[MaskedRect], handed: &Self, size: Size) -> Self {
        // Several tiles and detectors see one person several times: what lies in another of its kind says nothing more.
        let seen = MaskSet::new(seen.to_vec());
        // Latest first: bodies, faces and persons stand behind vehicles in the order of masks.
        let fresh = seen.rects().iter().rev();
        let fresh = fresh.map(|mask| CarriedMask { mask: *mask, seen: mask.rect, age: 0.0, frames: 0 });
        // One that a detector has found again, as what it is, is fresh, and need not be carried twice.
        let again = |old: &CarriedMask, new: &MaskedRect| new.fill == old.mask.fill && new.rect.iou(old.seen) > 0.5;
        let found = |old: &CarriedMask| seen.rects().iter().any(|new| again(old, new));
        let old = handed.masks.iter().filter(|old| !found(old)).copied();
        // Who was lost comes first: the others are seen, and masked, in this frame and most likely in the next.
        let masks: Vec<CarriedMask> = if guard::stands("privacy.carry-lost-first") {
            old.chain(fresh).take(MOST).collect()
        } else {
            fresh.chain(old).take(MOST).collect()
        };
        Self { masks, size: Some(size) }
    }

    /// The masks for the next frame. Nothing where the frames do not belong together: another size, or too much time between.
    pub(crate) fn forward(&self, motion: &Motion, rule: &CarryRule, hfov_deg: f64, size: Size) -> Self {
        let near = (0.0..=rule.max_seconds).contains(&motion.seconds) && motion.metres.is_finite();
        if self.size != Some(size) || !near {
            return Self::default();
        }
        let (width, height) = (f64::from(size.width()), f64::from(size.height()));
        let seconds = motion.seconds + STAMP_S;
        let lens = Lens::of(hfov_deg, width);
        let turned = motion.turned.unwrap_or(UNKNOWN_TURN * seconds).abs();
        let masks = self.masks.iter().filter_map(|CarriedMask { mask, seen, age, frames }| {
            let (age, frames) = (age + motion.seconds, frames + 1);
            if age > rule.max_seconds || frames > rule.max_frames {
                return None;
            }
            let rect = mask.rect;
            let [x0, y0, x1, y1] = [rect.x0(), rect.y0(), rect.x1(), rect.y1()].map(f64::from);
            let walk = (y1 - y0) * rule.heights_per_second * seconds;
            // Driving on makes the picture flow outward from its middle, by the way gone over the distance that is left; driving
            // back makes it flow inward, by the way gone over the distance that there is then.
            let out = (motion.metres / NEAREST_M).min(MOST_FLOW);
            let back = motion.metres / (NEAREST_M + motion.metres);
            let flow = |off: f64, sign: f64| off + off.abs() * if off * sign > 0.0 { out } else { back } * sign;
            let (cx, cy) = (width / 2.0, height / 2.0);
            let across = |edge: f64, sign: f64| cx + lens.turned(flow(edge - cx, sign), sign * turned) + sign * walk;
            let down = |edge: f64, sign: f64| cy + flow(edge - cy, sign) + sign * walk;
            let rect = crate::regions::outward(across(x0, -1.0), down(y0, -1.0), across(x1, 1.0), down(y1, 1.0), size)?;
            Some(CarriedMask { mask: MaskedRect { rect, ..*mask }, seen: *seen, age, frames })
        });
        Self { masks: masks.collect(), size: Some(size) }
    }

    pub(crate) fn masks(&self) -> impl Iterator<Item = MaskedRect> + '_ {
        self.masks.iter().map(|carried| carried.mask)
    }
}

/// How far a turn of the camera takes a point across the picture.
enum Lens {
    /// Pixels for each unit of the tangent of the angle off the axis.
    Pinhole { focal: f64 },
    /// Pixels for each degree, the same everywhere: what a very wide lens is nearer to.
    Even { px: f64 },
}

impl Lens {
    fn of(hfov_deg: f64, width: f64) -> Self {
        if hfov_deg <= PINHOLE_DEG {
            Self::Pinhole { focal: width / 2.0 / (hfov_deg / 2.0).to_radians().tan() }
        } else {
            Self::Even { px: width / hfov_deg }
        }
    }

    /// Pixels off the axis after a turn by so many degrees; both count to the right.
    fn turned(&self, off: f64, degrees: f64) -> f64 {
        match self {
            // Beyond 89 degrees nothing is in any picture.
            Self::Pinhole { focal } => {
                let angle = (off / focal).atan().to_degrees() + degrees;
                focal * angle.clamp(-89.0, 89.0).to_radians().tan()
            }
            Self::Even { px } => off + degrees * px,
        }
    }
}

/// The last frame of each camera.
#[derive(Debug, Default)]
pub(crate) struct Bursts(BTreeMap<Name, (Position, Carried)>);

impl Bursts {
    /// What the frame before hands to one taken here.
    pub(crate) fn handed(&self, camera: &CameraProfile, here: &Position, rule: &CarryRule, size: Size) -> Carried {
        let Some((there, carried)) = self.0.get(&camera.id).filter(|_| guard::stands("privacy.carry")) else {
            return Carried::default();
        };
        let (Some(t0), Some(t1)) = (there.time(), here.time()) else { return Carried::default() };
        let turned = there.heading().zip(here.heading()).map(|(a, b)| (b - a + 180.0).rem_euclid(360.0) - 180.0);
        // The errors of two fixes a moment apart are mostly the same error: the way between them is not blurred by it.
        let motion =
            Motion { seconds: t1.duration_since(t0).as_secs_f64().abs(), metres: there.distance_m(here), turned };
        carried.forward(&motion, rule, camera.hfov_deg, size)
    }

    pub(crate) fn remember(&mut self, camera: &CameraProfile, here: Position, carried: Carried) {
        self.0.insert(camera.id.clone(), (here, carried));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULE: CarryRule = CarryRule { max_seconds: 2.0, max_frames: 10, heights_per_second: 1.0 };

    fn size() -> Size {
        Size::new(1280, 720).unwrap()
    }

    fn mask(x0: u16, y0: u16, x1: u16, y1: u16) -> MaskedRect {
        MaskedRect { rect: Rect::new(x0, y0, x1, y1).unwrap(), fill: [1, 2, 3] }
    }

    fn still(seconds: f64) -> Motion {
        Motion { seconds, metres: 0.0, turned: Some(0.0) }
    }

    fn only(carried: &Carried) -> Option<Rect> {
        carried.masks().next().map(|m| m.rect)
    }

    proptest! {
        /// Somebody who walks, or whom the picture flows past, is still under the carried mask.
        #[test]
        fn min_01n_who_was_masked_stays_masked_for_the_next_frames(
            x in 200_u16..900, y in 200_u16..500, w in 20_u16..100, h in 40_u16..200,
            seconds in 0.05_f64..2.0, dx in -1.0_f64..1.0, turned in -10.0_f64..10.0,
        ) {
            let seen = mask(x, y, x + w, (y + h).min(720));
            let motion = Motion { seconds, metres: 0.0, turned: Some(turned) };
            let carried = Carried::after(&[seen], &Carried::default(), size()).forward(&motion, &RULE, 60.0, size());
            let rect = only(&carried).unwrap();
            prop_assert!(rect.intersection(seen.rect) == Some(seen.rect), "a carried mask only grows");
            let walked = dx * f64::from(seen.rect.height()) * seconds;
            // Each edge by its own angle off the axis of a pinhole with a view of 60 degrees.
            let focal = 640.0 / 30_f64.to_radians().tan();
            let after = |edge: u16| {
                let angle = ((f64::from(edge) - 640.0) / focal).atan() - turned.to_radians();
                640.0 + focal * angle.tan() + walked
            };
            let (left, right) = (after(x), after(x + w));
            prop_assert!(f64::from(rect.x0()) <= left.max(0.0) && right.min(1280.0) <= f64::from(rect.x1()));
        }
    }

    proptest! {
        /// Driven towards somebody who stands at the side, or back from them: where they are seen then is under the carried mask.
        #[test]
        fn min_01n_who_the_camera_drives_towards_stays_masked(
            left in 3.0_f64..40.0, metres in 0.0_f64..15.0, aside in -20.0_f64..20.0, back in any::<bool>(),
        ) {
            // No further than they are then: what is nearer flows faster than masks are carried.
            let metres = metres.min(left);
            let (before, after) = if back { (left, left + metres) } else { (left + metres, left) };
            let focal = 640.0 / 30_f64.to_radians().tan();
            let seen = |distance: f64| {
                let edge = |right: f64| 640.0 + focal * right / distance;
                let height = |down: f64| 360.0 + focal * down / distance;
                (edge(aside - 0.3), edge(aside + 0.3), height(0.3), height(2.0))
            };
            let (x0, x1, y0, y1) = seen(before);
            prop_assume!(x0 >= 0.0 && x1 <= 1279.0 && y1 <= 719.0);
            let masked = mask(x0.floor() as u16, y0.floor() as u16, x1.ceil() as u16, y1.ceil() as u16);
            let motion = Motion { seconds: 0.5, metres, turned: Some(0.0) };
            let carried = Carried::after(&[masked], &Carried::default(), size()).forward(&motion, &RULE, 60.0, size());
            let rect = only(&carried).unwrap();
            let (x0, x1, y0, y1) = seen(after);
            prop_assert!(f64::from(rect.x0()) <= x0.max(0.0) && f64::from(rect.x1()) >= x1.min(1280.0), "{rect:?} {x0} {x1}");
            prop_assert!(f64::from(rect.y0()) <= y0.max(0.0) && f64::from(rect.y1()) >= y1.min(720.0), "{rect:?} {y0} {y1}");
        }
    }

    #[test]
    fn min_01n_in_a_crowd_the_lost_one_is_carried_before_those_who_are_seen() {
        let person = MaskedRect { fill: [9, 9, 9], ..mask(1200, 300, 1230, 400) };
        let crowd: Vec<MaskedRect> = (0..1300).map(|n| mask(n % 640, n / 2, n % 640 + 30, n / 2 + 30)).collect();
        let first = Carried::after(&[crowd.as_slice(), &[person]].concat(), &Carried::default(), size());
        assert_eq!(first.masks.len(), MOST);
        // Lost for two frames among more masks than are carried.
        let mut carried = first;
        for _ in 0..2 {
            carried = Carried::after(&crowd, &carried.forward(&still(0.1), &RULE, 60.0, size()), size());
            let over =
                carried.masks().any(|m| m.fill == person.fill && m.rect.intersection(person.rect) == Some(person.rect));
            assert!(over && carried.masks.len() <= MOST);
        }
        // A car where the person stood is not the person found again.
        let alone = Carried::after(&[person], &Carried::default(), size()).forward(&still(0.1), &RULE, 60.0, size());
        let car = mask(1200, 300, 1230, 400);
        assert!(Carried::after(&[car], &alone, size()).masks().any(|m| m.fill == person.fill));
        // Seen ten times in one frame, it is carried once for each outline that is not within another.
        let again = vec![person; 10];
        assert_eq!(Carried::after(&again, &Carried::default(), size()).masks.len(), 1);
    }

    #[test]
    fn min_01n_driving_on_makes_masks_flow_outward() {
        // Four and a half metres ahead, the camera goes one and a half: what was 100 px off the middle is now 150 px off.
        let seen = mask(740, 360, 760, 460);
        let motion = Motion { seconds: 0.2, metres: 1.5, turned: Some(0.0) };
        let rect =
            only(&Carried::after(&[seen], &Carried::default(), size()).forward(&motion, &RULE, 60.0, size())).unwrap();
        assert!(rect.x1() >= 760 + 60 && rect.y1() >= 460 + 50, "{rect:?}");
        // Towards the middle it can have gone only if the camera went back.
        assert!(rect.x0() >= 740 - 34 - 70, "{rect:?}");
    }

    #[test]
    fn min_01p_a_carried_mask_ends() {
        let mut carried = Carried::after(&[mask(600, 300, 640, 400)], &Carried::default(), size());
        for step in 1..=5 {
            carried = Carried::after(&[], &carried.forward(&still(0.5), &RULE, 60.0, size()), size());
            assert_eq!(only(&carried).is_some(), step <= 4, "after {step} half seconds");
        }
        let seen = Carried::after(&[mask(600, 300, 640, 400)], &Carried::default(), size());
        assert_eq!(only(&seen.forward(&still(2.5), &RULE, 60.0, size())), None, "too long ago");
        // A clock that stands still.
        let mut stuck = seen.clone();
        for step in 1..=11 {
            stuck = stuck.forward(&still(0.0), &RULE, 60.0, size());
            assert_eq!(only(&stuck).is_some(), step <= 10, "after {step} frames of one moment");
        }
        assert_eq!(
            only(&seen.forward(&still(0.5), &RULE, 60.0, Size::new(640, 480).unwrap())),
            None,
            "another picture size"
        );
    }

    #[test]
    fn min_01p_one_seen_again_is_carried_once_and_afresh() {
        let first = Carried::after(&[mask(600, 300, 640, 400)], &Carried::default(), size());
        let handed = first.forward(&still(0.1), &RULE, 60.0, size());
        let again = Carried::after(&[mask(602, 300, 642, 400)], &handed, size());
        assert_eq!(again.masks.len(), 1);
        assert!(again.masks[0].age.abs() < f64::EPSILON && again.masks[0].frames == 0);
    }
}
