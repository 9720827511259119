//! `vaern corpus key|seal|show|gate|commit|deviations|attempts`: the city's sealed corpus, the seeds that it commits to, and who has tried how often.

use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, OpenOptions};
use clap::Subcommand;
use serde::Serialize;
use vaern_conformance::{
    About, AttemptError, Attempts, Commitment, Corpus, CorpusError, Deviations, Entered, For, GateResult,
    GateUnderTest, Opening, Profile, Sealed, SuiteError, attempts_of_each, commit, seal,
};
use vaern_door::{Blame, Digest, Krav, Name, Size};
use vaern_privacy::{CameraSet, FenceSet, Gate, MaskingPolicy};
use vaern_record::evidence::Secret;
use vaern_trust::{Authority, SigningKeyPair, TrustRoot, open_file, sign_file};
use zeroize::{Zeroize as _, Zeroizing};

use crate::commands::approve::signers;
use crate::commands::conform::this_host;
use crate::commands::gate::{self, Engine, Purpose, now, trust_root};
use crate::commands::run::with_progress;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make the key that a corpus is sealed with: for the city only, and never beside the corpus.
    Key {
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Seal a corpus: masked pictures with `corpus.json` in COCO form, `triggers/*.jpg`, and `generator.toml`.
    Seal {
        /// The directory of the corpus.
        from: PathBuf,
        /// Its key file.
        #[arg(long)]
        key: PathBuf,
        /// Raw pictures with people, faces and plates, for the gate alone: never shown to a plugin.
        #[arg(long)]
        people: bool,
        /// An empty directory.
        #[arg(long)]
        out: PathBuf,
    },
    /// What a sealed corpus holds, in numbers.
    Show {
        /// The sealed corpus.
        corpus: PathBuf,
        /// Its key file.
        #[arg(long)]
        key: PathBuf,
        /// It is one of people, for the gate.
        #[arg(long)]
        people: bool,
    },
    /// How much of the people on labelled pictures the gate covers, by condition: host-side evidence. Counts only.
    Gate(Box<GateArgs>),
    /// Draw a seed for `vaern conform --profile authority`, and sign the hash of it: publish the commitment before releases come in.
    Commit {
        /// The trust root.
        #[arg(long)]
        trust: PathBuf,
        /// Secret key file of a role of the city.
        #[arg(long = "sign", value_name = "FILE")]
        sign: PathBuf,
        /// Directory for `commitment.json` (to publish) and `seed.secret.toml` (to keep until the run).
        #[arg(long)]
        out: PathBuf,
    },
    /// Sign a list of deviations (`[[deviations]]` with test, krav, release, owner, reason, expires) for `vaern conform --deviations`.
    Deviations {
        /// The list, in TOML.
        list: PathBuf,
        /// The trust root.
        #[arg(long)]
        trust: PathBuf,
        /// Secret key file of a role of the city.
        #[arg(long = "sign", value_name = "FILE")]
        sign: PathBuf,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// The ledger of attempts: verified, and counted for each vendor.
    Attempts {
        /// The directory of the ledger.
        ledger: PathBuf,
        /// The trust root.
        #[arg(long)]
        trust: PathBuf,
    },
}

const fn used(people: bool) -> For {
    if people { For::Gate } else { For::Plugins }
}

/// What `vaern corpus gate` takes.
#[derive(clap::Args)]
pub(crate) struct GateArgs {
    /// The corpus of people: a directory, or a sealed one with --key.
    corpus: PathBuf,
    /// The key of a sealed corpus.
    #[arg(long)]
    key: Option<PathBuf>,
    /// The city's policy directory.
    #[arg(long)]
    policies: PathBuf,
    /// The trust root, for --sign.
    #[arg(long)]
    trust: Option<PathBuf>,
    /// Sign the result as a role of the city: `vaern approve --gate-result` takes it.
    #[arg(long, value_name = "FILE", requires_all = ["trust", "out"])]
    sign: Option<PathBuf>,
    /// Directory for `gate.json` and the signed `gate-result.json`.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    purpose: Purpose,
    #[command(flatten)]
    engine: Engine,
}

fn gate_run(args: &GateArgs, output: &Output) -> Result<(), Failure> {
    let set = gate::policy_set(&args.policies, &args.purpose)?;
    let backend = args.engine.open()?;
    let detectors = vaern_node::gate::detectors(&set, &args.engine.store()?, backend.as_ref())?;
    // Pictures of a corpus have no position: the rule about it is left out, and nothing else.
    let text = String::from_utf8_lossy(set.masking()).replace("allow_unlocated = false", "allow_unlocated = true");
    let masking = MaskingPolicy::parse(&text).map_err(|e| Failure::internal(e.to_string()))?;
    let under_test = Gate::new(masking, FenceSet::default(), CameraSet::default(), detectors)
        .map_err(|e| Failure::internal(e.to_string()))?;
    let dir = files::open_dir("corpus", &args.corpus)?;
    let (open, sealed);
    let (corpus, patches): (&Corpus, &[(Size, Vec<u8>)]) = match &args.key {
        Some(key) => {
            sealed = Sealed::open(dir, read_key(key)?, For::Gate)?;
            (sealed.corpus(), sealed.patches())
        }
        None => {
            open = Corpus::open_for_gate(dir)?;
            (&open, &[])
        }
    };
    let engine = backend.name().as_str().to_owned();
    let tested = GateUnderTest { gate: &under_test, host: this_host()?, policy: set.digest(), engine };
    let run = with_progress(output, |told| {
        vaern_conformance::gate(tested, corpus, (patches, args.key.is_some()), now(), &|done, of| told(done, of))
    })?;
    if let Some(out) = &args.out {
        let dir = files::make_dir("result", out)?;
        let bytes = serde_json::to_vec_pretty(&run).map_err(|e| Failure::internal(e.to_string()))?;
        vaern_node::sinks::write_file(&dir, "gate.json", &bytes)?;
        if let (Some(sign), Some(trust)) = (&args.sign, &args.trust) {
            let pairs = signers(std::slice::from_ref(sign))?;
            let (_, pair) = pairs.first().ok_or_else(|| Failure::usage("no key was given"))?;
            let said = GateResult {
                run: Digest::of(&bytes),
                host: run.host.digest,
                policy: run.policy,
                gate: set.gate_digest(),
                corpus: run.corpus.digest,
                holds: run.holds,
                at: now(),
            };
            let signed = sign_file(&said, &trust_root(trust)?, Authority::TestResult, &[pair])?;
            vaern_node::sinks::write_file(&dir, "gate-result.json", &signed)?;
        }
    }
    let mut lines = format!("{} on {} pictures, {} refused\n", run.masking, run.corpus.pictures, run.refused);
    for (class, groups) in &run.covered {
        for (group, figure) in groups {
            if let vaern_conformance::Figure::Share { part, of, low_e4, high_e4, .. } = figure {
                let percent = |e4: u32| f64::from(e4) / 100.0;
                lines += &format!(
                    "  {class:<8} {group:<24} {part}/{of}  ({:.1} to {:.1} %)\n",
                    percent(*low_e4),
                    percent(*high_e4)
                );
            }
        }
    }
    for line in &run.below {
        lines += &format!("  BELOW     {line}\n");
    }
    for line in &run.unproven {
        lines += &format!("  UNPROVEN  {line}\n");
    }
    output.result(&run, &lines)?;
    if run.holds {
        return Ok(());
    }
    Err(Failure::refused("the gate does not reach its floors on this corpus", Krav("MIN-01"), Blame::Policy)
        .mend("no approval may rest on it: mend the masking policy or its models, or label more"))
}

/// What `--profile authority` takes.
#[derive(clap::Args)]
pub(crate) struct AuthorityArgs {
    /// The sealed corpus.
    #[arg(long, value_name = "DIR", requires_all = ["corpus_key", "commitment", "seed_file", "attempts", "key"])]
    pub(crate) sealed: Option<PathBuf>,
    /// Its key file.
    #[arg(long, value_name = "FILE", requires = "sealed")]
    pub(crate) corpus_key: Option<PathBuf>,
    /// What was committed to (`vaern corpus commit`).
    #[arg(long, value_name = "FILE", requires = "sealed")]
    pub(crate) commitment: Option<PathBuf>,
    /// The seed that opens it: told in the result.
    #[arg(long, value_name = "FILE", requires = "sealed", conflicts_with = "seed")]
    pub(crate) seed_file: Option<PathBuf>,
    /// The directory of the ledger of attempts.
    #[arg(long, value_name = "DIR", requires = "sealed")]
    pub(crate) attempts: Option<PathBuf>,
}

const COMMITMENT: &str = "commitment.json";
const SEED: &str = "seed.secret.toml";

#[derive(Serialize)]
struct Shown {
    corpus: Digest,
    pictures: usize,
    triggers: usize,
}

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Key { out } => {
            let key = Secret::random().map_err(|e| Failure::internal(e.to_string()))?;
            let mut text = Zeroizing::new(String::with_capacity(65));
            key.expose(|bytes| bytes.iter().for_each(|byte| *text += &format!("{byte:02x}")));
            text.push('\n');
            keep(out, text.as_bytes())?;
            output.result(
                &serde_json::json!({ "key": out }),
                &format!("wrote {}: keep it away from the corpus", out.display()),
            )
        }
        Command::Gate(args) => gate_run(args, output),
        Command::Seal { from, key, people, out } => {
            let dir = files::make_dir("sealed corpus", out)?;
            let occupied = dir.entries().map_err(|e| Failure::file("sealed corpus", out, &e))?.next().is_some();
            if occupied {
                return Err(Failure::usage(format!("{} is not empty", out.display())));
            }
            let sealed = seal(&files::open_dir("corpus", from)?, &dir, &read_key(key)?, used(*people))?;
            show(&sealed, output)
        }
        Command::Show { corpus, key, people } => {
            show(&Sealed::open(files::open_dir("corpus", corpus)?, read_key(key)?, used(*people))?, output)
        }
        Command::Commit { trust, sign, out } => {
            let (opening, commitment) = commit(now()).map_err(|e| Failure::internal(e.to_string()))?;
            let pairs = signers(std::slice::from_ref(sign))?;
            let (_, pair) = pairs.first().ok_or_else(|| Failure::usage("no key was given"))?;
            let signed = sign_file(&commitment, &trust_root(trust)?, Authority::TestResult, &[pair])?;
            let dir = files::make_dir("commitment", out)?;
            let text = toml::to_string(&opening).map_err(|e| Failure::internal(e.to_string()))?;
            // The secret first: a commitment that nobody can open binds nobody.
            keep(&out.join(SEED), text.as_bytes())?;
            vaern_node::sinks::write_file(&dir, COMMITMENT, &signed)?;
            output.result(
                &commitment,
                &format!(
                    "committed to {}\n  publish  {}\n  keep     {}",
                    commitment.seed,
                    out.join(COMMITMENT).display(),
                    out.join(SEED).display()
                ),
            )
        }
        Command::Deviations { list, trust, sign, out } => {
            let text = String::from_utf8(files::read("list of deviations", list, 1 << 20)?).unwrap_or_default();
            let all: Deviations = toml::from_str(&text)
                .map_err(|e| Failure::usage(format!("{} is no list of deviations: {e}", list.display())))?;
            for one in &all.deviations {
                // What could not be taken is not signed.
                all.in_force(one.release, one.expires).map_err(|e| Failure::usage(e.to_string()))?;
            }
            let pairs = signers(std::slice::from_ref(sign))?;
            let (_, pair) = pairs.first().ok_or_else(|| Failure::usage("no key was given"))?;
            let signed = sign_file(&all, &trust_root(trust)?, Authority::TestResult, &[pair])?;
            let (dir, name) = files::split("list of deviations", out)?;
            vaern_node::sinks::write_file(&dir, &name, &signed)?;
            output.result(&all, &format!("signed {} deviation(s): {}", all.deviations.len(), out.display()))
        }
        Command::Attempts { ledger, trust } => {
            let all = Attempts::read(&files::open_dir("ledger", ledger)?, &trust_root(trust)?)?;
            let of = attempts_of_each().map_err(|e| Failure::internal(e.to_string()))?;
            let mut lines = String::new();
            for attempt in all.attempts() {
                lines += &format!(
                    "{:>4}  {}  {:<20} release {}  corpus {}\n",
                    attempt.number,
                    attempt.at,
                    attempt.vendor.as_str(),
                    attempt.release,
                    attempt.corpus
                );
            }
            lines += &format!("every vendor has {of} attempts on each corpus");
            output.result(&all.attempts().collect::<Vec<_>>(), &lines)
        }
    }
}

