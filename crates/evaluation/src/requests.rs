//! From items to what is sent to the model, with the prompt kept as text.
//!
//! Multiple choice follows lm-evaluation-harness: the continuation is delimiter + choice after the context; under a chat
//! template the context becomes the user's turn and the delimiter is dropped.

use secateur_datasets::item::{Body, Choice, Generate, Message};
use secateur_datasets::python::text::is_space;
use secateur_datasets::tasks::spec::Samples;

use crate::encoding::{self, Fitted, Unscorable};
use crate::engine::{Engine, EngineError, GenerateRequest, ScoreRequest};

/// How prompts are made for a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptOptions {
    /// Whether the model's chat template is applied.
    pub chat_template: bool,
    /// Longest input in tokens; the model's own limit where absent or smaller.
    pub max_length: Option<usize>,
}

impl PromptOptions {
    /// The limit that holds for this engine, in tokens.
    #[must_use]
    pub fn limit(&self, engine: &dyn Engine) -> usize {
        let own = engine.max_length();
        self.max_length.map_or(own, |asked| asked.min(own))
    }

    /// The limit that holds where texts are scored, in tokens.
    #[must_use]
    pub fn score_limit(&self, engine: &dyn Engine) -> usize {
        self.limit(engine).min(engine.max_scored_length())
    }
}

/// Limits and sampling of a generation task.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Texts that end an answer.
    pub stop: Vec<String>,
    /// Upper limit of new tokens.
    pub max_new_tokens: usize,
    /// 0 is greedy.
    pub temperature: f64,
    /// Nucleus; 1 keeps everything.
    pub top_p: f64,
    /// Text whose log-probability after each prompt is measured as well.
    pub probe: Option<String>,
    /// Further answers to each item.
    pub samples: Option<Samples>,
    /// Seed of the cell; each item draws from its own generator, so that neither order nor batch matters.
    pub seed: u64,
}

/// Why no request could be made.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The tokenizer or the template failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A template was asked for, and there is none.
    #[error("the checkpoint has no chat template")]
    NoChatTemplate,
}

/// One multiple-choice item, ready to be scored.
#[derive(Debug, Clone)]
pub struct ChoiceRequests {
    /// The context as text; what the contexts share where each choice has its own.
    pub prompt: String,
    /// Where continuations differ in their context: a context for each of equally long runs of them; else none.
    pub contexts: Vec<String>,
    /// The continuations as text, in the task's order.
    pub continuations: Vec<String>,
    /// One per continuation.
    pub requests: Vec<Result<Fitted, Unscorable>>,
}

/// One text, cut into windows that predict every token once.
#[derive(Debug, Clone)]
pub struct RollingRequests {
    /// Log-probabilities of these sum to that of the text.
    pub windows: Vec<ScoreRequest>,
    /// Tokens predicted.
    pub tokens: usize,
}

/// One prompt to go on from.
#[derive(Debug, Clone)]
pub struct GenerationRequest {
    /// The prompt as text.
    pub prompt: String,
    /// What is sent, or why nothing can be.
    pub request: Result<GenerateRequest, Unscorable>,
    /// Tokens dropped from the left of the prompt.
    pub dropped: usize,
    /// The probe after the same prompt, where the task has one and it could be scored.
    pub probe: Option<ScoreRequest>,
    /// Further answers to the same prompt, each with a seed of its own.
    pub samples: Vec<GenerateRequest>,
}

