//! A file over HTTP: resumed, tried again, verified, and only then given its name.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::Watcher;
use crate::error::FetchError;
use crate::landing::{Landing, Mark};
use crate::session::{Body, Resume, Session, Trouble};
use crate::settings::Settings;

/// A file to be had.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// How it is called to the watcher.
    pub name: &'a str,
    /// Where it is.
    pub url: &'a str,
    /// Where it goes.
    pub target: &'a Path,
    /// Its size in bytes, where known.
    pub bytes: Option<u64>,
    /// Its SHA-256, where known.
    pub sha256: Option<&'a str>,
}

/// A file that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// Downloads a file, over an older one of that name.
///
/// # Errors
/// If the server does not give it, size or checksum differ, or it cannot be written. After trouble that may pass, what arrived is
/// kept under a temporary name for the next call.
pub fn download(settings: &Settings, wanted: Wanted<'_>, watcher: &mut dyn Watcher) -> Result<Received, FetchError> {
    let (landing, mark) = Landing::open(wanted.target, wanted.url)?;
    let resumed = landing.length() > 0;
    watcher.begins(wanted.name, wanted.bytes, landing.length());
    let mut transfer = Transfer {
        session: Session { settings },
        wanted,
        landing,
        mark,
        resumed,
    };
    let result = transfer.complete(watcher);
    watcher.ends();
    match result {
        Ok(received) => {
            transfer.landing.publish()?;
            Ok(received)
        }
        Err(error) => {
            if matches!(error, FetchError::Size { .. } | FetchError::Checksum { .. }) {
                transfer.landing.discard();
            }
            Err(error)
        }
    }
}

struct Transfer<'a> {
    session: Session<'a>,
    wanted: Wanted<'a>,
    landing: Landing,
    mark: Option<Mark>,
    /// Part of it is from an earlier attempt.
    resumed: bool,
}