fn show(sealed: &Sealed, output: &Output) -> Result<(), Failure> {
    let shown = Shown { corpus: sealed.digest(), pictures: sealed.pictures(), triggers: sealed.triggers() };
    let lines = format!("{}\n  pictures  {}\n  triggers  {}", shown.corpus, shown.pictures, shown.triggers);
    output.result(&shown, &lines)
}

/// Writes a secret that is not there yet, for its owner alone.
fn keep(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    let (dir, name) = files::split("secret", path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = dir.open_with(name, &options).map_err(|e| Failure::file("cannot write the secret", path, &e))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| Failure::file("cannot write the secret", path, &e))
}

/// Reads a key file; every copy but the one that is given is overwritten.
pub(crate) fn read_key(path: &Path) -> Result<Secret, Failure> {
    let text = Zeroizing::new(files::read("corpus key", path, 1 << 10)?);
    let wrong =
        || Failure::usage(format!("{} is no key of a corpus", path.display())).mend("`vaern corpus key` makes one");
    let digits = text.strip_suffix(b"\n").unwrap_or(&text);
    if digits.len() != 64 {
        return Err(wrong());
    }
    let mut key = [0_u8; 32];
    for (byte, pair) in key.iter_mut().zip(digits.as_chunks::<2>().0) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    let secret = Secret::from_bytes(&key);
    key.zeroize();
    Ok(secret)
}

