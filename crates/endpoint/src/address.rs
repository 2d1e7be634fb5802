//! The address of a server, as a file writes it.

use url::Url;

/// Reads a base address as `http://localhost:8000/v1`, a slash at its end more or less, and adds `path` to it.
///
/// # Errors
/// What was found instead. A user or password is not repeated: the address is written into records.
pub fn base_address(written: &str, path: &str) -> Result<Url, String> {
    let base = written.trim_end_matches('/');
    let url = Url::parse(&format!("{base}{path}")).map_err(|error| format!("`{base}` ({error})"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address with a user or password, which would be written into records".into());
    }
    let is_base = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    if !is_base || url.host_str().is_none() || base.ends_with(path) {
        return Err(format!("`{base}`"));
    }
    Ok(url)
}

/// Whether this can be the name of an environment variable. What is written in its place may be the key itself, so it must
/// not be repeated where it cannot.
#[must_use]
pub fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_slash_more_or_less_is_the_same_address() {
        for written in ["http://localhost:8000/v1", "http://localhost:8000/v1//"] {
            let url = base_address(written, "/completions").unwrap();
            assert_eq!(url.as_str(), "http://localhost:8000/v1/completions");
        }
    }

    #[test]
    fn what_is_no_base_address_is_refused_without_secrets() {
        for written in [
            "ftp://x",
            "localhost:8000",
            "http://x/v1/completions",
            "https://x/v1?key=1",
            "",
        ] {
            assert!(base_address(written, "/completions").is_err(), "{written}");
        }
        let message = base_address("https://me:hidden@x/v1", "/completions").unwrap_err();
        assert!(!message.contains("hidden"));
        assert!(is_variable("OPENAI_API_KEY") && !is_variable("sk-secret") && !is_variable(""));
    }
}
