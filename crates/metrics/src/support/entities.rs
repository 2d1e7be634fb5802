//! Names: drugs, genes, diseases, people, places, recognised by their form.
//!
//! A word is a run of letters and digits with single hyphens, apostrophes or slashes inside. It is a name if
//! - it mixes letters and digits, or has a capital after its first letter (`BRCA1`, `p53`, `IL-6`, `HbA1c`, `NSAID`);
//! - it is at least six letters long and ends in a stem that the WHO reserves for drug names (see [`DRUG_STEMS`]);
//! - it is capitalised and not the first word of a sentence; neighbours of that kind form one name (`New York`). The first
//!   word of a sentence joins a name that follows it directly unless it is a function word (`The`, `In`);
//! - it is among the terms that the caller gives, whatever its case.
//!
//! A possessive `'s` is dropped. A name is supported if its words stand in a row in a source, case, hyphens and slashes
//! ignored.

use std::collections::BTreeSet;

use super::Support;
use crate::text::{self, Pattern};

/// Ends of international non-proprietary names (WHO, *The use of stems in the selection of INN*), those long enough not to
/// end ordinary words.
pub const DRUG_STEMS: &[&str] = &[
    "mab",
    "tinib",
    "ciclib",
    "rafenib",
    "parib",
    "zomib",
    "statin",
    "prilat",
    "pril",
    "sartan",
    "olol",
    "dipine",
    "conazole",
    "prazole",
    "nidazole",
    "bendazole",
    "cillin",
    "mycin",
    "micin",
    "cycline",
    "oxacin",
    "vudine",
    "navir",
    "tegravir",
    "ciclovir",
    "buvir",
    "asvir",
    "previr",
    "gliptin",
    "gliflozin",
    "glitazone",
    "glutide",
    "formin",
    "azepam",
    "azolam",
    "barbital",
    "caine",
    "parin",
    "xaban",
    "gatran",
    "triptan",
    "setron",
    "oxetine",
    "pramine",
    "triptyline",
    "apine",
    "idone",
    "peridol",
    "thiazide",
    "semide",
    "lukast",
    "terol",
    "sone",
    "olone",
    "profen",
    "coxib",
    "fibrate",
    "dronate",
    "platin",
    "rubicin",
    "taxel",
    "trexate",
    "sulfan",
    "tidine",
    "curonium",
    "fungin",
    "cavir",
    "quine",
    "penem",
];

/// Substances of the body that end like a drug.
const NOT_DRUGS: &[&str] = &["cholesterol", "ergosterol", "histidine", "cytidine"];

/// Capitalised words that start sentences without belonging to a name.
const FUNCTION_WORDS: &[&str] = &[
    "a", "an", "the", "this", "that", "these", "those", "it", "its", "he", "she", "they", "we", "you", "i", "in", "on",
    "at", "by", "for", "from", "with", "without", "of", "to", "and", "or", "but", "if", "when", "while", "as", "since",
    "because", "although", "though", "however", "after", "before", "during", "both", "all", "some", "no", "not", "yes",
    "there", "here", "what", "which", "who", "whose", "where", "why", "how", "is", "are", "was", "were", "does", "do",
    "did", "can", "may", "his", "her", "their", "our", "your", "my", "also", "then", "thus", "so", "most", "many",
];

static WORD: Pattern = Pattern::new(|| text::pattern(r"[\p{L}\p{N}]+(?:[-‐‑'’/][\p{L}\p{N}]+)*"));

/// A name as it stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// As written.
    pub written: String,
    /// Lower case, hyphens and slashes as blanks.
    pub normalised: String,
    /// Byte at which it begins.
    pub start: usize,
}

/// Texts that names are looked up in.
#[derive(Debug, Clone, Default)]
pub struct Known(Vec<String>);

impl Known {
    /// The texts.
    #[must_use]
    pub fn new(sources: &[&str]) -> Self {
        let forms = |source: &&str| [format!(" {} ", normalise(source)), format!(" {} ", joined(source))];
        Self(sources.iter().flat_map(forms).collect())
    }

    /// Whether the words of `written` stand in a row in one of them.
    #[must_use]
    pub fn has(&self, written: &str) -> bool {
        let forms = [format!(" {} ", normalise(written)), format!(" {} ", joined(written))];
        forms.iter().any(|form| self.0.iter().any(|text| text.contains(form)))
    }
}

