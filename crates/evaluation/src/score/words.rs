//! Comparing short answers: folded texts, bags of words, phrases.

use secateur_datasets::python::text::is_space;
use secateur_datasets::tasks::spec::Normalise;
use secateur_metrics::exact_match;

/// The text with everything folded away that `rules` name. With all rules on, this is the normalisation of `SQuAD`.
pub(super) fn fold(text: &str, rules: Normalise) -> String {
    if rules == Normalise::default() {
        return exact_match::normalise(text);
    }
    let mut folded = text.to_string();
    if rules.lowercase {
        folded = folded.to_lowercase();
    }
    if rules.punctuation {
        folded.retain(|c| !c.is_ascii_punctuation());
    }
    if rules.articles {
        folded = without_articles(&folded);
    }
    if rules.whitespace {
        folded = words(&folded).join(" ");
    }
    folded
}

fn without_articles(text: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside = is_word(first);
        let end = rest.find(|c| is_word(c) != inside).unwrap_or(rest.len());
        let article = matches!(&rest[..end], "a" | "an" | "the");
        kept.push_str(if article { " " } else { &rest[..end] });
        rest = &rest[end..];
    }
    kept
}

/// Words between white space.
pub(super) fn words(text: &str) -> Vec<&str> {
    text.split(is_space).filter(|word| !word.is_empty()).collect()
}

/// F1 of the bags of words of two folded texts; 0 where they share none.
pub(super) fn bag_f1(prediction: &str, reference: &str) -> f64 {
    let (predicted, mut wanted) = (words(prediction), words(reference));
    let total = wanted.len();
    let mut common = 0;
    for word in &predicted {
        if let Some(i) = wanted.iter().position(|other| other == word) {
            wanted.swap_remove(i);
            common += 1;
        }
    }
    if common == 0 {
        return 0.0;
    }
    2.0 * f64::from(common) / (predicted.len() + total) as f64
}

/// Whether the words of `phrase` stand in `text` one after the other. Nothing is contained in anything.
pub(super) fn contains_words(text: &str, phrase: &str) -> bool {
    let (text, phrase) = (words(text), words(phrase));
    !phrase.is_empty() && text.windows(phrase.len()).any(|window| window == phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rules_are_squad() {
        let rules = Normalise::default();
        let (left, right) = ("The otter, an Otter!", "otter a mill");
        let f1 = bag_f1(&fold(left, rules), &fold(right, rules));
        assert!((f1 - exact_match::token_f1(left, right)).abs() < 1e-12);
    }

    #[test]
    fn single_rules_can_be_switched_off() {
        let rules = Normalise {
            articles: false,
            ..Normalise::default()
        };
        assert_eq!(fold("The  Mill.", rules), "the mill");
        let rules = Normalise {
            lowercase: false,
            ..Normalise::default()
        };
        assert_eq!(fold("the Anthem, a Mill.", rules), "Anthem Mill");
    }

    #[test]
    fn phrases_are_whole_words() {
        assert!(contains_words("it is measles then", "measles"));
        assert!(!contains_words("hypertension", "tension"));
        assert!(!contains_words("anything", ""));
    }
}
