//! What papers say below a figure: a file beside the pictures, because those have no titles.

use std::fmt::Write;

use super::gallery::Figure;
use super::page::markdown;
use crate::charts::canvas::Canvas;
use crate::store::Store;

/// The captions of all figures that are drawn for papers, as Markdown.
pub(super) fn captions(store: &Store, command: &str, figures: &[Figure]) -> String {
    let mut text = format!(
        "# {}: figures\n\nOne column is 84 mm (3.3 in) wide, both are 175 mm (6.9 in). Include them unscaled: their texts are 7 to 8 pt high.\n\n\
         Made by: {}\n",
        markdown(&store.identity().name),
        markdown(command)
    );
    for figure in figures {
        let Some(printed) = &figure.printed else {
            continue;
        };
        let width = match printed.canvas {
            Canvas::Column => "one column",
            Canvas::Spread | Canvas::Page => "both columns",
        };
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n## {}\n\n{width}, `.pdf` and `.svg`\n\n{}",
            figure.name,
            caption(figure)
        );
        for basis in &printed.bases {
            let _ = write!(text, "\n- {}", markdown(basis));
        }
        text.push('\n');
    }
    text
}

/// The title, the line below it and how to read the chart.
fn caption(figure: &Figure) -> String {
    let mut words = format!("**{}.**", markdown(&figure.title));
    for more in [figure.line.as_str(), figure.reading] {
        if !more.is_empty() {
            words.push(' ');
            words.push_str(&markdown(more));
        }
    }
    words.push('\n');
    words
}
