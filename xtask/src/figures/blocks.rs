//! Text between marks in Markdown files: `<!-- figures: NAME -->` … `<!-- figures end -->`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::numbers::Numbers;

const END: &str = "<!-- figures end -->";

type Make = fn(&Numbers) -> anyhow::Result<String>;

/// Which file shows which numbers.
const BLOCKS: [(&str, &[(&str, Make)]); 3] = [
    (
        "README.md",
        &[("quarter", Numbers::quarter), ("skills", Numbers::skills)],
    ),
    ("docs/src/demo.md", &[("shares", Numbers::shares)]),
    ("docs/src/methods.md", &[("methods", Numbers::methods)]),
];

/// A file as it is, and as it should be.
pub(super) struct Page {
    pub path: PathBuf,
    pub found: String,
    pub made: String,
}

/// All files that show numbers.
///
/// # Errors
/// If a file cannot be read or lacks a mark, or a number is missing.
pub(super) fn pages(numbers: &Numbers, root: &Path) -> anyhow::Result<Vec<Page>> {
    let page = |(file, blocks): &(&str, &[(&str, Make)])| {
        let path = root.join(file);
        let found = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut made = found.clone();
        for (name, make) in *blocks {
            made = replaced(&made, name, &make(numbers)?).with_context(|| (*file).to_owned())?;
        }
        Ok(Page { path, found, made })
    };
    BLOCKS.iter().map(page).collect()
}

/// `text` with `content`, which ends in a line break, between the marks of `name`.
fn replaced(text: &str, name: &str, content: &str) -> anyhow::Result<String> {
    let begin = format!("<!-- figures: {name} -->\n");
    let Some((before, rest)) = text.split_once(&begin) else {
        bail!("there is no line `{}`", begin.trim_end());
    };
    let Some((_, after)) = rest.split_once(END) else {
        bail!("no `{END}` follows `{}`", begin.trim_end());
    };
    // Empty lines, so that a table and a paragraph are read as such.
    Ok(format!("{before}{begin}\n{content}\n{END}{after}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = "a\n<!-- figures: x -->\nold\n<!-- figures end -->\nb <!-- figures: y -->\n<!-- figures end -->\n";
        let made = replaced(text, "x", "new\n").unwrap();
        assert_eq!(made, text.replace("old\n", "\nnew\n\n"));
        assert_eq!(replaced(&made, "x", "new\n").unwrap(), made);
        let missing = replaced(text, "z", "").unwrap_err().to_string();
        assert_eq!(missing, "there is no line `<!-- figures: z -->`");
    }
}
