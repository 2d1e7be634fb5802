//! The fields of a reply that should be a dictionary: JSON or Python, whole or cut off at the token limit.
//!
//! What is between the outermost braces is read as a Python literal or as JSON. Where it is neither, quoted keys and their values are
//! read one after the other; a quoted value ends at its own quotation mark, not at its first comma, and one that is cut off is
//! left out.

use secateur_datasets::python::json::loads;
use secateur_datasets::python::literal::literal_eval;
use secateur_datasets::python::value::PyValue;

/// Names and values as text, in order.
pub(super) type Fields = Vec<(String, String)>;

/// What a reply says; empty where nothing can be read.
pub(super) fn fields(reply: &str) -> Fields {
    let reply = reply.split("Stop Here").next().unwrap_or_default();
    let Some(start) = reply.find('{') else {
        return Fields::new();
    };
    let body = &reply[start..];
    if let Some(end) = body.rfind('}') {
        let whole = &body[..=end];
        let parsed = literal_eval(whole).ok().or_else(|| loads(whole).ok());
        if let Some(PyValue::Dict(entries)) = parsed {
            return entries
                .iter()
                .map(|(key, value)| (key.to_text(), value.to_text()))
                .collect();
        }
    }
    pairs(body)
}

/// The first value of one of `names`, in the order of `names`, that is not blank.
pub(super) fn first_of<'a>(fields: &'a Fields, names: &[&str]) -> Option<&'a str> {
    let value = |name: &&str| {
        fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    names.iter().filter_map(value).find(|value| !value.trim().is_empty())
}

fn pairs(body: &str) -> Fields {
    let mut fields = Fields::new();
    let mut rest = body;
    while let Some(at) = rest.find(['"', '\'']) {
        let Some((key, after)) = quoted(&rest[at..], ":") else {
            rest = &rest[at + 1..];
            continue;
        };
        let value_start = after.trim_start().strip_prefix(':').map_or("", str::trim_start);
        let (value, next) = if value_start.starts_with(['"', '\'']) {
            match quoted(value_start, ",}\n") {
                Some((value, next)) => (value, next),
                None => break,
            }
        } else {
            match value_start.find([',', '}', '\n']) {
                Some(end) => (value_start[..end].trim().to_owned(), &value_start[end..]),
                None => break,
            }
        };
        fields.push((key, value));
        rest = next;
    }
    fields
}

/// Text in quotation marks at the start of `text`, up to the first mark of its kind that one of `ends` follows, and what follows.
fn quoted<'a>(text: &'a str, ends: &str) -> Option<(String, &'a str)> {
    let mark = text.chars().next()?;
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            value.push(if c == 'n' { '\n' } else { c });
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == mark && followed(&text[at + c.len_utf8()..], ends) {
            return Some((value, &text[at + c.len_utf8()..]));
        } else {
            value.push(c);
        }
    }
    None
}

fn followed(rest: &str, ends: &str) -> bool {
    let blank = |c: char| c == ' ' || c == '\t' || (c == '\n' && !ends.contains('\n'));
    rest.trim_start_matches(blank)
        .chars()
        .next()
        .is_some_and(|c| ends.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &str) -> String {
        let fields = fields(reply).into_iter().map(|(key, value)| format!("{key}={value};"));
        fields.collect()
    }

    #[test]
    fn whole_dictionaries() {
        assert_eq!(
            read("Sure: {'cop': 'a, b', 'cop_index': 3} done"),
            "cop=a, b;cop_index=3;"
        );
        assert_eq!(read("```json\n{\"url\": null}\n```"), "url=None;");
        assert_eq!(read("{\"a\": \"x\"} Stop Here {\"a\": \"y\"}"), "a=x;");
        assert_eq!(read("no braces"), "");
    }

    #[test]
    fn what_is_cut_off_gives_its_first_fields_whole() {
        assert_eq!(
            read("{\"paper_title\": \"Uptake of testing, a study\", \"why\": \"cut of"),
            "paper_title=Uptake of testing, a study;"
        );
        assert_eq!(
            read("{'cop': 'It's fine', 'cop_index': 2, 'why"),
            "cop=It's fine;cop_index=2;"
        );
        assert_eq!(read("{\"a\": \"say \\\"b\\\"\", \"c\": tru"), "a=say \"b\";");
        assert_eq!(read("{\"a\" \"b"), "");
    }

    #[test]
    fn the_first_name_that_is_filled_counts() {
        let found = fields("{'answer': ' ', 'cop': 'x'}");
        assert_eq!(first_of(&found, &["answer", "cop"]), Some("x"));
        assert_eq!(first_of(&found, &["url"]), None);
    }
}
