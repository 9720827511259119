//! All windows of a picture, sixteen neighbours at a time.
//!
//! Windows of one shape and one lower edge stand side by side at a fixed step, so a cell of theirs is the same four rows of sums, a
//! few samples apart. The sums are laid out once for each step so that neighbours lie beside each other; then every question of a
//! tree is answered for sixteen windows by the same few instructions on bytes, without a branch and without a division. What does
//! not fit this form is looked at one by one ([`crate::score::sum`]): windows that reach over the side of the picture, and wide or
//! large ones, which are few.
//!
//! The answers are those of [`crate::score::sum`], bit for bit; a test compares them.

use crate::channels::{CELLS, COUNT, Channels, border, cells};
use crate::score::{self, MEANS, NONE, SHAPES, Tree, shape};
use crate::windows::{Shape, Window};

/// Windows in one block.
const LANES: usize = 16;
/// A byte for each window of a block.
type Bytes = [u8; LANES];
/// The feature that is always nought: it stands in for "no second feature".
const ZERO: usize = MEANS + SHAPES;
/// Features, the nought among them.
const FEATURES: usize = ZERO + 1;
/// Steps for which the sums are laid out.
const STEPS: i32 = 10;
/// The largest cell, in pixels: the sum of so many bytes fits sixteen bits, and its mean a multiplication of 32.
const AREA: i32 = 256;

/// Sums of all windows that clear the threshold, in no particular order.
pub(crate) fn hits(channels: &Channels, trees: &[Tree], reject: &[i32], threshold: i32) -> Vec<(i32, Window)> {
    let mut hits = Vec::new();
    let mut one = |window: Window| {
        let sum = score::sum(channels, &window, trees, reject);
        sum.filter(|sum| *sum > threshold).map(|sum| (sum, window))
    };
    let plan = Plan::of(trees, reject);
    let mut block = Block::new();
    for step in 1..=STEPS {
        let mut laid = false;
        for shape in Shape::all().filter(|shape| shape.step() == step && small(*shape)) {
            let Some(plan) = &plan else { continue };
            if !laid {
                block.sums.lay_out(channels, step as usize);
                laid = true;
            }
            let (first, count) = shape.columns(channels.width);
            let within = inner(shape, first, count, channels.width);
            for y1 in shape.rows(channels.height) {
                let x0 = |column: usize| first + column as i32 * step;
                let outer = (0..within.start).chain(within.end..count);
                hits.extend(outer.filter_map(|column| one(shape.at(x0(column), y1))));
                if within.is_empty() {
                    continue;
                }
                block.row.begin(channels, &block.sums, shape.at(x0(within.start), y1));
                for from in within.clone().step_by(LANES) {
                    let lanes = LANES.min(within.end - from);
                    let found = block.look(plan, from - within.start, lanes, threshold);
                    hits.extend(found.map(|(lane, sum)| (sum, shape.at(x0(from + lane), y1))));
                }
            }
        }
    }
    for shape in Shape::all().filter(|shape| plan.is_none() || shape.step() > STEPS || !small(*shape)) {
        let (first, count) = shape.columns(channels.width);
        for y1 in shape.rows(channels.height) {
            let windows = (0..count as i32).map(|column| shape.at(first + column * shape.step(), y1));
            hits.extend(windows.filter_map(&mut one));
        }
    }
    hits
}

/// Whether every cell is small enough.
fn small(shape: Shape) -> bool {
    (shape.tall / 4 + 1) * (shape.wide / 4 + 1) <= AREA
}

/// Which columns of a row reach over neither side of the picture, margin and all.
fn inner(shape: Shape, first: i32, count: usize, width: usize) -> std::ops::Range<usize> {
    let (left, right) = (border(0, shape.wide), border(CELLS, shape.wide));
    let fits = |column: &usize| {
        let x0 = first + *column as i32 * shape.step();
        x0 + left >= 0 && x0 + right <= width as i32
    };
    // They lie together: whatever fits lies between two that do.
    let from = (0..count).find(fits).unwrap_or(count);
    let to = (from..count).rev().find(fits).map_or(from, |last| last + 1);
    from..to
}

/// One question as lanes like it: is `a` less `b`, and nought where `b` is larger, at least `least`?
#[derive(Clone, Copy, Default)]
struct Ask {
    a: u16,
    b: u16,
    least: u8,
}

/// One tree, its answers turned so that every question has that form.
struct Step {
    asks: [Ask; 7],
    leaves: [u8; 8],
    reject: i16,
}

/// The trees, made ready.
struct Plan(Vec<Step>);

