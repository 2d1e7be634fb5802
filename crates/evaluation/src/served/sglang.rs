//! `SGLang`: its own `/generate`, which takes and returns token ids.
//!
//! Source: <https://docs.sglang.io/basic_usage/sampling_params.html> and `python/sglang/srt/managers/io_struct.py`
//! (`GenerateReqInput`). Log-probabilities are triples of ln p, token id and text; the first token of a prompt has none.

use serde_json::{Value, json};

use super::dialect::{Ask, Dialect, Prompt, Scoring};
use super::reply::{self, Completion, Said, TokenScore};

/// `SGLang`.
#[derive(Debug)]
pub struct Sglang;

impl Dialect for Sglang {
    fn path(&self) -> &'static str {
        "/generate"
    }

    fn scoring(&self) -> Scoring {
        Scoring::AtOnce
    }

    fn generate(&self, ask: &Ask<'_>) -> Value {
        let (field, prompt) = match &ask.prompt {
            Prompt::Tokens(ids) => ("input_ids", json!(ids)),
            Prompt::Text(text) => ("text", json!(text)),
        };
        json!({
            field: prompt,
            "sampling_params": {
                "max_new_tokens": ask.max_new_tokens,
                "temperature": ask.temperature,
                "top_p": ask.top_p,
                "top_k": -1,
                "min_p": 0.0,
                "repetition_penalty": 1.0,
                "sampling_seed": ask.seed,
                "stop": ask.stop,
                "stop_token_ids": ask.end_tokens,
                "skip_special_tokens": false,
            },
            // It tells those of the distribution it draws from: the model's own where nothing changes it.
            "return_logprob": plain(ask),
        })
    }

    fn completion(&self, reply: &Value) -> Result<Completion, String> {
        let ids = reply::ids(reply, "/output_ids")?;
        let known = reply.pointer("/meta_info/output_token_logprobs").is_some();
        let log_probabilities = if known {
            let place = "/meta_info/output_token_logprobs";
            let entries = reply::list(reply, place)?;
            reply::same_count(entries.len(), ids.len(), "meta_info.output_token_logprobs")?;
            let pairs = entries.iter().zip(&ids);
            Some(pairs.map(|(entry, &id)| triple(entry, id)).collect::<Result<_, _>>()?)
        } else {
            None
        };
        Ok(Completion {
            prompt_tokens: reply::count(reply, "/meta_info/prompt_tokens")?,
            finish: reply::text(reply, "/meta_info/finish_reason/type")?.to_owned(),
            said: Said::Tokens { ids, log_probabilities },
        })
    }

    fn score(&self, _: &str, tokens: &[u32], _: usize) -> Value {
        json!({
            "input_ids": tokens,
            "sampling_params": {"max_new_tokens": 1, "temperature": 0.0},
            "return_logprob": true,
            "logprob_start_len": 0,
            "top_logprobs_num": 1,
        })
    }

    fn scores(&self, reply: &Value, tokens: &[u32], from: usize) -> Result<Vec<TokenScore>, String> {
        let own = reply::list(reply, "/meta_info/input_token_logprobs")?;
        let top = reply::list(reply, "/meta_info/input_top_logprobs")?;
        reply::same_count(own.len(), tokens.len(), "meta_info.input_token_logprobs")?;
        reply::same_count(top.len(), tokens.len(), "meta_info.input_top_logprobs")?;
        let one = |((entry, top), &token): ((&Value, &Value), &u32)| {
            let log_probability = triple(entry, token)?;
            let likeliest = reply::log_probability(top.pointer("/0/0"), "meta_info.input_top_logprobs")?;
            Ok(TokenScore {
                log_probability,
                greedy: log_probability >= likeliest,
            })
        };
        own.iter().zip(top).zip(tokens).skip(from).map(one).collect()
    }
}

