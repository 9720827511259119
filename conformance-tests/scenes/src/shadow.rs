//! Shadows on the ground, where the sun says they are.

use crate::camera::{Lens, P2, P3};
use crate::canvas::{Canvas, ring};
use crate::person::{Person, Pose};
use crate::solid::Sun;
use crate::street::Street;
use crate::truth::{Attributes, Class};
use crate::vehicle::Make;
use crate::world::{Seen, What};

/// Whose shadow it is, and its outline in the picture when grown by some metres.
type Cast<'a> = (&'static str, Box<dyn Fn(f32) -> Vec<P2> + 'a>);

const DARK: [f32; 3] = [0.05, 0.06, 0.1];

/// Paints the shade of the houses, then the shadow of every thing, far ones first.
pub(crate) fn paint(c: &mut Canvas, lens: &Lens, things: &[Seen<'_>], street: &Street, sun: Sun) {
    let shade = if sun.strength > 0.5 { houses(c, lens, street, sun) } else { None };
    for thing in things {
        c.at_depth(thing.depth);
        contact(c, lens, thing);
        let in_shade = shade.is_some_and(|(a, b)| thing.at.0 >= a && thing.at.0 <= b);
        if sun.strength > 0.5 && !in_shade {
            cast(c, lens, thing, sun);
        }
    }
}

/// The shade of the row of houses between the sun and the street, and the stretch across that it covers.
fn houses(c: &mut Canvas, lens: &Lens, street: &Street, sun: Sun) -> Option<(f32, f32)> {
    let reach = 7.0 * sun.to[0].abs() / sun.to[1].max(0.1);
    let side = if sun.to[0] > 0.0 { 1.0 } else { -1.0 };
    if reach < 1.0 {
        return None;
    }
    let edge = side * (street.wall - reach);
    let (a, b) = if side > 0.0 { (edge, street.wall) } else { (-street.wall, edge) };
    let (a, b) = (a.max(-street.wall), b.min(street.wall));
    let z = lens.camera.z;
    let flat = lens.polygon(&[[a, 0.0, z - 20.0], [b, 0.0, z - 20.0], [b, 0.0, z + 240.0], [a, 0.0, z + 240.0]]);
    c.at_depth(10.0);
    c.veil(&flat, DARK, 0.42);
    Some((a, b))
}

/// The dim rim where a thing touches the ground.
fn contact(c: &mut Canvas, lens: &Lens, thing: &Seen<'_>) {
    let at = thing.at;
    let (a, b) = match &thing.thing.what {
        What::Person(_) => (0.3, 0.3),
        What::Vehicle(v) if v.make == Make::Bicycle => (0.2, 0.8),
        What::Vehicle(v) => (v.width * 0.56, v.length * 0.54),
        What::Bin(b) => (b.half.0 * 1.2, b.half.1 * 1.2),
        What::Prop(p) => match p.shade() {
            Some((w, _)) => (w * 1.6, w * 1.6),
            None => return,
        },
    };
    let (s, k) = (libm::sinf(thing.heading), libm::cosf(thing.heading));
    for (grow, alpha) in [(1.15, 0.13), (1.0, 0.18), (0.82, 0.2)] {
        let points: Vec<P3> = ring(0.0, 0.0, a * grow, b * grow)
            .iter()
            .map(|p| [at.0 + p.0 * k + p.1 * s, 0.0, at.1 - p.0 * s + p.1 * k])
            .collect();
        let flat = lens.polygon(&points);
        if !flat.is_empty() {
            c.veil_blob(&flat, DARK, alpha);
        }
    }
}

fn cast(c: &mut Canvas, lens: &Lens, thing: &Seen<'_>, sun: Sun) {
    let at = thing.at;
    let stretch = 1.0 / sun.to[1].max(0.15);
    let slope = (-sun.to[0] * stretch, -sun.to[2] * stretch);
    let n = (slope.0 * slope.0 + slope.1 * slope.1).sqrt().max(0.01);
    let across = (slope.1 / n, -slope.0 / n);
    let upright = |outline: &[(f32, f32)], grow: f32| -> Vec<P2> {
        let put = |y: f32, w: f32| [at.0 + slope.0 * y + across.0 * w, 0.0, at.1 + slope.1 * y + across.1 * w];
        let right = outline.iter().map(|(y, w)| put(*y, w + grow));
        let left = outline.iter().rev().map(|(y, w)| put(*y, -w - grow));
        let points: Vec<P3> = right.chain(left).collect();
        lens.polygon(&points)
    };
    let boxed = |a: f32, b: f32, h: f32, grow: f32| -> Vec<P2> {
        let (s, k) = (libm::sinf(thing.heading), libm::cosf(thing.heading));
        let (a, b) = (a + grow, b + grow);
        let mut corners = Vec::with_capacity(8);
        for (p, q) in [(a, b), (-a, b), (-a, -b), (a, -b)] {
            let (x, z) = (at.0 + p * k + q * s, at.1 - p * s + q * k);
            corners.push((x, z));
            corners.push((x + slope.0 * h, z + slope.1 * h));
        }
        let points: Vec<P3> = hull(corners).into_iter().map(|(x, z)| [x, 0.0, z]).collect();
        lens.polygon(&points)
    };
    let (of, shape): Cast<'_> = match &thing.thing.what {
        What::Person(p) => {
            let outline = outline(p);
            ("person", Box::new(move |g| upright(&outline, g)))
        }
        What::Vehicle(v) if v.make == Make::Bicycle => {
            return;
        }
        What::Vehicle(v) => ("vehicle", Box::new(|g| boxed(v.width * 0.47, v.length * 0.48, v.height * 0.85, g))),
        What::Bin(b) => ("container", Box::new(|g| boxed(b.half.0 * 0.95, b.half.1 * 0.95, b.height, g))),
        What::Prop(p) => match p.shade() {
            Some((w, h)) => ("thing", Box::new(move |g| upright(&[(0.0, w), (h, w)], g))),
            None => return,
        },
    };
    let attributes = Attributes {
        distance_m: (thing.depth * 100.0).round() / 100.0,
        kind: Some(of.to_owned()),
        thing: Some(thing.thing.id),
        street: Some([at.0, at.1]),
        ..Attributes::default()
    };
    c.begin(Class::Shadow, attributes);
    for (grow, alpha) in [(0.06, 0.16), (0.02, 0.2), (-0.02, 0.24)] {
        let flat = shape(grow);
        if flat.is_empty() {
            continue;
        }
        c.veil_blob(&flat, DARK, alpha);
        if grow > 0.0 && grow < 0.05 {
            c.claim(&flat, true);
        }
    }
    c.end();
}

