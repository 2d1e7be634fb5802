//! Numbers with their units.
//!
//! A number is a run of digits with at most one decimal point, thousands separated by `,` or a thin or no-break space if the
//! groups have three digits, or number words up to millions (`twenty-five`, `one hundred and five`; `one` and `zero` alone
//! are no numbers). It keeps a minus sign that follows a blank or bracket. Digits that belong to a name (`p53`, `IL-6`,
//! `COVID-19`, `5HT`) and the enumeration at the start of a line (`1.`, `2)`) are no numbers; `2nd` is 2.
//! A unit is the known word that follows directly or after one blank; `per cent`, `percent` and `%` are one, as are the other
//! spellings in [`UNITS`]. Values are compared as decimals, not as floats: `1.50` is `1.5`, and `1 g` is not `1000 mg`.
//! Of a compound unit (`mg/dl`) the first part counts.
//! Two mentions agree if their values are equal and their units are, or one has none.

use std::collections::BTreeSet;

use super::Support;
use crate::text::{self, Pattern};

/// Spellings of units; the first of each row is the unit's name.
pub const UNITS: &[&[&str]] = &[
    &["%", "percent", "pct", "per cent"],
    &["mg", "milligram", "milligrams"],
    &["g", "gram", "grams"],
    &["kg", "kilogram", "kilograms", "kilo", "kilos"],
    &["µg", "μg", "ug", "mcg", "microgram", "micrograms"],
    &["ng", "nanogram", "nanograms"],
    &["ml", "milliliter", "milliliters", "millilitre", "millilitres"],
    &["l", "liter", "liters", "litre", "litres"],
    &["dl", "deciliter", "decilitre"],
    &["mm", "millimeter", "millimeters", "millimetre", "millimetres"],
    &["cm", "centimeter", "centimeters", "centimetre", "centimetres"],
    &["m", "meter", "meters", "metre", "metres"],
    &["km", "kilometer", "kilometers", "kilometre", "kilometres"],
    &["nm", "nanometer", "nanometers"],
    &["mmhg"],
    &["mol", "mole", "moles"],
    &["mmol"],
    &["µmol", "μmol", "umol"],
    &["nmol"],
    &["iu", "international units"],
    &["unit", "units"],
    &["kcal"],
    &["bpm"],
    &["hz"],
    &["°c", "degrees celsius"],
    &["°f", "degrees fahrenheit"],
    &["second", "seconds", "sec", "secs"],
    &["minute", "minutes", "min", "mins"],
    &["hour", "hours", "hr", "hrs", "h"],
    &["day", "days"],
    &["week", "weeks"],
    &["month", "months"],
    &["year", "years", "yr", "yrs"],
    &["fold", "times"],
];

const SMALL: &[&str] = &[
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: &[&str] = &[
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];

static DIGITS: Pattern = Pattern::new(|| {
    text::pattern(r"[0-9]{1,3}(?:[,\x{a0}\x{2009}\x{202f}][0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+")
});
static WORDS: Pattern = Pattern::new(|| text::pattern(r"(?i)[a-z]+(?:[- ][a-z]+)*"));
static UNIT: Pattern = Pattern::new(|| {
    let mut spellings: Vec<&str> = UNITS.iter().flat_map(|row| row.iter().copied()).collect();
    spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
    let spellings: Vec<String> = spellings.iter().map(|s| regex::escape(s)).collect();
    text::pattern(&format!(r"^[ \x{{a0}}\x{{202f}}-]?(?i)({})", spellings.join("|")))
});

/// A number as it stands in a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number {
    /// Canonical decimal: no separators, no leading or trailing zeros.
    pub value: String,
    /// Canonical unit, see [`UNITS`].
    pub unit: Option<&'static str>,
    /// As written, with its unit.
    pub written: String,
    /// Byte at which it begins.
    pub start: usize,
}

impl Number {
    fn agrees(&self, other: &Self) -> bool {
        self.value == other.value && (self.unit == other.unit || self.unit.is_none() || other.unit.is_none())
    }
}

/// The numbers of `generated` against those of `sources`. A number mentioned twice counts once.
#[must_use]
pub fn support(generated: &str, sources: &[&str]) -> Support {
    let known: Vec<Number> = sources.iter().flat_map(|source| extract(source)).collect();
    let mut seen = BTreeSet::new();
    let mut result = Support::default();
    for number in extract(generated) {
        if !seen.insert((number.value.clone(), number.unit)) {
            continue;
        }
        result.mentions += 1;
        if !known.iter().any(|other| other.agrees(&number)) {
            result.unsupported.push(number.written);
        }
    }
    result
}

