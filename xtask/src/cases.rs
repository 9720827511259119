//! `cargo xtask cases`: which attack cases have a test, which are deferred with a reason, and which nobody answers for.
//!
//! A case is tested when a test carries its id: `sbx_01n_…` plays the attack, `sbx_01p_…` the nearest honest input. A case that
//! `conformance-tests/cases.toml` defers stays deferred, however many tests touch it: half a case is never green.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use serde::Deserialize;

/// The list of cases and of what is deferred.
const LIST: &str = "conformance-tests/cases.toml";

/// Where tests are.
const FOLDERS: [&str; 5] = ["host", "conformance-tests", "sdk", "plugins", "xtask"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    /// Areas in which a missing case is a failure.
    enforced: BTreeSet<String>,
    /// Each area with its number of cases: ids run from 01.
    areas: BTreeMap<String, u8>,
    #[serde(default, rename = "case")]
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    state: State,
    /// The issue that will answer for it.
    issue: u32,
    why: String,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum State {
    Deferred,
}

/// Attack and honest tests of one case.
#[derive(Default, Clone, Copy)]
struct Tests {
    attacks: usize,
    honest: usize,
}

type Found = BTreeMap<(String, u8), Tests>;

/// Counts, prints, and fails on what nobody answers for.
pub(crate) fn run(root: &Path) -> ExitCode {
    match report(root) {
        Ok((text, complaints)) => {
            print!("{text}");
            for complaint in &complaints {
                eprintln!("cases: {complaint}");
            }
            if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("cases: {error}");
            ExitCode::from(2)
        }
    }
}

fn report(root: &Path) -> Result<(String, Vec<String>), String> {
    let text = std::fs::read_to_string(root.join(LIST)).map_err(|e| format!("cannot read {LIST}: {e}"))?;
    let list: List = toml::from_str(&text).map_err(|e| format!("{LIST}: {e}"))?;
    let mut found = Found::new();
    for folder in FOLDERS {
        scan_folder(&root.join(folder), &mut found).map_err(|e| format!("cannot read {folder}: {e}"))?;
    }
    Ok(judge(&list, &found))
}

fn scan_folder(folder: &Path, found: &mut Found) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "target" {
                scan_folder(&path, found)?;
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            scan(&std::fs::read_to_string(&path)?, found);
        }
    }
    Ok(())
}

/// Counts the tests in one source file. A test that never runs is none: of the ignored, only the deep tier counts.
fn scan(source: &str, found: &mut Found) {
    let (mut test, mut ignored) = (false, false);
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[") {
            test |= line == "#[test]";
            ignored |= line.starts_with("#[ignore") && !line.contains("deep:");
        } else if let Some(rest) = line.strip_prefix("fn ") {
            if test && !ignored && !rest.is_empty() {
                count(rest.split(['(', '<']).next().unwrap_or_default(), found);
            }
            (test, ignored) = (false, false);
        }
    }
}

/// Counts every id in a test's name: one test may answer for several cases, joined by `_and_`.
fn count(name: &str, found: &mut Found) {
    let words: Vec<&str> = name.split('_').collect();
    for pair in words.windows(2) {
        let [area, number] = pair else { continue };
        let is_area = area.len() == 3 && area.chars().all(|c| c.is_ascii_lowercase());
        let (Some(kind), Some(Ok(id))) = (number.chars().nth(2), number.get(..2).map(str::parse::<u8>)) else {
            continue;
        };
        if !is_area || number.len() != 3 || !matches!(kind, 'n' | 'p') {
            continue;
        }
        let tests = found.entry((area.to_ascii_uppercase(), id)).or_default();
        if kind == 'n' { tests.attacks += 1 } else { tests.honest += 1 }
    }
}

