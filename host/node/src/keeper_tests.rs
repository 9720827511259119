//! CLK-08: the day that evidence counts from, whatever a camera's clock says.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use vaern_door::{Detection, Digest, Grants, Label as Word, Limits, Name, OutputRules, Rect, Size};
use vaern_privacy::{
    CameraProfile, CameraSet, DetectorFault, Fence, FenceSet, Gate, MaskingPolicy, PeopleClass, PeopleDetector,
    Picture, SeenBox,
};
use vaern_record::evidence::{Day, Evidence, Kind, Listed, Secret};
use vaern_record::log::{Duty, KeyName, Log, LogKey, VerifierKey};
use vaern_sandbox::{Answer, Description, ReceivedFrame, Runner, SandboxError, Usage};
use vaern_scenes::{ExifBlock, ExifEntry, ExifValue, encode_jpeg};
use vaern_trust::SigningKeyPair;

use super::{BOUNDS, Keeper, KeptCount};
use crate::outcome::FrameResult;
use crate::pipeline::{self, Job, Task};

/// Days that the policy gives.
const DAYS: u16 = 7;
const HERE: (f64, f64) = (55.6761, 12.5683);

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn day_of(moment: Timestamp) -> Day {
    Day(u32::try_from(moment.as_second() / 86_400).unwrap())
}

/// Sees nobody.
struct Nobody(Name);

