//! Every metric that a record can carry.

use crate::value::Definition;
use crate::{
    abstention, auroc, bleu, calibration, chrf, classification, degeneration, evidence, exact_match, gsm8k, ifeval,
    mentions, pass_at_k, perplexity, probability_scores, rouge, selective, squad2, statements, support, uncertainty,
};

/// Reports list metrics in this order.
pub const METRICS: &[Definition] = &[
    classification::ACCURACY,
    classification::BALANCED_ACCURACY,
    classification::MACRO_F1,
    classification::MCC,
    exact_match::EXACT_MATCH,
    exact_match::TOKEN_F1,
    gsm8k::EXACT_MATCH_FLEXIBLE,
    ifeval::PROMPT_LEVEL_STRICT,
    ifeval::INSTRUCTION_LEVEL_STRICT,
    ifeval::PROMPT_LEVEL_LOOSE,
    ifeval::INSTRUCTION_LEVEL_LOOSE,
    pass_at_k::PASS_AT_1,
    exact_match::EXACT_MATCH_HARNESS,
    squad2::SQUAD2_EXACT,
    squad2::SQUAD2_F1,
    squad2::SQUAD2_HAS_ANSWER_EXACT,
    squad2::SQUAD2_HAS_ANSWER_F1,
    squad2::SQUAD2_NO_ANSWER_EXACT,
    squad2::SQUAD2_BEST_EXACT,
    squad2::SQUAD2_BEST_F1,
    rouge::ROUGE_1,
    rouge::ROUGE_2,
    rouge::ROUGE_L,
    rouge::ROUGE_LSUM,
    rouge::ROUGE_L_OF_REPLIES,
    bleu::BLEU,
    chrf::CHRF,
    chrf::CHRF_PLUS_PLUS,
    perplexity::TOKEN_PERPLEXITY,
    perplexity::WORD_PERPLEXITY,
    perplexity::BYTE_PERPLEXITY,
    perplexity::BITS_PER_BYTE,
    calibration::ECE,
    calibration::MCE,
    probability_scores::BRIER,
    probability_scores::NLL,
    selective::AURC,
    selective::E_AURC,
    auroc::AUROC,
    abstention::ABSTENTION_PRECISION,
    abstention::ABSTENTION_RECALL,
    abstention::ABSTENTION_F1,
    evidence::ABSTRACT_LABEL_F1,
    evidence::ABSTRACT_RATIONALE_F1,
    evidence::SENTENCE_SELECTION_F1,
    evidence::SENTENCE_LABEL_F1,
    mentions::ENTITY_F1,
    mentions::ENTITY_PRECISION,
    mentions::ENTITY_RECALL,
    mentions::ENTITY_F1_RELAXED,
    statements::COMPREHENSIVENESS,
    statements::HALLUCINATION,
    statements::CONTRADICTIONS,
    uncertainty::ABSTENTION_PRECISION_SIMILARITY,
    uncertainty::ABSTENTION_RECALL_SIMILARITY,
    uncertainty::ABSTENTION_F1_SIMILARITY,
    support::SUPPORT,
    support::ENTITY_SUPPORT,
    support::NUMBER_SUPPORT,
    degeneration::EMPTY_RATE,
    degeneration::LOOPING_RATE,
    degeneration::TRUNCATED_RATE,
    degeneration::UNPARSABLE_RATE,
];

/// The metric called `name`.
#[must_use]
pub fn definition(name: &str) -> Option<&'static Definition> {
    METRICS.iter().find(|metric| metric.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_snake_case() {
        for (i, metric) in METRICS.iter().enumerate() {
            assert!(METRICS[..i].iter().all(|other| other.name != metric.name));
            let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(metric.name.chars().all(snake) && !metric.unit.is_empty());
            assert_eq!(definition(metric.name), Some(metric));
        }
        assert_eq!(definition("accurracy"), None);
    }
}
