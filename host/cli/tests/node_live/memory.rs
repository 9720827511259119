//! AUD-11: what a core file, the swap or a hibernation image of a running node would hold.
//!
//! A core image is put together as the kernel does it: the mappings that are not left out, of the kinds that the process's filter lets in.
//! Beside it stands the stricter question, whether something lies in memory that could be in one if the filter were not there.

use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::nodes::feed::Feed;
use crate::nodes::{City, Service, done, until};
use crate::program::{skip, text};
use crate::{files, good, marked};

/// Stands in a picture, and nowhere else in the node.
const SENTINEL: &[u8] = b"\x00sentinel of aud-11, \xfe\xed\xfa\xce, once\x00";

/// Stands in the environment of a process, which is ordinary memory.
const ORDINARY: &str = "sentinel of aud-11 that lies in ordinary memory";

/// What a crop begins with, and nothing else that a node writes to.
const CROP: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// Where in a process something was found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Found {
    /// In a core file.
    core: usize,
    /// In memory that no mapping's own mark keeps out of a core file.
    ordinary: usize,
    /// In memory that such a mark keeps out.
    marked: usize,
    /// Of all of these, in memory that is not locked.
    unlocked: usize,
}

/// The writable memory of a process, one mapping at a time: whether a core file would take it, whether its own mark keeps it out,
/// whether it is locked, and its bytes.
fn mappings(id: &str, mut look: impl FnMut(bool, bool, bool, &[u8])) -> std::io::Result<()> {
    let smaps = std::fs::read_to_string(format!("/proc/{id}/smaps"))?;
    let filter = std::fs::read_to_string(format!("/proc/{id}/coredump_filter"))?;
    let filter = u64::from_str_radix(filter.trim(), 16).unwrap();
    let memory = std::fs::File::open(format!("/proc/{id}/mem"))?;
    let mut range = None;
    for line in smaps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let Some((from, to, shared)) = range.take() else { continue };
            let flags: Vec<&str> = flags.split_whitespace().collect();
            // What can be written by nobody holds nothing of what is searched for.
            if !flags.contains(&"rd") || !(shared || flags.contains(&"wr")) {
                continue;
            }
            let (marked, locked) = (flags.contains(&"dd"), flags.contains(&"lo"));
            // Private pages are of a file or of none, shared ones too: two bits each.
            let core = !marked && filter & if shared { 0b1010 } else { 0b0101 } != 0;
            let mut buffer = vec![0; usize::try_from(to - from).unwrap()];
            let mut read = 0;
            while read < buffer.len()
                && let Ok(more @ 1..) = memory.read_at(&mut buffer[read..], from + read as u64)
            {
                read += more;
            }
            look(core, marked, locked, &buffer[..read]);
        } else if let Some((at, rest)) = line.split_once(' ')
            && let Some((from, to)) = at.split_once('-')
            && let (Ok(from), Ok(to)) = (u64::from_str_radix(from, 16), u64::from_str_radix(to, 16))
        {
            range = Some((from, to, rest.as_bytes().get(3) == Some(&b's')));
        }
    }
    Ok(())
}

/// Looks for several things at once.
fn search(id: &str, needles: &[Vec<u8>]) -> std::io::Result<Vec<Found>> {
    let mut all = vec![Found::default(); needles.len()];
    mappings(id, |core, marked, locked, bytes| {
        for (found, needle) in all.iter_mut().zip(needles) {
            let many = memchr::memmem::find_iter(bytes, needle).count();
            found.core += if core { many } else { 0 };
            *if marked { &mut found.marked } else { &mut found.ordinary } += many;
            found.unlocked += if locked { 0 } else { many };
        }
    })?;
    Ok(all)
}

/// As it is, in hexadecimal and in base64.
fn spelled(key: &[u8]) -> [Vec<u8>; 3] {
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    // The last sign of base64 hangs on what follows the key.
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&key[..30]);
    [key.to_vec(), digits.into_bytes(), base64.into_bytes()]
}

fn from_hex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2).map(|n| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap()).collect()
}

