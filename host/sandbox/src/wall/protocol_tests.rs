//! What a worker may say, and what the node makes of everything else.

use super::*;
use proptest::prelude::*;
use vaern_door::{Label, Limits, OutputRules};

fn grants(interfaces: &[Interface]) -> Grants {
    Grants {
        interfaces: interfaces.iter().copied().collect(),
        frame: Size::new(640, 360).unwrap(),
        tensors: vec![],
        labels: vec![Label::new("affaldscontainer").unwrap()],
        limits: Limits {
            memory_bytes: 1 << 20,
            table_elements: 10,
            instances: 4,
            deadline_ms: 100,
            hostcall_bytes: 4096,
            handles: 8,
            stack_bytes: 65_536,
            log_bytes: 64,
            zoom_pixels: 100,
            component_bytes: 1 << 20,
            model_bytes: 1 << 20,
        },
        output: OutputRules {
            grid: 4,
            score_steps: 16,
            min_score: 0,
            max_detections: 8,
            bits_per_frame: 500,
            bits_per_hour: 20_000,
        },
    }
}

fn answer() -> Answer {
    let rect = Rect::new(3, 4, 50, 60).unwrap();
    Answer {
        detections: vec![Detection { label: 0, rect, score: 200 }, Detection { label: 9, rect, score: 1 }],
        log: vec![LogLine { level: Level::Warning, text: "én linje".into() }],
        log_dropped: 7,
        usage: Usage { wall: Duration::from_millis(3), memory_bytes: 65_536, zoom_pixels: 12, fuel: None },
    }
}

fn decode(body: &[u8], grants: &Grants) -> Option<Answer> {
    decode_answer(body, grants, Duration::from_millis(3))
}

#[test]
fn an_answer_crosses_whole() {
    assert_eq!(decode(&encode_answer(&answer()), &grants(&[Interface::Diagnostics])), Some(answer()));
    for error in [SandboxError::MemoryLimit, SandboxError::ImportNotGranted { name: "wasi:io/poll".into() }] {
        assert_eq!(decode_error(&encode_error(&error)), Some(error));
    }
}

#[test]
fn sbx_28n_a_worker_that_claims_more_than_granted_is_not_believed() {
    let granted = grants(&[Interface::Diagnostics]);
    let with = |change: &dyn Fn(&mut Answer)| {
        let mut answer = answer();
        change(&mut answer);
        decode(&encode_answer(&answer), &granted)
    };
    assert!(with(&|_| ()).is_some());
    assert_eq!(with(&|a| a.usage.memory_bytes = (1 << 20) + 1), None);
    assert_eq!(with(&|a| a.usage.zoom_pixels = 101), None);
    assert_eq!(with(&|a| a.log = vec![a.log[0].clone(); 65]), None, "more lines than bytes");
    assert_eq!(decode(&encode_answer(&answer()), &grants(&[])), None, "words without a grant for words");
    let mut longer = encode_answer(&answer());
    longer.push(0);
    assert_eq!(decode(&longer, &granted), None, "a byte left over");
}

#[test]
fn sbx_28n_counts_beyond_the_message_allocate_nothing() {
    let mut body = vec![0; 20];
    body.extend_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(decode(&body, &grants(&[])), None);
    // A box that is empty cannot exist.
    let mut body = vec![0; 20];
    body.extend_from_slice(&1_u32.to_le_bytes());
    body.extend_from_slice(&[0; BOX]);
    body.extend_from_slice(&0_u32.to_le_bytes());
    assert_eq!(decode(&body, &grants(&[])), None);
}

/// A node's end and a stranger's end.
fn pair() -> (Channel, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Channel::new(ours), theirs)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(60)
}

#[test]
fn replies_that_are_late_torn_too_long_or_unknown_are_lost() {
    let told = |bytes: &[u8], close: bool| {
        let (mut channel, mut other) = pair();
        other.write_all(bytes).unwrap();
        let kept = (!close).then_some(other);
        let heard = channel.reply(16, soon());
        drop(kept);
        heard.map(|(kind, body)| (kind, body.len()))
    };
    assert_eq!(told(&[2, 0, 0, 0, 21, 1, 2], false), Ok((Kind::Answer, 2)));
    assert_eq!(told(&[], false), Err(Lost::Late));
    assert_eq!(told(&[2, 0, 0, 0, 21, 1], false), Err(Lost::Late));
    assert_eq!(told(&[2, 0, 0], true), Err(Lost::Gone));
    assert_eq!(told(&[17, 0, 0, 0, 21], false), Err(Lost::Garbled), "one byte more than may be said");
    assert_eq!(told(&[255, 255, 255, 255, 21], false), Err(Lost::Garbled));
    assert_eq!(told(&[0, 0, 0, 0, 77], false), Err(Lost::Garbled));
}

#[test]
fn a_descriptor_comes_with_its_message_and_only_there() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (mut node, mut worker) = (Channel::new(ours), Channel::new(theirs));
    let slot = super::super::raw::Slot::new(100).unwrap();
    node.send(Kind::Look, &[&[1, 2, 3]]).unwrap();
    node.send_file(Kind::Slot, &100_u64.to_le_bytes(), slot.file()).unwrap();
    node.send(Kind::Look, &[]).unwrap();
    let heard: Vec<Message> = (0..3).map(|_| worker.request().unwrap()).collect();
    assert_eq!(
        heard.iter().map(|m| (m.kind, m.body.len(), m.file.is_some())).collect::<Vec<_>>(),
        [(Kind::Look, 3, false), (Kind::Slot, 8, true), (Kind::Look, 0, false),]
    );
    drop(node);
    assert!(worker.request().is_none());
}

#[test]
fn a_slot_is_seen_and_cannot_be_written_a_second_time() {
    let mut slot = super::super::raw::Slot::new(4096).unwrap();
    slot.bytes_mut()[..5].copy_from_slice(b"vaern");
    let seen = super::super::raw::Seen::new(slot.file(), 4096).unwrap();
    assert_eq!(&seen.as_ref()[..5], b"vaern");
    slot.bytes_mut()[0] = b'V';
    assert_eq!(seen.as_ref()[0], b'V');
    // The seals: no second writable mapping, no write, no other size.
    let file = std::fs::File::from(slot.file().try_clone().unwrap());
    assert!((&file).write_all(b"x").is_err());
    assert!(file.set_len(8192).is_err() && file.set_len(1).is_err());
    assert!(super::super::raw::Seen::new(slot.file(), 4097).is_err(), "more than there is");
    assert!(super::super::raw::Slot::new(0).is_err());
}

proptest! {
    #[test]
    fn sbx_28n_any_bytes_are_an_answer_within_the_grants_or_none(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let granted = grants(&[Interface::Diagnostics]);
        if let Some(answer) = decode(&body, &granted) {
            prop_assert!(answer.usage.memory_bytes <= granted.limits.memory_bytes);
            prop_assert!(answer.log.len() <= 64);
            prop_assert_eq!(decode(&encode_answer(&answer), &granted), Some(answer));
        }
        let _ = decode_error(&body);
    }
}
