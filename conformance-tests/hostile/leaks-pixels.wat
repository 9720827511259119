;; Says with the place of its box what the low bits of two pixels are: a picture, two pixels at a time. Every answer is within the rules.
(module
  (import "tmf:vision/frames@0.1.0" "[method]frame.rows"
    (func $rows (param $frame i32) (param $y i32) (param $count i32) (param $to i32)))
  (import "tmf:vision/frames@0.1.0" "[resource-drop]frame" (func $drop (param $frame i32)))
  ;; 16: the label. 64: the answer of describe. 96: the answer of detect. 128: one detection. From 4096: the heap.
  (memory (export "memory") 2)
  (data (i32.const 16) "affaldscontainer")
  (data (i32.const 48) "\10\00\00\00\10\00\00\00")              ;; the list of labels: pointer 16, length 16
  (data (i32.const 64) "\30\00\00\00\01\00\00\00\00\05\d0\02")      ;; labels at 48, one of them; 1280 x 720
  (global $heap (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (block $enough
      (loop $more
        (br_if $enough (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
        (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))
        unreachable))
    (local.get $at))
  (func (export "tmf:vision/plugin@0.1.0#describe") (result i32) (i32.const 64))
  (func (export "tmf:vision/plugin@0.1.0#detect") (param $frame i32) (result i32)
    (local $at i32)
    (call $rows (local.get $frame) (i32.const 0) (i32.const 1) (i32.const 112))
    ;; The low bits of two pixels become the place of the box: three bits each way.
    (local.set $at (i32.load (i32.const 116)))
    (i32.store16 (i32.const 128) (i32.const 0))
    (i32.store16 (i32.const 130)
      (i32.mul (i32.const 16) (i32.and (i32.load8_u offset=30 (local.get $at)) (i32.const 7))))
    (i32.store16 (i32.const 132)
      (i32.mul (i32.const 16) (i32.and (i32.load8_u offset=61 (local.get $at)) (i32.const 7))))
    (i32.store16 (i32.const 134) (i32.const 16))
    (i32.store16 (i32.const 136) (i32.const 16))
    (i32.store8 (i32.const 138) (i32.const 200))
    (i32.store8 (i32.const 96) (i32.const 0))     ;; ok
    (i32.store (i32.const 100) (i32.const 128))
    (i32.store (i32.const 104) (i32.const 1))     ;; one detection
    (if (i32.load8_u (i32.const 112))
      (then
        (i32.store8 (i32.const 96) (i32.const 1))       ;; error
        (i32.store8 (i32.const 100) (i32.const 1))))    ;; frame
    (call $drop (local.get $frame))
    (i32.const 96)))
