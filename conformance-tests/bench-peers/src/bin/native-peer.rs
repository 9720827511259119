//! `container-classic` built natively from the same source: `native-peer WIDTH HEIGHT FRAME.rgb`, then one measurement for each line
//! on standard input. Answers with nanoseconds and the number of boxes.

use std::io::BufRead as _;
use std::time::Instant;

use container_classic::ContainerClassic;
use vaern_sdk::Plugin as _;
use vaern_sdk::testing::FakeFrame;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (width, height): (u16, u16) = (args[1].parse().unwrap(), args[2].parse().unwrap());
    let frame = FakeFrame::from_rgb(width, height, std::fs::read(&args[3]).unwrap()).unwrap();
    for _ in std::io::stdin().lock().lines() {
        let begun = Instant::now();
        let found = ContainerClassic::detect(&frame).unwrap();
        println!("{} {}", begun.elapsed().as_nanos(), found.len());
    }
}
