//! MIN-06: a plugin that may zoom is handed the masked frame at the camera's resolution, and nobody else is.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jpeg_encoder::{ColorType, Encoder};
use vaern_door::{Digest, Grants, Interface, Limits, Name, OutputRules, Rect, Size};
use vaern_node::outcome::FrameResult;
use vaern_node::pipeline::{self, Job, Task};
use vaern_privacy::{
    CameraSet, DetectorFault, FenceSet, Gate, MaskingPolicy, PeopleClass, PeopleDetector, Picture, SeenBox,
};
use vaern_sandbox::{Answer, Description, ReceivedFrame, Runner, SandboxError, Usage};

fn size(width: u16, height: u16) -> Size {
    Size::new(width, height).unwrap()
}

/// Sees one face, always at the same place.
struct OneFace(Name);

impl PeopleDetector for OneFace {
    fn name(&self) -> &Name {
        &self.0
    }
    fn digest(&self) -> Digest {
        Digest::of(b"one face")
    }
    fn classes(&self) -> &[PeopleClass] {
        &[PeopleClass::Face, PeopleClass::Person, PeopleClass::Plate]
    }
    fn input(&self) -> Size {
        size(320, 320)
    }
    fn look(&self, picture: Picture<'_>, _: Rect, _: f32) -> Result<Vec<SeenBox>, DetectorFault> {
        let (w, h) = (f32::from(picture.size().width()), f32::from(picture.size().height()));
        let (x0, y0, x1, y1) = (0.4 * w, 0.4 * h, 0.6 * w, 0.6 * h);
        Ok(vec![SeenBox { class: PeopleClass::Face, x0, y0, x1, y1, score: 0.9 }])
    }
}

type Handed = Arc<Mutex<Vec<(Size, Option<(Size, Vec<u8>)>)>>>;

/// Keeps what it is handed, and finds nothing.
struct Keeps(Description, Handed);

impl Runner for Keeps {
    fn describe(&self) -> &Description {
        &self.0
    }
    fn detect(&mut self, _: &ReceivedFrame) -> Result<Answer, SandboxError> {
        let usage = Usage { wall: Duration::ZERO, memory_bytes: 0, zoom_pixels: 700, fuel: None };
        Ok(Answer { detections: vec![], log: vec![], log_dropped: 0, usage })
    }
    fn receive(
        &mut self,
        size: Size,
        rgb: &[u8],
        masked: &[Rect],
        native: Option<(Size, &[u8])>,
    ) -> Result<ReceivedFrame, SandboxError> {
        self.1.lock().unwrap().push((size, native.map(|(size, rgb)| (size, rgb.to_vec()))));
        ReceivedFrame::new(size, rgb.into(), masked.into(), None)
    }
}

/// One picture of two colours through the gate, to a plugin with these grants. What it was handed, and the share that was masked.
fn shown(interfaces: &[Interface], wants: Size) -> (Size, Option<(Size, Vec<u8>)>, f64) {
    let site = tempfile::tempdir().unwrap();
    let mut jpeg = Vec::new();
    let pixels: Vec<u8> =
        (0..256 * 192).flat_map(|i| if i % 256 < 128 { [200, 30, 30] } else { [30, 30, 200] }).collect();
    Encoder::new(&mut jpeg, 95).encode(&pixels, 256, 192, ColorType::Rgb).unwrap();
    std::fs::create_dir(site.path().join("in")).unwrap();
    std::fs::create_dir(site.path().join("out")).unwrap();
    std::fs::write(site.path().join("in/one.jpg"), jpeg).unwrap();

    let text = include_str!("../../../policies/masking/irreversible-v1.toml");
    let policy = MaskingPolicy::parse(&text.replace("allow_unlocated = false", "allow_unlocated = true")).unwrap();
    let detector = OneFace(Name::new("people-drawn").unwrap());
    let gate = Gate::new(policy, FenceSet::default(), CameraSet::default(), vec![Arc::new(detector)]).unwrap();
    let grants = Grants {
        interfaces: interfaces.iter().copied().collect(),
        frame: wants,
        tensors: vec![],
        labels: vec![],
        limits: Limits {
            memory_bytes: 1 << 20,
            table_elements: 1,
            instances: 1,
            deadline_ms: 1000,
            hostcall_bytes: 1 << 20,
            handles: 8,
            stack_bytes: 1 << 16,
            log_bytes: 0,
            zoom_pixels: 1000,
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
    };
    let handed = Handed::default();
    let runner = || -> Result<Box<dyn Runner>, SandboxError> {
        Ok(Box::new(Keeps(Description { labels: vec![], frame: wants }, handed.clone())))
    };
    let open = |path: &Path| Dir::open_ambient_dir(path, ambient_authority()).unwrap();
    let (source, out) = (open(&site.path().join("in")), open(&site.path().join("out")));
    let job = Job {
        source: &source,
        out: &out,
        camera: None,
        track: None,
        unlocated: true,
        now: "2026-06-01T12:00:00Z".parse().unwrap(),
        workers: 1,
        task: Task::Look { grants: Arc::new(grants), runner: &runner, keeper: None, operating: false },
        progress: &|_, _| {},
    };
    let outcomes = pipeline::run(&gate, &job).unwrap();
    let FrameResult::Seen(seen) = &outcomes[0].result else { panic!("{:?}", outcomes[0].result) };
    let zooms = interfaces.contains(&Interface::Zoom);
    assert_eq!(seen.zoom_pixels, zooms.then_some(700), "what was handed out is counted");
    let (frame, native) = handed.lock().unwrap().remove(0);
    (frame, native, seen.masked_share)
}

#[test]
fn min_06p_a_plugin_that_may_zoom_gets_the_masked_frame_at_the_camera_s_resolution() {
    let (frame, native, share) = shown(&[Interface::Pixels, Interface::Zoom], size(128, 96));
    let (native_size, rgb) = native.unwrap();
    assert_eq!((frame, native_size), (size(128, 96), size(256, 192)));
    // Masked before it is handed over: the middle has neither of the picture's colours, the corners have them.
    let at = |x: usize, y: usize| [0, 1, 2].map(|c| i32::from(rgb[(y * 256 + x) * 3 + c]));
    let near = |a: [i32; 3], b: [i32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 40);
    assert!(share > 0.03 && share < 1.0, "{share}");
    for (x, y) in [(110, 96), (127, 96), (129, 96), (146, 96)] {
        assert!(!near(at(x, y), [200, 30, 30]) && !near(at(x, y), [30, 30, 200]), "{x},{y}: {:?}", at(x, y));
    }
    assert!(near(at(3, 3), [200, 30, 30]) && near(at(252, 188), [30, 30, 200]), "{:?} {:?}", at(3, 3), at(252, 188));
}

#[test]
fn min_05n_without_the_grant_or_the_need_there_is_no_frame_at_the_camera_s_resolution() {
    let (frame, native, _) = shown(&[Interface::Pixels], size(128, 96));
    assert_eq!((frame, native), (size(128, 96), None));
    // A frame that was not made smaller is its own view.
    let (frame, native, _) = shown(&[Interface::Pixels, Interface::Zoom], size(256, 192));
    assert_eq!((frame, native), (size(256, 192), None));
}