struct Word<'a> {
    text: &'a str,
    start: usize,
    opens_sentence: bool,
    /// Only blanks (no line break) between the word before and this one.
    adjacent: bool,
}

/// The names of `generated` against `sources`. A name mentioned twice counts once.
#[must_use]
pub fn support(generated: &str, sources: &[&str], terms: &[&str]) -> Support {
    let known = Known::new(sources);
    let mut seen = BTreeSet::new();
    let mut result = Support::default();
    for entity in extract(generated, terms) {
        if !seen.insert(entity.normalised.clone()) {
            continue;
        }
        result.mentions += 1;
        if !known.has(&entity.written) {
            result.unsupported.push(entity.written);
        }
    }
    result
}

/// The names of a text, in order.
#[must_use]
pub fn extract(text: &str, terms: &[&str]) -> Vec<Entity> {
    let words = words_of(text);
    let mut names: Vec<(usize, usize)> = Vec::new();
    let mut open = false;
    for (i, word) in words.iter().enumerate() {
        let capital = is_capitalised(word.text);
        let lower = word.text.to_lowercase();
        let function = FUNCTION_WORDS.contains(&lower.as_str());
        let by_form = is_mixed(word.text) || is_drug(word.text);
        let joins = open && (capital || is_initial(word.text)) && follows(word);
        let starts = by_form || (capital && !word.opens_sentence && !function);
        if joins && let Some(last) = names.last_mut() {
            last.1 = i + 1;
        } else if starts {
            let first = leading_word(&words, i, names.last());
            names.push((first, i + 1));
        }
        open = capital && (joins || starts);
    }
    let mut entities: Vec<Entity> = names
        .iter()
        .map(|&(from, to)| entity(text, words[from].start, &words[to - 1]))
        .collect();
    add_terms(&mut entities, text, &words, terms);
    entities.sort_by_key(|entity| entity.start);
    entities
}

fn follows(word: &Word<'_>) -> bool {
    word.adjacent && !word.opens_sentence
}

/// One capital: `C` of `Vitamin C`, but not the pronoun.
fn is_initial(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(char::is_uppercase) && letters.next().is_none() && word != "I"
}

