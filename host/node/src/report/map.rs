//! The drive as a drawing: the fence, where pictures were seen, where something is proposed. No map tiles: nothing is fetched.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::words::{self, both};
use crate::coverage;
use crate::outcome::{FrameResult, Run};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 480.0;
const METRES_PER_DEGREE: f64 = 111_320.0;

/// A rectangle in degrees.
#[derive(Clone, Copy)]
struct Bounds {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Bounds {
    fn of(points: impl Iterator<Item = (f64, f64)>) -> Option<Self> {
        points.filter(|(x, y)| x.is_finite() && y.is_finite()).fold(None, |bounds, (x, y)| {
            let b = bounds.unwrap_or(Self { west: x, south: y, east: x, north: y });
            Some(Self { west: b.west.min(x), south: b.south.min(y), east: b.east.max(x), north: b.north.max(y) })
        })
    }
}

/// From degrees to the drawing. Plate carrée with the middle latitude's shrinking: true to shape at the size of a city.
struct Projection {
    west: f64,
    north: f64,
    /// Drawing units per degree of latitude, and of longitude.
    per_lat: f64,
    per_lon: f64,
}

impl Projection {
    /// Fits `bounds` with a margin into a drawing; shows at least `least_m` metres across so that one spot does not fill it.
    fn fit(bounds: Bounds, width: f64, height: f64, margin: f64, least_m: f64) -> Self {
        let (lon, lat) = ((bounds.west + bounds.east) / 2.0, (bounds.south + bounds.north) / 2.0);
        let shrink = lat.to_radians().cos().max(0.01);
        let least = least_m / METRES_PER_DEGREE;
        let (wide, tall) = (
            ((bounds.east - bounds.west) * shrink).max(least),
            (bounds.north - bounds.south).max(least * height / width),
        );
        let per_lat = ((width - 2.0 * margin) / wide).min((height - 2.0 * margin) / tall);
        let per_lon = per_lat * shrink;
        Self { west: lon - width / 2.0 / per_lon, north: lat + height / 2.0 / per_lat, per_lat, per_lon }
    }

    fn at(&self, lon: f64, lat: f64) -> (f64, f64) {
        ((lon - self.west) * self.per_lon, (self.north - lat) * self.per_lat)
    }

    fn bounds(&self, width: f64, height: f64) -> Bounds {
        Bounds {
            west: self.west,
            north: self.north,
            east: self.west + width / self.per_lon,
            south: self.north - height / self.per_lat,
        }
    }

    fn units_per_metre(&self) -> f64 {
        self.per_lat / METRES_PER_DEGREE
    }

