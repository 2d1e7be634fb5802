//! What metrics are called where people read them, and which of them count what a model makes up.

use secateur_metrics::value::{Aspect, MetricValue, PROBABILITIES, RULES};

/// Parts of the names of rule-made metrics that count what is said without ground.
const UNGROUNDED: [&str; 4] = ["hallucinat", "support", "contradict", "wrong_answer_rate"];

/// `hallucination_rate (rules)`; the name alone where the record does not say what made it.
#[must_use]
pub fn with_scorer(metric: &str, scorer: &str) -> String {
    if scorer.is_empty() {
        metric.to_owned()
    } else {
        format!("{metric} ({scorer})")
    }
}

/// Whether a metric speaks of hallucination: a reliability metric of texts by name, or any that a scorer model or judge made.
#[must_use]
pub fn is_hallucination(metric: &MetricValue) -> bool {
    counts_hallucination(&metric.name, metric.aspect, &metric.scorer)
}

/// As [`is_hallucination`], of a metric's parts.
#[must_use]
pub fn counts_hallucination(name: &str, aspect: Aspect, scorer: &str) -> bool {
    let by_model = ![RULES, PROBABILITIES, ""].contains(&scorer);
    aspect == Aspect::Reliability && (by_model || UNGROUNDED.iter().any(|part| name.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_scorers_tell_what_is_hallucination() {
        let reliability = |name, scorer| counts_hallucination(name, Aspect::Reliability, scorer);
        assert!(reliability("unsupported_answer_rate", "rules") && reliability("hallucination_rate", ""));
        assert!(reliability("consistency", "summac-zs of a model"));
        assert!(!reliability("expected_calibration_error", "probabilities") && !reliability("looping_rate", "rules"));
        assert!(!counts_hallucination("supported_mentions", Aspect::Utility, "rules"));
        assert_eq!(with_scorer("accuracy", "rules"), "accuracy (rules)");
        assert_eq!(with_scorer("accuracy", ""), "accuracy");
    }
}
