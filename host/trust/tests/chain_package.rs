//! Attacks PKG on a package directory. Digests are right everywhere but in the spoiled place.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use common::*;
use serde_json::{Value, json};
use vaern_door::{Digest, Interface};
use vaern_trust::{PkgError, ReleaseError, SigError};

const MODEL: &str = "application/vnd.vaern.model.v1+onnx";
const MANIFEST_JSON: &str = "application/vnd.vaern.manifest.v1+json";

fn refusal(dir: &cap_std::fs::Dir) -> PkgError {
    vaern_trust::inspect(dir).expect_err("the package must be refused")
}

/// Spoils the release index of an honest package and reads it.
fn spoil(change: impl FnOnce(&cap_std::fs::Dir, &mut Value)) -> PkgError {
    let dir = packed();
    edit_release(&dir, |release| change(&dir, release));
    refusal(&dir)
}

#[test]
fn the_same_inputs_have_the_same_digest() {
    let (a, b) = (room(), room());
    let mut turned = inputs();
    turned.models.push((name("another"), b"second".to_vec()));
    turned.manifest = manifest(&turned.models);
    let first = vaern_trust::pack(&turned, &a).unwrap();
    turned.models.reverse();
    assert_eq!(vaern_trust::pack(&turned, &b).unwrap(), first);
    let (digest, contents) = vaern_trust::inspect(&a).unwrap();
    assert_eq!(digest, first);
    assert_eq!(contents.manifest, turned.manifest);
    assert_eq!(contents.component, turned.component);
    assert_eq!(contents.model_card, turned.model_card);
    assert_eq!(contents.models.len(), 2);
    assert_eq!(vaern_trust::pack(&turned, &a), Err(PkgError::Exists));
}

#[test]
fn pkg_01n_a_changed_or_missing_blob_is_refused() {
    let dir = packed();
    let names: Vec<_> = dir.read_dir("blobs/sha256").unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 13, "each part and its artifact, the empty config, the release index");
    for blob in names {
        let path = std::path::Path::new("blobs/sha256").join(blob);
        let honest = dir.read(&path).unwrap();
        let mut changed = honest.clone();
        *changed.last_mut().unwrap() ^= 1;
        dir.write(&path, &changed).unwrap();
        assert!(matches!(refusal(&dir), PkgError::DigestMismatch(_)), "{path:?}");
        dir.remove_file(&path).unwrap();
        assert!(matches!(refusal(&dir), PkgError::MissingBlob(_)), "{path:?}");
        dir.write(&path, &honest).unwrap();
    }
    assert!(vaern_trust::inspect(&dir).is_ok());
}

#[test]
fn pkg_02n_a_wrong_size_is_refused() {
    for size in [json!(0), json!(1), json!(100_000), json!(-1), json!(i64::MIN), json!(1_u64 << 63), json!(u64::MAX)] {
        let dir = packed();
        let mut index = read_index(&dir);
        index["manifests"][0]["size"] = size.clone();
        write_index(&dir, &index);
        assert!(matches!(refusal(&dir), PkgError::SizeMismatch { .. }), "{size}");
        let inner = spoil(|_, release| release["manifests"][0]["size"] = size.clone());
        assert!(matches!(inner, PkgError::SizeMismatch { .. }), "{size}");
    }
    for size in [json!(1.5), json!("12"), json!(null), json!(1e30)] {
        let refused = spoil(|_, release| release["manifests"][0]["size"] = size.clone());
        assert!(matches!(refused, PkgError::Malformed { .. }), "{size}: {refused:?}");
    }
    // A file that is longer than declared is read to one byte past the declared size only.
    let dir = packed();
    let release: Digest = release_of(&dir).0.parse().unwrap();
    let path = format!("blobs/sha256/{}", release.hex());
    let long = [dir.read(&path).unwrap(), vec![0; 1 << 20]].concat();
    dir.write(&path, long).unwrap();
    assert!(matches!(refusal(&dir), PkgError::SizeMismatch { .. }));
}

