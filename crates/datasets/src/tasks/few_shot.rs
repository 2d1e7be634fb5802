//! Which worked examples stand before a question.
//!
//! lm-evaluation-harness 0.4.13, `lm_eval/api/samplers.py` and `fewshot_context` of `lm_eval/api/task.py`: a task whose sampler is
//! `first_n` (MMLU) takes the first examples. All others draw anew for every question of the file, in order, from one
//! `random.Random(1234)` per task: `n` examples, or, where the task has no test split, `n + 1` of which the question itself is left out.
//! Examples come from the training split, from the validation split of tasks without one.

use serde::{Deserialize, Serialize};

use crate::error::{BadItem, DatasetError};
use crate::item::Item;
use crate::record::Record;
use crate::reference_experiment::python_random::PythonRandom;
use crate::source::Source;
use crate::tasks::harness::{Layout, Question};

/// The harness's `fewshot_random_seed` unless told otherwise.
pub const HARNESS_SEED: u64 = 1234;

/// Who draws the examples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FewShotDraw {
    /// As lm-evaluation-harness draws them for this task with its default seed: other examples before every question, in most tasks.
    #[default]
    Harness,
    /// The first ones of the file, the same before every question.
    First,
}

/// How the harness draws for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampler {
    /// The first `n`.
    FirstN,
    /// `n` at random: the task has a test split.
    Random,
    /// `n` at random, the question not among them: the task has no test split.
    RandomOthers,
}

/// A worked example: the prompt and its right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Ends where the answer begins.
    pub prompt: String,
    /// Without the delimiter before it.
    pub answer: String,
}

impl From<&Question> for Example {
    fn from(question: &Question) -> Self {
        let gold = question.gold.first().and_then(|&gold| question.choices.get(gold));
        Self {
            prompt: question.prompt.clone(),
            answer: gold.cloned().unwrap_or_default(),
        }
    }
}

/// Where examples come from and how they are drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shots<'a> {
    /// How the harness draws for this task.
    pub sampler: Sampler,
    /// All there are, in file order.
    pub pool: Vec<Example>,
    /// Their file, for messages.
    pub from: &'a str,
    /// Examples before each question.
    pub count: usize,
}

impl<'a> Shots<'a> {
    /// Examples from the lines of `from`, which is read only where examples are asked for.
    ///
    /// # Errors
    /// A missing or malformed file, or a bad record.
    pub fn from_lines(
        source: &mut Source,
        from: &'a str,
        count: usize,
        sampler: Sampler,
        example: impl Fn(&Record) -> Result<Example, BadItem>,
    ) -> Result<Self, DatasetError> {
        let mut pool = Vec::new();
        if count > 0 {
            let records = source.jsonl(from)?;
            pool = source.each(&records, example)?;
        }
        Ok(Self {
            sampler,
            pool,
            from,
            count,
        })
    }
}

/// The training file, or the development file where only that is there, which is noted where examples are drawn.
pub(crate) fn training_or<'a>(source: &mut Source, train: &'a str, dev: &'a str, count: usize) -> &'a str {
    let from = source.first_present(&[train, dev]);
    if count > 0 && from == dev {
        source.note(format!("few-shot examples are from {dev}: there is no {train}"));
    }
    from
}

impl Shots<'_> {
    /// What stands before each of `asked`: the description and its examples.
    ///
    /// # Errors
    /// Where there are fewer examples than asked for.
    pub fn preambles(&self, source: &Source, layout: &Layout, asked: &[Example]) -> Result<Vec<String>, DatasetError> {
        if self.count == 0 {
            return Ok(vec![layout.preamble([]); asked.len()]);
        }
        let mut random = PythonRandom::new(HARNESS_SEED);
        let draw = source.few_shot_draw();
        let preambles = asked.iter().map(|question| {
            let drawn = match (draw, self.sampler) {
                (FewShotDraw::First, _) => self.others(question).into_iter().take(self.count).collect(),
                (FewShotDraw::Harness, Sampler::FirstN) => (0..self.pool.len().min(self.count)).collect(),
                (FewShotDraw::Harness, Sampler::Random) => {
                    random.sample(self.pool.len(), self.count).unwrap_or_default()
                }
                (FewShotDraw::Harness, Sampler::RandomOthers) => self.random_others(&mut random, question),
            };
            if drawn.len() < self.count {
                return Err(self.too_few(source));
            }
            let pairs = drawn.iter().map(|&position| &self.pool[position]);
            Ok(layout.preamble(pairs.map(|example| (example.prompt.as_str(), example.answer.as_str()))))
        });
        preambles.collect()
    }

    fn others(&self, question: &Example) -> Vec<usize> {
        (0..self.pool.len())
            .filter(|&position| self.pool[position] != *question)
            .collect()
    }

    /// `n + 1` drawn, the question removed, the first `n` kept; where it was drawn more than once, `n` of all the others.
    fn random_others(&self, random: &mut PythonRandom, question: &Example) -> Vec<usize> {
        let mut drawn = random.sample(self.pool.len(), self.count + 1).unwrap_or_default();
        if drawn.is_empty() {
            return drawn;
        }
        drawn.retain(|&position| self.pool[position] != *question);
        drawn.truncate(self.count);
        if drawn.len() == self.count {
            return drawn;
        }
        let others = self.others(question);
        let again = random.sample(others.len(), self.count).unwrap_or_default();
        again.into_iter().map(|position| others[position]).collect()
    }

    fn too_few(&self, source: &Source) -> DatasetError {
        let reason = match self.sampler {
            Sampler::RandomOthers => format!("from {}, the question itself left out", self.from),
            Sampler::FirstN | Sampler::Random => format!("from {}", self.from),
        };
        DatasetError::FewShot {
            task: source.task().to_owned(),
            asked: self.count,
            available: self.pool.len(),
            reason,
        }
    }
}

