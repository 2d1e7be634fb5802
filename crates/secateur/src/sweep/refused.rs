//! Refusals that know the key of the sweep file they are about.

use std::fmt;
use std::path::Path;

use secateur_datasets::toml_place::{place_of, refusal};

/// Something that stands in the file.
#[derive(Debug)]
pub struct Refused {
    key: &'static str,
    value: String,
    message: String,
}

impl Refused {
    /// About `value` under the top-level key `key`, or about the key where the value is empty.
    pub fn at(key: &'static str, value: &str, message: String) -> anyhow::Error {
        Self {
            key,
            value: value.to_owned(),
            message,
        }
        .into()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

/// The error with its place in the file's text, where it has one, and with the file's name in any case.
pub fn placed(error: anyhow::Error, file: &Path, text: &str) -> anyhow::Error {
    match error.downcast::<Refused>() {
        Ok(refused) => {
            let place = place_of(text, refused.key, &refused.value);
            anyhow::Error::msg(refusal(file, text, place, &refused.message))
        }
        Err(error) => error.context(file.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_points_into_the_file() {
        let file = Path::new("s.toml");
        let refused = || Refused::at("ratios", "1", "ratios: 1 is too much".to_owned());
        assert_eq!(
            placed(refused(), file, "name = \"a\"\nratios = [0.5, 1.0]\n").to_string(),
            "s.toml, line 2, column 16: ratios: 1 is too much\n2 | ratios = [0.5, 1.0]\n  |                ^^^"
        );
        assert_eq!(placed(refused(), file, "").to_string(), "s.toml: ratios: 1 is too much");
        let other = placed(anyhow::anyhow!("no"), file, "");
        assert_eq!(crate::message(&other), "s.toml: no");
    }
}
