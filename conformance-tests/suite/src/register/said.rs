//! The sentences that follow from the rules: what is collected and what is not, what the plugin can do and what it cannot.

use vaern_door::{Interface, Label};
use vaern_privacy::PeopleClass;

use super::{Both, Listed, RegisterError, Rules};
use crate::report::words::grouped;
use crate::result::Run;

type Sentences = Result<Listed<Both>, RegisterError>;

/// Puts sentences together; each is made of values that the policy set's own checks let pass.
fn sentences(field: &'static str, all: Vec<(String, String)>) -> Sentences {
    let place = "the policy set";
    let said = all.iter().map(|(da, en)| Both::new(field, place, da, en));
    Listed::new(field, place, said.collect::<Result<_, _>>()?)
}

/// A number in each language.
fn number(count: impl Into<u64>) -> (String, String) {
    let count = count.into();
    (grouped(count, '.'), grouped(count, ','))
}

fn labels(all: &[Label]) -> String {
    all.iter().map(|label| label.as_str().replace('_', " ")).collect::<Vec<_>>().join(", ")
}

pub(super) fn collected(rules: &Rules<'_>) -> Sentences {
    let (fence, rates) = (&rules.fence, &rules.set.profile.rates);
    let area = format!("{:.1}", fence.area_km2());
    let area_da = area.replace('.', ",");
    let (pictures_da, pictures_en) = number(rates.pictures);
    let found = labels(&rules.grants.labels);
    sentences(
        "collected",
        vec![
            (
                format!(
                    "Billeder af gaden, taget af kameraer, som forvaltningen selv har registreret, inden for ét område: »{}«, {area_da} km².",
                    fence.name()
                ),
                format!(
                    "Pictures of the street, taken by cameras that the administration itself has registered, inside one area: “{}”, {area} km².",
                    fence.name()
                ),
            ),
            (
                format!(
                    "Reglerne tillader højst {pictures_da} billeder i alt, højst {} i sekundet og mindst {} meter mellem to billeder fra samme kamera.",
                    rates.frames_per_second, rates.min_distance_m
                ),
                format!(
                    "The rules allow {pictures_en} pictures in all, {} a second at most, and at least {} metres between two pictures of one camera.",
                    rates.frames_per_second, rates.min_distance_m
                ),
            ),
            (
                format!(
                    "For hvert fund: hvad det er (et af ordene {found}), hvor det står, og hvilken dag det blev set. Et fund er et forslag, som et menneske tager stilling til."
                ),
                format!(
                    "For each find: what it is (one of the words {found}), where it stands, and on which day it was seen. A find is a proposal that a person decides on."
                ),
            ),
        ],
    )
}

/// What is covered before any other program sees the picture, in plural.
fn covered(rules: &Rules<'_>) -> (String, String) {
    let words = [
        (PeopleClass::Face, "ansigter", "faces"),
        (PeopleClass::Person, "personer", "persons"),
        (PeopleClass::Plate, "nummerplader", "number plates"),
        (PeopleClass::Vehicle, "køretøjers ruder", "windows of vehicles"),
    ];
    let held: Vec<_> = words.iter().filter(|(class, ..)| rules.masking.region(*class).is_some()).collect();
    let join = |words: Vec<&str>, and: &str| match words.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} {and} {last}", first.join(", ")),
        Some((last, _)) => (*last).to_owned(),
        None => String::new(),
    };
    (join(held.iter().map(|(_, da, _)| *da).collect(), "og"), join(held.iter().map(|(.., en)| *en).collect(), "and"))
}

pub(super) fn not_collected(rules: &Rules<'_>) -> Sentences {
    let (da, en) = covered(rules);
    if da.is_empty() {
        let place = "the masking policy: it covers nobody".to_owned();
        return Err(RegisterError::Unstated { field: "not_collected", place });
    }
    sentences(
        "not_collected",
        vec![
            (
                format!(
                    "Mennesker vises ikke: {da} dækkes med en ensfarvet flade, der ikke kan fjernes igen, før leverandørens program ser billedet. Dækningen sker automatisk og kan overse nogen; det hører til restrisikoen."
                ),
                format!(
                    "People are not shown: {en} are covered with a plain fill that cannot be taken off again, before the vendor's program sees the picture. Covering is automatic and can miss somebody; that is part of the residual risk."
                ),
            ),
            (
                "Billeder uden for området, fra et ukendt kamera eller uden en sikker position: De kasseres, før nogen ser dem.".to_owned(),
                "Pictures outside the area, of an unknown camera or without a sure position: they are dropped before anybody sees them.".to_owned(),
            ),
            (
                "Tid, sted, kameraets nummer og alt andet i billedfilen, der ikke er selve billedet: Det følger ikke med til leverandørens program.".to_owned(),
                "Time, place, number of the camera and anything else in the file that is not the picture itself: none of it goes to the vendor's program.".to_owned(),
            ),
            (
                "Oplysninger om borgere: Ordlisten har intet ord for et menneske, og resultatet har ingen plads til navn eller personnummer.".to_owned(),
                "Data about citizens: the vocabulary has no word for a person, and the result has no room for a name or a personal number.".to_owned(),
            ),
        ],
    )
}

