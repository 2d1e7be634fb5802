//! Style and script of the page. The script is plain JavaScript with types in comments, a file per idea; all of it is one scope.

/// Style sheet.
pub(super) const STYLE: &str = include_str!("assets/page.css");

const SCRIPTS: [&str; 9] = [
    include_str!("assets/dom.js"),
    include_str!("assets/data.js"),
    include_str!("assets/downloads.js"),
    include_str!("assets/tables.js"),
    include_str!("assets/drawing.js"),
    include_str!("assets/chart.js"),
    include_str!("assets/words.js"),
    include_str!("assets/items.js"),
    include_str!("assets/page.js"),
];

/// The script.
pub(super) fn script() -> String {
    // Lines that end otherwise on other systems would give the page another hash there.
    let all = SCRIPTS.join("\n").replace('\r', "");
    format!("\"use strict\";\n(() => {{\n{all}}})();\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_the_elements_that_hold_them() {
        assert!(!script().contains("</script") && !script().contains("<!--"));
        assert!(!STYLE.contains("</style"));
    }

    #[test]
    fn nothing_asks_for_a_network() {
        for word in ["fetch(", "XMLHttpRequest", "import(", "@import", "url("] {
            assert!(!script().contains(word) && !STYLE.contains(word), "{word}");
        }
        // Names of XML namespaces look like addresses.
        let namespaces = script().replace("http://www.w3.org/2000/svg", "");
        assert!(!namespaces.contains("http"));
    }
}
