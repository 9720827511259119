//! `vaern channel init|publish|assign|ring|deliver|verify|enrol|root|recovery|recover`: what is current, as the city says it and a node takes it.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use vaern_door::{Digest, Name};
use vaern_trust::{
    Authority, CHANNEL_FILE, ChannelFile, ChannelSource as _, HostLine, ListedRelease, Offered, Recovery, RecoveryMark,
    SecurityMinimum, SignedFiles, SignedRoot, State, TrustRoot,
};

use crate::commands::approve::signers;
use crate::commands::gate::{now, trust_root};
use crate::commands::rollout;
use crate::commands::source::{Source, TufRoot};
use crate::commands::tuf;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

/// Days that a channel holds, where nothing is said.
pub(crate) const DEFAULT_DAYS: u16 = 30;
/// Days that a recovery statement holds: it is for one broken node, now.
const RECOVERY_DAYS: u16 = 14;

/// A channel's folder, who may sign for it, and who does.
#[derive(clap::Args)]
pub(crate) struct Signing {
    /// The channel's folder.
    #[arg(long)]
    pub(crate) channel: PathBuf,
    /// The trust root.
    #[arg(long)]
    pub(crate) trust: PathBuf,
    /// Secret key files of those who sign.
    #[arg(long = "key", required = true)]
    pub(crate) keys: Vec<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// City: begin a channel that lists nothing yet.
    Init {
        #[command(flatten)]
        signing: Signing,
        /// Name of the channel.
        #[arg(long)]
        name: Name,
        /// Days that it holds.
        #[arg(long, default_value_t = DEFAULT_DAYS)]
        days: u16,
    },
    /// City: sign the next issue, with these releases added. Without a release it says the same anew, for longer.
    Publish {
        /// Directories of approved releases to add.
        releases: Vec<PathBuf>,
        #[command(flatten)]
        signing: Signing,
        /// Days that it holds.
        #[arg(long, default_value_t = DEFAULT_DAYS)]
        days: u16,
        /// Releases that it no longer lists.
        #[arg(long)]
        withdraw: Vec<Digest>,
        /// The least counter of a plugin that is safe, as VENDOR/PLUGIN=COUNTER.
        #[arg(long, value_parser = minimum)]
        minimum: Vec<SecurityMinimum>,
        /// A build of the host that passed the suite, as LINE=DIGEST.
        #[arg(long, value_parser = host)]
        host: Vec<(Name, Digest)>,
        /// A test that a release must have passed on a line, as LINE=TEST.
        #[arg(long, value_parser = mandatory)]
        mandatory: Vec<(Name, String)>,
        /// Whether a node runs of the listed releases only what was assigned to it by name. As it was, where nothing is said.
        #[arg(long)]
        assigned: Option<bool>,
    },
    /// City: sign what one node is to run.
    Assign(rollout::AssignArgs),
    /// City: sign how a release did in one ring of a rollout.
    Ring(rollout::RingArgs),
    /// Node: take signed files that a carrier brought, in any order, into the channel's folder.
    Deliver(rollout::DeliverArgs),
    /// City: a TUF repository around the channel.
    #[command(subcommand)]
    Tuf(tuf::Command),
    /// Show a channel and check who signed it. Whether it is new enough, a node's own floor says.
    Verify {
        /// The channel's folder.
        channel: PathBuf,
        /// The trust root.
        #[arg(long)]
        trust: PathBuf,
        #[command(flatten)]
        tuf: TufRoot,
    },
    /// Node: begin to follow a channel. Done once; a floor that was lost is not begun anew by it.
    Enrol {
        /// The channel's folder.
        #[arg(long)]
        channel: PathBuf,
        /// The trust root.
        #[arg(long)]
        trust: PathBuf,
        /// The node's state directory.
        #[arg(long)]
        state: PathBuf,
        #[command(flatten)]
        tuf: TufRoot,
    },
    /// Node: move to the next signed root.
    Root {
        /// The next root.
        next: PathBuf,
        /// The root in force.
        #[arg(long)]
        from: PathBuf,
        /// The node's state directory.
        #[arg(long)]
        state: PathBuf,
    },
    /// City: sign, with the root's keys, what a node's floor is to be.
    Recovery {
        #[command(flatten)]
        signing: Signing,
        /// Name of the node.
        #[arg(long)]
        node: Name,
        /// Counts up with each statement for this node.
        #[arg(long)]
        serial: u64,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        tuf: TufRoot,
    },
    /// Node: restore a floor that cannot be read, by a statement of the root.
    Recover {
        /// The statement.
        statement: PathBuf,
        /// The trust root.
        #[arg(long)]
        trust: PathBuf,
        /// Name of this node.
        #[arg(long)]
        node: Name,
        /// The node's state directory.
        #[arg(long)]
        state: PathBuf,
    },
}