pub(super) fn kept(rules: &Rules<'_>) -> Sentences {
    let retention = &rules.set.profile.retention;
    let clear = rules.masking.max_in_clear().as_secs();
    let mut all = vec![(
        format!(
            "Det udækkede billede: højst {clear} sekunder og kun i maskinens hukommelse, når et køretøj er i drift."
        ),
        format!(
            "The uncovered picture: {clear} seconds at most, and only in the machine's memory, while a vehicle operates."
        ),
    )];
    for (days, da, en) in [
        (retention.evidence_days, "Det maskerede udsnit omkring et fund", "The masked crop around a find"),
        (
            retention.replay_days,
            "Hele det maskerede billede med et fund, så svaret kan efterprøves",
            "The whole masked picture with a find, so that the answer can be checked",
        ),
        (retention.pictures_days, "Maskerede billeder i et resultat", "Masked pictures of a result"),
        (retention.training_days, "Maskerede billeder til oplæring", "Masked pictures for training"),
    ] {
        all.push(match days {
            0 => (format!("{da}: gemmes ikke."), format!("{en}: not kept.")),
            1 => (format!("{da}: højst 1 dag."), format!("{en}: 1 day at most.")),
            days => (format!("{da}: højst {days} dage."), format!("{en}: {days} days at most.")),
        });
    }
    sentences("kept", all)
}

pub(super) fn may(rules: &Rules<'_>) -> Sentences {
    let grants = &rules.grants;
    let (width, height) = (grants.frame.width(), grants.frame.height());
    let mut all: Vec<(String, String)> = grants
        .interfaces
        .iter()
        .map(|interface| match interface {
            Interface::Pixels => (
                format!("Læse farverne i det maskerede billede, højst {width} × {height} punkter."),
                format!("Read the colours of the masked picture, {width} × {height} pixels at most."),
            ),
            Interface::Zoom => (
                format!("Se et maskeret udsnit i fuld opløsning, højst {} punkter pr. billede.", grants.limits.zoom_pixels),
                format!("See a masked part at full resolution, {} pixels a picture at most.", grants.limits.zoom_pixels),
            ),
            Interface::Models => (
                format!("Bruge de modeller, der følger med det og er godkendt sammen med det, på det maskerede billede, højst {width} × {height} punkter."),
                format!("Use the models that come with it and were approved with it, on the masked picture, {width} × {height} pixels at most."),
            ),
            Interface::Diagnostics => (
                "Skrive fejlsøgningslinjer under prøver, aldrig i drift.".to_owned(),
                "Write diagnostic lines while it is tested, never in operation.".to_owned(),
            ),
        })
        .collect();
    let (most, words) = (grants.output.max_detections, labels(&grants.labels));
    all.push((
        format!("Svare med højst {most} rektangler pr. billede, hvert med ét af ordene: {words}."),
        format!("Answer with {most} rectangles a picture at most, each with one of the words: {words}."),
    ));
    sentences("may", all)
}

pub(super) fn may_not(rules: &Rules<'_>) -> Sentences {
    let mut all = Vec::new();
    if !rules.grants.interfaces.contains(&Interface::Pixels) {
        all.push((
            "Læse et eneste billedpunkt: Billedet går til modellen uden om plugin'ets egen kode.".to_owned(),
            "Read a single pixel: the picture goes to the model past the plugin's own code.".to_owned(),
        ));
    }
    for (da, en) in [
        ("Se et udækket billede, et sted eller et tidspunkt.", "See an uncovered picture, a place or a time."),
        ("Åbne en fil eller en forbindelse.", "Open a file or a connection."),
        ("Huske noget fra det ene billede til det næste.", "Remember anything from one picture to the next."),
        (
            "Genkende ansigter eller svare med et ord om mennesker.",
            "Recognise faces, or answer with a word about people.",
        ),
        (
            "Træffe en afgørelse: Et menneske tager stilling til hvert forslag.",
            "Decide anything: a person decides on each proposal.",
        ),
    ] {
        all.push((da.to_owned(), en.to_owned()));
    }
    sentences("may_not", all)
}

/// What a run was made on.
pub(super) fn on(run: &Run) -> Result<Both, RegisterError> {
    let (mut da, mut en) = (
        format!(
            "Tegnede gader (omfang »{}«). De siger intet om, hvor godt programmet ser på rigtige gader.",
            run.profile
        ),
        format!(
            "Drawn streets (profile “{}”). They say nothing of how well the program sees on real streets.",
            run.profile
        ),
    );
    if let Some(corpus) = &run.corpus {
        let (count_da, count_en) = number(corpus.pictures);
        let (kind_da, kind_en) = if corpus.sealed {
            ("som ingen leverandør har set", "that no vendor has seen")
        } else {
            ("som er åbne", "that are open")
        };
        da = format!("{da} Desuden {count_da} mærkede billeder, {kind_da}.");
        en = format!("{en} Besides {count_en} labelled pictures, {kind_en}.");
    }
    Both::new("conformance.on", "a run of the suite", &da, &en)
}
