;; Sees nothing, ever: no answer breaks a rule, and none is of any use.
(module
  (import "tmf:vision/frames@0.1.0" "[resource-drop]frame" (func $drop (param $frame i32)))
  ;; 16: the label. 64: the answer of describe. 96: the answer of detect.
  (memory (export "memory") 2)
  (data (i32.const 16) "affaldscontainer")
  (data (i32.const 48) "\10\00\00\00\10\00\00\00")              ;; the list of labels: pointer 16, length 16
  (data (i32.const 64) "\30\00\00\00\01\00\00\00\00\05\d0\02")      ;; labels at 48, one of them; 1280 x 720
  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (i32.const 4096))
  (func (export "tmf:vision/plugin@0.1.0#describe") (result i32) (i32.const 64))
  (func (export "tmf:vision/plugin@0.1.0#detect") (param $frame i32) (result i32)
    (i32.store8 (i32.const 96) (i32.const 0))     ;; ok
    (i32.store (i32.const 100) (i32.const 128))
    (i32.store (i32.const 104) (i32.const 0))     ;; no detection
    (call $drop (local.get $frame))
    (i32.const 96)))
