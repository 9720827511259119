//! The bench: one release, loaded as a node loads it, and shown streets. What several tests need is looked at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vaern_door::Size;
use vaern_inference::{Backend, InferenceError, ModelLimits};
use vaern_policy::PolicySet;
use vaern_sandbox::{Engine, SandboxError};
use vaern_scenes::{Light, Weather};

use crate::bounds::Bounds;
use crate::candidate::Candidate;
use crate::coco::Seen;
use crate::corpus::{self, Street, Thing};
pub(crate) use crate::eyes::{Eyes, Loaded, Look, Stopped};
use crate::fault::{Fault, HOST, Step};
use crate::journal::Journal;
use crate::judge::fairness::{self, Meetings};
use crate::judge::real;
use crate::plan::Plan;
use crate::run::{Given, Progress};
use crate::sealed::may_be_kept;
use crate::verdict::Said;

/// Streets that are kept once drawn: 180 MB at most, of 1280 x 720 pixels.
const KEPT: usize = 64;

/// What all tests of one run share.
pub(crate) struct Bench<'a> {
    pub(crate) candidate: &'a Candidate,
    pub(crate) set: &'a PolicySet,
    pub(crate) backend: &'a dyn Backend,
    pub(crate) plan: Plan,
    pub(crate) bounds: Bounds,
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    /// What a stopped run found out, and where more is written down.
    pub(crate) journal: &'a Journal,
    /// Hears how far a part of the run is.
    pub(crate) progress: Progress<'a>,
    drawn: Mutex<BTreeMap<(u32, u16, u16), Arc<Street>>>,
    plain: OnceLock<Result<Loaded, Fault>>,
    metered: OnceLock<Result<Loaded, Fault>>,
    survey: OnceLock<Result<Vec<Sight>, Fault>>,
    meetings: OnceLock<Result<Meetings, Fault>>,
    pictures: OnceLock<Result<Vec<Seen>, Fault>>,
    /// What the city or the vendor gave beside the release.
    pub(crate) given: Given<'a>,
    #[cfg(test)]
    pub(crate) rogue: Option<Rogue>,
    #[cfg(test)]
    pub(crate) clock: Option<fn() -> Duration>,
}

/// What a made-up plugin says of a street.
#[cfg(test)]
pub(crate) type Rogue = fn(&Street) -> Vec<vaern_door::Detection>;

