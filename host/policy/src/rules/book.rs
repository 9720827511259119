//! The rules as they are read: parsed, held against the schema, named by their `@id`, linked to the catalogue.

use std::collections::BTreeMap;

use cedar_policy::{Authorizer, Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;
use serde::Serialize;
use vaern_door::guard;

use super::decision::{Answer, Decision};
use super::question::Question;
use super::world::{Case, small_world};
use crate::PolicyError;
use crate::catalogue::Catalogue;
use crate::place::{Place, line_at, line_of};

/// One rule, for those who read a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its `@id`.
    pub id: String,
    /// The krav that it enforces.
    pub krav: String,
    /// What it means, in Danish.
    pub dk: String,
    /// True for a `permit`.
    pub permits: bool,
    /// Where it stands.
    pub place: Place,
}

/// The rules of a policy set.
#[derive(Debug, Clone)]
pub struct RuleBook {
    engine: PolicySet,
    schema: Option<Schema>,
    rules: BTreeMap<String, Rule>,
}

impl RuleBook {
    /// Reads the schema and the rules, given by path and text. No rule at all grants nothing.
    pub(crate) fn read<'f>(
        schema: (&str, &str),
        files: impl Iterator<Item = (&'f str, &'f str)>,
        catalogue: &Catalogue,
    ) -> Result<Self, PolicyError> {
        let mut book = Self { engine: PolicySet::new(), schema: None, rules: BTreeMap::new() };
        let mut files = files.peekable();
        if files.peek().is_none() {
            return Ok(book);
        }
        let (path, text) = schema;
        let read = Schema::from_cedarschema_str(text);
        let (schema, _) = read.map_err(|e| invalid(path, text, &e))?;
        let validator = Validator::new(schema.clone());
        book.schema = Some(schema);
        for (path, text) in files {
            book.take(path, text, &validator, catalogue)?;
        }
        Ok(book)
    }

    fn take(
        &mut self,
        path: &str,
        text: &str,
        validator: &Validator,
        catalogue: &Catalogue,
    ) -> Result<(), PolicyError> {
        let parsed: PolicySet = text.parse().map_err(|e: cedar_policy::ParseErrors| invalid(path, text, &e))?;
        let checked = validator.validate(&parsed, ValidationMode::Strict);
        if let Some(error) = checked.validation_errors().next() {
            return Err(invalid(path, text, error));
        }
        if parsed.templates().next().is_some() {
            let problem = "a rule with a slot decides nothing by itself".to_owned();
            return Err(PolicyError::Invalid { place: Place::new(path, 1), problem });
        }
        for policy in parsed.policies() {
            let rule = describe(path, text, policy)?;
            let entry = catalogue.get(&rule.krav);
            let listed = entry.is_some_and(|entry| entry.retired.is_none() && entry.rules.contains(&rule.id));
            if guard::stands("policy.traced") && !listed {
                let what = match entry {
                    None => format!("the rule `{}` names {}, which the catalogue does not hold", rule.id, rule.krav),
                    Some(_) => format!("the rule `{}` is not listed by {} in the catalogue", rule.id, rule.krav),
                };
                return Err(PolicyError::Untraced { place: rule.place, what });
            }
            if self.rules.contains_key(&rule.id) {
                let problem = format!("a second rule has the id `{}`", rule.id);
                return Err(PolicyError::Invalid { place: rule.place, problem });
            }
            let added = self.engine.add(policy.new_id(PolicyId::new(&rule.id)));
            added.map_err(|e| PolicyError::Invalid { place: rule.place.clone(), problem: e.to_string() })?;
            self.rules.insert(rule.id.clone(), rule);
        }
        Ok(())
    }

    /// Every rule that the catalogue lists must exist and name its krav (POL-10).
    pub(crate) fn hold_the_catalogue(&self, catalogue: &Catalogue) -> Result<(), PolicyError> {
        for entry in catalogue.entries() {
            for id in &entry.rules {
                if guard::stands("policy.traced") && self.rules.get(id).is_none_or(|rule| rule.krav != entry.id) {
                    let what =
                        format!("{} lists the rule `{id}`, but no rule of that id names it with @krav", entry.id);
                    return Err(PolicyError::Untraced {
                        place: Place::new(format!("catalogue/{}.toml", entry.id), 1),
                        what,
                    });
                }
            }
        }
        Ok(())
    }

    /// Walks the whole small world and refuses rules that would let an unmasked or out-of-fence frame, a person's label or
    /// an interface beyond the ceiling through, or that cannot be evaluated anywhere in it.
    pub(crate) fn let_nothing_unsafe_through(&self) -> Result<(), PolicyError> {
        if self.rules.is_empty() {
            return Ok(());
        }
        for Case { what, safe, question } in small_world() {
            let decision = self.decide(&question);
            if let Some(problem) = decision.errors.first() {
                let rule = decision.rules.first().map_or_else(|| what.clone(), |rule| rule.id.clone());
                return Err(PolicyError::EvaluationError { rule, problem: problem.clone() });
            }
            if guard::stands("policy.small-world") && decision.allowed() && !safe {
                return Err(PolicyError::Unsafe { witness: format!("{}: {what}", question.action()) });
            }
        }
        Ok(())
    }

    /// Asks the rules. Whatever goes wrong, the answer is no.
    #[must_use]
    pub fn decide(&self, question: &Question) -> Decision {
        let about = question.about();
        let refused = |errors| Decision { about: question.about(), answer: Answer::No, rules: vec![], errors };
        let Some(schema) = &self.schema else { return refused(vec![]) };
        let (request, entities) = match question.ask(schema) {
            Ok(asked) => asked,
            Err(error) => return refused(vec![error]),
        };
        let response = Authorizer::new().is_authorized(&request, &self.engine, &entities);
        let errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
        let mut rules: Vec<Rule> = response
            .diagnostics()
            .reason()
            .filter_map(|id| self.rules.get(AsRef::<str>::as_ref(id)).cloned())
            .collect();
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        if !guard::stands("policy.named-rules") {
            rules.clear();
        }
        // The engine skips a rule that fails: a failing forbid would open what it closes (POL-02).
        let whole = errors.is_empty() || !guard::stands("policy.diagnostics");
        let allowed = whole && response.decision() == cedar_policy::Decision::Allow;
        Decision { about, answer: if allowed { Answer::Yes } else { Answer::No }, rules, errors }
    }

    /// The rules, by id.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

