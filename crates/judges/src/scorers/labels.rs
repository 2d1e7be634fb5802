//! Which class of a classifier means what.

use std::collections::BTreeMap;

/// Names that stand for entailment, in any case.
const ENTAILMENT: &[&str] = &[
    "entailment",
    "entail",
    "entails",
    "entailed",
    "supports",
    "support",
    "supported",
    "aligned",
    "consistent",
];
/// Names that stand for neither.
const NEUTRAL: &[&str] = &["neutral", "not enough info", "nei", "unknown"];
/// Names that stand for contradiction.
const CONTRADICTION: &[&str] = &[
    "contradiction",
    "contradict",
    "contradicts",
    "contradicted",
    "contradictory",
    "refutes",
    "refute",
    "refuted",
];

/// Positions of the classes among the logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NliLabels {
    /// The first text implies the second.
    pub entailment: usize,
    /// Neither; two-class models have none.
    pub neutral: Option<usize>,
    /// The second cannot be true if the first is; two-class models may have none.
    pub contradiction: Option<usize>,
}

/// The roles of classes named `names`, which are config.json's `id2label`; what the sweep file says (`given`) goes before.
///
/// # Errors
/// If no class is entailment, two have one role, or `given` has a role or a number that does not exist: what to write.
pub fn nli_labels(names: &[String], given: Option<&BTreeMap<String, usize>>) -> Result<NliLabels, String> {
    match given {
        Some(given) => given_labels(names, given),
        None => named_labels(names),
    }
}

fn named_labels(names: &[String]) -> Result<NliLabels, String> {
    let find = |role: &str, known: &[&str]| {
        let is = |name: &String| known.contains(&plain(name).as_str());
        let mut found = (0..names.len()).filter(|&at| is(&names[at]));
        match (found.next(), found.next()) {
            (at, None) => Ok(at),
            (Some(a), Some(b)) => Err(format!(
                "classes {a} and {b} of the model both mean {role} ({}); {}",
                listed(names),
                remedy(names)
            )),
            (None, Some(_)) => Ok(None),
        }
    };
    let entailment = find("entailment", ENTAILMENT)?;
    Ok(NliLabels {
        entailment: entailment.ok_or_else(|| {
            format!(
                "none of the model's classes ({}) is named entailment; {}",
                listed(names),
                remedy(names)
            )
        })?,
        neutral: find("neutral", NEUTRAL)?,
        contradiction: find("contradiction", CONTRADICTION)?,
    })
}

fn given_labels(names: &[String], given: &BTreeMap<String, usize>) -> Result<NliLabels, String> {
    let role = |role: &str| given.get(role).copied();
    if let Some(unknown) = given
        .keys()
        .find(|key| !["entailment", "neutral", "contradiction"].contains(&key.as_str()))
    {
        return Err(format!(
            "`labels` names `{unknown}`; expected `entailment`, `neutral` and `contradiction`"
        ));
    }
    if let Some((role, at)) = given.iter().find(|(_, at)| **at >= names.len()) {
        return Err(format!(
            "`labels` says {role} = {at}, but the model has classes 0 to {} ({})",
            names.len().saturating_sub(1),
            listed(names)
        ));
    }
    let distinct: std::collections::BTreeSet<usize> = given.values().copied().collect();
    if distinct.len() != given.len() {
        return Err("`labels` gives one class two meanings".to_owned());
    }
    Ok(NliLabels {
        entailment: role("entailment").ok_or("`labels` does not say which class is `entailment`")?,
        neutral: role("neutral"),
        contradiction: role("contradiction"),
    })
}

/// Lower case, with blanks for `_` and `-`.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace(['_', '-'], " ")
}

fn listed(names: &[String]) -> String {
    let quoted: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(at, name)| format!("{at}: {name}"))
        .collect();
    quoted.join(", ")
}

fn remedy(names: &[String]) -> &'static str {
    if names.len() < 3 {
        "say which is which: labels = { entailment = 1, contradiction = 0 }"
    } else {
        "say which is which: labels = { entailment = 0, neutral = 1, contradiction = 2 }"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn names_are_found_in_any_case_and_order() {
        let found = nli_labels(&names(&["CONTRADICTION", "NEUTRAL", "ENTAILMENT"]), None);
        let expected = NliLabels {
            entailment: 2,
            neutral: Some(1),
            contradiction: Some(0),
        };
        assert_eq!(found, Ok(expected));
        let vitaminc = nli_labels(&names(&["SUPPORTS", "REFUTES", "NOT_ENOUGH_INFO"]), None);
        assert_eq!(vitaminc.map(|l| (l.entailment, l.contradiction)), Ok((0, Some(1))));
        let two = nli_labels(&names(&["unsupported", "supported"]), None);
        assert_eq!(
            two.map(|l| (l.entailment, l.neutral, l.contradiction)),
            Ok((1, None, None))
        );
    }

    #[test]
    fn unnamed_and_doubled_classes_are_errors_that_say_what_to_write() {
        let message = nli_labels(&names(&["LABEL_0", "LABEL_1", "LABEL_2"]), None).unwrap_err();
        assert_eq!(
            message,
            "none of the model's classes (0: LABEL_0, 1: LABEL_1, 2: LABEL_2) is named entailment; say which is which: \
             labels = { entailment = 0, neutral = 1, contradiction = 2 }"
        );
        let message = nli_labels(&names(&["entailment", "entailed"]), None).unwrap_err();
        assert!(
            message.contains("classes 0 and 1 of the model both mean entailment"),
            "{message}"
        );
    }

    #[test]
    fn what_the_sweep_file_says_is_checked() {
        let three = names(&["LABEL_0", "LABEL_1", "LABEL_2"]);
        let given = |pairs: &[(&str, usize)]| pairs.iter().map(|(role, at)| ((*role).to_owned(), *at)).collect();
        let good: BTreeMap<String, usize> = given(&[("entailment", 2), ("contradiction", 0)]);
        assert_eq!(nli_labels(&three, Some(&good)).map(|labels| labels.entailment), Ok(2));
        for (pairs, expected) in [
            ([("entailment", 3), ("neutral", 0)].as_slice(), "classes 0 to 2"),
            (&[("entailment", 1), ("neutral", 1)], "one class two meanings"),
            (&[("entailed", 1)], "names `entailed`"),
            (&[("neutral", 1)], "does not say which class is `entailment`"),
        ] {
            let message = nli_labels(&three, Some(&given(pairs))).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
