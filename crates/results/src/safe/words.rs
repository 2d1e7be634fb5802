//! Safe fractions in words.

use std::fmt::Write;

use secateur_metrics::statistics::noninferiority::Margin;

use super::{Criterion, End, Miss, Over, SafeFraction, SafeOptions};
use crate::charts::percent;
use crate::naming::with_scorer;
use crate::safe::options::{OTHER_MARGIN, SHARE_MARGIN};

/// `25 %`.
#[must_use]
pub fn share(fraction: f64) -> String {
    format!("{} %", percent(fraction))
}

/// `12.5 to 50 %`, or `25 %` where both ends are the same.
#[must_use]
pub fn interval(safe: &SafeFraction) -> String {
    let (low, high) = safe.interval;
    if low == high {
        share(low)
    } else {
        format!("{} to {}", percent(low), share(high))
    }
}

/// The domain, and how it relates to what the model is pruned for.
#[must_use]
pub fn domain(safe: &SafeFraction) -> String {
    match safe.in_domain {
        None => safe.domain.clone(),
        Some(true) => format!("{} (in the domain)", safe.domain),
        Some(false) => format!("{} (outside)", safe.domain),
    }
}

/// Why it ends: one word for tables.
#[must_use]
pub fn reason(end: &End) -> &'static str {
    match end {
        End::Largest => "largest evaluated",
        End::Missed { miss: Miss::Loss, .. } => "loss beyond the margin",
        End::Missed {
            miss: Miss::TooFewItems,
            ..
        } => "not enough items",
        End::Missed {
            miss: Miss::NotShown, ..
        } => "not shown to be within the margin",
        End::Incomplete { .. } => "not evaluated",
    }
}

/// Why it ends, with the numbers.
#[must_use]
pub fn end(end: &End) -> String {
    match end {
        End::Largest => "the largest fraction evaluated".to_owned(),
        End::Incomplete { fraction, missing } => format!("at {}: {missing}", share(*fraction)),
        End::Missed {
            fraction,
            criterion,
            miss,
            missed,
        } => {
            let mut text = format!("at {}: ", share(*fraction));
            if *miss == Miss::TooFewItems {
                text += "not enough items: ";
            }
            text += &self::criterion(criterion);
            if *miss == Miss::TooFewItems {
                let _ = write!(
                    text,
                    "; {} items confirm margins from {}",
                    criterion.n,
                    plain(criterion.confirmable)
                );
            }
            if *missed > 1 {
                let _ = write!(text, "; {missed} criteria missed");
            }
            text
        }
    }
}

/// `accuracy (rules) on medqa −0.031 (bound −0.058, margin 0.05, n = 300)`.
#[must_use]
pub fn criterion(criterion: &Criterion) -> String {
    let Criterion {
        metric,
        scorer,
        task,
        difference,
        bound,
        margin,
        n,
        ..
    } = criterion;
    let mut text = format!(
        "{} on {task} {} (bound {}, margin {}, n = {n}",
        with_scorer(metric, scorer),
        signed(*difference),
        signed(*bound),
        plain(*margin)
    );
    if let Some(coverage) = criterion.coverage.filter(|coverage| *coverage < 1.0) {
        let _ = write!(text, ", coverage {}", share(coverage));
    }
    if let Some(between) = criterion.between_seeds {
        let _ = write!(text, ", SD between seeds {}", plain(between));
    }
    text + ")"
}

/// What counts as safe, in sentences.
#[must_use]
pub fn rule(options: &SafeOptions) -> String {
    let confidence = percent(1.0 - options.alpha);
    let over = match options.over {
        Over::Each => "on each of the domain's tasks",
        Over::Mean => "in its mean over the domain's tasks",
    };
    let metrics = |chosen: &Option<Vec<String>>, aspect: &str| match chosen {
        None => format!("each task's first {aspect} metric"),
        Some(names) => names.join(", "),
    };
    let (utility, reliability) = (
        metrics(&options.utility, "utility"),
        metrics(&options.reliability, "reliability"),
    );
    let mut margins: Vec<String> = options
        .margins
        .iter()
        .map(|(metric, margin)| format!("{metric} {}", margin_words(*margin)))
        .collect();
    margins.push(match options.default {
        Some(margin) if margins.is_empty() => margin_words(margin),
        Some(margin) => format!("all others {}", margin_words(margin)),
        None => format!(
            "{}shares {}, all others {}",
            if margins.is_empty() { "" } else { "other " },
            margin_words(SHARE_MARGIN),
            margin_words(OTHER_MARGIN)
        ),
    });
    format!(
        "The safe fraction is the largest share of each layer's experts that can be removed so that, there and at every smaller \
         share evaluated, utility ({utility}) and reliability ({reliability}) are non-inferior to the unpruned model \
         {over}: the lower end of the one-sided {confidence} % interval of the difference on the same items lies above the margin. \
         Margins: {}. Shares are tested in ascending order at α = {} until one fails, so that the answer exceeds the truth with a \
         probability of at most α.",
        margins.join("; "),
        options.alpha
    )
}

/// The margin in words: `0.05`, `5 % of the unpruned value`.
#[must_use]
pub fn margin_words(margin: Margin) -> String {
    match margin {
        Margin::Absolute(margin) => plain(margin),
        Margin::Relative(share) => format!("{} of the unpruned value", self::share(share)),
    }
}

/// Three decimals, or as many as show three digits of a small number; a minus that is one.
#[must_use]
pub fn plain(value: f64) -> String {
    let decimals = if value != 0.0 && value.abs() < 0.01 { 5 } else { 3 };
    let text = format!("{:.decimals$}", value.abs());
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let zero = text.chars().all(|c| c == '0' || c == '.');
    format!("{}{text}", if value < 0.0 && !zero { "−" } else { "" })
}

/// As [`plain`], always with a sign.
#[must_use]
pub fn signed(value: f64) -> String {
    let text = plain(value);
    if text.starts_with('−') || text == "0" {
        text
    } else {
        format!("+{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.05, -0.12345, 0.0, 0.00123].map(plain),
            ["0.05", "−0.123", "0", "0.00123"]
        );
        assert_eq!([0.05, -1e-8].map(signed), ["+0.05", "0"]);
    }

    #[test]
    fn the_rule_names_margins_and_level() {
        let mut options = SafeOptions::default();
        assert!(rule(&options).contains("Margins: shares 0.05, all others 5 % of the unpruned value."));
        options.margins.insert("accuracy".to_owned(), Margin::Absolute(0.02));
        options.default = Some(Margin::Relative(0.1));
        options.alpha = 0.025;
        let text = rule(&options);
        assert!(
            text.contains("Margins: accuracy 0.02; all others 10 % of the unpruned value."),
            "{text}"
        );
        assert!(text.contains("one-sided 97.5 %") && text.contains("α = 0.025"));
    }
}