/// What an authority run rests on, once the attempt is in the ledger.
pub(crate) struct Opened {
    pub(crate) sealed: Sealed,
    pub(crate) seed: u64,
    pub(crate) part: vaern_conformance::AuthorityPart,
}

/// An attempt that could be entered: the commitment and the corpus hold.
struct Ready {
    sealed: Sealed,
    opening: Opening,
    commitment: Commitment,
    about: About,
}

/// Where attempts are entered, and by whom.
struct Desk {
    ledger: Dir,
    trust: TrustRoot,
    pair: SigningKeyPair,
    of: u32,
}

impl AuthorityArgs {
    /// Checks the commitment, enters the attempt, and only then opens the corpus.
    pub(crate) fn open(
        &self,
        profile: Profile,
        vendor: &Name,
        release: Digest,
        trust: Option<&Path>,
        sign: Option<&PathBuf>,
    ) -> Result<Option<Opened>, Failure> {
        Ok(self.open_each(profile, &[(vendor, release)], trust, sign)?.pop().flatten())
    }

    /// As [`AuthorityArgs::open`] for several releases: every attempt is entered, or none is.
    pub(crate) fn open_each(
        &self,
        profile: Profile,
        releases: &[(&Name, Digest)],
        trust: Option<&Path>,
        sign: Option<&PathBuf>,
    ) -> Result<Vec<Option<Opened>>, Failure> {
        // Asked before an attempt is entered: a run that will not begin costs nobody one.
        if self.sealed.is_some() != (profile == Profile::Authority) {
            return Err(SuiteError::NoSealedCorpus.into());
        }
        let Some(desk) = self.desk(trust, sign)? else { return Ok(releases.iter().map(|_| None).collect()) };
        let ready = |(vendor, release): &(&Name, Digest)| self.ready(&desk.trust, vendor, *release);
        let ready = releases.iter().map(ready).collect::<Result<Vec<_>, Failure>>()?;
        let abouts: Vec<About> = ready.iter().flatten().map(|one| one.about.clone()).collect();
        Attempts::read(&desk.ledger, &desk.trust)?.may(&abouts, desk.of)?;
        ready.into_iter().map(|one| one.map(|one| one.enter(&desk)).transpose()).collect()
    }

