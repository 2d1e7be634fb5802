//! Does a generated text say only what its source or reference supports? Names and numbers, by rule, without a model.
//!
//! A mention is supported if it occurs in one of the given texts after normalisation. A paraphrase of a name (`heart attack`
//! for `myocardial infarction`) counts as unsupported, and a supported name can stand in a false sentence: the share is a
//! lower bound on grounding where names are kept, and an exact detector of a drug or figure that came from nowhere.

use crate::value::{Aspect, Definition, Direction};

pub mod numbers;

pub mod entities;

/// Share of numbers that are supported.
pub const NUMBER_SUPPORT: Definition = reliability("supported_numbers");
/// Share of names that are supported.
pub const ENTITY_SUPPORT: Definition = reliability("supported_entities");
/// Share of names and numbers that are supported.
pub const SUPPORT: Definition = reliability("supported_mentions");

const fn reliability(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, Aspect::Reliability)
}

/// The mentions of one text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Support {
    /// Distinct mentions.
    pub mentions: usize,
    /// Those that no source has, as first written, in order of appearance.
    pub unsupported: Vec<String>,
}

impl Support {
    /// Share of mentions that are supported; `None` where the text mentions nothing.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        (self.mentions > 0).then(|| 1.0 - self.unsupported.len() as f64 / self.mentions as f64)
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.mentions += other.mentions;
        self.unsupported.extend(other.unsupported);
        self
    }
}

/// Names and numbers of `generated` against what `sources` have. `terms`: words and phrases that count as names whatever
/// they look like, such as the drugs of a task.
#[must_use]
pub fn support(generated: &str, sources: &[&str], terms: &[&str]) -> Support {
    entities::support(generated, sources, terms).and(numbers::support(generated, sources))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let source = "In 1,200 patients metformin 500 mg lowered HbA1c by 1.5 percent.";
        let generated = "Metformin (500 mg) lowered HbA1c by 2.5 % in 1200 patients; so did sitagliptin.";
        let found = support(generated, &[source], &["metformin"]);
        // metformin, HbA1c, sitagliptin; 500 mg, 2.5 %, 1200.
        assert_eq!(found.mentions, 6);
        assert_eq!(found.unsupported, ["sitagliptin", "2.5 %"]);
        assert!((found.share().unwrap_or_default() - 4.0 / 6.0).abs() < 1e-15);
    }

    #[test]
    fn a_text_supports_itself_and_nothing_mentions_nothing() {
        let text = "Imatinib 400 mg blocks BCR-ABL1 in ninety-five percent of cells.";
        assert_eq!(support(text, &[text], &[]).share(), Some(1.0));
        assert_eq!(support("it helps a little", &[text], &[]).share(), None);
        assert_eq!(support("", &[], &[]), Support::default());
    }
}