/// Half widths of an upright outline from the ground up, for the shadow: height in metres and half width.
fn outline(person: &Person) -> Vec<(f32, f32)> {
    let h = person.height;
    match person.pose {
        Pose::Cycle => vec![(0.0, 0.55), (0.6, 0.6), (0.9, 0.4), (1.1, 0.2), (1.5, 0.22), (1.6, 0.1), (1.85, 0.1)],
        Pose::Wheelchair => vec![(0.0, 0.35), (0.6, 0.38), (1.0, 0.25), (1.1, 0.1), (1.35, 0.1)],
        _ => vec![
            (0.0, 0.16),
            (h * 0.47, 0.17),
            (h * 0.6, 0.19),
            (h * 0.8, 0.22),
            (h * 0.85, 0.07),
            (h * 0.93, 0.1),
            (h, 0.05),
        ],
    }
}

/// Convex hull, by monotone chain.
fn hull(mut points: Vec<P2>) -> Vec<P2> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let turn = |o: P2, a: P2, b: P2| (a.0 - o.0) * (b.1 - o.1) - (a.1 - o.1) * (b.0 - o.0);
    let half = |points: &mut dyn Iterator<Item = P2>| {
        let mut out: Vec<P2> = Vec::new();
        for p in points {
            while let [.., o, a] = out.as_slice() {
                if turn(*o, *a, p) > 0.0 {
                    break;
                }
                out.pop();
            }
            out.push(p);
        }
        out.pop();
        out
    };
    let mut out = half(&mut points.iter().copied());
    out.extend(half(&mut points.iter().rev().copied()));
    out
}
