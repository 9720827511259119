//! The register entry and the notice to citizens as pages: Danish, and English beside. They hold words and figures, never a picture.

use std::fmt::Write as _;

use vaern_trust::ResidualRisk;

use super::page::{self, Language};
use super::plot::{Row, escaped, intervals};
use super::words::{self, day, grouped};
use crate::register::{Both, Listed, Measured, Register, Stated};
use crate::result::Ending;
use crate::verdict::Figure;

/// File names of the entry and of the notice.
const ENTRY: [&str; 2] = ["register.html", "register.en.html"];
const NOTICE: [&str; 2] = ["notice.html", "notice.en.html"];

/// The entry, and the name of its file.
#[must_use]
pub fn register_html(register: &Register, language: Language) -> (&'static str, String) {
    let sheet = Sheet { register, language };
    let title = sheet.w("Offentlig registrering", "Public register entry");
    let lead = format!(
        "{}, version {}, {} {}.",
        register.release.plugin.as_str(),
        register.release.version,
        sheet.w("fra", "by"),
        register.release.vendor.as_str()
    );
    let (file, mut out) = sheet.begin(ENTRY, title, &lead);
    sheet.answers(&mut out);
    sheet.purpose(&mut out);
    sheet.collected(&mut out);
    sheet.section(&mut out, "Hvad leverandørens program kan", "What the vendor's program can do", &register.may);
    sheet.section(&mut out, "Hvad det ikke kan", "What it cannot do", &register.may_not);
    sheet.assessment(&mut out);
    sheet.decision(&mut out);
    sheet.figures(&mut out);
    sheet.saving(&mut out);
    sheet.rights(&mut out);
    sheet.end(&mut out, NOTICE, "Kort oplysning til borgere", "Short notice to citizens");
    (file, out)
}

/// The notice, and the name of its file: what is collected and why, on one page (GOV-12).
#[must_use]
pub fn notice_html(register: &Register, language: Language) -> (&'static str, String) {
    let sheet = Sheet { register, language };
    let title = sheet.w("Oplysning til borgere", "Notice to citizens");
    let (file, mut out) = sheet.begin(NOTICE, title, sheet.both(&register.purpose.purpose));
    sheet.why(&mut out);
    sheet.collected(&mut out);
    let _ = writeln!(
        out,
        "<h2>{}</h2>\n<p>{}</p>",
        sheet.w("Hvem der ser på det", "Who looks at it"),
        sheet.w(
            "Et program leder efter det, som formålet nævner, på de maskerede billeder og laver forslag. En medarbejder ser på hvert forslag og bestemmer. Programmet bestemmer intet.",
            "A program looks for what the purpose names on the masked pictures and makes proposals. A member of staff looks at each and decides. The program decides nothing."
        )
    );
    sheet.answers(&mut out);
    sheet.rights(&mut out);
    sheet.end(&mut out, ENTRY, "Hele registreringen", "The whole entry");
    (file, out)
}

struct Sheet<'r> {
    register: &'r Register,
    language: Language,
}

