//! Where things are painted: the picture, and beside it the id of the object that each pixel shows.
//!
//! Both are painted by the same calls in the same order, so occlusion in the truth is the occlusion in the picture.

use tiny_skia::{
    Color, FillRule, GradientStop, LineCap, LineJoin, LinearGradient, Paint, Path, PathBuilder, Pixmap, Point,
    RadialGradient, Rect, Shader, SpreadMode, Stroke, Transform,
};

use crate::camera::P2;
use crate::colour::{Rgb, mix, tint};
use crate::truth::{Attributes, Class, Mask, Truth, TruthObject};

/// Coordinates beyond this are cut: tiny-skia's fixed point would overflow.
const FAR: f32 = 16_000.0;

struct Slot {
    class: Class,
    attributes: Attributes,
    parent: u16,
    whole: f32,
    inside: f32,
    painted: u32,
    reach: [f32; 4],
}

/// A picture in the making.
pub(crate) struct Canvas {
    pub(crate) pixels: Pixmap,
    ids: Pixmap,
    slots: Vec<Slot>,
    stack: Vec<u16>,
    /// Colour of the light that falls on everything.
    pub(crate) ambient: Rgb,
    /// Colour of far air.
    pub(crate) haze: Rgb,
    /// Metres after which haze has taken about two thirds.
    pub(crate) clear_m: f32,
    fogged: f32,
    width: f32,
    height: f32,
}

fn colour(c: Rgb, alpha: f32) -> Color {
    let [r, g, b] = c.map(|v| v.clamp(0.0, 1.0));
    Color::from_rgba(r, g, b, alpha.clamp(0.0, 1.0)).unwrap_or(Color::BLACK)
}

fn clamp(p: P2) -> P2 {
    (p.0.clamp(-FAR, FAR), p.1.clamp(-FAR, FAR))
}

fn closed(points: &[P2]) -> Option<Path> {
    let mut b = PathBuilder::new();
    for (i, p) in points.iter().map(|p| clamp(*p)).enumerate() {
        if i == 0 { b.move_to(p.0, p.1) } else { b.line_to(p.0, p.1) }
    }
    b.close();
    b.finish()
}

/// A smooth closed curve that the points pull outwards.
fn smooth(points: &[P2]) -> Option<Path> {
    let mid = |a: P2, b: P2| ((a.0 + b.0) * 0.5, (a.1 + b.1) * 0.5);
    let mut b = PathBuilder::new();
    let (first, last) = (clamp(*points.first()?), clamp(*points.last()?));
    let start = mid(last, first);
    b.move_to(start.0, start.1);
    for (p, next) in points.iter().zip(points.iter().cycle().skip(1)) {
        let (p, next) = (clamp(*p), clamp(*next));
        let m = mid(p, next);
        b.quad_to(p.0, p.1, m.0, m.1);
    }
    b.close();
    b.finish()
}

/// Points of an ellipse.
pub(crate) fn ring(cx: f32, cy: f32, rx: f32, ry: f32) -> [P2; 16] {
    const C: [f32; 5] = [1.0, 0.923_88, std::f32::consts::FRAC_1_SQRT_2, 0.382_683, 0.0];
    // One sixteenth more than the radius: the smooth curve stays inside its points.
    let (rx, ry) = (rx * 1.02, ry * 1.02);
    let mut out = [(cx, cy); 16];
    for (i, p) in out.iter_mut().enumerate() {
        let quarter = i / 4;
        let k = i % 4;
        let c = C.get(k).copied().unwrap_or(0.0);
        let s = C.get(4 - k).copied().unwrap_or(0.0);
        let (c, s) = match quarter {
            0 => (c, s),
            1 => (-s, c),
            2 => (-c, -s),
            _ => (s, -c),
        };
        *p = (cx + rx * c, cy + ry * s);
    }
    out
}

impl Canvas {
    pub(crate) fn new(width: u16, height: u16) -> Option<Self> {
        Some(Self {
            pixels: Pixmap::new(u32::from(width), u32::from(height))?,
            ids: Pixmap::new(u32::from(width), u32::from(height))?,
            slots: Vec::new(),
            stack: Vec::new(),
            ambient: [1.0; 3],
            haze: [0.8; 3],
            clear_m: 200.0,
            fogged: 0.0,
            width: f32::from(width),
            height: f32::from(height),
        })
    }

    pub(crate) fn size(&self) -> P2 {
        (self.width, self.height)
    }

    /// What follows is this far away.
    pub(crate) fn at_depth(&mut self, metres: f32) {
        self.fogged = 1.0 - libm::expf(-metres.max(0.0) / self.clear_m);
    }

