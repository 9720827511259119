//! Data collection: killed at every step, nothing is lost and nothing is left unrecorded (SEP-02, SKJ-09).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jpeg_encoder::{ColorType, Encoder};
use vaern_door::{Digest, Name, Rect, Size};
use vaern_node::collection::{Account, CollectionError, Collector, HeldSet, Plan, Step};
use vaern_node::pipeline::{self, Job, Task};
use vaern_privacy::{
    CameraSet, DetectorFault, FenceSet, Gate, MaskingPolicy, PeopleClass, PeopleDetector, Picture, SeenBox,
};
use vaern_trust::{DeletionRecord, SigningKeyPair};

const SET: &str = "name = \"round-1\"\nowner = \"TMF, Containerenheden\"\npurpose = \"containere\"\n\
                   expires = \"2027-06-01T00:00:00Z\"\n";
const PICTURES: usize = 5;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn now() -> jiff::Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn held() -> HeldSet {
    HeldSet::parse(SET, &name("containere"), now()).unwrap()
}

fn pair() -> SigningKeyPair {
    SigningKeyPair::from_seed(&[9; 32])
}

struct Blind(Name);

impl PeopleDetector for Blind {
    fn name(&self) -> &Name {
        &self.0
    }
    fn digest(&self) -> Digest {
        Digest::of(b"blind")
    }
    fn classes(&self) -> &[PeopleClass] {
        &[PeopleClass::Face, PeopleClass::Person, PeopleClass::Plate]
    }
    fn input(&self) -> Size {
        Size::new(320, 320).unwrap()
    }
    fn look(&self, _: Picture<'_>, _: Rect, _: f32) -> Result<Vec<SeenBox>, DetectorFault> {
        Ok(vec![])
    }
}

fn gate() -> Gate {
    let text = include_str!("../../../policies/masking/irreversible-v1.toml");
    let policy = MaskingPolicy::parse(&text.replace("allow_unlocated = false", "allow_unlocated = true")).unwrap();
    let detector = Blind(name("people-drawn"));
    Gate::new(policy, FenceSet::default(), CameraSet::default(), vec![Arc::new(detector)]).unwrap()
}

fn dir(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn photo(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let rgb: Vec<u8> = (0..32 * 24 * 3).map(|i| (i * (number + 3) % 251) as u8).collect();
    Encoder::new(&mut bytes, 90).encode(&rgb, 32, 24, ColorType::Rgb).unwrap();
    bytes
}

/// A folder with `source` full of pictures and `out` to fill; `refused.jpg` is no picture and must stay.
fn site() -> tempfile::TempDir {
    let site = tempfile::tempdir().unwrap();
    let source = site.path().join("source/day");
    std::fs::create_dir_all(&source).unwrap();
    std::fs::create_dir(site.path().join("out")).unwrap();
    for number in 0..PICTURES {
        std::fs::write(source.join(format!("photo-{number}.jpg")), photo(number)).unwrap();
        std::fs::write(source.join(format!("photo-{number}.txt")), "1 0.5 0.5 0.25 0.25\n").unwrap();
    }
    std::fs::write(source.join("refused.jpg"), b"no picture").unwrap();
    site
}

fn collect(site: &Path, delete: bool, reached: &(dyn Fn(Step) + Sync)) -> Result<Account, CollectionError> {
    let (source, out, gate) = (dir(&site.join("source")), dir(&site.join("out")), gate());
    let plan = Plan {
        set: held(),
        policy: Digest::of(b"policy"),
        source: &source,
        out: &out,
        delete: delete.then(pair),
        coco: None,
        annotated: None,
        now: now(),
        reached,
    };
    let collector = Collector::open(plan)?;
    let job = Job {
        source: &source,
        out: &out,
        camera: None,
        track: None,
        unlocated: true,
        now: now(),
        workers: 2,
        task: Task::Mask { collector: Some(&collector) },
        progress: &|_, _| {},
    };
    pipeline::run(&gate, &job).unwrap();
    collector.finish(Vec::new())
}

fn originals(site: &Path) -> BTreeSet<String> {
    let names =
        std::fs::read_dir(site.join("source/day")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("photo") && name.ends_with(".jpg")).collect()
}

/// Every deletion that is signed for, by picture number.
fn signed(site: &Path) -> BTreeMap<u64, (Digest, Digest)> {
    let mut found = BTreeMap::new();
    let mut previous = None;
    for number in 1.. {
        let Ok(bytes) = std::fs::read(site.join(format!("out/deletions/{number:06}.dsse.json"))) else { break };
        let record = DeletionRecord::read(&bytes, &name("round-1"), held().digest(), &[pair().public()])
            .expect("a record that holds");
        assert_eq!((record.record, record.previous), (number, previous));
        previous = Some(Digest::of(&bytes));
        for original in record.originals {
            let twice = found.insert(original.number, (original.commitment, original.masked));
            assert!(twice.is_none(), "a deletion signed for twice");
        }
    }
    found
}

/// Digests of all masked pictures on disk.
fn masked(site: &Path) -> BTreeMap<String, Digest> {
    let Ok(entries) = std::fs::read_dir(site.join("out/pictures")) else { return BTreeMap::new() };
    let paths = entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "jpg"));
    paths
        .map(|p| (p.file_name().unwrap().to_str().unwrap().to_owned(), Digest::of(&std::fs::read(&p).unwrap())))
        .collect()
}

