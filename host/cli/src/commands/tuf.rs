//! `vaern channel tuf root|publish|refresh`: the city's side of a TUF repository around the channel's signed files.

use std::path::PathBuf;

use clap::Subcommand;

#[cfg(not(feature = "tuf"))]
use crate::{failure::Failure, output::Output};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write the first root of a repository, or the next: it rotates the keys of every role. Signed by the keys before and after.
    Root(RootArgs),
    /// Publish a channel's folder as the repository's next issue.
    Publish(PublishArgs),
    /// Say anew that the issue in force is still so: what the key of the timestamp does while nothing changes.
    Refresh(RefreshArgs),
}

#[derive(clap::Args)]
#[cfg_attr(not(feature = "tuf"), allow(dead_code, reason = "a program without TUF knows the command and says so"))]
pub(crate) struct RootArgs {
    /// The repository's folder.
    repository: PathBuf,
    /// Public key files of those who may write roots. Kept offline.
    #[arg(long, required = true)]
    root: Vec<PathBuf>,
    /// How many of them it takes.
    #[arg(long)]
    threshold: u16,
    /// Public key files of those who say which files there are. Kept offline.
    #[arg(long, required = true)]
    targets: Vec<PathBuf>,
    /// How many of them it takes.
    #[arg(long, default_value_t = 1)]
    targets_threshold: u16,
    /// Public key files for the snapshot; one signs.
    #[arg(long, required = true)]
    snapshot: Vec<PathBuf>,
    /// Public key files for the timestamp; one signs.
    #[arg(long, required = true)]
    timestamp: Vec<PathBuf>,
    /// Secret key files of the root keys that sign: those before and those after.
    #[arg(long = "key", required = true)]
    keys: Vec<PathBuf>,
    /// Days that it holds.
    #[arg(long, default_value_t = 365)]
    days: u16,
}

#[derive(clap::Args)]
#[cfg_attr(not(feature = "tuf"), allow(dead_code, reason = "a program without TUF knows the command and says so"))]
pub(crate) struct PublishArgs {
    /// The repository's folder.
    repository: PathBuf,
    /// The channel's folder: `channel.json`, `revocations.json`, `assignments/`.
    #[arg(long)]
    channel: PathBuf,
    /// Secret key files for targets, snapshot and timestamp.
    #[arg(long = "key", required = true)]
    keys: Vec<PathBuf>,
    /// Days that the list of files holds.
    #[arg(long, default_value_t = 90)]
    targets_days: u16,
    /// Days that the snapshot holds.
    #[arg(long, default_value_t = 30)]
    snapshot_days: u16,
    /// Days that the timestamp holds.
    #[arg(long, default_value_t = 7)]
    timestamp_days: u16,
}

#[derive(clap::Args)]
#[cfg_attr(not(feature = "tuf"), allow(dead_code, reason = "a program without TUF knows the command and says so"))]
pub(crate) struct RefreshArgs {
    /// The repository's folder.
    repository: PathBuf,
    /// Secret key file for the timestamp.
    #[arg(long = "key", required = true)]
    keys: Vec<PathBuf>,
    /// Days that it holds.
    #[arg(long, default_value_t = 7)]
    timestamp_days: u16,
}

#[cfg(not(feature = "tuf"))]
pub(crate) fn run(_: &Command, _: &Output) -> Result<(), Failure> {
    super::source::built_for_it()
}

#[cfg(feature = "tuf")]
pub(crate) use with_tuf::run;

#[cfg(feature = "tuf")]
mod with_tuf {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use vaern_trust::{ASSIGNMENTS, CHANNEL_FILE, PublicKey, REVOCATIONS_FILE, SigningKeyPair};
    use vaern_tuf::{Ends, RoleRule, RootSpec, TufError};

    use super::{Command, PublishArgs, RefreshArgs, RootArgs};
    use crate::commands::approve::signers;
    use crate::commands::channel::after;
    use crate::commands::gate::now;
    use crate::failure::Failure;
    use crate::files;
    use crate::output::Output;

    impl From<TufError> for Failure {
        fn from(error: TufError) -> Self {
            match error {
                TufError::Refused(error) => error.into(),
                other => Self::usage(other.to_string()),
            }
        }
    }

    pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
        match command {
            Command::Root(args) => root(args, output),
            Command::Publish(args) => publish(args, output),
            Command::Refresh(args) => refresh(args, output),
        }
    }

    fn public(paths: &[PathBuf]) -> Result<Vec<PublicKey>, Failure> {
        let one = |path: &PathBuf| -> Result<PublicKey, Failure> {
            let (dir, file) = files::split("public key", path)?;
            Ok(vaern_trust::read_public(&dir, &file)?.1)
        };
        paths.iter().map(one).collect()
    }

    fn root(args: &RootArgs, output: &Output) -> Result<(), Failure> {
        let rule = |paths: &[PathBuf], threshold| -> Result<RoleRule, Failure> {
            Ok(RoleRule { keys: public(paths)?, threshold })
        };
        let spec = RootSpec {
            expires: after(now(), args.days),
            root: rule(&args.root, args.threshold)?,
            targets: rule(&args.targets, args.targets_threshold)?,
            snapshot: rule(&args.snapshot, 1)?,
            timestamp: rule(&args.timestamp, 1)?,
        };
        let dir = files::make_dir("repository", &args.repository)?;
        let pairs = signers(&args.keys)?;
        let pairs: Vec<&SigningKeyPair> = pairs.iter().map(|(_, pair)| pair).collect();
        let version = vaern_tuf::write_root(&dir, &spec, &pairs)?;
        let lines = format!(
            "Root {version} of the repository\n  next     {}",
            if version == 1 {
                "bring metadata/1.root.json to each node by hand: everything else proves itself from there"
            } else {
                "`vaern channel tuf publish`, so that the keys in force have signed what there is"
            }
        );
        output.result(&serde_json::json!({ "root": version }), &lines)
    }

    fn publish(args: &PublishArgs, output: &Output) -> Result<(), Failure> {
        let channel = files::open_dir("channel", &args.channel)?;
        let mut listed = BTreeMap::new();
        let mut add = |name: String| -> Result<(), Failure> {
            let bytes = files::read("channel", &args.channel.join(&name), 1 << 20)?;
            listed.insert(name, bytes);
            Ok(())
        };
        add(CHANNEL_FILE.to_owned())?;
        if channel.exists(REVOCATIONS_FILE) {
            add(REVOCATIONS_FILE.to_owned())?;
        }
        if channel.exists(ASSIGNMENTS) {
            let entries = channel.read_dir(ASSIGNMENTS).map_err(|e| Failure::file("cannot read", &args.channel, &e))?;
            for entry in entries {
                let entry = entry.map_err(|e| Failure::file("cannot read", &args.channel, &e))?;
                if let Some(name) = entry.file_name().to_str().filter(|name| name.ends_with(".json")) {
                    add(format!("{ASSIGNMENTS}/{name}"))?;
                }
            }
        }
        let dir = files::open_dir("repository", &args.repository)?;
        let pairs = signers(&args.keys)?;
        let pairs: Vec<&SigningKeyPair> = pairs.iter().map(|(_, pair)| pair).collect();
        let issued = now();
        let ends = Ends {
            targets: after(issued, args.targets_days),
            snapshot: after(issued, args.snapshot_days),
            timestamp: after(issued, args.timestamp_days),
        };
        let published = vaern_tuf::publish(&dir, &listed, ends, &pairs, issued)?;
        let numbers = [published.root, published.targets, published.snapshot, published.timestamp];
        let [root, targets, snapshot, timestamp] = numbers;
        let lines = format!(
            "Published {} file(s)\n  root {root}, targets {targets}, snapshot {snapshot}, timestamp {timestamp}",
            listed.len()
        );
        let told =
            serde_json::json!({ "root": root, "targets": targets, "snapshot": snapshot, "timestamp": timestamp });
        output.result(&told, &lines)
    }

    fn refresh(args: &RefreshArgs, output: &Output) -> Result<(), Failure> {
        let dir = files::open_dir("repository", &args.repository)?;
        let pairs = signers(&args.keys)?;
        let pairs: Vec<&SigningKeyPair> = pairs.iter().map(|(_, pair)| pair).collect();
        let version = vaern_tuf::refresh(&dir, after(now(), args.timestamp_days), &pairs, now())?;
        output.result(&serde_json::json!({ "timestamp": version }), &format!("Timestamp {version}"))
    }
}
