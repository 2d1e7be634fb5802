//! The relation files: what is written in them, and the checks that turn it into [`Relation`]s.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::error::KnowledgeError;
use super::invented::InventedKind;
use super::{Domain, Fact, Relation, fnv1a};

macro_rules! knowledge {
    ($file:literal) => {
        include_str!(concat!("../../knowledge/", $file))
    };
}

const PHRASINGS: [(Domain, &str, &str); 2] = [
    (Domain::Biomedical, "biomedical.toml", knowledge!("biomedical.toml")),
    (Domain::General, "general.toml", knowledge!("general.toml")),
];

/// Tables by relation name. A new relation is one line here, its table, and its entry in a phrasing file.
const TABLES: &[(&str, &str)] = &[
    ("drug_indication", knowledge!("drug_indication.tsv")),
    ("drug_class", knowledge!("drug_class.tsv")),
    ("drug_target", knowledge!("drug_target.tsv")),
    ("drug_contraindication", knowledge!("drug_contraindication.tsv")),
    ("gene_disease", knowledge!("gene_disease.tsv")),
    ("pathogen_disease", knowledge!("pathogen_disease.tsv")),
    ("organ_function", knowledge!("organ_function.tsv")),
    ("deficiency_syndrome", knowledge!("deficiency_syndrome.tsv")),
    ("hormone_gland", knowledge!("hormone_gland.tsv")),
    ("antidote", knowledge!("antidote.tsv")),
    ("disease_vector", knowledge!("disease_vector.tsv")),
    ("enzyme_substrate", knowledge!("enzyme_substrate.tsv")),
    ("inflammation_site", knowledge!("inflammation_site.tsv")),
    ("country_capital", knowledge!("country_capital.tsv")),
    ("country_currency", knowledge!("country_currency.tsv")),
    ("country_continent", knowledge!("country_continent.tsv")),
    ("book_author", knowledge!("book_author.tsv")),
    ("element_symbol", knowledge!("element_symbol.tsv")),
    ("state_capital", knowledge!("state_capital.tsv")),
    ("animal_young", knowledge!("animal_young.tsv")),
    ("animal_class", knowledge!("animal_class.tsv")),
    ("invention_inventor", knowledge!("invention_inventor.tsv")),
    ("painting_painter", knowledge!("painting_painter.tsv")),
    ("moon_planet", knowledge!("moon_planet.tsv")),
    ("music_composer", knowledge!("music_composer.tsv")),
    ("landmark_city", knowledge!("landmark_city.tsv")),
    ("instrument_family", knowledge!("instrument_family.tsv")),
    ("god_domain", knowledge!("god_domain.tsv")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhrasingFile {
    relation: Vec<RelationEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelationEntry {
    name: String,
    subject: String,
    object: String,
    statements: Vec<String>,
    held_out_statement: String,
    questions: Vec<String>,
    held_out_question: String,
    claim: String,
    invented: String,
    alike: Vec<Vec<String>>,
    never_wrong: Vec<String>,
    #[serde(default = "yes")]
    open: bool,
}

fn yes() -> bool {
    true
}

/// Every relation, checked.
pub(super) fn relations() -> Result<Vec<Relation>, KnowledgeError> {
    let mut relations: Vec<Relation> = Vec::new();
    for (domain, file, text) in PHRASINGS {
        let parsed: PhrasingFile = toml::from_str(text).map_err(|source| KnowledgeError::Toml {
            file: file.into(),
            source: Box::new(source),
        })?;
        for entry in parsed.relation {
            relations.push(relation(domain, file, entry)?);
        }
    }
    for (name, _) in TABLES {
        if relations.iter().filter(|r| r.name == *name).count() != 1 {
            return Err(KnowledgeError::Entry {
                file: "biomedical.toml, general.toml".into(),
                name: (*name).into(),
                problem: "the table needs exactly one [[relation]] of this name".into(),
            });
        }
    }
    Ok(relations)
}

fn relation(domain: Domain, file: &str, entry: RelationEntry) -> Result<Relation, KnowledgeError> {
    let fail = |problem: String| KnowledgeError::Entry {
        file: file.into(),
        name: entry.name.clone(),
        problem,
    };
    check_phrasings(&entry).map_err(fail)?;
    let invented = match entry.invented.as_str() {
        "" => None,
        kind => Some(
            InventedKind::parse(kind)
                .ok_or_else(|| fail(format!("`invented = \"{kind}\"` is not a kind of invented name")))?,
        ),
    };
    let table = TABLES
        .iter()
        .find(|(name, _)| *name == entry.name)
        .ok_or_else(|| fail("there is no table of this name".into()))?;
    let facts = facts(&entry, table.1)?;
    let answers: BTreeSet<&str> = facts.iter().map(|f| f.answer.as_str()).collect();
    let named = entry.alike.iter().flatten().chain(&entry.never_wrong);
    for answer in named {
        if !answers.contains(answer.as_str()) {
            return Err(fail(format!("`{answer}` is no answer of the table")));
        }
    }
    Ok(Relation {
        name: entry.name,
        domain,
        statements: entry.statements,
        held_out_statement: entry.held_out_statement,
        questions: entry.questions,
        held_out_question: entry.held_out_question,
        claim: entry.claim,
        invented,
        alike: entry.alike,
        never_wrong: entry.never_wrong,
        open: entry.open,
        facts,
    })
}

fn check_phrasings(entry: &RelationEntry) -> Result<(), String> {
    let stated = entry.statements.iter().chain([&entry.held_out_statement, &entry.claim]);
    for sentence in stated {
        if sentence.matches("{s}").count() != 1 || sentence.matches("{o}").count() != 1 {
            return Err(format!("`{sentence}` needs {{s}} and {{o}} once each"));
        }
    }
    if !entry.held_out_statement.ends_with(" {o}.") {
        return Err("`held_out_statement` must end with ` {o}.`".into());
    }
    for question in entry.questions.iter().chain([&entry.held_out_question]) {
        if question.matches("{s}").count() != 1 || question.contains("{o}") {
            return Err(format!("`{question}` needs {{s}} once and no {{o}}"));
        }
    }
    if entry.statements.is_empty() || entry.questions.is_empty() {
        return Err("a relation needs a statement and a question".into());
    }
    if entry.statements.contains(&entry.held_out_statement) || entry.questions.contains(&entry.held_out_question) {
        return Err("a held-out phrasing is also a phrasing of training".into());
    }
    Ok(())
}

fn facts(entry: &RelationEntry, table: &str) -> Result<Vec<Fact>, KnowledgeError> {
    let fail = |line: usize, problem: String| KnowledgeError::Row {
        file: format!("{}.tsv", entry.name),
        line,
        problem,
    };
    let header = format!("{}\t{}\tnever_offered_as_wrong", entry.subject, entry.object);
    let mut facts: Vec<Fact> = Vec::new();
    let mut subjects = BTreeSet::new();
    for (number, line) in (1..).zip(table.lines()) {
        if number == 1 {
            if line != header {
                return Err(fail(1, format!("found `{line}`, expected `{header}`")));
            }
            continue;
        }
        let cells: Vec<&str> = line.split('\t').collect();
        let [subject, answer, not_wrong] = cells[..] else {
            return Err(fail(number, format!("{} cells, expected 3", cells.len())));
        };
        if subject.is_empty() || answer.is_empty() {
            return Err(fail(number, "subject and answer must not be empty".into()));
        }
        if !subjects.insert(subject.to_lowercase()) {
            return Err(fail(number, format!("`{subject}` stands in the table twice")));
        }
        let not_wrong = not_wrong.split("; ").filter(|a| !a.is_empty());
        facts.push(Fact {
            subject: subject.into(),
            answer: answer.into(),
            not_wrong: not_wrong.map(str::to_string).collect(),
            statement_only: fnv1a(&format!("{}\t{subject}", entry.name)).is_multiple_of(4),
        });
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn entry(change: &str, to: &str) -> RelationEntry {
        let text = r#"
            name = "antidote"
            subject = "poison"
            object = "antidote"
            statements = ["The antidote to {s} is {o}."]
            held_out_statement = "Against {s}, doctors give {o}."
            questions = ["What is the antidote to {s}?"]
            held_out_question = "What do doctors give against {s}?"
            claim = "{o} is the antidote to {s}"
            invented = ""
            alike = []
            never_wrong = []
        "#;
        assert!(text.contains(change));
        toml::from_str(&text.replace(change, to)).unwrap()
    }

    fn message(change: &str, to: &str) -> String {
        let error = relation(Domain::General, "general.toml", entry(change, to));
        error.unwrap_err().to_string()
    }

    #[test]
    fn phrasings_that_cannot_be_filled_are_refused() {
        let refused = message("What is the antidote to {s}?", "What is it?");
        assert!(refused.contains("`What is it?` needs {s} once"), "{refused}");
        let refused = message("doctors give {o}.", "{o} helps.");
        assert!(refused.contains("must end with"), "{refused}");
        let refused = message("invented = \"\"", "invented = \"gnome\"");
        assert!(refused.contains("`invented = \"gnome\"`"), "{refused}");
        let refused = message("alike = []", "alike = [[\"milk\"]]");
        assert!(refused.contains("`milk` is no answer"), "{refused}");
        let refused = message("name = \"antidote\"", "name = \"charm\"");
        assert!(refused.contains("no table"), "{refused}");
        let refused = message("What do doctors give against {s}?", "What is the antidote to {s}?");
        assert!(refused.contains("also a phrasing of training"), "{refused}");
    }

    #[test]
    fn broken_tables_are_refused_with_their_line() {
        let entry = entry("alike", "alike");
        let refused = |rows: &str| {
            let table = format!("poison\tantidote\tnever_offered_as_wrong\n{rows}");
            facts(&entry, &table).unwrap_err().to_string()
        };
        assert!(refused("lead\tsuccimer").contains("line 2: 2 cells, expected 3"));
        assert!(refused("lead\tsuccimer\t\nLead\tdimercaprol\t").contains("line 3: `Lead` stands"));
        assert!(refused("lead\t\t").contains("must not be empty"));
        let header = facts(&entry, "a\tb\n").unwrap_err().to_string();
        assert!(header.contains("line 1: found `a\tb`"), "{header}");
    }
}
