//! Answers as columns: every text once, everything else as numbers.

use std::collections::{BTreeSet, HashMap};

use secateur_metrics::regressions::Kind;
use serde::Serialize;

use super::line::{Line, Output};

/// Characters of a prompt or an answer that are kept: the beginning and the end, half each.
pub(super) const LONGEST: usize = 6000;
/// Flags of answers, the first as the lowest bit.
const FLAGS: [&str; 8] = [
    "empty",
    "looping",
    "truncated",
    "prompt_truncated",
    "unparsable",
    "abstained",
    "refused",
    "unscorable",
];

/// Answers of pruned models beside those of the unpruned ones.
///
/// Numbers of texts are places in `texts`; 0 is the empty text. Rows of a cell follow one another, from `cells.first`.
#[derive(Debug, Serialize)]
pub(in super::super) struct Columns {
    texts: Vec<String>,
    /// Changes in words, the first as the lowest bit.
    kinds: Vec<&'static str>,
    flags: [&'static str; 8],
    cells: Cells,
    questions: Questions,
    rows: Rows,
    #[serde(skip)]
    known: HashMap<String, usize>,
    #[serde(skip)]
    bytes: usize,
    #[serde(skip)]
    shortened: usize,
}

/// A model pruned in one way, on one task.
#[derive(Debug, Default, Serialize)]
struct Cells {
    model: Vec<String>,
    method: Vec<String>,
    /// Per cent.
    removed: Vec<f64>,
    task: Vec<String>,
    first: Vec<usize>,
}

/// What was asked, and what the unpruned model said.
#[derive(Debug, Default, Serialize)]
struct Questions {
    item: Vec<usize>,
    prompt: Vec<usize>,
    gold: Vec<usize>,
    choices: Vec<usize>,
    /// 1 where no answer is right.
    unanswerable: Vec<u8>,
    said: Vec<usize>,
    flags: Vec<u32>,
    unsupported: Vec<usize>,
}

/// What a pruned model said.
#[derive(Debug, Default, Serialize)]
struct Rows {
    question: Vec<usize>,
    said: Vec<usize>,
    flags: Vec<u32>,
    unsupported: Vec<usize>,
    /// A bit per change.
    changes: Vec<u32>,
    /// Three times what it was, and what it is: 1 wrong, 2 right, 0 neither.
    right: Vec<u8>,
}

impl Columns {
    pub(super) fn new() -> Self {
        Self {
            texts: vec![String::new()],
            kinds: Kind::ALL.map(|(.., words)| words).to_vec(),
            flags: FLAGS,
            cells: Cells::default(),
            questions: Questions::default(),
            rows: Rows::default(),
            known: HashMap::from([(String::new(), 0)]),
            bytes: 0,
            shortened: 0,
        }
    }

    /// Begins a cell: rows that follow are its.
    pub(super) fn cell(&mut self, (model, task): (&str, &str), method: &str, removed: f64) {
        self.cells.model.push(model.to_owned());
        self.cells.method.push(method.to_owned());
        self.cells.removed.push((removed * 1e5).round() / 1e3);
        self.cells.task.push(task.to_owned());
        self.cells.first.push(self.rows());
    }

    /// Adds what was asked; its number is for [`Columns::row`].
    pub(super) fn question(&mut self, before: &Line) -> usize {
        let unanswerable = matches!(&before.output, Output::Text(text) if text.unanswerable);
        let texts = [&before.item, &before.prompt, &before.gold(), &before.choices()].map(|text| self.text(text));
        let (said, unsupported) = self.said(before);
        let questions = &mut self.questions;
        questions.item.push(texts[0]);
        questions.prompt.push(texts[1]);
        questions.gold.push(texts[2]);
        questions.choices.push(texts[3]);
        questions.unanswerable.push(u8::from(unanswerable));
        questions.said.push(said);
        questions.flags.push(flags(&before.flags));
        questions.unsupported.push(unsupported);
        questions.item.len() - 1
    }

    /// Adds an answer to the last cell.
    pub(super) fn row(&mut self, question: usize, after: &Line, changes: u32, right: Option<(bool, bool)>) {
        let (said, unsupported) = self.said(after);
        let rows = &mut self.rows;
        rows.question.push(question);
        rows.said.push(said);
        rows.flags.push(flags(&after.flags));
        rows.unsupported.push(unsupported);
        rows.changes.push(changes);
        rows.right
            .push(right.map_or(0, |(was, is)| 3 * (1 + u8::from(was)) + 1 + u8::from(is)));
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> usize {
        self.rows.question.len()
    }

    /// Bytes of different texts so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Texts that were too long to keep whole.
    pub(super) fn shortened(&self) -> usize {
        self.shortened
    }

    fn said(&mut self, line: &Line) -> (usize, usize) {
        (self.text(line.said()), self.text(&line.unsupported.join("\n")))
    }

    fn text(&mut self, text: &str) -> usize {
        let short = shortened(text);
        let text = short.as_deref().unwrap_or(text);
        if let Some(place) = self.known.get(text) {
            return *place;
        }
        self.shortened += usize::from(short.is_some());
        self.bytes += text.len();
        let place = self.texts.len();
        self.texts.push(text.to_owned());
        self.known.insert(text.to_owned(), place);
        place
    }
}

fn flags(names: &BTreeSet<String>) -> u32 {
    let bits = FLAGS.iter().enumerate();
    bits.filter(|(_, name)| names.contains(**name))
        .map(|(place, _)| 1 << place)
        .sum()
}

/// Beginning and end of a text that is too long to keep.
fn shortened(text: &str) -> Option<String> {
    // Bytes are no fewer than characters.
    if text.len() <= LONGEST {
        return None;
    }
    let count = text.chars().count();
    if count <= LONGEST {
        return None;
    }
    let head: String = text.chars().take(LONGEST / 2).collect();
    let tail: String = text.chars().skip(count - LONGEST / 2).collect();
    Some(format!("{head}\n[… {} characters …]\n{tail}", count - LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_both_ends() {
        assert_eq!(shortened(&"ä".repeat(LONGEST)), None);
        let text = "a".repeat(LONGEST) + &"é".repeat(LONGEST);
        let cut = shortened(&text).unwrap_or_default();
        assert!(cut.starts_with("aaa") && cut.ends_with("ééé") && cut.contains(&format!("[… {LONGEST} characters …]")));
    }

    #[test]
    fn flags_are_bits() {
        let names = ["looping", "abstained", "of a later program"].map(str::to_owned);
        assert_eq!(flags(&BTreeSet::from(names)), 2 + 32);
    }
}
