//! The hand-over of a frame to Extism, one measurement for each line on standard input: `fresh BYTES`, `warm BYTES` or
//! `instantiate 0`. Answers with nanoseconds.

use std::io::BufRead as _;
use std::time::Instant;

use extism::{Manifest, Plugin, Wasm};

/// Copies its input into its own memory the way Extism's guest libraries do, and adds up the bytes with SIMD.
const GUEST: &str = r#"(module
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "input_load_u64" (func $load (param i64) (result i64)))
  (memory (export "memory") 1)
  (func $sum (param $n i32) (result i32) (local $at i32) (local $all v128)
    (loop $next
      (local.set $all (i32x4.add (local.get $all)
        (i32x4.extadd_pairwise_i16x8_u (i16x8.extadd_pairwise_i8x16_u (v128.load (local.get $at))))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $n))))
    (i32.add (i32.add (i32x4.extract_lane 0 (local.get $all)) (i32x4.extract_lane 1 (local.get $all)))
             (i32.add (i32x4.extract_lane 2 (local.get $all)) (i32x4.extract_lane 3 (local.get $all)))))
  (func (export "sum") (result i32) (local $n i32) (local $at i32)
    (local.set $n (i32.wrap_i64 (call $length)))
    (if (i32.lt_u (i32.mul (memory.size) (i32.const 65536)) (local.get $n))
      (then (drop (memory.grow (i32.shr_u (local.get $n) (i32.const 16))))))
    (loop $next
      (i64.store (local.get $at) (call $load (i64.extend_i32_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $n))))
    (i32.and (call $sum (local.get $n)) (i32.const 0)))
  (func (export "nothing") (result i32) (i32.const 0)))"#;

fn main() {
    let module = wat::parse_str(GUEST).unwrap();
    let compiled = extism::CompiledPlugin::new(extism::PluginBuilder::new(Manifest::new([Wasm::data(module)]))).unwrap();
    let fresh = || Plugin::new_from_compiled(&compiled).unwrap();
    let mut warm = fresh();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (what, bytes) = line.split_once(' ').unwrap();
        let input = vec![7_u8; bytes.parse().unwrap()];
        let begun = Instant::now();
        match what {
            "fresh" => drop(fresh().call::<&[u8], &[u8]>("sum", &input).unwrap().len()),
            "warm" => drop(warm.call::<&[u8], &[u8]>("sum", &input).unwrap().len()),
            _ => drop(fresh()),
        }
        println!("{}", begun.elapsed().as_nanos());
    }
}
