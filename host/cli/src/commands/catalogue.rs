//! `vaern catalogue`: the requirements, what holds them, and the forms in which others read them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use vaern_door::{Blame, Krav};
use vaern_policy::CitySet;
use vaern_policy::catalogue::{self, Catalogue, KravEntry, SourceTests, Traced};

use crate::commands::gate;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

/// Where a source tree lists the guards that a test can switch off.
const GUARDS: &str = "conformance-tests/guards.toml";

#[derive(clap::Args)]
pub(crate) struct Where {
    /// The policy directory.
    #[arg(long, default_value = "policies", value_name = "DIR")]
    policies: PathBuf,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Every krav with its kind, its standing and its sentence.
    List {
        #[command(flatten)]
        place: Where,
    },
    /// One krav: its words, its sources, its rules and its tests.
    Show {
        /// Its id, as in MIN-04.
        id: String,
        #[command(flatten)]
        place: Where,
    },
    /// Hold the catalogue against its rules and against the tests of the source, both ways.
    Check {
        #[command(flatten)]
        place: Where,
        /// The source tree with the tests, if it is not the folder above the policy directory.
        #[arg(long, value_name = "DIR")]
        source: Option<PathBuf>,
        /// Refuse what is only planned: for a release of the host.
        #[arg(long)]
        strict: bool,
    },
    /// Write the catalogue for others: OSCAL for auditors' tools, HTML in Danish for vendors.
    Export {
        #[command(flatten)]
        place: Where,
        /// The form.
        #[arg(long, value_enum)]
        format: Format,
        /// Folder for the files.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Oscal,
    Html,
}

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { place } => list(&load(place)?, output),
        Command::Show { id, place } => show(&load(place)?, id, output),
        Command::Check { place, source, strict } => check(place, source.as_deref(), *strict, output),
        Command::Export { place, format, out } => export(&load(place)?, *format, out, output),
    }
}

fn load(place: &Where) -> Result<CitySet, Failure> {
    let set = CitySet::load(&files::open_dir("policy", &place.policies)?)?;
    if set.catalogue().is_empty() {
        let what = format!("`{}` holds no catalogue", place.policies.display());
        return Err(Failure::refused(what, Krav("LEV-08"), Blame::Policy));
    }
    Ok(set)
}

/// What a reader of the list must know of a krav.
fn standing(entry: &KravEntry) -> &'static str {
    match (&entry.retired, &entry.planned) {
        (Some(_), _) => "retired",
        (None, None) => "whole",
        (None, Some(_)) if entry.only_planned() => "planned",
        (None, Some(_)) => "partly",
    }
}

fn kinds(entry: &KravEntry) -> String {
    entry.kind.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join("/")
}

fn list(set: &CitySet, output: &Output) -> Result<(), Failure> {
    let entries: Vec<&KravEntry> = set.catalogue().entries().collect();
    let mut lines = String::new();
    for entry in &entries {
        let _ = writeln!(lines, "{}  {:<3}  {:<7}  {}", entry.id, kinds(entry), standing(entry), entry.dk);
    }
    output.result(&entries, &lines)
}

fn show(set: &CitySet, id: &str, output: &Output) -> Result<(), Failure> {
    let Some(entry) = set.catalogue().get(id) else {
        let what = format!("the catalogue holds no `{}`", id.escape_debug());
        return Err(Failure::usage(what).mend("see the ids with `vaern catalogue list`"));
    };
    let mut lines = format!("{}  {}\n    {}\n\n", entry.id, entry.dk, entry.en);
    let parties: Vec<&str> = entry.responsible.iter().map(|party| party.as_str()).collect();
    let _ = writeln!(lines, "kind         {} ({})", kinds(entry), standing(entry));
    let _ = writeln!(lines, "responsible  {}", parties.join(", "));
    let _ = writeln!(lines, "version      {} (since {})", entry.version(), entry.since);
    if let Some(note) = &entry.note {
        let _ = writeln!(lines, "note         {note}");
    }
    for source in &entry.source {
        let _ = writeln!(lines, "source       {source}");
    }
    for line in entry.references.lines() {
        let _ = writeln!(lines, "see also     {line}");
    }
    for rule in set.rules().rules().filter(|rule| entry.rules.contains(&rule.id)) {
        let _ = writeln!(lines, "rule         {} ({}): {}", rule.id, rule.place, rule.dk);
    }
    for test in &entry.tests {
        let _ = writeln!(lines, "test         {test}");
    }
    if let Some(examined) = &entry.examined {
        let _ = writeln!(lines, "examined     {examined}");
    }
    if let Some(planned) = &entry.planned {
        let _ = writeln!(lines, "planned      {}{}", issue(planned.issue), planned.why);
    }
    output.result(entry, &lines)
}

fn issue(number: Option<u32>) -> String {
    number.map_or_else(|| "no issue yet: ".to_owned(), |number| format!("issue {number}: "))
}

