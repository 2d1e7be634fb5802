//! Which continuations of an item belong to which way of asking, and what option each stands for.
//!
//! Written into a field of the item as `order-0:0,1,2,3 order-1:1,2,3,0`: for each variant its name and, in the order of its
//! continuations, the options they stand for. Options are numbered as in the task itself.

use std::collections::BTreeMap;

use crate::item::{Body, Choice, Item, Message};

/// The field of an item that holds its variants.
pub const FIELD: &str = "variants";

/// One way of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Neither blanks nor colons.
    pub name: String,
    /// What each of its continuations stands for.
    pub options: Vec<usize>,
}

/// As the field's text.
#[must_use]
pub fn write(variants: &[Variant]) -> String {
    let one = |variant: &Variant| {
        let options: Vec<String> = variant.options.iter().map(usize::to_string).collect();
        format!("{}:{}", variant.name, options.join(","))
    };
    variants.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// From the field's text.
///
/// # Errors
/// The piece that is no variant.
pub fn parse(text: &str) -> Result<Vec<Variant>, String> {
    let one = |piece: &str| {
        let bad = || format!("`{piece}` in the field `{FIELD}`");
        let (name, options) = piece.split_once(':').ok_or_else(bad)?;
        let options = options.split(',').map(|option| option.parse().map_err(|_| bad()));
        Ok(Variant {
            name: name.to_owned(),
            options: options.collect::<Result<_, String>>()?,
        })
    };
    text.split(' ').map(one).collect()
}

/// A variant to be asked.
pub(super) struct Asked {
    pub(super) name: String,
    /// What stands before its continuations, as plain text.
    pub(super) context: String,
    /// The same as turns of a conversation; the context as one user turn where there are none.
    pub(super) turns: Vec<Message>,
    pub(super) options: Vec<usize>,
}

impl Asked {
    /// The context as it is, the options in their order.
    pub(super) fn plain(name: impl Into<String>, context: impl Into<String>, options: usize) -> Self {
        Self {
            name: name.into(),
            context: context.into(),
            turns: Vec::new(),
            options: (0..options).collect(),
        }
    }
}

/// One item that asks `choice`, whose right answer is `gold`, in all these ways.
pub(super) fn item(
    id: String,
    mut fields: BTreeMap<String, String>,
    choice: &Choice,
    gold: usize,
    asked: Vec<Asked>,
) -> Item {
    let talks = asked.iter().any(|variant| !variant.turns.is_empty());
    let mut made = Choice {
        context: choice.context.clone(),
        ..Choice::default()
    };
    let mut variants = Vec::with_capacity(asked.len());
    for variant in asked {
        for (position, &option) in variant.options.iter().enumerate() {
            if option == gold {
                made.gold.push(made.choices.len());
            }
            made.continuations.push(choice.continuations[position].clone());
            made.choices.push(choice.choices[position].clone());
        }
        if talks {
            made.conversations.push(turns(&variant));
        }
        made.contexts.push(variant.context);
        variants.push(Variant {
            name: variant.name,
            options: variant.options,
        });
    }
    fields.insert(FIELD.to_owned(), write(&variants));
    Item {
        id,
        body: Body::Choice(made),
        fields,
    }
}

fn turns(variant: &Asked) -> Vec<Message> {
    if variant.turns.is_empty() {
        return vec![turn("user", &variant.context)];
    }
    variant.turns.clone()
}

/// One turn of a conversation.
pub(super) fn turn(role: &str, content: impl Into<String>) -> Message {
    crate::tasks::ask::turn(role, content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn variants_are_read_as_written() {
        let variants = [("order-0", vec![0, 1, 2]), ("order-1", vec![1, 2, 0])].map(|(name, options)| Variant {
            name: name.into(),
            options,
        });
        let text = write(&variants);
        assert_eq!(text, "order-0:0,1,2 order-1:1,2,0");
        assert_eq!(parse(&text).unwrap(), variants);
        for bad in ["", "order-0", "order-0:", "order-0:0,x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
