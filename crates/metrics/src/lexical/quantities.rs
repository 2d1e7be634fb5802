//! Numbers with units, compared as amounts.
//!
//! Numbers are those of [`crate::support::numbers`], and words for fractions (`half of`, `two thirds`). Beyond what that module does,
//! - units of one kind are converted: `0.5 g` is `500 mg`, `2 weeks` are `14 days` (months and years only into each other);
//! - `25 %` is `0.25` and `a quarter of`;
//! - in `10–20 mg`, `10 to 20 mg` and `between 10 and 20 mg` both numbers have the unit;
//! - a bound (`<`, `at least`, `more than` …) does not agree with the opposite one of the same value;
//! - p-values agree with p-values alone: `p < 0.05` with any that is smaller, `p > 0.05` with any that is larger.
//!
//! A number that belongs to a date with a month is left to [`super::dates`]. A number without a unit agrees with one that has any,
//! and the other way round: tables leave units out.

use std::ops::Range;

use super::document::Document;
use super::{Lexical, LexicalReading, dates, mentions, share};
use crate::support::numbers;
use crate::text::{self, Pattern};
use crate::value::Definition;

/// Share of numbers that the source has, as amounts. Every mention counts.
pub const LEXICAL_QUANTITIES: Definition = share("lexical_quantities");

/// Units that convert exactly: kind, and how many of the smallest unit of the kind.
const SCALES: &[(&str, &str, f64)] = &[
    ("ng", "mass", 1.0),
    ("µg", "mass", 1e3),
    ("mg", "mass", 1e6),
    ("g", "mass", 1e9),
    ("kg", "mass", 1e12),
    ("ml", "volume", 1.0),
    ("dl", "volume", 1e2),
    ("l", "volume", 1e3),
    ("nm", "length", 1.0),
    ("mm", "length", 1e6),
    ("cm", "length", 1e7),
    ("m", "length", 1e9),
    ("km", "length", 1e12),
    ("nmol", "amount", 1.0),
    ("µmol", "amount", 1e3),
    ("mmol", "amount", 1e6),
    ("mol", "amount", 1e9),
    ("second", "time", 1.0),
    ("minute", "time", 60.0),
    ("hour", "time", 3600.0),
    ("day", "time", 86_400.0),
    ("week", "time", 604_800.0),
    ("month", "calendar", 1.0),
    ("year", "calendar", 12.0),
    ("%", "share", 0.01),
];

const FRACTIONS: &[(&str, f64)] = &[
    ("half", 0.5),
    ("a third", 1.0 / 3.0),
    ("one third", 1.0 / 3.0),
    ("two thirds", 2.0 / 3.0),
    ("a quarter", 0.25),
    ("one quarter", 0.25),
    ("three quarters", 0.75),
    ("a fifth", 0.2),
];

/// Relative difference up to which two amounts are equal: conversions are floats.
const TOLERANCE: f64 = 1e-9;
/// Difference up to which a share agrees with a fraction in words: `a third` with 33 %.
const ROUNDED: f64 = 0.005;

static BELOW: Pattern = Pattern::new(|| {
    text::pattern(
        r"(?i)(?:[<≤]\s*=?|\b(?:less than|fewer than|lower than|below|under|at most|up to|no more than|maximum of|within))\s*$",
    )
});
static ABOVE: Pattern = Pattern::new(|| {
    text::pattern(
        r"(?i)(?:[>≥]\s*=?|\b(?:more than|greater than|higher than|above|over|at least|no less than|minimum of|exceeding))\s*$",
    )
});
static P_VALUE: Pattern = Pattern::new(|| {
    text::pattern(
        r"(?i)(?:^|[^\p{L}\p{N}])p(?:[- ]?values?)?\s*(?:of|was|is|were|are)?\s*[=<>≤≥]*\s*=?\s*(?:less than|greater than)?\s*$",
    )
});
static RANGE: Pattern = Pattern::new(|| text::pattern(r"(?i)^\s*(?:[-–—‐]|to|and|or)\s*$"));
static FRACTION: Pattern = Pattern::new(|| {
    let words: Vec<&str> = FRACTIONS.iter().map(|row| row.0).collect();
    text::pattern(&format!(
        r"(?i)\b({})[ -](?:of|the|as)\b",
        words.join("|").replace(' ', "[ -]")
    ))
});

