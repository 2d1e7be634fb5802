//! When the next request may go out: the limit per minute, waits that the endpoint asks for, and backoff.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

/// Longest wait between two attempts of this program's own accord.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);
/// How often a wait looks whether it should stop.
const GLANCE: Duration = Duration::from_millis(20);

/// The pace that all threads of one client share.
#[derive(Debug)]
pub struct Pace {
    gap: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// At most so many requests per minute, evenly spaced.
    #[must_use]
    pub fn new(requests_per_minute: Option<f64>) -> Self {
        Self {
            gap: requests_per_minute.map_or(Duration::ZERO, |limit| Duration::from_secs_f64(60.0 / limit)),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Takes the next turn: the request may go out then.
    #[must_use]
    pub fn turn(&self) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = Instant::now().max(*next);
        *next = turn + self.gap;
        turn
    }

    /// Nobody's turn comes before `wait` is over.
    pub fn hold(&self, wait: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now() + wait);
    }
}

/// Waits, and says whether the time has come rather than the word to stop.
#[must_use]
pub fn wait_until(then: Instant, should_stop: &(dyn Fn() -> bool + Sync)) -> bool {
    loop {
        if should_stop() {
            return false;
        }
        let left = then.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(GLANCE));
    }
}

/// The wait after the `failed`-th attempt (from 1): doubled each time, times a factor in [½, 1½) drawn by the question's key, so
/// that threads that failed together do not come back together, and a run can be repeated.
#[must_use]
pub fn backoff(first: Duration, failed: u32, key: &str) -> Duration {
    let doubled = first.saturating_mul(1 << (failed - 1).min(20)).min(LONGEST_BACKOFF);
    let digest = Sha256::digest(format!("{key}:{failed}"));
    let draw = f64::from(u16::from_be_bytes([digest[0], digest[1]])) / 65_536.0;
    doubled.mul_f64(0.5 + draw)
}

/// `Retry-After`: seconds, or a date as HTTP writes it (`Sun, 06 Nov 1994 08:49:37 GMT`).
#[must_use]
pub fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = UNIX_EPOCH + Duration::from_secs(http_date(text)?);
    Some(at.duration_since(now).unwrap_or(Duration::ZERO))
}

/// Seconds since 1970.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let mut part = || clock.next()?.ok();
    let seconds = part()? * 3600 + part()? * 60 + part()?;
    let plausible = (1..=31).contains(&day) && (1970..3000).contains(&year) && words.next() == Some("GMT");
    // Days of the civil calendar, years beginning with March.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    // 719468 days from the calendar's beginning to 1970.
    (plausible && seconds < 86_400 + 60).then(|| days.checked_sub(719_468).map(|days| days * 86_400 + seconds))?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn dates_and_seconds() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
        let wait = |text: &str| retry_after(text, now);
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait(" 12 "), Some(Duration::from_secs(12)));
        for nonsense in [
            "",
            "soon",
            "-1",
            "Sun, 06 Xov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 anF 1994 08:49:37 GMT",
        ] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn backoff_doubles_within_its_jitter_and_repeats() {
        let first = Duration::from_secs(1);
        for failed in 1..=12 {
            let wait = backoff(first, failed, "key").as_secs_f64();
            let doubled = f64::from(1 << (failed - 1)).min(60.0);
            assert!(wait >= doubled * 0.5 && wait < doubled * 1.5);
            assert_eq!(backoff(first, failed, "key"), backoff(first, failed, "key"));
        }
        assert_ne!(backoff(first, 1, "key"), backoff(first, 1, "other"));
    }

    #[test]
    fn turns_are_spaced_and_can_be_held() {
        let pace = Pace::new(Some(600.0));
        let (a, b) = (pace.turn(), pace.turn());
        assert!(b - a >= Duration::from_millis(100));
        pace.hold(Duration::from_mins(1));
        assert!(pace.turn() - b > Duration::from_secs(50));
        assert!(!wait_until(Instant::now() + Duration::from_mins(1), &|| true));
    }
}
