//! The store in honest hands and in others.

use cap_std::fs::Dir;
use cap_tempfile::TempDir;
use ed25519_dalek::{Signer as _, SigningKey};
use redb::Database;
use vaern_door::{Digest, Name};

use super::store::{self, ROWS, Row, SEALED, WRAPPED, database_file};
use super::*;
use crate::disk::Disk;
use crate::disk::power::{Power, Supplied, room};
use crate::log::{
    self, Access, Deletion, Duty, Event, Expect, KeyName, Log, LogKey, Reader, RetentionClass, VerifierKey,
};

pub(super) const NOON: u64 = 20_000 * 86_400 + 43_200;
pub(super) const TODAY: Day = Day(20_000);

/// A node's rooms: the log and the store in folders of their own.
pub(super) struct Node(TempDir);

impl Node {
    pub(super) fn new() -> Self {
        let room = room();
        room.create_dir("log").unwrap();
        room.create_dir("evidence").unwrap();
        Self(room)
    }

    pub(super) fn dir(&self, name: &str) -> Dir {
        self.0.open_dir(name).unwrap()
    }

    pub(super) fn log(&self) -> Log {
        Log::open(self.dir("log"), log_key(), None).unwrap()
    }

    pub(super) fn open(&self, log: &mut Log) -> Result<Evidence, EvidenceError> {
        self.open_as(log, &Power::default(), 9, Kind::Evidence)
    }

    pub(super) fn open_as(
        &self,
        log: &mut Log,
        power: &Power,
        store_key: u8,
        kind: Kind,
    ) -> Result<Evidence, EvidenceError> {
        let dir = self.dir("evidence");
        let backend = Supplied::new(database_file(&dir).unwrap(), power);
        let db = Database::builder().create_with_backend(backend).map_err(store::db)?;
        let mut disk = Disk::new(dir);
        disk.power = power.clone();
        Evidence::open_parts(db, disk, Secret::from_bytes(&[store_key; 32]), kind, bounds(), log)
    }

    pub(super) fn events(&self) -> Vec<Event> {
        let reader = Reader::open(self.dir("log"), &verifier()).unwrap();
        reader.each(0..u64::MAX).unwrap().into_iter().map(|leaf| leaf.record.unwrap().event).collect()
    }
}

fn bounds() -> Bounds {
    Bounds { per_release_zone_day: 8, picture_bytes: 1 << 20 }
}

fn log_key() -> LogKey {
    let secret = SigningKey::from_bytes(&[7; 32]);
    let name = KeyName::new("vaern.test/node-1").unwrap();
    let verifier = VerifierKey::new(name, secret.verifying_key().as_bytes()).unwrap();
    LogKey::new(verifier, move |message| secret.sign(message).to_bytes()).unwrap()
}

pub(super) fn verifier() -> VerifierKey {
    log_key().verifier().clone()
}