/// Which side of the value is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The value itself.
    None,
    /// `<`, `at most`.
    Below,
    /// `>`, `at least`.
    Above,
}

/// A number as it stands in a text, as an amount.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Value as written, canonical decimal; empty for a fraction in words.
    written: String,
    /// Value times the scale of its unit.
    amount: f64,
    /// Value alone.
    value: f64,
    /// Kind of its unit, or the unit itself where it converts into no other.
    kind: Option<&'static str>,
    bound: Bound,
    p_value: bool,
}

impl Quantity {
    /// Whether the source, saying `other`, supports it.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        if self.p_value || other.p_value {
            return self.p_value && other.p_value && self.p_agrees(other);
        }
        if self.bound != Bound::None && other.bound != Bound::None && self.bound != other.bound {
            return false;
        }
        match (self.kind, other.kind) {
            (Some(kind), Some(same)) if kind == same => {
                let rounded = kind == "share" && (self.written.is_empty() || other.written.is_empty());
                equal(self.amount, other.amount) || (rounded && (self.amount - other.amount).abs() <= ROUNDED)
            }
            (Some(_), Some(_)) => false,
            (Some("share"), None) | (None, Some("share")) => {
                equal(self.value, other.value) || equal(self.amount, other.amount)
            }
            _ => self.written == other.written,
        }
    }

    /// `p < 0.05` by `p = 0.03` and by `p < 0.01`.
    fn p_agrees(&self, other: &Self) -> bool {
        let same = equal(self.value, other.value);
        match (self.bound, other.bound) {
            (Bound::Below, Bound::Above) | (Bound::Above, Bound::Below) => false,
            (Bound::Below, _) => same || other.value < self.value,
            (Bound::Above, _) => same || other.value > self.value,
            (Bound::None, _) => same,
        }
    }

    /// Whether it is a duration.
    #[must_use]
    pub fn is_time(&self) -> bool {
        matches!(self.kind, Some("time" | "calendar"))
    }

    /// Whether it says the same kind of thing with another value: both have the unit, or both are p-values.
    #[must_use]
    pub fn rivals(&self, other: &Self) -> bool {
        let comparable = (self.kind.is_some() && self.kind == other.kind) || (self.p_value && other.p_value);
        comparable && !self.agrees(other)
    }
}

fn equal(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
}

/// Looks at numbers.
pub struct Quantities;

impl Lexical for Quantities {
    fn definition(&self) -> Definition {
        LEXICAL_QUANTITIES
    }

    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading> {
        let known = source.quantities();
        let found = text.quantities().iter();
        mentions::reading(found.map(|quantity| {
            let supported = known.iter().any(|other| quantity.agrees(other));
            (quantity.range.clone(), supported)
        }))
    }
}

/// The numbers of a text, in order.
#[must_use]
pub fn quantities(text: &str) -> Vec<Quantity> {
    let dates = dates::dates(text);
    let in_date = |at: usize| dates.iter().any(|date| date.has_month() && date.range.contains(&at));
    let mut found: Vec<Quantity> = numbers::extract(text)
        .into_iter()
        .filter(|number| !in_date(number.start))
        .filter_map(|number| quantity(text, &number))
        .collect();
    found.extend(
        FRACTION
            .captures_iter(text)
            .filter_map(|captures| fraction(&captures.get(1)?)),
    );
    found.sort_by_key(|quantity| quantity.range.start);
    share_units(text, &mut found);
    found
}

