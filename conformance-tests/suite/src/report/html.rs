//! The report that a lawyer reads: the verdict, what it rests on, every failure with whose turn it is, and the figures. One file for
//! each language, with everything in it: it fetches nothing and runs no script, and says so to the browser.

use std::fmt::Write as _;

use vaern_door::{Blame, Digest};
use vaern_policy::Catalogue;

use super::page::{self, Language};
use super::plot::{Row, escaped, intervals};
use super::words;
use crate::registry::{AREAS, Level, Test};
use crate::result::{Ending, Run, needless};
use crate::verdict::{Figure, Outcome, Said, Verdict};

/// The report of a run. The catalogue gives the words of the krav.
#[must_use]
pub fn html(run: &Run, catalogue: &Catalogue, language: Language) -> String {
    let page = Page { run, catalogue, language };
    let mut out = String::new();
    page.head(&mut out);
    out.push_str("<main>\n");
    page.verdict(&mut out);
    page.facts(&mut out);
    page.findings(&mut out);
    page.deviations(&mut out);
    page.pictures(&mut out);
    page.figures(&mut out);
    page.tests(&mut out);
    page.krav(&mut out);
    out.push_str("</main>\n");
    page.foot(&mut out);
    out
}

struct Page<'r> {
    run: &'r Run,
    catalogue: &'r Catalogue,
    language: Language,
}