#[cfg(unix)]
#[test]
fn pkg_03n_links_and_odd_files_are_refused() {
    let dir = packed();
    let release: Digest = release_of(&dir).0.parse().unwrap();
    let path = format!("blobs/sha256/{}", release.hex());
    dir.rename(&path, &dir, "blobs/sha256/moved").unwrap();
    dir.symlink("moved", &path).unwrap();
    assert!(matches!(refusal(&dir), PkgError::BadEntry { .. }));
    dir.remove_file(&path).unwrap();
    dir.create_dir(&path).unwrap();
    assert!(matches!(refusal(&dir), PkgError::BadEntry { .. }));
    // The whole store a link to somewhere else: the directory handle does not follow it out.
    let (dir, outside) = (packed(), tempfile::tempdir().unwrap());
    dir.rename("blobs", &dir, "kept").unwrap();
    std::fs::create_dir(outside.path().join("sha256")).unwrap();
    for entry in dir.read_dir("kept/sha256").unwrap() {
        let file = entry.unwrap().file_name();
        let bytes = dir.read(std::path::Path::new("kept/sha256").join(&file)).unwrap();
        std::fs::write(outside.path().join("sha256").join(&file), bytes).unwrap();
    }
    dir.symlink_contents(outside.path(), "blobs").unwrap();
    assert!(matches!(refusal(&dir), PkgError::Io { .. }));
}

#[test]
fn pkg_04n_an_artifact_has_one_layer() {
    for kind in [None, Some(MODEL), Some(MANIFEST_JSON)] {
        for count in [0, 2] {
            let refused = spoil(|dir, release| {
                let at = part(release, kind);
                edit(dir, &mut release["manifests"][at], |manifest| {
                    let layer = manifest["layers"][0].clone();
                    manifest["layers"] = Value::Array(vec![layer; count]);
                });
            });
            assert_eq!(refused, PkgError::LayerCount(count), "{kind:?}");
        }
    }
}

#[test]
fn pkg_05n_wrong_media_types_are_refused() {
    for other in
        ["application/octet-stream", "application/vnd.docker.distribution.manifest.v2+json", "", "Application/wasm"]
    {
        for refused in [
            spoil(|_, release| release["manifests"][0]["mediaType"] = other.into()),
            spoil(|_, release| release["mediaType"] = other.into()),
            spoil(|_, release| release["artifactType"] = other.into()),
            spoil(|_, release| release["manifests"][1]["artifactType"] = other.into()),
            spoil(|dir, release| {
                edit(dir, &mut release["manifests"][0], |m| m["layers"][0]["mediaType"] = other.into())
            }),
            spoil(|dir, release| edit(dir, &mut release["manifests"][0], |m| m["config"]["mediaType"] = other.into())),
            spoil(|dir, release| edit(dir, &mut release["manifests"][1], |m| m["mediaType"] = other.into())),
        ] {
            assert!(matches!(refused, PkgError::MediaType(_)), "{other}: {refused:?}");
        }
    }
}

#[test]
fn pkg_05n_indexes_do_not_nest() {
    // Fifty deep, and one level: the first level is refused, so no depth and no circle can be walked.
    let refused = spoil(|dir, release| {
        for _ in 0..50 {
            let (digest, size) = put_json(dir, release);
            *release = json!({"schemaVersion": 2, "mediaType": INDEX, "artifactType": "application/vnd.vaern.release.v1+json",
                "manifests": [{"mediaType": INDEX, "digest": digest, "size": size}]});
        }
    });
    assert_eq!(refused, PkgError::NestingTooDeep);
}

#[test]
fn pkg_06n_two_releases_are_ambiguous() {
    for same_name in [true, false] {
        let dir = packed();
        let mut index = read_index(&dir);
        let mut second = index["manifests"][0].clone();
        if !same_name {
            second["annotations"]["org.opencontainers.image.ref.name"] = "container-model-1.5.0".into();
        }
        index["manifests"].as_array_mut().unwrap().push(second);
        write_index(&dir, &index);
        assert_eq!(refusal(&dir), PkgError::AmbiguousRef);
    }
    let dir = packed();
    write_index(&dir, &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}));
    assert_eq!(refusal(&dir), PkgError::NoRelease);
}