/// One street, and what the plugin said of it. No pixels.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sight {
    pub(crate) things: Vec<Thing>,
    pub(crate) weather: Weather,
    pub(crate) light: Light,
    pub(crate) look: Result<Look, Fault>,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(
        (candidate, set): (&'a Candidate, &'a PolicySet),
        backend: &'a dyn Backend,
        plan: Plan,
        bounds: Bounds,
        (seed, workers): (u64, usize),
        (journal, progress): (&'a Journal, Progress<'a>),
        given: Given<'a>,
    ) -> Self {
        let (plain, metered) = (OnceLock::new(), OnceLock::new());
        let (survey, meetings, pictures) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self {
            candidate,
            set,
            backend,
            plan,
            bounds,
            seed,
            workers,
            journal,
            progress,
            drawn: Mutex::default(),
            plain,
            metered,
            survey,
            meetings,
            pictures,
            given,
            #[cfg(test)]
            rogue: None,
            #[cfg(test)]
            clock: None,
        }
    }

    #[cfg(test)]
    fn processor(&self) -> fn() -> Duration {
        self.clock.unwrap_or(crate::patience::processor)
    }

    #[cfg(not(test))]
    const fn processor(&self) -> fn() -> Duration {
        crate::patience::processor
    }

    /// The streets with and without people.
    pub(crate) fn meetings(&self) -> Result<&Meetings, Fault> {
        self.meetings.get_or_init(|| fairness::meet(self)).as_ref().map_err(Clone::clone)
    }

    /// What was said of the labelled pictures. Of a sealed corpus nothing is written down on the way.
    pub(crate) fn pictures(&self) -> Result<&[Seen], Fault> {
        let made = self.pictures.get_or_init(|| {
            let corpus = self.given.corpus().ok_or_else(|| {
                let said = Said::new("der er ikke givet mærkede billeder", "no labelled pictures were given");
                Fault::new(HOST, Step::Looked, said)
            })?;
            // A plugin that could not answer for the first street is not asked again.
            if let Some(Err(fault)) = self.survey.get() {
                return Err(fault.clone());
            }
            let loaded = self.plain()?;
            let size = loaded.grants.frame;
            let count = u32::try_from(corpus.pictures.len()).unwrap_or(u32::MAX);
            let work = |eyes: &mut Eyes, case: u32| {
                let number = usize::try_from(case).unwrap_or(usize::MAX);
                let street = real::picture(self, number, size)?;
                let look = match loaded.see(eyes, &street).map_err(|stopped| stopped.fault(Step::Looked)) {
                    Err(fault) if fault.owner == HOST => return Err(fault),
                    look => look,
                };
                let groups = corpus.pictures.get(number).map(|picture| picture.groups.clone()).unwrap_or_default();
                Ok(Seen { things: street.things, groups, look })
            };
            if may_be_kept(self.given.sealed.is_some()) {
                return self.each("picture", loaded, 0..count, work);
            }
            let cases: Vec<u32> = (0..count).collect();
            Ok(self.shared("picture", loaded, &cases, work)?.into_iter().map(|(_, seen)| seen).collect())
        });
        made.as_deref().map_err(Clone::clone)
    }

    /// The release as a node runs it, but for the wall.
    pub(crate) fn plain(&self) -> Result<&Loaded, Fault> {
        self.plain.get_or_init(|| self.load(Engine::new())).as_ref().map_err(Clone::clone)
    }

    /// The release with its instructions counted.
    pub(crate) fn metered(&self) -> Result<&Loaded, Fault> {
        self.metered.get_or_init(|| self.load(Engine::metered())).as_ref().map_err(Clone::clone)
    }

    fn load(&self, engine: Result<Engine, SandboxError>) -> Result<Loaded, Fault> {
        let fault = |error: SandboxError| Fault::sandbox(&error, Step::Valid);
        let engine = engine.map_err(fault)?;
        let limits = &self.set.profile.limits;
        let compiled = engine.compile(&self.candidate.component, limits).map_err(fault)?;
        let grants = self.set.grants(&self.candidate.manifest).map_err(|error| {
            let said = Said::new(format!("mere end byens regler giver: {error}"), error.to_string());
            Fault::new("KT-DOR-005N", Step::Grants, said)
        })?;
        let mut models = BTreeMap::new();
        let model_limits = ModelLimits { bytes: limits.model_bytes, ..ModelLimits::default() };
        for (name, bytes) in &self.candidate.models {
            let refused = |error: InferenceError| {
                let said = Said::new(format!("modellen `{name}` afvises: {error}"), format!("model `{name}`: {error}"));
                Fault::new("KT-DOR-006P", Step::Models, said)
            };
            let classes = vaern_inference::named_classes(bytes).map_err(|reason| refused(reason.into()))?;
            self.set.classes(name, &classes).map_err(|error| {
                let said = Said::new(format!("mere end byens regler giver: {error}"), error.to_string());
                Fault::new("KT-DOR-005N", Step::Grants, said)
            })?;
            let model = vaern_inference::load_vendors(self.backend, bytes, &model_limits).map_err(refused)?;
            models.insert(name.clone(), model);
        }
        let loaded = Loaded {
            engine,
            compiled,
            grants: Arc::new(grants),
            models,
            processor: self.processor(),
            #[cfg(test)]
            rogue: self.rogue,
        };
        // Shows once whether it starts and describes itself.
        loaded.eyes()?;
        Ok(loaded)
    }

    /// What was said of the run's streets. The first street is shown alone: a plugin that cannot answer for it is not asked again.
    pub(crate) fn survey(&self) -> Result<&[Sight], Fault> {
        let made = self.survey.get_or_init(|| {
            let first = self.sights(0..1)?;
            if let Some(Err(fault)) = first.first().map(|sight| &sight.look) {
                return Err(fault.clone());
            }
            let mut all = first;
            all.extend(self.sights(1..self.plan.street)?);
            Ok(all)
        });
        made.as_deref().map_err(Clone::clone)
    }

    /// What was said of the first streets, as many as are looked at again: without the rest where nobody has asked for it.
    pub(crate) fn first(&self) -> Result<Vec<Sight>, Fault> {
        let again = usize::try_from(self.plan.again).unwrap_or(usize::MAX);
        match self.survey.get() {
            Some(Ok(all)) => Ok(all.iter().take(again).cloned().collect()),
            Some(Err(fault)) => Err(fault.clone()),
            None => self.sights(0..self.plan.again.min(self.plan.street)),
        }
    }

    /// The survey, if some test has asked for it and it could be made.
    pub(crate) fn surveyed(&self) -> Option<&[Sight]> {
        self.survey.get().and_then(|survey| survey.as_deref().ok())
    }

    /// The first fault of all: none where every street was answered for.
    pub(crate) fn faults(&self) -> (Vec<(u32, Fault)>, bool) {
        match self.survey() {
            Err(fault) => (vec![(0, fault)], false),
            Ok(sights) => {
                let failed = sights
                    .iter()
                    .zip(0..)
                    .filter_map(|(sight, case)| sight.look.as_ref().err().map(|fault| (case, fault.clone())));
                (failed.collect(), true)
            }
        }
    }

    /// Times of the looks that were made, in the order of the cases.
    pub(crate) fn walls(&self) -> Vec<Duration> {
        let made = self.survey.get().and_then(|survey| survey.as_ref().ok());
        made.into_iter().flatten().filter_map(|sight| Some(sight.look.as_ref().ok()?.usage.wall)).collect()
    }

    fn sights(&self, cases: std::ops::Range<u32>) -> Result<Vec<Sight>, Fault> {
        let loaded = self.plain()?;
        let size = loaded.grants.frame;
        self.each("street", loaded, cases, |eyes, case| {
            let street = self.street(case, size)?;
            let look = loaded.see(eyes, &street).map_err(|stopped| stopped.fault(Step::Looked));
            // A fault of the machine says nothing of the plugin, and is nothing to remember.
            let look = match look {
                Err(fault) if fault.owner == HOST => return Err(fault),
                other => other,
            };
            let (things, weather, light) = (street.things.clone(), street.weather, street.light);
            Ok(Sight { things, weather, light, look })
        })
    }

    /// The street of a case. Many tests look at the same streets: those that are asked for first are drawn once.
    pub(crate) fn street(&self, case: u32, size: Size) -> Result<Arc<Street>, Fault> {
        let kept = || self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (case, size.width(), size.height());
        if let Some(street) = kept().get(&key) {
            return Ok(Arc::clone(street));
        }
        // Drawn outside of the lock: two threads may draw the same, and both draw the same.
        let street = Arc::new(corpus::street(self.seed, case, size).ok_or_else(undrawn)?);
        let mut kept = kept();
        if kept.len() < KEPT {
            kept.insert(key, Arc::clone(&street));
        }
        Ok(street)
    }

    /// Does the same for each case on all workers; answers come in the order of the cases, whoever was first. What a stopped run
    /// knows of this part already is taken from there, and what is found out is written down.
    pub(crate) fn each<T: Send + Serialize + DeserializeOwned>(
        &self,
        part: &str,
        loaded: &Loaded,
        cases: std::ops::Range<u32>,
        work: impl Fn(&mut Eyes, u32) -> Result<T, Fault> + Sync,
    ) -> Result<Vec<T>, Fault> {
        let mut all: BTreeMap<u32, T> =
            cases.clone().filter_map(|case| Some((case, self.journal.known(part, case)?))).collect();
        let open: Vec<u32> = cases.clone().filter(|case| !all.contains_key(case)).collect();
        let new = self.shared(part, loaded, &open, |eyes, case| {
            let value = work(eyes, case)?;
            self.journal.note(part, case, &value);
            Ok(value)
        })?;
        all.extend(new);
        Ok(all.into_values().collect())
    }

    /// Shares cases among the workers. Nothing is written down.
    pub(crate) fn shared<T: Send>(
        &self,
        part: &str,
        loaded: &Loaded,
        cases: &[u32],
        work: impl Fn(&mut Eyes, u32) -> Result<T, Fault> + Sync,
    ) -> Result<Vec<(u32, T)>, Fault> {
        let (next, done, most) = (AtomicUsize::new(0), AtomicUsize::new(0), cases.len());
        let one = || {
            let mut found = Vec::new();
            let mut eyes = loaded.eyes()?;
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                found.push((*case, work(&mut eyes, *case)?));
                (self.progress)(part, done.fetch_add(1, Ordering::Relaxed) + 1, most);
            }
            Ok(found)
        };
        if cases.is_empty() {
            return Ok(Vec::new());
        }
        let parts: Vec<Result<Vec<(u32, T)>, Fault>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.workers.clamp(1, most)).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(broken()))).collect()
        });
        let mut all = Vec::new();
        for part in parts {
            all.extend(part?);
        }
        all.sort_by_key(|(case, _)| *case);
        Ok(all)
    }
}

pub(crate) fn undrawn() -> Fault {
    Fault::new(HOST, Step::Looked, Said::new("en gade kunne ikke tegnes", "a street could not be drawn"))
}

fn broken() -> Fault {
    Fault::new(HOST, Step::Looked, Said::new("en prøvetråd gik ned", "a thread of the suite panicked"))
}