fn minimum(text: &str) -> Result<SecurityMinimum, String> {
    let wrong = || "write VENDOR/PLUGIN=COUNTER".to_owned();
    let (plugin, counter) = text.split_once('=').ok_or_else(wrong)?;
    let (vendor, plugin) = plugin.split_once('/').ok_or_else(wrong)?;
    let name = |text: &str| Name::new(text).map_err(|e| e.to_string());
    let counter = counter.parse().map_err(|_| wrong())?;
    Ok(SecurityMinimum { vendor: name(vendor)?, plugin: name(plugin)?, counter })
}

fn host(text: &str) -> Result<(Name, Digest), String> {
    let (line, build) = text.split_once('=').ok_or("write LINE=DIGEST")?;
    Ok((Name::new(line).map_err(|e| e.to_string())?, build.parse().map_err(|_| "the digest is not one")?))
}

fn mandatory(text: &str) -> Result<(Name, String), String> {
    let (line, test) = text.split_once('=').ok_or("write LINE=TEST")?;
    Ok((Name::new(line).map_err(|e| e.to_string())?, test.to_owned()))
}

#[derive(Serialize)]
struct Shown<'c> {
    channel: &'c ChannelFile,
    digest: Digest,
    signed_by: Vec<Name>,
    revoked: Vec<Digest>,
}

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Init { signing, name, days } => {
            let dir = files::make_dir("channel", &signing.channel)?;
            if dir.exists(CHANNEL_FILE) {
                return Err(Failure::usage("there is a channel in this folder already")
                    .mend("use `vaern channel publish` for its next issue"));
            }
            let issued = now();
            let channel = ChannelFile {
                channel: name.clone(),
                sequence: 1,
                issued,
                expires: after(issued, *days),
                revocations: 0,
                releases: Vec::new(),
                minimum: Vec::new(),
                hosts: Vec::new(),
                assigned: false,
            };
            publish(&dir, channel, signing, output)
        }
        Command::Publish { releases, signing, days, withdraw, minimum, host, mandatory, assigned } => {
            let dir = files::open_dir("channel", &signing.channel)?;
            let trust = trust_root(&signing.trust)?;
            let offered = SignedFiles::new(&dir).offered(&trust)?;
            let mut channel = offered.channel.into_file();
            channel.sequence = channel.sequence.saturating_add(1);
            channel.issued = now().max(channel.issued);
            channel.expires = after(channel.issued, *days);
            channel.assigned = assigned.unwrap_or(channel.assigned);
            channel.revocations = offered.revocations.as_ref().map_or(0, |list| list.file().sequence);
            let revoked: Vec<Digest> =
                offered.revocations.iter().flat_map(|list| &list.file().revoked).map(|r| r.release).collect();
            channel.releases.retain(|r| !withdraw.contains(&r.release) && !revoked.contains(&r.release));
            for path in releases {
                let entry = approved(path, &trust)?;
                if revoked.contains(&entry.release) {
                    let what = format!("the release {} was revoked and is not published again", entry.release);
                    return Err(Failure::refused(what, vaern_door::Krav("CYB-01"), vaern_door::Blame::Policy));
                }
                channel.releases.retain(|r| r.release != entry.release);
                channel.releases.push(entry);
            }
            for least in minimum {
                channel.minimum.retain(|m| (&m.vendor, &m.plugin) != (&least.vendor, &least.plugin));
                channel.minimum.push(least.clone());
            }
            for (line, build) in host {
                match channel.hosts.iter_mut().find(|known| known.line == *line) {
                    Some(known) if known.builds.contains(build) => {}
                    Some(known) => known.builds.push(*build),
                    None => channel.hosts.push(HostLine {
                        line: line.clone(),
                        builds: vec![*build],
                        tests: std::collections::BTreeSet::new(),
                    }),
                }
            }
            for (line, test) in mandatory {
                let known = channel.hosts.iter_mut().find(|known| known.line == *line).ok_or_else(|| {
                    Failure::usage(format!("the channel has no host line `{line}`"))
                        .mend("name a build of it with --host")
                })?;
                known.tests.insert(test.clone());
            }
            publish(&dir, channel, signing, output)
        }
        Command::Assign(args) => rollout::assign(args, output),
        Command::Ring(args) => rollout::ring(args, output),
        Command::Deliver(args) => rollout::deliver(args, output),
        Command::Tuf(command) => tuf::run(command, output),
        Command::Verify { channel, trust, tuf } => {
            let source = Source::open(channel, None, tuf.tuf_root.as_deref())?;
            show(&source.offered(&trust_root(trust)?, now())?, output)
        }
        Command::Enrol { channel, trust, state, tuf } => {
            let source = Source::open(channel, None, tuf.tuf_root.as_deref())?;
            let trust = trust_root(trust)?;
            let offered = source.offered(&trust, now())?;
            let path = state;
            let state = State::enrol(&files::make_dir("state", path)?, &trust, &offered)?;
            let marks: Vec<String> =
                state.rows().marks.iter().map(|(role, m)| format!("{role} {}", m.version)).collect();
            let lines = format!(
                "This node follows the channel `{}` from now on.\n  floor    {}\n  state    {} (nothing older runs; do not delete it)",
                offered.channel.file().channel,
                marks.join(", "),
                path.display()
            );
            output.result(&serde_json::json!({ "floor": marks }), &lines)
        }
        Command::Root { next, from, state } => {
            let pinned = SignedRoot::pin(&files::read("root", from, 1 << 20)?)?;
            let mut state = State::open(&files::open_dir("state", state)?)?;
            let root = state.next_root(&pinned, &files::read("root", next, 1 << 20)?)?;
            let version = root.trust().version();
            let lines = format!("This node goes by root {version} from now on: use it as the trust root");
            output.result(&serde_json::json!({ "root": version, "digest": root.digest() }), &lines)
        }
        Command::Recovery { signing, node, serial, out, tuf } => {
            let source = Source::open(&signing.channel, None, tuf.tuf_root.as_deref())?;
            recovery(signing, &source, node, *serial, out, output)
        }
        Command::Recover { statement, trust, node, state } => {
            let bytes = files::read("recovery statement", statement, 1 << 20)?;
            let signed = vaern_trust::open_file::<Recovery>(&bytes, &trust_root(trust)?, Authority::Root)?;
            let dir = files::open_dir("state", state)?;
            let floor = Recovery::restore(&signed, &dir, node, now())?;
            let marks: Vec<String> =
                floor.rows().marks.iter().map(|(role, m)| format!("{role} {}", m.version)).collect();
            output.result(
                &serde_json::json!({ "floor": marks, "signed_by": signed.roles() }),
                &format!("The floor of {node} is restored: {}", marks.join(", ")),
            )
        }
    }
}

