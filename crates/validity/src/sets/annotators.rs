//! How far people agree: each annotator against the others.

use crate::labelled::{Given, Item, Labelled, LabelledBy};

/// A text and what each of its annotators said.
pub(super) struct Votes {
    /// The document it belongs to.
    pub document: String,
    /// One per annotator: supported or not.
    pub votes: Vec<bool>,
}

/// What most say; `None` in a tie.
pub(super) fn majority(votes: &[bool]) -> Option<bool> {
    let yes = votes.iter().filter(|&&vote| vote).count();
    (2 * yes != votes.len()).then_some(2 * yes > votes.len())
}

/// One item per annotator and text: the annotator's vote as score, the label of the others where most of them agree. This is what a
/// scorer can be compared with: no scorer can be expected to agree better with people than a person does.
pub(super) fn each_against_the_others(name: &str, about: &str, by: LabelledBy, texts: &[Votes]) -> Labelled {
    let (mut items, mut scores, mut split) = (Vec::new(), Vec::new(), 0_usize);
    for text in texts {
        for (at, &vote) in text.votes.iter().enumerate() {
            let others: Vec<bool> = text
                .votes
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != at)
                .map(|(_, &v)| v)
                .collect();
            match majority(&others).filter(|_| !others.is_empty()) {
                Some(label) => {
                    items.push(Item::new(&text.document, None, label));
                    scores.push(Some(f64::from(u8::from(vote))));
                }
                None => split += 1,
            }
        }
    }
    let notes = if split > 0 {
        vec![format!("{split} votes are left out because the others are split.")]
    } else {
        Vec::new()
    };
    Labelled {
        name: name.to_owned(),
        about: about.to_owned(),
        by,
        items,
        given: vec![Given {
            name: "one annotator".to_owned(),
            scores,
        }],
        files: Vec::new(),
        notes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_have_no_majority() {
        assert_eq!(majority(&[true, false]), None);
        assert_eq!(majority(&[true, false, true]), Some(true));
        let votes = Votes {
            document: "a".into(),
            votes: vec![true, true, false],
        };
        let found = each_against_the_others("x", "", LabelledBy::People, &[votes]);
        // The first two face a split pair, the third faces two that agree against it.
        assert_eq!(
            (found.items.len(), found.given[0].scores[0], found.items[0].supported),
            (1, Some(0.0), true)
        );
    }
}