    fn desk(&self, trust: Option<&Path>, sign: Option<&PathBuf>) -> Result<Option<Desk>, Failure> {
        let Some(ledger) = &self.attempts else { return Ok(None) };
        let trust = trust_root(trust.ok_or_else(|| Failure::usage("--profile authority takes --trust"))?)?;
        let sign = sign.ok_or_else(|| Failure::usage("--profile authority takes --key"))?;
        let (_, pair) = signers(std::slice::from_ref(sign))?.pop().ok_or_else(|| Failure::usage("no key was given"))?;
        let of = attempts_of_each().map_err(|e| Failure::internal(e.to_string()))?;
        Ok(Some(Desk { ledger: files::make_dir("ledger", ledger)?, trust, pair, of }))
    }

    fn ready(&self, trust: &TrustRoot, vendor: &Name, release: Digest) -> Result<Option<Ready>, Failure> {
        let (Some(sealed), Some(key), Some(committed), Some(seed)) =
            (&self.sealed, &self.corpus_key, &self.commitment, &self.seed_file)
        else {
            return Ok(None);
        };
        let signed =
            open_file::<Commitment>(&files::read("commitment", committed, 1 << 20)?, trust, Authority::TestResult)?;
        let text = String::from_utf8(files::read("seed", seed, 1 << 12)?).unwrap_or_default();
        let opening: Opening =
            toml::from_str(&text).map_err(|e| Failure::usage(format!("{} is no seed: {e}", seed.display())))?;
        if !opening.opens(signed.file()) {
            let what = "the seed is not the one that was committed to";
            return Err(Failure::refused(what, Krav("LEV-09"), Blame::Operator)
                .mend("take the seed.secret.toml that was written beside this commitment"));
        }
        if signed.file().at > now() {
            return Err(Failure::refused("the commitment is from the future", Krav("LEV-09"), Blame::Operator));
        }
        let sealed = Sealed::open(files::open_dir("sealed corpus", sealed)?, read_key(key)?, For::Plugins)?;
        let about = About { vendor: vendor.clone(), release, corpus: sealed.digest(), commitment: signed.digest() };
        Ok(Some(Ready { sealed, opening, commitment: signed.into_file(), about }))
    }
}

