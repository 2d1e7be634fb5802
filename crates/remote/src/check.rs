//! Whether a store keeps its word: asked once by each worker, before anything rests on it.

use std::hash::{BuildHasher, RandomState};
use std::sync::PoisonError;
use std::time::Instant;

use crate::error::Error;
use crate::remote::Remote;

impl Remote {
    /// Tries conditional writes on an object of our own, and sets our watch by the store's.
    ///
    /// # Errors
    /// [`Error::NoConditionalPut`]; what keeps us from writing at all.
    pub fn check(&self) -> Result<(), Error> {
        let name = format!(".check-{:016x}", RandomState::new().hash_one(std::process::id()));
        let objects = self.objects.as_ref();
        let tried = |made: &mut bool| {
            let first = objects.create(&name, b"1")?;
            *made = true;
            let Some(first) = first else {
                return Ok(Err("an object cannot be made where there is none"));
            };
            let at = Instant::now();
            let Some(found) = objects.get(&name)? else {
                return Ok(Err("an object cannot be read just after it was written"));
            };
            if objects.create(&name, b"2")?.is_some() {
                return Ok(Err("an object was made where there was one"));
            }
            if objects.replace(&name, b"3", &first)?.is_none() {
                return Ok(Err("an object cannot be replaced"));
            }
            if objects.replace(&name, b"4", &first)?.is_some() {
                return Ok(Err("an object was replaced that was another by then"));
            }
            Ok(Ok((at, found.stamp.modified)))
        };
        let mut made = false;
        let outcome = tried(&mut made);
        if made {
            let _ = objects.delete(&name);
        }
        match outcome? {
            Ok(clock) => {
                *self.keeper.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock);
                Ok(())
            }
            Err(found) => Err(Error::NoConditionalPut {
                url: self.address().to_owned(),
                found: found.to_owned(),
            }),
        }
    }
}