/// The masked pictures that the journal tells of: original, name and digest.
fn journaled(site: &Path) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(site.join("out/journal.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let word = |line: &serde_json::Value, field: &str| line[field].as_str().unwrap().to_owned();
    let masked = lines.filter(|line| line["step"] == "masked");
    masked.map(|line| (word(&line, "original"), word(&line, "picture"), word(&line, "digest"))).collect()
}

/// At any moment whatever: each original is there under one of its names, or its masked picture is there whole and known.
fn nothing_is_lost(site: &Path) {
    let (journaled, masked) = (journaled(site), masked(site));
    let files = std::fs::read_dir(site.join("source/day")).unwrap().map(|e| std::fs::read(e.unwrap().path()).unwrap());
    let files: Vec<Vec<u8>> = files.collect();
    for number in 0..PICTURES {
        let here = files.contains(&photo(number));
        let there = journaled.iter().any(|(original, picture, digest)| {
            *original == format!("day/photo-{number}.jpg")
                && masked.get(picture).is_some_and(|found| found.to_string() == *digest)
        });
        assert!(here || there, "photo-{number} is lost");
    }
}

/// At the end: no original is left, each deletion is signed for once, and its masked picture is the one on disk.
fn all_is_done(site: &Path, account: &Account) {
    assert!(originals(site).is_empty(), "{:?}", originals(site));
    let hidden = std::fs::read_dir(site.join("source/day")).unwrap().map(|e| e.unwrap().file_name());
    assert!(!hidden.into_iter().any(|name| name.as_encoded_bytes().starts_with(b".")), "left under a private name");
    assert!(site.join("source/day/refused.jpg").exists(), "what was refused stays");
    let (signed, masked) = (signed(site), masked(site));
    assert_eq!((signed.len(), masked.len()), (PICTURES, PICTURES));
    for (_, digest) in signed.values() {
        assert!(masked.values().any(|d| d == digest), "a signed picture that is not there");
    }
    assert_eq!((account.pictures, account.originals_deleted), (PICTURES, PICTURES));
    assert!(site.join("out/training-set.toml").exists());
    let annotated = std::fs::read_dir(site.join("out/pictures")).unwrap();
    let annotated = annotated.filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "txt")).count();
    assert!(annotated >= PICTURES);
}

#[test]
fn sep_02p_a_collection_deletes_what_it_masked_and_signs_for_it() {
    let site = site();
    let account = collect(site.path(), true, &|_| {}).unwrap();
    all_is_done(site.path(), &account);
    // A second run finds nothing to do and changes nothing.
    let before = std::fs::read(site.path().join("out/journal.jsonl")).unwrap();
    assert_eq!(collect(site.path(), true, &|_| {}).unwrap(), account);
    assert_eq!(std::fs::read(site.path().join("out/journal.jsonl")).unwrap(), before);
}

/// Every file below a folder, with its path inside it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn sep_01n_names_of_originals_stand_in_the_journal_and_nowhere_else() {
    let site = site();
    let account = collect(site.path(), true, &|_| {}).unwrap();
    std::fs::write(site.path().join("source/day/photo-9.jpg"), photo(0)).unwrap();
    // One that stays is told to whoever runs it, and counted in the file.
    let kept = collect(site.path(), false, &|_| {}).unwrap();
    assert_eq!((account.pictures, kept.pictures), (PICTURES, PICTURES + 1));
    let mut told = BTreeSet::new();
    for file in files(&site.path().join("out")) {
        let name = file.strip_prefix(site.path().join("out")).unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&file).unwrap();
        let holds = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
        if name == "journal.jsonl" {
            assert!(holds(b"photo-9"), "the journal knows it");
        } else {
            assert!(!name.contains("photo") && !holds(b"photo"), "{name}");
        }
        told.insert(name);
    }
    assert!(told.contains("pictures/000006.jpg") && told.contains("pictures/000005.txt"), "{told:?}");
    assert!(told.contains("deletions/000001.dsse.json") && told.contains("collection.json"), "{told:?}");
}

