//! JSON Schemas of the policy files, for editors: made from the types that read the files, committed, and held fresh here.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests state what they expect")]

use std::path::Path;

use crate::catalogue::KravEntry;
use crate::{ModelList, Purpose};

/// Writes them anew with `VAERN_WRITE_SCHEMAS=1`.
#[test]
fn pol_08p_the_schemas_for_editors_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/schemas");
    let write = std::env::var_os("VAERN_WRITE_SCHEMAS").is_some();
    for (name, schema) in [
        ("krav.schema.json", schemars::schema_for!(KravEntry)),
        ("profile.schema.json", crate::profile::schema()),
        ("purpose.schema.json", schemars::schema_for!(Purpose)),
        ("models.schema.json", schemars::schema_for!(ModelList)),
    ] {
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        assert!(text.contains("\"additionalProperties\": false"), "{name} must refuse unknown fields");
        let path = folder.join(name);
        if write {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(committed, text, "policies/schemas/{name} is stale: run this test with VAERN_WRITE_SCHEMAS=1");
    }
}
