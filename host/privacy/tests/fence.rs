//! The fence: FRM-04, and what the city may write into a fence file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use common::{Act, Exif, capture, fence_text, fences, gate, jpeg, name, now, size, street};
use proptest::prelude::*;
use vaern_privacy::{BadPosition, Fence, FenceError, NoFix, Position, Refusal, RingFault};

const SOUTH: f64 = 55.0;
const WEST: f64 = 12.0;
/// Metres of a degree at 55 degrees north, from the WGS 84 formulas.
const NORTH_M: f64 = 111_338.0;
const EAST_M: f64 = 63_994.0;

fn square(side_m: f64) -> String {
    let (n, e) = (SOUTH + side_m / NORTH_M, WEST + side_m / EAST_M);
    format!("[[{WEST},{SOUTH}],[{e},{SOUTH}],[{e},{n}],[{WEST},{n}],[{WEST},{SOUTH}]]")
}

fn inner(from_m: f64, to_m: f64) -> String {
    let north = |m: f64| SOUTH + m / NORTH_M;
    let east = |m: f64| WEST + m / EAST_M;
    let (s, n, w, e) = (north(from_m), north(to_m), east(from_m), east(to_m));
    format!("[[{w},{s}],[{e},{s}],[{e},{n}],[{w},{n}],[{w},{s}]]")
}

fn polygon(rings: &[String]) -> String {
    format!("{{\"type\":\"Polygon\",\"coordinates\":[{}]}}", rings.join(","))
}

fn parse(text: &str) -> Result<Fence, FenceError> {
    Fence::parse(name("test"), text, 10.0)
}

fn at(east_m: f64, north_m: f64, error_m: f64) -> Position {
    Position::new(SOUTH + north_m / NORTH_M, WEST + east_m / EAST_M, error_m).unwrap()
}

#[test]
fn frm_04n_one_metre_outside_and_on_the_edge() {
    let fence = parse(&polygon(&[square(1000.0)])).unwrap();
    assert!(!fence.holds(&at(1001.0, 500.0, 1.0)), "one metre outside");
    assert!(!fence.holds(&at(1000.0, 500.0, 1.0)), "on the edge");
    assert!(!fence.holds(&at(0.0, 0.0, 1.0)), "on a corner");
    assert!(!fence.holds(&at(995.0, 500.0, 6.0)), "the circle crosses the edge");
    assert!(!fence.holds(&at(500.0, 500.0, 501.0)), "the circle reaches past it");
}

/// A plane is a picture of what is nearby: from the other side of the earth the corners of a fence fall to either side of it.
#[test]
fn frm_04n_the_other_side_of_the_earth_is_outside() {
    let fence = Fence::parse(name("indre-by"), &common::fence_text(), 10.0).unwrap();
    let (latitude, longitude) = common::HERE;
    assert!(fence.holds(&Position::new(latitude, longitude, 1.0).unwrap()));
    for step in -400..400 {
        let (north, east) = (f64::from(step / 20) * 0.002, f64::from(step % 20) * 0.004);
        for (latitude, longitude) in [
            (latitude + north, longitude - 180.0 + east),
            (-latitude + north, longitude - 180.0 + east),
            (-latitude + north, longitude + east),
        ] {
            let far = Position::new(latitude, longitude, 1.0).unwrap();
            assert!(!fence.holds(&far), "{latitude} {longitude}");
        }
    }
}

#[test]
fn frm_04p_the_whole_circle_inside() {
    let fence = parse(&polygon(&[square(1000.0)])).unwrap();
    assert!(fence.holds(&at(994.0, 500.0, 5.0)));
    assert!(fence.holds(&at(500.0, 500.0, 495.0)));
    assert!((fence.area_km2() - 1.0).abs() < 0.001, "{}", fence.area_km2());
}