/// Requests of a multiple-choice item.
///
/// # Errors
/// If the tokenizer or the template fails, or there is no template and one is asked for.
pub fn choice(engine: &dyn Engine, choice: &Choice, options: &PromptOptions) -> Result<ChoiceRequests, RequestError> {
    let context = |text: &str| -> Result<String, RequestError> {
        if !options.chat_template {
            return Ok(text.to_owned());
        }
        let user = Message {
            role: "user".into(),
            content: text.to_owned(),
        };
        engine.chat(&[user])?.ok_or(RequestError::NoChatTemplate)
    };
    let prompt = context(&choice.context)?;
    let contexts: Vec<String> = if options.chat_template && !choice.conversations.is_empty() {
        let talks = choice.conversations.iter();
        let talks = talks.map(|turns| engine.chat(turns)?.ok_or(RequestError::NoChatTemplate));
        talks.collect::<Result<_, _>>()?
    } else {
        let texts = choice.contexts.iter().map(|text| context(text));
        texts.collect::<Result<_, _>>()?
    };
    let continuations = match (options.chat_template, contexts.is_empty()) {
        (false, _) => choice.continuations.clone(),
        (true, true) => choice.choices.clone(),
        (true, false) => {
            let bare = choice
                .continuations
                .iter()
                .map(|text| text.trim_start_matches(is_space));
            bare.map(str::to_owned).collect()
        }
    };
    let limit = options.score_limit(engine);
    let run = continuations.len() / contexts.len().max(1);
    let mut requests = Vec::with_capacity(continuations.len());
    for (index, continuation) in continuations.iter().enumerate() {
        let own = index.checked_div(run).and_then(|run| contexts.get(run));
        let pair = encoding::encode_pair(engine, own.unwrap_or(&prompt), continuation)?;
        requests.push(encoding::fit(pair, limit));
    }
    Ok(ChoiceRequests {
        prompt,
        contexts,
        continuations,
        requests,
    })
}

/// Requests of a text whose likelihood is asked for. No template is applied: nothing stands before the text.
///
/// # Errors
/// If the tokenizer fails.
pub fn rolling(engine: &dyn Engine, text: &str, options: &PromptOptions) -> Result<RollingRequests, RequestError> {
    let tokens = encoding::encode(engine, text)?;
    let windows = encoding::rolling_windows(&tokens, engine.prefix_token(), options.score_limit(engine));
    Ok(RollingRequests {
        windows,
        tokens: tokens.len(),
    })
}

/// Request of a generation item. The prompt is cut from the left to leave room for the answer.
///
/// The caller has checked that `sampling.max_new_tokens` is smaller than the limit of the model.
///
/// # Errors
/// As [`choice`].
pub fn generation(
    engine: &dyn Engine,
    item: &str,
    question: &Generate,
    options: &PromptOptions,
    sampling: &Sampling,
) -> Result<GenerationRequest, RequestError> {
    let prompt = prompt_text(engine, question, options)?;
    let mut tokens = encoding::encode(engine, &prompt)?;
    let room = options.limit(engine).saturating_sub(sampling.max_new_tokens).max(1);
    let dropped = tokens.len().saturating_sub(room);
    tokens.drain(..dropped);
    let request = if tokens.is_empty() {
        Err(Unscorable::EmptyContext)
    } else {
        Ok(GenerateRequest {
            prompt: tokens,
            stop: sampling.stop.clone(),
            max_new_tokens: sampling.max_new_tokens,
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            seed: item_seed(sampling.seed, item),
        })
    };
    let probe = match &sampling.probe {
        Some(probe) if !prompt.is_empty() => {
            let pair = encoding::encode_pair(engine, &prompt, probe)?;
            encoding::fit(pair, options.score_limit(engine))
                .ok()
                .map(|fitted| fitted.request)
        }
        _ => None,
    };
    Ok(GenerationRequest {
        samples: request
            .iter()
            .flat_map(|request| samples(request, item, sampling))
            .collect(),
        prompt,
        request,
        dropped,
        probe,
    })
}

/// The same request as often as samples are asked for.
fn samples(request: &GenerateRequest, item: &str, sampling: &Sampling) -> Vec<GenerateRequest> {
    let Some(options) = sampling.samples else {
        return Vec::new();
    };
    let sample = |number| GenerateRequest {
        temperature: options.temperature,
        top_p: options.top_p,
        seed: sample_seed(sampling.seed, item, number),
        ..request.clone()
    };
    (1..=options.count).map(sample).collect()
}

/// The requests whose continuations are compared with the unpruned model's: see [`crate::divergence`].
#[derive(Debug, Clone)]
pub struct DivergenceRequests {
    /// What precedes the text that is compared.
    pub prompt: String,
    /// The text that is compared.
    pub text: String,
    /// Their continuations make up the text's tokens; or why nothing can be compared.
    pub requests: Result<Vec<ScoreRequest>, Unscorable>,
    /// Tokens dropped from the left of the prompt.
    pub dropped: usize,
}

