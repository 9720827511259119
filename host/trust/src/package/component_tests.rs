//! Attacks PKG-08, PKG-10 and PKG-21 on single components.

use super::*;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A component that offers the plugin, and `more`.
fn plugin(more: &str) -> Vec<u8> {
    wat(&format!(r#"(component {more} (instance $i) (export "tmf:vision/plugin@0.1.0" (instance $i)))"#))
}

fn importing(name: &str, item: &str) -> Result<Ports, PkgError> {
    examine(&plugin(&format!("(import \"{name}\" {item})")))
}

const EMPTY: &str = "(instance)";

#[test]
fn pkg_10p_a_small_component_is_taken() {
    let ports = examine(&plugin("")).unwrap();
    assert!(ports.imports.is_empty() && ports.needs.is_empty());
    assert_eq!(ports.exports, BTreeSet::from([PLUGIN.to_owned()]));
}

#[test]
fn imports_are_listed_by_function() {
    let log = r#"(instance (export "log" (func (param "message" string))))"#;
    let ports = importing("tmf:vision/diagnostics@0.1.0", log).unwrap();
    assert_eq!(ports.imports, BTreeSet::from(["tmf:vision/diagnostics@0.1.0#log".to_owned()]));
    assert_eq!(ports.needs, BTreeSet::from([Interface::Diagnostics]));
    // An interface of which no function is taken needs nothing.
    let ports = importing("tmf:vision/diagnostics@0.1.0", EMPTY).unwrap();
    assert_eq!(ports.imports, BTreeSet::from(["tmf:vision/diagnostics@0.1.0".to_owned()]));
    assert!(ports.needs.is_empty());
}

#[test]
fn other_imports_are_refused_by_name() {
    for name in [
        "wasi:cli/environment@0.2.0",
        "wasi:sockets/tcp@0.2.0",
        "tmf:visions/frames@0.1.0",
        "tmf:vision/secrets@0.1.0",
        "tmf:vision/plugin@0.1.0",
        "frames",
    ] {
        assert_eq!(importing(name, EMPTY), Err(PkgError::ImportNotGranted { name: name.to_owned() }));
    }
    let function = "tmf:vision/frames@0.1.0#[method]frame.original";
    let item = r#"(instance (export "frame" (type (sub resource))) (export "[method]frame.original" (func (param "self" (borrow 0)))))"#;
    assert_eq!(
        importing("tmf:vision/frames@0.1.0", item),
        Err(PkgError::ImportNotGranted { name: function.to_owned() })
    );
    // Not an instance but a function, module or component of that name.
    for item in ["(func)", "(component)", "(core module)"] {
        assert!(matches!(importing("tmf:vision/frames@0.1.0", item), Err(PkgError::ImportNotGranted { .. })), "{item}");
    }
    let inner = r#"(instance (export "x" (instance)))"#;
    assert!(matches!(importing("tmf:vision/types@0.1.0", inner), Err(PkgError::ImportNotGranted { .. })));
}

#[test]
fn pkg_21n_another_version_of_the_door_is_named() {
    for version in ["@0.2.0", "@0.1.1", "@1.0.0", ""] {
        let found = format!("tmf:vision/frames{version}");
        let expected = PkgError::WorldVersion { found: found.clone(), supported: "tmf:vision@0.1.0" };
        assert_eq!(importing(&found, EMPTY), Err(expected));
    }
    assert_eq!(examine(&wat("(component)")), Err(PkgError::NoPlugin));
    let function = r#"(component (import "tmf:vision/diagnostics@0.1.0" (instance $d (export "log" (func))))
        (export "tmf:vision/plugin@0.1.0" (instance $d)) (export "other" (instance $d)))"#;
    assert!(examine(&wat(function)).is_ok());
}

#[test]
fn pkg_08n_pkg_10n_what_is_no_component_is_named() {
    for (bytes, word) in [
        (&b"\x7fELF\x02\x01\x01\0\0\0\0"[..], "ELF"),
        (b"\0asm\x01\0\0\0", "core module"),
        (b"\0asm\x0d\0\x02\0", "another kind"),
        (b"PK\x03\x04", "no WebAssembly"),
        (b"", "no WebAssembly"),
    ] {
        assert!(matches!(examine(bytes), Err(PkgError::NotAComponent(found)) if found.contains(word)), "{word}");
    }
    // Every cut of a component is refused, but for the one that takes away the names for debuggers and nothing else.
    let whole = plugin("(core module (memory 1) (func (export \"f\")))");
    let taken: Vec<Ports> = (0..whole.len()).filter_map(|end| examine(&whole[..end]).ok()).collect();
    assert_eq!(taken, [examine(&whole).unwrap()]);
}

#[test]
fn pkg_10n_bombs_are_refused_before_anything_is_compiled() {
    let modules = |n: usize| plugin(&"(core module)".repeat(n));
    assert!(examine(&modules(MAX_PARTS - 1)).is_ok());
    assert_eq!(examine(&modules(1000)), Err(PkgError::TooComplex { what: "modules inside the component" }));

    let deep = |n: usize| plugin(&format!("{}{}", "(component ".repeat(n), ")".repeat(n)));
    assert!(examine(&deep(MAX_DEPTH - 1)).is_ok());
    assert_eq!(examine(&deep(MAX_DEPTH)), Err(PkgError::TooComplex { what: "modules inside the component" }));

    assert!(examine(&plugin("(core module (memory 1024))")).is_ok());
    let greedy = plugin("(core module (memory 65536))");
    assert_eq!(examine(&greedy), Err(PkgError::TooComplex { what: "initial memory" }));

    let mut bomb = plugin("");
    for _ in 0..=MAX_CUSTOM {
        bomb.extend_from_slice(b"\0\x02\x01x");
    }
    assert_eq!(examine(&bomb), Err(PkgError::TooComplex { what: "custom sections" }));

    // A section that says it is 4 GiB long.
    let mut long = plugin("");
    long.extend_from_slice(b"\0\xff\xff\xff\xff\x0f\x01x");
    assert!(matches!(examine(&long), Err(PkgError::NotAComponent(_))));
}

#[test]
fn threads_and_wide_memories_are_refused() {
    for text in [
        "(core module (memory 1 1 shared))",
        "(core module (memory i64 1))",
        "(core module (func (param v128) (result v128) local.get 0 local.get 0 local.get 0 f32x4.relaxed_madd))",
    ] {
        assert!(matches!(examine(&plugin(text)), Err(PkgError::NotAComponent(_))), "{text}");
    }
    let simd = "(core module (func (param v128) (result v128) local.get 0 local.get 0 i8x16.add))";
    assert!(examine(&plugin(simd)).is_ok());
}