#[test]
fn frm_04n_in_a_hole_and_frm_04p_beside_it() {
    let fence = parse(&polygon(&[square(1000.0), inner(400.0, 600.0)])).unwrap();
    assert!(!fence.holds(&at(500.0, 500.0, 1.0)));
    assert!(!fence.holds(&at(397.0, 500.0, 5.0)), "the circle reaches into the hole");
    assert!(fence.holds(&at(390.0, 500.0, 5.0)));
}

#[test]
fn excluded_features_win_over_included_ones() {
    let feature = |role: &str, ring: String| {
        let geometry = polygon(&[ring]);
        format!("{{\"type\":\"Feature\",\"properties\":{{\"vaern\":\"{role}\"}},\"geometry\":{geometry}}}")
    };
    let collection = |a: String, b: String| format!("{{\"type\":\"FeatureCollection\",\"features\":[{a},{b}]}}");
    let both = collection(feature("include", square(1000.0)), feature("exclude", inner(400.0, 600.0)));
    let fence = parse(&both).unwrap();
    assert!(!fence.holds(&at(500.0, 500.0, 1.0)));
    assert!(!fence.holds(&at(602.0, 500.0, 5.0)));
    assert!(fence.holds(&at(700.0, 500.0, 5.0)));
    let unknown = collection(feature("include", square(1000.0)), feature("perhaps", inner(400.0, 600.0)));
    assert_eq!(parse(&unknown).unwrap_err(), FenceError::UnknownRole(name("test")));
    let nothing = collection(feature("exclude", square(1000.0)), feature("exclude", inner(400.0, 600.0)));
    assert_eq!(parse(&nothing).unwrap_err(), FenceError::NothingIncluded(name("test")));
}

#[test]
fn multipolygons_hold_in_each_part() {
    let two =
        format!("{{\"type\":\"MultiPolygon\",\"coordinates\":[[{}],[{}]]}}", inner(0.0, 300.0), inner(600.0, 900.0));
    let fence = parse(&two).unwrap();
    assert!(fence.holds(&at(150.0, 150.0, 5.0)) && fence.holds(&at(750.0, 750.0, 5.0)));
    assert!(!fence.holds(&at(450.0, 450.0, 5.0)));
}

#[test]
fn frm_04n_danish_mistakes_in_a_fence_file_are_named_with_their_mend() {
    let utm =
        polygon(&["[[724000,6175000],[725000,6175000],[725000,6176000],[724000,6176000],[724000,6175000]]".into()]);
    let error = parse(&utm).unwrap_err();
    assert_eq!(error, FenceError::Epsg25832(name("test")));
    assert!(error.to_string().contains("EPSG:25832") && error.to_string().contains("ogr2ogr"));
    let swapped = polygon(&["[[55.67,12.56],[55.68,12.56],[55.68,12.57],[55.67,12.57],[55.67,12.56]]".into()]);
    assert_eq!(parse(&swapped).unwrap_err(), FenceError::Swapped(name("test")));
    let crs = "{\"type\":\"FeatureCollection\",\"crs\":{\"type\":\"name\",\"properties\":{\"name\":\
               \"urn:ogc:def:crs:EPSG::25832\"}},\"features\":[]}";
    assert_eq!(parse(crs).unwrap_err(), FenceError::Epsg25832(name("test")));
    let other = crs.replace("25832", "3857");
    assert_eq!(parse(&other).unwrap_err(), FenceError::ForeignCrs(name("test")));
}

