//! What a file may say of how a server is asked, with the same bounds for all who ask.

use crate::address::is_variable;

/// How often, how many at a time and how patiently a server is asked.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// Environment variable that holds the API key.
    pub api_key_env: Option<&'a str>,
    /// Requests under way at the same time.
    pub concurrency: usize,
    /// Most requests per minute.
    pub requests_per_minute: Option<f64>,
    /// Longest time for one request, in seconds.
    pub timeout_s: f64,
    /// Attempts per request, the first included.
    pub attempts: u32,
    /// Wait before the second attempt, in seconds.
    pub first_wait_s: f64,
}

/// A setting that is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfBounds {
    /// The setting, as it is written.
    pub setting: &'static str,
    /// What it is. What may be a key is not repeated.
    pub found: String,
    /// What it should be.
    pub expected: &'static str,
}

impl Limits<'_> {
    /// Checks every field.
    ///
    /// # Errors
    /// [`OutOfBounds`] for the first that makes no sense.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        if self.api_key_env.is_some_and(|name| !is_variable(name)) {
            return Err(OutOfBounds {
                setting: "api_key_env",
                found: "something else".to_owned(),
                expected: "the name of an environment variable, not the key",
            });
        }
        let within = |value: f64, most: f64| value > 0.0 && value <= most;
        let rate = self.requests_per_minute;
        let numbers = [
            (
                "concurrency",
                self.concurrency as f64,
                (1..=1024).contains(&self.concurrency),
                "1 to 1024",
            ),
            (
                "attempts",
                f64::from(self.attempts),
                (1..=20).contains(&self.attempts),
                "1 to 20",
            ),
            (
                "timeout_s",
                self.timeout_s,
                within(self.timeout_s, 86_400.0),
                "seconds, up to a day",
            ),
            (
                "first_wait_s",
                self.first_wait_s,
                within(self.first_wait_s, 60.0),
                "seconds, up to 60",
            ),
            (
                "requests_per_minute",
                rate.unwrap_or_default(),
                rate.is_none_or(|rate| (0.01..=1e6).contains(&rate)),
                "0.01 to 1000000",
            ),
        ];
        match numbers.into_iter().find(|(_, _, allowed, _)| !allowed) {
            Some((setting, found, _, expected)) => Err(OutOfBounds {
                setting,
                found: found.to_string(),
                expected,
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let usual = Limits {
            api_key_env: Some("KEY"),
            concurrency: 4,
            requests_per_minute: None,
            timeout_s: 120.0,
            attempts: 6,
            first_wait_s: 1.0,
        };
        usual.check().unwrap();
        let refused = |limits: Limits<'_>| limits.check().unwrap_err().setting;
        for concurrency in [0, 1025] {
            assert_eq!(refused(Limits { concurrency, ..usual }), "concurrency");
        }
        assert_eq!(refused(Limits { attempts: 21, ..usual }), "attempts");
        for timeout_s in [0.0, f64::NAN, f64::INFINITY] {
            assert_eq!(refused(Limits { timeout_s, ..usual }), "timeout_s");
        }
        let requests_per_minute = Some(0.0);
        assert_eq!(
            refused(Limits {
                requests_per_minute,
                ..usual
            }),
            "requests_per_minute"
        );
        let first_wait_s = -1.0;
        assert_eq!(refused(Limits { first_wait_s, ..usual }), "first_wait_s");
        let api_key_env = Some("sk-secret");
        let error = Limits { api_key_env, ..usual }.check().unwrap_err();
        assert!(error.setting == "api_key_env" && !error.found.contains("secret"));
    }
}
