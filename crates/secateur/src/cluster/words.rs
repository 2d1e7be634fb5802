//! Words that are safe in a shell, in an `#SBATCH` line and in a manifest.

use anyhow::bail;

/// Quotes a word for bash and for `#SBATCH` lines, which know quotes and no backslash inside them.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r#"'"'"'"#))
}

/// Words of a command, quoted.
#[must_use]
pub fn command(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// Refuses a value that could end its line or hide in it.
///
/// # Errors
/// If it is empty or holds a control character.
pub fn check_text(key: &str, value: &str) -> anyhow::Result<()> {
    if value.trim().is_empty() {
        bail!("cluster.{key}: the value is empty; leave the key out instead");
    }
    if let Some(bad) = value.chars().find(|c| c.is_control()) {
        bail!("cluster.{key}: {value:?} holds the control character {bad:?}; write it on one line");
    }
    Ok(())
}

/// Accepts what schedulers call things by: letters, digits and the characters of `also`, the first no dash.
///
/// # Errors
/// Names the first character that is neither.
pub fn check_name(key: &str, value: &str, also: &str) -> anyhow::Result<()> {
    check_text(key, value)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
    if let Some(bad) = value.chars().find(|&c| !allowed(c)) {
        bail!("cluster.{key}: `{value}` holds `{bad}`; letters, digits and `{also}` can stand there");
    }
    if value.starts_with('-') {
        bail!("cluster.{key}: `{value}` starts with a dash and would be read as an option");
    }
    Ok(())
}

/// A name that a scheduler's object can carry: lower-case letters, digits and dashes, at most 40 characters.
#[must_use]
pub fn label(name: &str) -> String {
    let replaced: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .take(40)
        .collect();
    replaced.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_shell_reads_a_quoted_word_as_it_was() {
        for word in [
            "plain/path-1.toml",
            "two words",
            "it's",
            "$(reboot)",
            "a\"b`c`\\",
            "",
            "*",
        ] {
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(word))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
        assert_eq!(quoted("plain/path-1.toml"), "plain/path-1.toml");
    }

    #[test]
    fn names_are_refused_with_the_character() {
        let message = check_name("partition", "gpu; rm -rf /", "-_.").unwrap_err().to_string();
        assert_eq!(
            message,
            "cluster.partition: `gpu; rm -rf /` holds `;`; letters, digits and `-_.` can stand there"
        );
        assert!(check_name("account", "--wrap", "-").is_err());
        assert!(check_name("qos", " ", "-").is_err());
        assert!(check_text("program", "a\nb").is_err());
    }

    #[test]
    fn labels_suit_a_host_name() {
        assert_eq!(label("Demo_2.tiny-"), "demo-2-tiny");
    }
}
