//! Makes `src/trees.rs` from rendered scenes: `train FOLDER SCENES > src/trees.rs`. The first SCENES of the folder are
//! trained on, the rest chooses the threshold.
//!
//! Gradient boosting on a logistic loss, four rounds: after each, the windows that were wrongly taken for containers
//! join the negatives. Deterministic: the same scenes give the same trees.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a tool: it stops at the first fault"
)]

mod scenes;

use std::collections::HashMap;

use container_classic::tools::{
    CELLS, COUNT, Channels, MEANS, NONE, Question, SHAPES, Tree, Window, channels, each, feature, find, sum,
};
use vaern_sdk::Frame;

const PAIRS: usize = 500;
const TREES: [usize; 4] = [48, 96, 192, 400];
const RATE: f32 = 0.14;
/// Sums are whole numbers of 1/256.
const UNIT: f32 = 256.0;

struct Dice(u64);

impl Dice {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % below
    }
}

/// Windows of one scene: features of each, one byte a feature.
#[derive(Default)]
struct Samples {
    positive: Vec<Vec<u8>>,
    negative: Vec<Vec<u8>>,
}

fn pool() -> Vec<(u16, u16)> {
    let mut dice = Dice(1);
    let mut pool: Vec<(u16, u16)> = (0..MEANS + SHAPES).map(|f| (f as u16, NONE)).collect();
    let cells = CELLS * CELLS;
    while pool.len() < MEANS + SHAPES + PAIRS {
        let channel = dice.next(COUNT);
        let (a, b) = (dice.next(cells), dice.next(cells));
        // Most questions compare cells near each other or one above the other.
        if a != b {
            pool.push(((channel * cells + a) as u16, (channel * cells + b) as u16));
        }
    }
    pool
}

fn byte(pair: (u16, u16), value: impl Fn(u16) -> i32) -> u8 {
    let v = if pair.1 == NONE { value(pair.0) } else { (value(pair.0) - value(pair.1)).div_euclid(2) + 128 };
    v.clamp(0, 255) as u8
}

fn look(channels: &Channels, window: &Window, pool: &[(u16, u16)]) -> Vec<u8> {
    let view = channels.view(window);
    let single: Vec<i32> = (0..(MEANS + SHAPES) as u16).map(|f| feature(channels, &view, window, f)).collect();
    pool.iter().map(|pair| byte(*pair, |f| single[usize::from(f)])).collect()
}

/// The least value of a question in the plugin's own terms.
fn least(pair: (u16, u16), byte: i32) -> i16 {
    (if pair.1 == NONE { byte } else { (byte - 128) * 2 }) as i16
}

fn small(bbox: [f32; 4], factor: u16) -> [f32; 4] {
    bbox.map(|v| v / f32::from(factor))
}

fn boost(samples: &Samples, pool: &[(u16, u16)], count: usize) -> Vec<Tree> {
    let rows: Vec<&[u8]> = samples.positive.iter().chain(&samples.negative).map(Vec::as_slice).collect();
    let right: Vec<f32> = (0..rows.len()).map(|i| if i < samples.positive.len() { 1.0 } else { 0.0 }).collect();
    // Both sides weigh the same, with a lean to the negatives: they are a sample of far more.
    let lean = samples.negative.len() as f32 / samples.positive.len() as f32 / 2.5;
    let weight: Vec<f32> = right.iter().map(|r| if *r > 0.5 { lean.max(0.2) } else { 1.0 }).collect();
    let mut sums = vec![0.0_f32; rows.len()];
    let mut dice = Dice(2);
    let mut trees = Vec::new();
    for _ in 0..count {
        let gradient: Vec<(f32, f32)> = sums
            .iter()
            .zip(&right)
            .zip(&weight)
            .map(|((s, r), w)| {
                let p = 1.0 / (1.0 + (-s).exp());
                (w * (r - p), w * (p * (1.0 - p)).max(1e-4))
            })
            .collect();
        let some: Vec<usize> = (0..pool.len()).filter(|_| dice.next(5) == 0).collect();
        let tree = grow(&rows, &gradient, &some, pool);
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum += f32::from(tree.1(rows[i])) / UNIT;
        }
        trees.push(tree.0);
    }
    trees
}

type Walk = Box<dyn Fn(&[u8]) -> i16>;

