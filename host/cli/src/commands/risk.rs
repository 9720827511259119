//! `vaern risk`: the city's word on the residual risk of a purpose. A high one stops the purpose on every node (GOV-02).

use vaern_door::Name;
use vaern_node::live::orders::{self, RiskNotice};
use vaern_trust::ResidualRisk;

use crate::commands::approve::signers;
use crate::commands::channel::Signing;
use crate::commands::gate::trust_root;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The purpose.
    #[arg(long)]
    purpose: Name,
    /// The risk that is left after all measures: `lav`, `middel` or `høj`.
    #[arg(long, value_parser = level)]
    level: ResidualRisk,
    #[command(flatten)]
    signing: Signing,
}

fn level(word: &str) -> Result<ResidualRisk, String> {
    let all = [ResidualRisk::Lav, ResidualRisk::Middel, ResidualRisk::Hoej];
    all.into_iter().find(|risk| risk.as_str() == word).ok_or_else(|| "one of lav, middel, høj".to_owned())
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let dir = files::open_dir("channel", &args.signing.channel)?;
    let trust = trust_root(&args.signing.trust)?;
    let before = orders::risk(&dir, &trust, &args.purpose)?.map_or(0, |notice| notice.sequence);
    let sequence = before.saturating_add(1);
    let notice = RiskNotice { purpose: args.purpose.clone(), sequence, residual_risk: args.level };
    let pairs = signers(&args.signing.keys)?;
    let pairs: Vec<_> = pairs.iter().map(|(_, pair)| pair).collect();
    let bytes = orders::sign_risk(&notice, &trust, &pairs)?;
    vaern_node::sinks::write_file(&dir, &orders::risk_file(&args.purpose), &bytes)?;
    let lines = format!(
        "the residual risk of `{}` is `{}` (notice {sequence}); it goes out with the channel",
        args.purpose,
        args.level.as_str()
    );
    output.result(&notice, &lines)
}