pub(crate) fn after(from: Timestamp, days: u16) -> Timestamp {
    from.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX)
}

/// A release that may be listed: signed by its vendor, approved now.
fn approved(path: &Path, trust: &TrustRoot) -> Result<ListedRelease, Failure> {
    let dir = files::open_dir("release", path)?;
    let verified = vaern_trust::Release::open(&dir)?.verify(trust)?;
    let purpose = verified.manifest().purpose.clone();
    let release = verified.approve(trust, now(), &purpose)?;
    Ok(ListedRelease::of(release.digest(), release.manifest()))
}

fn publish(dir: &Dir, channel: ChannelFile, signing: &Signing, output: &Output) -> Result<(), Failure> {
    let trust = trust_root(&signing.trust)?;
    let pairs = signers(&signing.keys)?;
    let pairs: Vec<_> = pairs.iter().map(|(_, pair)| pair).collect();
    let bytes = vaern_trust::sign_file(&channel, &trust, Authority::Channel, &pairs)?;
    vaern_node::sinks::write_file(dir, CHANNEL_FILE, &bytes)?;
    show(&SignedFiles::new(dir).offered(&trust)?, output)
}

fn show(offered: &Offered, output: &Output) -> Result<(), Failure> {
    let channel = offered.channel.file();
    let mut lines = format!(
        "Channel {} number {}\n  signed   {} by {}\n  expires  {}{}\n",
        channel.channel,
        channel.sequence,
        channel.issued,
        offered.channel.roles().iter().map(Name::as_str).collect::<Vec<_>>().join(", "),
        channel.expires,
        if channel.expires <= now() { "  (it has)" } else { "" },
    );
    for r in &channel.releases {
        lines +=
            &format!("  runs     {} {} (counter {}) for {}, {}\n", r.vendor, r.plugin, r.counter, r.purpose, r.release);
    }
    for m in &channel.minimum {
        lines += &format!("  least    {}/{} counter {}\n", m.vendor, m.plugin, m.counter);
    }
    for h in &channel.hosts {
        lines += &format!("  host     {}: {} build(s)\n", h.line, h.builds.len());
    }
    if channel.assigned {
        lines += "  nodes    run what is assigned to them by name, and nothing else\n";
    }
    let revoked = offered.revocations.iter().flat_map(|list| &list.file().revoked);
    for r in revoked.clone() {
        lines += &format!("  revoked  {} since {}: {}\n", r.release, r.since, r.reason);
    }
    let shown = Shown {
        channel,
        digest: offered.channel.digest(),
        signed_by: offered.channel.roles().iter().cloned().collect(),
        revoked: revoked.map(|r| r.release).collect(),
    };
    output.result(&shown, &lines)
}

