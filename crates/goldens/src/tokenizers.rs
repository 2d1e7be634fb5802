//! Encoding and decoding of tokenizers (`tokenizers/STYLE/`): ids, tokens, offsets and text, all exact.

use std::fs;
use std::path::Path;

use secateur_model::text::Tokenizer;
use serde::Deserialize;

use crate::Report;

#[derive(Deserialize)]
struct Encodings {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    ids_special: Vec<u32>,
    tokens: Vec<String>,
    /// In characters of the text.
    offsets: Vec<(usize, usize)>,
    decoded_skip_special: String,
    decoded_keep_special: String,
}

/// What is compared, and what a case says about it.
type Aspect = (&'static str, fn(&Tokenizer, &Case) -> Result<Option<String>, String>);

const ASPECTS: &[Aspect] = &[
    ("ids", |tokenizer, case| {
        differs(tokenizer.encode(&case.text, false), &case.ids)
    }),
    ("ids_special", |tokenizer, case| {
        differs(tokenizer.encode(&case.text, true), &case.ids_special)
    }),
    ("tokens", |tokenizer, case| {
        differs(
            tokenizer
                .encode_detailed(&case.text, false)
                .map(|encoded| encoded.tokens),
            &case.tokens,
        )
    }),
    ("offsets", |tokenizer, case| {
        differs(
            tokenizer
                .encode_detailed(&case.text, false)
                .map(|encoded| encoded.offsets),
            &case.offsets,
        )
    }),
    ("decoded_skip_special", |tokenizer, case| {
        differs(tokenizer.decode(&case.ids_special, true), &case.decoded_skip_special)
    }),
    ("decoded_keep_special", |tokenizer, case| {
        differs(tokenizer.decode(&case.ids_special, false), &case.decoded_keep_special)
    }),
    ("streamed", |tokenizer, case| {
        differs(streamed(tokenizer, &case.ids_special), &case.decoded_keep_special)
    }),
];

/// Checks one directory with `tokenizer.json` and `encodings.json`; its name becomes part of the checks' names.
pub fn check(directory: &Path, report: &mut Report) {
    let style = directory
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let name = |aspect: &str| format!("tokenizers/{style}/{aspect}");
    let encodings = match read(directory) {
        Ok(encodings) => encodings,
        Err(reason) => return report.broken(name("encodings"), reason),
    };
    let tokenizer = match Tokenizer::open(directory) {
        Ok(tokenizer) => tokenizer,
        Err(error) => return report.broken(name("load"), error),
    };
    for (aspect, compare) in ASPECTS {
        let first = encodings.cases.iter().find_map(|case| {
            let difference = compare(&tokenizer, case).unwrap_or_else(Some)?;
            Some(format!("of {:?}: {difference}", case.text))
        });
        report.exact(name(aspect), encodings.cases.len(), first);
    }
}

fn read(directory: &Path) -> Result<Encodings, String> {
    let file = directory.join("encodings.json");
    let text = fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

/// A sentence if the two differ.
fn differs<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(
    found: Result<T, impl std::fmt::Display>,
    expected: &U,
) -> Result<Option<String>, String> {
    let found = found.map_err(|error| error.to_string())?;
    Ok((found != *expected).then(|| format!("found {found:?}, expected {expected:?}")))
}

/// Decoded token by token.
fn streamed(tokenizer: &Tokenizer, ids: &[u32]) -> Result<String, secateur_model::text::TextError> {
    let mut stream = tokenizer.stream(false);
    for &id in ids {
        stream.push(id)?;
    }
    stream.finish()?;
    Ok(stream.text().to_owned())
}
