//! What other programs, other folders and a full disk do to a collection, picture by picture.

use std::cell::Cell;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use cap_tempfile::TempDir;
use vaern_door::Size;

use super::journal::Disk;
use super::*;

const SET: &str = "name = \"round-1\"\nowner = \"TMF\"\npurpose = \"containere\"\nexpires = \"2027-06-01T00:00:00Z\"\n";
const DAY: &str = "day";

struct Site {
    source: TempDir,
    out: TempDir,
}

fn site(originals: usize) -> Site {
    let temp = || cap_tempfile::tempdir(ambient_authority()).unwrap();
    let site = Site { source: temp(), out: temp() };
    site.source.create_dir(DAY).unwrap();
    for number in 1..=originals {
        site.source.write(path(number), format!("original {number}")).unwrap();
    }
    site
}

fn path(number: usize) -> String {
    format!("{DAY}/photo-{number}.jpg")
}

fn plan<'a>(site: &'a Site, delete: bool, reached: &'a (dyn Fn(Step) + Sync)) -> Plan<'a> {
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    Plan {
        set: HeldSet::parse(SET, &Name::new("containere").unwrap(), now).unwrap(),
        policy: Digest::of(b"policy"),
        source: &site.source,
        out: &site.out,
        delete: delete.then(|| SigningKeyPair::from_seed(&[9; 32])),
        coco: None,
        annotated: None,
        now,
        reached,
    }
}

fn open(site: &Site, delete: bool) -> Result<Collector<'_>, CollectionError> {
    Collector::open(plan(site, delete, &|_| {}))
}

/// One original as the pipeline takes it in.
fn keep(collector: &Collector<'_>, original: &str) -> Result<String, CollectionError> {
    let bytes = collector.plan.source.read(original).unwrap();
    let original = collector.original(Path::new(original), &bytes)?;
    let jpeg = [b"masked ", bytes.as_slice()].concat();
    collector.keep(&original, &jpeg, Turning::new(Size::new(32, 24).unwrap(), 1).unwrap())
}

fn collect(site: &Site, delete: bool) -> Result<Account, CollectionError> {
    let collector = open(site, delete)?;
    for number in 1..10 {
        let path = path(number);
        if site.source.exists(&path) && !collector.is_done(Path::new(&path)) {
            keep(&collector, &path)?;
        }
    }
    collector.finish(Vec::new())
}

fn names(dir: &Dir) -> Vec<String> {
    let mut names: Vec<_> = dir.entries().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn day(site: &Site) -> Vec<String> {
    names(&site.source.open_dir(DAY).unwrap())
}

fn pictures(site: &Site) -> Vec<String> {
    names(&site.out.open_dir(sinks::PICTURES).unwrap())
}

fn records(site: &Site) -> usize {
    names(&site.out.open_dir(DELETIONS).unwrap()).len()
}

fn told(account: &Account) -> (usize, usize, u64) {
    (account.originals_deleted, account.originals_missing, account.deletion_records)
}

#[test]
fn sep_01n_an_original_that_is_not_found_was_not_deleted_and_nobody_signs_for_it() {
    let site = site(3);
    collect(&site, false).unwrap();
    // A card that is not in: nothing, then its empty folder, then a folder of the same name without the pictures.
    site.source.rename(DAY, &site.source, "elsewhere").unwrap();
    for folder in [None, Some(DAY)] {
        folder.into_iter().for_each(|folder| site.source.create_dir(folder).unwrap());
        assert_eq!(told(&collect(&site, true).unwrap()), (0, 3, 0));
        assert_eq!(records(&site), 0);
    }
    // A folder that cannot be gone into.
    site.source.remove_dir(DAY).unwrap();
    site.source.write(DAY, b"no folder").unwrap();
    assert_eq!(told(&collect(&site, true).unwrap()), (0, 3, 0));
    site.source.remove_file(DAY).unwrap();
    // The card is in again.
    site.source.rename("elsewhere", &site.source, DAY).unwrap();
    assert_eq!(told(&collect(&site, true).unwrap()), (3, 0, 1));
    assert!(day(&site).is_empty());
}

#[test]
fn sep_01n_a_journal_of_an_older_program_leaves_it_open_who_took_an_original_away() {
    let site = site(2);
    collect(&site, false).unwrap();
    // That program unlinked, and was killed before it could say so.
    site.source.remove_file(path(1)).unwrap();
    assert_eq!(told(&collect(&site, true).unwrap()), (1, 1, 1));
}

/// Panics at a step, as a kill would end it there: what was done is done, and no more.
fn killed_at(site: &Site, step: Step) {
    let kill = |at| assert_ne!(at, step, "killed");
    let struck = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        keep(&Collector::open(plan(site, true, &kill)).unwrap(), &path(1))
    }));
    assert!(struck.is_err());
}