impl PeopleDetector for Nobody {
    fn name(&self) -> &Name {
        &self.0
    }
    fn digest(&self) -> Digest {
        Digest::of(b"nobody")
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

/// Finds one container in every frame.
struct Finds(Description);

impl Runner for Finds {
    fn describe(&self) -> &Description {
        &self.0
    }
    fn detect(&mut self, _: &ReceivedFrame) -> Result<Answer, SandboxError> {
        let usage = Usage { wall: Duration::ZERO, memory_bytes: 0, zoom_pixels: 0, fuel: None };
        let detections = vec![Detection { label: 0, rect: Rect::new(8, 8, 40, 40).unwrap(), score: 200 }];
        Ok(Answer { detections, log: vec![], log_dropped: 0, usage })
    }
    fn receive(
        &mut self,
        size: Size,
        rgb: &[u8],
        masked: &[Rect],
        _: Option<(Size, &[u8])>,
    ) -> Result<ReceivedFrame, SandboxError> {
        ReceivedFrame::new(size, rgb.into(), masked.into(), None)
    }
}

/// What a picture says of time. The receiver's day and hour are told apart from the camera's.
#[derive(Debug, Clone)]
struct Stamp {
    /// What the receiver writes as UTC.
    satellite: jiff::civil::DateTime,
    /// What the camera's clock shows.
    camera: jiff::civil::DateTime,
    /// The offset from UTC that the camera states, if it states one.
    offset: Option<&'static str>,
}

impl Stamp {
    /// As a camera writes it that is set right, at `moment`, in Copenhagen.
    fn right(moment: Timestamp) -> Self {
        let local = moment.to_zoned(TimeZone::get("Europe/Copenhagen").unwrap());
        let offset = if local.offset().seconds() == 7200 { "+02:00" } else { "+01:00" };
        Self { satellite: utc(moment), camera: local.datetime(), offset: Some(offset) }
    }
}

fn utc(moment: Timestamp) -> jiff::civil::DateTime {
    moment.to_zoned(TimeZone::UTC).datetime()
}

fn picture(stamp: &Stamp) -> Vec<u8> {
    let text = |text: String| ExifValue::Ascii(text);
    let degrees = |v: f64| {
        let (minutes, whole) = ((v.fract() * 60.0), v.trunc() as u32);
        ExifValue::Rational(vec![
            (whole, 1),
            (minutes.trunc() as u32, 1),
            ((minutes.fract() * 60_000.0).round() as u32, 1000),
        ])
    };
    let part = |part: i8| (u32::from(part.unsigned_abs()), 1);
    let t = &stamp.satellite;
    let gps = vec![
        ExifEntry::new(0x01, text("N".to_owned())),
        ExifEntry::new(0x02, degrees(HERE.0)),
        ExifEntry::new(0x03, text("E".to_owned())),
        ExifEntry::new(0x04, degrees(HERE.1)),
        ExifEntry::new(0x07, ExifValue::Rational(vec![part(t.hour()), part(t.minute()), part(t.second())])),
        ExifEntry::new(0x1D, text(t.strftime("%Y:%m:%d").to_string())),
    ];
    let mut exif = vec![ExifEntry::new(0x9003, text(stamp.camera.strftime("%Y:%m:%d %H:%M:%S").to_string()))];
    exif.extend(stamp.offset.map(|offset| ExifEntry::new(0x9011, text(offset.to_owned()))));
    let block = ExifBlock {
        primary: vec![ExifEntry::new(0x0110, text("test-cam".to_owned()))],
        exif,
        gps: Some(gps),
        ..ExifBlock::default()
    };
    // Each picture has bytes of its own, or it would be a replay.
    encode_jpeg(&[90; 64 * 48 * 3], (64, 48), 90, Some(&block)).unwrap()
}

/// What a run came to: for each picture whether it was seen, and the last days of what was kept.
struct Came {
    seen: Vec<bool>,
    last: Vec<Day>,
    count: KeptCount,
}

/// Shows pictures to a gate whose time is `judged`, and seals what was found at `sealed`.
fn run(pictures: &[Stamp], judged: Timestamp, sealed: Timestamp) -> Came {
    let site = tempfile::tempdir().unwrap();
    let open = |part: &str| {
        std::fs::create_dir_all(site.path().join(part)).unwrap();
        Dir::open_ambient_dir(site.path().join(part), ambient_authority()).unwrap()
    };
    let (source, out) = (open("in"), open("out"));
    for (number, stamp) in pictures.iter().enumerate() {
        source.write(format!("{number:03}.jpg"), picture(stamp)).unwrap();
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| std::fs::read_to_string(repository.join(path)).unwrap();
    let policy = MaskingPolicy::parse(&read("policies/masking/irreversible-v1.toml")).unwrap();
    let fence = Fence::parse(name("indre-by"), &read("policies/geofences/indre-by.geojson"), 10.0).unwrap();
    let camera = "id = \"test-cam\"\nexif_model = \"test-cam\"\nheight_m = 2.0\nheading_offset_deg = 0.0\n\
                  hfov_deg = 60.0\ndefault_error_m = 5.0\nclock = \"Europe/Copenhagen\"\n";
    let cameras = CameraSet::new(vec![CameraProfile::parse(camera).unwrap()]).unwrap();
    let detector: Arc<dyn PeopleDetector> = Arc::new(Nobody(name("people-drawn")));
    let gate = Gate::new(policy, FenceSet::new(vec![fence]), cameras, vec![detector]).unwrap();
    let mut log = log(open("log"));
    let store = |log: &mut Log| {
        Evidence::open(open("evidence"), Secret::from_bytes(&[7; 32]), Kind::Evidence, BOUNDS, log).unwrap()
    };
    let keeper = Keeper::new(store(&mut log), name("containere"), name("indre-by"), Digest::of(b"release"), DAYS);
    let size = Size::new(64, 48).unwrap();
    let labels = vec![Word::new("container").unwrap()];
    let grants = grants(size, labels.clone());
    let runner = || -> Result<Box<dyn Runner>, SandboxError> {
        Ok(Box::new(Finds(Description { labels: labels.clone(), frame: size })))
    };
    let job = Job {
        source: &source,
        out: &out,
        camera: None,
        track: None,
        unlocated: false,
        now: judged,
        workers: 1,
        task: Task::Look { grants: Arc::new(grants), runner: &runner, keeper: Some(&keeper), operating: false },
        progress: &|_, _| {},
    };
    let outcomes = pipeline::run(&gate, &job).unwrap();
    keeper.seal(&outcomes, sealed).unwrap();
    let count = keeper.count();
    drop(keeper);
    let seen = outcomes.iter().map(|frame| matches!(frame.result, FrameResult::Seen(_))).collect();
    let now = u64::try_from(sealed.as_second()).unwrap();
    let kept: Vec<Listed> = store(&mut log).list(Duty::PrivacyOfficer, None, now, &mut log).unwrap();
    Came { seen, last: kept.iter().map(|one| one.label.expires).collect(), count }
}

fn log(dir: Dir) -> Log {
    let pair = SigningKeyPair::generate().unwrap();
    let verifier = VerifierKey::new(KeyName::new("vaern.test/node-1").unwrap(), pair.public().as_bytes()).unwrap();
    Log::open(dir, LogKey::new(verifier, move |message| pair.sign(message)).unwrap(), None).unwrap()
}

fn grants(frame: Size, labels: Vec<Word>) -> Grants {
    Grants {
        interfaces: [vaern_door::Interface::Pixels].into(),
        frame,
        tensors: vec![],
        labels,
        limits: Limits {
            memory_bytes: 1 << 20,
            table_elements: 1,
            instances: 1,
            deadline_ms: 1000,
            hostcall_bytes: 1 << 20,
            handles: 8,
            stack_bytes: 1 << 16,
            log_bytes: 0,
            zoom_pixels: 0,
            component_bytes: 1 << 20,
            model_bytes: 1 << 20,
        },
        output: OutputRules {
            grid: 8,
            score_steps: 16,
            min_score: 0,
            max_detections: 8,
            bits_per_frame: 400,
            bits_per_hour: 4000,
        },
    }
}

/// Moments at which somebody's day begins or the clocks change: UTC, Copenhagen in summer and in winter, the hour that is shown twice
/// and the one that is never shown.
const EDGES: [&str; 6] = [
    "2026-06-02T00:00:00Z",
    "2026-06-01T22:00:00Z",
    "2026-12-01T23:00:00Z",
    "2026-12-02T00:00:00Z",
    "2025-10-26T01:00:00Z",
    "2026-03-29T01:00:00Z",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clk_08n_no_clock_of_a_camera_moves_the_day_of_a_frame(
        edge in 0..EDGES.len(),
        around in -5_i64..5,
        wrong in proptest::collection::vec((-129_600_i64..129_600, 0..4_usize), 1..4),
    ) {
        let judged = at(EDGES[edge]) + SignedDuration::from_secs(around);
        let pictures: Vec<Stamp> = wrong
            .iter()
            .enumerate()
            .map(|(number, (error, kind))| {
                // Seconds apart, so that none is too near another in time to be told from it.
                let taken = judged - SignedDuration::from_secs(2 + number as i64);
                let right = Stamp::right(taken);
                let off = SignedDuration::from_secs(*error);
                match kind {
                    // The camera's clock is off, and says so or not.
                    0 => Stamp { camera: right.camera.checked_add(off).unwrap(), ..right },
                    1 => Stamp { camera: right.camera.checked_add(off).unwrap(), offset: None, ..right },
                    // Local time is taken for UTC, by the camera or by whoever wrote the receiver's time.
                    2 => Stamp { offset: Some("+00:00"), ..right },
                    _ => Stamp { satellite: right.camera, ..right },
                }
            })
            .collect();
        let came = run(&pictures, judged, judged + SignedDuration::from_secs(3));
        let expected = day_of(judged).plus(DAYS.into());
        prop_assert!(came.last.iter().all(|day| *day == expected), "{:?} is not {expected:?}: {pictures:?}", came.last);
        prop_assert_eq!(came.last.len(), came.seen.iter().filter(|seen| **seen).count(), "what is no fix has no day");
        for ((error, kind), seen) in wrong.iter().zip(&came.seen) {
            let disagrees = *kind > 1 || error.abs() > 3;
            prop_assert!(!disagrees || !seen, "off by {error} s, kind {kind}, and seen");
        }
    }
}

#[test]
fn clk_08p_a_right_clock_is_seen_at_every_edge_and_its_day_is_the_node_s_in_utc() {
    for edge in EDGES {
        for around in [-1, 0, 1] {
            let judged = at(edge) + SignedDuration::from_secs(around);
            let came = run(&[Stamp::right(judged)], judged, judged);
            assert_eq!((&came.seen[..], &came.last[..]), (&[true][..], &[day_of(judged).plus(7)][..]), "{judged}");
        }
    }
}

#[test]
fn clk_08n_a_frame_that_is_sealed_after_midnight_stays_in_its_day() {
    let judged = at("2026-06-01T23:59:59Z");
    let came = run(&[Stamp::right(judged)], judged, at("2026-06-02T00:00:04Z"));
    assert_eq!(came.last, [Day(day_of(judged).0 + 7)]);
    // A fix of the next day, by a receiver that is within the bound, ahead of the node: the node's day all the same.
    let came = run(&[Stamp::right(at("2026-06-02T00:00:02Z"))], judged, judged);
    assert_eq!((came.seen, came.last), (vec![true], vec![Day(day_of(judged).0 + 7)]));
}

#[test]
fn skj_06n_what_waited_until_its_days_were_over_is_not_kept_and_that_is_counted() {
    let judged = at("2026-06-01T12:00:00Z");
    let came = run(&[Stamp::right(judged)], judged, at("2026-06-09T00:00:01Z"));
    assert_eq!(came.last, []);
    assert_eq!(came.count, KeptCount { over: 1, ..KeptCount::default() });
    // On its last day it may still be kept.
    let came = run(&[Stamp::right(judged)], judged, at("2026-06-08T23:59:59Z"));
    assert_eq!((came.last.len(), came.count.over), (1, 0));
}
