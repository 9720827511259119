//! AUD-11: what a core file of a running node would hold. Pictures that wait lie in pages that no core file takes.

use std::os::unix::fs::FileExt as _;

use crate::nodes::feed::Feed;
use crate::nodes::{City, until};
use crate::program::skip;
use crate::{good, marked};

/// Stands in a picture, and nowhere else in the node.
const SENTINEL: &[u8] = b"\x00sentinel of aud-11, \xfe\xed\xfa\xce, once\x00";

/// How often the sentinel stands in the node's memory: where a core file would take it, and where it would not.
fn found(id: u32) -> std::io::Result<(usize, usize)> {
    let smaps = std::fs::read_to_string(format!("/proc/{id}/smaps"))?;
    let memory = std::fs::File::open(format!("/proc/{id}/mem"))?;
    let (mut core, mut kept_out) = (0, 0);
    let mut range = None;
    for line in smaps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let Some((from, to)) = range.take() else { continue };
            let flags: Vec<&str> = flags.split_whitespace().collect();
            // What cannot be written holds no picture.
            if !flags.contains(&"rd") || !flags.contains(&"wr") {
                continue;
            }
            let many = count(&memory, from, to);
            *if flags.contains(&"dd") { &mut kept_out } else { &mut core } += many;
        } else if let Some((from, rest)) = line.split_once('-')
            && let (Ok(from), Some(Ok(to))) =
                (u64::from_str_radix(from, 16), rest.split(' ').next().map(|to| u64::from_str_radix(to, 16)))
        {
            range = Some((from, to));
        }
    }
    Ok((core, kept_out))
}

fn count(memory: &std::fs::File, from: u64, to: u64) -> usize {
    let mut buffer = vec![0; 4 << 20];
    let (mut at, mut many) = (from, 0);
    while at < to {
        let want = buffer.len().min(usize::try_from(to - at).unwrap());
        let Ok(read) = memory.read_at(&mut buffer[..want], at) else { break };
        many += memchr::memmem::find_iter(&buffer[..read], SENTINEL).count();
        // Steps overlap, so that nothing hides on a border.
        at += (read.saturating_sub(SENTINEL.len() - 1)).max(1) as u64;
        if read < want || at + SENTINEL.len() as u64 > to {
            break;
        }
    }
    many
}

#[test]
fn aud_11n_a_picture_that_waits_in_memory_is_in_no_core_image_and_core_files_are_off() {
    let feed = Feed::new();
    // Nothing listens there: each picture waits some seconds for a position before it is refused.
    let city = City::new("camera = \"drawn-cam-1\"\n[position]\ngpsd = \"127.0.0.1:1\"\n");
    city.configure("folder = \"inbox\"", &format!("stream = \"{}\"", feed.url()));
    city.release("honest", 1, None);
    let mut service = city.start();
    service.is("running", |h| h["condition"] == "running");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", service.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().to_owned();
    assert!(core.split_whitespace().filter(|word| *word == "0").count() >= 2, "{core}");
    if let Err(error) = found(service.id()) {
        return skip(&format!("the memory of the node is not to be read here ({error}): no search of a core image"));
    }
    let picture = marked(&good((320, 180), 1)[0], SENTINEL);
    let mut searches = 0;
    until("the sentinel waits in the node's memory", || {
        feed.send([&picture]);
        // Stopped, as for a core file: what is looked at must be what was listed.
        service.signal("STOP");
        let searched = found(service.id());
        service.signal("CONT");
        let (in_core, kept_out) = searched.unwrap();
        assert_eq!(in_core, 0, "an original would be in a core file");
        searches += usize::from(kept_out > 0);
        searches > 9
    });
    service.end();
    assert!(city.account()[0] > 0);
}
