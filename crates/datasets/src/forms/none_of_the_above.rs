//! `@none-of-the-above`: the question as it is; with "None of the above" in the right option's place; and, as a control, in a
//! wrong option's place, so that a model that always says "none" is found out.
//!
//! Source: Med-HALT, <https://arxiv.org/abs/2307.15343> (the test of that name). The wrong option replaced is the next one after
//! the right one, the first after the last.

use super::variants::{self, Asked};
use super::{Form, lettered_tasks, of_choices, plain_choice};
use crate::item::{Body, Item};
use crate::tasks::spec::Scoring;

/// The text put in an option's place.
pub const NONE: &str = "None of the above";
/// Variants, in order. The last one's name goes on with the option that is replaced: `wrong-replaced-2`.
pub const VARIANTS: [&str; 3] = ["as-it-is", "right-replaced", "wrong-replaced"];

/// The form.
#[derive(Debug)]
pub struct NoneOfTheAbove;

impl Form for NoneOfTheAbove {
    fn name(&self) -> &'static str {
        "none-of-the-above"
    }

    fn about(&self) -> &'static str {
        "with \"None of the above\" in an option's place"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> &'static str {
        "options that stand in the prompt by letter"
    }

    fn works_on(&self) -> String {
        lettered_tasks()
    }

    fn scoring(&self, base: &Scoring) -> Result<Scoring, String> {
        of_choices(base, Scoring::NoneOfTheAbove)
    }

    fn items(&self, item: Item, _: &[Body]) -> Result<Vec<Item>, String> {
        let (choice, gold) = plain_choice(item.body)?;
        let pieces = choice.lettered.as_ref().ok_or("a question without lettered options")?;
        let count = pieces.options.len();
        let wrong = (gold + 1) % count;
        let without = |name: &str, option: Option<usize>| {
            let mut texts = pieces.options.clone();
            if let Some(option) = option {
                NONE.clone_into(&mut texts[option]);
            }
            Asked::plain(name, pieces.context(&texts), count)
        };
        let asked = vec![
            without(VARIANTS[0], None),
            without(VARIANTS[1], Some(gold)),
            without(&format!("{}-{wrong}", VARIANTS[2]), Some(wrong)),
        ];
        Ok(vec![variants::item(item.id, item.fields, &choice, gold, asked)])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tasks::harness::{Layout, Question};

    #[test]
    fn the_right_option_goes_then_a_wrong_one() {
        let options = ["w", "x", "y", "z"].map(str::to_owned);
        let question = Question::lettered("1".into(), "Why?", &options, 3);
        let item = Layout::default().items(&[], vec![question]).remove(0);
        let made = NoneOfTheAbove.items(item, &[]).unwrap().remove(0);
        let Body::Choice(choice) = &made.body else {
            panic!("a choice")
        };
        assert_eq!(choice.contexts[0], "Why?\nA. w\nB. x\nC. y\nD. z\nAnswer:");
        assert_eq!(
            choice.contexts[1],
            "Why?\nA. w\nB. x\nC. y\nD. None of the above\nAnswer:"
        );
        assert_eq!(
            choice.contexts[2],
            "Why?\nA. None of the above\nB. x\nC. y\nD. z\nAnswer:"
        );
        assert_eq!(choice.gold, [3, 7, 11]);
    }
}
