//! Times and amounts of memory, as Slurm writes them.

use std::fmt;

use anyhow::{Context, bail};

const TIMES: &str =
    "minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes or days-hours:minutes:seconds";

/// A time limit in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit(pub u64);

impl TimeLimit {
    /// Reads a time in any of Slurm's ways: `90` is an hour and a half, `1-12` a day and a half.
    ///
    /// # Errors
    /// If it is none of them, or no time at all.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let seconds =
            Self::seconds(text).with_context(|| format!("cluster.time: `{text}` is no time; expected {TIMES}"))?;
        if seconds == 0 {
            bail!("cluster.time: `{text}` is no time at all; leave the key out for the partition's default");
        }
        Ok(Self(seconds))
    }

    fn seconds(text: &str) -> Option<u64> {
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse::<u64>().ok()).flatten()
        };
        let (days, rest) = match text.split_once('-') {
            Some((days, rest)) => (Some(number(days)?), rest),
            None => (None, text),
        };
        let parts = rest.split(':').map(number).collect::<Option<Vec<u64>>>()?;
        let (hours, minutes, seconds) = match (days, parts.as_slice()) {
            (None, &[minutes]) => (0, minutes, 0),
            (None, &[minutes, seconds]) => (0, minutes, seconds),
            (Some(_), &[hours]) => (hours, 0, 0),
            (Some(_), &[hours, minutes]) => (hours, minutes, 0),
            (_, &[hours, minutes, seconds]) => (hours, minutes, seconds),
            _ => return None,
        };
        let hours = days.unwrap_or(0).checked_mul(24)?.checked_add(hours)?;
        let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
        minutes.checked_mul(60)?.checked_add(seconds)
    }
}

/// `days-hours:minutes:seconds`.
impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, hours, minutes, seconds) = (self.0 / 86400, self.0 / 3600 % 24, self.0 / 60 % 60, self.0 % 60);
        write!(f, "{days}-{hours:02}:{minutes:02}:{seconds:02}")
    }
}

/// Memory in MiB, which Slurm and Kubernetes both write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(pub u64);

impl Memory {
    /// Reads `32G`, `500M`, `1T`, or MiB without a letter; letters stand for powers of 1024, as in Slurm.
    ///
    /// # Errors
    /// If it is none of them, or nothing.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mib = Self::mib(text).with_context(|| {
            format!("cluster.memory: `{text}` is no amount; expected a whole number and M, G or T, as in `32G`")
        })?;
        if mib == 0 {
            bail!("cluster.memory: `{text}` is nothing; leave the key out for the partition's default");
        }
        Ok(Self(mib))
    }

    fn mib(text: &str) -> Option<u64> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let scale = match &text[digits.len()..] {
            "" | "M" | "m" | "MiB" => 1,
            "G" | "g" | "GiB" => 1 << 10,
            "T" | "t" | "TiB" => 1 << 20,
            _ => return None,
        };
        let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        whole.then(|| digits.parse::<u64>().ok()?.checked_mul(scale)).flatten()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_read_as_slurm_reads_them() {
        for (text, seconds) in [
            ("90", 5400),
            ("90:30", 5430),
            ("2:00:05", 7205),
            ("1-12", 129_600),
            ("1-12:30", 131_400),
            ("0-00:00:59", 59),
        ] {
            assert_eq!(TimeLimit::parse(text).unwrap(), TimeLimit(seconds), "{text}");
        }
        assert_eq!(TimeLimit(131_405).to_string(), "1-12:30:05");
        for bad in ["", "4h", "1:2:3:4", "-5", "1-", "::", "+3", "99999999999999999999"] {
            let message = TimeLimit::parse(bad).unwrap_err().to_string();
            assert!(message.contains("days-hours:minutes:seconds"), "{message}");
        }
        assert!(TimeLimit::parse("0").is_err());
    }

    #[test]
    fn memory_is_in_mib() {
        for (text, mib) in [("500", 500), ("32G", 32 << 10), ("1T", 1 << 20), ("8GiB", 8 << 10)] {
            assert_eq!(Memory::parse(text).unwrap(), Memory(mib), "{text}");
        }
        for bad in ["", "G", "1.5G", "32 G", "32GB", "-1", "99999999999999T"] {
            let message = Memory::parse(bad).unwrap_err().to_string();
            assert!(message.contains("as in `32G`"), "{message}");
        }
    }
}