#[test]
fn pkg_07n_a_statement_with_another_subject_is_refused() {
    for (field, value) in [("digest", json!(Digest::of(b"another").to_string())), ("size", json!(1))] {
        let dir = signed();
        let mut index = read_index(&dir);
        edit(&dir, &mut index["manifests"][1], |manifest| manifest["subject"][field] = value.clone());
        write_index(&dir, &index);
        assert_eq!(refusal(&dir), PkgError::SubjectMismatch);
    }
    let dir = signed();
    let mut index = read_index(&dir);
    edit(&dir, &mut index["manifests"][1], |manifest| drop(manifest.as_object_mut().unwrap().remove("subject")));
    write_index(&dir, &index);
    assert_eq!(refusal(&dir), PkgError::SubjectMismatch);
}

/// Puts other bytes in the component's place, with a config that says what a component's would.
fn with_component(bytes: &[u8]) -> PkgError {
    spoil(|dir, release| {
        let (digest, size) = put(dir, bytes);
        edit(dir, &mut release["manifests"][0], |manifest| {
            edit(dir, &mut manifest["config"], |config| config["layerDigests"] = json!([digest]));
            manifest["layers"][0]["digest"] = digest.clone().into();
            manifest["layers"][0]["size"] = size.into();
        });
    })
}

#[test]
fn pkg_08n_pkg_10n_only_components_are_taken() {
    let core = wat::parse_str("(module)").unwrap();
    for bytes in
        [&b"\x7fELF\x02\x01\x01"[..], &core, b"", b"\0asm", b"\0asm\x0d\0\x02\0", b"#!/bin/sh\n", &tiny()[..12]]
    {
        assert!(matches!(with_component(bytes), PkgError::NotAComponent(_)), "{bytes:?}");
        let mut packing = inputs();
        packing.component = bytes.to_vec();
        assert!(matches!(vaern_trust::pack(&packing, &room()), Err(PkgError::NotAComponent(_))));
    }
}

#[test]
fn pkg_09n_declared_imports_must_be_the_real_ones() {
    let dir = room();
    let mut blind = inputs();
    blind.component = from_wit(|f| !matches!(f, "pixels" | "rows" | "tensor" | "zoom" | "log"));
    vaern_trust::pack(&blind, &dir).unwrap();
    let ports = vaern_trust::inspect(&dir).unwrap().1.ports;
    assert_eq!(ports.needs, [Interface::Models].into());
    assert!(ports.imports.contains("tmf:vision/models@0.1.0#[method]model.infer-frame"), "{ports:?}");
    assert!(!ports.imports.iter().any(|i| i.contains("pixels")), "{ports:?}");
    let lie = |change: &dyn Fn(&mut Vec<Value>)| {
        let copy = room();
        vaern_trust::pack(&blind, &copy).unwrap();
        edit_release(&copy, |release| {
            edit(&copy, &mut release["manifests"][0], |manifest| {
                edit(&copy, &mut manifest["config"], |config| {
                    change(config["component"]["imports"].as_array_mut().unwrap());
                });
            });
        });
        refusal(&copy)
    };
    let more = "tmf:vision/frames@0.1.0#[method]frame.pixels".to_owned();
    let expected = PkgError::ImportMismatch { declared: vec![more.clone()], actual: vec![] };
    assert_eq!(lie(&|imports| imports.push(more.clone().into())), expected);
    let less = lie(&|imports| drop(imports.pop()));
    assert!(
        matches!(less, PkgError::ImportMismatch { ref declared, ref actual } if declared.is_empty() && actual.len() == 1)
    );
}