/// The keys of a city's node: of the log, of the store, and of each day of evidence, read here without the program's own code.
fn keys(city: &City) -> Vec<(&'static str, Vec<u8>)> {
    let log = std::fs::read_to_string(city.at("keys/node-1.secret.toml")).unwrap();
    let log = log.lines().find_map(|line| line.strip_prefix("secret = \"ed25519:")).unwrap();
    let store = from_hex(std::fs::read_to_string(city.at("keys/store")).unwrap().trim());
    let epoch = epoch_keys(city).remove(0);
    vec![("the log's key", from_hex(log.trim_end_matches('"'))), ("the store's key", store), ("an epoch's key", epoch)]
}

/// The keys of each day of evidence.
pub(crate) fn epoch_keys(city: &City) -> Vec<Vec<u8>> {
    let store = from_hex(std::fs::read_to_string(city.at("keys/store")).unwrap().trim());
    let file = std::fs::read(city.at("evidence/epochs/keys")).unwrap();
    let copy = &file[..file.len() / 2];
    let cipher = XChaCha20Poly1305::new_from_slice(&store).unwrap();
    let payload = Payload { msg: &copy[24..], aad: b"vaern-epochs-1" };
    let plain = cipher.decrypt(&XNonce::try_from(&copy[..24]).unwrap(), payload).unwrap();
    let count = usize::try_from(u64::from_be_bytes(plain[8..16].try_into().unwrap())).unwrap();
    assert!(count > 0, "nothing was sealed yet");
    plain[16..].chunks(48).take(count).map(|entry| entry[16..].to_vec()).collect()
}

/// The first segment of a JPEG with this marker.
fn segment(jpeg: &[u8], marker: u8) -> &[u8] {
    let mut at = 2;
    loop {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] == marker {
            return &jpeg[at..end];
        }
        at = end;
    }
}

/// A picture of one colour, with the position of another; and how its pixels lie in memory, whichever way they were rounded.
fn plain_picture(like: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let colour = [149_u8, 133, 71];
    let (width, height) = (320_u16, 180_u16);
    let pixels: Vec<u8> = colour.iter().copied().cycle().take(usize::from(width) * usize::from(height) * 3).collect();
    let mut jpeg = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 100);
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    // The other's segment with the position, and this one's from its first table on.
    let picture = [&like[..2], segment(like, 0xe1), &jpeg[2 + segment(&jpeg, 0xe0).len()..]].concat();
    let around = |value: u8| value - 1..=value + 1;
    let rounded =
        around(colour[0]).flat_map(|r| around(colour[1]).flat_map(move |g| around(colour[2]).map(move |b| [r, g, b])));
    (picture, rounded.map(|pixel| pixel.repeat(100)).collect())
}

/// A node that keeps evidence and has more to do than it gets done, under the rule that its memory reaches no disk.
fn busy() -> City {
    let more = "when_full = \"wait\"\n[evidence]\nfolder = \"evidence\"\nkey = \"keys/store\"\n";
    let city = City::ruled(more, &[("may_reach_disk = false", "may_reach_disk=false")]);
    done(&["evidence", "new-key", text(&city.at("keys/store"))]);
    city.release("honest", 1, None);
    let drawn = good((320, 180), 400);
    let (plain, _) = plain_picture(&good((320, 180), 1)[0]);
    let pictures: Vec<Vec<u8>> = drawn
        .iter()
        .enumerate()
        .map(|(n, drawn)| marked(if n % 2 == 0 { drawn } else { &plain }, &[SENTINEL, &n.to_be_bytes()].concat()))
        .collect();
    city.bring(&files(&pictures, 0));
    city
}

/// Whether this machine grants what a vehicle's must, by its own word and not by the node's; else the test is skipped.
fn granted() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    let may_lock = u64::from_str_radix(rights.trim(), 16).unwrap() >> 14 & 1 == 1;
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_else(|_| "and\nso on".to_owned());
    let granted = may_lock && swaps.lines().count() < 2;
    if !granted {
        skip("not root without swap: this machine does not keep the memory of a node from a disk (docs/node.md)");
    }
    granted
}

/// Starts a node that keeps its memory from a disk, and waits until it has evidence.
fn started(city: &City) -> Service {
    let mut service = city.start_with(&[("AUD_11", ORDINARY)]);
    let health = service.saw(2);
    let all = serde_json::json!({ "locked": true, "in_no_core": true, "out_of_swap": true, "no_hibernation": true });
    assert_eq!(health["memory"], all);
    service
}