impl Plan {
    /// Nothing where a number does not fit: then windows are looked at one by one.
    fn of(trees: &[Tree], reject: &[i32]) -> Option<Self> {
        let most: i32 =
            trees.iter().map(|tree| tree.leaves.iter().map(|leaf| i32::from(leaf.abs())).max().unwrap_or(0)).sum();
        i16::try_from(most).ok()?;
        trees.iter().zip(reject).map(|(tree, reject)| Step::of(tree, *reject)).collect::<Option<Vec<_>>>().map(Self)
    }
}

impl Step {
    fn of(tree: &Tree, reject: i32) -> Option<Self> {
        let asks = tree.questions.map(|question| {
            let slot = |feature: u16| if feature == NONE { ZERO } else { usize::from(feature).min(ZERO - 1) } as u16;
            let (a, b, least) = (slot(question.a), slot(question.b), i32::from(question.least));
            // `a - b >= least` is `b - a < 1 - least`: the answers change places, and no difference below nought is asked for.
            let (a, b, least, turned) = if least > 0 { (a, b, least, false) } else { (b, a, 1 - least, true) };
            // No difference of two bytes is as large.
            let never = Ask { a: ZERO as u16, b: ZERO as u16, least: 1 };
            (u8::try_from(least).map_or(never, |least| Ask { a, b, least }), turned)
        });
        // Where each node and leaf of the turned tree comes from, in the order of a heap.
        let mut from = [0_usize; 15];
        for node in 0..7 {
            let old = from.get(node).copied()?;
            let turned = asks.get(old)?.1;
            *from.get_mut(2 * node + 1)? = 2 * old + 1 + usize::from(turned);
            *from.get_mut(2 * node + 2)? = 2 * old + 2 - usize::from(turned);
        }
        let mut step = Self { asks: [Ask::default(); 7], leaves: [0; 8], reject: i16::try_from(reject).ok()? };
        for (ask, old) in step.asks.iter_mut().zip(from) {
            *ask = asks.get(old)?.0;
        }
        for (leaf, old) in step.leaves.iter_mut().zip(from.iter().skip(7)) {
            *leaf = i8::try_from(*tree.leaves.get(old - 7)?).ok()?.cast_unsigned();
        }
        Some(step)
    }
}

/// The sums with every so-many'th sample beside the next, cut to sixteen bits: differences of a small cell fit.
#[derive(Default)]
struct Strided {
    step: usize,
    /// Samples of one phase of a row.
    phase: usize,
    /// Samples of a row, of a channel.
    row: usize,
    plane: usize,
    samples: Vec<u16>,
}

impl Strided {
    fn lay_out(&mut self, channels: &Channels, step: usize) {
        let width = channels.width + 1;
        self.step = step;
        self.phase = width.div_ceil(step);
        self.row = self.phase * step;
        self.plane = self.row * (channels.height + 1);
        // A block may reach past the last sample; what lies there belongs to no window.
        self.samples.clear();
        self.samples.resize(self.plane * COUNT + LANES, 0);
        let rows = channels.sums().flat_map(|plane| plane.chunks_exact(width));
        for (out, row) in self.samples.chunks_exact_mut(self.row).zip(rows) {
            for (phase, out) in out.chunks_exact_mut(self.phase).enumerate() {
                for (out, sum) in out.iter_mut().zip(row.iter().skip(phase).step_by(step)) {
                    *out = *sum as u16;
                }
            }
        }
    }
}

/// Where the four corners of a cell lie among the sums, and what its sum is multiplied with for its mean, in 2^-24.
#[derive(Clone, Copy, Default)]
struct Corners {
    upper: [u32; 2],
    lower: [u32; 2],
    part: u32,
}

/// A row of windows, from its first inner one.
struct Row {
    corners: Vec<Corners>,
    /// Place and shape: the same for all windows of the row.
    shapes: [u8; SHAPES],
}

impl Row {
    fn new() -> Self {
        Self { corners: vec![Corners::default(); MEANS], shapes: [0; SHAPES] }
    }

    fn begin(&mut self, channels: &Channels, sums: &Strided, first: Window) {
        let (wide, tall) = (first.x1 - first.x0, first.y1 - first.y0);
        // Not below nought: this window reaches over neither side.
        let x = |at: usize| (first.x0 + border(at, wide)) as usize;
        let place = |x: usize| (x % sums.step * sums.phase + x / sums.step) as u32;
        let xs: [usize; CELLS + 1] = std::array::from_fn(x);
        let columns = xs.map(place);
        let cells = cells(first.y0, tall, channels.height);
        let mut corners = self.corners.iter_mut();
        for channel in 0..COUNT {
            for (y0, y1) in cells {
                let line = |y: usize| (channel * sums.plane + y * sums.row) as u32;
                let (upper, lower) = (line(y0), line(y1));
                for ((left, right), x) in columns.iter().zip(columns.iter().skip(1)).zip(xs.windows(2)) {
                    let [x0, x1] = x else { continue };
                    let area = ((x1 - x0) * (y1 - y0)).max(1) as u32;
                    if let Some(corners) = corners.next() {
                        *corners = Corners {
                            upper: [upper + left, upper + right],
                            lower: [lower + left, lower + right],
                            part: (1_u32 << 24).div_ceil(area),
                        };
                    }
                }
            }
        }
        self.shapes = std::array::from_fn(|which| shape(channels, &first, which) as u8);
    }
}

