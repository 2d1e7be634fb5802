//! Putting a chunk of items to the model: every request once, every answer back to its item.

use std::collections::{BTreeSet, HashMap, HashSet};

use secateur_datasets::item::{Body, Choice, Item};

use crate::answer::{ChoiceAnswer, Continuation, Flag, LikelihoodAnswer, Output, Sample, TextAnswer};
use crate::encoding::Fitted;
use crate::engine::{Engine, EngineError, Finish, GenerateRequest, Generation, Score, ScoreRequest};
use crate::error::EvaluationError;
use crate::requests::{self, ChoiceRequests, GenerationRequest, PromptOptions};
use crate::requests::{RequestError, RollingRequests, Sampling};
use crate::resume::Replies;
use crate::score;

/// An answer before it is scored.
pub(crate) struct Raw {
    pub(crate) prompt: String,
    pub(crate) output: Output,
    pub(crate) flags: BTreeSet<Flag>,
}

/// An item's requests.
enum Asked {
    Choice(ChoiceRequests, Vec<usize>),
    Rolling(RollingRequests, String),
    Generation(GenerationRequest, Vec<String>, bool),
}

/// Requests already answered are never sent again. The maps are only looked into, never iterated.
pub(crate) struct Run<'a> {
    engine: &'a mut dyn Engine,
    task: &'a str,
    prompt: &'a PromptOptions,
    sampling: Option<Sampling>,
    scores: HashMap<ScoreRequest, Score>,
    generations: HashMap<GenerationKey, Generation>,
    /// What the last chunk was answered with.
    pub(crate) replies: Replies,
    /// Tokens of all requests so far. What requests have in common counts in each, however often the model reads it.
    pub(crate) tokens: u64,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        engine: &'a mut dyn Engine,
        task: &'a str,
        prompt: &'a PromptOptions,
        sampling: Option<Sampling>,
    ) -> Self {
        Self {
            engine,
            task,
            prompt,
            sampling,
            scores: HashMap::new(),
            generations: HashMap::new(),
            replies: Replies::default(),
            tokens: 0,
        }
    }

    /// The model.
    pub(crate) fn engine(&mut self) -> &mut dyn Engine {
        self.engine
    }

    /// Answers in the order of the items. `progress` is told the share of the chunk that is done, from 0 to 1.
    pub(crate) fn ask(&mut self, items: &[Item], progress: &mut dyn FnMut(f64)) -> Result<Vec<Raw>, EvaluationError> {
        let asked = self.all_requests(items)?;
        let (to_score, to_generate) = self.new_requests(&asked);
        let total = to_score.len() + to_generate.len();
        let mut finished = 0;
        let mut count = |n: usize| {
            finished += n;
            progress((finished as f64 / total.max(1) as f64).min(1.0));
        };
        let scores = self.score(&to_score, &mut count)?;
        let generations = self.generate(&to_generate, &mut count)?;
        self.replies = Replies { scores, generations };
        self.remember(to_score, &to_generate, self.replies.clone());
        asked.into_iter().map(|one| self.collect(one)).collect()
    }

    /// Takes up what an earlier process was replied for these items, as if it had been asked now. `false` if these are not the
    /// replies to what would be sent; nothing is taken up then.
    pub(crate) fn recall(&mut self, items: &[Item], replies: Replies) -> Result<bool, EvaluationError> {
        let asked = self.all_requests(items)?;
        let (to_score, to_generate) = self.new_requests(&asked);
        if (to_score.len(), to_generate.len()) != (replies.scores.len(), replies.generations.len()) {
            return Ok(false);
        }
        self.remember(to_score, &to_generate, replies);
        Ok(true)
    }

    fn all_requests(&self, items: &[Item]) -> Result<Vec<Asked>, EvaluationError> {
        items.iter().map(|item| self.requests(item)).collect()
    }

    fn remember(&mut self, scored: Vec<ScoreRequest>, generated: &[GenerateRequest], replies: Replies) {
        for (request, score) in scored.into_iter().zip(replies.scores) {
            self.tokens += (request.context.len() + request.continuation.len() - 1) as u64;
            self.scores.insert(request, score);
        }
        for (request, answer) in generated.iter().zip(replies.generations) {
            self.tokens += (request.prompt.len() + answer.tokens) as u64;
            self.generations.insert(key(request), answer);
        }
    }

    fn requests(&self, item: &Item) -> Result<Asked, EvaluationError> {
        let (engine, prompt) = (&*self.engine, self.prompt);
        let made = match &item.body {
            Body::Choice(choice) => {
                check_choice(choice).map_err(|found| self.item_error(item, found))?;
                requests::choice(engine, choice, prompt).map(|made| Asked::Choice(made, choice.gold.clone()))
            }
            Body::Text(text) => requests::rolling(engine, text, prompt).map(|made| Asked::Rolling(made, text.clone())),
            Body::Generate(question) => {
                let sampling = self.sampling.as_ref().ok_or_else(|| {
                    let found = "a question to be answered in words".to_string();
                    self.item_error(item, (found, "a task with generation settings"))
                })?;
                requests::generation(engine, &item.id, question, prompt, sampling)
                    .map(|made| Asked::Generation(made, question.references.clone(), question.unanswerable))
            }
        };
        made.map_err(|error| match error {
            RequestError::NoChatTemplate => EvaluationError::NoChatTemplate {
                task: self.task.to_string(),
            },
            RequestError::Engine(source) => self.engine_error(format!("tokenising item `{}`", item.id), source),
        })
    }

    /// What has not been answered yet, each once, in order of first appearance.
    fn new_requests(&self, asked: &[Asked]) -> (Vec<ScoreRequest>, Vec<GenerateRequest>) {
        let mut to_score: Vec<ScoreRequest> = Vec::new();
        let mut to_generate: Vec<GenerateRequest> = Vec::new();
        let mut seen = HashSet::new();
        let mut prompts = HashSet::new();
        for one in asked {
            match one {
                Asked::Choice(made, _) => {
                    let fitted = made.requests.iter().flatten().map(|fitted| &fitted.request);
                    to_score.extend(fitted.filter(|r| seen.insert(*r)).cloned());
                }
                Asked::Rolling(made, _) => {
                    to_score.extend(made.windows.iter().filter(|r| seen.insert(*r)).cloned());
                }
                Asked::Generation(made, ..) => {
                    to_score.extend(made.probe.iter().filter(|r| seen.insert(*r)).cloned());
                    let requests = made.request.iter().chain(&made.samples);
                    to_generate.extend(requests.filter(|r| prompts.insert(key(r))).cloned());
                }
            }
        }
        to_score.retain(|request| !self.scores.contains_key(request));
        to_generate.retain(|request| !self.generations.contains_key(&key(request)));
        (to_score, to_generate)
    }

    fn score(
        &mut self,
        requests: &[ScoreRequest],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Score>, EvaluationError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let scores = self
            .engine
            .score(requests, progress)
            .map_err(|source| self.engine_error("scoring".into(), source))?;
        self.check_count(scores.len(), requests.len())?;
        let sound = |score: &&Score| score.log_probability.is_finite() && score.log_probability <= 1e-6;
        if let Some(bad) = scores.iter().find(|score| !sound(score)) {
            return Err(self.unsound(
                format!("a log-probability of {}", bad.log_probability),
                "a finite one, at most 0".into(),
            ));
        }
        Ok(scores)
    }

    fn generate(
        &mut self,
        requests: &[GenerateRequest],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Generation>, EvaluationError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self
            .engine
            .generate(requests, progress)
            .map_err(|source| self.engine_error("generating".into(), source))?;
        self.check_count(answers.len(), requests.len())?;
        let values = answers
            .iter()
            .flat_map(|answer| [answer.mean_log_probability, answer.end_log_probability]);
        if let Some(bad) = values.flatten().find(|value| !value.is_finite()) {
            return Err(self.unsound(format!("a log-probability of {bad}"), "a finite one".into()));
        }
        Ok(answers)
    }

    fn collect(&self, asked: Asked) -> Result<Raw, EvaluationError> {
        match asked {
            Asked::Choice(made, gold) => self.collect_choice(made, gold),
            Asked::Rolling(made, text) => self.collect_text(&made, text),
            Asked::Generation(made, references, unanswerable) => {
                self.collect_generation(made, references, unanswerable)
            }
        }
    }

    fn collect_choice(&self, made: ChoiceRequests, gold: Vec<usize>) -> Result<Raw, EvaluationError> {
        let mut flags = BTreeSet::new();
        let mut continuations = Vec::with_capacity(made.continuations.len());
        let run = made.continuations.len() / made.contexts.len().max(1);
        let mut contexts = made.contexts.into_iter();
        for (index, (text, request)) in made.continuations.into_iter().zip(made.requests).enumerate() {
            let (score, unscorable) = match request {
                Ok(Fitted { request, dropped }) => {
                    if dropped > 0 {
                        flags.insert(Flag::PromptTruncated);
                    }
                    (Some(self.answer_to(&request)?), None)
                }
                Err(reason) => {
                    flags.insert(Flag::Unscorable);
                    (None, Some(reason))
                }
            };
            continuations.push(Continuation {
                text,
                context: if index.is_multiple_of(run) {
                    contexts.next()
                } else {
                    None
                },
                score,
                unscorable,
            });
        }
        let sums: Option<Vec<f64>> = continuations
            .iter()
            .map(|c| c.score.as_ref().map(|score| score.log_probability))
            .collect();
        let output = Output::Choices(ChoiceAnswer {
            continuations,
            gold,
            predicted: sums.as_deref().and_then(score::first_largest),
        });
        Ok(Raw {
            prompt: made.prompt,
            output,
            flags,
        })
    }

    fn collect_text(&self, made: &RollingRequests, text: String) -> Result<Raw, EvaluationError> {
        let mut log_probability = 0.0;
        for window in &made.windows {
            log_probability += self.answer_to(window)?.log_probability;
        }
        let mut flags = BTreeSet::new();
        if made.tokens == 0 {
            flags.insert(Flag::Unscorable);
        }
        let output = Output::Likelihood(LikelihoodAnswer {
            log_probability,
            tokens: made.tokens,
        });
        Ok(Raw {
            prompt: text,
            output,
            flags,
        })
    }

    fn collect_generation(
        &self,
        made: GenerationRequest,
        references: Vec<String>,
        unanswerable: bool,
    ) -> Result<Raw, EvaluationError> {
        let mut flags = BTreeSet::new();
        if made.dropped > 0 {
            flags.insert(Flag::PromptTruncated);
        }
        let probe = made.probe.as_ref().map(|request| self.answer_to(request)).transpose()?;
        let (answer, prompt_tokens) = if let Ok(request) = &made.request {
            (self.generated(request)?.clone(), request.prompt.len())
        } else {
            flags.insert(Flag::Unscorable);
            let nothing = Generation {
                text: String::new(),
                tokens: 0,
                finish: Finish::EndToken,
                mean_log_probability: None,
                end_log_probability: None,
            };
            (nothing, 0)
        };
        let samples = made.samples.iter().map(|request| Ok(sample(self.generated(request)?)));
        let samples = samples.collect::<Result<Vec<_>, EvaluationError>>()?;
        let output = Output::Text(TextAnswer {
            text: answer.text,
            finish: answer.finish,
            tokens: answer.tokens,
            prompt_tokens,
            mean_log_probability: answer.mean_log_probability,
            references,
            unanswerable,
            parsed: None,
            probe_log_probability: probe.map(|score| score.log_probability),
            samples,
        });
        Ok(Raw {
            prompt: made.prompt,
            output,
            flags,
        })
    }

    fn generated(&self, request: &GenerateRequest) -> Result<&Generation, EvaluationError> {
        let answer = self.generations.get(&key(request));
        answer.ok_or_else(|| self.unsound("none".into(), "an answer".into()))
    }

    fn answer_to(&self, request: &ScoreRequest) -> Result<Score, EvaluationError> {
        let score = self.scores.get(request).cloned();
        score.ok_or_else(|| self.unsound("none".into(), "a score".into()))
    }

    fn check_count(&self, found: usize, expected: usize) -> Result<(), EvaluationError> {
        if found == expected {
            return Ok(());
        }
        Err(self.unsound(format!("{found} results"), format!("{expected}")))
    }

    fn unsound(&self, found: String, expected: String) -> EvaluationError {
        EvaluationError::Unsound {
            task: self.task.to_string(),
            found,
            expected,
        }
    }

    fn engine_error(&self, stage: String, source: EngineError) -> EvaluationError {
        EvaluationError::Engine {
            task: self.task.to_string(),
            stage,
            source,
        }
    }

    fn item_error(&self, item: &Item, (found, expected): (String, &str)) -> EvaluationError {
        EvaluationError::Item {
            task: self.task.to_string(),
            item: item.id.clone(),
            found,
            expected: expected.into(),
        }
    }
}

