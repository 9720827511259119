//! `vaern revoke DIGEST`: stop a release on every node that follows the channel.

use vaern_door::Digest;
use vaern_trust::{Authority, ChannelSource as _, REVOCATIONS_FILE, Revocations, Revoked, SignedFiles, sign_file};

use crate::commands::approve::signers;
use crate::commands::channel::Signing;
use crate::commands::gate::{now, trust_root};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The release.
    release: Digest,
    /// Why, for those who read the list.
    #[arg(long)]
    reason: String,
    /// Revoke a release that the channel does not list, such as one that was withdrawn.
    #[arg(long)]
    unlisted: bool,
    #[command(flatten)]
    signing: Signing,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let dir = files::open_dir("channel", &args.signing.channel)?;
    let trust = trust_root(&args.signing.trust)?;
    let offered = SignedFiles::new(&dir).offered(&trust)?;
    // A mistyped digest would be revoked in vain, and the release that was meant would run on.
    if !args.unlisted && !offered.channel.file().releases.iter().any(|r| r.release == args.release) {
        return Err(Failure::usage(format!("the channel does not list {}", args.release))
            .mend("check the digest (`vaern channel verify` shows what is listed), or add --unlisted"));
    }
    let mut list = offered.revocations.map_or_else(
        || Revocations { sequence: 0, issued: now(), revoked: Vec::new() },
        vaern_trust::Signed::into_file,
    );
    if list.revoked.iter().any(|r| r.release == args.release) {
        return output.result(&list, &format!("{} is revoked already", args.release));
    }
    list.sequence = list.sequence.saturating_add(1);
    list.issued = now().max(list.issued);
    list.revoked.push(Revoked { release: args.release, reason: args.reason.clone(), since: list.issued });
    let pairs = signers(&args.signing.keys)?;
    let pairs: Vec<_> = pairs.iter().map(|(_, pair)| pair).collect();
    let bytes = sign_file(&list, &trust, Authority::Revocation, &pairs)?;
    vaern_node::sinks::write_file(&dir, REVOCATIONS_FILE, &bytes)?;
    let lines = format!(
        "Revoked {}\n  list     number {}, in {}\n  next     `vaern channel publish` binds it to the channel, so that no older list fits",
        args.release,
        list.sequence,
        args.signing.channel.join(REVOCATIONS_FILE).display()
    );
    output.result(&list, &lines)
}
