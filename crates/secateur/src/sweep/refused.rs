//! Refusals that know which part of the sweep file they are about.

use std::fmt;
use std::path::Path;

use secateur_datasets::toml_place::{Spot, refusal};

use crate::message;

/// Something that stands in the file.
#[derive(Debug)]
pub struct Refused {
    spot: Spot,
    message: String,
}

impl Refused {
    /// About what stands there.
    pub fn at(spot: Spot, message: impl Into<String>) -> anyhow::Error {
        let message = message.into();
        Self { spot, message }.into()
    }

    /// An error that what stands there led to; one that knows its own place keeps it.
    pub fn because_of(spot: Spot, error: impl Into<anyhow::Error>) -> anyhow::Error {
        let error = error.into();
        if error.is::<Self>() {
            error
        } else {
            Self::at(spot, message(&error))
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

/// The error with its place in the file's text, if it is a [`Refused`]; another as it is. Without the text, which a sweep that is run
/// again from its records has not, the file is named alone.
pub fn placed(error: anyhow::Error, file: &Path, text: &str) -> anyhow::Error {
    match error.downcast::<Refused>() {
        Ok(refused) => {
            let place = refused.spot.find(text);
            anyhow::Error::msg(refusal(file, text, place, &refused.message))
        }
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_points_into_the_file() {
        let file = Path::new("s.toml");
        let ratio = || Spot::key("ratios").value("1");
        let refused = || Refused::at(ratio(), "ratios: 1 is too much");
        assert_eq!(
            placed(refused(), file, "name = \"a\"\nratios = [0.5, 1.0]\n").to_string(),
            "s.toml, line 2, column 16: ratios: 1 is too much\n2 | ratios = [0.5, 1.0]\n  |                ^^^"
        );
        assert_eq!(placed(refused(), file, "").to_string(), "s.toml: ratios: 1 is too much");
        assert_eq!(placed(anyhow::anyhow!("no"), file, "a = 1").to_string(), "no");
    }

    #[test]
    fn the_inner_place_stays() {
        let (file, text) = (Path::new("s.toml"), "a = 1\nb = 2\n");
        let inner = Refused::because_of(Spot::key("b"), anyhow::anyhow!("no"));
        let outer = Refused::because_of(Spot::key("a"), inner);
        assert!(
            placed(outer, file, text)
                .to_string()
                .starts_with("s.toml, line 2, column 5: no")
        );
    }
}