fn grow(rows: &[&[u8]], gradient: &[(f32, f32)], some: &[usize], pool: &[(u16, u16)]) -> (Tree, Walk) {
    let never = Question { a: 0, b: NONE, least: i16::MAX };
    let mut tree = Tree { questions: [never; 7], leaves: [0; 8] };
    let mut splits = [(0_usize, 256_i32); 7];
    let mut node_of = vec![0_usize; rows.len()];
    for level in 0..3 {
        let first = (1 << level) - 1;
        let nodes = 1 << level;
        let mut best = vec![(0.0_f32, 0_usize, 256_i32); nodes];
        for f in some {
            let mut bins = vec![[(0.0_f32, 0.0_f32); 64]; nodes];
            for ((row, g), node) in rows.iter().zip(gradient).zip(&node_of) {
                let bin = &mut bins[node - first][usize::from(row[*f] >> 2)];
                bin.0 += g.0;
                bin.1 += g.1;
            }
            for (node, bins) in bins.iter().enumerate() {
                let total = bins.iter().fold((0.0, 0.0), |t, b| (t.0 + b.0, t.1 + b.1));
                let gain = |g: f32, h: f32| g * g / (h + 4.0);
                let mut low = (0.0, 0.0);
                for (at, bin) in bins.iter().enumerate().take(63) {
                    low = (low.0 + bin.0, low.1 + bin.1);
                    let high = (total.0 - low.0, total.1 - low.1);
                    if low.1 < 3.0 || high.1 < 3.0 {
                        continue;
                    }
                    let won = gain(low.0, low.1) + gain(high.0, high.1) - gain(total.0, total.1);
                    if won > best[node].0 {
                        best[node] = (won, *f, (at as i32 + 1) * 4);
                    }
                }
            }
        }
        for (node, (_, f, at)) in best.iter().enumerate() {
            splits[first + node] = (*f, *at);
            if *at < 256 {
                tree.questions[first + node] = Question { a: pool[*f].0, b: pool[*f].1, least: least(pool[*f], *at) };
            }
        }
        for (row, node) in rows.iter().zip(&mut node_of) {
            let (f, at) = splits[*node];
            *node = *node * 2 + 1 + usize::from(i32::from(row[f]) >= at);
        }
    }
    let mut leaves = [(0.0_f32, 0.0_f32); 8];
    for (g, node) in gradient.iter().zip(&node_of) {
        leaves[node - 7].0 += g.0;
        leaves[node - 7].1 += g.1;
    }
    for (leaf, (g, h)) in tree.leaves.iter_mut().zip(leaves) {
        *leaf = (g / (h + 4.0) * RATE * UNIT).clamp(-600.0, 600.0) as i16;
    }
    let leaves = tree.leaves;
    let walk = move |row: &[u8]| {
        let mut node = 0;
        while node < 7 {
            let (f, at) = splits[node];
            node = node * 2 + 1 + usize::from(i32::from(row[f]) >= at);
        }
        leaves[node - 7]
    };
    (tree, Box::new(walk))
}

fn main() {
    let mut args = std::env::args().skip(1);
    let folder = args.next().expect("a folder of rendered scenes");
    let count: usize = args.next().expect("a number of scenes").parse().expect("a number of scenes");
    let pool = pool();
    let mut samples = Samples::default();
    let (mut trees, mut reject): (Vec<Tree>, Vec<i32>) = (Vec::new(), Vec::new());
    for (round, length) in TREES.iter().enumerate() {
        let mut scene_number = 0;
        scenes::read(folder.as_ref(), 0, count, |scene| {
            let mut dice = Dice(scene_number + 1000 * round as u64);
            scene_number += 1;
            let (channels, factor) = channels(&scene.frame).expect("channels");
            let truth: Vec<([f32; 4], bool)> =
                scene.containers.iter().map(|c| (small(c.bbox, factor), scenes::counts(c))).collect();
            let mut near: Vec<Vec<(f32, Window)>> = vec![Vec::new(); truth.len()];
            let mut wrong: Vec<(i32, Window)> = Vec::new();
            each(channels.width, channels.height, |window| {
                let bbox = [window.x0, window.y0, window.x1, window.y1].map(|v| v as f32);
                let mut most = 0.0_f32;
                for (i, (truth, counts)) in truth.iter().enumerate() {
                    let iou = scenes::iou(bbox, *truth);
                    most = most.max(iou);
                    if round == 0 && *counts && iou >= 0.6 {
                        near[i].push((iou, window));
                    }
                }
                if most < 0.3 {
                    if round == 0 {
                        if dice.next(3000) == 0 {
                            wrong.push((0, window));
                        }
                    } else if let Some(sum) = sum(&channels, &window, &trees, &reject)
                        && sum > -200
                    {
                        wrong.push((-sum, window));
                    }
                }
            });
            for near in &mut near {
                near.sort_by(|a, b| b.0.total_cmp(&a.0));
                samples.positive.extend(near.iter().take(12).map(|(_, window)| look(&channels, window, &pool)));
            }
            // The worst mistakes, and some of the rest so that one spot does not speak for the whole scene.
            wrong.sort_unstable();
            let step = (wrong.len() / 14).max(1);
            let (head, rest) = wrong.split_at(wrong.len().min(14));
            let chosen = head.iter().chain(rest.iter().step_by(step).take(14));
            samples.negative.extend(chosen.map(|(_, window)| look(&channels, window, &pool)));
        });
        eprintln!("round {round}: {} positives, {} negatives", samples.positive.len(), samples.negative.len());
        trees = boost(&samples, &pool, *length);
        reject = bounds(&samples, &trees, &pool, i32::MIN);
    }
    let threshold = choose(folder.as_ref(), count, &trees, &reject);
    print(&trees, &bounds(&samples, &trees, &pool, threshold), threshold);
}