#[test]
fn sep_02p_without_the_word_nothing_is_deleted() {
    let site = site();
    let account = collect(site.path(), false, &|_| {}).unwrap();
    assert_eq!((account.pictures, account.originals_deleted, originals(site.path()).len()), (PICTURES, 0, PICTURES));
    // The word may come later.
    let account = collect(site.path(), true, &|_| {}).unwrap();
    all_is_done(site.path(), &account);
}

#[test]
fn sep_02n_a_set_without_owner_purpose_or_expiry_is_refused() {
    let parse = |text: &str| HeldSet::parse(text, &name("containere"), now()).map(|_| ());
    for field in ["name", "owner", "purpose", "expires"] {
        let without: String = SET.lines().filter(|l| !l.starts_with(field)).map(|l| format!("{l}\n")).collect();
        assert!(matches!(parse(&without), Err(CollectionError::SetForm(_))), "{field}");
    }
    assert!(matches!(parse(&SET.replace("TMF, Containerenheden", " ")), Err(CollectionError::SetForm(_))));
    assert!(matches!(parse(&SET.replace("2027", "2025")), Err(CollectionError::SetExpired(_))));
    assert!(matches!(parse(&format!("{SET}more = 1\n")), Err(CollectionError::SetForm(_))));
}

#[test]
fn frm_07n_a_set_for_another_purpose_is_refused_and_frm_07p_the_policys_own_is_taken() {
    let other = HeldSet::parse(&SET.replace("containere\"", "parkering\""), &name("containere"), now());
    assert!(matches!(other, Err(CollectionError::WrongPurpose { .. })));
    assert!(HeldSet::parse(SET, &name("containere"), now()).is_ok());
}

#[test]
fn an_original_that_changed_or_has_another_name_is_not_deleted() {
    let site = site();
    collect(site.path(), false, &|_| {}).unwrap();
    let day = site.path().join("source/day");
    std::fs::write(day.join("photo-0.jpg"), b"another picture came under this name").unwrap();
    std::fs::hard_link(day.join("photo-1.jpg"), site.path().join("elsewhere.jpg")).unwrap();
    let account = collect(site.path(), true, &|_| {}).unwrap();
    assert_eq!(originals(site.path()), BTreeSet::from(["photo-0.jpg".to_owned(), "photo-1.jpg".to_owned()]));
    assert_eq!((account.originals_deleted, account.originals_kept.len()), (PICTURES - 2, 2));
}

#[test]
fn a_new_picture_under_the_name_of_one_that_is_gone_is_collected_too() {
    let site = site();
    let day = site.path().join("source/day");
    let again = std::fs::read(day.join("photo-1.jpg")).unwrap();
    collect(site.path(), true, &|_| {}).unwrap();
    std::fs::write(day.join("photo-0.jpg"), again).unwrap();
    let account = collect(site.path(), true, &|_| {}).unwrap();
    assert_eq!((account.pictures, account.originals_deleted), (PICTURES + 1, PICTURES + 1));
    assert!(originals(site.path()).is_empty());
}