/// Requests of an item for the comparison with the unpruned model: a whole text; a question's first reference after its
/// prompt; a choice's first right continuation after its context. A question without a reference has nothing to compare.
///
/// # Errors
/// As [`choice`].
pub fn divergence(
    engine: &dyn Engine,
    body: &Body,
    options: &PromptOptions,
) -> Result<DivergenceRequests, RequestError> {
    let (prompt, text) = match body {
        Body::Text(text) => {
            let made = rolling(engine, text, options)?;
            return Ok(DivergenceRequests {
                prompt: String::new(),
                text: text.clone(),
                requests: Some(made.windows)
                    .filter(|windows| !windows.is_empty())
                    .ok_or(Unscorable::EmptyContinuation),
                dropped: 0,
            });
        }
        Body::Generate(question) => {
            let prompt = prompt_text(engine, question, options)?;
            let reference = question.references.first().cloned().unwrap_or_default();
            let apart = prompt.ends_with(is_space) || reference.starts_with(is_space) || reference.is_empty();
            let blank = if options.chat_template || apart { "" } else { " " };
            (prompt, format!("{blank}{reference}"))
        }
        Body::Choice(item) => {
            let mut made = choice(engine, item, options)?;
            let gold = item.gold.first().copied().unwrap_or_default();
            let own = (gold < made.contexts.len()).then(|| made.contexts.swap_remove(gold));
            let text = made.continuations.get(gold).cloned().unwrap_or_default();
            (own.unwrap_or(made.prompt), text)
        }
    };
    let pair = encoding::encode_pair(engine, &prompt, &text)?;
    let fitted = encoding::fit(pair, options.score_limit(engine));
    Ok(DivergenceRequests {
        prompt,
        text,
        dropped: fitted.as_ref().map_or(0, |fitted| fitted.dropped),
        requests: fitted.map(|fitted| vec![fitted.request]),
    })
}

fn prompt_text(engine: &dyn Engine, question: &Generate, options: &PromptOptions) -> Result<String, RequestError> {
    let prefix = question.prefix.as_deref().unwrap_or_default();
    if options.chat_template {
        let mut text = engine.chat(&question.messages)?.ok_or(RequestError::NoChatTemplate)?;
        text.push_str(prefix);
        return Ok(text);
    }
    let turns: Vec<&str> = question
        .messages
        .iter()
        .map(|message| message.content.as_str())
        .collect();
    let mut text = turns.join("\n\n");
    let touches = |s: &str| s.ends_with(is_space);
    let apart = touches(&text) || prefix.starts_with(is_space);
    if !prefix.is_empty() && !text.is_empty() && !apart {
        text.push(' ');
    }
    text.push_str(prefix);
    Ok(text)
}