/// The numbers of a text, in order.
#[must_use]
pub fn extract(text: &str) -> Vec<Number> {
    let mut numbers: Vec<Number> = DIGITS
        .find_iter(text)
        .filter_map(|found| in_digits(text, found.start(), found.end()))
        .collect();
    numbers.extend(in_words(text));
    numbers.sort_by_key(|number| number.start);
    numbers
}

fn in_digits(text: &str, start: usize, end: usize) -> Option<Number> {
    let (before, after) = (&text[..start], &text[end..]);
    let unit = unit_after(after);
    if belongs_to_name(before) || is_enumeration(before, after) {
        return None;
    }
    let letters_follow = after.chars().next().is_some_and(char::is_alphabetic);
    let ordinal = ["st", "nd", "rd", "th"].iter().any(|suffix| {
        after
            .strip_prefix(suffix)
            .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    });
    if letters_follow && unit.is_none() && !ordinal {
        return None;
    }
    let mut value = canonical(&text[start..end]);
    let mut sign = before.char_indices().rev();
    if let Some((_, '-' | '−')) = sign.next()
        && value != "0"
        && sign.next().is_none_or(|(_, c)| text::is_space(c) || "([{".contains(c))
    {
        value.insert(0, '-');
    }
    Some(number(text, start, end, value, unit))
}