#[test]
fn sep_01n_a_kill_just_before_the_end_is_no_deletion_if_the_folder_is_gone_and_sep_01p_one_just_after_is_signed() {
    for step in [Step::Looked, Step::Aside, Step::Going] {
        let site = site(1);
        killed_at(&site, step);
        site.source.rename(DAY, &site.source, "elsewhere").unwrap();
        assert_eq!(told(&collect(&site, true).unwrap()), (0, 1, 0), "{step:?}");
        // Without the word it gets its name back, and what was begun is begun anew.
        site.source.rename("elsewhere", &site.source, DAY).unwrap();
        assert_eq!(told(&collect(&site, false).unwrap()), (0, 0, 0), "{step:?}");
        assert_eq!(day(&site), ["photo-1.jpg"]);
        site.source.remove_file(path(1)).unwrap();
        assert_eq!(told(&collect(&site, true).unwrap()), (0, 1, 0), "{step:?}");
    }
    let site = site(1);
    killed_at(&site, Step::Gone);
    assert_eq!(told(&collect(&site, true).unwrap()), (1, 0, 1));
}

#[test]
fn skj_09n_a_new_picture_that_comes_under_the_name_of_one_that_goes_is_never_removed() {
    for step in [Step::Looked, Step::Aside, Step::Going] {
        let site = site(1);
        let swap = |at| {
            if at == step {
                site.source.write("new", b"a new picture").unwrap();
                site.source.rename("new", &site.source, path(1)).unwrap();
            }
        };
        keep(&Collector::open(plan(&site, true, &swap)).unwrap(), &path(1)).unwrap();
        assert_eq!(day(&site), ["photo-1.jpg"], "{step:?}");
        assert_eq!(site.source.read(path(1)).unwrap(), b"a new picture", "{step:?}");
        // Only the original that was masked is told of as gone.
        let account = open(&site, true).unwrap().finish(Vec::new()).unwrap();
        let gone = usize::from(step != Step::Looked);
        assert_eq!(told(&account), (gone, 0, gone as u64), "{step:?}");
    }
}

#[test]
fn skj_09n_a_kill_on_the_way_back_through_a_second_name_leaves_one_original_with_its_own() {
    let site = site(1);
    killed_at(&site, Step::Aside);
    let folder = site.source.open_dir(DAY).unwrap();
    let aside = day(&site).remove(0);
    folder.hard_link(&aside, &folder, "photo-1.jpg").unwrap();
    assert_eq!(told(&collect(&site, false).unwrap()), (0, 0, 0));
    assert_eq!(day(&site), ["photo-1.jpg"]);
    assert_eq!(told(&collect(&site, true).unwrap()), (1, 0, 1));
}

#[test]
fn skj_09n_where_both_names_are_taken_both_pictures_stay_and_are_accounted_for() {
    let site = site(1);
    let swap = |at: Step| {
        if matches!(at, Step::Looked | Step::Aside) {
            site.source.write("new", format!("new at {at:?}")).unwrap();
            site.source.rename("new", &site.source, path(1)).unwrap();
        }
    };
    let collector = Collector::open(plan(&site, true, &swap)).unwrap();
    keep(&collector, &path(1)).unwrap();
    let kept = collector.finish(Vec::new()).unwrap().originals_kept;
    let [aside, own] = &*day(&site) else { panic!("{:?}", day(&site)) };
    assert_eq!(kept, [Kept { file: format!("{DAY}/{aside}"), reason: "set_aside".to_owned() }]);
    assert_eq!(site.source.read(format!("{DAY}/{aside}")).unwrap(), b"new at Looked");
    assert_eq!(site.source.read(format!("{DAY}/{own}")).unwrap(), b"new at Aside");
    drop(collector);
    // So it is the next time; once its name is free it goes back.
    assert_eq!(collect(&site, true).unwrap().originals_kept, kept);
    site.source.remove_file(path(1)).unwrap();
    assert_eq!(told(&collect(&site, true).unwrap()), (0, 0, 0));
    assert_eq!(site.source.read(path(1)).unwrap(), b"new at Looked");
}