impl Sheet<'_> {
    fn w<'w>(&self, da: &'w str, en: &'w str) -> &'w str {
        self.language.pick(da, en)
    }

    fn both<'b>(&self, both: &'b Both) -> &'b str {
        self.language.pick(both.da.as_str(), both.en.as_str())
    }

    fn file(&self, files: [&'static str; 2]) -> &'static str {
        self.language.pick(files[0], files[1])
    }

    fn begin(&self, files: [&'static str; 2], title: &str, lead: &str) -> (&'static str, String) {
        let mut out = String::new();
        let name = self.register.purpose.name.as_str();
        let name = format!("{}{}", name.get(..1).unwrap_or_default().to_uppercase(), name.get(1..).unwrap_or_default());
        let other = self.language.other().pick(files[0], files[1]);
        page::begin(&mut out, &page::Head { language: self.language, title, name: &name, lead, other });
        out.push_str("<main>\n");
        (self.file(files), out)
    }

    fn end(&self, out: &mut String, other: [&'static str; 2], da: &str, en: &str) {
        let _ = writeln!(
            out,
            "</main>\n<footer><p><a href=\"{}\">{}</a>. {} <code>register.json</code>. {}</p></footer>\n</body>\n</html>",
            self.file(other),
            self.w(da, en),
            self.w("Det samme står i", "The same is in"),
            self.w(
                "Siden er lavet af det, der er underskrevet, og indeholder ingen billeder og ingen navne.",
                "The page is made from what was signed, and holds no picture and no name."
            ),
        );
    }

    /// What people wrote in Danish stays Danish on either page, and says so to those who hear it read.
    fn danish(&self, words: &Stated) -> String {
        let lines: Vec<String> = words.as_str().lines().map(escaped).collect();
        let text = lines.join("<br>");
        match self.language {
            Language::Da => text,
            Language::En => format!("<span lang=\"da\">{text}</span>"),
        }
    }

    fn list(&self, out: &mut String, rows: &[(&str, &str, String)]) {
        out.push_str("<dl>\n");
        for (da, en, value) in rows {
            let _ = writeln!(out, "<dt>{}</dt><dd>{value}</dd>", self.w(da, en));
        }
        out.push_str("</dl>\n");
    }

    fn section(&self, out: &mut String, da: &str, en: &str, sentences: &Listed<Both>) {
        let _ = writeln!(out, "<h2>{}</h2>\n<ul>", self.w(da, en));
        for sentence in sentences.iter() {
            let _ = writeln!(out, "<li>{}</li>", escaped(self.both(sentence)));
        }
        out.push_str("</ul>\n");
    }

    fn answers(&self, out: &mut String) {
        let answers = &self.register.answers;
        let _ = writeln!(out, "<h2>{}</h2>", self.w("Hvem der har ansvaret", "Who answers for it"));
        self.list(
            out,
            &[
                ("Myndighed", "Authority", self.danish(&answers.authority)),
                ("Enhed", "Unit", self.danish(&answers.unit)),
                ("Leder", "Manager", self.danish(&answers.manager)),
            ],
        );
    }

    fn why(&self, out: &mut String) {
        let purpose = &self.register.purpose;
        let _ = writeln!(out, "<h2>{}</h2>", self.w("Hvorfor", "Why"));
        self.list(
            out,
            &[
                ("Formål", "Purpose", escaped(self.both(&purpose.purpose))),
                ("Gavn", "Benefit", escaped(self.both(&purpose.benefit))),
                ("Hjemmel", "Legal basis", self.danish(&purpose.legal_basis)),
            ],
        );
    }

    fn purpose(&self, out: &mut String) {
        self.why(out);
        let release = &self.register.release;
        let _ = writeln!(out, "<h2>{}</h2>", self.w("Leverandøren og programmet", "The vendor and the program"));
        self.list(
            out,
            &[
                ("Leverandør", "Vendor", escaped(release.vendor.as_str())),
                (
                    "Leverandørens egne ord",
                    "The vendor's own words",
                    format!("<q>{}</q>", escaped(release.intended_use.as_str())),
                ),
                ("Fingeraftryk", "Digest", format!("<code>{}</code>", release.digest)),
            ],
        );
    }

    fn collected(&self, out: &mut String) {
        let register = self.register;
        self.section(out, "Hvad der indsamles", "What is collected", &register.collected);
        self.section(out, "Hvad der ikke indsamles", "What is not collected", &register.not_collected);
        self.section(out, "Hvor længe det gemmes", "How long it is kept", &register.kept);
    }

    fn assessment(&self, out: &mut String) {
        let dpia = &self.register.dpia;
        let (risk_da, risk_en) = match dpia.residual_risk {
            ResidualRisk::Lav => ("lav", "low"),
            ResidualRisk::Middel => ("middel", "medium"),
            ResidualRisk::Hoej => ("høj", "high"),
        };
        let heading =
            self.w("Konsekvensanalysen: risici og foranstaltninger", "The impact assessment: risks and measures");
        let _ = writeln!(out, "<h2>{heading}</h2>");
        self.list(
            out,
            &[
                ("Dato", "Date", day(dpia.date, self.language)),
                ("Restrisiko", "Residual risk", format!("<strong>{}</strong>", self.w(risk_da, risk_en))),
                ("Hvad der sker", "What is done", self.danish(&dpia.description)),
                ("Hvorfor det er nødvendigt", "Why it is necessary", self.danish(&dpia.necessity)),
                ("Risici", "Risks", self.danish(&dpia.risks)),
                ("Foranstaltninger", "Measures", self.danish(&dpia.measures)),
                ("Fingeraftryk", "Digest", format!("<code>{}</code>", dpia.digest)),
            ],
        );
    }

    fn decision(&self, out: &mut String) {
        let (decision, advice) = (&self.register.decision, &self.register.advice);
        let roles: Vec<&str> = decision.roles.iter().map(Stated::as_str).collect();
        let _ = writeln!(out, "<h2>{}</h2>", self.w("Godkendelsen", "The approval"));
        self.list(
            out,
            &[
                ("Underskrevet af rollerne", "Signed by the roles", escaped(&roles.join(", "))),
                (
                    "Gælder",
                    "Valid",
                    format!(
                        "{} {} {}",
                        day(decision.from, self.language),
                        self.w("til", "to"),
                        day(decision.until, self.language)
                    ),
                ),
                ("Kravkatalog", "Catalogue", format!("version {}", decision.catalogue)),
                ("Byens regler", "The city's rules", format!("<code>{}</code>", decision.policy)),
                ("Fingeraftryk", "Digest", format!("<code>{}</code>", decision.digest)),
            ],
        );
        let heading = self.w("Databeskyttelsesrådgiverens råd", "The data protection officer's advice");
        let _ = writeln!(out, "<h3>{heading}</h3>");
        self.list(
            out,
            &[
                ("Dato", "Date", day(advice.date, self.language)),
                ("Rådet", "The advice", self.danish(&advice.advice)),
                ("Forvaltningens svar", "The city's reply", self.danish(&advice.reply)),
            ],
        );
    }

    fn figures(&self, out: &mut String) {
        let measured = &self.register.conformance;
        let _ = writeln!(
            out,
            "<h2>{}</h2>\n<p class=\"caution\">{}</p>",
            self.w("Hvad prøven viste", "What the test showed"),
            escaped(self.both(&measured.on))
        );
        let ending = match measured.ending {
            Ending::Passed => self.w("bestået", "passed"),
            Ending::Warned => self.w("bestået med bemærkninger", "passed with remarks"),
            Ending::Failed => self.w("ikke bestået", "failed"),
        };
        self.list(
            out,
            &[
                (
                    "Udfald",
                    "Result",
                    format!(
                        "<strong>{ending}</strong>: {} {} {} {}",
                        measured.passed,
                        self.w("af", "of"),
                        measured.asked,
                        self.w("prøver bestået", "tests passed")
                    ),
                ),
                (
                    "Vært",
                    "Host",
                    format!("vaern {} <code>{}</code>", escaped(&measured.host.version), measured.host.digest),
                ),
                ("Resultatets fingeraftryk", "Digest of the result", format!("<code>{}</code>", measured.run)),
            ],
        );
        let _ = writeln!(
            out,
            "<p>{}</p>",
            self.w(
                "Prikken er det målte, linjen det interval, som det sande tal med 95 % sikkerhed ligger i, og n antallet bag.",
                "The dot is what was measured, the line the interval that holds the true number with 95 % confidence, and n the number behind it."
            )
        );
        let mark = self.language.mark();
        let quality = self.w(
            "Hvor meget der findes, og hvor meget af det der er rigtigt",
            "How much is found, and how much of it is right",
        );
        let _ = writeln!(
            out,
            "<h3>{quality}</h3>\n{}",
            intervals(quality, &self.rows(&measured.quality), (0, 10_000), mark)
        );
        let equality = self.w("Færre fund, når der er mennesker i nærheden", "Fewer finds with people nearby");
        let _ = writeln!(
            out,
            "<h3>{equality}</h3>\n{}",
            intervals(equality, &self.rows(&measured.equality), (-10_000, 10_000), mark)
        );
    }

    fn rows(&self, all: &Listed<Measured>) -> Vec<Row> {
        let row = |one: &Measured| {
            let name = words::figure(one.name.as_str(), self.language);
            match &one.figure {
                Figure::Share { of, share_e4, low_e4, high_e4, .. } => {
                    Some(Row { name, at: (*share_e4).into(), low: (*low_e4).into(), high: (*high_e4).into(), of: *of })
                }
                Figure::Gap { of, gap_e4, low_e4, high_e4 } => {
                    Some(Row { name, at: (*gap_e4).into(), low: (*low_e4).into(), high: (*high_e4).into(), of: *of })
                }
                Figure::Count { .. } => None,
            }
        };
        all.iter().filter_map(row).collect()
    }

    /// What people are spared, and what the machine spends for it: one beside the other (MAL-03).
    fn saving(&self, out: &mut String) {
        let (saving, cost) = (&self.register.saving, &self.register.conformance.cost);
        let thousands = self.w(".", ",").chars().next().unwrap_or(' ');
        let tenths = cost.tenths_of_a_second_per_1000_frames;
        let seconds = format!("{}{}{}", grouped(tenths / 10, thousands), self.language.mark(), tenths % 10);
        let _ = writeln!(
            out,
            "<h2>{}</h2>",
            self.w("Hvad det sparer, og hvad det koster", "What it saves, and what it costs")
        );
        self.list(
            out,
            &[
                ("Sparet arbejdstid", "Staff time saved", escaped(self.both(&saving.stated))),
                ("Sådan måles det", "How it is measured", escaped(self.both(&saving.measured))),
                (
                    "Maskinens tid pr. 1.000 billeder",
                    "Machine time per 1,000 pictures",
                    format!(
                        "{seconds} {}",
                        self.w(
                            "sekunder på den maskine, der kørte prøven (ikke en del af det underskrevne)",
                            "seconds on the machine that ran the test (not part of what was signed)"
                        )
                    ),
                ),
                (
                    "Plugin'ets egne instruktioner pr. 1.000 billeder",
                    "The plugin's own instructions per 1,000 pictures",
                    format!(
                        "{} {}",
                        grouped(cost.instructions_per_1000_frames, thousands),
                        self.w("(modellernes arbejde er ikke talt med)", "(the work of its models is not counted)")
                    ),
                ),
                (
                    "Plugin'ets hukommelse, højst",
                    "The plugin's memory, at most",
                    format!("{} bytes", grouped(cost.memory_bytes, thousands)),
                ),
            ],
        );
    }

    fn rights(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "<h2>{}</h2>\n<p>{}</p>",
            self.w("Indsigt, indsigelse og klage", "Insight, objection and complaint"),
            escaped(self.both(&self.register.purpose.rights))
        );
    }
}
