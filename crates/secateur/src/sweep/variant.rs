//! A pruning method by its name.

use anyhow::bail;
use secateur_datasets::error::nearest_hint;
use secateur_pruning::methods::{self, Method, Profile};

/// A method with the definition it is used in.
#[derive(Clone, Copy)]
pub struct Variant {
    /// The method.
    pub method: &'static dyn Method,
    /// Its definition.
    pub profile: Profile,
}

/// `reap` or `reap@paper`.
///
/// # Errors
/// If there is no such method, or it has no such profile.
pub fn variant(text: &str) -> anyhow::Result<Variant> {
    let (name, profile) = text.split_once('@').unwrap_or((text, ""));
    let method = methods::find(name).map_err(|error| {
        let hint = nearest_hint(name, methods::METHODS.iter().map(|method| method.name()));
        anyhow::anyhow!("{error}{hint}")
    })?;
    let profiles = method.profiles();
    let found = match profile {
        "" => profiles.first(),
        wanted => profiles.iter().find(|profile| profile.name() == wanted),
    };
    let Some(&profile) = found else {
        let known: Vec<String> = profiles
            .iter()
            .map(|profile| format!("{name}@{}", profile.name()))
            .collect();
        bail!(
            "`{text}`: no such profile{}; there are {}",
            nearest_hint(text, known.iter().map(String::as_str)),
            known.join(", ")
        );
    };
    Ok(Variant { method, profile })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::variant;

    #[test]
    fn a_wrong_name_is_answered_with_the_right_one() {
        let refused = |text: &str| variant(text).err().unwrap().to_string();
        assert!(refused("raep").contains("did you mean `reap`?"), "{}", refused("raep"));
        assert!(
            refused("reap@papr").contains("did you mean `reap@paper`?"),
            "{}",
            refused("reap@papr")
        );
        assert_eq!(variant("reap@paper").unwrap().profile.name(), "paper");
    }
}
