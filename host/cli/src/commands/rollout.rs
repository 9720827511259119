//! `vaern channel assign|ring|deliver`: what one node is to run, how a ring did, and what a carrier brought.

use std::path::{Path, PathBuf};

use vaern_door::{Digest, Name};
use vaern_trust::{
    ASSIGNMENTS, Assigned, AssignedRelease, Assignment, Authority, ChannelSource as _, RingResult, SignedFiles,
    TrustRoot, assignment_file, sign_file,
};

use crate::commands::approve::signers;
use crate::commands::channel::{DEFAULT_DAYS, Signing, after};
use crate::commands::gate::{now, trust_root};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct AssignArgs {
    /// Digests of listed releases that the node is to run. Without one, what was assigned before is said anew.
    releases: Vec<Digest>,
    #[command(flatten)]
    signing: Signing,
    /// Name of the node.
    #[arg(long)]
    node: Name,
    /// The ring of the rollout that the node is in.
    #[arg(long, default_value_t = 0)]
    ring: u16,
    /// From ring 1 on: signed results of the ring before (`vaern channel ring`), one for each release.
    #[arg(long = "result")]
    results: Vec<PathBuf>,
    /// Releases that the node is to run no longer.
    #[arg(long)]
    withdraw: Vec<Digest>,
    /// Days that it holds.
    #[arg(long, default_value_t = DEFAULT_DAYS)]
    days: u16,
}

#[derive(clap::Args)]
pub(crate) struct RingArgs {
    /// The release.
    release: Digest,
    /// The trust root.
    #[arg(long)]
    trust: PathBuf,
    /// Secret key files of those who sign: as many as an approval takes.
    #[arg(long = "key", required = true)]
    keys: Vec<PathBuf>,
    /// The ring that ran it.
    #[arg(long)]
    ring: u16,
    /// Nodes that ran it.
    #[arg(long)]
    nodes: u32,
    /// Frames that they showed to it.
    #[arg(long)]
    frames: u64,
    /// Frames that it failed on.
    #[arg(long)]
    failures: u64,
    /// It may go on to the next ring. Without this, the result says that it may not.
    #[arg(long)]
    passed: bool,
    /// The file to write.
    #[arg(long)]
    out: PathBuf,
}

#[derive(clap::Args)]
pub(crate) struct DeliverArgs {
    /// Signed files: channels, lists of revocations, assignments, in any order.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The channel's folder on this node.
    #[arg(long)]
    channel: PathBuf,
    /// The trust root.
    #[arg(long)]
    trust: PathBuf,
    /// Name of this node, where it takes assignments.
    #[arg(long)]
    node: Option<Name>,
}

