//! Dates: days, months, years, decades, weekdays; and durations as amounts of time.
//!
//! Read are `2020-03-14`, `14/03/2020` and `03/14/2020` (either way round where both make sense), `14 March 2020`, `March 14th, 2020`,
//! `March 2020`, `14 March`, `March` alone (but not `may` and `march` in small letters), years from 1500 to 2099, decades (`1990s`)
//! and weekdays. A date is supported if the source has one with all the parts that it has, and the same ones: `March 2020` by
//! `14 March 2020`, not the other way round.

use std::ops::Range;

use super::document::Document;
use super::{Lexical, LexicalReading, mentions, share};
use crate::text::{self, Pattern};
use crate::value::Definition;

/// Share of dates and durations that the source has. Every mention counts.
pub const LEXICAL_DATES: Definition = share("lexical_dates");

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

static DATE: Pattern = Pattern::new(|| {
    let month = r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)";
    let weekday = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day";
    text::pattern(&format!(
        r"(?x)
          \b(?P<iso>(?:1[5-9]|20)[0-9]{{2}}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01]))\b
        | \b(?P<slash>[0-9]{{1,2}}[/.][0-9]{{1,2}}[/.](?:1[5-9]|20)[0-9]{{2}})\b
        | \b(?P<d1>[0-3]?[0-9])(?:st|nd|rd|th)?\ (?:of\ )?(?P<m1>{month})\b\.?(?:,?\ (?P<y1>(?:1[5-9]|20)[0-9]{{2}})\b)?
        | \b(?P<m2>{month})\b\.?\ (?P<d2>[0-3]?[0-9])(?:st|nd|rd|th)?\b(?:,?\ (?P<y2>(?:1[5-9]|20)[0-9]{{2}})\b)?
        | \b(?P<m3>{month})\b\.?,?\ (?:of\ )?(?P<y3>(?:1[5-9]|20)[0-9]{{2}})\b
        | \b(?P<m4>January|February|March|April|June|July|August|September|October|November|December)\b
        | \b(?P<w>{weekday})s?\b
        | \b(?P<decade>(?:1[5-9]|20)[0-9]0)['’]?s\b
        | \b(?P<year>(?:1[5-9]|20)[0-9]{{2}})\b
        "
    ))
});

/// A date as it stands in a text; parts that are not said are absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Date {
    /// Bytes of the text.
    pub range: Range<usize>,
    year: Option<u16>,
    /// Whether the year stands for its decade.
    decade: bool,
    /// From 1.
    month: Option<u8>,
    day: Option<u8>,
    /// From 0, Monday.
    weekday: Option<u8>,
    /// Day and month the other way round.
    swapped: Option<(u8, u8)>,
}

impl Date {
    /// Whether it says more than a year: its numbers are then no numbers.
    #[must_use]
    pub fn has_month(&self) -> bool {
        self.month.is_some()
    }

    /// Whether `other` has all its parts.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        let year = match self.year {
            None => true,
            Some(year) if self.decade => other.year.is_some_and(|other| other / 10 == year / 10),
            Some(_) => other.year == self.year && !other.decade,
        };
        let weekday = self.weekday.is_none() || self.weekday == other.weekday;
        let ways = |date: &Self| {
            [
                Some((date.day, date.month)),
                date.swapped.map(|(d, m)| (Some(d), Some(m))),
            ]
        };
        let fits = |(day, month): (Option<u8>, Option<u8>), (d, m): (Option<u8>, Option<u8>)| {
            (day.is_none() || day == d) && (month.is_none() || month == m)
        };
        let days = ways(self)
            .into_iter()
            .flatten()
            .any(|mine| ways(other).into_iter().flatten().any(|theirs| fits(mine, theirs)));
        year && weekday && days
    }
}

/// Looks at dates and durations.
pub struct Dates;

impl Lexical for Dates {
    fn definition(&self) -> Definition {
        LEXICAL_DATES
    }

    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading> {
        let dates = text.dates().iter().map(|date| {
            let supported = source.dates().iter().any(|other| date.within(other));
            (date.range.clone(), supported)
        });
        let times = text.quantities().iter().filter(|quantity| quantity.is_time());
        let times = times.map(|time| {
            let supported = source.quantities().iter().any(|other| time.agrees(other));
            (time.range.clone(), supported)
        });
        let mut all: Vec<(Range<usize>, bool)> = dates.chain(times).collect();
        all.sort_by_key(|mention| mention.0.start);
        mentions::reading(all)
    }
}