/// Looks while nothing moves, as for a core file: what is looked at must be what was listed.
fn still<T>(service: &Service, look: impl FnOnce() -> T) -> T {
    service.signal("STOP");
    let seen = look();
    service.signal("CONT");
    seen
}

#[test]
fn aud_11n_no_core_image_of_a_busy_node_holds_an_original_a_crop_a_clear_frame_or_a_key_and_all_of_it_is_locked() {
    if !granted() {
        return;
    }
    let city = busy();
    let service = started(&city);
    let id = service.id().to_string();
    let keys = keys(&city);
    let spelled: Vec<(&str, Vec<u8>)> =
        keys.iter().flat_map(|(what, key)| spelled(key).map(|needle| (*what, needle))).collect();
    let (_, pixels) = plain_picture(&good((320, 180), 1)[0]);
    let mut needles = vec![ORDINARY.as_bytes().to_vec(), SENTINEL.to_vec(), CROP.to_vec()];
    needles.extend(spelled.iter().map(|(_, needle)| needle.clone()));
    let first_pixel = needles.len();
    needles.extend(pixels);
    if let Err(error) = search(&id, &needles) {
        return skip(&format!("the memory of the node is not to be read here ({error}): no search of a core image"));
    }
    let (mut originals, mut crops, mut clear, mut at_the_worker) = (0, 0, 0, 0);
    until("originals, a crop and clear frames are seen in the node's memory", || {
        assert!(city.left() > 0, "the node was done before it was seen with everything in its memory");
        let workers = service.children();
        let (node, behind) = still(&service, || {
            let behind: Vec<_> = workers.iter().filter_map(|worker| search(worker, &needles).ok()).collect();
            (search(&id, &needles).unwrap(), behind)
        });
        // The search can find: what lies in ordinary memory is there, if only locked and left out by the filter.
        assert!(node[0].ordinary > 0, "{:?}", node[0]);
        for (needle, found) in needles.iter().zip(&node) {
            assert_eq!(
                (found.core, found.unlocked),
                (0, 0),
                "{}",
                String::from_utf8_lossy(&needle[..needle.len().min(60)])
            );
        }
        for (what, found) in [("an original", node[1]), ("a crop", node[2])] {
            assert_eq!(found.ordinary, 0, "{what} lies where only the filter keeps it out");
        }
        for ((what, needle), found) in spelled.iter().zip(&node[3..]) {
            assert_eq!(found.ordinary, 0, "{what} lies where only the filter keeps it out ({} bytes)", needle.len());
            // The key itself is there, once: were it not, nothing was shown.
            assert_eq!(found.marked, usize::from(needle.len() == 32), "{what} ({} bytes)", needle.len());
        }
        for worker in &behind {
            // Clear frames are what a worker is given. Nothing else comes to it, and none is in a core file of it.
            assert!(worker[..first_pixel].iter().all(|found| *found == Found::default()), "{worker:?}");
            assert!(worker.iter().all(|found| found.core == 0), "{worker:?}");
            at_the_worker += worker[first_pixel..].iter().map(|found| found.ordinary).sum::<usize>();
        }
        originals += node[1].marked;
        crops += node[2].marked;
        clear += node[first_pixel..].iter().map(|found| found.ordinary).sum::<usize>();
        originals > 0 && crops > 0 && clear > 0 && at_the_worker > 0
    });
    for process in service.children().iter().chain([&id]) {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let swapped = status.lines().find(|line| line.starts_with("VmSwap")).unwrap();
        assert_eq!(swapped.split_whitespace().nth(1), Some("0"), "{swapped}");
    }
}

