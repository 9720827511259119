//! How good a merging is, with intervals.

use std::collections::{BTreeMap, BTreeSet};

use vaern_proposals::{Drive, merge, place};

use super::{Driven, World, degrees};

/// A share, and how sure it is: Wilson's interval at 95 %.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Share {
    pub(crate) good: usize,
    pub(crate) all: usize,
}

impl Share {
    pub(crate) fn count(&mut self, good: bool) {
        self.all += 1;
        self.good += usize::from(good);
    }

    pub(crate) fn share(&self) -> f64 {
        if self.all == 0 { 0.0 } else { self.good as f64 / self.all as f64 }
    }

    pub(crate) fn text(&self) -> String {
        let (n, p, z) = (self.all.max(1) as f64, self.share(), 1.96_f64);
        let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        format!("{:.3} ({}/{}; {:.3} to {:.3})", p, self.good, self.all, middle - half, middle + half)
    }
}

/// The figures of a merging.
#[derive(Debug, Default)]
pub(crate) struct Score {
    /// Distinct objects that proposals stand for, of all proposals that hold finds of any: the rest are one object a second time.
    pub(crate) precision: Share,
    /// Distinct objects that a proposal stands for, of those that were found at all: the rest were merged into another.
    pub(crate) recall: Share,
    /// Proposals that hold finds of one object only, of those that hold finds of any.
    pub(crate) pure: Share,
    /// Objects with one proposal only, of those that were found at all.
    pub(crate) whole: Share,
    /// The same for objects in rows.
    pub(crate) whole_in_rows: Share,
    pub(crate) whole_alone: Share,
    /// Proposals of one object whose true place lies within the stated radius.
    pub(crate) within: Share,
    /// Finds that are in the proposal which has most finds of their object, and that proposal is mostly theirs.
    pub(crate) finds: Share,
    pub(crate) objects: usize,
    pub(crate) found: usize,
    pub(crate) proposals: usize,
    /// Proposals that hold finds of nothing only.
    pub(crate) of_nothing: usize,
    pub(crate) errors: Vec<f64>,
    pub(crate) stated: Vec<f64>,
}

impl Score {
    pub(crate) fn of(world: &World, driven: &[Driven]) -> Self {
        let drives: Vec<Drive> = driven.iter().map(|d| d.drive.clone()).collect();
        let truth: BTreeMap<&str, Option<usize>> =
            driven.iter().flat_map(|d| d.truth.iter().map(|(id, thing)| (id.as_str(), *thing))).collect();
        let finds: BTreeMap<&str, (&str, _)> = drives
            .iter()
            .flat_map(|d| d.finds.iter().map(|f| (f.id.as_str(), (d.name.as_str(), f.estimate))))
            .collect();
        let merged = merge(&drives, &[]);
        let mut score = Self { objects: world.things.len(), proposals: merged.len(), ..Self::default() };
        let mut of_thing: BTreeMap<usize, BTreeMap<&str, usize>> = BTreeMap::new();
        let mut of_proposal: BTreeMap<&str, BTreeMap<usize, usize>> = BTreeMap::new();
        for object in &merged {
            for find in &object.finds {
                if let Some(thing) = truth[find.as_str()] {
                    *of_thing.entry(thing).or_default().entry(&object.id).or_default() += 1;
                    *of_proposal.entry(&object.id).or_default().entry(thing).or_default() += 1;
                }
            }
            let Some(things) = of_proposal.get(object.id.as_str()) else {
                score.of_nothing += 1;
                continue;
            };
            score.pure.count(things.len() == 1);
            if let [thing] = things.keys().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()[..] {
                let placed = place(object.finds.iter().filter_map(|id| {
                    let (drive, estimate) = &finds[id.as_str()];
                    estimate.as_ref().map(|estimate| (*drive, estimate))
                }));
                let placed = placed.unwrap();
                let (latitude, longitude) = degrees(world.things[thing].at);
                let north = (placed.latitude - latitude) * 111_340.0;
                let east = (placed.longitude - longitude) * 111_320.0 * latitude.to_radians().cos();
                let error = north.hypot(east);
                score.within.count(error <= placed.error_m);
                score.errors.push(error);
                score.stated.push(placed.error_m);
            }
        }
        // A proposal stands for the object that most of its finds are of.
        let stands_for = |things: &BTreeMap<usize, usize>| *things.iter().max_by_key(|(t, n)| (**n, **t)).unwrap().0;
        let mut spoken_for = BTreeSet::new();
        for things in of_proposal.values() {
            score.precision.count(spoken_for.insert(stands_for(things)));
        }
        for thing in of_thing.keys() {
            score.recall.count(spoken_for.contains(thing));
        }
        for (thing, proposals) in &of_thing {
            score.whole.count(proposals.len() == 1);
            let part = if world.things[*thing].in_row { &mut score.whole_in_rows } else { &mut score.whole_alone };
            part.count(proposals.len() == 1);
            let (main, most) = proposals.iter().max_by_key(|(id, n)| (**n, **id)).unwrap();
            let theirs = stands_for(&of_proposal[main]) == *thing;
            for _ in 0..proposals.values().sum::<usize>() - most {
                score.finds.count(false);
            }
            for _ in 0..*most {
                score.finds.count(theirs);
            }
        }
        score.found = of_thing.len();
        score.errors.sort_by(f64::total_cmp);
        score.stated.sort_by(f64::total_cmp);
        score
    }

    pub(crate) fn lines(&self) -> String {
        let at = |all: &[f64], share: f64| all.get((all.len() as f64 * share) as usize).copied().unwrap_or_default();
        format!(
            "objects {} found {} proposals {} of nothing {}\n\
             distinct-object precision      {}\n\
             distinct-object recall         {}\n\
             proposals of one object only   {}\n\
             objects with one proposal only {}\n  alone   {}\n  in rows {}\n\
             finds in the right proposal    {}\n\
             true place within the radius   {}; error median {:.1} m, 95 % {:.1} m; stated median {:.1} m\n",
            self.objects,
            self.found,
            self.proposals,
            self.of_nothing,
            self.precision.text(),
            self.recall.text(),
            self.pure.text(),
            self.whole.text(),
            self.whole_alone.text(),
            self.whole_in_rows.text(),
            self.finds.text(),
            self.within.text(),
            at(&self.errors, 0.5),
            at(&self.errors, 0.95),
            at(&self.stated, 0.5),
        )
    }
}
