//! How a night, or a part of it, ended.

/// From good to bad. A night is as bad as the worst of its parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Equal to the last good run, or better, or the first of its kind.
    #[default]
    Well,
    /// Cells failed or are missing.
    Incomplete,
    /// Something differs that must not, or is worse.
    Regression,
    /// Something could not be run at all.
    Error,
}

impl Outcome {
    /// Exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Error => 1,
            Self::Regression => 4,
            Self::Incomplete => 5,
        }
    }

    /// Of an exit code of `secateur sweep`.
    pub const fn of_sweep(code: u8) -> Self {
        match code {
            0 => Self::Well,
            // Some cells failed; interrupted.
            3 | 130 => Self::Incomplete,
            _ => Self::Error,
        }
    }

    /// Of an exit code of `secateur compare`.
    pub const fn of_compare(code: u8) -> Self {
        match code {
            0 => Self::Well,
            4 => Self::Regression,
            5 => Self::Incomplete,
            _ => Self::Error,
        }
    }

    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Incomplete => "incomplete",
            Self::Regression => "regression",
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn the_worst_part_decides() {
        let parts = [Outcome::Well, Outcome::Regression, Outcome::Incomplete];
        assert_eq!(parts.into_iter().max(), Some(Outcome::Regression));
        assert!(Outcome::Error > Outcome::Regression);
        let codes = [Outcome::Well, Outcome::Regression, Outcome::Incomplete, Outcome::Error].map(Outcome::code);
        assert_eq!(codes, [0, 4, 5, 1]);
    }

    #[test]
    fn codes_of_the_program_are_understood() {
        assert_eq!(
            [0, 3, 130, 1].map(Outcome::of_sweep),
            [Outcome::Well, Outcome::Incomplete, Outcome::Incomplete, Outcome::Error]
        );
        assert_eq!(
            [0, 4, 5, 1].map(Outcome::of_compare),
            [Outcome::Well, Outcome::Regression, Outcome::Incomplete, Outcome::Error]
        );
    }
}