/// Whether the distribution that is drawn from is the model's own.
fn plain(ask: &Ask<'_>) -> bool {
    let exact = |value: f64, to: f64| (value - to).abs() < f64::EPSILON;
    exact(ask.temperature, 0.0) || (exact(ask.temperature, 1.0) && exact(ask.top_p, 1.0))
}

fn triple(entry: &Value, token: u32) -> Result<f64, String> {
    let place = "meta_info token log-probabilities";
    let id = entry.get(1).ok_or_else(|| format!("the {place} are no triples"))?;
    let found = reply::token(id, place)?;
    if found != token {
        return Err(format!(
            "the {place} are of token {found}, expected {token}: the server read other tokens"
        ));
    }
    reply::log_probability(entry.get(0), place)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// As documented, with the fields that are not read left out.
    fn completion() -> Value {
        json!({"text": "a b", "output_ids": [5, 2], "meta_info": {"id": "x", "finish_reason": {"type": "stop", "matched": 2},
            "prompt_tokens": 3, "completion_tokens": 2, "output_token_logprobs": [[-0.5, 5, null], [-0.25, 2, null]]}})
    }

    fn prompt() -> Value {
        json!({"text": "x", "output_ids": [1], "meta_info": {
            "input_token_logprobs": [[null, 1, null], [-0.5, 7, null], [-2.5, 8, null]],
            "input_top_logprobs": [null, [[-0.5, 7, null]], [[-0.1, 9, null]]]}})
    }

    #[test]
    fn answers_and_scores_are_read() {
        let found = Sglang.completion(&completion()).unwrap();
        let expected = Said::Tokens {
            ids: vec![5, 2],
            log_probabilities: Some(vec![-0.5, -0.25]),
        };
        assert_eq!(
            (found.prompt_tokens, found.finish.as_str(), found.said),
            (3, "stop", expected)
        );
        let scores = Sglang.scores(&prompt(), &[1, 7, 8], 1).unwrap();
        assert_eq!(
            scores.iter().map(|s| s.log_probability).collect::<Vec<_>>(),
            [-0.5, -2.5]
        );
        assert_eq!(scores.iter().map(|s| s.greedy).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn hostile_replies_are_said() {
        assert!(
            Sglang
                .scores(&prompt(), &[1, 7, 9], 1)
                .unwrap_err()
                .contains("token 8, expected 9")
        );
        assert!(Sglang.scores(&prompt(), &[1, 7], 1).unwrap_err().contains("3 entries"));
        let mut reply = prompt();
        reply["meta_info"]["input_top_logprobs"][2] = json!([]);
        assert!(Sglang.scores(&reply, &[1, 7, 8], 1).unwrap_err().contains("nothing"));
        for (place, value, word) in [
            ("/output_ids", json!("a"), "output_ids"),
            (
                "/meta_info/output_token_logprobs/1",
                json!([-0.25, 3, null]),
                "token 3, expected 2",
            ),
            ("/meta_info/output_token_logprobs", json!([]), "0 entries"),
            ("/meta_info/finish_reason", json!(null), "finish_reason"),
            ("/meta_info/prompt_tokens", json!("3"), "prompt_tokens"),
        ] {
            let mut reply = completion();
            *reply.pointer_mut(place).unwrap() = value;
            let message = Sglang.completion(&reply).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn log_probabilities_are_asked_for_where_they_are_the_models() {
        let ask = |temperature, top_p| {
            let ask = Ask {
                model: "m",
                prompt: Prompt::Tokens(vec![1]),
                end_tokens: &[2],
                stop: &[],
                max_new_tokens: 4,
                temperature,
                top_p,
                seed: 1,
            };
            Sglang.generate(&ask)["return_logprob"].clone()
        };
        assert_eq!([ask(0.0, 0.5), ask(1.0, 1.0)], [json!(true), json!(true)]);
        assert_eq!([ask(1.0, 0.5), ask(0.7, 1.0)], [json!(false), json!(false)]);
    }
}