    pub(crate) fn lit(&self, c: Rgb) -> Rgb {
        mix(tint(c, self.ambient), self.haze, self.fogged)
    }

    /// What follows belongs to a new object, inside the current one if there is one.
    pub(crate) fn begin(&mut self, class: Class, attributes: Attributes) {
        let parent = self.stack.last().copied().unwrap_or(0);
        self.slots.push(Slot {
            class,
            attributes,
            parent,
            whole: 0.0,
            inside: 0.0,
            painted: 0,
            reach: [f32::MAX, f32::MAX, f32::MIN, f32::MIN],
        });
        self.stack.push(u16::try_from(self.slots.len()).unwrap_or(u16::MAX));
    }

    pub(crate) fn end(&mut self) {
        self.stack.pop();
        if self.stack.is_empty() {
            self.count();
        }
    }

    /// How many pixels the objects just ended have, before anything covers them.
    fn count(&mut self) {
        let first = self.slots.iter().rposition(|s| s.parent == 0).unwrap_or(0);
        let reach = self.slots.iter().skip(first).fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |a, s| {
            [a[0].min(s.reach[0]), a[1].min(s.reach[1]), a[2].max(s.reach[2]), a[3].max(s.reach[3])]
        });
        let cut = |v: f32, top: f32| v.clamp(0.0, top) as usize;
        let (x0, x1) = (cut(reach[0] - 1.0, self.width), cut(reach[2] + 2.0, self.width));
        let (y0, y1) = (cut(reach[1] - 1.0, self.height), cut(reach[3] + 2.0, self.height));
        if x1 <= x0 || y1 <= y0 {
            return;
        }
        let row = self.width as usize;
        let slots = &mut self.slots;
        for line in self.ids.pixels().chunks_exact(row).skip(y0).take(y1 - y0) {
            for p in line.iter().skip(x0).take(x1 - x0) {
                let mut id = usize::from(p.red()) << 8 | usize::from(p.green());
                while id > first {
                    let Some(slot) = slots.get_mut(id - 1) else { break };
                    slot.painted += 1;
                    id = usize::from(slot.parent);
                }
            }
        }
    }

    fn note(&mut self, bounds: Rect) {
        let whole = (bounds.width().max(0.5)) * (bounds.height().max(0.5));
        let w = (bounds.right().min(self.width) - bounds.left().max(0.0)).max(0.0).min(bounds.width());
        let h = (bounds.bottom().min(self.height) - bounds.top().max(0.0)).max(0.0).min(bounds.height());
        let inside = if w <= 0.0 || h <= 0.0 { 0.0 } else { w.max(0.5) * h.max(0.5) };
        let mut id = self.stack.last().copied().unwrap_or(0);
        while let Some(slot) = usize::from(id).checked_sub(1).and_then(|i| self.slots.get_mut(i)) {
            slot.whole += whole;
            slot.inside += inside.min(whole);
            let r = slot.reach;
            slot.reach =
                [r[0].min(bounds.left()), r[1].min(bounds.top()), r[2].max(bounds.right()), r[3].max(bounds.bottom())];
            id = slot.parent;
        }
    }

    fn outside(&self, b: Rect) -> bool {
        b.right() < 0.0 || b.bottom() < 0.0 || b.left() > self.width || b.top() > self.height
    }

    fn put(&mut self, path: Option<Path>, shader: Shader<'_>, solid: bool) {
        let Some(path) = path else { return };
        let bounds = path.bounds();
        if solid {
            self.note(bounds);
        }
        if self.outside(bounds) {
            return;
        }
        let paint = Paint { shader, anti_alias: true, ..Paint::default() };
        self.pixels.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        if solid {
            let paint = self.id_paint();
            self.ids.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }

    fn id_paint(&self) -> Paint<'static> {
        let [high, low] = self.stack.last().copied().unwrap_or(0).to_be_bytes();
        let mut paint = Paint { anti_alias: false, ..Paint::default() };
        paint.set_color_rgba8(high, low, 0, 255);
        paint
    }

    /// A filled polygon.
    pub(crate) fn poly(&mut self, points: &[P2], c: Rgb) {
        let shader = Shader::SolidColor(colour(self.lit(c), 1.0));
        self.put(closed(points), shader, true);
    }

    /// A filled smooth shape.
    pub(crate) fn blob(&mut self, points: &[P2], c: Rgb) {
        let shader = Shader::SolidColor(colour(self.lit(c), 1.0));
        self.put(smooth(points), shader, true);
    }

    fn gradient(&self, a: (P2, Rgb, f32), b: (P2, Rgb, f32)) -> Shader<'static> {
        let (ca, cb) = (colour(self.lit(a.1), a.2), colour(self.lit(b.1), b.2));
        let (pa, pb) = (clamp(a.0), clamp(b.0));
        LinearGradient::new(
            Point::from_xy(pa.0, pa.1),
            Point::from_xy(pb.0, pb.1),
            vec![GradientStop::new(0.0, ca), GradientStop::new(1.0, cb)],
            SpreadMode::Pad,
            Transform::identity(),
        )
        .unwrap_or(Shader::SolidColor(ca))
    }

    /// A polygon that goes from one colour to another.
    pub(crate) fn poly_fade(&mut self, points: &[P2], a: (P2, Rgb), b: (P2, Rgb)) {
        let shader = self.gradient((a.0, a.1, 1.0), (b.0, b.1, 1.0));
        self.put(closed(points), shader, true);
    }

    /// A smooth shape that goes from one colour to another.
    pub(crate) fn blob_fade(&mut self, points: &[P2], a: (P2, Rgb), b: (P2, Rgb)) {
        let shader = self.gradient((a.0, a.1, 1.0), (b.0, b.1, 1.0));
        self.put(smooth(points), shader, true);
    }

    /// A translucent polygon on what is there; the object below stays the one that is seen.
    pub(crate) fn veil(&mut self, points: &[P2], c: Rgb, alpha: f32) {
        let shader = Shader::SolidColor(colour(self.lit(c), alpha));
        self.put(closed(points), shader, false);
    }

    /// A translucent smooth shape.
    pub(crate) fn veil_blob(&mut self, points: &[P2], c: Rgb, alpha: f32) {
        let shader = Shader::SolidColor(colour(self.lit(c), alpha));
        self.put(smooth(points), shader, false);
    }

    /// Marks pixels as the current object without painting.
    pub(crate) fn claim(&mut self, points: &[P2], rounded: bool) {
        let Some(path) = (if rounded { smooth(points) } else { closed(points) }) else { return };
        self.note(path.bounds());
        if !self.outside(path.bounds()) {
            let paint = self.id_paint();
            self.ids.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }

    /// A line of the given width with round ends.
    pub(crate) fn line(&mut self, points: &[P2], width: f32, c: Rgb) {
        self.stroke(points, width, c, 1.0, true);
    }

    /// A translucent line.
    pub(crate) fn veil_line(&mut self, points: &[P2], width: f32, c: Rgb, alpha: f32) {
        self.stroke(points, width, c, alpha, false);
    }

    fn stroke(&mut self, points: &[P2], width: f32, c: Rgb, alpha: f32, solid: bool) {
        let mut b = PathBuilder::new();
        for (i, p) in points.iter().map(|p| clamp(*p)).enumerate() {
            if i == 0 { b.move_to(p.0, p.1) } else { b.line_to(p.0, p.1) }
        }
        let Some(path) = b.finish() else { return };
        let bounds = path.bounds().outset(width * 0.5 + 0.01, width * 0.5 + 0.01).unwrap_or(path.bounds());
        if solid {
            self.note(bounds);
        }
        if self.outside(bounds) {
            return;
        }
        // A line thinner than a pixel fades instead of vanishing.
        let (width, alpha) = if width < 0.7 { (0.7, alpha * (width / 0.7).max(0.15)) } else { (width, alpha) };
        let stroke = Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        let shader = Shader::SolidColor(colour(self.lit(c), alpha));
        let paint = Paint { shader, anti_alias: true, ..Paint::default() };
        self.pixels.stroke_path(&path, &paint, &stroke, Transform::identity(), None);
        if solid {
            let paint = self.id_paint();
            self.ids.stroke_path(&path, &paint, &stroke, Transform::identity(), None);
        }
    }

    /// Light that spreads from a point; no ambient light or haze touches it.
    pub(crate) fn glow(&mut self, at: P2, radius: f32, c: Rgb, alpha: f32) {
        let radius = radius.clamp(0.5, self.width);
        let at = clamp(at);
        let stops = vec![
            GradientStop::new(0.0, colour(c, alpha)),
            GradientStop::new(0.3, colour(c, alpha * 0.4)),
            GradientStop::new(1.0, colour(c, 0.0)),
        ];
        let centre = Point::from_xy(at.0, at.1);
        let shader = RadialGradient::new(centre, 0.0, centre, radius, stops, SpreadMode::Pad, Transform::identity());
        if let (Some(shader), Some(path)) = (shader, PathBuilder::from_circle(at.0, at.1, radius)) {
            self.put(Some(path), shader, false);
        }
    }

    /// A polygon that shines by itself.
    pub(crate) fn shine(&mut self, points: &[P2], c: Rgb, alpha: f32) {
        self.put(closed(points), Shader::SolidColor(colour(c, alpha)), false);
    }

    /// The truth, once everything is painted.
    pub(crate) fn truth(&self) -> Truth {
        let (w, h) = (self.width as u16, self.height as u16);
        let mut found: Vec<(Mask, [u16; 4])> =
            self.slots.iter().map(|_| (Mask { width: w, height: h, runs: Vec::new() }, [w, h, 0, 0])).collect();
        let row = usize::from(w);
        for (y, line) in self.ids.pixels().chunks_exact(row).enumerate() {
            let mut x = 0;
            for run in line.chunk_by(|a, b| a == b) {
                let start = x;
                x += run.len();
                let Some(p) = run.first() else { continue };
                let mut id = usize::from(p.red()) << 8 | usize::from(p.green());
                while let Some(i) = id.checked_sub(1) {
                    let (Some((mask, bbox)), Some(slot)) = (found.get_mut(i), self.slots.get(i)) else { break };
                    mask.push((y * row + start) as u32, run.len() as u32);
                    *bbox = [
                        bbox[0].min(start as u16),
                        bbox[1].min(y as u16),
                        bbox[2].max(x as u16),
                        bbox[3].max(y as u16 + 1),
                    ];
                    id = usize::from(slot.parent);
                }
            }
        }
        let objects = self
            .slots
            .iter()
            .zip(found)
            .filter(|(_, (mask, _))| !mask.runs.is_empty())
            .map(|(slot, (mask, bbox))| {
                let unhidden = mask.area() as f32 / slot.painted.max(1) as f32;
                let framed = if slot.whole > 0.0 { slot.inside / slot.whole } else { 1.0 };
                let visible = (unhidden.min(1.0) * framed.min(1.0) * 1000.0).round() / 1000.0;
                TruthObject { class: slot.class, bbox, visible, attributes: slot.attributes.clone(), mask }
            })
            .collect();
        Truth { objects }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f32, y: f32, side: f32) -> [P2; 4] {
        [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
    }

    fn object(c: &mut Canvas, class: Class, at: (f32, f32, f32), colour: Rgb) {
        c.begin(class, Attributes::default());
        c.poly(&square(at.0, at.1, at.2), colour);
        c.end();
    }

    fn is_red(p: &tiny_skia::PremultipliedColorU8) -> bool {
        p.red() > 200 && p.blue() < 50
    }

    #[test]
    fn the_mask_is_what_the_picture_shows() {
        let mut c = Canvas::new(40, 40).unwrap();
        object(&mut c, Class::Person, (5.0, 5.0, 20.0), [1.0, 0.0, 0.0]);
        object(&mut c, Class::Vehicle, (15.0, 0.0, 25.0), [0.0, 0.0, 1.0]);
        let truth = c.truth();
        let red: Vec<bool> = c.pixels.pixels().iter().map(is_red).collect();
        let person = &truth.objects[0];
        assert_eq!(person.mask.decode(), red);
        assert_eq!(person.bbox, [5, 5, 15, 25]);
        // The vehicle hides 10 of 20 columns.
        assert!((person.visible - 0.5).abs() < 0.01, "{}", person.visible);
        assert!((truth.objects[1].visible - 1.0).abs() < 0.01);
    }

    #[test]
    fn the_frames_edge_hides_too() {
        let mut c = Canvas::new(40, 40).unwrap();
        object(&mut c, Class::Person, (-10.0, 10.0, 20.0), [1.0, 0.0, 0.0]);
        object(&mut c, Class::Vehicle, (100.0, 10.0, 20.0), [0.0, 0.0, 1.0]);
        let truth = c.truth();
        assert_eq!(truth.objects.len(), 1, "what is wholly outside is not in the truth");
        assert!((truth.objects[0].visible - 0.5).abs() < 0.01);
    }

    #[test]
    fn a_part_belongs_to_its_whole_and_plain_things_hide() {
        let mut c = Canvas::new(40, 40).unwrap();
        c.begin(Class::Person, Attributes::default());
        c.poly(&square(0.0, 0.0, 20.0), [1.0, 0.0, 0.0]);
        c.begin(Class::Face, Attributes::default());
        c.poly(&square(0.0, 0.0, 10.0), [0.0, 1.0, 0.0]);
        c.end();
        c.end();
        c.poly(&square(0.0, 0.0, 5.0), [0.0; 3]);
        let truth = c.truth();
        let areas: Vec<u32> = truth.objects.iter().map(|o| o.mask.area()).collect();
        assert_eq!(areas, [400 - 25, 100 - 25]);
        assert!((truth.objects[1].visible - 0.75).abs() < 0.01);
    }
}
