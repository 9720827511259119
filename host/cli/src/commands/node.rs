//! `vaern node …`: how a running node is, and orders to it. Orders are files in the node's state: they hold whether or not it runs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;
use vaern_door::Digest;
use vaern_node::live::config::NodeConfig;
use vaern_node::live::orders::{self, Order};

use crate::commands::approve::signers;
use crate::commands::gate;
use crate::commands::serve;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

/// A node that does not answer by then has none to give.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(crate) struct At {
    /// The node's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// How it is, and why no frame is seen where that is so. Asks the node where it tells its health.
    Status(At),
    /// Stop it: no frame is seen from the next one on, through restarts too, until the city lets it go on.
    Stop(At),
    /// City: let a stopped node go on. Takes the keys of those who say what is current.
    Start {
        #[command(flatten)]
        at: At,
        /// Secret key files of those who sign.
        #[arg(long = "key", required = true)]
        keys: Vec<PathBuf>,
    },
    /// Try another listed release, one that was turned down before too: beside the one that runs, then in its place.
    Swap {
        #[command(flatten)]
        at: At,
        /// The release. Without one: the newest that is listed and here.
        release: Option<Digest>,
    },
    /// Give the seat back to the release before, while it is still kept ready.
    Rollback(At),
}

#[derive(Serialize)]
struct Ordered {
    order: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<String>,
}

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Status(at) => status(&serve::config(&at.config)?, output),
        Command::Stop(at) => {
            let stop = orders::stop(&state(&serve::config(&at.config)?)?)?;
            let lines =
                format!("stopped ({stop}): no frame is seen until the city's roles say so with `vaern node start`");
            output.result(&Ordered { order: "stop", stop: Some(stop) }, &lines)
        }
        Command::Start { at, keys } => {
            let config = serve::config(&at.config)?;
            let rules = &config.rules;
            let trust = rules.trust.clone().unwrap_or_else(|| rules.policies.join("trust.toml"));
            let pairs = signers(keys)?;
            let pairs: Vec<_> = pairs.iter().map(|(_, pair)| pair).collect();
            orders::start(&state(&config)?, &gate::trust_root(&trust)?, &pairs)?;
            output.result(&Ordered { order: "start", stop: None }, "the node may go on; what else stops it still does")
        }
        Command::Swap { at, release } => {
            orders::order(&state(&serve::config(&at.config)?)?, &Order::Swap { release: *release })?;
            let lines =
                "asked for: the release is tried beside the one that runs (`vaern node status` says how it goes)";
            output.result(&Ordered { order: "swap", stop: None }, lines)
        }
        Command::Rollback(at) => {
            orders::order(&state(&serve::config(&at.config)?)?, &Order::Rollback)?;
            let lines = "asked for (`vaern node status` says whether there was one to go back to)";
            output.result(&Ordered { order: "rollback", stop: None }, lines)
        }
    }
}

fn state(config: &NodeConfig) -> Result<cap_std::fs::Dir, Failure> {
    files::open_dir("state", &config.node.state)
}

fn status(config: &NodeConfig, output: &Output) -> Result<(), Failure> {
    let Some(metrics) = config.metrics else {
        return Err(
            Failure::usage("this node tells its health nowhere").mend("give it a `[metrics]` part with `listen`")
        );
    };
    let fail = |e: std::io::Error| {
        let what = format!("the node does not answer on {}: {e}", metrics.listen);
        Failure::refused(what, vaern_door::Krav("ANS-02"), vaern_door::Blame::Operator)
            .mend("start it with `vaern run --config`, or look at what the system's journal says of it")
    };
    let mut stream = TcpStream::connect_timeout(&metrics.listen, PATIENCE).map_err(fail)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(fail)?;
    stream.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n").map_err(fail)?;
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer).map_err(fail)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let health: Value = serde_json::from_str(body).map_err(|e| fail(std::io::Error::other(e)))?;
    output.result(&health, &lines(&health))
}

fn lines(health: &Value) -> String {
    let text = |at: &str| health.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |at: &str| health.pointer(at).and_then(Value::as_u64).unwrap_or_default();
    let mut lines = format!("{}: {} frames, {} waiting\n", text("/condition"), number("/frames"), number("/waiting"));
    if health.pointer("/why").is_some_and(|why| !why.is_null()) {
        lines += &format!(
            "  why    {}\n  krav   {}\n  turn   {}\n  mend   {}\n",
            text("/why/what"),
            text("/why/krav"),
            text("/why/blame"),
            text("/why/mend")
        );
    }
    for (name, at) in [("release", "/release"), ("trial  ", "/trial")] {
        if !text(at).is_empty() {
            lines += &format!("  {name} {}\n", text(at));
        }
    }
    for alarm in health.pointer("/alarms").and_then(Value::as_array).into_iter().flatten() {
        lines += &format!("  alarm  {}\n", alarm.as_str().unwrap_or_default());
    }
    lines
}