fn judge(list: &List, found: &Found) -> (String, Vec<String>) {
    let mut complaints = vec![];
    let mut deferred: BTreeMap<&str, &Case> = BTreeMap::new();
    for case in &list.cases {
        let State::Deferred = case.state;
        let known =
            split(&case.id).is_some_and(|(area, n)| list.areas.get(area).is_some_and(|last| (1..=*last).contains(&n)));
        if !known || case.why.trim().is_empty() || case.issue == 0 {
            complaints.push(format!("`{}` in {LIST} is no case, or is deferred without issue or reason", case.id));
        }
        if deferred.insert(&case.id, case).is_some() {
            complaints.push(format!("`{}` stands twice in {LIST}", case.id));
        }
    }
    let mut text = String::from("area  cases  tested  deferred  missing\n");
    let mut details = String::new();
    for (area, last) in &list.areas {
        let (mut tested, mut late, mut missing) = (0, 0, vec![]);
        for number in 1..=*last {
            let id = format!("{area}-{number:02}");
            let tests = found.get(&(area.clone(), number)).copied().unwrap_or_default();
            if let Some(case) = deferred.get(id.as_str()) {
                late += 1;
                let part = if tests.attacks > 0 { ", in part tested" } else { "" };
                details += &format!("  {id}  deferred (issue {}{part}): {}\n", case.issue, case.why);
            } else if tests.attacks > 0 {
                tested += 1;
            } else {
                missing.push(id);
            }
        }
        text += &format!("{area:<4} {last:>6} {tested:>7} {late:>9} {:>8}\n", missing.len());
        if !missing.is_empty() {
            details += &format!("  {area}: nobody answers for {}\n", missing.join(", "));
            if list.enforced.contains(area) {
                complaints.push(format!(
                    "{area}: {} without a test and not deferred: {}",
                    missing.len(),
                    missing.join(", ")
                ));
            }
        }
    }
    let honest = found.values().filter(|tests| tests.honest > 0).count();
    let attacked = found.values().filter(|tests| tests.attacks > 0).count();
    text += &format!("{attacked} cases have an attack, {honest} an honest neighbour of that name\n");
    (text + &details, complaints)
}

fn split(id: &str) -> Option<(&str, u8)> {
    let (area, number) = id.split_once('-')?;
    (number.len() == 2).then_some(())?;
    Some((area, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> List {
        toml::from_str(&format!("enforced = [\"SBX\"]\nareas = {{ SBX = 3, FRM = 1 }}\n{text}")).unwrap()
    }

    fn scanned(source: &str) -> Found {
        let mut found = Found::new();
        scan(source, &mut found);
        found
    }

    #[test]
    fn names_of_tests_are_counted_and_other_functions_are_not() {
        let source = "
            #[test]
            fn sbx_01n_a_loop_and_sbx_02p_none() {}
            fn sbx_03n_a_helper() {}
            #[test]
            #[ignore = \"later\"]
            fn sbx_03n_never_run() {}
            #[test]
            #[ignore = \"deep: an hour\"]
            fn frm_01n_in_the_deep_tier() {}";
        let found = scanned(source);
        let ids: Vec<_> = found.iter().map(|((area, n), t)| (area.as_str(), *n, t.attacks, t.honest)).collect();
        assert_eq!(ids, [("FRM", 1, 1, 0), ("SBX", 1, 1, 0), ("SBX", 2, 0, 1)]);
    }

    #[test]
    fn missing_cases_fail_where_they_are_enforced_and_deferred_ones_are_never_green() {
        let found = scanned("#[test]\nfn sbx_01n_x() {}\n#[test]\nfn sbx_02n_y() {}");
        let case = "[[case]]\nid = \"SBX-02\"\nstate = \"deferred\"\nissue = 8\nwhy = \"half of it\"";
        let (text, complaints) = judge(&list(case), &found);
        assert!(text.contains("SBX       3       1         1        1"), "{text}");
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].contains("SBX-03") && !complaints[0].contains("FRM"), "{complaints:?}");
    }

    #[test]
    fn a_deferral_without_a_case_or_a_reason_is_a_complaint() {
        for (id, why) in [("SBX-04", "x"), ("SBX-1", "x"), ("XXX-01", "x"), ("SBX-03", " ")] {
            let case = format!("[[case]]\nid = \"{id}\"\nstate = \"deferred\"\nissue = 8\nwhy = \"{why}\"");
            let (_, complaints) = judge(&list(&case), &Found::new());
            assert!(complaints.iter().any(|c| c.contains(id) && c.contains("no case")), "{id} {complaints:?}");
        }
    }
}
