//! The list of what a component is made of: CycloneDX 1.6, held against the list that the compiler left inside.
//!
//! `cargo auditable` embeds the packages of a build in the section `.dep-v0`. Where it is, the two lists must agree; a
//! list that leaves out what is really in there is worse than none (PKG-11).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::error::PkgError;
use crate::json;
use crate::printable::printable;

/// More packages than any plugin has.
const MAX_PACKAGES: usize = 4096;
/// The embedded list unpacked: 4096 packages of 200 bytes. What grows beyond is a bomb (PKG-14).
const MAX_EMBEDDED: usize = 1 << 20;

/// A package by name and version.
pub(super) type Package = (String, String);

/// As far as we read a CycloneDX file. Other tools write more; none of it changes what a component is.
#[derive(Debug, Deserialize)]
struct Read {
    #[serde(rename = "bomFormat")]
    format: String,
    #[serde(rename = "specVersion")]
    spec: String,
    #[serde(default)]
    components: Vec<ReadComponent>,
}

#[derive(Debug, Deserialize)]
struct ReadComponent {
    name: String,
    #[serde(default)]
    version: String,
}

/// As we write one: no time and no serial number, so that the same inputs give the same bytes.
#[derive(Debug, Serialize)]
struct Bom<'l> {
    #[serde(rename = "bomFormat")]
    format: &'static str,
    #[serde(rename = "specVersion")]
    spec: &'static str,
    version: u32,
    metadata: Metadata<'l>,
    components: Vec<Component<'l>>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Serialize)]
struct Metadata<'l> {
    component: Component<'l>,
}

#[derive(Debug, Serialize)]
struct Component<'l> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    reference: String,
    name: &'l str,
    version: &'l str,
    purl: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash<'l>>,
}

#[derive(Debug, Serialize)]
struct Hash<'l> {
    alg: &'static str,
    content: &'l str,
}

#[derive(Debug, Serialize)]
struct Dependency {
    #[serde(rename = "ref")]
    reference: String,
    #[serde(rename = "dependsOn", skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<LockPackage>,
}