/// Signs what a node is to run from now on: what it was assigned before, without what is withdrawn, with what is named.
pub(crate) fn assign(args: &AssignArgs, output: &Output) -> Result<(), Failure> {
    let dir = files::open_dir("channel", &args.signing.channel)?;
    let trust = trust_root(&args.signing.trust)?;
    let offered = SignedFiles::new(&dir).seen_by(Some(args.node.clone())).offered(&trust)?;
    let listed = |release: Digest| offered.channel.file().releases.iter().any(|r| r.release == release);
    if let Some(unlisted) = args.releases.iter().find(|release| !listed(**release)) {
        return Err(Failure::usage(format!("the channel does not list {unlisted}"))
            .mend("publish the release first; `vaern channel verify` shows what is listed"));
    }
    let before = offered.assigned.map(|assigned| assigned.file().clone());
    let issued = before.as_ref().map_or_else(now, |before| now().max(before.issued));
    let sequence = before.as_ref().map_or(1, |before| before.sequence.saturating_add(1));
    let kept = before.into_iter().flat_map(|before| before.releases);
    let gone =
        |release: &Digest| args.withdraw.contains(release) || args.releases.contains(release) || !listed(*release);
    let mut releases: Vec<AssignedRelease> = kept.filter(|entry| !gone(&entry.release)).collect();
    let results: Vec<String> = args.results.iter().map(|path| result(path)).collect::<Result<_, _>>()?;
    for release in &args.releases {
        let gate = results.iter().find(|text| of_release(text, &trust) == Some(*release)).cloned();
        releases.push(AssignedRelease { release: *release, ring: args.ring, gate });
    }
    let expires = after(issued, args.days);
    let assignment = Assignment { node: args.node.clone(), sequence, issued, expires, releases };
    let pairs = signers(&args.signing.keys)?;
    let pairs: Vec<_> = pairs.iter().map(|(_, pair)| pair).collect();
    let bytes = sign_file(&assignment, &trust, Authority::Channel, &pairs)?;
    // What every node would refuse is not written.
    let assigned = Assigned::open(&bytes, &trust)?;
    for release in &args.releases {
        assigned.judge(*release)?;
    }
    let folder = files::make_dir("channel", &args.signing.channel.join(ASSIGNMENTS))?;
    let file = assignment_file(&args.node);
    let name = file.rsplit('/').next().unwrap_or(&file);
    vaern_node::sinks::write_file(&folder, name, &bytes)?;
    let mut lines = format!("Assigned to {}, number {sequence}, until {expires}\n", args.node);
    for entry in &assignment.releases {
        lines += &format!("  runs     {} in ring {}\n", entry.release, entry.ring);
    }
    if !offered.channel.file().assigned {
        lines += "  but      the channel does not ask for assignments yet: `vaern channel publish --assigned true`\n";
    }
    output.result(&assignment, &lines)
}

/// Signs how a release did in one ring.
pub(crate) fn ring(args: &RingArgs, output: &Output) -> Result<(), Failure> {
    let trust = trust_root(&args.trust)?;
    let (release, ring, nodes, frames) = (args.release, args.ring, args.nodes, args.frames);
    let result =
        RingResult { release, ring, issued: now(), nodes, frames, failures: args.failures, passed: args.passed };
    let pairs = signers(&args.keys)?;
    let pairs: Vec<_> = pairs.iter().map(|(_, pair)| pair).collect();
    let bytes = sign_file(&result, &trust, Authority::Approval, &pairs)?;
    let (folder, name) = files::split("result", &args.out)?;
    vaern_node::sinks::write_file(&folder, &name, &bytes)?;
    let verdict = if args.passed { "may go on to the next ring" } else { "may not go on" };
    let lines = format!(
        "Ring {ring} of {release}: {nodes} node(s), {frames} frames, {} failed; it {verdict}\n  file     {}",
        args.failures,
        args.out.display()
    );
    output.result(&result, &lines)
}

/// Takes what a carrier brought. Each file stands for itself: one that is refused does not keep the others out.
pub(crate) fn deliver(args: &DeliverArgs, output: &Output) -> Result<(), Failure> {
    let dir = files::make_dir("channel", &args.channel)?;
    let trust = trust_root(&args.trust)?;
    let mut shown = Vec::new();
    let mut lines = String::new();
    let mut refused = None;
    for path in &args.files {
        let bytes = files::read("delivered", path, 1 << 20)?;
        let became = match vaern_trust::deliver(&dir, args.node.as_ref(), &trust, &bytes) {
            Ok(delivery) => delivery.as_str().to_owned(),
            Err(error) => {
                let said = error.to_string();
                refused.get_or_insert(error);
                said
            }
        };
        lines += &format!("  {became:<9}{}\n", path.display());
        shown.push(serde_json::json!({ "file": path.display().to_string(), "became": became }));
    }
    output.result(&shown, &lines)?;
    refused.map_or(Ok(()), |error| Err(error.into()))
}

fn result(path: &Path) -> Result<String, Failure> {
    let bytes = files::read("result", path, 1 << 20)?;
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("`{}` is no result", path.display())))
}

/// The release that a signed result is of.
fn of_release(text: &str, trust: &TrustRoot) -> Option<Digest> {
    let signed = vaern_trust::open_file::<RingResult>(text.as_bytes(), trust, Authority::Approval).ok()?;
    Some(signed.file().release)
}
