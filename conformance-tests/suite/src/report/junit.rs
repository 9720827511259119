//! JUnit XML, for build servers. A test that could not be shown is an error there, one that does not apply is skipped with its reason.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::registry::{AREAS, Test};
use crate::result::{Run, lets_pass};
use crate::verdict::{Outcome, Verdict};

/// The run as JUnit XML: one suite for each area.
///
/// # Errors
/// What the writer says: nothing in a run can make it fail.
pub fn junit(run: &Run) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all: Vec<(&Test, &Outcome)> = run.with_tests().collect();
    let name = format!("vaern conform {} ({}, seed {})", run.release.name, run.profile, run.seed);
    let counts = counted(&all, run);
    writer
        .create_element("testsuites")
        .with_attributes([("name", name.as_str())])
        .with_attributes(counts.attributes())
        .write_inner_content(|writer| {
            for (area, _, title) in AREAS {
                let inside: Vec<_> = all.iter().copied().filter(|(test, _)| test.area() == area).collect();
                if !inside.is_empty() {
                    suite(writer, title, &inside, run)?;
                }
            }
            Ok(())
        })?;
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

struct Counts([(&'static str, String); 4]);

impl Counts {
    fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, count)| (*name, count.as_str()))
    }
}

fn counted(tests: &[(&Test, &Outcome)], run: &Run) -> Counts {
    let of = |wanted: &str| tests.iter().filter(|(_, outcome)| kind(outcome, run) == Some(wanted)).count().to_string();
    Counts([
        ("tests", tests.len().to_string()),
        ("failures", of("failure")),
        ("errors", of("error")),
        ("skipped", of("skipped")),
    ])
}

/// JUnit's word for it; none for a pass. A failure that a deviation lets pass for a time is skipped, with the deviation as its reason.
fn kind(outcome: &Outcome, run: &Run) -> Option<&'static str> {
    match outcome.verdict {
        Verdict::Pass => None,
        Verdict::Fail if lets_pass(outcome, &run.deviations).is_some() => Some("skipped"),
        Verdict::Fail => Some("failure"),
        Verdict::Unproven => Some("error"),
        Verdict::NotApplicable | Verdict::Examine => Some("skipped"),
    }
}

fn suite(writer: &mut Writer<Vec<u8>>, title: &str, tests: &[(&Test, &Outcome)], run: &Run) -> io::Result<()> {
    let counts = counted(tests, run);
    writer
        .create_element("testsuite")
        .with_attributes([("name", title)])
        .with_attributes(counts.attributes())
        .write_inner_content(|writer| {
            for (test, outcome) in tests {
                case(writer, test, outcome, run)?;
            }
            Ok(())
        })?;
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, test: &Test, outcome: &Outcome, run: &Run) -> io::Result<()> {
    let name = format!("{} {}", test.id, test.en);
    let class = format!("vaern.{}", test.area());
    let element = writer.create_element("testcase").with_attributes([("name", name.as_str()), ("classname", &class)]);
    let Some(kind) = kind(outcome, run) else {
        element.write_empty()?;
        return Ok(());
    };
    let why = outcome.why.as_ref().map_or("", |why| why.en.as_str());
    let why = match lets_pass(outcome, &run.deviations) {
        Some(one) => format!("{why} Let pass until {} by {}: {}", one.expires, one.owner, one.reason),
        None => why.to_owned(),
    };
    let krav: Vec<&str> = test.krav.iter().map(|krav| krav.0).collect();
    let more =
        format!("krav: {}\nturn: {}\nmend: {}\nagain: {}", krav.join(", "), test.blame, test.mend, run.replay(test.id));
    element.write_inner_content(|writer| {
        let inner = writer.create_element(kind).with_attributes([("message", why.as_str())]);
        if kind == "skipped" {
            inner.write_empty()?;
        } else {
            inner.with_attributes([("type", outcome.verdict.as_str())]).write_text_content(BytesText::new(&more))?;
        }
        Ok(())
    })?;
    Ok(())
}
