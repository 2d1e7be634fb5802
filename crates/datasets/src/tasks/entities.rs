//! Diseases and chemicals in sentences: NCBI Disease and the chemical–disease relation corpus BC5CDR.
//!
//! Doğan et al. 2014, <https://doi.org/10.1016/j.jbi.2013.12.006>; Li et al. 2016, <https://doi.org/10.1093/database/baw068>. Read from
//! the token files of Crichton et al. 2017 (<https://doi.org/10.1186/s12859-017-1776-8>): token, tab, IOB tag; a blank line ends a sentence. They
//! do not say which abstract a sentence is from, so that every sentence is its own cluster. The prompt is plain; sentence and
//! mentions are the tokens with blanks between. Examples are the first sentences of the training file.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError, shorten};
use crate::item::{Body, Generate, Item};
use crate::source::Source;
use crate::tasks::harness::{Layout, first};
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || CORPORA.iter().map(|corpus| corpus.name.to_owned()).collect(),
    make: |name| {
        let corpus = CORPORA.iter().find(|corpus| corpus.name == name)?;
        Some(Arc::new(Entities { corpus }))
    },
};

/// One of the corpora.
#[derive(Debug)]
struct Corpus {
    name: &'static str,
    folder: &'static str,
    types: &'static [&'static str],
    asked: &'static str,
}

const CORPORA: [Corpus; 2] = [
    Corpus {
        name: "bc5cdr",
        folder: "BC5CDR-IOB",
        types: &["Chemical", "Disease"],
        asked: "every chemical and every disease",
    },
    Corpus {
        name: "ncbi_disease",
        folder: "NCBI-disease-IOB",
        types: &["Disease"],
        asked: "every disease",
    },
];

/// What is written where a sentence mentions nothing.
pub const NONE: &str = "None";

/// The task of one corpus.
#[derive(Debug)]
pub struct Entities {
    corpus: &'static Corpus,
}

impl Entities {
    fn file(&self, split: &str) -> String {
        format!("{}/{split}.tsv", self.corpus.folder)
    }
}

impl Task for Entities {
    fn spec(&self) -> TaskSpec {
        let types = self.corpus.types.iter().map(|&name| name.to_owned()).collect();
        let generation = GenerationSettings::greedy(256, &["\n\n"]);
        let scoring = Scoring::Entities { types };
        TaskSpec::generated(self.corpus.name, "bioner", Domain::Biomedical, scoring, generation)
            .about(format!("{} named in a sentence", self.corpus.asked))
            .reads(vec![
                FileSpec::items(self.file("test")).or(&self.file("devel")),
                FileSpec::few_shot(self.file("train")),
            ])
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        let (test, devel) = (self.file("test"), self.file("devel"));
        let file = source.first_present(&[&test, &devel]).to_owned();
        if file != test {
            source.note(format!("read from {file}: {test} is not here"));
        }
        let sentences = self.sentences(source, &file)?;
        let mut examples = Vec::new();
        if few_shot > 0 {
            let train = self.file("train");
            let all = self.sentences(source, &train)?;
            examples = first(source.task(), all, few_shot, &train)?;
        }
        let layout = Layout {
            description: format!(
                "List {} that the sentence mentions, one per line as {}, with the mention exactly as it is written and as often \
                 as it is written. If there is none, write {NONE}.\n\n",
                self.corpus.asked,
                self.forms()
            ),
            target_delimiter: "\n".to_owned(),
            ..Layout::default()
        };
        let shots: Vec<(String, String)> = examples.iter().map(|shot| (shot.prompt(), shot.answer())).collect();
        let preamble = layout.preamble(shots.iter().map(|(prompt, answer)| (prompt.as_str(), answer.as_str())));
        Ok(sentences.iter().map(|sentence| sentence.item(&preamble)).collect())
    }
}

impl Entities {
    /// `Chemical: mention or Disease: mention`.
    fn forms(&self) -> String {
        let forms: Vec<String> = self
            .corpus
            .types
            .iter()
            .map(|name| format!("{name}: mention"))
            .collect();
        forms.join(" or ")
    }

    fn sentences(&self, source: &mut Source, file: &str) -> Result<Vec<Sentence>, DatasetError> {
        let text = source.text(file)?;
        let mut sentences = Vec::new();
        let mut lines: Vec<(usize, &str)> = Vec::new();
        for (index, line) in text.lines().chain([""]).enumerate() {
            if !line.trim().is_empty() {
                lines.push((index + 1, line));
            } else if !lines.is_empty() {
                let sentence = self.sentence(file, &std::mem::take(&mut lines));
                sentences.extend(source.accept(sentence)?);
            }
        }
        Ok(sentences)
    }

    fn sentence(&self, file: &str, lines: &[(usize, &str)]) -> Result<Sentence, BadItem> {
        let mut sentence = Sentence {
            line: lines.first().map_or(0, |&(number, _)| number),
            tokens: Vec::new(),
            mentions: Vec::new(),
        };
        let mut open = false;
        for &(number, line) in lines {
            let bad = |found: String| BadItem {
                file: file.to_owned(),
                at: format!("line {number}"),
                field: "(line)".to_owned(),
                found,
                expected: format!(
                    "a token, a tab, and O or B- or I- with one of {}",
                    self.corpus.types.join(", ")
                ),
            };
            let (token, tag) = line.split_once('\t').ok_or_else(|| bad(shorten(line)))?;
            let (token, tag) = (token.trim(), tag.trim());
            sentence.tokens.push(token.to_owned());
            if tag == "O" {
                open = false;
                continue;
            }
            let (position, kind) = tag.split_once('-').ok_or_else(|| bad(shorten(tag)))?;
            if !self.corpus.types.contains(&kind) || !["B", "I"].contains(&position) {
                return Err(bad(shorten(tag)));
            }
            match sentence.mentions.last_mut() {
                Some((last, words)) if open && position == "I" && last == kind => {
                    words.push(' ');
                    words.push_str(token);
                }
                _ => sentence.mentions.push((kind.to_owned(), token.to_owned())),
            }
            open = true;
        }
        Ok(sentence)
    }
}

struct Sentence {
    /// First line of the sentence in its file, from 1.
    line: usize,
    tokens: Vec<String>,
    /// Type and words.
    mentions: Vec<(String, String)>,
}

impl Sentence {
    fn prompt(&self) -> String {
        format!("Sentence: {}\nMentions:", self.tokens.join(" "))
    }

    /// One mention per line.
    fn answer(&self) -> String {
        if self.mentions.is_empty() {
            return NONE.to_owned();
        }
        let lines: Vec<String> = self
            .mentions
            .iter()
            .map(|(kind, words)| format!("{kind}: {words}"))
            .collect();
        lines.join("\n")
    }

    fn item(&self, preamble: &str) -> Item {
        let generate = Generate::turn(format!("{preamble}{}", self.prompt()), vec![self.answer()]);
        Item {
            id: format!("line-{}", self.line),
            body: Body::Generate(generate.from_source(self.tokens.join(" "))),
            fields: BTreeMap::new(),
        }
    }
}
