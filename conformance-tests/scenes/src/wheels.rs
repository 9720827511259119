//! Bicycles and wheelchairs: what people ride on.

use crate::canvas::ring;
use crate::colour::{Rgb, hex, mul};
use crate::figure::{Figure, Joint};

/// A bicycle under its rider, or leaning by itself.
pub(crate) fn bicycle(f: &mut Figure<'_>, colour: Rgb, basket: bool) {
    let (black, grey) = ([0.06, 0.06, 0.07], [0.5, 0.5, 0.52]);
    let (rear, front): (Joint, Joint) = ([0.0, 0.34, -0.46], [0.0, 0.34, 0.62]);
    f.wheel(rear, 0.33, 0.035, black, true);
    f.wheel(front, 0.33, 0.035, black, true);
    let (crank, seat, stem): (Joint, Joint, Joint) = ([0.0, 0.3, 0.1], [0.0, 0.85, -0.12], [0.0, 0.9, 0.42]);
    f.rod(&[rear, crank, seat, rear], 0.03, colour);
    f.rod(&[crank, [0.0, 0.72, 0.46], [0.0, 0.76, -0.08]], 0.035, colour);
    f.rod(&[front, stem, [0.0, 1.03, 0.44]], 0.03, colour);
    f.rod(&[[0.27, 1.06, 0.36], [0.0, 1.04, 0.46], [-0.27, 1.06, 0.36]], 0.03, grey);
    f.rod(&[[0.0, 0.92, -0.22], [0.0, 0.93, 0.02]], 0.075, black);
    f.rod(&[[0.0, 0.72, -0.62], [0.0, 0.72, -0.16]], 0.02, black);
    if basket {
        let (x, y) = f.at([0.0, 0.93, 0.62]);
        let (w, t) = (f.girth(0.2, 0.15) * f.scale, 0.12 * f.scale);
        f.canvas.poly(&[(x - w, y - t), (x + w, y - t), (x + w * 0.8, y + t), (x - w * 0.8, y + t)], hex(0x6B4E2C));
    }
    let lamp = f.at([0.0, 0.86, 0.5]);
    let r = 0.035 * f.scale;
    f.canvas.blob(&ring(lamp.0, lamp.1, r, r), [0.9, 0.9, 0.85]);
}

/// A wheelchair under its user.
pub(crate) fn wheelchair(f: &mut Figure<'_>) {
    let (black, steel) = ([0.07, 0.07, 0.08], [0.55, 0.57, 0.6]);
    f.wheel([0.3, 0.3, -0.05], 0.3, 0.035, mul(black, 0.8), true);
    f.rod(&[[0.22, 0.95, -0.28], [0.22, 0.45, -0.2], [0.22, 0.42, 0.3], [0.22, 0.1, 0.5]], 0.035, steel);
    f.rod(&[[-0.22, 0.95, -0.28], [-0.22, 0.45, -0.2], [-0.22, 0.42, 0.3], [-0.22, 0.1, 0.5]], 0.035, steel);
    let (x, y) = f.at([0.0, 0.68, -0.2]);
    let (w, t) = (f.girth(0.24, 0.06) * f.scale, 0.24 * f.scale);
    f.canvas.poly(&[(x - w, y - t), (x + w, y - t), (x + w, y + t), (x - w, y + t)], black);
    f.rod(&[[-0.2, 0.14, 0.52], [0.2, 0.14, 0.52]], 0.05, steel);
    f.wheel([-0.3, 0.3, -0.05], 0.3, 0.035, black, true);
}