fn recovery(
    signing: &Signing,
    source: &Source,
    node: &Name,
    serial: u64,
    out: &Path,
    output: &Output,
) -> Result<(), Failure> {
    let trust = trust_root(&signing.trust)?;
    let issued = now();
    let offered = source.offered(&trust, issued)?;
    let mark = |role: String, version, digest| RecoveryMark { role, version, digest };
    let mut marks = vec![mark("channel".to_owned(), offered.channel.file().sequence, offered.channel.digest())];
    marks.extend(offered.also.iter().map(|(role, seen)| mark(role.to_string(), seen.version, seen.digest)));
    let mut revoked = Vec::new();
    if let Some(list) = &offered.revocations {
        marks.push(mark("revocations".to_owned(), list.file().sequence, list.digest()));
        revoked.extend(list.file().revoked.iter().map(|r| r.release));
    }
    let statement =
        Recovery { node: node.clone(), serial, issued, expires: after(issued, RECOVERY_DAYS), marks, revoked };
    let pairs = signers(&signing.keys)?;
    let pairs: Vec<_> = pairs.iter().map(|(_, pair)| pair).collect();
    let bytes = vaern_trust::sign_file(&statement, &trust, Authority::Root, &pairs)?;
    let (folder, name) = files::split("recovery statement", out)?;
    vaern_node::sinks::write_file(&folder, &name, &bytes)?;
    let lines = format!(
        "A recovery statement for {node}, number {serial}, good for {RECOVERY_DAYS} days\n  file     {0}\n  next     on the node: vaern channel recover {0} --node {node} --trust TRUST --state STATE",
        out.display()
    );
    output.result(&statement, &lines)
}

/// The folder of a channel and the channel's file name in it: a folder is named, or the file itself.
pub(crate) fn place(path: &Path) -> Result<(Dir, String), Failure> {
    if path.is_dir() {
        return Ok((files::open_dir("channel", path)?, CHANNEL_FILE.to_owned()));
    }
    files::split("channel", path)
}
