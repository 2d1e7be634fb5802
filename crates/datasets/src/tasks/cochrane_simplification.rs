//! Cochrane simplification: a technical abstract in plain language.
//!
//! Devaraj et al. 2021, <https://aclanthology.org/2021.naacl-main.395>. The files are lines of source and target, number by number. The
//! authors train a model and prompt none; the prompt here is plain: the task in one sentence, the abstract, `Plain-language summary:`.
//! The names of people, drugs and figures of an answer are held against the abstract.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item};
use crate::source::Source;
use crate::tasks::harness::{free_text, no_examples};
use crate::tasks::spec::{FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["cochrane_simplification".to_owned()],
    make: |name| {
        if name == "cochrane_simplification" {
            Some(Arc::new(Cochrane))
        } else {
            None
        }
    },
};

const SPLITS: [&str; 2] = ["test", "val"];

/// The task.
#[derive(Debug)]
pub struct Cochrane;

impl Task for Cochrane {
    fn spec(&self) -> TaskSpec {
        free_text("cochrane_simplification", "cochrane_simplification", 512, &[])
            .about("medical abstracts in plain language")
            .reads(vec![
                FileSpec::items("test.source").or("val.source"),
                FileSpec::items("test.target").or("val.target"),
            ])
            .reliability()
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let names = SPLITS.map(|split| format!("{split}.source"));
        let present = source.first_present(&[&names[0], &names[1]]);
        let split = present.trim_end_matches(".source").to_owned();
        let (from, to) = (format!("{split}.source"), format!("{split}.target"));
        if split != SPLITS[0] {
            source.note(format!("read from the split `{split}`: {} is not here", names[0]));
        }
        let (abstracts, summaries) = (source.text(&from)?, source.text(&to)?);
        let (abstracts, summaries): (Vec<&str>, Vec<&str>) = (abstracts.lines().collect(), summaries.lines().collect());
        if abstracts.len() != summaries.len() {
            let found = format!("{} lines", summaries.len());
            let expected = format!("{} lines, one for each of {from}", abstracts.len());
            return Err(source.malformed(&to, found, &expected));
        }
        let mut items = Vec::with_capacity(abstracts.len());
        for (index, (technical, plain)) in abstracts.into_iter().zip(summaries).enumerate() {
            items.extend(source.accept(item([&from, &to], index + 1, technical, plain))?);
        }
        Ok(items)
    }
}

fn item(files: [&str; 2], line: usize, technical: &str, plain: &str) -> Result<Item, BadItem> {
    for (file, text) in files.into_iter().zip([technical, plain]) {
        if text.trim().is_empty() {
            return Err(BadItem {
                file: file.to_owned(),
                at: format!("line {line}"),
                field: "(line)".to_owned(),
                found: "an empty line".to_owned(),
                expected: "a paragraph".to_owned(),
            });
        }
    }
    if technical == plain {
        return Err(BadItem {
            file: files[1].to_owned(),
            at: format!("line {line}"),
            field: "(line)".to_owned(),
            found: "the same line as in the source".to_owned(),
            expected: "a summary in plain language".to_owned(),
        });
    }
    let content = format!(
        "Rewrite the following medical abstract in plain language that a reader without medical training understands. \
         Keep to what the abstract says.\n\nAbstract: {technical}\n\nPlain-language summary:"
    );
    let generate = Generate::turn(content, vec![plain.to_owned()]).from_source(technical);
    Ok(Item {
        id: format!("line-{line}"),
        body: Body::Generate(generate),
        fields: BTreeMap::new(),
    })
}