fn describe(path: &str, text: &str, policy: &Policy) -> Result<Rule, PolicyError> {
    let note = |key: &str| policy.annotation(key).map(str::to_owned).filter(|value| !value.trim().is_empty());
    let fail = |line, problem: String| Err(PolicyError::Invalid { place: Place::new(path, line), problem });
    let Some(id) = note("id") else {
        return fail(1, "a rule has no @id".to_owned());
    };
    let line = text.find(&format!("@id(\"{id}\")")).map_or(1, |at| line_at(text, at));
    let plain = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !plain || id.len() > 64 {
        return fail(line, "an @id is made of a-z, 0-9 and `-`".to_owned());
    }
    let (Some(krav), Some(dk)) = (note("krav"), note("dk")) else {
        return fail(line, format!("the rule `{id}` needs @krav and a Danish sentence @dk"));
    };
    if !dk.ends_with('.') || dk.chars().any(char::is_control) {
        return fail(line, format!("@dk of the rule `{id}` must be one whole sentence"));
    }
    let permits = policy.effect() == Effect::Permit;
    Ok(Rule { id, krav, dk, permits, place: Place::new(path, line) })
}

/// An error of the engine, with the line that it points at.
fn invalid(path: &str, text: &str, error: &(impl Diagnostic + ?Sized)) -> PolicyError {
    let offset = error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let line = offset.map_or_else(|| line_of(text, "namespace"), |at| line_at(text, at));
    PolicyError::Invalid { place: Place::new(path, line), problem: first_line(&error.to_string()) }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    /// The city's own files of one folder, by path.
    fn folder(name: &str) -> BTreeMap<String, String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies").join(name);
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            let path = format!("{name}/{}", entry.file_name().to_str().unwrap());
            (path, std::fs::read_to_string(entry.path()).unwrap())
        };
        std::fs::read_dir(path).unwrap().map(read).collect()
    }

    /// The set would not load (that is another test); here a rule errs in a world that nobody walked through before.
    #[test]
    fn pol_02n_an_erring_forbid_does_not_open_what_it_forbids() {
        let catalogue = folder("catalogue");
        let catalogue = Catalogue::read(catalogue.iter().map(|(path, text)| (path.as_str(), text.as_str()))).unwrap();
        let mut rules = folder("capabilities");
        let schema = rules.remove("capabilities/vaern.cedarschema").unwrap();
        let overflow = "unless { context.ageDays * 9223372036854775807 < 0 && context.dpia }";
        let file = rules.get_mut("capabilities/optagelse.cedar").unwrap();
        *file = file.replacen("unless { context.dpia }", overflow, 1);
        let files = rules.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        let book = RuleBook::read(("capabilities/vaern.cedarschema", &schema), files, &catalogue).unwrap();
        let in_order = small_world().into_iter().find(|case| case.what == "everything in order").unwrap();
        let Question::Admit { mut facts, release, node } = in_order.question else { panic!("an admission") };
        facts.dpia = false;
        let decision = book.decide(&Question::Admit { facts, release, node });
        assert_eq!(decision.answer, Answer::No);
        assert!(decision.errors[0].contains("gov-01-konsekvensanalyse"), "{:?}", decision.errors);
        assert_eq!(decision.krav().0, "STD-02");
    }
}