/// FNV-1a over the item id, started from the cell's seed.
fn item_seed(seed: u64, item: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    item.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The same, gone on over a byte that no id holds and the sample's number.
fn sample_seed(seed: u64, item: &str, number: usize) -> u64 {
    let number = (number as u64).to_le_bytes();
    let bytes = std::iter::once(0xff).chain(number);
    bytes.fold(item_seed(seed, item), |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::bigram::BigramEngine;

    fn question(prefix: Option<&str>) -> Generate {
        let turn = |role: &str, content: &str| Message {
            role: role.into(),
            content: content.into(),
        };
        Generate {
            messages: vec![turn("system", "Be brief."), turn("user", "Why?")],
            prefix: prefix.map(Into::into),
            references: vec!["because".into()],
            source: None,
            unanswerable: false,
        }
    }

    fn sampling(max_new_tokens: usize) -> Sampling {
        Sampling {
            stop: vec!["\n".into()],
            max_new_tokens,
            temperature: 0.0,
            top_p: 1.0,
            probe: None,
            samples: None,
            seed: 1,
        }
    }

    fn template() -> PromptOptions {
        PromptOptions {
            chat_template: true,
            max_length: None,
        }
    }

    #[test]
    fn the_template_replaces_the_delimiter() {
        let engine = BigramEngine::train("x", &[]).with_template();
        let item = Choice {
            context: "Q?".into(),
            continuations: vec![" yes".into(), " no".into()],
            choices: vec!["yes".into(), "no".into()],
            gold: vec![0],
            ..Choice::default()
        };
        let plain = choice(&engine, &item, &PromptOptions::default()).unwrap();
        assert_eq!(plain.continuations, item.continuations);
        let chat = choice(&engine, &item, &template()).unwrap();
        assert_eq!(chat.prompt, "<s>user: Q?\nassistant: ");
        assert_eq!(chat.continuations, item.choices);
        let request = &chat.requests[0].as_ref().unwrap().request;
        assert_eq!(request.continuation.len(), " yes".len());
        let bare = BigramEngine::train("x", &[]);
        assert!(matches!(
            choice(&bare, &item, &template()),
            Err(RequestError::NoChatTemplate)
        ));
    }

    #[test]
    fn choices_may_differ_in_their_context_alone() {
        let engine = BigramEngine::train("x", &[]).with_template();
        let item = Choice {
            context: "Eg. ".into(),
            contexts: vec!["Eg. The ox".into(), "Eg. The fly".into()],
            continuations: vec![" is big.".into(), " is big.".into()],
            choices: vec!["The ox".into(), "The fly".into()],
            gold: vec![0],
            ..Choice::default()
        };
        let plain = choice(&engine, &item, &PromptOptions::default()).unwrap();
        assert_eq!(plain.contexts, item.contexts);
        let requests: Vec<_> = plain
            .requests
            .iter()
            .map(|made| &made.as_ref().unwrap().request)
            .collect();
        assert_eq!(requests[0].continuation, requests[1].continuation);
        assert_eq!(requests[1].context, engine.encode("Eg. The fly", false).unwrap());
        let chat = choice(&engine, &item, &template()).unwrap();
        assert_eq!(chat.continuations, ["is big.", "is big."]);
        assert_eq!(chat.contexts[0], "<s>user: Eg. The ox\nassistant: ");
    }

    #[test]
    fn runs_of_choices_share_a_context_and_turns_are_real_ones_with_a_template() {
        let engine = BigramEngine::train("x", &[]).with_template();
        let turn = |role: &str, content: &str| Message {
            role: role.into(),
            content: content.into(),
        };
        let item = Choice {
            context: "Q?".into(),
            contexts: vec!["Q?".into(), "Q? a\n\nSure?".into()],
            conversations: vec![
                vec![turn("user", "Q?")],
                vec![turn("user", "Q?"), turn("assistant", "a"), turn("user", "Sure?")],
            ],
            continuations: [" a", " b", " a", " b"].map(String::from).into(),
            choices: ["a", "b", "a", "b"].map(String::from).into(),
            gold: vec![0, 2],
            lettered: None,
        };
        let context = |made: &ChoiceRequests, i: usize| made.requests[i].as_ref().unwrap().request.context.clone();
        let plain = choice(&engine, &item, &PromptOptions::default()).unwrap();
        assert_eq!(context(&plain, 1), engine.encode("Q?", false).unwrap());
        assert_eq!(context(&plain, 2), engine.encode("Q? a\n\nSure?", false).unwrap());
        let chat = choice(&engine, &item, &template()).unwrap();
        assert_eq!(chat.contexts[1], "<s>user: Q?\nassistant: a\nuser: Sure?\nassistant: ");
        assert_eq!(chat.continuations, item.choices);
    }

    #[test]
    fn the_probe_follows_the_same_prompt() {
        let engine = BigramEngine::train("x", &[]);
        let sampling = Sampling {
            probe: Some(" none".into()),
            ..sampling(6)
        };
        let made = generation(&engine, "1", &question(None), &PromptOptions::default(), &sampling).unwrap();
        let probe = made.probe.unwrap();
        assert_eq!(probe.context, made.request.unwrap().prompt);
        assert_eq!(probe.continuation, engine.encode(" none", false).unwrap());
    }

    #[test]
    fn prompts_are_joined_and_cut_from_the_left() {
        let engine = BigramEngine::train("x", &[]).with_max_length(10);
        let options = PromptOptions::default();
        let made = generation(&engine, "1", &question(Some("I")), &options, &sampling(6)).unwrap();
        assert_eq!(made.prompt, "Be brief.\n\nWhy? I");
        assert_eq!(made.dropped, made.prompt.len() - 4);
        let expected = engine.encode("y? I", false).unwrap();
        assert_eq!(made.request.unwrap().prompt, expected);
    }

    #[test]
    fn every_item_has_its_own_seed() {
        assert_ne!(item_seed(0, "a"), item_seed(0, "b"));
        assert_ne!(item_seed(0, "a"), item_seed(1, "a"));
        assert_eq!(item_seed(3, "a"), item_seed(3, "a"));
    }

    #[test]
    fn every_sample_has_its_own_seed_and_the_answer_is_asked_as_before() {
        let engine = BigramEngine::train("x", &[]);
        let options = PromptOptions::default();
        let without = generation(&engine, "1", &question(None), &options, &sampling(6)).unwrap();
        let sampling = Sampling {
            samples: Some(Samples {
                count: 3,
                temperature: 0.5,
                top_p: 0.9,
            }),
            ..sampling(6)
        };
        let made = generation(&engine, "1", &question(None), &options, &sampling).unwrap();
        assert_eq!(made.request, without.request);
        let prompt = &made.request.as_ref().unwrap().prompt;
        let mut seeds: Vec<u64> = made.samples.iter().map(|sample| sample.seed).collect();
        seeds.push(made.request.as_ref().unwrap().seed);
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!((made.samples.len(), seeds.len()), (3, 4));
        let sound = |sample: &GenerateRequest| &sample.prompt == prompt && sample.stop == ["\n"];
        assert!(made.samples.iter().all(sound));
        assert!(made.samples.iter().all(|s| (s.temperature, s.top_p) == (0.5, 0.9)));
        assert_ne!(sample_seed(0, "a", 1), sample_seed(0, "b", 1));
    }

    #[test]
    fn the_first_reference_is_compared_after_the_prompt() {
        let engine = BigramEngine::train("x", &[]).with_template();
        let body = Body::Generate(question(None));
        let made = divergence(&engine, &body, &PromptOptions::default()).unwrap();
        assert_eq!(
            (made.prompt.as_str(), made.text.as_str()),
            ("Be brief.\n\nWhy?", " because")
        );
        let request = made.requests.unwrap().remove(0);
        assert_eq!(request.context, engine.encode("Be brief.\n\nWhy?", false).unwrap());
        assert_eq!(request.continuation, engine.encode(" because", false).unwrap());
        let made = divergence(&engine, &body, &template()).unwrap();
        assert_eq!(made.text, "because");
        assert!(made.prompt.ends_with("assistant: "));
        let empty = Generate {
            references: vec![],
            ..question(None)
        };
        let made = divergence(&engine, &Body::Generate(empty), &PromptOptions::default()).unwrap();
        assert_eq!(made.requests, Err(Unscorable::EmptyContinuation));
    }

    #[test]
    fn a_text_is_compared_from_its_first_token_and_a_choice_at_its_right_end() {
        let engine = BigramEngine::train("x", &[]);
        let made = divergence(&engine, &Body::Text("abc".into()), &PromptOptions::default()).unwrap();
        let windows = made.requests.unwrap();
        assert_eq!(windows[0].context, [engine.prefix_token()]);
        assert_eq!(windows[0].continuation.len(), 3);
        let item = Choice {
            context: "Eg. ".into(),
            contexts: vec!["The ox".into(), "The fly".into()],
            continuations: vec![" is big.".into(), " is small.".into()],
            choices: vec!["The ox".into(), "The fly".into()],
            gold: vec![1],
            ..Choice::default()
        };
        let made = divergence(&engine, &Body::Choice(item), &PromptOptions::default()).unwrap();
        assert_eq!((made.prompt.as_str(), made.text.as_str()), ("The fly", " is small."));
    }

    #[test]
    fn rolling_predicts_bos_where_the_tokenizer_adds_it() {
        let engine = BigramEngine::train("x", &[]).with_bos();
        let made = rolling(&engine, "abc", &PromptOptions::default()).unwrap();
        assert_eq!(made.tokens, 4);
        assert_eq!(made.windows[0].continuation[0], engine.prefix_token());
    }
}