#[test]
fn a_masked_picture_that_was_damaged_costs_no_original() {
    let site = site();
    collect(site.path(), false, &|_| {}).unwrap();
    let first = masked(site.path()).into_keys().next().unwrap();
    std::fs::write(site.path().join("out/pictures").join(first), b"damaged").unwrap();
    let account = collect(site.path(), true, &|_| {}).unwrap();
    all_is_done(site.path(), &account);
    // Where the original is gone as well, the loss is said and nothing goes on.
    let site = self::site();
    collect(site.path(), true, &|_| {}).unwrap();
    let journal = site.path().join("out/journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let kept: String =
        text.lines().filter(|l| !l.contains("\"gone\"") && !l.contains("recorded")).map(|l| format!("{l}\n")).collect();
    std::fs::write(&journal, kept).unwrap();
    std::fs::remove_dir_all(site.path().join("out/deletions")).unwrap();
    let first = masked(site.path()).into_keys().next().unwrap();
    std::fs::remove_file(site.path().join("out/pictures").join(first)).unwrap();
    assert!(matches!(collect(site.path(), true, &|_| {}), Err(CollectionError::Lost { .. })));
}

#[test]
fn skj_09n_a_disk_that_did_not_keep_what_was_written_costs_no_original() {
    let site = site();
    let pictures = site.path().join("out/pictures");
    let damage = |step| {
        if step == Step::Written {
            for entry in std::fs::read_dir(&pictures).unwrap() {
                std::fs::write(entry.unwrap().path(), b"damaged").unwrap();
            }
        }
    };
    let account = collect(site.path(), true, &damage).unwrap();
    assert_eq!((account.pictures, account.originals_deleted), (0, 0));
    assert_eq!(originals(site.path()).len(), PICTURES);
}

#[test]
fn a_record_that_was_changed_or_taken_away_is_noticed() {
    let site = site();
    collect(site.path(), true, &|_| {}).unwrap();
    let record = site.path().join("out/deletions/000001.dsse.json");
    std::fs::remove_file(&record).unwrap();
    assert!(matches!(collect(site.path(), true, &|_| {}), Err(CollectionError::Record(1))));
    std::fs::write(&record, b"{}").unwrap();
    assert!(matches!(collect(site.path(), true, &|_| {}), Err(CollectionError::Record(1))));
    // A record that the journal does not know must be ours too.
    let site = self::site();
    collect(site.path(), true, &|_| {}).unwrap();
    std::fs::write(site.path().join("out/deletions/000002.dsse.json"), b"{}").unwrap();
    assert!(matches!(collect(site.path(), true, &|_| {}), Err(CollectionError::Record(2))));
}

/// Not a test of its own: what the child does that the tests below kill.
#[test]
#[ignore = "the child of other tests"]
fn child() {
    let Some(site) = std::env::var_os("VAERN_TEST_SITE").map(PathBuf::from) else { return };
    let kill_at: Option<usize> = std::env::var("VAERN_TEST_KILL_AT").ok().and_then(|text| text.parse().ok());
    let steps = AtomicUsize::new(0);
    let reached = |_| {
        if Some(steps.fetch_add(1, Ordering::SeqCst)) == kill_at {
            // As by a power cut: no destructor runs, nothing is flushed.
            std::process::abort();
        }
    };
    collect(&site, true, &reached).unwrap();
    println!("steps {}", steps.load(Ordering::SeqCst));
}

fn start(site: &Path, kill_at: Option<usize>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--ignored", "--nocapture"]).env("VAERN_TEST_SITE", site);
    if let Some(step) = kill_at {
        command.env("VAERN_TEST_KILL_AT", step.to_string());
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn skj_09n_a_kill_at_every_step_loses_nothing_and_leaves_nothing_unrecorded() {
    // Eight steps for each picture and two for the record.
    let steps = PICTURES * 8 + 2;
    for step in 0..steps {
        let site = site();
        let status = start(site.path(), Some(step)).wait().unwrap();
        assert!(!status.success(), "step {step} was not reached");
        nothing_is_lost(site.path());
        // Killed once more on the way up, at the same step counted anew.
        start(site.path(), Some(step % 7)).wait().unwrap();
        nothing_is_lost(site.path());
        let account = collect(site.path(), true, &|_| {}).unwrap();
        all_is_done(site.path(), &account);
    }
    // One step further there is nothing left to kill.
    let site = site();
    assert!(start(site.path(), Some(steps)).wait().unwrap().success());
}

/// Kills that struck, and those of them that struck in the middle of the work.
fn killed_at_random(rounds: u64) -> (u64, u64) {
    let (mut killed, mut midway, mut state) = (0, 0, 0x2545_F491_4F6C_DD1D_u64);
    for _ in 0..rounds {
        let site = site();
        for _ in 0..3 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let mut child = start(site.path(), None);
            std::thread::sleep(Duration::from_micros(state % 300_000));
            // SIGKILL: the process has no say in it.
            let _ = child.kill();
            let struck = !child.wait().unwrap().success();
            killed += u64::from(struck);
            midway += u64::from(struck && (1..PICTURES).contains(&originals(site.path()).len()));
            nothing_is_lost(site.path());
        }
        let account = collect(site.path(), true, &|_| {}).unwrap();
        all_is_done(site.path(), &account);
    }
    (killed, midway)
}

#[test]
fn skj_09n_killed_at_random_moments_it_goes_on_where_it_was() {
    killed_at_random(4);
}

#[test]
#[ignore = "deep: 200 collections, each killed three times at a random moment"]
fn skj_09n_two_hundred_collections_killed_at_random() {
    let (killed, midway) = killed_at_random(200);
    println!(
        "DEEP 200 collections, {killed} kills that struck, {midway} of them with some originals gone and some not: no picture \
         lost, no deletion unrecorded"
    );
    assert!(killed > 0 && midway > 0, "the kills came too early or too late to prove anything: {killed}, {midway}");
}