/// Prompt, and seed where it matters: greedy answers depend on the prompt alone.
type GenerationKey = (Vec<u32>, Option<u64>);

fn key(request: &GenerateRequest) -> GenerationKey {
    let seed = (request.temperature > 0.0).then_some(request.seed);
    (request.prompt.clone(), seed)
}

fn sample(answer: &Generation) -> Sample {
    let scored = answer.log_probability();
    Sample {
        text: answer.text.clone(),
        tokens: scored.map_or(answer.tokens, |(_, tokens)| tokens),
        log_probability: scored.map(|(sum, _)| sum),
        finish: answer.finish,
        cluster: None,
    }
}

fn check_choice(choice: &Choice) -> Result<(), (String, &'static str)> {
    let n = choice.continuations.len();
    if n == 0 {
        return Err(("no choices".into(), "at least one"));
    }
    if choice.choices.len() != n {
        let found = format!("{n} continuations and {} choices", choice.choices.len());
        return Err((found, "one continuation per choice"));
    }
    let contexts = choice.contexts.len();
    if contexts > 0 && !n.is_multiple_of(contexts) {
        let found = format!("{n} continuations and {contexts} contexts");
        return Err((
            found,
            "a context for each of equally long runs of continuations, or one for all",
        ));
    }
    if !choice.conversations.is_empty() && choice.conversations.len() != contexts {
        let found = format!("{contexts} contexts and {} conversations", choice.conversations.len());
        return Err((found, "one conversation per context, or none"));
    }
    match choice.gold.iter().find(|&&gold| gold >= n) {
        Some(gold) => Err((format!("gold index {gold}"), "an index of a choice")),
        None if choice.gold.is_empty() => Err(("no gold index".into(), "at least one")),
        None => Ok(()),
    }
}