#[test]
fn nonsense_in_a_fence_file_is_refused() {
    let ring = |fault| FenceError::Ring { fence: name("test"), fault };
    let refused = |coordinates: &str| parse(&polygon(&[coordinates.to_owned()])).unwrap_err();
    assert_eq!(refused("[[12,55],[12.01,55],[12.01,55.01],[12,55.01]]"), ring(RingFault::NotClosed));
    assert_eq!(refused("[[12,55],[12.01,55],[12,55]]"), ring(RingFault::TooFew));
    assert_eq!(refused("[[12,55],[12.01,55],[12.02,55],[12,55]]"), ring(RingFault::NoArea));
    assert_eq!(refused("[[12,55],[12.01,55.01],[12.01,55],[12,55.02],[12,55]]"), ring(RingFault::Crossing));
    assert_eq!(refused("[[12,55],[300,55],[12.01,55.01],[12,55]]"), FenceError::NotDegrees(name("test")));
    assert!(refused("[[12],[12.01,55],[12.01,55.01],[12]]").to_string().contains("fence `test`"));
    let outside = polygon(&[inner(0.0, 100.0), inner(400.0, 600.0)]);
    assert_eq!(parse(&outside).unwrap_err(), ring(RingFault::HoleOutside));
    let line = "{\"type\":\"LineString\",\"coordinates\":[[12,55],[12.1,55]]}";
    assert_eq!(parse(line).unwrap_err(), FenceError::NotAPolygon(name("test")));
    assert!(matches!(parse("{\"type\":\"Polygon\"").unwrap_err(), FenceError::NotGeoJson { .. }));
    assert!(matches!(parse("[]").unwrap_err(), FenceError::NotGeoJson { .. }));
}

#[test]
fn min_04n_a_fence_larger_than_the_purpose_needs() {
    let large = Fence::parse(name("test"), &polygon(&[square(4000.0)]), 10.0).unwrap_err();
    assert_eq!(large, FenceError::TooLarge { fence: name("test"), area_km2: 16, max_km2: 10 });
    assert!(Fence::parse(name("test"), &polygon(&[square(4000.0)]), 20.0).is_ok());
}

#[test]
fn the_demo_fence_holds_the_city_hall_square() {
    let fence = Fence::parse(name("indre-by"), &fence_text(), 10.0).unwrap();
    assert!((1.0..2.5).contains(&fence.area_km2()), "{}", fence.area_km2());
    assert!(fence.holds(&Position::new(55.6761, 12.5683, 10.0).unwrap()));
    assert!(!fence.holds(&Position::new(55.6923, 12.5992, 10.0).unwrap()), "Langelinie");
}

