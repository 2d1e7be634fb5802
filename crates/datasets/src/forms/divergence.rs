//! The task's texts read by the pruned and the unpruned model: how far have the distributions of the next token moved?
//!
//! Nothing is answered. What is compared is a text from its first token, a question's first reference after its prompt, or a
//! choice's first right continuation after its context; `crates/evaluation/src/divergence.rs` tells how. A question that has
//! no reference has nothing to compare, and is counted.

use super::Form;
use crate::item::{Body, Item};
use crate::tasks::spec::Scoring;

/// `@divergence`.
#[derive(Debug)]
pub struct Divergence;

impl Form for Divergence {
    fn name(&self) -> &'static str {
        "divergence"
    }

    fn about(&self) -> &'static str {
        "read beside the unpruned model: KL divergence, top-1 agreement"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> &'static str {
        "texts, references or right choices"
    }

    fn works_on(&self) -> String {
        "every task whose items have them".to_owned()
    }

    fn scoring(&self, _: &Scoring) -> Result<Scoring, String> {
        Ok(Scoring::Divergence)
    }

    fn items(&self, item: Item, _: &[Body]) -> Result<Vec<Item>, String> {
        Ok(vec![item])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::tasks;
    use crate::tasks::spec::Scoring;

    #[test]
    fn every_task_can_be_read_beside_the_unpruned_model() {
        for name in ["piqa", "nq_open", "mmlu_anatomy"] {
            let (base, form) = [name.to_owned(), format!("{name}@divergence")]
                .map(|name| tasks::find(&name, &[]).unwrap().spec())
                .into();
            assert_eq!((&form.scoring, form.kind), (&Scoring::Divergence, base.kind));
            assert_eq!((form.generation, form.set), (base.generation, base.set));
        }
    }
}
