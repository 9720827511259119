//! The bench: one release, loaded as a node loads it, and shown streets. What several tests need is looked at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use vaern_door::{Digest, Grants, Name, Size};
use vaern_inference::{Backend, Model, ModelLimits};
use vaern_policy::PolicySet;
use vaern_sandbox::{Admitted, Compiled, Engine, InProcess, ReceivedFrame, Runner as _, SandboxError, Usage, admit};
use vaern_scenes::{Light, Weather};

use crate::bounds::Bounds;
use crate::candidate::Candidate;
use crate::corpus::{self, Street, Thing};
use crate::fault::{Fault, HOST, Step};
use crate::judge::fairness::{self, Meetings};
use crate::plan::Plan;
use crate::verdict::Said;

/// What all tests of one run share.
pub(crate) struct Bench<'a> {
    pub(crate) candidate: &'a Candidate,
    pub(crate) set: &'a PolicySet,
    pub(crate) backend: &'a dyn Backend,
    pub(crate) plan: Plan,
    pub(crate) bounds: Bounds,
    pub(crate) bounds_digest: Digest,
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    plain: OnceLock<Result<Loaded, Fault>>,
    metered: OnceLock<Result<Loaded, Fault>>,
    survey: OnceLock<Result<Vec<Sight>, Fault>>,
    meetings: OnceLock<Result<Meetings, Fault>>,
    #[cfg(test)]
    pub(crate) rogue: Option<Rogue>,
}

/// A release, compiled and granted.
pub(crate) struct Loaded {
    engine: Engine,
    compiled: Compiled,
    pub(crate) grants: Arc<Grants>,
    models: BTreeMap<Name, Arc<dyn Model>>,
    #[cfg(test)]
    rogue: Option<Rogue>,
}

/// One that looks at frames.
pub(crate) enum Eyes {
    /// The plugin in its sandbox.
    Plugin(Box<InProcess>),
    /// A plugin that a test made up: it knows the truth, and misuses it.
    #[cfg(test)]
    Rogue(Rogue),
}

/// What a made-up plugin says of a street.
#[cfg(test)]
pub(crate) type Rogue = fn(&Street) -> Vec<vaern_door::Detection>;

/// One street, and what the plugin said of it. No pixels.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    pub(crate) things: Vec<Thing>,
    pub(crate) weather: Weather,
    pub(crate) light: Light,
    pub(crate) look: Result<Look, SandboxError>,
}

/// A plugin's answer for one frame, as it came and as it is let out.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) boxes: usize,
    pub(crate) admitted: Admitted,
    pub(crate) usage: Usage,
}

impl Loaded {
    pub(crate) fn eyes(&self) -> Result<Eyes, Fault> {
        #[cfg(test)]
        if let Some(rogue) = self.rogue {
            return Ok(Eyes::Rogue(rogue));
        }
        InProcess::new(&self.engine, &self.compiled, Arc::clone(&self.grants), self.models.clone())
            .map(|plugin| Eyes::Plugin(Box::new(plugin)))
            .map_err(|error| Fault::sandbox(&error, Step::Started))
    }

    /// Shows a frame, and makes the answer canonical as a node would.
    pub(crate) fn look(&self, eyes: &mut Eyes, frame: &ReceivedFrame) -> Result<Look, SandboxError> {
        let answer = match eyes {
            Eyes::Plugin(plugin) => match plugin.detect(frame) {
                // The deadline is wall time: on a busy machine an honest plugin may miss it once. Twice is taken for its own fault.
                Err(SandboxError::DeadlineExceeded) => plugin.detect(frame)?,
                other => other?,
            },
            #[cfg(test)]
            Eyes::Rogue(_) => made_up(Vec::new()),
        };
        let admitted =
            admit(&answer.detections, frame.size(), frame.masked(), &self.grants.labels, &self.grants.output);
        Ok(Look { boxes: answer.detections.len(), admitted, usage: answer.usage })
    }

    /// Shows a street.
    pub(crate) fn see(&self, eyes: &mut Eyes, street: &Street) -> Result<Look, SandboxError> {
        #[cfg(test)]
        if let Eyes::Rogue(rogue) = eyes {
            let (detections, rules) = (rogue(street), &self.grants.output);
            let admitted = admit(&detections, street.size, &street.masked, &self.grants.labels, rules);
            return Ok(Look { boxes: detections.len(), admitted, usage: made_up(Vec::new()).usage });
        }
        self.look(eyes, &street.frame()?)
    }
}