/// Items of `questions`, each behind its own examples out of `pool`.
///
/// # Errors
/// As [`Shots::preambles`].
pub fn items(
    source: &Source,
    layout: &Layout,
    shots: &Shots<'_>,
    questions: Vec<Question>,
) -> Result<Vec<Item>, DatasetError> {
    let asked: Vec<Example> = questions.iter().map(Example::from).collect();
    let preambles = shots.preambles(source, layout, &asked)?;
    let pairs = preambles.iter().zip(questions);
    Ok(pairs
        .map(|(preamble, question)| layout.item(preamble, question))
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn example(number: usize) -> Example {
        Example {
            prompt: format!("Q{number}:"),
            answer: number.to_string(),
        }
    }

    fn source(draw: FewShotDraw) -> Source {
        Source::new("demo", std::path::Path::new("nowhere"), "", false).drawing(draw)
    }

    fn shots(sampler: Sampler, pool: usize, count: usize) -> Shots<'static> {
        Shots {
            sampler,
            pool: (0..pool).map(example).collect(),
            from: "train.jsonl",
            count,
        }
    }

    fn numbers(preamble: &str) -> Vec<usize> {
        let lines = preamble.split("\n\n").filter(|line| !line.is_empty());
        lines
            .map(|line| line.split(' ').nth(1).unwrap().parse().unwrap())
            .collect()
    }

    /// `rnd = random.Random(1234)`, then `rnd.sample(range(30), 2)` twice, in `CPython` 3.11.
    #[test]
    fn one_generator_serves_all_questions_in_order() {
        let layout = Layout::default();
        let asked = [example(100), example(101)];
        let of = |sampler| {
            let made = shots(sampler, 30, 2).preambles(&source(FewShotDraw::Harness), &layout, &asked);
            made.unwrap().iter().map(|text| numbers(text)).collect::<Vec<_>>()
        };
        assert_eq!(of(Sampler::Random), RANDOM_2);
        assert_eq!(of(Sampler::RandomOthers), RANDOM_3);
        assert_eq!(of(Sampler::FirstN), [[0, 1], [0, 1]]);
    }

    const RANDOM_2: [[usize; 2]; 2] = [[24, 14], [3, 0]];
    const RANDOM_3: [[usize; 2]; 2] = [[24, 14], [0, 2]];

    #[test]
    fn the_question_is_never_its_own_example() {
        let layout = Layout::default();
        let asked: Vec<Example> = (0..6).map(example).collect();
        for draw in [FewShotDraw::Harness, FewShotDraw::First] {
            let made = shots(Sampler::RandomOthers, 6, 4).preambles(&source(draw), &layout, &asked);
            for (own, text) in made.unwrap().iter().enumerate() {
                assert!(!numbers(text).contains(&own) && numbers(text).len() == 4);
            }
        }
    }

    #[test]
    fn too_many_are_refused() {
        let layout = Layout::default();
        for sampler in [Sampler::FirstN, Sampler::Random, Sampler::RandomOthers] {
            for draw in [FewShotDraw::Harness, FewShotDraw::First] {
                let made = shots(sampler, 3, 4).preambles(&source(draw), &layout, &[example(9)]);
                let message = made.unwrap_err().to_string();
                assert!(
                    message.starts_with("demo: 4 few-shot examples asked for, 3 available"),
                    "{message}"
                );
            }
        }
    }
}