/// The dates of a text, in order.
#[must_use]
pub fn dates(text: &str) -> Vec<Date> {
    DATE.captures_iter(text)
        .filter(|captures| captures.get(0).is_some_and(|all| stands_alone(text, &all.range())))
        .filter_map(|captures| date(&captures))
        .collect()
}

/// Not a part of a decimal, a fraction, a sum of money or a name.
fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let before = text[..range.start].chars().next_back();
    let mut after = text[range.end..].chars();
    let decimal =
        after.next().is_some_and(|c| matches!(c, '.' | ',')) && after.next().is_some_and(|c| c.is_ascii_digit());
    !decimal && !before.is_some_and(|c| matches!(c, '.' | ',' | '$' | '£' | '€' | '/' | '_' | '@' | '#'))
}

fn date(captures: &regex::Captures<'_>) -> Option<Date> {
    let all = captures.get(0)?;
    let text = |name: &str| captures.name(name).map(|found| found.as_str());
    let any = |names: [&str; 4]| names.into_iter().find_map(text);
    let mut date = Date {
        range: all.range(),
        ..Date::default()
    };
    if let Some(iso) = text("iso") {
        let mut parts = iso.split('-');
        date.year = parts.next()?.parse().ok();
        date.month = parts.next()?.parse().ok();
        date.day = parts.next()?.parse().ok();
    } else if let Some(slash) = text("slash") {
        let mut parts = slash.split(['/', '.']);
        let (first, second): (u8, u8) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        date.year = parts.next()?.parse().ok();
        let ways: Vec<(u8, u8)> = [(first, second), (second, first)]
            .into_iter()
            .filter(|&(d, m)| valid(d, m))
            .collect();
        let &(day, month) = ways.first()?;
        (date.day, date.month, date.swapped) = (Some(day), Some(month), ways.get(1).copied());
    } else if let Some(weekday) = text("w") {
        let lower = weekday.to_lowercase();
        date.weekday = WEEKDAYS.iter().position(|day| *day == lower).map(|day| day as u8);
    } else if let Some(decade) = text("decade") {
        (date.year, date.decade) = (decade.parse().ok(), true);
    } else {
        date.year = any(["y1", "y2", "y3", "year"]).and_then(|year| year.parse().ok());
        date.month = any(["m1", "m2", "m3", "m4"]).and_then(month);
        date.day = text("d1").or(text("d2")).and_then(|day| day.parse().ok());
        if let (Some(day), Some(month)) = (date.day, date.month)
            && !valid(day, month)
        {
            return None;
        }
    }
    Some(date)
}

fn month(name: &str) -> Option<u8> {
    let start = name.get(..3)?.to_lowercase();
    MONTHS
        .iter()
        .position(|month| month.starts_with(&start))
        .map(|at| at as u8 + 1)
}

fn valid(day: u8, month: u8) -> bool {
    (1..=31).contains(&day) && (1..=12).contains(&month)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lexical::WordLists;

    #[track_caller]
    fn check(text: &str, source: &str, wanted: Option<f64>) {
        let lists = WordLists::default();
        let reading = Dates.read(&Document::new(text, &lists), &Document::new(source, &lists));
        assert_eq!(reading.map(|reading| reading.score), wanted, "{text} by {source}");
    }

    #[test]
    fn formats_agree() {
        for written in [
            "2020-03-14",
            "14/03/2020",
            "03/14/2020",
            "14 March 2020",
            "March 14th, 2020",
            "the 14th of March 2020",
            "14 Mar. 2020",
        ] {
            check("on 14 March 2020", written, Some(1.0));
            check("in March 2020", written, Some(1.0));
            check("in 2020", written, Some(1.0));
            check("in the 2020s", written, Some(1.0));
            check(written, "in March 2020", Some(0.0));
            check(written, "15 March 2020", Some(0.0));
        }
        check("on 3/4/2020", "4 March 2020", Some(1.0));
        check("on 3/4/2020", "3 April 2020", Some(1.0));
    }

    #[test]
    fn parts_must_be_there() {
        check("in 2019", "in 2020", Some(0.0));
        check("on Monday in June", "on Monday, 3 June", Some(1.0));
        check("on Tuesday", "on Monday", Some(0.0));
        check("1994", "the 1990s", Some(0.0));
        check("He may march on. It cost $1999 and 1,950.5 mg.", "", None);
        check("for 2 weeks in May 2001", "14 days, May 2001", Some(1.0));
        check("for 3 weeks", "2 weeks", Some(0.0));
    }
}