impl Corners {
    #[inline]
    fn means(&self, samples: &[u16], at: u32) -> Option<Bytes> {
        let lanes = |from: u32| samples.get((from + at) as usize..)?.first_chunk::<LANES>();
        let ([a, b], [c, d]) = (self.upper, self.lower);
        let (a, b, c, d) = (lanes(a)?, lanes(b)?, lanes(c)?, lanes(d)?);
        let mut means = [0; LANES];
        for ((((mean, a), b), c), d) in means.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let sum = d.wrapping_sub(*c).wrapping_sub(b.wrapping_sub(*a));
            // The mean, rounded down, for every sum that so many bytes can have.
            *mean = (u32::from(sum).wrapping_mul(self.part) >> 24) as u8;
        }
        Some(means)
    }
}

/// What is known of sixteen windows: features are computed when a tree first asks.
///
/// The work is cut into small functions that are not inlined, each with few things to hold: a compiler for the sandbox that finds
/// one large function keeps everything in memory and nothing in registers.
struct Block {
    sums: Strided,
    row: Row,
    values: Vec<Bytes>,
    /// The number of the block that a value was computed for.
    known: Vec<u32>,
    number: u32,
    /// Which window of the row is the block's first.
    at: u32,
    alive: Bytes,
    totals: [i16; LANES],
}

impl Block {
    fn new() -> Self {
        let mut known = vec![0; FEATURES];
        if let Some(zero) = known.get_mut(ZERO) {
            *zero = u32::MAX;
        }
        Self {
            sums: Strided::default(),
            row: Row::new(),
            values: vec![[0; LANES]; FEATURES],
            known,
            number: 0,
            at: 0,
            alive: [0; LANES],
            totals: [0; LANES],
        }
    }

    /// Looks at `lanes` windows of the row, from the `at`th on: which clear the threshold, and their sums.
    fn look(
        &mut self,
        plan: &Plan,
        at: usize,
        lanes: usize,
        threshold: i32,
    ) -> impl Iterator<Item = (usize, i32)> + use<> {
        self.number += 1;
        self.at = at as u32;
        self.totals = [0; LANES];
        self.alive = std::array::from_fn(|lane| if lane < lanes { 0xff } else { 0 });
        self.walk(&plan.0);
        (0..LANES).zip(self.totals.into_iter().zip(self.alive)).filter_map(move |(lane, (sum, alive))| {
            let sum = i32::from(sum);
            (alive != 0 && sum > threshold).then_some((lane, sum))
        })
    }

    #[inline(never)]
    fn walk(&mut self, steps: &[Step]) {
        for step in steps {
            self.know(step);
            if !self.decide(step) {
                return;
            }
        }
    }

    /// Computes what the step asks for and is not known yet.
    #[inline(never)]
    fn know(&mut self, step: &Step) {
        for Ask { a, b, .. } in step.asks {
            for feature in [a, b] {
                if self.known.get(usize::from(feature)).is_some_and(|known| *known < self.number) {
                    self.compute(usize::from(feature));
                }
            }
        }
    }

    #[inline(never)]
    fn compute(&mut self, feature: usize) {
        let (Some(known), Some(value)) = (self.known.get_mut(feature), self.values.get_mut(feature)) else { return };
        *known = self.number;
        *value = match self.row.corners.get(feature) {
            Some(corners) => corners.means(&self.sums.samples, self.at).unwrap_or([0; LANES]),
            None => self.row.shapes.get(feature - MEANS).map_or([0; LANES], |value| [*value; LANES]),
        };
    }

    /// Adds the leaf of each window, and gives up those that fall below the bar. False where none is left.
    #[inline(never)]
    fn decide(&mut self, step: &Step) -> bool {
        let values: &[Bytes] = &self.values;
        let answers = step.asks.map(|ask| {
            let value = |feature: u16| values.get(usize::from(feature)).unwrap_or(&[0; LANES]);
            let mut answer = [0; LANES];
            for ((answer, a), b) in answer.iter_mut().zip(value(ask.a)).zip(value(ask.b)) {
                *answer = if a.saturating_sub(*b) >= ask.least { 0xff } else { 0 };
            }
            answer
        });
        let leaves = chosen(&answers, &step.leaves);
        for ((sum, alive), leaf) in self.totals.iter_mut().zip(&mut self.alive).zip(leaves) {
            *sum = sum.wrapping_add(i16::from(leaf.cast_signed()));
            *alive &= if *sum >= step.reject { 0xff } else { 0 };
        }
        u128::from_ne_bytes(self.alive) != 0
    }
}