#[test]
fn frm_04n_outside_the_fence_is_refused_before_decode() {
    let frame = size(64, 64);
    let at = |latitude, longitude| {
        gate(Act::See(vec![])).admit(capture(jpeg(&street(frame, 1), frame, &Exif::at(latitude, longitude))), now())
    };
    assert_eq!(at(55.6923, 12.5992).unwrap_err(), Refusal::OutsideFence);
    assert_eq!(at(12.5683, 55.6761).unwrap_err(), Refusal::BadPosition(BadPosition::Swapped));
    assert_eq!(at(0.0, 0.0).unwrap_err(), Refusal::NoFix(NoFix::NullIsland));
    assert!(at(55.6761, 12.5683).is_ok());
    // The fence comes first: a picture that no decoder could read is refused for its place.
    let mut broken = jpeg(&street(frame, 1), frame, &Exif::at(55.6923, 12.5992));
    let middle = broken.len() - 40;
    broken[middle] ^= 0x55;
    let refused = gate(Act::See(vec![])).admit(capture(broken), now()).unwrap_err();
    assert_eq!(refused, Refusal::OutsideFence);
    assert!(fences().locate(&Position::new(55.6761, 12.5683, 700.0).unwrap()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frm_04_inside_agrees_with_plain_arithmetic(
        east in -200.0_f64..1200.0, north in -200.0_f64..1200.0, error in 1.0_f64..300.0,
    ) {
        let fence = parse(&polygon(&[square(1000.0)])).unwrap();
        let clearance = east.min(north).min(1000.0 - east).min(1000.0 - north) - error;
        // Within half a metre of the border the two models of the earth may differ.
        prop_assume!(clearance.abs() > 0.5);
        prop_assert_eq!(fence.holds(&at(east, north, error)), clearance > 0.0);
    }

    #[test]
    fn any_text_is_a_fence_or_an_error(text in ".{0,200}") {
        let _ = parse(&text);
    }
}

/// A polygon around the origin as radii at equal angles, in metres: it never crosses itself.
fn star(radii: &[f64], (east, north): (f64, f64)) -> Vec<(f64, f64)> {
    let step = std::f64::consts::TAU / radii.len() as f64;
    radii
        .iter()
        .enumerate()
        .map(|(i, r)| (east + r * (i as f64 * step).cos(), north + r * (i as f64 * step).sin()))
        .collect()
}

fn ring_of(points: &[(f64, f64)]) -> String {
    let closed = points.iter().chain(points.first());
    let texts: Vec<String> =
        closed.map(|(e, n)| format!("[{:.9},{:.9}]", WEST + e / EAST_M, SOUTH + n / NORTH_M)).collect();
    format!("[{}]", texts.join(","))
}

/// Winding number by summed angles: another way than the crossing count of the gate.
fn winds_around(points: &[(f64, f64)], (x, y): (f64, f64)) -> bool {
    let next = points.iter().skip(1).chain(points.first());
    let turned: f64 = points
        .iter()
        .zip(next)
        .map(|(a, b)| {
            let ((ax, ay), (bx, by)) = ((a.0 - x, a.1 - y), (b.0 - x, b.1 - y));
            (ax * by - ay * bx).atan2(ax * bx + ay * by)
        })
        .sum();
    turned.abs() > 3.0
}

/// The least distance to a line of many points put along the ring.
fn nearest(points: &[(f64, f64)], (x, y): (f64, f64)) -> f64 {
    let next = points.iter().skip(1).chain(points.first());
    points
        .iter()
        .zip(next)
        .flat_map(|(a, b)| {
            (0..=400).map(move |i| f64::from(i) / 400.0).map(|t| (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t))
        })
        .map(|(px, py)| (px - x).hypot(py - y))
        .fold(f64::INFINITY, f64::min)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Inside means the whole error circle is inside the outline and clear of the hole and of what is excluded, as counted
    /// by brute force with other means.
    #[test]
    fn frm_04_the_buffered_inside_is_what_brute_force_finds(
        outline in prop::collection::vec(200.0..900.0_f64, 3..12),
        hole in prop::collection::vec(20.0..90.0_f64, 3..7),
        barred in prop::collection::vec(20.0..90.0_f64, 3..7),
        east in -950.0..950.0_f64, north in -950.0..950.0_f64, error in 1.0..80.0_f64,
    ) {
        let (outline, hole) = (star(&outline, (0.0, 0.0)), star(&hole, (0.0, 0.0)));
        let barred = star(&barred, (150.0, 0.0));
        let text = format!(
            "{{\"type\":\"FeatureCollection\",\"features\":[{{\"type\":\"Feature\",\"properties\":{{}},\"geometry\":{}}},\
             {{\"type\":\"Feature\",\"properties\":{{\"vaern\":\"exclude\"}},\"geometry\":{}}}]}}",
            polygon(&[ring_of(&outline), ring_of(&hole)]), polygon(&[ring_of(&barred)])
        );
        // A hole or an outline that a random star cannot hold is refused by name, never guessed about.
        let Ok(fence) = parse(&text) else { return Ok(()) };
        let here = (east, north);
        let distances = [nearest(&outline, here), nearest(&hole, here), nearest(&barred, here)];
        // The brute force knows distances to a metre or two.
        prop_assume!(distances.iter().all(|d| (d - error).abs() > 3.0));
        let expected = winds_around(&outline, here)
            && !winds_around(&hole, here)
            && !winds_around(&barred, here)
            && distances.iter().all(|d| *d > error);
        prop_assert_eq!(fence.holds(&at(east, north, error)), expected);
    }
}
