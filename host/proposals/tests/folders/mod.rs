//! Folders as runs write them, made of drives past known containers; and a log that remembers what it was told.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part, and states what it expects")]

use cap_std::ambient_authority;
use cap_tempfile::TempDir;
use serde_json::{Value, json};
use vaern_proposals::{Book, Decision, Run, Saying};
use vaern_record::log::Event;

use crate::streets::{Driven, Setting, World};

pub(crate) const RELEASE: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const OTHER: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const POLICY: &str = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

pub(crate) fn world() -> World {
    World::new(Setting { seed: 11, streets: 1, spacing_m: 40.0, rows: 0.0, made_up: 0.0, ..Setting::default() })
}

/// A run's folder: its finds, a picture for each frame with finds, and where it looked.
pub(crate) fn run_folder(driven: &Driven, number: u8, release: &str) -> TempDir {
    let room = cap_tempfile::tempdir(ambient_authority()).unwrap();
    room.create_dir("pictures").unwrap();
    let features = driven.drive.finds.iter().zip(&driven.shots).map(|(find, shot)| {
        let picture = format!("pictures/{}.jpg", find.frame);
        room.write(&picture, b"masked").unwrap();
        let time = jiff::Timestamp::from_millisecond(find.time_ms.unwrap()).unwrap().to_string();
        json!({ "type": "Feature", "id": find.id, "geometry": { "type": "Point", "coordinates": [shot.longitude, shot.latitude] },
            "properties": { "id": find.id, "label": find.label, "score": 0.812, "review": "afventer", "delvist_maskeret": false,
                "position_is": "camera", "position_error_m": shot.error_m, "heading": shot.heading,
                "view": { "hfov_deg": shot.hfov_deg, "height_m": shot.height_m, "pitch_deg": shot.pitch_deg },
                "time": time, "frame": find.number, "frame_id": find.frame, "picture": picture, "box_px": shot.box_px,
                "frame_px": shot.frame_px, "release": release, "policy": POLICY, "purpose": "containere" } })
    });
    let all = json!({ "type": "FeatureCollection", "features": features.collect::<Vec<Value>>() });
    room.write("detections.geojson", all.to_string()).unwrap();
    let cells = json!([{ "day": "2026-05-28", "cell": [55676, 6284], "frames_at_least": 20 }]);
    let coverage = json!({ "form": 1, "cell_deg": [0.001, 0.002], "least_frames": 5, "cells": cells });
    room.write("coverage.json", coverage.to_string()).unwrap();
    let link = json!({ "key": "k", "run": format!("{number:032x}"), "begun": 1, "ended": 2 });
    room.write("log.json", link.to_string()).unwrap();
    room
}

/// A folder of proposals over runs, with the runs' folders.
pub(crate) struct Room {
    pub(crate) dir: TempDir,
    pub(crate) runs: Vec<TempDir>,
}

impl Room {
    pub(crate) fn of(drives: u32) -> Self {
        let world = world();
        let runs = (0..drives).map(|n| run_folder(&world.drive(n), n as u8, RELEASE)).collect();
        Self { dir: cap_tempfile::tempdir(ambient_authority()).unwrap(), runs }
    }

    /// Opens the proposals over the first `runs`.
    pub(crate) fn book(&self, runs: usize) -> Book {
        let mut book = Book::open_or_begin(self.dir.try_clone().unwrap()).unwrap();
        let mut read = Vec::new();
        for folder in self.runs.iter().take(runs) {
            let run = Run::read(folder, "run").unwrap();
            book.attach(run.key(), folder.try_clone().unwrap());
            read.push((run, "here".to_owned()));
        }
        book.take(read).unwrap();
        book
    }
}

/// A log that takes everything, and says what it took.
pub(crate) fn takes(log: &mut Vec<Event>) -> impl FnMut(Vec<Event>) -> Result<(), String> + '_ {
    |events| {
        log.extend(events);
        Ok(())
    }
}

pub(crate) fn takes_one(log: &mut Vec<Event>) -> impl FnMut(Event) -> Result<(), String> + '_ {
    |event| {
        log.push(event);
        Ok(())
    }
}

pub(crate) fn saying(id: &str, decision: Decision) -> Saying {
    let (reviewer, reason) = ("A. Åkjær".to_owned(), "står på fortovet".to_owned());
    Saying { id: id.to_owned(), decision, reviewer, reason, picture_shown: true }
}

pub(crate) fn read_json(dir: &TempDir, file: &str) -> Value {
    serde_json::from_slice(&dir.read(file).unwrap()).unwrap()
}
