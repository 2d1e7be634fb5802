//! The date that templates see.

/// A day of the Gregorian calendar, at midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// Year.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, from 1.
    pub day: u8,
}

/// The day that templates of the Llama family themselves fall back to.
impl Default for Date {
    fn default() -> Self {
        Self {
            year: 2024,
            month: 7,
            day: 26,
        }
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

impl Date {
    /// `strftime` with the directives that templates use.
    ///
    /// # Errors
    ///
    /// A sentence about the directive that is not known.
    pub fn format(self, format: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let mut directive = chars.next();
            let plain = directive == Some('-');
            if plain {
                directive = chars.next();
            }
            let two = |value: u8| {
                if plain {
                    value.to_string()
                } else {
                    format!("{value:02}")
                }
            };
            let piece = match directive {
                Some('Y') => format!("{:04}", self.year),
                Some('y') => format!("{:02}", self.year % 100),
                Some('m') => two(self.month),
                Some('d') => two(self.day),
                Some('B') => self.month_name().into(),
                Some('b' | 'h') => self.month_name()[..3].into(),
                Some('A') => self.day_name().into(),
                Some('a') => self.day_name()[..3].into(),
                Some('H' | 'M' | 'S') => two(0),
                Some('F') => format!("{:04}-{:02}-{:02}", self.year, self.month, self.day),
                Some('%') => "%".into(),
                other => {
                    let directive = other.map_or_else(String::new, String::from);
                    return Err(format!("strftime_now does not know %{directive}"));
                }
            };
            out.push_str(&piece);
        }
        Ok(out)
    }

    fn month_name(self) -> &'static str {
        MONTHS[usize::from(self.month.clamp(1, 12)) - 1]
    }

    /// Sakamoto's method.
    fn day_name(self) -> &'static str {
        const SHIFT: [usize; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
        let month = usize::from(self.month.clamp(1, 12));
        let year = usize::from(self.year) - usize::from(month < 3 && self.year > 0);
        DAYS[(year + year / 4 - year / 100 + year / 400 + SHIFT[month - 1] + usize::from(self.day)) % 7]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_strftime_writes_them() {
        let date = Date::default();
        assert_eq!(
            date.format("%d %b %Y, %A %B %-d %y-%m %H:%M 100%%"),
            Ok("26 Jul 2024, Friday July 26 24-07 00:00 100%".into())
        );
        assert_eq!(
            Date {
                year: 2000,
                month: 2,
                day: 29
            }
            .format("%a %F %-m"),
            Ok("Tue 2000-02-29 2".into())
        );
        assert!(date.format("%Q").is_err() && date.format("%").is_err());
    }
}