/// An answer without a plugin.
#[cfg(test)]
fn made_up(detections: Vec<vaern_door::Detection>) -> vaern_sandbox::Answer {
    let usage = Usage { wall: Duration::ZERO, memory_bytes: 0, zoom_pixels: 0, fuel: Some(0) };
    vaern_sandbox::Answer { detections, log: Vec::new(), log_dropped: 0, usage }
}

impl<'a> Bench<'a> {
    pub(crate) fn new(
        candidate: &'a Candidate,
        set: &'a PolicySet,
        backend: &'a dyn Backend,
        plan: Plan,
        (bounds, bounds_digest): (Bounds, Digest),
        (seed, workers): (u64, usize),
    ) -> Self {
        let (plain, metered) = (OnceLock::new(), OnceLock::new());
        let (survey, meetings) = (OnceLock::new(), OnceLock::new());
        Self {
            candidate,
            set,
            backend,
            plan,
            bounds,
            bounds_digest,
            seed,
            workers,
            plain,
            metered,
            survey,
            meetings,
            #[cfg(test)]
            rogue: None,
        }
    }

    /// The streets with and without people.
    pub(crate) fn meetings(&self) -> Result<&Meetings, Fault> {
        self.meetings.get_or_init(|| fairness::meet(self)).as_ref().map_err(Clone::clone)
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
            let model = self.backend.load(bytes, &model_limits).map_err(|error| {
                let said = Said::new(format!("modellen `{name}` afvises: {error}"), format!("model `{name}`: {error}"));
                Fault::new("KT-DOR-006P", Step::Models, said)
            })?;
            models.insert(name.clone(), model);
        }
        let loaded = Loaded {
            engine,
            compiled,
            grants: Arc::new(grants),
            models,
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
            if let Some(Err(error)) = first.first().map(|sight| &sight.look) {
                return Err(Fault::sandbox(error, Step::Looked));
            }
            let mut all = first;
            all.extend(self.sights(1..self.plan.street)?);
            Ok(all)
        });
        made.as_deref().map_err(Clone::clone)
    }

    /// The first fault of all: none where every street was answered for.
    pub(crate) fn faults(&self) -> (Vec<(u32, Fault)>, bool) {
        match self.survey() {
            Err(fault) => (vec![(0, fault)], false),
            Ok(sights) => {
                let failed = sights.iter().zip(0..).filter_map(|(sight, case)| {
                    sight.look.as_ref().err().map(|error| (case, Fault::sandbox(error, Step::Looked)))
                });
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
        self.each(loaded, cases, |eyes, case| {
            let street = self.street(case, size)?;
            let look = loaded.see(eyes, &street);
            let Street { things, weather, light, .. } = street;
            Ok(Sight { things, weather, light, look })
        })
    }

    /// The street of a case.
    pub(crate) fn street(&self, case: u32, size: Size) -> Result<Street, Fault> {
        corpus::street(self.seed, case, size).ok_or_else(undrawn)
    }

    /// Does the same for each case on all workers; answers come in the order of the cases, whoever was first.
    pub(crate) fn each<T: Send>(
        &self,
        loaded: &Loaded,
        cases: std::ops::Range<u32>,
        work: impl Fn(&mut Eyes, u32) -> Result<T, Fault> + Sync,
    ) -> Result<Vec<T>, Fault> {
        let next = AtomicU32::new(cases.start);
        let one = || {
            let mut done = Vec::new();
            let mut eyes = loaded.eyes()?;
            loop {
                let case = next.fetch_add(1, Ordering::Relaxed);
                if case >= cases.end {
                    return Ok(done);
                }
                done.push((case, work(&mut eyes, case)?));
            }
        };
        let most = usize::try_from(cases.end.saturating_sub(cases.start)).unwrap_or(usize::MAX);
        let parts: Vec<Result<Vec<(u32, T)>, Fault>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.workers.clamp(1, most.max(1))).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(broken()))).collect()
        });
        let mut all = Vec::new();
        for part in parts {
            all.extend(part?);
        }
        all.sort_by_key(|(case, _)| *case);
        Ok(all.into_iter().map(|(_, value)| value).collect())
    }
}

pub(crate) fn undrawn() -> Fault {
    Fault::new(HOST, Step::Looked, Said::new("en gade kunne ikke tegnes", "a street could not be drawn"))
}

fn broken() -> Fault {
    Fault::new(HOST, Step::Looked, Said::new("en prøvetråd gik ned", "a thread of the suite panicked"))
}