pub(super) fn id(n: u8) -> RecordId {
    RecordId::from_bytes([n; 16])
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(super) fn label() -> Label {
    Label {
        requirement: "RET-02".to_owned(),
        purpose: name("containere"),
        zone: name("indre-by"),
        release: Digest::of(b"release"),
        class: RetentionClass::Review,
        expires: TODAY.plus(30),
    }
}

/// A picture that no other bytes look like.
pub(super) fn picture(n: u8) -> Vec<u8> {
    (0_u32..3_000)
        .flat_map(|i| Digest::of(&[&[n][..], &i.to_be_bytes()].concat()).as_bytes().to_vec())
        .take(20_000)
        .collect()
}

pub(super) fn record(n: u8) -> Vec<u8> {
    format!("{{\"latitude\":55.67612,\"longitude\":12.56834,\"number\":{n}}}").into_bytes()
}

fn keep(store: &mut Evidence, n: u8, label: &Label) -> Result<(), EvidenceError> {
    store.keep(id(n), label, &picture(n), &record(n), NOON)
}

fn show(store: &Evidence, log: &mut Log, n: u8, now: u64) -> Result<Kept, EvidenceError> {
    store.show(&id(n), &name("containere"), (Access::Show, Duty::CaseWorker, None), now, log)
}

#[test]
fn skj_01p_evidence_comes_back_as_it_went_in_and_each_look_is_a_leaf() {
    let node = Node::new();
    let mut log = node.log();
    let mut store = node.open(&mut log).unwrap();
    keep(&mut store, 1, &label()).unwrap();
    keep(&mut store, 2, &label()).unwrap();
    drop(store);
    let store = node.open(&mut log).unwrap();
    let kept = show(&store, &mut log, 1, NOON).unwrap();
    assert_eq!((&kept.picture[..], &kept.record[..]), (&picture(1)[..], &record(1)[..]));
    assert_eq!(kept.label, label());
    assert_eq!(store.list(Duty::PrivacyOfficer, None, NOON, &mut log).unwrap().len(), 2);
    let looks =
        |what| node.events().iter().filter(|e| matches!(e, Event::Accessed { what: w, .. } if *w == what)).count();
    assert_eq!((looks(Access::Show), looks(Access::List)), (1, 1));
}

#[test]
fn skj_01n_another_store_key_opens_nothing_and_begins_nothing() {
    let node = Node::new();
    let mut log = node.log();
    keep(&mut node.open(&mut log).unwrap(), 1, &label()).unwrap();
    let wrong = node.open_as(&mut log, &Power::default(), 8, Kind::Evidence);
    assert!(matches!(wrong, Err(EvidenceError::EpochsUnreadable)));
    assert!(show(&node.open(&mut log).unwrap(), &mut log, 1, NOON).is_ok(), "the attempt spoiled nothing");
    // A damaged copy is mended from the other; without both, nothing is made anew over what they sealed.
    let dir = node.dir("evidence");
    let mut bytes = dir.read("epochs/keys").unwrap();
    bytes[100] ^= 1;
    dir.write("epochs/keys", &bytes).unwrap();
    assert!(show(&node.open(&mut log).unwrap(), &mut log, 1, NOON).is_ok());
    dir.write("epochs/keys", vec![0; bytes.len()]).unwrap();
    assert!(matches!(node.open(&mut log), Err(EvidenceError::EpochsUnreadable)));
    dir.remove_dir_all("epochs").unwrap();
    assert!(matches!(node.open(&mut log), Err(EvidenceError::EpochsUnreadable)));
}

#[test]
fn skj_06n_evidence_whose_time_is_over_is_not_shown_even_before_it_is_purged() {
    let node = Node::new();
    let mut log = node.log();
    let mut store = node.open(&mut log).unwrap();
    keep(&mut store, 1, &label()).unwrap();
    let last_day = NOON + 30 * 86_400;
    assert!(show(&store, &mut log, 1, last_day).is_ok());
    assert!(matches!(show(&store, &mut log, 1, last_day + 86_400), Err(EvidenceError::Expired)));
    let before = node.events().len();
    assert!(store.expire(last_day, &mut log).unwrap().is_empty());
    let certificates = store.expire(last_day + 86_400, &mut log).unwrap();
    assert_eq!(certificates.len(), 1);
    assert!(matches!(show(&store, &mut log, 1, last_day), Err(EvidenceError::Gone)));
    assert_eq!(node.events().len(), before + 1);
    for day in [TODAY.0 - 1, TODAY.0 + 4_000] {
        let refused = keep(&mut store, 3, &Label { expires: Day(day), ..label() });
        assert!(matches!(refused, Err(EvidenceError::Expiry { .. })), "{day}");
    }
}

#[test]
fn aud_07n_each_deletion_has_one_certificate_and_one_leaf() {
    let node = Node::new();
    let mut log = node.log();
    let mut store = node.open(&mut log).unwrap();
    for n in 1..=4 {
        keep(&mut store, n, &label()).unwrap();
    }
    let certificates = store.delete(&[id(2), id(3)], Deletion::Asked, NOON + 5, &mut log).unwrap();
    let [certificate] = &certificates[..] else { panic!("{certificates:?}") };
    certificate.check(&verifier()).unwrap();
    assert_eq!(certificate.records(), [id(2).to_string(), id(3).to_string()]);
    assert!(certificate.text().contains("Residual risk: flash storage"));
    let leaves = |digest| {
        let of = |e: &Event| matches!(e, Event::Deleted { certificate, cause: Deletion::Asked, .. } if certificate.digest() == digest);
        node.events().iter().filter(|event| of(event)).count()
    };
    assert_eq!(leaves(certificate.digest()), 1);
    assert_eq!(store.certificates().unwrap(), certificates);
    // The others are still there; the deleted cannot be deleted again.
    for n in [1, 4] {
        assert_eq!(show(&store, &mut log, n, NOON).unwrap().picture.to_vec(), picture(n));
    }
    assert!(matches!(store.delete(&[id(2)], Deletion::Asked, NOON, &mut log), Err(EvidenceError::Gone)));
    // Nobody else's signature makes a certificate.
    let other = VerifierKey::new(
        KeyName::new("vaern.test/node-1").unwrap(),
        SigningKey::from_bytes(&[8; 32]).verifying_key().as_bytes(),
    )
    .unwrap();
    assert!(certificate.check(&other).is_err());
    drop(log);
    log::verify(node.dir("log"), &Expect { key: &verifier(), floor: None, quorum: None }).unwrap();
}

/// Changes a row behind the store's back.
fn forge(store: &Evidence, table: store::Table, n: u8, value: &[u8]) {
    let txn = store.db.begin_write().unwrap();
    store::put(&txn, table, id(n).bytes(), value).unwrap();
    txn.commit().unwrap();
}

#[test]
fn aud_14n_evidence_opens_under_its_own_label_only() {
    let node = Node::new();
    let mut log = node.log();
    let mut store = node.open(&mut log).unwrap();
    keep(&mut store, 1, &label()).unwrap();
    keep(&mut store, 2, &label()).unwrap();
    let honest = store.value(ROWS, id(1).bytes()).unwrap().unwrap();
    let others = [
        Label { purpose: name("fortove"), ..label() },
        Label { zone: name("amager"), ..label() },
        Label { release: Digest::of(b"other"), ..label() },
        Label { expires: TODAY.plus(300), ..label() },
        Label { class: RetentionClass::Case, ..label() },
        Label { requirement: "RET-03".to_owned(), ..label() },
    ];
    for other in others {
        let purpose = other.purpose.clone();
        forge(&store, ROWS, 1, &store::encode(&Row { label: other.clone(), kept: NOON }).unwrap());
        let shown = store.show(&id(1), &purpose, (Access::Show, Duty::CaseWorker, None), NOON, &mut log);
        assert!(matches!(shown, Err(EvidenceError::Sealed)), "{other:?}");
    }
    forge(&store, ROWS, 1, &honest);
    // Nor does one record open in another's place.
    let [sealed, wrapped] = [SEALED, WRAPPED].map(|table| store.value(table, id(1).bytes()).unwrap().unwrap());
    forge(&store, SEALED, 2, &sealed);
    forge(&store, WRAPPED, 2, &wrapped);
    assert!(matches!(show(&store, &mut log, 2, NOON), Err(EvidenceError::Sealed)));
    // Whoever asks for another purpose than it is kept for gets nothing.
    let asked = store.show(&id(1), &name("fortove"), (Access::Show, Duty::CaseWorker, None), NOON, &mut log);
    assert!(matches!(asked, Err(EvidenceError::OtherPurpose)));
    assert!(show(&store, &mut log, 1, NOON).is_ok());
}

#[test]
fn sep_02n_training_material_and_evidence_do_not_share_a_store() {
    let node = Node::new();
    let mut log = node.log();
    let mut store = node.open(&mut log).unwrap();
    let training = Label { class: RetentionClass::Training, ..label() };
    assert!(matches!(keep(&mut store, 1, &training), Err(EvidenceError::OtherStore)));
    keep(&mut store, 2, &label()).unwrap();
    drop(store);
    // The same files opened as a training store: nothing opens, and no evidence goes in.
    let mut store = node.open_as(&mut log, &Power::default(), 9, Kind::Training).unwrap();
    assert!(matches!(show(&store, &mut log, 2, NOON), Err(EvidenceError::Sealed)));
    assert!(matches!(keep(&mut store, 3, &label()), Err(EvidenceError::OtherStore)));
    keep(&mut store, 4, &training).unwrap();
}

#[test]
fn exf_20n_a_release_cannot_fill_the_store() {
    let node = Node::new();
    let mut log = node.log();
    let mut store = node.open(&mut log).unwrap();
    for n in 0..8 {
        keep(&mut store, n, &label()).unwrap();
    }
    assert!(matches!(keep(&mut store, 100, &label()), Err(EvidenceError::EvidenceQuota { bound: 8 })));
    // Deleting makes no room: what was kept today was kept.
    store.delete(&[id(1)], Deletion::Rejected, NOON, &mut log).unwrap();
    assert!(matches!(keep(&mut store, 101, &label()), Err(EvidenceError::EvidenceQuota { .. })));
    // Another zone, another release, another day have shares of their own.
    keep(&mut store, 102, &Label { zone: name("amager"), ..label() }).unwrap();
    keep(&mut store, 103, &Label { release: Digest::of(b"other"), ..label() }).unwrap();
    store.keep(id(104), &label(), &picture(4), &record(4), NOON + 86_400).unwrap();
    assert_eq!(store.list(Duty::Operator, None, NOON, &mut log).unwrap().len(), 10);
}

fn persons() -> ([SigningKey; 3], HoldRule) {
    let keys = [61, 62, 63].map(|seed| SigningKey::from_bytes(&[seed; 32]));
    let rule = HoldRule::new(&keys.each_ref().map(|key| *key.verifying_key().as_bytes())).unwrap();
    (keys, rule)
}

#[test]
fn aud_12n_a_hold_takes_two_persons_to_set_and_to_lift() {
    let node = Node::new();
    let mut log = node.log();
    let mut store = node.open(&mut log).unwrap();
    keep(&mut store, 1, &label()).unwrap();
    keep(&mut store, 2, &label()).unwrap();
    let ([a, b, c], rule) = persons();
    let order = |set| HoldOrder { set, record: id(1).to_string(), case: "5f".repeat(16), time: NOON };
    let sign = |key: &SigningKey, order: &HoldOrder| key.sign(&order.message()).to_bytes();
    let stranger = SigningKey::from_bytes(&[99; 32]);
    let set = order(true);
    for few in [
        vec![],
        vec![sign(&a, &set)],
        vec![sign(&a, &set), sign(&a, &set)],
        vec![sign(&a, &set), sign(&stranger, &set)],
        vec![sign(&a, &set), sign(&b, &order(false))],
    ] {
        let refused = store.hold(&set, &rule, &few, &mut log);
        assert!(matches!(refused, Err(EvidenceError::ThresholdNotMet { have: 0 | 1, need: 2 })));
    }
    store.hold(&set, &rule, &[sign(&a, &set), sign(&b, &set)], &mut log).unwrap();
    // Held: it stays past its time and cannot be deleted; its neighbour goes.
    assert!(matches!(store.delete(&[id(1)], Deletion::Asked, NOON, &mut log), Err(EvidenceError::Held)));
    let later = NOON + 400 * 86_400;
    assert_eq!(store.expire(later, &mut log).unwrap()[0].records(), [id(2).to_string()]);
    assert!(store.expire(later, &mut log).unwrap().is_empty());
    assert_eq!(show(&store, &mut log, 1, later).unwrap().picture.to_vec(), picture(1));
    let lift = order(false);
    let alone = store.hold(&lift, &rule, &[sign(&c, &lift)], &mut log);
    assert!(matches!(alone, Err(EvidenceError::ThresholdNotMet { have: 1, need: 2 })));
    store.hold(&lift, &rule, &[sign(&c, &lift), sign(&b, &lift)], &mut log).unwrap();
    assert!(matches!(show(&store, &mut log, 1, later), Err(EvidenceError::Expired)));
    assert_eq!(store.expire(later, &mut log).unwrap()[0].records(), [id(1).to_string()]);
    let signers = |wanted: bool| {
        node.events().into_iter().find_map(|event| match event {
            Event::HoldSet { signers } if wanted => Some(signers),
            Event::HoldLifted { signers } if !wanted => Some(signers),
            _ => None,
        })
    };
    assert_eq!((signers(true).unwrap().len(), signers(false).unwrap().len()), (2, 2), "both are in the leaf");
}
