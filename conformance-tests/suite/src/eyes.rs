//! A release that was compiled and granted, and what looks at frames with it: the deadline judged by processor time (`patience`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vaern_door::{AdmittedDetection, Grants, Name};
use vaern_inference::Model;
use vaern_sandbox::{
    Admitted, Answer, Compiled, Engine, InProcess, ReceivedFrame, Runner as _, SandboxError, Usage, admit,
};

#[cfg(test)]
use crate::bench::Rogue;
use crate::corpus::Street;
use crate::fault::{Fault, HOST, Step};
use crate::keep::KeptLook;
use crate::patience::{self, PATIENCE, Shown};
use crate::verdict::Said;

/// A release, compiled and granted.
pub(crate) struct Loaded {
    pub(crate) engine: Engine,
    pub(crate) compiled: Compiled,
    pub(crate) grants: Arc<Grants>,
    pub(crate) models: BTreeMap<Name, Arc<dyn Model>>,
    /// The clock of the thread's processor time; tests put another in its place.
    pub(crate) processor: fn() -> std::time::Duration,
    #[cfg(test)]
    pub(crate) rogue: Option<Rogue>,
}

/// One that looks at frames.
pub(crate) enum Eyes {
    /// The plugin in its sandbox, once for each patience that was needed so far.
    Plugin(Vec<InProcess>),
    /// A plugin that a test made up: it knows the truth, and misuses it.
    #[cfg(test)]
    Rogue(Rogue),
}

/// A plugin's answer for one frame, as it came and as it is let out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "KeptLook", into = "KeptLook")]
pub(crate) struct Look {
    pub(crate) boxes: usize,
    pub(crate) admitted: Admitted,
    pub(crate) usage: Usage,
}

/// What kept a plugin from answering.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The sandbox stopped it.
    Sandbox(SandboxError),
    /// The machine gave it no time, however long it was waited for.
    Starved,
}

impl Stopped {
    /// Who answers for it. `step` is how far the plugin was.
    pub(crate) fn fault(&self, step: Step) -> Fault {
        match self {
            Self::Sandbox(error) => Fault::sandbox(error, step),
            Self::Starved => {
                let said = Said::new(
                    "maskinen gav ikke plugin'et tid nok til at svare; kør prøverne, hvor ikke andet kører",
                    "the machine gave the plugin too little time to answer; run the suite where nothing else runs",
                );
                Fault::new(HOST, step, said)
            }
        }
    }
}

impl Loaded {
    pub(crate) fn eyes(&self) -> Result<Eyes, Fault> {
        #[cfg(test)]
        if let Some(rogue) = self.rogue {
            return Ok(Eyes::Rogue(rogue));
        }
        let first = self.patiently(|times| self.runner(times)).map_err(|stopped| stopped.fault(Step::Started))?;
        Ok(Eyes::Plugin(vec![first]))
    }

    /// The plugin with a deadline that is so many times as long on the wall.
    fn runner(&self, times: u32) -> Result<InProcess, SandboxError> {
        let mut grants = (*self.grants).clone();
        grants.limits.deadline_ms = grants.limits.deadline_ms.saturating_mul(times);
        InProcess::new(&self.engine, &self.compiled, Arc::new(grants), self.models.clone())
    }

    /// Does something under the deadline, and again with more wall time as long as it was given no processor.
    fn patiently<T>(&self, mut attempt: impl FnMut(u32) -> Result<T, SandboxError>) -> Result<T, Stopped> {
        let deadline = self.grants.limits.deadline();
        for times in PATIENCE {
            let begun = (self.processor)();
            let ended = attempt(times);
            let spent = (self.processor)().saturating_sub(begun);
            let answered = match &ended {
                Err(SandboxError::DeadlineExceeded) => false,
                Err(_) => return ended.map_err(Stopped::Sandbox),
                // The wall's own deadline has not passed: neither has the processor's.
                Ok(_) if times == 1 => return ended.map_err(Stopped::Sandbox),
                Ok(_) => true,
            };
            match patience::judge(answered, spent, deadline) {
                Shown::InTime => return ended.map_err(Stopped::Sandbox),
                Shown::Overran => return Err(Stopped::Sandbox(SandboxError::DeadlineExceeded)),
                Shown::Starved => {}
            }
        }
        Err(Stopped::Starved)
    }

    fn answer(&self, runners: &mut Vec<InProcess>, frame: &ReceivedFrame) -> Result<Answer, Stopped> {
        self.patiently(|times| {
            let at = PATIENCE.iter().position(|known| *known == times).unwrap_or(0);
            if runners.get(at).is_none() {
                runners.push(self.runner(times)?);
            }
            runners.get_mut(at).ok_or(SandboxError::Setup("runner"))?.detect(frame)
        })
    }

    /// Shows a frame, and makes the answer canonical as a node would.
    pub(crate) fn look(&self, eyes: &mut Eyes, frame: &ReceivedFrame) -> Result<Look, Stopped> {
        let answer = match eyes {
            Eyes::Plugin(runners) => self.answer(runners, frame)?,
            #[cfg(test)]
            Eyes::Rogue(_) => made_up(Vec::new()),
        };
        let admitted =
            admit(&answer.detections, frame.size(), frame.masked(), &self.grants.labels, &self.grants.output);
        Ok(Look { boxes: answer.detections.len(), admitted, usage: answer.usage })
    }

    /// Shows a street.
    pub(crate) fn see(&self, eyes: &mut Eyes, street: &Street) -> Result<Look, Stopped> {
        #[cfg(test)]
        if let Eyes::Rogue(rogue) = eyes {
            let (detections, rules) = (rogue(street), &self.grants.output);
            let admitted = admit(&detections, street.size, &street.masked, &self.grants.labels, rules);
            return Ok(Look { boxes: detections.len(), admitted, usage: made_up(Vec::new()).usage });
        }
        self.look(eyes, &street.frame().map_err(Stopped::Sandbox)?)
    }
}

impl Loaded {
    /// The instructions that a street cost, where they are counted and the plugin answered.
    ///
    /// # Errors
    /// Where the machine gave it no time.
    pub(crate) fn fuel(&self, eyes: &mut Eyes, street: &Street) -> Result<Option<u64>, Fault> {
        match self.see(eyes, street) {
            Ok(look) => Ok(look.usage.fuel),
            Err(stopped) => Some(stopped.fault(Step::Looked)).filter(|fault| fault.owner == HOST).map_or(Ok(None), Err),
        }
    }

    /// The boxes on a street; none where the plugin was stopped: another test answers for that.
    ///
    /// # Errors
    /// Where the machine gave it no time.
    pub(crate) fn boxes(&self, eyes: &mut Eyes, street: &Street) -> Result<Vec<AdmittedDetection>, Fault> {
        match self.see(eyes, street) {
            Ok(look) => Ok(look.admitted.detections),
            Err(stopped) => {
                Some(stopped.fault(Step::Looked)).filter(|fault| fault.owner == HOST).map_or(Ok(Vec::new()), Err)
            }
        }
    }
}

/// An answer without a plugin.
#[cfg(test)]
fn made_up(detections: Vec<vaern_door::Detection>) -> Answer {
    let usage = Usage { wall: std::time::Duration::ZERO, memory_bytes: 0, zoom_pixels: 0, fuel: Some(0) };
    Answer { detections, log: Vec::new(), log_dropped: 0, usage }
}
