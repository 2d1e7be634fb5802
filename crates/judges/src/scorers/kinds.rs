//! What a sweep file can name as `kind`.

use secateur_metrics::value::Direction;

/// A kind of scorer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Name in a sweep file.
    pub name: &'static str,
    /// What its number says.
    pub about: &'static str,
    /// What `path` has to lead to.
    pub needs: &'static str,
    /// Paper.
    pub source: &'static str,
    /// Options besides those of every kind (`COMMON_OPTIONS`).
    pub options: &'static [&'static str],
    /// Version of the rule: goes up when its numbers change.
    pub(super) version: u32,
    pub(super) unit: &'static str,
    pub(super) direction: Direction,
}

/// Options that every kind has.
pub const COMMON_OPTIONS: &[&str] = &[
    "name",
    "kind",
    "path",
    "form",
    "per_sentence",
    "text_words",
    "source_words",
];

const fn kind(
    name: &'static str,
    about: &'static str,
    needs: &'static str,
    source: &'static str,
    options: &'static [&'static str],
    unit: &'static str,
) -> Kind {
    Kind {
        name,
        about,
        needs,
        source,
        options,
        version: 1,
        unit,
        direction: Direction::HigherIsBetter,
    }
}

/// The kind that every sweep has.
pub const LEXICAL_KIND: &str = "lexical";
/// The kind whose language model is the sweep's own unpruned model.
pub const SUBJECT_KIND: &str = "harim-subject";

impl Kind {
    /// Whether `path` has to lead to a model.
    #[must_use]
    pub fn has_model(&self) -> bool {
        ![LEXICAL_KIND, SUBJECT_KIND].contains(&self.name)
    }
}

/// Every kind there is.
pub const KINDS: &[Kind] = &[
    kind(
        LEXICAL_KIND,
        "what of the text the source holds, by rule",
        "no model",
        "results/scorers.md says what its rules are worth",
        &["value"],
        "score",
    ),
    kind(
        SUBJECT_KIND,
        "how probable the text is given the source, and how little without it, under the sweep's unpruned model",
        "no other model, and runs in sweeps alone",
        "https://arxiv.org/abs/2211.12118",
        &[],
        "score",
    ),
    kind(
        "summac-zs",
        "how far the best sentence of the source entails each sentence",
        "an NLI encoder; the library's is tals/albert-xlarge-vitaminc-mnli",
        "https://arxiv.org/abs/2111.09525",
        &["labels", "granularity", "use_con", "max_length"],
        "score",
    ),
    kind(
        "summac-conv",
        "the same, from a learned histogram",
        "the NLI encoder it was learned on and a file `weights` of the four tensors",
        "https://arxiv.org/abs/2111.09525",
        &["labels", "granularity", "weights", "max_length"],
        "probability",
    ),
    kind(
        "alignscore",
        "how far the best chunk of the source is aligned with each sentence",
        "an AlignScore checkpoint (RoBERTa with a three-way head), converted to safetensors",
        "https://arxiv.org/abs/2305.16739",
        &["labels", "max_length"],
        "probability",
    ),
    kind(
        "minicheck",
        "how far the best chunk of the source supports each claim",
        "lytang/MiniCheck-RoBERTa-Large or -DeBERTa-v3-Large",
        "https://arxiv.org/abs/2404.10774",
        &["labels", "value", "claims", "chunk_tokens", "max_length"],
        "probability",
    ),
    kind(
        "bertscore",
        "how near the tokens of text and source are in an encoder's states; SelfCheck where a task has samples",
        "any encoder that is implemented; the package's is roberta-large",
        "https://arxiv.org/abs/1904.09675",
        &[
            "layer",
            "value",
            "idf_corpus",
            "rescale",
            "baseline",
            "prefix_blank",
            "max_length",
        ],
        "score",
    ),
    kind(
        "harim-plus",
        "how probable the text is given the source, and how little without it",
        "a BART that summarises; the paper's is facebook/bart-large-cnn",
        "https://arxiv.org/abs/2211.12118",
        &["lambda", "value", "source_tokens", "text_tokens"],
        "score",
    ),
    kind(
        "nli",
        "p(entailment) of the whole text given the whole source; statements, meanings of samples and SelfCheck where a task has them",
        "an NLI encoder",
        "https://arxiv.org/abs/1508.05326",
        &["labels", "equivalence", "max_length"],
        "probability",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_options_known() {
        for (at, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[..at].iter().all(|other| other.name != kind.name));
            assert!(kind.options.iter().all(|option| !COMMON_OPTIONS.contains(option)));
            assert!(
                (kind.source.starts_with("https://") || kind.name == LEXICAL_KIND)
                    && !kind.about.is_empty()
                    && !kind.needs.is_empty()
            );
        }
    }
}