/// The threshold at which recall and precision balance best on the scenes of the folder that were not trained on.
fn choose(folder: &std::path::Path, trained: usize, trees: &[Tree], reject: &[i32]) -> i32 {
    let (mut answers, mut asked) = (Vec::<(i32, bool)>::new(), 0_u32);
    scenes::read(folder, trained, usize::MAX, |scene| {
        let (channels, factor) = channels(&scene.frame).expect("channels");
        asked += scene.containers.iter().filter(|c| scenes::counts(c)).count() as u32;
        let mut taken = vec![false; scene.containers.len()];
        for (sum, r) in find(&channels, scene.frame.size(), factor, trees, reject, 0) {
            let bbox = [r.x, r.y, r.x + r.width, r.y + r.height].map(f32::from);
            match scenes::judge(bbox, &scene.containers, &mut taken) {
                scenes::Verdict::Right => answers.push((sum, true)),
                scenes::Verdict::Wrong => answers.push((sum, false)),
                scenes::Verdict::Unasked => {}
            }
        }
    });
    answers.sort_unstable_by_key(|(sum, right)| (-*sum, *right));
    let (mut right, mut best) = (0_u32, (0.0, 0));
    for (at, (sum, is_right)) in answers.iter().enumerate() {
        right += u32::from(*is_right);
        let balance = 2.0 * f64::from(right) / (at as f64 + 1.0 + f64::from(asked));
        if balance > best.0 {
            best = (balance, *sum - 1);
            eprintln!(
                "    {sum}: recall {:.3} precision {:.3}",
                f64::from(right) / f64::from(asked),
                f64::from(right) / (at as f64 + 1.0)
            );
        }
    }
    best.1
}

/// Per tree, the sum below which a window is given up: almost no window that clears the threshold in the end is.
fn bounds(samples: &Samples, trees: &[Tree], pool: &[(u16, u16)], threshold: i32) -> Vec<i32> {
    let index: HashMap<(u16, u16), usize> = pool.iter().enumerate().map(|(i, pair)| (*pair, i)).collect();
    let walk = |row: &[u8], tree: &Tree| {
        let mut node = 0;
        while node < 7 {
            let q = tree.questions[node];
            let value = i32::from(row[index[&(q.a, q.b)]]);
            let value = if q.b == NONE { value } else { (value - 128) * 2 };
            node = node * 2 + 1 + usize::from(value >= i32::from(q.least));
        }
        i32::from(tree.leaves[node - 7])
    };
    let mut sums: Vec<Vec<i32>> = Vec::new();
    for row in samples.positive.iter().step_by(3) {
        let mut sum = 0;
        sums.push(
            trees
                .iter()
                .map(|tree| {
                    sum += walk(row, tree);
                    sum
                })
                .collect(),
        );
    }
    sums.sort_by_key(|s| *s.last().expect("trees"));
    // The hopeless twentieth does not hold the bounds down.
    let hopeless = sums.len() / 20;
    let kept: Vec<&Vec<i32>> = sums.iter().skip(hopeless).filter(|s| *s.last().expect("trees") > threshold).collect();
    (0..trees.len())
        .map(|t| {
            let mut at: Vec<i32> = kept.iter().map(|s| s[t]).collect();
            at.sort_unstable();
            at[at.len() / 150] - 10
        })
        .collect()
}

fn print(trees: &[Tree], reject: &[i32], threshold: i32) {
    println!("//! Made by `examples/train.rs`. Not edited by hand.\n");
    println!("use crate::score::{{Question, Tree}};\n");
    println!("/// Windows with a larger sum are containers.\npub(crate) const THRESHOLD: i32 = {threshold};\n");
    println!(
        "/// A window is given up when its sum is below this after each tree.\n#[rustfmt::skip]\npub(crate) const REJECT: &[i32] = &{reject:?};\n"
    );
    println!("const fn q(a: u16, b: u16, least: i16) -> Question {{\n    Question {{ a, b, least }}\n}}\n");
    println!("/// The trees.\n#[rustfmt::skip]\npub(crate) const TREES: &[Tree] = &[");
    for tree in trees {
        let questions: Vec<String> =
            tree.questions.iter().map(|q| format!("q({}, {}, {})", q.a, q.b, q.least)).collect();
        println!("    Tree {{ questions: [{}], leaves: {:?} }},", questions.join(", "), tree.leaves);
    }
    println!("];");
}