fn quantity(text: &str, number: &numbers::Number) -> Option<Quantity> {
    let value: f64 = number.value.parse().ok().filter(|value: &f64| value.is_finite())?;
    let before = &text[..number.start];
    let bound = if BELOW.is_match(before) {
        Bound::Below
    } else if ABOVE.is_match(before) {
        Bound::Above
    } else {
        Bound::None
    };
    let scale = number.unit.and_then(|unit| SCALES.iter().find(|row| row.0 == unit));
    Some(Quantity {
        range: number.start..number.start + number.written.len(),
        written: number.value.clone(),
        amount: value * scale.map_or(1.0, |row| row.2),
        value,
        kind: scale.map(|row| row.1).or(number.unit),
        bound,
        p_value: P_VALUE.is_match(before),
    })
}

fn fraction(found: &regex::Match<'_>) -> Option<Quantity> {
    let words = found.as_str().to_lowercase().replace('-', " ");
    let (_, value) = FRACTIONS.iter().find(|row| row.0 == words)?;
    Some(Quantity {
        range: found.range(),
        written: String::new(),
        amount: *value,
        value: *value,
        kind: Some("share"),
        bound: Bound::None,
        p_value: false,
    })
}

/// The first number of a range has the unit of the second.
fn share_units(text: &str, found: &mut [Quantity]) {
    for i in (1..found.len()).rev() {
        let (before, after) = found.split_at_mut(i);
        let (Some(first), Some(second)) = (before.last_mut(), after.first()) else {
            continue;
        };
        let between = text.get(first.range.end..second.range.start).unwrap_or_default();
        if first.kind.is_none() && second.kind.is_some() && RANGE.is_match(between) && second.value.abs() > 0.0 {
            first.kind = second.kind;
            first.amount = first.value * (second.amount / second.value);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lexical::WordLists;

    fn share_of(text: &str, source: &str) -> Option<f64> {
        let lists = WordLists::default();
        let reading = Quantities.read(&Document::new(text, &lists), &Document::new(source, &lists));
        reading.map(|reading| reading.score)
    }

    #[track_caller]
    fn agree(pairs: &[(&str, &str, bool)]) {
        for (text, source, wanted) in pairs {
            assert_eq!(share_of(text, source), Some(f64::from(*wanted)), "{text} by {source}");
        }
    }

    #[test]
    fn conversions() {
        agree(&[
            ("0.5 g", "500 mg", true),
            ("250 µg", "0.25 mg", true),
            ("2 weeks", "14 days", true),
            ("two years", "24 months", true),
            ("1.5 l", "1500 ml", true),
            ("5 mg", "5 g", false),
            ("2 months", "60 days", false),
            ("5 mmHg", "5 mg", false),
            ("5 mg", "a dose of 5", true),
            ("20", "20 patients", true),
        ]);
    }

    #[test]
    fn shares() {
        agree(&[
            ("25 %", "a rate of 0.25", true),
            ("0.25", "25%", true),
            ("a quarter of them", "25 percent", true),
            ("a third of them", "33.3 %", true),
            ("half of the patients", "49 %", false),
            ("25 %", "25 patients", true),
            ("2.5 %", "25 %", false),
        ]);
    }

    #[test]
    fn ranges_bounds_and_p_values() {
        agree(&[
            ("10-20 mg", "0.01 g and 0.02 g", true),
            ("between 10 and 20 mg", "10 mg to 20 mg", true),
            ("more than 30 days", "less than 30 days", false),
            ("more than 30 days", "30 days", true),
            ("at least 30 days", "> 30 days", true),
            ("(p < 0.05)", "P = 0.03", true),
            ("(p < 0.05)", "p=0.2", false),
            ("(p < 0.05)", "p-value less than 0.01", true),
            ("(p > 0.05)", "p = 0.2", true),
            ("p = 0.03", "p < 0.05", false),
            ("p = 0.03", "a difference of 0.03", false),
        ]);
    }

    #[test]
    fn dates_are_not_numbers_and_places_are_kept() {
        assert_eq!(share_of("on 3 March 2020", ""), None);
        let text = "took 20 mg, then half of it";
        let found = quantities(text);
        let written: Vec<&str> = found.iter().map(|quantity| &text[quantity.range.clone()]).collect();
        assert_eq!(written, ["20 mg", "half"]);
        assert!(found[0].rivals(&quantities("30 mg")[0]) && !found[0].rivals(&quantities("30 days")[0]));
    }
}