/// The first word of a sentence belongs to a capitalised name that follows it directly.
fn leading_word(words: &[Word<'_>], i: usize, last: Option<&(usize, usize)>) -> usize {
    let taken = last.is_some_and(|&(_, to)| to == i);
    if i == 0 || taken || !words[i].adjacent || !is_capitalised(words[i].text) {
        return i;
    }
    let before = &words[i - 1];
    let function = FUNCTION_WORDS.contains(&before.text.to_lowercase().as_str());
    let joins = before.opens_sentence && is_capitalised(before.text) && !function;
    if joins && !is_mixed(words[i].text) { i - 1 } else { i }
}

fn entity(text: &str, start: usize, last: &Word<'_>) -> Entity {
    let end = last.start + last.text.len();
    let written = strip_possessive(&text[start..end]).to_owned();
    let normalised = normalise(&written);
    Entity {
        written,
        normalised,
        start,
    }
}

fn add_terms(entities: &mut Vec<Entity>, text: &str, words: &[Word<'_>], terms: &[&str]) {
    let normalised: Vec<String> = words.iter().map(|word| normalise(word.text)).collect();
    for term in terms {
        let wanted = normalise(term);
        let length = text::words(&wanted).count();
        for (i, window) in (0..words.len()).map(|i| (i, &normalised[i..])) {
            let Some(to) = (1..=length.min(window.len())).find(|&k| window[..k].join(" ") == wanted) else {
                continue;
            };
            let found = entity(text, words[i].start, &words[i + to - 1]);
            let end = found.start + found.written.len();
            let covered = entities
                .iter()
                .any(|other| other.start <= found.start && end <= other.start + other.written.len());
            if !covered {
                entities.retain(|other| other.start < found.start || other.start >= end);
                entities.push(found);
            }
        }
    }
}

fn words_of(text: &str) -> Vec<Word<'_>> {
    let mut end = 0;
    let mut words = Vec::new();
    for found in WORD.find_iter(text) {
        let between = &text[end..found.start()];
        let opens_sentence =
            words.is_empty() || between.contains(['.', '!', '?', '\n', '\r', ':', ';', '•', '"', '“', '”']);
        words.push(Word {
            text: found.as_str(),
            start: found.start(),
            opens_sentence,
            adjacent: !between.is_empty() && between.chars().all(|c| c == ' '),
        });
        end = found.end();
    }
    words
}

fn is_capitalised(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(char::is_uppercase) && letters.next().is_some()
}

/// Letters with digits, or a capital after the first letter. `2nd`, `5mg` and `20-year` are none.
fn is_mixed(word: &str) -> bool {
    let word = strip_possessive(word);
    let letters = word.chars().any(char::is_alphabetic);
    let digits = word.chars().any(|c| c.is_ascii_digit());
    if letters && digits {
        return is_gene_like(word);
    }
    let parts = word.split(['-', '‐', '‑', '/', '\'', '’']);
    let mut capitals = parts.filter(|part| part.chars().skip(1).any(char::is_uppercase));
    capitals.next().is_some()
}

/// Not a number with a suffix: it begins with a letter, or a capital follows the digits.
fn is_gene_like(word: &str) -> bool {
    let starts_with_letter = word.chars().next().is_some_and(char::is_alphabetic);
    let has_capital = word.chars().any(char::is_uppercase);
    let after = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let unit = super::numbers::extract(word).len() == 1 && !starts_with_letter;
    (starts_with_letter || (has_capital && !after.is_empty())) && !unit
}

/// Ends in a stem of [`DRUG_STEMS`].
pub(crate) fn is_drug(word: &str) -> bool {
    let lower = strip_possessive(word).to_lowercase();
    lower.len() >= 6
        && lower.bytes().all(|b| b.is_ascii_lowercase())
        && !NOT_DRUGS.contains(&lower.as_str())
        && DRUG_STEMS
            .iter()
            .any(|stem| lower.len() >= stem.len() + 2 && lower.ends_with(stem))
}

pub(crate) fn strip_possessive(word: &str) -> &str {
    word.strip_suffix("'s")
        .or_else(|| word.strip_suffix("’s"))
        .unwrap_or(word)
}

/// Words in lower case, possessives dropped, hyphens and slashes as blanks.
fn normalise(text: &str) -> String {
    transform(text, " ")
}

/// As [`normalise`], with hyphenated words written together: `IL-6` as `il6`.
fn joined(text: &str) -> String {
    transform(text, "")
}

fn transform(text: &str, hyphen: &str) -> String {
    WORD.find_iter(text)
        .map(|word| {
            strip_possessive(word.as_str())
                .to_lowercase()
                .replace(['-', '‐', '‑', '/'], hyphen)
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        extract(text, &[]).into_iter().map(|entity| entity.written).collect()
    }

    #[test]
    fn forms() {
        assert_eq!(
            names("the BRCA1 gene, p53, IL-6 and HbA1c"),
            ["BRCA1", "p53", "IL-6", "HbA1c"]
        );
        assert_eq!(
            names("Take ibuprofen with atorvastatin for cholesterol."),
            ["ibuprofen", "atorvastatin"]
        );
        assert_eq!(
            names("It was found in New York by Alois Alzheimer's pupil."),
            ["New York", "Alois Alzheimer"]
        );
        assert_eq!(
            names("Marie Curie worked here. The river Seine is near."),
            ["Marie Curie", "Seine"]
        );
        assert_eq!(
            names("On the 2nd day 5mg; a 20-year study. I agree."),
            Vec::<String>::new()
        );
        assert_eq!(names("Patients improved. However, Paris did not."), ["Paris"]);
    }

    #[test]
    fn support_ignores_case_hyphens_and_possessives() {
        let source = "il6 and new york; Parkinson’s disease";
        let found = support("We saw IL-6 in New York and Parkinson.", &[source], &[]);
        assert_eq!((found.mentions, found.unsupported.len()), (3, 0));
        let wrong = support("We saw IL-8 in New Jersey.", &[source], &[]);
        assert_eq!(wrong.unsupported, ["IL-8", "New Jersey"]);
    }

    #[test]
    fn a_name_must_be_whole() {
        assert_eq!(support("the drug rituximab", &["obrituximab"], &[]).share(), Some(0.0));
    }

    #[test]
    fn terms_of_the_caller_count_in_any_case() {
        let found = extract("scurvy and Vitamin C deficiency", &["vitamin C", "scurvy"]);
        let written: Vec<&str> = found.iter().map(|entity| entity.written.as_str()).collect();
        assert_eq!(written, ["scurvy", "Vitamin C"]);
        let found = support("scurvy", &["beriberi"], &["scurvy"]);
        assert_eq!(found.unsupported, ["scurvy"]);
    }
}