    fn rings(&self, rings: &[Vec<(f64, f64)>]) -> String {
        let mut path = String::new();
        for ring in rings {
            for (index, (lon, lat)) in ring.iter().filter(|(x, y)| x.is_finite() && y.is_finite()).enumerate() {
                let (x, y) = self.at(*lon, *lat);
                let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
            }
            if path.ends_with(|c: char| c.is_ascii_digit()) {
                path.push('Z');
            }
        }
        path
    }
}

/// What stands at one spot of the drawing, to the nearest unit: a long drive does not make a large file.
#[derive(Default)]
struct Spot {
    frames: usize,
    objects: usize,
}

/// The section with the map; nothing where there is neither fence nor position.
pub(super) fn section(page: &mut String, run: &Run) {
    let places: Vec<((f64, f64), usize)> = run
        .frames
        .iter()
        .filter_map(|frame| match &frame.result {
            FrameResult::Seen(seen) => {
                Some((coverage::middle(&seen.position.filter(words::on_earth)?), seen.objects.len()))
            }
            FrameResult::Refused(_) => None,
        })
        .collect();
    let fence = || run.policy.fence.iter().flatten().copied();
    let drive = Bounds::of(places.iter().map(|((latitude, longitude), _)| (*longitude, *latitude)));
    let Some(bounds) = drive.or_else(|| Bounds::of(fence())) else { return };

    let projection = Projection::fit(bounds, WIDTH, HEIGHT, 60.0, 150.0);
    let mut spots: BTreeMap<(i64, i64), Spot> = BTreeMap::new();
    for ((latitude, longitude), objects) in &places {
        let (x, y) = projection.at(*longitude, *latitude);
        let spot = spots.entry((x.round() as i64, y.round() as i64)).or_default();
        spot.frames += 1;
        spot.objects += objects;
    }

    let _ = write!(
        page,
        "<section aria-labelledby=\"h-map\"><h2 id=\"h-map\">{}</h2>\n<p class=\"note\">{}</p>\n<div class=\"map\">\
<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Kort over turen: {} gadeblokke med sete billeder, {} af dem med forslag / Map of the drive: {} blocks with pictures seen, {} of them with proposals\">",
        both("Hvor", "Where"),
        if places.is_empty() {
            both("Hegnet. Intet set billede har en position.", "The fence. No picture seen has a position.")
        } else {
            both(
                "Hvert mærke er midten af en gadeblok på omkring 100 m, som kameraet var i: Hvor det var nøjagtigt, er ikke nødvendigt her. Afviste billeder har ingen plads på kortet.",
                "Each mark is the middle of a block of about 100 m that the camera was in: where exactly is not needed here. Refused pictures have no place on the map.",
            )
        },
        spots.len(),
        with_objects(&spots),
        spots.len(),
        with_objects(&spots),
    );
    let _ = write!(
        page,
        "<rect class=\"land\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/><path class=\"fence\" d=\"{}\"/>",
        projection.rings(&run.policy.fence)
    );
    marks(page, &spots);
    scale_bar(page, &projection);
    page.push_str("<g class=\"north\" transform=\"translate(862 40)\"><path d=\"M0-22 9 10 0 4-9 10Z\"/><text y=\"26\">N</text></g>");
    if let (Some(all), true) =
        (Bounds::of(fence().chain(drive.iter().flat_map(|d| [(d.west, d.south), (d.east, d.north)]))), drive.is_some())
    {
        overview(page, run, all, projection.bounds(WIDTH, HEIGHT));
    }
    page.push_str("</svg>\n<ul class=\"key\">");
    let seen = if run.release.is_some() {
        both("set, intet foreslået", "seen, nothing proposed")
    } else {
        both("maskeret og gemt", "masked and kept")
    };
    if !spots.is_empty() {
        let _ = write!(
            page,
            "<li><svg viewBox=\"0 0 20 20\" aria-hidden=\"true\"><circle class=\"seen\" cx=\"10\" cy=\"10\" r=\"4\"/></svg>{seen}</li>"
        );
    }
    if with_objects(&spots) > 0 {
        let _ = write!(
            page,
            "<li><svg viewBox=\"0 0 20 20\" aria-hidden=\"true\"><path class=\"found\" d=\"M10 2 18 10 10 18 2 10Z\"/></svg>{}</li>",
            both("forslag", "proposals")
        );
    }
    if !run.policy.fence.is_empty() {
        let _ = write!(
            page,
            "<li><svg viewBox=\"0 0 20 20\" aria-hidden=\"true\"><rect class=\"fence\" x=\"2\" y=\"3\" width=\"16\" height=\"14\"/></svg>{}</li>",
            both("hegnet: her må der ses", "the fence: looking is allowed here")
        );
    }
    page.push_str("</ul></div></section>\n");
}

fn with_objects(spots: &BTreeMap<(i64, i64), Spot>) -> usize {
    spots.values().filter(|spot| spot.objects > 0).count()
}

/// Dots first, so that no proposal hides under one.
fn marks(page: &mut String, spots: &BTreeMap<(i64, i64), Spot>) {
    for ((x, y), spot) in spots.iter().filter(|(_, spot)| spot.objects == 0) {
        let _ = write!(
            page,
            "<circle class=\"seen\" cx=\"{x}\" cy=\"{y}\" r=\"4\"><title>{}</title></circle>",
            frames(spot.frames)
        );
    }
    for ((x, y), spot) in spots.iter().filter(|(_, spot)| spot.objects > 0) {
        let _ = write!(
            page,
            "<g class=\"found\" transform=\"translate({x} {y})\"><title>{}: {} forslag / proposals</title><g class=\"mark-at\">",
            frames(spot.frames),
            spot.objects
        );
        page.push_str("<path d=\"M0-8 8 0 0 8-8 0Z\"/></g></g>");
    }
}

/// How many frames of a block were seen: not which, for their order is that of the drive.
fn frames(count: usize) -> String {
    format!("{count} billeder / pictures")
}

fn scale_bar(page: &mut String, projection: &Projection) {
    let most = 220.0 / projection.units_per_metre();
    let ten = 10_f64.powf(most.log10().floor());
    let metres = [5.0, 2.0, 1.0].into_iter().map(|step| step * ten).find(|m| *m <= most).unwrap_or(ten);
    let length = metres * projection.units_per_metre();
    let (value, unit) = if metres >= 1000.0 { (metres / 1000.0, "km") } else { (metres, "m") };
    let (x, y) = (24.0, HEIGHT - 26.0);
    let _ = write!(
        page,
        "<g class=\"scale\"><path d=\"M{x} {:.1}V{y:.1}H{:.1}V{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\">{value} {unit}</text></g>",
        y - 7.0,
        x + length,
        y - 7.0,
        x + length / 2.0,
        y - 12.0
    );
}

/// The whole fence in a corner, with a frame around what the map shows, where the map shows only a part of it.
fn overview(page: &mut String, run: &Run, all: Bounds, shown: Bounds) {
    let within =
        shown.west <= all.west && shown.east >= all.east && shown.south <= all.south && shown.north >= all.north;
    if within {
        return;
    }
    const W: f64 = 170.0;
    const H: f64 = 120.0;
    let small = Projection::fit(all, W, H, 10.0, 1.0);
    let ((x0, y0), (x1, y1)) = (small.at(shown.west, shown.north), small.at(shown.east, shown.south));
    // A part too small to see is drawn as a mark that can be seen.
    let (w, h) = ((x1 - x0).max(5.0), (y1 - y0).max(4.0));
    let (cx, cy) = ((x0 + x1) / 2.0, (y0 + y1) / 2.0);
    let _ = write!(
        page,
        "<svg class=\"overview\" x=\"{:.1}\" y=\"{:.1}\" width=\"{W}\" height=\"{H}\" viewBox=\"0 0 {W} {H}\"><rect class=\"land\" width=\"{W}\" height=\"{H}\"/><path class=\"fence\" d=\"{}\"/>\
<rect class=\"window\" x=\"{:.1}\" y=\"{:.1}\" width=\"{w:.1}\" height=\"{h:.1}\"/></svg>",
        WIDTH - W - 16.0,
        HEIGHT - H - 16.0,
        small.rings(&run.policy.fence),
        cx - w / 2.0,
        cy - h / 2.0
    );
}
