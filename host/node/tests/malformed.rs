//! POL-08: a thousand malformed policy files, of every kind. Each is refused with file and line, and none upsets the program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use std::collections::BTreeMap;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vaern_node::gate;
use vaern_policy::CitySet;

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Everything between the `nth` and the next occurrence is replaced: the `nth` of `from` becomes `to`.
fn replace_nth(text: &str, from: &str, to: &str, nth: usize) -> String {
    let (at, _) = text.match_indices(from).nth(nth).unwrap();
    format!("{}{to}{}", &text[..at], &text[at + from.len()..])
}

/// Lines that set a whole value.
fn settings(text: &str) -> Vec<usize> {
    let whole = |line: &str| {
        let plain = !line.starts_with('#') && line.contains(" = ");
        plain && !line.ends_with(['[', ',']) && !line.starts_with([' ', '\t'])
    };
    text.lines().enumerate().filter(|(_, line)| whole(line)).map(|(at, _)| at).collect()
}

fn toml(text: &str, dice: &mut Dice) -> (String, &'static str) {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = *dice.pick(&settings(text));
    let (key, _) = lines[at].split_once(" = ").map(|(key, value)| (key.to_owned(), value.to_owned())).unwrap();
    let what = match dice.below(6) {
        0 => {
            lines.insert(at, "ukendt_felt = 1".to_owned());
            "unknown field"
        }
        1 => {
            lines[at] = format!("{key} = {{ }}");
            "wrong type"
        }
        2 => {
            let again = lines[at].clone();
            lines.insert(at, again);
            "twice"
        }
        3 => {
            lines.truncate(at);
            lines.push(format!("{key} = "));
            "cut off"
        }
        4 => {
            lines[at] = lines[at].replacen(&key, &format!("{key}_stavet_forkert"), 1);
            "misspelt"
        }
        _ => {
            lines[at] = format!("{key} = 1.7e308e");
            "no value"
        }
    };
    (lines.join("\n"), what)
}

fn cedar(text: &str, dice: &mut Dice) -> (String, &'static str) {
    let choices = [
        (";\n", "\n", "no end of the rule"),
        ("@id(", "@navn(", "no id"),
        ("@krav(", "@lov(", "no krav"),
        ("@dk(\"", "@dk(\" \")\n@en(\"", "no sentence"),
        ("forbid (", "forbyd (", "no effect"),
        ("Vaern::Action::\"", "Vaern::Action::\"u", "no such action"),
        (" { ", " ( ", "brackets"),
    ];
    loop {
        let (from, to, what) = *dice.pick(&choices);
        let count = text.matches(from).count();
        if count > 0 {
            return (replace_nth(text, from, to, dice.below(count)), what);
        }
    }
}

fn schema(text: &str, dice: &mut Dice) -> (String, &'static str) {
    let choices = [
        ("};", "}", "no end"),
        (": Bool", ": Boolsk", "no such type"),
        ("entity ", "enhed ", "no such word"),
        ("{", "", "brackets"),
    ];
    let (from, to, what) = *dice.pick(&choices);
    let count = text.matches(from).count();
    (replace_nth(text, from, to, dice.below(count)), what)
}

fn geojson(text: &str, dice: &mut Dice) -> (String, &'static str) {
    let numbers: Vec<&str> =
        text.split(['[', ']', ',']).map(str::trim).filter(|part| part.starts_with("12.")).collect();
    match dice.below(4) {
        0 => (text.replacen(*dice.pick(&numbers), "\"øst\"", 1), "text for a number"),
        1 => (replace_nth(text, "[", "", dice.below(text.matches('[').count())), "brackets"),
        2 => (text[..text.rfind('[').unwrap()].to_owned(), "cut off"),
        _ => (text.replace("\"Polygon\"", "\"Firkant\""), "no such shape"),
    }
}

#[test]
fn pol_08n_a_thousand_malformed_policy_files_are_refused_with_file_and_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let city = CitySet::load(&Dir::open_ambient_dir(root, ambient_authority()).unwrap()).unwrap();
    gate::check(&city).unwrap();
    let files = city.files();
    let paths: Vec<&String> = files.keys().collect();
    let few: Vec<&String> = paths.iter().copied().filter(|path| !path.starts_with("catalogue/")).collect();
    let mut dice = Dice(20_261_125);
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for case in 0..1_000 {
        let path = if case % 2 == 0 { *dice.pick(&few) } else { *dice.pick(&paths) };
        let text = std::str::from_utf8(&files[path]).unwrap();
        let (bytes, what) = if dice.below(12) == 0 {
            let mut bytes = text.as_bytes().to_vec();
            bytes.insert(dice.below(bytes.len()), 0xff);
            (bytes, "not text")
        } else {
            let (text, what) = match path.rsplit_once('.').unwrap().1 {
                "toml" => toml(text, &mut dice),
                "cedar" => cedar(text, &mut dice),
                "cedarschema" => schema(text, &mut dice),
                _ => geojson(text, &mut dice),
            };
            (text.into_bytes(), what)
        };
        let mut changed = files.clone();
        changed.insert(path.clone(), bytes);
        let outcome =
            CitySet::of(changed).map_err(gate::CheckError::from).and_then(|city| gate::check(&city).map(|_| ()));
        let Err(error) = outcome else { panic!("case {case}: {path}, {what}, was taken") };
        // A schema that lacks a word is seen where a rule uses it.
        let said = error.to_string();
        let place = if path.ends_with("cedarschema") { "capabilities/" } else { path.as_str() };
        let line = said.split(place).nth(1).and_then(|rest| rest.split(':').nth(1));
        let line = line.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        assert!(
            line.is_some_and(|line| line.parse::<usize>().is_ok_and(|line| line >= 1)),
            "case {case}: {path}, {what}: {said}"
        );
        *refused.entry(path.split('/').next().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(refused.len(), 8, "every kind of file: {refused:?}");
}
