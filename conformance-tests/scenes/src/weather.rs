//! What falls between the camera and the street.

use crate::canvas::{Canvas, ring};
use crate::dice::Dice;
use crate::params::{SceneParams, Weather};

/// Paints rain or snow over the whole picture. Nothing of it hides an object in the truth.
pub(crate) fn paint(c: &mut Canvas, d: &mut Dice, p: &SceneParams) {
    let (w, h) = c.size();
    c.at_depth(0.0);
    let unit = h / 540.0;
    match p.weather {
        Weather::Rain => {
            let slant = d.range(-0.25, 0.25);
            for _ in 0..d.whole(60, 240) {
                let (x, y) = (d.range(0.0, w), d.range(-0.1, 1.0) * h);
                let long = d.range(8.0, 34.0) * unit;
                c.veil_line(
                    &[(x, y), (x + slant * long, y + long)],
                    d.range(0.7, 1.5) * unit,
                    [0.85, 0.88, 0.9],
                    d.range(0.08, 0.3),
                );
            }
            // Drops on the lens.
            for _ in 0..d.whole(0, 4) {
                let (x, y, r) = (d.range(0.0, w), d.range(0.0, h), d.range(3.0, 9.0) * unit);
                c.veil_blob(&ring(x, y, r, r * 1.1), [0.8, 0.84, 0.88], 0.22);
            }
        }
        Weather::Snow => {
            for _ in 0..d.whole(80, 420) {
                let (x, y) = (d.range(0.0, w), d.range(0.0, h));
                let r = d.range(0.5, 1.4) * d.range(0.6, 1.7) * unit;
                c.veil_blob(&ring(x, y, r, r * 1.2), [0.95, 0.96, 0.98], d.range(0.4, 0.9));
            }
        }
        Weather::Clear | Weather::Overcast | Weather::Fog => {}
    }
}
