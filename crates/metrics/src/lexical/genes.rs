//! Genes and proteins, recognised by the shape that the HGNC gives symbols (Bruford et al., Nature Genetics 52, 2020: capital Latin
//! letters and digits, no punctuation but hyphens), and by terms of a list.
//!
//! A word is one if it
//! - begins with at least two capitals, ends in digits, perhaps with letters after them (`BRCA1`, `CYP3A4`, `IL-6`, `HLA-B27`), or is a
//!   small `p` and two or three digits (`p53`);
//! - is capitals with a Greek letter (`TNF-α`, `IFNγ`);
//! - is three to six capitals and `gene`, `protein`, `receptor`, `mutation`, `expression`, `kinase` or `signalling` follows.
//!
//! Viruses, vitamins and other things of that shape ([`NOT_GENES`]) are none.

use std::collections::BTreeSet;
use std::ops::Range;

use super::document::Document;
use super::{Lexical, LexicalReading, mentions, share};
use crate::text::{self, Pattern};
use crate::value::Definition;

/// Share of genes and proteins that the source has. Every mention counts.
pub const LEXICAL_GENES: Definition = share("lexical_genes");

/// Beginnings of what looks like a symbol and is none.
pub const NOT_GENES: &[&str] = &[
    "COVID", "SARS", "MERS", "HIV", "HPV", "HSV", "HTLV", "HHV", "EBV", "ICD", "DSM", "PM", "GPT", "BERT", "USD", "FY",
    "MP",
];

static SYMBOL: Pattern = Pattern::new(|| {
    text::pattern(
        r"(?x)
        \b(?:
            [A-Z][A-Z]+(?:-?[A-Z]*)?-?[0-9]{1,3}(?:[A-Z][0-9]{0,2})?
          | p[0-9]{2,3}
          | [A-Z]{2,6}-?[αβγδκ]
          | ([A-Z]{3,6})[\ ](?:genes?|proteins?|receptors?|mutations?|expression|kinases?|signall?ing)
        )(?:\b|$)",
    )
});
static WORD: Pattern = Pattern::new(|| text::pattern(r"[\p{L}\p{N}]+(?:-[\p{L}\p{N}]+)*"));

/// Looks at genes and proteins.
pub struct Genes;

impl Lexical for Genes {
    fn definition(&self) -> Definition {
        LEXICAL_GENES
    }

    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading> {
        let known = source.known();
        let found = text.genes().iter();
        mentions::reading(found.map(|range| (range.clone(), known.has(&text.text[range.clone()]))))
    }
}

/// The genes and proteins of a text, in order.
pub(super) fn genes(text: &str, terms: &BTreeSet<String>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = SYMBOL
        .captures_iter(text)
        .filter_map(|captures| captures.get(1).or(captures.get(0)))
        .filter(|symbol| !NOT_GENES.iter().any(|other| symbol.as_str().starts_with(other)))
        .filter(|symbol| !text[..symbol.start()].ends_with(['-', '/', '@', '_']))
        .map(|symbol| symbol.range())
        .collect();
    if !terms.is_empty() {
        let listed = WORD
            .find_iter(text)
            .filter(|word| terms.contains(&word.as_str().to_lowercase()));
        for word in listed {
            if !found
                .iter()
                .any(|known| known.start < word.end() && word.start() < known.end)
            {
                found.push(word.range());
            }
        }
        found.sort_by_key(|range| range.start);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(text: &str) -> Vec<&str> {
        genes(text, &BTreeSet::new())
            .into_iter()
            .map(|range| &text[range])
            .collect()
    }

    #[test]
    fn shapes() {
        assert_eq!(
            symbols("BRCA1, CYP3A4, IL-6, HLA-B27, p53, TNF-α and the EGFR gene"),
            ["BRCA1", "CYP3A4", "IL-6", "HLA-B27", "p53", "TNF-α", "EGFR"]
        );
        assert_eq!(
            symbols("COVID-19, SARS-CoV-2, HIV-1, the USA, WHO, B12, 5 mg, HbA1c, p < 0.05"),
            Vec::<&str>::new()
        );
    }

    #[test]
    fn terms_of_a_list_count() {
        let text = "insulin and KRAS12 and Titin";
        let found = genes(text, &["titin".to_owned(), "kras12".to_owned()].into());
        assert_eq!(
            found.into_iter().map(|range| &text[range]).collect::<Vec<_>>(),
            ["KRAS12", "Titin"]
        );
    }
}