#[derive(Debug, Deserialize)]
struct LockPackage {
    name: String,
    version: String,
    #[serde(default)]
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl LockPackage {
    /// Whether a dependency, written as `name` or `name version` or with a source behind, means this package.
    fn is(&self, dependency: &str) -> bool {
        let mut words = dependency.split(' ');
        words.next() == Some(self.name.as_str()) && words.next().is_none_or(|version| version == self.version)
    }

    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    fn component(&self, kind: &'static str) -> Component<'_> {
        Component {
            kind,
            reference: self.purl(),
            name: &self.name,
            version: &self.version,
            purl: self.purl(),
            hashes: self.checksum.iter().map(|content| Hash { alg: "SHA-256", content }).collect(),
        }
    }
}

/// Writes the CycloneDX list of the package `root` from the text of its `Cargo.lock`. The lock file does not tell what
/// is built from what only helps to build or test, so the list holds both.
///
/// # Errors
/// [`PkgError::Sbom`] if the text is no lock file or does not hold the package.
pub fn sbom_from_cargo_lock(text: &str, root: &str) -> Result<Vec<u8>, PkgError> {
    let bad = |why: String| PkgError::Sbom(printable(&why));
    let lock: Lock = toml::from_str(text).map_err(|e| bad(e.message().to_owned()))?;
    let named = lock.package.iter().find(|package| package.name == root);
    let named = named.ok_or_else(|| bad(format!("the lock file holds no package `{root}`")))?;
    let mut reached: BTreeMap<Package, &LockPackage> = BTreeMap::new();
    let mut next = vec![named];
    while let Some(package) = next.pop() {
        if reached.insert((package.name.clone(), package.version.clone()), package).is_none() {
            next.extend(lock.package.iter().filter(|p| package.dependencies.iter().any(|d| p.is(d))));
        }
    }
    let dependencies = reached.values().map(|package| {
        let of = |d: &String| lock.package.iter().find(|p| p.is(d)).map(LockPackage::purl);
        Dependency { reference: package.purl(), depends_on: package.dependencies.iter().filter_map(of).collect() }
    });
    let bom = Bom {
        format: "CycloneDX",
        spec: "1.6",
        version: 1,
        metadata: Metadata { component: named.component("application") },
        dependencies: dependencies.collect(),
        components: reached.values().filter(|p| p.name != root).map(|p| p.component("library")).collect(),
    };
    json::write(&bom).map_err(|e| bad(e.to_string()))
}

/// Reads a CycloneDX list: the packages that it names.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeSet<Package>, PkgError> {
    let read: Read = json::foreign(bytes).map_err(|e| PkgError::Sbom(e.to_string()))?;
    if read.format != "CycloneDX" || !matches!(read.spec.as_str(), "1.4" | "1.5" | "1.6" | "1.7") {
        return Err(PkgError::Sbom(printable(&format!("{} {}, not CycloneDX 1.4 to 1.7", read.format, read.spec))));
    }
    if read.components.len() > MAX_PACKAGES {
        return Err(PkgError::TooComplex { what: "packages in the SBOM" });
    }
    Ok(read.components.into_iter().map(|c| (c.name, c.version)).collect())
}

/// The list that `cargo auditable` left in a component.
#[derive(Debug, Deserialize)]
struct Embedded {
    packages: Vec<EmbeddedPackage>,
}

#[derive(Debug, Deserialize)]
struct EmbeddedPackage {
    name: String,
    version: String,
    /// Absent for what is in the program, `build` for what only helped to build it.
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    root: bool,
}

/// Unpacks and reads the section `.dep-v0`: the packages in the program, without the program itself.
pub(super) fn embedded(section: &[u8]) -> Result<BTreeSet<Package>, PkgError> {
    let bad = |why: String| PkgError::Sbom(printable(&format!("the embedded dependency list: {why}")));
    let unpacked = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(section, MAX_EMBEDDED)
        .map_err(|e| bad(format!("{:?}", e.status)))?;
    let list: Embedded = json::foreign(&unpacked).map_err(|e| bad(e.to_string()))?;
    let packages = list.packages.into_iter().filter(|p| !p.root && p.kind.as_deref() != Some("build"));
    Ok(packages.map(|p| (p.name, p.version)).collect())
}

/// Holds a list against what is really inside.
pub(super) fn agree(listed: &BTreeSet<Package>, inside: &BTreeSet<Package>) -> Result<(), PkgError> {
    let names = |set: Vec<&Package>| set.into_iter().map(|(n, v)| printable(&format!("{n} {v}"))).collect::<Vec<_>>();
    let missing = names(inside.difference(listed).collect());
    let extra = names(listed.difference(inside).collect());
    if !missing.is_empty() || !extra.is_empty() {
        return Err(PkgError::SbomMismatch { missing, extra });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 4
[[package]]
name = "finder"
version = "1.0.0"
dependencies = ["boxes 2.1.0", "maths"]
[[package]]
name = "boxes"
version = "2.1.0"
checksum = "00ff"
dependencies = ["maths"]
[[package]]
name = "boxes"
version = "1.0.0"
[[package]]
name = "maths"
version = "0.3.0"
[[package]]
name = "other-plugin"
version = "9.0.0"
"#;

    #[test]
    fn lev_02p_a_list_from_a_lock_file_names_what_is_reached_and_nothing_else() {
        let bytes = sbom_from_cargo_lock(LOCK, "finder").unwrap();
        assert_eq!(bytes, sbom_from_cargo_lock(LOCK, "finder").unwrap());
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((value["bomFormat"].as_str(), value["specVersion"].as_str()), (Some("CycloneDX"), Some("1.6")));
        assert_eq!(value["metadata"]["component"]["purl"], "pkg:cargo/finder@1.0.0");
        let expected = [("boxes", "2.1.0"), ("maths", "0.3.0")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(read(&bytes).unwrap(), BTreeSet::from(expected));
        assert!(matches!(sbom_from_cargo_lock(LOCK, "nobody"), Err(PkgError::Sbom(_))));
    }

    #[test]
    fn pkg_14n_an_embedded_list_that_unpacks_without_end_is_refused() {
        let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![b' '; 64 << 20], 9);
        assert!(bomb.len() < 100_000);
        assert!(matches!(embedded(&bomb), Err(PkgError::Sbom(_))));
        assert!(matches!(embedded(b"no zlib at all"), Err(PkgError::Sbom(_))));
    }

    #[test]
    fn a_list_of_another_format_is_no_list() {
        for bad in [
            r#"{"bomFormat":"SPDX","specVersion":"1.6"}"#,
            r#"{"bomFormat":"CycloneDX","specVersion":"1.3"}"#,
            r#"{"bomFormat":"CycloneDX","bomFormat":"CycloneDX","specVersion":"1.6"}"#,
            "{}",
            "",
        ] {
            assert!(matches!(read(bad.as_bytes()), Err(PkgError::Sbom(_))), "{bad}");
        }
        assert!(read(br#"{"bomFormat":"CycloneDX","specVersion":"1.6","serialNumber":"x"}"#).unwrap().is_empty());
    }
}