impl Page<'_> {
    fn w<'w>(&self, da: &'w str, en: &'w str) -> &'w str {
        self.language.pick(da, en)
    }

    fn said<'s>(&self, said: &'s Said) -> &'s str {
        self.language.pick(&said.da, &said.en)
    }

    fn asks(&self, test: &Test) -> &'static str {
        self.language.pick(test.da, test.en)
    }

    fn head(&self, out: &mut String) {
        let lead = format!("{} {}.", self.w("Et plugin fra", "A plugin by"), self.run.release.vendor);
        page::begin(
            out,
            &page::Head {
                language: self.language,
                title: self.w("Overensstemmelsesprøve", "Conformance test"),
                name: &self.run.release.name,
                lead: &lead,
                other: self.language.other().file(),
            },
        );
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.run.outcomes.iter().filter(|outcome| outcome.verdict == verdict).count()
    }

    fn verdict(&self, out: &mut String) {
        let (class, word, means) = match self.run.ending {
            Some(Ending::Passed) => (
                "passed",
                self.w("Bestået", "Passed"),
                self.w("Alle krævede prøver er bestået.", "Every mandatory test passed."),
            ),
            Some(Ending::Warned) => (
                "warned",
                self.w("Bestået med bemærkninger", "Passed with remarks"),
                self.w(
                    "Alle krævede prøver er bestået; en anbefalet er ikke.",
                    "Every mandatory test passed; a recommended one did not.",
                ),
            ),
            Some(Ending::Failed) => (
                "failed",
                self.w("Ikke bestået", "Failed"),
                self.w(
                    "Mindst én krævet prøve er ikke bestået eller kunne ikke vises.",
                    "At least one mandatory test failed or could not be shown.",
                ),
            ),
            None => (
                "partial",
                self.w("Kun enkelte prøver", "Some tests only"),
                self.w("Siger intet om udgaven som helhed.", "Says nothing of the release as a whole."),
            ),
        };
        let counts = match self.language {
            Language::Da => format!(
                "{} bestået, {} fejlet, {} ikke vist, {} ikke relevante, {} skal undersøges af et menneske.",
                self.count(Verdict::Pass),
                self.count(Verdict::Fail),
                self.count(Verdict::Unproven),
                self.count(Verdict::NotApplicable),
                self.count(Verdict::Examine)
            ),
            Language::En => format!(
                "{} passed, {} failed, {} unproven, {} not applicable, {} for a person to examine.",
                self.count(Verdict::Pass),
                self.count(Verdict::Fail),
                self.count(Verdict::Unproven),
                self.count(Verdict::NotApplicable),
                self.count(Verdict::Examine)
            ),
        };
        let _ = writeln!(out, "<p class=\"verdict {class}\"><strong>{word}</strong> {means} {counts}</p>");
        let _ = writeln!(
            out,
            "<p class=\"caution\">{}</p>",
            self.w(
                "Tallene er fra tegnede gader, hvor intet andet står ved dem. De viser, om plugin'et holder reglerne, og om det opfører sig ens; de siger intet om, hvor godt det ser på rigtige gader. En prøve er heller ingen godkendelse: den giver byens roller.",
                "Figures are from drawn streets, unless they say otherwise. They show whether the plugin keeps the rules and is consistent; they say nothing of how well it sees on real streets. Nor is a test an approval: that is for the city's roles to give."
            )
        );
    }

    fn facts(&self, out: &mut String) {
        let run = self.run;
        let _ = writeln!(out, "<h2>{}</h2>\n<dl>", self.w("Hvad der er prøvet", "What was tested"));
        let mut row = |name: &str, value: &str| {
            let _ = writeln!(out, "<dt>{name}</dt><dd>{value}</dd>");
        };
        let code = |digest: Digest| format!("<code>{digest}</code>");
        row(self.w("Udgave", "Release"), &code(run.release.digest));
        row(self.w("Vært", "Host"), &format!("vaern {} {}", escaped(&run.host.version), code(run.host.digest)));
        row(
            self.w("Kravkatalog", "Catalogue"),
            &format!("{} {} {}", self.w("version", "version"), run.basis.catalogue, code(run.basis.catalogue_digest)),
        );
        row(self.w("Byens regler", "The city's rules"), &code(run.basis.policy));
        row(
            self.w("Prøvesamling", "Suite"),
            &format!(
                "{} {} {}",
                escaped(&run.basis.suite),
                self.w("med grænserne", "with the bounds"),
                code(run.basis.bounds)
            ),
        );
        row(
            self.w("Omfang", "Profile"),
            &format!("{}, {} {}, {}", run.profile, self.w("frø", "seed"), run.seed, escaped(&run.engine)),
        );
        if let Some(corpus) = &run.corpus {
            let kind = if corpus.sealed { self.w("forseglet", "sealed") } else { self.w("åben", "open") };
            let pictures = self.w("billeder", "pictures");
            row(
                self.w("Mærkede billeder", "Labelled pictures"),
                &format!("{} {pictures}, {kind} {}", corpus.pictures, code(corpus.digest)),
            );
        }
        if let Some(part) = &run.authority {
            row(
                self.w("Forsøg", "Attempt"),
                &format!(
                    "{} {} {}, {} {}",
                    part.attempt,
                    self.w("af", "of"),
                    part.of,
                    self.w("linje i bogen", "line of the ledger"),
                    code(part.ledger)
                ),
            );
            row(
                self.w("Frøet", "The seed"),
                &format!(
                    "{} {} {} {}",
                    self.w("bundet", "committed to"),
                    escaped(&part.committed),
                    self.w("som", "as"),
                    code(part.seed)
                ),
            );
        }
        out.push_str("</dl>\n");
    }

    fn findings(&self, out: &mut String) {
        let failing: Vec<(&Test, &Outcome)> =
            self.run.with_tests().filter(|(_, outcome)| outcome.verdict == Verdict::Fail).collect();
        let _ = writeln!(out, "<h2>{}</h2>", self.w("Hvad der ikke er bestået", "What did not pass"));
        if failing.is_empty() {
            let _ = writeln!(out, "<p>{}</p>", self.w("Ingen prøve er fejlet.", "No test failed."));
        }
        for (test, outcome) in failing {
            let _ = writeln!(out, "<article class=\"finding\"><h3>{}: {}</h3>", test.id, self.asks(test));
            if let Some(why) = &outcome.why {
                let _ = writeln!(out, "<p>{}</p>", escaped(self.said(why)));
            }
            let krav: Vec<&str> = test.krav.iter().map(|krav| krav.0).collect();
            let level = match test.level {
                Level::Must => self.w("krævet", "mandatory"),
                Level::Should => self.w("anbefalet", "recommended"),
            };
            let _ = writeln!(
                out,
                "<dl><dt>Krav</dt><dd>{} ({level})</dd><dt>{}</dt><dd>{}</dd><dt>{}</dt><dd lang=\"en\">{}</dd><dt>{}</dt><dd><code>{}</code></dd></dl></article>",
                krav.join(", "),
                self.w("Hvis tur", "Whose turn"),
                self.turn(test.blame),
                self.w("Udbedring", "Mend"),
                escaped(test.mend),
                self.w("Gentag", "Again"),
                escaped(&self.run.replay(test.id)),
            );
        }
    }

    /// What is let pass for a time: by whom, why, and how long.
    fn deviations(&self, out: &mut String) {
        if self.run.deviations.is_empty() {
            return;
        }
        let _ = writeln!(
            out,
            "<h2>{}</h2>\n<table><thead><tr><th scope=\"col\">{}</th><th scope=\"col\">Krav</th><th scope=\"col\">{}</th><th scope=\"col\">{}</th><th scope=\"col\">{}</th></tr></thead><tbody>",
            self.w("Afvigelser", "Deviations"),
            self.w("Prøve", "Test"),
            self.w("Hvem svarer for den", "Who answers for it"),
            self.w("Grund", "Reason"),
            self.w("Til og med", "Until"),
        );
        let needless = needless(&self.run.outcomes, &self.run.deviations);
        for one in &self.run.deviations {
            let needed = if needless.contains(&one) {
                self.w(
                    "<span class=\"why\">Prøven er bestået: afvigelsen er ikke længere nødvendig, og skal tages væk.</span>",
                    "<span class=\"why\">The test passed: the deviation is no longer needed, and must be taken away.</span>",
                )
            } else {
                ""
            };
            let _ = writeln!(
                out,
                "<tr><td class=\"id\">{}</td><td>{}</td><td>{}</td><td>{}{needed}</td><td class=\"id\">{}</td></tr>",
                escaped(&one.test),
                escaped(&one.krav),
                escaped(one.owner.as_str()),
                escaped(&one.reason),
                one.expires,
            );
        }
        out.push_str("</tbody></table>\n");
    }

    fn turn(&self, blame: Blame) -> &'static str {
        match blame {
            Blame::Vendor => self.language.pick("leverandøren", "the vendor"),
            Blame::Policy => self.language.pick("forvaltningen", "the city"),
            Blame::Operator => self.language.pick("driften", "the operator"),
            Blame::Host => self.language.pick("vaern selv", "vaern itself"),
        }
    }

    /// Drawn streets with what was found on them.
    fn pictures(&self, out: &mut String) {
        let figures: Vec<String> = self
            .run
            .examples
            .iter()
            .filter_map(|example| super::picture::figure(self.run.seed, example, self.language))
            .collect();
        if figures.is_empty() {
            return;
        }
        let _ = writeln!(
            out,
            "<h2>{}</h2>\n<p>{}</p>\n<div class=\"streets\">{}</div>",
            self.w("Hvad plugin'et så", "What the plugin saw"),
            self.w(
                "Tegnede gader, som plugin'et fik dem: mennesker, ansigter og nummerplader er dækket. Fuld blå ramme: plugin'ets kasse. Grøn: en container, der blev fundet. Stiplet rød: en, der blev overset.",
                "Drawn streets as the plugin got them: people, faces and plates are covered. Solid blue: a box of the plugin. Green: a container that was found. Dashed red: one that was missed."
            ),
            figures.join("\n"),
        );
    }

    fn figures(&self, out: &mut String) {
        let _ = writeln!(out, "<h2>{}</h2>", self.w("Tallene", "The figures"));
        let _ = writeln!(
            out,
            "<p>{}</p>",
            self.w(
                "Prikken er det målte, linjen det interval, som det sande tal med 95 % sikkerhed ligger i, og n antallet bag. Et bredt interval er ikke et dårligt plugin, men få tilfælde.",
                "The dot is what was measured, the line the interval that holds the true number with 95 % confidence, and n the number behind it. A wide interval is not a bad plugin, but few cases."
            )
        );
        let shares = |outcome: &Outcome| -> Vec<Row> {
            outcome.figures.iter().filter_map(|(name, figure)| self.row(name, figure)).collect()
        };
        let of = |id: &str| self.run.outcomes.iter().find(|outcome| outcome.test == id);
        let mark = if self.language == Language::Da { ',' } else { '.' };
        let mut plot = |title: &str, rows: Vec<Row>, axis: (i64, i64)| {
            if !rows.is_empty() {
                let _ = writeln!(out, "<h3>{title}</h3>\n{}", intervals(title, &rows, axis, mark));
            }
        };
        if let Some(outcome) = of("KT-QUA-004P") {
            plot(
                self.w("Andel af containerne, der findes", "Share of the containers that are found"),
                shares(outcome),
                (0, 10_000),
            );
        }
        if let Some(outcome) = of("KT-COR-003N") {
            let title = self.w(
                "Andel af containerne på mærkede billeder, der findes",
                "Share of the containers on labelled pictures that are found",
            );
            plot(title, shares(outcome), (0, 10_000));
        }
        if let Some(outcome) = of("KT-QUA-001P").filter(|o| !o.figures.is_empty()).or_else(|| of("KT-QUA-003P")) {
            plot(self.w("Fundet, og rigtigt fundet", "Recall and precision"), shares(outcome), (0, 10_000));
        }
        let lost: Vec<Row> = self
            .run
            .with_tests()
            .filter(|(test, _)| test.area() == "ROB")
            .filter_map(|(test, outcome)| {
                Some(Row {
                    name: words::disturbance(test.id, self.language).to_owned(),
                    ..self.row("lost", outcome.figures.get("lost")?)?
                })
            })
            .collect();
        plot(
            self.w("Andel af fundene, som en forstyrrelse tager", "Share of the finds that a disturbance takes"),
            lost,
            (0, 10_000),
        );
        if let Some(outcome) = of("KT-FAI-003N") {
            let title =
                self.w("Færre fund med mennesker i nærheden end uden", "Fewer finds with people nearby than without");
            plot(title, shares(outcome), (-5_000, 5_000));
        }
    }

    fn row(&self, name: &str, figure: &Figure) -> Option<Row> {
        let name = words::figure(name, self.language);
        match figure {
            Figure::Share { of, share_e4, low_e4, high_e4, .. } => {
                Some(Row { name, at: (*share_e4).into(), low: (*low_e4).into(), high: (*high_e4).into(), of: *of })
            }
            Figure::Gap { of, gap_e4, low_e4, high_e4 } => {
                Some(Row { name, at: (*gap_e4).into(), low: (*low_e4).into(), high: (*high_e4).into(), of: *of })
            }
            Figure::Count { .. } => None,
        }
    }

    fn tests(&self, out: &mut String) {
        let _ = writeln!(out, "<h2>{}</h2>", self.w("Alle prøver", "All tests"));
        for (area, da, en) in AREAS {
            let inside: Vec<_> = self.run.with_tests().filter(|(test, _)| test.area() == area).collect();
            if inside.is_empty() {
                continue;
            }
            let _ = writeln!(
                out,
                "<table class=\"tests\"><caption>{}</caption>\n<thead><tr><th scope=\"col\">{}</th><th scope=\"col\">{}</th><th scope=\"col\">{}</th><th scope=\"col\">Krav</th></tr></thead><tbody>",
                self.w(da, en),
                self.w("Prøve", "Test"),
                self.w("Spørger", "Asks"),
                self.w("Svar", "Answer"),
            );
            for (test, outcome) in inside {
                let krav: Vec<&str> = test.krav.iter().map(|krav| krav.0).collect();
                let why = outcome
                    .why
                    .as_ref()
                    .map_or_else(String::new, |why| format!("<span class=\"why\">{}</span>", escaped(self.said(why))));
                let _ = writeln!(
                    out,
                    "<tr><td class=\"id\">{}</td><td>{}{why}</td><td class=\"mark {}\">{}</td><td>{}</td></tr>",
                    test.id,
                    self.asks(test),
                    outcome.verdict.as_str(),
                    self.mark(outcome.verdict),
                    krav.join(", "),
                );
            }
            out.push_str("</tbody></table>\n");
        }
    }

    fn mark(&self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Pass => self.language.pick("✓ bestået", "✓ passed"),
            Verdict::Fail => self.language.pick("✗ fejlet", "✗ failed"),
            Verdict::Unproven => self.language.pick("? ikke vist", "? unproven"),
            Verdict::NotApplicable => self.language.pick("– ikke relevant", "– not applicable"),
            Verdict::Examine => self.language.pick("○ undersøges", "○ to examine"),
        }
    }

    fn krav(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "<h2>{}</h2>\n<table><thead><tr><th scope=\"col\">Krav</th><th scope=\"col\">{}</th><th scope=\"col\">{}</th></tr></thead><tbody>",
            self.w("Krav for krav", "Krav by krav"),
            self.w("Ordlyd", "Wording"),
            self.w("Prøver", "Tests"),
        );
        for entry in self.catalogue.entries() {
            let tests: Vec<String> = self
                .run
                .with_tests()
                .filter(|(test, _)| test.krav.iter().any(|krav| krav.0 == entry.id))
                .map(|(test, outcome)| {
                    let mark = self.mark(outcome.verdict).chars().next().unwrap_or(' ');
                    format!("<span class=\"{}\">{mark}</span>&nbsp;{}", outcome.verdict.as_str(), test.id)
                })
                .collect();
            if !tests.is_empty() {
                let words = self.language.pick(&entry.dk, &entry.en);
                let _ = writeln!(
                    out,
                    "<tr><td class=\"id\">{}</td><td>{}</td><td>{}</td></tr>",
                    escaped(&entry.id),
                    escaped(words),
                    tests.join(" ")
                );
            }
        }
        out.push_str("</tbody></table>\n");
    }

    fn foot(&self, out: &mut String) {
        let digest = self.run.to_json().map(|bytes| Digest::of(&bytes).to_string()).unwrap_or_default();
        let _ = writeln!(
            out,
            "<footer><p>{} <code>{digest}</code>. {}</p></footer>\n</body>\n</html>",
            self.w("Alt her står i run.json, som er", "Everything here is in run.json, which is"),
            self.w(
                "Den samme udgave, vært, regler og frø giver de samme bytes: kør kommandoen igen og sammenlign.",
                "The same release, host, rules and seed give the same bytes: run the command again and compare."
            ),
        );
    }
}
