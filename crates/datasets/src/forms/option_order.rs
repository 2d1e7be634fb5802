//! `@option-order`: the options in every cyclic order, so that each stands behind each letter once.
//!
//! Source: Zheng et al. 2024, <https://arxiv.org/abs/2309.03882>. Worked examples before the question stay as they are.

use super::variants::{self, Asked};
use super::{Form, lettered_tasks, of_choices, plain_choice};
use crate::item::{Body, Item};
use crate::tasks::spec::Scoring;

/// The form.
#[derive(Debug)]
pub struct OptionOrder;

impl Form for OptionOrder {
    fn name(&self) -> &'static str {
        "option-order"
    }

    fn about(&self) -> &'static str {
        "in every cyclic order of the options"
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
        of_choices(base, Scoring::OptionOrder)
    }

    fn items(&self, item: Item, _: &[Body]) -> Result<Vec<Item>, String> {
        let (choice, gold) = plain_choice(item.body)?;
        let pieces = choice.lettered.as_ref().ok_or("a question without lettered options")?;
        let count = pieces.options.len();
        let asked = (0..count).map(|shift| {
            let options: Vec<usize> = (0..count).map(|position| (position + shift) % count).collect();
            let texts: Vec<String> = options.iter().map(|&option| pieces.options[option].clone()).collect();
            Asked {
                name: format!("order-{shift}"),
                context: pieces.context(&texts),
                turns: Vec::new(),
                options,
            }
        });
        let asked = asked.collect();
        Ok(vec![variants::item(item.id, item.fields, &choice, gold, asked)])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tasks::harness::{Layout, Question};

    #[test]
    fn every_option_stands_behind_every_letter_once() {
        let options = ["w", "x", "y", "z"].map(str::to_owned);
        let question = Question::lettered("1".into(), "Question: why?", &options, 2);
        let item = Layout::described("About.\n\n").items(&[], vec![question]).remove(0);
        let made = OptionOrder.items(item.clone(), &[]).unwrap().remove(0);
        let (Body::Choice(before), Body::Choice(choice)) = (&item.body, &made.body) else {
            panic!("choices")
        };
        assert_eq!(choice.contexts[0], before.context);
        assert_eq!(
            choice.contexts[1],
            "About.\n\nQuestion: why?\nA. x\nB. y\nC. z\nD. w\nAnswer:"
        );
        assert_eq!(choice.continuations[..4], choice.continuations[4..8]);
        // `y` is C, then B, then A, then D.
        assert_eq!(choice.gold, [2, 5, 8, 15]);
        assert_eq!(
            made.fields[variants::FIELD],
            "order-0:0,1,2,3 order-1:1,2,3,0 order-2:2,3,0,1 order-3:3,0,1,2"
        );
        assert!(choice.conversations.is_empty());
    }
}