#[test]
fn skj_09n_pictures_that_no_journal_knows_are_left_alone_and_no_new_journal_begins_beside_them() {
    let site = site(3);
    collect(&site, true).unwrap();
    let before = pictures(&site);
    assert_eq!(before.len(), 3);
    let journal = site.out.read(journal::FILE).unwrap();
    // The journal is lost; then only the records are left; then an older copy of it is put back, line by line.
    site.out.remove_file(journal::FILE).unwrap();
    assert!(matches!(collect(&site, true), Err(CollectionError::NoJournal)));
    assert_eq!(pictures(&site), before);
    let lines: Vec<&[u8]> = journal.split_inclusive(|b| *b == b'\n').collect();
    for whole in 1..lines.len() - 1 {
        site.out.write(journal::FILE, lines[..whole].concat()).unwrap();
        for delete in [true, false] {
            let _ = collect(&site, delete);
            assert_eq!(pictures(&site), before, "{whole} lines, {delete}");
        }
    }
    site.out.write(journal::FILE, lines[..4].concat()).unwrap();
    let older = collect(&site, true);
    assert!(matches!(older, Err(CollectionError::JournalBehind(_))), "{older:?}");
    // The right one makes it whole again.
    site.out.write(journal::FILE, &journal).unwrap();
    assert_eq!(told(&collect(&site, true).unwrap()), (3, 0, 1));
    // A set of records alone is no place to begin either.
    site.out.remove_file(journal::FILE).unwrap();
    site.out.remove_dir_all(sinks::PICTURES).unwrap();
    assert!(matches!(collect(&site, true), Err(CollectionError::NoJournal)));
}

#[test]
fn skj_09n_pictures_of_a_run_without_a_set_are_no_beginning_of_one_and_a_set_takes_none() {
    let site = site(1);
    site.out.create_dir(sinks::PICTURES).unwrap();
    let picture = format!("{}/{}", sinks::PICTURES, picture_name(1, &path(7)));
    site.out.write(&picture, b"masked").unwrap();
    assert!(matches!(collect(&site, true), Err(CollectionError::NoJournal)));
    assert!(site.out.exists(&picture) && !begun(&site.out));
    assert_eq!(day(&site), ["photo-1.jpg"]);
    // Into a set that has begun.
    site.out.remove_file(&picture).unwrap();
    collect(&site, false).unwrap();
    assert!(begun(&site.out));
    site.out.write(picture.replace("000001", "000005"), b"masked").unwrap();
    assert!(matches!(collect(&site, true), Err(CollectionError::JournalBehind(_))));
    assert_eq!(pictures(&site).len(), 2);
}

#[test]
fn skj_09p_what_a_kill_left_without_a_line_is_removed_and_made_again() {
    let site = site(2);
    killed_at(&site, Step::Written);
    assert_eq!(pictures(&site), ["000001.jpg"]);
    open(&site, true).unwrap();
    assert!(pictures(&site).is_empty());
    // As an older program named it.
    site.out.write(format!("{}/000001-photo-1.jpg", sinks::PICTURES), b"masked").unwrap();
    assert_eq!(told(&collect(&site, true).unwrap()), (2, 0, 1));
    assert_eq!(pictures(&site), ["000001.jpg", "000002.jpg"]);
}

#[test]
fn skj_09p_a_picture_that_is_made_again_gets_a_number_of_its_own() {
    let site = site(2);
    collect(&site, false).unwrap();
    site.out.write(format!("{}/000002.jpg", sinks::PICTURES), b"damaged").unwrap();
    assert_eq!(told(&collect(&site, true).unwrap()), (2, 0, 1));
    assert_eq!(pictures(&site), ["000001.jpg", "000003.jpg"]);
    assert_eq!(told(&collect(&site, true).unwrap()), (2, 0, 1));
}

/// A disk that is full once, in the middle of a line, and gives back what was written of it, or does not.
struct Full {
    file: File,
    until: usize,
    cuts: bool,
}

impl Disk for Full {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let full = self.until == 0;
        self.until = self.until.wrapping_sub(1);
        if full {
            self.file.append(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.append(bytes)
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        if self.cuts { self.file.cut(len) } else { Err(io::ErrorKind::StorageFull.into()) }
    }
}

#[test]
fn skj_09n_a_disk_that_fills_up_in_the_middle_of_a_line_costs_no_original_and_no_line() {
    // Three lines for each picture: `masked`, `going`, `gone`.
    for (until, cuts) in (0..6).flat_map(|until| [(until, true), (until, false)]) {
        let site = site(4);
        let collector = open(&site, true).unwrap();
        let file = site.out.open_with(journal::FILE, OpenOptions::new().append(true)).unwrap();
        collector.lock().0.disk = Box::new(Full { file, until, cuts });
        let failed = Cell::new(0);
        for number in 1..=4 {
            failed.set(failed.get() + usize::from(keep(&collector, &path(number)).is_err()));
        }
        drop(collector);
        let (hit, step) = (until / 3, until % 3);
        // With its line cut off it goes on after the one that failed; else nothing goes on.
        assert_eq!(failed.get(), if cuts { 1 } else { 4 - hit }, "{until} {cuts}");
        let gone = 4 - day(&site).len();
        let before = hit + usize::from(step == 2);
        assert_eq!(gone, if cuts { before + 3 - hit } else { before }, "{until} {cuts}");
        // The journal is read, knows each that is gone, and the rest is done.
        assert_eq!(told(&collect(&site, true).unwrap()), (4, 0, 1), "{until} {cuts}");
        assert!(day(&site).is_empty());
    }
}