#[test]
fn lev_06n_what_the_binary_uses_must_be_asked_for() {
    let mut whole = inputs();
    whole.component = from_wit(|_| true);
    let packed = |capabilities: &[Interface]| {
        let mut inputs = whole.clone();
        inputs.manifest.capabilities = capabilities.to_vec();
        vaern_trust::pack(&inputs, &room())
    };
    use Interface::{Diagnostics, Models, Pixels, Zoom};
    assert!(packed(&[Pixels, Zoom, Models, Diagnostics]).is_ok());
    for (asked, missing) in [
        (&[Zoom, Models, Diagnostics][..], "pixels"),
        (&[Pixels, Models, Diagnostics], "zoom"),
        (&[Pixels, Zoom, Diagnostics], "models"),
        (&[Pixels, Zoom, Models], "diagnostics"),
    ] {
        match packed(asked) {
            Err(PkgError::ImportMismatch { actual, .. }) => assert_eq!(actual, [missing]),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn pkg_13n_parts_of_two_approved_releases_are_not_approved_as_a_pair() {
    let approve = |dir: &cap_std::fs::Dir| {
        vaern_trust::sign_vendor(dir, &vendor()).unwrap();
        let signers = [(&name("jura"), &jura()), (&name("drift"), &drift())];
        vaern_trust::approve(dir, &trust(), &draft(), &dpia(), &signers, now()).unwrap();
        assert!(verify(dir).is_ok());
    };
    let second_model = vec![(name("finder"), b"another model".to_vec())];
    let (first, second, pair) = (packed(), room(), room());
    let mut other = inputs();
    other.component = from_wit(|f| !matches!(f, "pixels" | "rows" | "tensor" | "zoom" | "log"));
    other.models = second_model.clone();
    other.manifest = manifest(&second_model);
    vaern_trust::pack(&other, &second).unwrap();
    approve(&first);
    approve(&second);
    let mut mixed = inputs();
    mixed.models = second_model.clone();
    mixed.manifest = manifest(&second_model);
    vaern_trust::pack(&mixed, &pair).unwrap();
    for source in [&first, &second] {
        for kind in ["vendor-release", "approval"] {
            file(&pair, kind, &filed(source, kind)[0]);
        }
    }
    assert_eq!(verify(&pair), Err(ReleaseError::VendorSignature(SigError::SubjectMismatch)));
    vaern_trust::sign_vendor(&pair, &vendor()).unwrap();
    assert_eq!(verify(&pair), Err(ReleaseError::Approval(SigError::SubjectMismatch)));
}

#[test]
fn pkg_13n_models_must_be_those_of_the_manifest() {
    let refused = |change: &dyn Fn(&mut vaern_trust::PackInputs)| {
        let mut inputs = inputs();
        change(&mut inputs);
        vaern_trust::pack(&inputs, &room()).unwrap_err()
    };
    assert_eq!(refused(&|i| i.models[0].1.push(0)), PkgError::ModelMismatch(name("finder")));
    assert_eq!(refused(&|i| i.models.clear()), PkgError::ModelMismatch(name("finder")));
    assert_eq!(refused(&|i| i.manifest.models.clear()), PkgError::ModelMismatch(name("finder")));
    assert_eq!(refused(&|i| i.models[0].0 = name("other")), PkgError::ModelMismatch(name("finder")));
    assert_eq!(
        refused(&|i| {
            let twice = i.manifest.models[0].clone();
            i.manifest.models.push(twice);
        }),
        PkgError::ModelMismatch(name("finder"))
    );
    // The same in a package that was put together by hand.
    let refused = spoil(|dir, release| {
        let at = part(release, Some(MODEL));
        edit(dir, &mut release["manifests"][at], |manifest| {
            let (digest, size) = put(dir, b"another model");
            manifest["layers"][0]["digest"] = digest.into();
            manifest["layers"][0]["size"] = size.into();
        });
    });
    assert_eq!(refused, PkgError::ModelMismatch(name("finder")));
}

/// Changes the text of the manifest inside the package.
fn with_manifest(change: impl FnOnce(&mut Value)) -> PkgError {
    spoil(|dir, release| {
        let at = part(release, Some(MANIFEST_JSON));
        edit(dir, &mut release["manifests"][at], |artifact| edit(dir, &mut artifact["layers"][0], change));
    })
}

#[test]
fn pkg_15n_look_alike_names_are_refused() {
    for bad in ["conтainer-model", "Container-model", "container\u{200b}-model", "container--model"] {
        assert!(matches!(with_manifest(|m| m["name"] = bad.into()), PkgError::Malformed { .. }), "{bad}");
        assert!(matches!(with_manifest(|m| m["vendor"] = bad.into()), PkgError::Malformed { .. }), "{bad}");
    }
}

#[test]
fn pkg_19n_unknown_fields_are_refused_by_name() {
    let unknown = |name: &str| PkgError::UnknownField { name: name.into() };
    assert_eq!(with_manifest(|m| m["capabilites"] = json!(["pixels"])), unknown("capabilites"));
    assert_eq!(with_manifest(|m| m["licences"]["modell"] = "x".into()), unknown("modell"));
    assert_eq!(spoil(|_, release| release["extra"] = 1.into()), unknown("extra"));
    assert_eq!(spoil(|_, release| release["manifests"][0]["platform"] = json!({})), unknown("platform"));
    assert_eq!(spoil(|_, r| r["manifests"][0]["annotations"] = json!({"a.b": "c"})), unknown("a.b"));
    assert_eq!(
        spoil(|dir, r| edit(dir, &mut r["manifests"][0], |m| m["annotations"] = json!({}))),
        unknown("annotations")
    );
    let dir = packed();
    dir.write("oci-layout", r#"{"imageLayoutVersion":"1.0.0","x":1}"#).unwrap();
    assert_eq!(refusal(&dir), unknown("x"));
    // A field that is missing has no default either.
    let gone = with_manifest(|m| drop(m.as_object_mut().unwrap().remove("capabilities")));
    assert!(matches!(gone, PkgError::Malformed { .. }));
}

#[test]
fn pkg_20n_a_name_that_was_moved_is_refused() {
    let dir = approved();
    let pinned: Digest = release_of(&dir).0.parse().unwrap();
    assert!(vaern_trust::Release::open_digest(&dir, pinned).is_ok());
    let mut changed = inputs();
    changed.manifest.intended_use = "Something else.".into();
    let other = room();
    let moved = vaern_trust::pack(&changed, &other).unwrap();
    vaern_trust::sign_vendor(&other, &vendor()).unwrap();
    assert_eq!(release_of(&other).1, release_of(&dir).1, "the same name and version");
    assert_ne!(moved, pinned);
    let refused = vaern_trust::Release::open_digest(&other, pinned).unwrap_err();
    assert_eq!(refused, ReleaseError::Package(PkgError::DigestMismatch(pinned)));
    // The version text alone decides nothing, but it must be the manifest's.
    let mut index = read_index(&dir);
    index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = "container-model-1.4.1".into();
    write_index(&dir, &index);
    assert_eq!(refusal(&dir), PkgError::RefMismatch);
}

#[test]
fn an_empty_config_is_empty_and_parts_are_there_once() {
    let refused = spoil(|dir, release| {
        let at = part(release, Some(MODEL));
        edit(dir, &mut release["manifests"][at], |manifest| {
            let (digest, _) = put(dir, b"[]");
            manifest["config"]["digest"] = digest.into();
        });
    });
    assert!(matches!(refused, PkgError::MediaType(_)));
    for kind in [None, Some(MODEL), Some(MANIFEST_JSON)] {
        let twice = spoil(|_, release| {
            let copy = release["manifests"][part(release, kind)].clone();
            release["manifests"].as_array_mut().unwrap().push(copy);
        });
        assert!(matches!(twice, PkgError::PartCount(_)), "{kind:?}");
    }
    for kind in [None, Some(MANIFEST_JSON)] {
        let none = spoil(|_, release| {
            let at = part(release, kind);
            release["manifests"].as_array_mut().unwrap().remove(at);
        });
        assert!(matches!(none, PkgError::PartCount(_)), "{kind:?}");
    }
}

#[test]
fn pkg_11n_a_list_of_packages_other_than_the_one_inside_is_refused() {
    let list = br#"{"packages":[{"name":"finder","version":"1.0.0","root":true},{"name":"boxes","version":"2.1.0"},{"name":"bindgen","version":"0.1.0","kind":"build"}]}"#;
    let section: String =
        miniz_oxide::deflate::compress_to_vec_zlib(list, 6).iter().map(|b| format!("\\{b:02x}")).collect();
    let text = format!(
        r#"(component (core module (@custom ".dep-v0" "{section}")) (instance $i) (export "tmf:vision/plugin@0.1.0" (instance $i)))"#
    );
    let with = |packages: &[(&str, &str)]| {
        let parts: Vec<Value> =
            packages.iter().map(|(n, v)| json!({"type": "library", "name": n, "version": v})).collect();
        let mut inputs = inputs();
        inputs.component = wat::parse_str(&text).unwrap();
        inputs.sbom = Some(
            serde_json::to_vec(&json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": parts})).unwrap(),
        );
        vaern_trust::pack(&inputs, &room())
    };
    assert!(with(&[("boxes", "2.1.0")]).is_ok(), "PKG-11P");
    let mismatch = |missing: &[&str], extra: &[&str]| {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Err(PkgError::SbomMismatch { missing: owned(missing), extra: owned(extra) })
    };
    assert_eq!(with(&[]), mismatch(&["boxes 2.1.0"], &[]));
    assert_eq!(with(&[("boxes", "2.1.1")]), mismatch(&["boxes 2.1.0"], &["boxes 2.1.1"]));
    assert_eq!(with(&[("boxes", "2.1.0"), ("maths", "0.3.0")]), mismatch(&[], &["maths 0.3.0"]));
}

#[test]
fn lev_02p_the_same_inputs_give_the_same_digest() {
    let made = [(); 3].map(|()| vaern_trust::pack(&inputs(), &room()).unwrap());
    assert!(made[0] == made[1] && made[1] == made[2]);
    let mut other = inputs();
    other.sbom = None;
    assert_ne!(vaern_trust::pack(&other, &room()).unwrap(), made[0], "the SBOM is part of what is signed");
    let read = vaern_trust::inspect(&packed()).unwrap().1;
    assert_eq!(read.sbom, inputs().sbom);
}

fn made(component: &[u8]) -> vaern_trust::Provenance {
    vaern_trust::Provenance::of(&vaern_trust::Build {
        compiler: "rustc 1.95.0",
        builder: "a desk",
        parameters: &[],
        source: Digest::of(b"source"),
        lock: Digest::of(b"lock"),
        component: Digest::of(component),
    })
}

#[test]
fn lev_02p_the_vendor_says_how_it_was_made_and_lev_02n_nobody_says_it_for_another() {
    let open = |dir: &cap_std::fs::Dir| vaern_trust::Release::open(dir).unwrap().verify(&trust()).unwrap();
    let dir = signed();
    assert_eq!(open(&dir).provenance(), Err(ReleaseError::Provenance(SigError::Unsigned)));
    assert_eq!(open(&dir).provenance().unwrap_err().krav().0, "LEV-02");
    // Another component's is not signed, and one by another vendor does not count.
    let refused = vaern_trust::sign_provenance(&dir, &made(b"another component"), &vendor()).unwrap_err();
    assert_eq!(refused, ReleaseError::Provenance(SigError::ReleaseMismatch("component")));
    vaern_trust::sign_provenance(&dir, &made(&tiny()), &other_vendor()).unwrap();
    assert_eq!(open(&dir).provenance(), Err(ReleaseError::Provenance(SigError::UnknownKey)));
    vaern_trust::sign_provenance(&dir, &made(&tiny()), &vendor()).unwrap();
    let release = open(&dir);
    assert_eq!(release.provenance().unwrap().compiler(), Some("rustc 1.95.0"));
    assert_eq!(release.provenance().unwrap().source(), Some(Digest::of(b"source")));
    // A vendor's word about its build is no word about anything else.
    let envelope = filed(&dir, "provenance")[0].clone();
    unfile(&dir, "vendor-release");
    file(&dir, "vendor-release", &envelope);
    assert!(vaern_trust::Release::open(&dir).unwrap().verify(&trust()).is_err());
}