#[test]
fn aud_11n_a_debugger_gets_nothing_of_a_busy_node_and_aud_11p_it_gets_what_lies_in_ordinary_memory_of_another_process()
{
    let folder = tempfile::tempdir().unwrap();
    let dump = |id: u32| {
        let stem = folder.path().join("core");
        let _ = Command::new("gcore").args(["-o", text(&stem), &id.to_string()]).output();
        std::fs::read(folder.path().join(format!("core.{id}"))).ok()
    };
    let mut other =
        Command::new("cat").env("AUD_11", ORDINARY).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let core = dump(other.id());
    let _ = other.kill().and_then(|()| other.wait());
    let Some(core) = core else {
        return skip("`gcore` (Debian package gdb) writes no core here: none is searched");
    };
    assert!(memchr::memmem::find(&core, ORDINARY.as_bytes()).is_some(), "the search cannot find");
    if !granted() {
        return;
    }
    let city = busy();
    let mut service = started(&city);
    let keys = keys(&city);
    let workers: Vec<u32> = service.children().iter().map(|id| id.parse().unwrap()).collect();
    assert!(!workers.is_empty() && city.left() > 0);
    for id in workers.into_iter().chain([service.id()]) {
        let core = dump(id).unwrap();
        assert!(core.starts_with(b"\x7fELF"));
        let mut needles = vec![ORDINARY.as_bytes().to_vec(), SENTINEL.to_vec(), CROP.to_vec()];
        needles.extend(keys.iter().flat_map(|(_, key)| spelled(key)));
        for needle in needles {
            assert!(memchr::memmem::find(&core, &needle).is_none(), "{}", String::from_utf8_lossy(&needle));
        }
    }
    // And of itself it writes none, though somebody lets it.
    let lets = Command::new("prlimit").args(["--core=unlimited", "--pid", &service.id().to_string()]).status();
    if !lets.is_ok_and(|status| status.success()) {
        return skip("nobody may let a process write cores here: that the node writes none of itself is not seen");
    }
    service.signal("ABRT");
    let status = service.wait();
    assert!(!std::os::unix::process::ExitStatusExt::core_dumped(&status), "{status}");
}

#[test]
fn aud_11n_a_node_whose_memory_could_reach_a_disk_does_not_start_unless_the_policy_says_so() {
    // Without the right to lock, and with a bound that holds for ordinary users.
    let bound = ["setpriv", "--bounding-set=-ipc_lock", "prlimit", "--memlock=8388608:8388608"];
    let tried = Command::new(bound[0]).args(&bound[1..]).arg("true").status();
    if !tried.is_ok_and(|status| status.success()) {
        return skip(
            "`setpriv` and `prlimit` (Debian package util-linux) do not work here: no node without the right to lock",
        );
    }
    let refusing = City::ruled("", &[("may_reach_disk = false", "may_reach_disk=false")]);
    refusing.release("honest", 1, None);
    let mut service = refusing.start_through(&bound);
    assert_eq!(service.wait().code(), Some(1));
    let said = std::fs::read_to_string(refusing.at("node.err")).unwrap();
    assert!(said.contains("SKJ-08") && said.contains("it cannot be locked"), "{said}");
    assert!(!refusing.at("log").exists(), "nothing was begun");
    let letting = City::new("");
    letting.release("honest", 1, None);
    let mut service = letting.start_through(&bound);
    let health = service.is("running", |h| h["condition"] == "running");
    assert_eq!(health["memory"]["locked"], false);
    assert!(health["alarms"].to_string().contains("could reach a disk"), "{health:#}");
    let metrics = service.get("/metrics").unwrap().1;
    let gaps = metrics.lines().find_map(|line| line.strip_prefix("vaern_memory_gaps ")).unwrap();
    assert!(gaps.parse::<u32>().unwrap() > 0);
    service.end();
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
    let id = service.id().to_string();
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().to_owned();
    assert!(core.split_whitespace().filter(|word| *word == "0").count() >= 2, "{core}");
    let needles = [SENTINEL.to_vec()];
    if let Err(error) = search(&id, &needles) {
        return skip(&format!("the memory of the node is not to be read here ({error}): no search of a core image"));
    }
    let picture = marked(&good((320, 180), 1)[0], SENTINEL);
    let mut searches = 0;
    until("the sentinel waits in the node's memory", || {
        feed.send([&picture]);
        let found = still(&service, || search(&id, &needles).unwrap())[0];
        assert_eq!((found.core, found.ordinary), (0, 0), "an original would be in a core file");
        searches += usize::from(found.marked > 0);
        searches > 9
    });
    service.end();
    assert!(city.account()[0] > 0);
}
