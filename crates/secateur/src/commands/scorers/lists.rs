//! Word lists for lexical scorers.

use anyhow::{Context, bail};
use secateur_datasets::error::nearest_hint;
use secateur_metrics::lexical::{WordLists, parse_list};

/// Largest list, in bytes.
const LARGEST: u64 = 256 << 20;

/// Reads `kind=file` arguments.
///
/// # Errors
/// If the kind is unknown, or the file cannot be read or holds something else than terms.
pub fn read(arguments: &[String]) -> anyhow::Result<WordLists> {
    let mut lists = WordLists::default();
    for argument in arguments {
        let Some((kind, path)) = argument.split_once('=') else {
            bail!("--list {argument}: found no `=`; expected names=FILE, drugs=FILE or genes=FILE");
        };
        let list = match kind {
            "names" => &mut lists.names,
            "drugs" => &mut lists.drugs,
            "genes" => &mut lists.genes,
            other => {
                let hint = nearest_hint(other, ["names", "drugs", "genes"]);
                bail!("--list {argument}: found the kind `{other}`; expected names, drugs or genes{hint}")
            }
        };
        let size = std::fs::metadata(path)
            .with_context(|| format!("cannot read the word list {path}"))?
            .len();
        if size > LARGEST {
            bail!("the word list {path} has {size} bytes; expected at most {LARGEST}");
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the word list {path}"))?;
        list.extend(parse_list(&text).with_context(|| format!("the word list {path}"))?);
    }
    Ok(lists)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_are_read_or_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("drugs.txt");
        std::fs::write(&path, "Aspirin\nbad\tterm\n").unwrap();
        let argument = |kind: &str| vec![format!("{kind}={}", path.display())];
        let message = |arguments: &[String]| crate::message(&read(arguments).unwrap_err());
        assert!(message(&argument("drugs")).contains("line 2"));
        assert!(message(&argument("germs")).contains("germs"));
        assert!(message(&["drugs".to_owned()]).contains("no `=`"));
        assert!(message(&["drugs=/nowhere".to_owned()]).contains("/nowhere"));
        std::fs::write(&path, "Aspirin\n").unwrap();
        assert!(read(&argument("drugs")).unwrap().drugs.contains("aspirin"));
    }
}
