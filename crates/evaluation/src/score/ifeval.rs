//! `IFEval`: which of its prompt's instructions an answer follows, strictly and loosely.

use secateur_datasets::item::{Body, Item};
use secateur_datasets::tasks::ifeval::INSTRUCTIONS;
use secateur_datasets::tasks::ifeval::instruction::{Instruction, Relation};
use secateur_metrics::ifeval::{
    INSTRUCTION_LEVEL_LOOSE, INSTRUCTION_LEVEL_STRICT, PROMPT_LEVEL_LOOSE, PROMPT_LEVEL_STRICT, capital_words, case,
    combination, content, follows_loosely, follows_strictly, format, keywords, language, length, sentences,
};
use secateur_metrics::value::Definition;

use super::{Mismatch, Scorer, from_bool, mismatch};
use crate::answer::{Answer, Output};
use crate::summary::{Estimate, Metric};

/// Scores of an answer under instructions.
pub(super) struct IfEval;

impl Scorer for IfEval {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(_), Output::Text(output)) = (&item.body, &answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let text = output.text.clone();
        let instructions = instructions(item)?;
        let followed = followed(&text, &instructions);
        let strict = followed.iter().filter(|(strict, _)| *strict).count();
        let loose = followed.iter().filter(|(_, loose)| *loose).count();
        let all = instructions.len();
        answer.scores.extend([
            ("instructions".to_string(), all as f64),
            ("followed_strict".to_string(), strict as f64),
            ("followed_loose".to_string(), loose as f64),
            ("prompt_strict".to_string(), from_bool(strict == all)),
            ("prompt_loose".to_string(), from_bool(loose == all)),
        ]);
        super::flag_text(answer);
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::proportion(PROMPT_LEVEL_STRICT, "prompt_strict"),
            share(INSTRUCTION_LEVEL_STRICT, "followed_strict"),
            Metric::proportion(PROMPT_LEVEL_LOOSE, "prompt_loose"),
            share(INSTRUCTION_LEVEL_LOOSE, "followed_loose"),
        ];
        metrics.extend(super::text_metrics());
        metrics
    }
}

/// Whether each instruction is followed, strictly and loosely.
#[must_use]
pub fn followed(text: &str, instructions: &[Instruction]) -> Vec<(bool, bool)> {
    let both = |one: &Instruction| {
        let check = |form: &str| is_followed(form, one);
        (follows_strictly(text, check), follows_loosely(text, check))
    };
    instructions.iter().map(both).collect()
}

/// Followed instructions over all instructions, of all prompts together.
fn share(definition: Definition, followed: &'static str) -> Metric {
    let value = |rows: &[&[f64]]| {
        let sum = |i: usize| rows.iter().map(|row| row[i]).sum::<f64>();
        (sum(1) > 0.0).then(|| sum(0) / sum(1))
    };
    Metric {
        definition,
        estimate: Estimate::whole(vec![followed, "instructions"], value),
    }
}

fn instructions(item: &Item) -> Result<Vec<Instruction>, Mismatch> {
    let json = item.fields.get(INSTRUCTIONS).map_or("", String::as_str);
    let found: Result<Vec<Instruction>, _> = serde_json::from_str(json);
    match found {
        Ok(list) if !list.is_empty() => Ok(list),
        Ok(_) => Err(wrong("an empty list")),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

fn wrong(found: &str) -> Mismatch {
    Mismatch {
        found: format!("a field `{INSTRUCTIONS}` that cannot be used ({found})"),
        expected: "the prompt's instructions as a JSON list".into(),
    }
}

fn holds(count: usize, relation: Relation, threshold: usize) -> bool {
    match relation {
        Relation::LessThan => count < threshold,
        Relation::AtLeast => count >= threshold,
    }
}

/// Whether a text follows an instruction.
#[allow(clippy::too_many_lines)] // One arm per instruction.
fn is_followed(text: &str, instruction: &Instruction) -> bool {
    use Instruction as I;
    match instruction {
        I::KeywordExistence { keywords } => keywords::all_occur(text, keywords),
        I::KeywordFrequency {
            keyword,
            frequency,
            relation,
        } => holds(keywords::occurrences(text, keyword), *relation, *frequency),
        I::ForbiddenWords { forbidden_words } => keywords::none_occurs(text, forbidden_words),
        I::LetterFrequency {
            letter,
            let_frequency,
            let_relation,
        } => holds(keywords::letters(text, *letter), *let_relation, *let_frequency),
        I::ResponseLanguage { language } => language::is_in(text, language),
        I::NumberSentences {
            num_sentences,
            relation,
        } => holds(sentences::sentences(text).len(), *relation, *num_sentences),
        I::NumberParagraphs { num_paragraphs } => length::has_paragraphs(text, *num_paragraphs),
        I::NumberWords { num_words, relation } => holds(length::words(text), *relation, *num_words),
        I::NthParagraphFirstWord {
            num_paragraphs,
            nth_paragraph,
            first_word,
        } => length::paragraph_begins_with(text, *num_paragraphs, *nth_paragraph, first_word),
        I::CapitalWordFrequency {
            capital_frequency,
            capital_relation,
        } => holds(capital_words::count(text), *capital_relation, *capital_frequency),
        I::NumberPlaceholders { num_placeholders } => content::placeholders(text) >= *num_placeholders,
        I::Postscript { postscript_marker } => content::has_postscript(text, postscript_marker),
        I::NumberBulletLists { num_bullets } => format::bullets(text) == *num_bullets,
        I::ConstrainedResponse {} => format::has_fixed_answer(text),
        I::NumberHighlightedSections { num_highlights } => format::highlights(text) >= *num_highlights,
        I::MultipleSections {
            section_spliter,
            num_sections,
        } => format::sections(text, section_spliter) >= *num_sections,
        I::JsonFormat {} => format::is_json(text),
        I::Title {} => format::has_title(text),
        I::TwoResponses {} => combination::has_two_responses(text),
        I::RepeatPrompt { prompt_to_repeat } => combination::repeats(text, prompt_to_repeat),
        I::EndPhrase { end_phrase } => combination::ends_with(text, end_phrase),
        I::Quotation {} => combination::is_quoted(text),
        I::EnglishCapital {} => case::is_english_in_capitals(text),
        I::EnglishLowercase {} => case::is_english_without_capitals(text),
        I::NoComma {} => case::has_no_comma(text),
    }
}