fn number(text: &str, start: usize, end: usize, value: String, unit: Option<(usize, &'static str)>) -> Number {
    let stop = end + unit.map_or(0, |(length, _)| length);
    Number {
        value,
        unit: unit.map(|(_, unit)| unit),
        written: text[start..stop].to_owned(),
        start,
    }
}

/// A letter directly before, or a letter and a hyphen, or a digit and a point (a version or section).
fn belongs_to_name(before: &str) -> bool {
    let mut characters = before.chars().rev();
    match (characters.next(), characters.next()) {
        (Some(c), _) if c.is_alphanumeric() || c == '_' => true,
        (Some('-' | '‐' | '‑' | '/'), Some(c)) => c.is_alphabetic(),
        (Some('.'), Some(c)) => c.is_ascii_digit(),
        _ => false,
    }
}

fn is_enumeration(before: &str, after: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let mut next = after.chars();
    line.chars().all(text::is_space)
        && matches!(next.next(), Some('.' | ')'))
        && next.next().is_none_or(text::is_space)
        && !next.as_str().is_empty()
}

/// (bytes up to the end of the unit, unit) at the start of `after`.
fn unit_after(after: &str) -> Option<(usize, &'static str)> {
    let found = UNIT.captures(after)?;
    let end = found.get(0)?.end();
    let spelling = found.get(1)?.as_str().to_lowercase();
    let is_word = spelling.ends_with(char::is_alphabetic);
    if is_word && after[end..].starts_with(|c: char| c.is_alphanumeric()) {
        return None;
    }
    let row = UNITS.iter().find(|row| row.contains(&spelling.as_str()))?;
    Some((end, row[0]))
}

/// `1,200.50` → `1200.5`, `.5` → `0.5`, `007` → `7`.
fn canonical(written: &str) -> String {
    let plain: String = written.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

fn in_words(text: &str) -> Vec<Number> {
    let mut numbers = Vec::new();
    for run in WORDS.find_iter(text) {
        let (before, after) = (&text[..run.start()], &text[run.end()..]);
        if before.ends_with(|c: char| c.is_alphanumeric()) || after.starts_with(|c: char| c.is_alphanumeric()) {
            continue;
        }
        let words = positions(run.as_str());
        let mut i = 0;
        while i < words.len() {
            let spelled: Vec<String> = words[i..].iter().map(|w| w.1.to_lowercase()).collect();
            let Some((used, value)) = spell(&spelled) else {
                i += 1;
                continue;
            };
            let start = run.start() + words[i].0;
            let last = words[i + used - 1];
            let end = run.start() + last.0 + last.1.len();
            let unit = unit_after(&text[end..]);
            if value > 1 || used > 1 || unit.is_some() {
                numbers.push(number(text, start, end, value.to_string(), unit));
            }
            i += used;
        }
    }
    numbers
}

fn positions(run: &str) -> Vec<(usize, &str)> {
    run.split(['-', ' '])
        .map(|word| (word.as_ptr() as usize - run.as_ptr() as usize, word))
        .collect()
}

/// (words used, value) of the number that the words begin with.
fn spell(words: &[String]) -> Option<(usize, u64)> {
    let (mut total, mut group, mut used) = (0_u64, 0_u64, 0);
    let mut i = 0;
    while i < words.len() {
        let word = words[i].as_str();
        let small = SMALL.iter().position(|w| *w == word).map(|v| v as u64);
        let tens = TENS.iter().position(|w| *w == word).map(|v| 10 * (v as u64 + 2));
        match (small, tens, word) {
            (Some(value), _, _) if fits_small(group, value, used) => group += value,
            (_, Some(value), _) if group % 100 == 0 => group += value,
            (_, _, "hundred") if (1..10).contains(&group) => group *= 100,
            (_, _, "thousand") if (1..1000).contains(&group) && total % 1_000_000 == 0 => {
                total += group * 1000;
                group = 0;
            }
            (_, _, "million") if (1..1000).contains(&group) && total == 0 => {
                total += group * 1_000_000;
                group = 0;
            }
            (_, _, "and") if used > 0 && ["hundred", "thousand", "million"].contains(&words[i - 1].as_str()) => {
                i += 1;
                continue;
            }
            _ => break,
        }
        i += 1;
        used = i;
    }
    (used > 0).then_some((used, total + group))
}

/// A small number starts a group, or follows hundreds, or, if below ten, tens.
fn fits_small(group: u64, value: u64, used: usize) -> bool {
    if used == 0 {
        return true;
    }
    value > 0 && (group.is_multiple_of(100) || (value < 10 && group.is_multiple_of(10) && group % 100 >= 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, Option<&'static str>)> {
        extract(text)
            .into_iter()
            .map(|number| (number.value, number.unit))
            .collect()
    }

    fn bare(text: &str) -> Vec<String> {
        extract(text).into_iter().map(|number| number.value).collect()
    }

    #[test]
    fn digits() {
        assert_eq!(bare("1,200 and 1200.50 and .5 and 007"), ["1200", "1200.5", "0.5", "7"]);
        assert_eq!(bare("10-20 or (-3) or 1\u{202f}000"), ["10", "20", "-3", "1000"]);
        assert_eq!(bare("the 2nd of 3."), ["2", "3"]);
        assert_eq!(bare("1. First\n2) second"), Vec::<String>::new());
    }

    #[test]
    fn names_are_not_numbers() {
        assert_eq!(bare("p53, IL-6, COVID-19, 5HT, HbA1c, CYP3A4"), Vec::<String>::new());
    }

    #[test]
    fn units() {
        let found = values("5mg, 5 milligrams, 50 %, fifty per cent, 3 months, 12 malls");
        let expected = [
            ("5", Some("mg")),
            ("5", Some("mg")),
            ("50", Some("%")),
            ("50", Some("%")),
            ("3", Some("month")),
            ("12", None),
        ];
        let expected: Vec<_> = expected.iter().map(|(v, u)| ((*v).to_owned(), *u)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn words() {
        assert_eq!(bare("twenty-five mills"), ["25"]);
        assert_eq!(
            bare("one hundred and five, three thousand two hundred"),
            ["105", "3200"]
        );
        assert_eq!(bare("two million and three thousand"), ["2003000"]);
        assert_eq!(bare("one of the ten; no one; zero"), ["10"]);
        assert_eq!(values("one day"), [("1".to_owned(), Some("day"))]);
        assert_eq!(bare("three four"), ["3", "4"]);
        assert_eq!(bare("two and three"), ["2", "3"]);
    }

    #[test]
    fn agreement_needs_the_value_and_no_other_unit() {
        let check = |generated: &str, source: &str| support(generated, &[source]).share();
        assert_eq!(check("1.50 mg", "1.5 mg"), Some(1.0));
        assert_eq!(check("5 mg", "5 kg"), Some(0.0));
        assert_eq!(check("5 mg", "a dose of 5"), Some(1.0));
        assert_eq!(check("5, 6 and 5", "5"), Some(0.5));
    }
}