#[derive(Serialize)]
struct Checked {
    version: String,
    krav: usize,
    rules: usize,
    #[serde(flatten)]
    traced: Traced,
    /// Krav of kind T that no guard is named for; absent without a source tree.
    unguarded: Option<Vec<String>>,
}

fn check(place: &Where, source: Option<&Path>, strict: bool, output: &Output) -> Result<(), Failure> {
    let set = load(place)?;
    let catalogue = set.catalogue();
    let (tests, unguarded) = match source_tree(place, source) {
        Some(path) => {
            let dir = files::open_dir("source", &path)?;
            let tests = SourceTests::read(&dir).map_err(|e| Failure::file("cannot read the source", &path, &e))?;
            let guards = dir.read_to_string(GUARDS).ok();
            let unguarded = guards.map(|guards| catalogue::unguarded(catalogue, &guards)).transpose();
            (Some(tests), unguarded.map_err(|e| Failure::usage(format!("`{GUARDS}`: {e}")))?)
        }
        None => {
            output.say("SKIP the tests: no source tree here; name one with --source");
            (None, None)
        }
    };
    let traced = catalogue::trace(catalogue, tests.as_ref());
    let mut lines = told(catalogue, &traced, set.rules().rules().count());
    if let Some(unguarded) = unguarded.as_ref().filter(|list| !list.is_empty()) {
        let _ = writeln!(lines, "tested, but by no guard that a test switches off: {}", unguarded.join(", "));
    }
    if let Some(first) = traced.untraced.first() {
        let all: String = traced.untraced.iter().map(|u| format!("\n  {}  {}", u.id, u.what)).collect();
        let krav = catalogue::known(&first.id).unwrap_or(Krav("GOV-05"));
        return Err(Failure::refused(format!("{} links do not hold:{all}", traced.untraced.len()), krav, Blame::Host)
            .mend("put the test or rule back, or say in the krav's file what takes its place"));
    }
    let open = traced.partly.len() + traced.planned.len();
    if strict && open > 0 {
        return Err(Failure::refused(format!("{open} krav are not whole\n{lines}"), Krav("GOV-05"), Blame::Host)
            .mend("a release of the host waits until nothing is planned"));
    }
    let checked = Checked {
        version: catalogue.version().map(ToString::to_string).unwrap_or_default(),
        krav: catalogue.entries().count(),
        rules: set.rules().rules().count(),
        traced,
        unguarded,
    };
    output.result(&checked, &lines)
}

/// The source tree: as named, else the folder above the policy directory if it looks like one.
fn source_tree(place: &Where, named: Option<&Path>) -> Option<PathBuf> {
    named.map(Path::to_owned).or_else(|| {
        let above = place.policies.join("..");
        (above.join("Cargo.toml").is_file() && above.join("host").is_dir()).then_some(above)
    })
}

fn told(catalogue: &Catalogue, traced: &Traced, rules: usize) -> String {
    let mut lines = format!(
        "{} krav, {} rules, {} tests linked: {} whole, {} in part, {} only planned, {} retired\n",
        catalogue.entries().count(),
        rules,
        traced.tests,
        traced.whole.len(),
        traced.partly.len(),
        traced.planned.len(),
        traced.retired.len()
    );
    for (heading, ids) in [("in part, the rest planned:", &traced.partly), ("only planned:", &traced.planned)] {
        if ids.is_empty() {
            continue;
        }
        let _ = writeln!(lines, "{heading}");
        for entry in ids.iter().filter_map(|id| catalogue.get(id)) {
            let planned = entry.planned.as_ref();
            let why = planned.map_or("", |planned| planned.why.as_str());
            let _ = writeln!(lines, "  {}  {}{why}", entry.id, issue(planned.and_then(|planned| planned.issue)));
        }
    }
    lines
}

#[derive(Serialize)]
struct Exported {
    version: String,
    files: Vec<PathBuf>,
}

fn export(set: &CitySet, format: Format, out: &Path, output: &Output) -> Result<(), Failure> {
    let dir = files::make_dir("output", out)?;
    let mut written = Vec::new();
    let mut write = |name: &str, text: &str| -> Result<(), Failure> {
        vaern_node::sinks::write_file(&dir, name, text.as_bytes())?;
        written.push(out.join(name));
        Ok(())
    };
    match format {
        Format::Html => write("kravkatalog.html", &catalogue::html(set.catalogue(), set.rules()))?,
        Format::Oscal => {
            let now = gate::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            for (name, document) in catalogue::oscal(set.catalogue(), &now).files() {
                let text = serde_json::to_string_pretty(document).map_err(|e| Failure::internal(e.to_string()))?;
                write(name, &(text + "\n"))?;
            }
        }
    }
    let version = set.catalogue().version().map(ToString::to_string).unwrap_or_default();
    let lines: String = written.iter().map(|path| format!("{}\n", path.display())).collect();
    output.result(&Exported { version, files: written }, &lines)
}