impl Transfer<'_> {
    /// All bytes, as the card wants them. Halves that do not fit together are fetched again as a whole, once.
    fn complete(&mut self, watcher: &mut dyn Watcher) -> Result<Received, FetchError> {
        self.receive(watcher)?;
        match self.verify() {
            Err(FetchError::Checksum { .. } | FetchError::Size { .. }) if self.resumed => {
                watcher.note("the parts do not fit together: fetching the whole file again");
                self.start_over()?;
                self.receive(watcher)?;
                self.verify()
            }
            verdict => verdict,
        }
    }

    fn verify(&self) -> Result<Received, FetchError> {
        let (bytes, sha256) = (self.landing.length(), self.landing.sha256());
        if let Some(expected) = self.wanted.bytes.filter(|&expected| expected != bytes) {
            return Err(self.size(format!("{bytes} bytes"), expected));
        }
        match self.wanted.sha256 {
            Some(expected) if !expected.eq_ignore_ascii_case(&sha256) => Err(FetchError::Checksum {
                url: self.wanted.url.to_owned(),
                found: sha256,
                expected: expected.to_owned(),
            }),
            _ => Ok(Received { bytes, sha256 }),
        }
    }

    fn size(&self, found: String, expected: u64) -> FetchError {
        FetchError::Size {
            url: self.wanted.url.to_owned(),
            found,
            expected,
        }
    }

    fn start_over(&mut self) -> Result<(), FetchError> {
        self.mark = None;
        self.resumed = false;
        self.landing.restart()
    }

    /// Reads until the end, again and again while there is progress or patience.
    fn receive(&mut self, watcher: &mut dyn Watcher) -> Result<(), FetchError> {
        let settings = self.session.settings;
        let mut fruitless = 0;
        loop {
            let before = self.landing.length();
            let (reason, wait) = match self.attempt(watcher) {
                Ok(()) => return Ok(()),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Range) => {
                    self.start_over()?;
                    ("the part asked for does not exist: starting over".to_owned(), None)
                }
                Err(Trouble::Passing { reason, wait }) => (reason, wait),
            };
            fruitless = if self.landing.length() > before {
                1
            } else {
                fruitless + 1
            };
            if fruitless > settings.retries {
                return Err(FetchError::GaveUp {
                    url: self.wanted.url.to_owned(),
                    reason,
                    attempts: fruitless,
                });
            }
            let pause = pause(settings, fruitless, wait);
            watcher.note(&format!(
                "{}: {reason}; trying again in {:.0} s",
                self.wanted.name,
                pause.as_secs_f64()
            ));
            std::thread::sleep(pause);
        }
    }

    fn attempt(&mut self, watcher: &mut dyn Watcher) -> Result<(), Trouble> {
        let have = self.landing.length();
        if have > 0 && self.mark.is_none() {
            self.start_over().map_err(Trouble::Final)?;
        }
        if Some(have) == self.wanted.bytes && have > 0 {
            return Ok(()); // all of it arrived before the last attempt ended
        }
        let resume = self.mark.as_ref().filter(|_| have > 0).map(|mark| Resume {
            from: have,
            validator: &mark.validator,
        });
        let body = self.session.get(self.wanted.url, resume)?;
        if body.start == 0 && have > 0 {
            watcher.note("the server sends the whole file again");
            self.start_over().map_err(Trouble::Final)?;
        }
        self.resumed |= body.start > 0;
        self.accept_size(&body)?;
        self.mark = body.validator.clone().map(|validator| Mark {
            url: self.wanted.url.to_owned(),
            validator,
        });
        if let Some(mark) = &self.mark {
            self.landing.mark(mark).map_err(Trouble::Final)?;
        }
        watcher.begins(self.wanted.name, body.size.or(self.wanted.bytes), self.landing.length());
        self.pour(body, watcher)
    }

    /// A size that the card does not allow is refused before the first byte.
    fn accept_size(&self, body: &Body) -> Result<(), Trouble> {
        let Some(size) = body.size else { return Ok(()) };
        match self.wanted.bytes {
            Some(expected) if expected != size => Err(Trouble::Final(self.size(format!("{size} bytes"), expected))),
            None if size > self.session.settings.largest => {
                let limit = self.session.settings.largest;
                Err(Trouble::Final(self.size(format!("{size} bytes"), limit)))
            }
            _ => Ok(()),
        }
    }

    fn pour(&mut self, mut body: Body, watcher: &mut dyn Watcher) -> Result<(), Trouble> {
        let limit = body.size.or(self.wanted.bytes).unwrap_or(self.session.settings.largest);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = match body.reader.read(&mut buffer) {
                Ok(n) => n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let reason = format!("the connection broke after {} bytes ({error})", self.landing.length());
                    return Err(Trouble::Passing { reason, wait: None });
                }
            };
            if n == 0 {
                break;
            }
            if self.landing.length() + n as u64 > limit {
                return Err(Trouble::Final(self.size(format!("more than {limit} bytes"), limit)));
            }
            self.landing.append(&buffer[..n]).map_err(Trouble::Final)?;
            watcher.reached(self.landing.length());
        }
        let length = self.landing.length();
        match body.size.or(self.wanted.bytes) {
            Some(size) if length < size => Err(Trouble::Passing {
                reason: format!("the server stopped after {length} of {size} bytes"),
                wait: None,
            }),
            _ => Ok(()),
        }
    }
}

/// The wait before the next attempt: what the server asks for, else doubled each time.
fn pause(settings: &Settings, fruitless: u32, asked: Option<Duration>) -> Duration {
    let doubled = settings
        .backoff
        .saturating_mul(1 << fruitless.saturating_sub(1).min(16));
    asked.unwrap_or(doubled).min(settings.longest_wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_servers_are_heard() {
        let settings = Settings::default();
        assert_eq!(pause(&settings, 1, None), Duration::from_secs(1));
        assert_eq!(pause(&settings, 4, None), Duration::from_secs(8));
        assert_eq!(pause(&settings, 40, None), settings.longest_wait);
        assert_eq!(
            pause(&settings, 1, Some(Duration::from_secs(7))),
            Duration::from_secs(7)
        );
        assert_eq!(
            pause(&settings, 1, Some(Duration::from_hours(9))),
            settings.longest_wait
        );
    }
}
