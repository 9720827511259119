//! Where the service looked: told by the day, and no frame twice.

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde_json::Value;
use vaern_node::fields;

use crate::nodes::{City, until};
use crate::program::json;
use crate::{files, good};

/// The cells that the windows tell, all together.
fn told(city: &City) -> Vec<Value> {
    let mut all = Vec::new();
    for window in std::fs::read_dir(city.at("out")).unwrap() {
        let file = json(&std::fs::read(window.unwrap().path().join("coverage.json")).unwrap());
        assert_eq!(fields::astray(fields::COVERAGE, &file), Vec::<String>::new());
        all.extend(file["cells"].as_array().unwrap().iter().cloned());
    }
    all
}

/// Frames that the journal has counted and not told.
fn counted(city: &City) -> u64 {
    const COVERED: TableDefinition<'static, &str, u32> = TableDefinition::new("covered");
    let journal = Database::open(city.at("state/journal.redb")).unwrap();
    let txn = journal.begin_read().unwrap();
    txn.open_table(COVERED).unwrap().iter().unwrap().map(|row| u64::from(row.unwrap().1.value())).sum()
}

/// As if the day on which something was told last were long over.
fn another_day(city: &City) {
    const STATE: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("state");
    let journal = Database::create(city.at("state/journal.redb")).unwrap();
    let txn = journal.begin_write().unwrap();
    txn.open_table(STATE).unwrap().insert("told", &b"\"2000-01-01\""[..]).unwrap();
    txn.commit().unwrap();
}

#[test]
fn skj_07n_a_service_tells_where_it_looked_by_the_day_and_a_kill_counts_no_frame_twice_and_loses_none() {
    let city = City::new("");
    city.release("honest", 1, None);
    city.bring(&files(&good((320, 180), 30), 0));
    for _ in 0..3 {
        let mut service = city.start();
        let all = city.left();
        until("one more frame has its outcome", || city.left() < all);
        service.signal("KILL");
        service.wait();
    }
    let service = city.start();
    until("all have an outcome", || city.left() == 0);
    service.end();
    let [frames, found, empty, _] = city.account();
    assert_eq!(frames, 30);
    assert!(found + empty > 9, "{found} {empty}");
    // Exactly the frames that were seen, over all lives; and nothing is told before the day is over.
    assert_eq!(counted(&city), found + empty);
    assert_eq!(told(&city), Vec::<Value>::new());
    another_day(&city);
    // What is no picture closes a window on the new day.
    city.bring(&[("500.jpg".to_owned(), b"no picture".to_vec())]);
    let mut service = city.start();
    service.saw(1);
    service.end();
    let cells = told(&city);
    let at_least: u64 = cells.iter().map(|cell| cell["frames_at_least"].as_u64().unwrap()).sum();
    assert!(at_least >= 5 && at_least <= found + empty, "{cells:?}");
    assert_eq!(counted(&city), 0, "what was told is not told again");
    city.bring(&[("600.jpg".to_owned(), b"no picture again".to_vec())]);
    let mut service = city.start();
    service.saw(1);
    service.end();
    assert_eq!(told(&city), cells);
}