impl Ready {
    fn enter(self, desk: &Desk) -> Result<Opened, Failure> {
        let Self { sealed, opening, commitment, about } = self;
        let (corpus, committed_to) = (about.corpus, about.commitment);
        let Entered { attempt, of, line } = Attempts::read(&desk.ledger, &desk.trust)?.enter(
            &desk.ledger,
            (&desk.trust, &desk.pair),
            about,
            now(),
            desk.of,
        )?;
        let part = vaern_conformance::AuthorityPart {
            corpus,
            commitment: committed_to,
            seed: commitment.seed,
            committed: commitment.at.to_string(),
            nonce: opening.nonce.clone(),
            attempt,
            of,
            ledger: line,
        };
        Ok(Opened { sealed, seed: opening.seed, part })
    }
}

impl From<CorpusError> for Failure {
    fn from(error: CorpusError) -> Self {
        match error {
            CorpusError::Host(_) => Self::internal(error.to_string()),
            CorpusError::People(_) => Self::refused(error.to_string(), Krav("MIN-01"), Blame::Operator)
                .mend("run `vaern mask` over the pictures, and label the masked ones"),
            CorpusError::Sealed => Self::refused(error.to_string(), Krav("SKJ-01"), Blame::Operator),
            _ => Self::refused(error.to_string(), Krav("STD-05"), Blame::Operator),
        }
    }
}

impl From<AttemptError> for Failure {
    fn from(error: AttemptError) -> Self {
        let blame = if matches!(error, AttemptError::Spent { .. }) { Blame::Vendor } else { Blame::Operator };
        Self::refused(error.to_string(), Krav("LEV-09"), blame)
    }
}
