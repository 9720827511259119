//! The catalogue in OSCAL, for auditors' tools: catalog, profile and component definition.
//!
//! Ids are of version 5, made from the catalogue's own ids: the same catalogue gives the same ids on every machine. The
//! time of the export is the caller's.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{CHAPTERS, Catalogue, Document, KravEntry, Party};

/// The version of OSCAL that is written.
const OSCAL_VERSION: &str = "1.2.1";

/// Names of the files; the profile and the component definition point at the catalog by its name.
const CATALOG_FILE: &str = "catalog.json";

/// Namespace of what OSCAL has no word for.
const NAMESPACE: &str = "urn:vaern:oscal";

/// The three documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Oscal {
    /// Every krav as a control.
    pub catalog: Value,
    /// Those in force.
    pub profile: Value,
    /// Who meets which, by what.
    pub component_definition: Value,
}

impl Oscal {
    /// File name and content of each document.
    #[must_use]
    pub const fn files(&self) -> [(&'static str, &Value); 3] {
        [
            (CATALOG_FILE, &self.catalog),
            ("profile.json", &self.profile),
            ("component-definition.json", &self.component_definition),
        ]
    }
}

/// Writes the catalogue; `last_modified` is a time in RFC 3339.
#[must_use]
pub fn oscal(catalogue: &Catalogue, last_modified: &str) -> Oscal {
    let version = catalogue.version().map_or("0.0.0", |version| version.as_str());
    let metadata = |title: &str| {
        json!({
            "title": title,
            "last-modified": last_modified,
            "version": version,
            "oscal-version": OSCAL_VERSION,
        })
    };
    let groups: Vec<Value> = CHAPTERS
        .iter()
        .map(|(prefix, dk, en)| {
            let controls: Vec<Value> =
                catalogue.entries().filter(|entry| entry.id.starts_with(prefix)).map(control).collect();
            json!({
                "id": prefix.to_lowercase(),
                "class": "kapitel",
                "title": dk,
                "props": [prop("title-en", en)],
                "controls": controls,
            })
        })
        .collect();
    let resources: Vec<Value> = [Document::A, Document::B]
        .iter()
        .map(|document| json!({ "uuid": id("resource", document.short()), "title": document.title() }))
        .collect();
    let catalog = json!({ "catalog": {
        "uuid": id("catalog", version),
        "metadata": metadata("Kravkatalog: krav til leverandører, vært og forvaltning"),
        "groups": groups,
        "back-matter": { "resources": resources },
    }});
    let in_force: Vec<String> =
        catalogue.entries().filter(|entry| entry.retired.is_none()).map(|entry| entry.id.to_lowercase()).collect();
    let profile = json!({ "profile": {
        "uuid": id("profile", version),
        "metadata": metadata("De krav, der gælder"),
        "imports": [{ "href": CATALOG_FILE, "include-controls": [{ "with-ids": in_force }] }],
        "merge": { "as-is": true },
    }});
    let components: Vec<Value> = [
        (Party::Host, "software", "vaern", "Værten: det program, der maskerer, afgrænser og kører plugins."),
        (Party::Vendor, "software", "Plugin", "Leverandørens plugin og det, leverandøren oplyser om det."),
        (Party::City, "service", "Forvaltningen", "De afgørelser og dokumenter, som forvaltningen står inde for."),
    ]
    .iter()
    .map(|(party, kind, title, description)| component(catalogue, *party, kind, title, description))
    .collect();
    let component_definition = json!({ "component-definition": {
        "uuid": id("component-definition", version),
        "metadata": metadata("Hvem der opfylder hvilket krav, og hvormed"),
        "components": components,
    }});
    Oscal { catalog, profile, component_definition }
}

fn control(entry: &KravEntry) -> Value {
    let id_of = entry.id.to_lowercase();
    let mut props = vec![prop("label", &entry.id), prop("version", entry.version().as_str())];
    props.extend(entry.kind.iter().map(|kind| prop("kind", kind.as_str())));
    props.extend(entry.responsible.iter().map(|party| prop("responsible", party.as_str())));
    props.extend(entry.references.lines().iter().map(|line| prop("reference", line)));
    if entry.retired.is_some() {
        props.push(json!({ "name": "status", "value": "withdrawn" }));
    }
    let links: Vec<Value> = entry
        .source
        .iter()
        .map(|source| {
            json!({
                "href": format!("#{}", id("resource", source.document.short())),
                "rel": "reference",
                "text": source.to_string(),
            })
        })
        .collect();
    let mut parts = vec![
        json!({ "id": format!("{id_of}_smt"), "name": "statement", "prose": entry.dk }),
        json!({ "id": format!("{id_of}_en"), "name": "statement-en", "ns": NAMESPACE, "prose": entry.en }),
    ];
    if let Some(note) = &entry.note {
        parts.push(json!({ "id": format!("{id_of}_gdn"), "name": "guidance", "prose": note }));
    }
    json!({
        "id": id_of,
        "class": "krav",
        "title": entry.dk,
        "props": props,
        "links": links,
        "parts": parts,
    })
}

fn component(catalogue: &Catalogue, party: Party, kind: &str, title: &str, description: &str) -> Value {
    let name = party.as_str();
    let requirements: Vec<Value> = catalogue
        .entries()
        .filter(|entry| entry.responsible.contains(&party) && entry.retired.is_none())
        .map(|entry| {
            let mut props: Vec<Value> = entry.rules.iter().map(|rule| prop("rule", rule)).collect();
            props.extend(entry.tests.iter().map(|test| prop("test", test)));
            let status = match &entry.planned {
                None => "implemented",
                Some(_) if entry.only_planned() => "planned",
                Some(_) => "partial",
            };
            props.push(prop("status", status));
            let said = [entry.examined.as_deref(), entry.planned.as_ref().map(|planned| planned.why.as_str())];
            let said: Vec<&str> = said.into_iter().flatten().collect();
            let description = if said.is_empty() { entry.dk.clone() } else { said.join(" ") };
            json!({
                "uuid": id("requirement", &format!("{name}/{}", entry.id)),
                "control-id": entry.id.to_lowercase(),
                "description": description,
                "props": props,
            })
        })
        .collect();
    json!({
        "uuid": id("component", name),
        "type": kind,
        "title": title,
        "description": description,
        "control-implementations": [{
            "uuid": id("implementation", name),
            "source": CATALOG_FILE,
            "description": description,
            "implemented-requirements": requirements,
        }],
    })
}

fn prop(name: &str, value: &str) -> Value {
    json!({ "name": name, "ns": NAMESPACE, "value": value })
}

fn id(kind: &str, name: &str) -> String {
    let space = Uuid::new_v5(&Uuid::NAMESPACE_URL, NAMESPACE.as_bytes());
    Uuid::new_v5(&space, format!("{kind}/{name}").as_bytes()).to_string()
}