/// The leaf that each window comes to.
fn chosen([q0, q1, q2, q3, q4, q5, q6]: &[Bytes; 7], [a, b, c, d, e, f, g, h]: &[u8; 8]) -> Bytes {
    let leaf = |no: u8, yes: u8, answer: &Bytes| pick(&[no; LANES], &[yes; LANES], answer);
    let left = pick(&leaf(*a, *b, q3), &leaf(*c, *d, q4), q1);
    let right = pick(&leaf(*e, *f, q5), &leaf(*g, *h, q6), q2);
    pick(&left, &right, q0)
}

/// `yes` where the answer is, otherwise `no`.
fn pick(no: &Bytes, yes: &Bytes, answer: &Bytes) -> Bytes {
    let mut out = [0; LANES];
    for (((out, no), yes), answer) in out.iter_mut().zip(no).zip(yes).zip(answer) {
        *out = (no & !answer) | (yes & answer);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::{REJECT, TREES};
    use crate::windows::each;
    use vaern_sdk::{Picture, Size};

    fn picture(width: u16, height: u16, mut sample: impl FnMut(usize, usize) -> u8) -> Picture {
        let size = Size { width, height };
        let mut plane = || (0..size.pixels()).map(|i| sample(i % usize::from(width), i / usize::from(width))).collect();
        Picture { size, factor: 1, red: plane(), green: plane(), blue: plane() }
    }

    /// Blocks of colour with noise over them: pictures that get past the first trees.
    fn blocks(width: u16, height: u16, seed: u32) -> Picture {
        let mut state = seed;
        picture(width, height, |x, y| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let block = ((x / 13) as u32 * 31 + (y / 9) as u32 * 17 + seed).wrapping_mul(2_654_435_761) >> 24;
            (block as u8).saturating_add((state >> 28) as u8)
        })
    }

    #[test]
    fn sixteen_at_a_time_see_what_one_at_a_time_sees() {
        // A bar that every window of the last trees clears, so that sums are compared and not only that there are none.
        let least = vec![i32::from(i16::MIN); REJECT.len()];
        let mut seen = 0;
        for (width, height, seed) in
            [(320, 180, 1), (320, 180, 2), (333, 97, 3), (41, 200, 4), (17, 9, 5), (1, 1, 6), (0, 0, 7)]
        {
            let channels = Channels::of(&blocks(width, height, seed));
            for (reject, threshold) in [(REJECT, crate::trees::THRESHOLD), (&least[..], -200)] {
                let mut one = Vec::new();
                each(channels.width, channels.height, |window| {
                    let sum = score::sum(&channels, &window, TREES, reject);
                    one.extend(sum.filter(|sum| *sum > threshold).map(|sum| (sum, window)));
                });
                let mut many = hits(&channels, TREES, reject, threshold);
                one.sort_unstable();
                many.sort_unstable();
                assert_eq!(one, many, "{width}x{height}");
                seen += one.len();
            }
        }
        assert!(seen > 1000, "{seen} windows compared");
    }

    #[test]
    fn a_mean_by_multiplication_is_the_mean() {
        for area in 1..=AREA as u32 {
            let part = (1_u32 << 24).div_ceil(area);
            for sum in 0..=255 * area {
                assert_eq!(sum.wrapping_mul(part) >> 24, sum / area, "{sum} / {area}");
            }
        }
    }

    #[test]
    fn a_turned_tree_gives_the_same_leaves() {
        let question = |a, b, least| score::Question { a, b, least };
        for least in [-300, -256, -255, -254, -1, 0, 1, 2, 254, 255, 256, 300, i16::MAX, i16::MIN] {
            for b in [1, NONE] {
                let tree = Tree { questions: [question(0, b, least); 7], leaves: [-9, 1, 2, 3, 4, 5, 6, 127] };
                let step = Step::of(&tree, 0).unwrap();
                for (x, y) in
                    [(0_u8, 0_u8), (0, 255), (255, 0), (7, 7), (7, 8), (8, 7), (1, 255), (255, 1), (0, 1), (1, 0)]
                {
                    let expected = score::leaf(&tree, |q| i32::from(x) - if q.b == NONE { 0 } else { i32::from(y) });
                    let value = |f: u16| [x, y].get(usize::from(f)).copied().unwrap_or(0);
                    let answers = step.asks.map(|ask| {
                        let yes = value(ask.a).saturating_sub(value(ask.b)) >= ask.least;
                        [if yes { 0xff } else { 0 }; LANES]
                    });
                    let [leaf, ..] = chosen(&answers, &step.leaves);
                    assert_eq!(i32::from(leaf.cast_signed()), expected, "{least} {b} {x} {y}");
                }
            }
        }
    }
}
