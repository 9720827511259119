//! Guests that read every byte of a frame, and wasmtime used plainly.

use std::time::{Duration, Instant};

use vaern_door::{Digest, Size};
use wasmtime::component::Component;
use wasmtime::{Config, Engine, Instance, InstancePre, Linker, Module, Store, TypedFunc};

/// Adds up bytes with SIMD: the same loop in every guest of this measurement.
const SUM: &str = r#"
  (func $sum (param $at i32) (param $n i32) (result i32) (local $end i32) (local $all v128)
    (local.set $end (i32.add (local.get $at) (local.get $n)))
    (loop $next
      (local.set $all (i32x4.add (local.get $all)
        (i32x4.extadd_pairwise_i16x8_u (i16x8.extadd_pairwise_i8x16_u (v128.load (local.get $at))))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (i32.add (i32.add (i32x4.extract_lane 0 (local.get $all)) (i32x4.extract_lane 1 (local.get $all)))
             (i32.add (i32x4.extract_lane 2 (local.get $all)) (i32x4.extract_lane 3 (local.get $all)))))"#;

/// A component whose `detect` runs `body`. Its allocator hands out the same buffer each time.
fn component(imports: &str, pages: usize, size: Size, body: &str) -> Vec<u8> {
    let [a, b] = size.width().to_le_bytes();
    let [c, d] = size.height().to_le_bytes();
    let text = format!(
        r#"(module
  {imports}
  (import "tmf:vision/frames@0.1.0" "[resource-drop]frame" (func $drop (param i32)))
  (memory (export "memory") {pages})
  (data (i32.const 16) "affaldscontainer")
  (data (i32.const 48) "\10\00\00\00\10\00\00\00")
  (data (i32.const 64) "\30\00\00\00\01\00\00\00\{a:02x}\{b:02x}\{c:02x}\{d:02x}")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  {SUM}
  (func (export "tmf:vision/plugin@0.1.0#describe") (result i32) (i32.const 64))
  (func (export "tmf:vision/plugin@0.1.0#detect") (param $frame i32) (result i32) (local $y i32) (local $all i32)
    {body}
    (i32.store (i32.const 160) (local.get $all))
    (i32.store8 (i32.const 96) (i32.const 0))
    (i32.store (i32.const 100) (i32.const 0))
    (i32.store (i32.const 104) (i32.const 0))
    (call $drop (local.get $frame))
    (i32.const 96)))"#
    );
    vaern_hostile::component_of(&text).unwrap()
}

/// Reads the frame in strips of eight rows, into one small buffer.
pub(crate) fn strips(size: Size) -> Vec<u8> {
    let strip = usize::from(size.width()) * 3 * 8;
    assert!(size.height().is_multiple_of(8) && strip.is_multiple_of(16));
    let body = format!(
        "(loop $next
          (call $rows (local.get $frame) (local.get $y) (i32.const 8) (i32.const 112))
          (local.set $all (i32.add (local.get $all) (call $sum (i32.load (i32.const 116)) (i32.const {strip}))))
          (local.set $y (i32.add (local.get $y) (i32.const 8)))
          (br_if $next (i32.lt_u (local.get $y) (i32.const {}))))",
        size.height()
    );
    let rows = r#"(import "tmf:vision/frames@0.1.0" "[method]frame.rows" (func $rows (param i32 i32 i32 i32)))"#;
    component(rows, (4096 + strip).div_ceil(65_536), size, &body)
}

/// Takes the whole frame at once.
pub(crate) fn whole(size: Size) -> Vec<u8> {
    let bytes = size.rgb_bytes();
    let body = format!(
        "(call $pixels (local.get $frame) (i32.const 112))
         (local.set $all (call $sum (i32.load (i32.const 116)) (i32.const {bytes})))"
    );
    let pixels = r#"(import "tmf:vision/frames@0.1.0" "[method]frame.pixels" (func $pixels (param i32 i32)))"#;
    component(pixels, (4096 + bytes).div_ceil(65_536), size, &body)
}

/// Does nothing.
pub(crate) fn nothing() -> Vec<u8> {
    component("", 1, Size::new(64, 64).unwrap(), "")
}

/// wasmtime without vaern: a core module, and the frame copied into the memory of a fresh instance.
pub(crate) struct Bare {
    engine: Engine,
    pre: InstancePre<()>,
    bytes: usize,
    warm: (Store<()>, TypedFunc<(i32, i32), i32>),
}

impl Bare {
    pub(crate) fn new(bytes: usize) -> Self {
        let mut config = Config::new();
        config.memory_init_cow(true);
        let engine = Engine::new(&config).unwrap();
        let pages = bytes.div_ceil(65_536) + 1;
        let text = format!(r#"(module (memory (export "memory") {pages}) {SUM} (export "sum" (func $sum)))"#);
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let pre = Linker::new(&engine).instantiate_pre(&module).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = pre.instantiate(&mut store).unwrap();
        let sum = function(&instance, &mut store);
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        memory.data_mut(&mut store).fill(1);
        Self { engine, pre, bytes, warm: (store, sum) }
    }

    pub(crate) fn instance(&self) {
        let mut store = Store::new(&self.engine, ());
        self.pre.instantiate(&mut store).unwrap();
    }

    pub(crate) fn fresh(&self, rgb: &[u8]) -> i32 {
        let mut store = Store::new(&self.engine, ());
        let instance = self.pre.instantiate(&mut store).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        memory.write(&mut store, 0, rgb).unwrap();
        function(&instance, &mut store).call(&mut store, (0, rgb.len() as i32)).unwrap()
    }

    /// The loop over as many bytes, in memory that is there.
    pub(crate) fn loop_alone(&mut self) -> Duration {
        let (store, sum) = &mut self.warm;
        let begun = Instant::now();
        std::hint::black_box(sum.call(store, (0, self.bytes as i32)).unwrap());
        begun.elapsed()
    }
}

fn function(instance: &Instance, store: &mut Store<()>) -> TypedFunc<(i32, i32), i32> {
    instance.get_typed_func(store, "sum").unwrap()
}

/// Code compiled before.
pub(crate) struct Stored {
    engine: Engine,
    bytes: Vec<u8>,
    digest: Digest,
}

impl Stored {
    pub(crate) fn new(component: &[u8]) -> Self {
        let mut config = Config::new();
        config.parallel_compilation(false);
        let engine = Engine::new(&config).unwrap();
        let bytes = engine.precompile_component(component).unwrap();
        let digest = Digest::of(&bytes);
        Self { engine, bytes, digest }
    }

    pub(crate) fn load(&mut self) -> Component {
        assert_eq!(Digest::of(&self.bytes), self.digest);
        // Bytes that this process compiled a moment ago.
        unsafe { Component::deserialize(&self.engine, &self.bytes).unwrap() }
    }

    pub(crate) fn compile(&self, component: &[u8]) -> Component {
        Component::from_binary(&self.engine, component).unwrap()
    }
}
