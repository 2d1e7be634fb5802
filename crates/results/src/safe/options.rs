//! What counts as safe: margins, level, metrics. `[safe]` of a sweep file, checked.

use std::collections::BTreeMap;

use secateur_metrics::statistics::noninferiority::Margin;
use secateur_metrics::value::MetricValue;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Margin of metrics that are shares, unless told otherwise: 0.05.
pub const SHARE_MARGIN: Margin = Margin::Absolute(0.05);
/// Margin of all others: 5 % of the unpruned value.
pub const OTHER_MARGIN: Margin = Margin::Relative(0.05);

/// `[safe]` as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafeSection {
    /// Level of each test, one-sided; 0.05 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// The domain that the model is pruned for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// `each`: a metric must hold on each task; `mean`: its mean over the domain's tasks must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Over>,
    /// Utility metrics; each task's first where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utility: Option<Vec<String>>,
    /// Reliability metrics; each task's first where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reliability: Option<Vec<String>>,
    /// By metric; `default` for all others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub margins: BTreeMap<String, WrittenMargin>,
}

/// A margin as written: `0.02` in the metric's unit, `"5 %"` of the unpruned value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WrittenMargin {
    /// In the metric's unit.
    Absolute(f64),
    /// A percentage.
    Text(String),
}

/// What a criterion is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// A metric on a task.
    #[default]
    Each,
    /// The mean of a metric over the domain's tasks.
    Mean,
}

/// What counts as safe.
#[derive(Debug, Clone, PartialEq)]
pub struct SafeOptions {
    /// Level of each test, one-sided.
    pub alpha: f64,
    /// The domain that the model is pruned for, if said.
    pub domain: Option<String>,
    /// What a criterion is.
    pub over: Over,
    /// Utility metrics; each task's first if `None`.
    pub utility: Option<Vec<String>>,
    /// Reliability metrics; each task's first if `None`.
    pub reliability: Option<Vec<String>>,
    /// By metric.
    pub margins: BTreeMap<String, Margin>,
    /// Of metrics that `margins` does not name; [`SHARE_MARGIN`] or [`OTHER_MARGIN`] if `None`.
    pub default: Option<Margin>,
}

impl Default for SafeOptions {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            domain: None,
            over: Over::default(),
            utility: None,
            reliability: None,
            margins: BTreeMap::new(),
            default: None,
        }
    }
}

impl SafeOptions {
    /// Checks what was written.
    ///
    /// # Errors
    /// [`Error::SafeOption`] names the key, what was found and what was expected.
    pub fn check(written: &SafeSection) -> Result<Self, Error> {
        let alpha = written.alpha.unwrap_or(0.05);
        if !(alpha > 0.0 && alpha < 0.5) {
            return Err(wrong(
                "alpha",
                &alpha.to_string(),
                "a level between 0 and 0.5, such as 0.05",
            ));
        }
        for (key, names) in [("utility", &written.utility), ("reliability", &written.reliability)] {
            if names.as_ref().is_some_and(Vec::is_empty) {
                return Err(wrong(key, "an empty list", "at least one metric, or no such key"));
            }
        }
        let mut margins = BTreeMap::new();
        for (metric, margin) in &written.margins {
            margins.insert(metric.clone(), margin.check(metric)?);
        }
        Ok(Self {
            alpha,
            domain: written.domain.clone(),
            over: written.tasks.unwrap_or_default(),
            utility: written.utility.clone(),
            reliability: written.reliability.clone(),
            default: margins.remove("default"),
            margins,
        })
    }

    /// The metrics named in it.
    pub fn names(written: &SafeSection) -> impl Iterator<Item = &str> {
        let lists = written.utility.iter().chain(&written.reliability).flatten();
        let margins = written.margins.keys().filter(|name| *name != "default");
        lists.chain(margins).map(String::as_str)
    }

    /// The margin of a metric.
    #[must_use]
    pub fn margin(&self, metric: &MetricValue) -> Margin {
        let usual = if metric.unit == "fraction" {
            SHARE_MARGIN
        } else {
            OTHER_MARGIN
        };
        let own = self.margins.get(&metric.name).copied();
        own.or(self.default).unwrap_or(usual)
    }
}

impl WrittenMargin {
    /// Reads `0.02` or `5 %` (also `5%`).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.trim()
            .parse()
            .map_or_else(|_| Self::Text(text.to_owned()), Self::Absolute)
    }

    fn check(&self, metric: &str) -> Result<Margin, Error> {
        let expected =
            "a loss of at least 0: in the metric's unit, as 0.02, or as a share of the unpruned value, as \"5 %\"";
        let refused = |found: &str| wrong(&format!("margins.{metric}"), found, expected);
        match self {
            Self::Absolute(margin) if margin.is_finite() && *margin >= 0.0 => Ok(Margin::Absolute(*margin)),
            Self::Absolute(margin) => Err(refused(&margin.to_string())),
            Self::Text(text) => {
                let number = text.trim().strip_suffix('%').map(str::trim_end);
                let percent = number.and_then(|number| number.parse::<f64>().ok());
                let sound = percent.filter(|percent| (0.0..=100.0).contains(percent));
                sound
                    .map(|percent| Margin::Relative(percent / 100.0))
                    .ok_or_else(|| refused(&format!("\"{text}\"")))
            }
        }
    }
}

fn wrong(key: &str, found: &str, expected: &'static str) -> Error {
    Error::SafeOption {
        key: key.to_owned(),
        found: found.to_owned(),
        expected,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture::metric;
    use secateur_metrics::value::{Aspect, Direction};

    fn section(json: &str) -> SafeSection {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn margins_are_absolute_or_relative() {
        let written = section(r#"{"margins": {"accuracy": 0.02, "rouge_l": "5 %", "default": "10%"}}"#);
        let options = SafeOptions::check(&written).unwrap();
        let of = |name: &str| {
            options.margin(&metric(
                name,
                "fraction",
                Direction::HigherIsBetter,
                Aspect::Utility,
                0.5,
            ))
        };
        assert_eq!(of("accuracy"), Margin::Absolute(0.02));
        assert_eq!(
            (of("rouge_l"), of("ece")),
            (Margin::Relative(0.05), Margin::Relative(0.1))
        );
        assert_eq!(
            SafeOptions::names(&written).collect::<Vec<_>>(),
            ["accuracy", "rouge_l"]
        );
        assert_eq!(WrittenMargin::parse(" 0.1"), WrittenMargin::Absolute(0.1));
    }

    #[test]
    fn usual_margins_depend_on_the_unit() {
        let of = |unit: &str| {
            let metric = metric("x", unit, Direction::LowerIsBetter, Aspect::Utility, 0.5);
            SafeOptions::default().margin(&metric)
        };
        assert_eq!((of("fraction"), of("nats")), (SHARE_MARGIN, OTHER_MARGIN));
    }

    #[test]
    fn nonsense_is_refused_with_its_key() {
        for (json, key) in [
            (r#"{"alpha": 0.7}"#, "alpha"),
            (r#"{"reliability": []}"#, "reliability"),
            (r#"{"margins": {"accuracy": -1}}"#, "margins.accuracy"),
            (r#"{"margins": {"default": "much"}}"#, "margins.default"),
            (r#"{"margins": {"accuracy": "120 %"}}"#, "margins.accuracy"),
        ] {
            let message = SafeOptions::check(&section(json)).unwrap_err().to_string();
            assert!(message.contains(key) && message.contains("expected"), "{message}");
        }
        assert!(serde_json::from_str::<SafeSection>(r#"{"margin": 0.1}"#).is_err());
    }
}
