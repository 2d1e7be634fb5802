//! llama.cpp's `llama-server`: its own `/completion`, which takes and returns token ids.
//!
//! Source: `tools/server/README.md` and `server-task.cpp`. It has no log-probabilities of prompts: its `/v1/completions` refuses
//! `echo`. It tells those of the likeliest next tokens (`n_probs`), as many as the vocabulary has, before sampling changes
//! them: a continuation is scored one token after another, exactly.

use serde_json::{Value, json};

use super::dialect::{Ask, Dialect, Prompt, Scoring};
use super::reply::{self, Completion, Said, TokenScore};

/// llama.cpp's server.
#[derive(Debug)]
pub struct LlamaCpp;

impl Dialect for LlamaCpp {
    fn path(&self) -> &'static str {
        "/completion"
    }

    fn scoring(&self) -> Scoring {
        Scoring::Stepwise
    }

    fn generate(&self, ask: &Ask<'_>) -> Value {
        let prompt = match &ask.prompt {
            Prompt::Tokens(ids) => json!(ids),
            Prompt::Text(text) => json!(text),
        };
        json!({
            "prompt": prompt,
            "n_predict": ask.max_new_tokens,
            "temperature": ask.temperature,
            "top_p": ask.top_p,
            // Its defaults keep the 40 likeliest tokens and drop what is below a twentieth of the first.
            "top_k": 0,
            "min_p": 0.0,
            "repeat_penalty": 1.0,
            "seed": ask.seed,
            "stop": ask.stop,
            "n_probs": 1,
            "post_sampling_probs": false,
            "return_tokens": true,
            // What a slot remembers of other prompts must not matter.
            "cache_prompt": false,
        })
    }

    fn completion(&self, reply: &Value) -> Result<Completion, String> {
        if reply.get("truncated").and_then(Value::as_bool) == Some(true) {
            return Err("the server cut the prompt: start it with a larger context (`-c`)".to_owned());
        }
        let ids = reply::ids(reply, "/tokens")?;
        let entries = match reply.get("completion_probabilities") {
            None => &[],
            Some(_) => reply::list(reply, "/completion_probabilities")?,
        };
        // It leaves out those of a stop text.
        let log_probabilities = if entries.len() == ids.len() {
            let pairs = entries.iter().zip(&ids);
            Some(pairs.map(|(entry, &id)| own(entry, id)).collect::<Result<_, _>>()?)
        } else {
            None
        };
        Ok(Completion {
            prompt_tokens: reply::count(reply, "/tokens_evaluated")?,
            finish: reply::text(reply, "/stop_type")?.to_owned(),
            said: Said::Tokens { ids, log_probabilities },
        })
    }

    fn score(&self, _: &str, tokens: &[u32], likeliest: usize) -> Value {
        json!({
            "prompt": tokens,
            "n_predict": 1,
            "temperature": 0.0,
            "n_probs": likeliest,
            "post_sampling_probs": false,
            "return_tokens": true,
            // The same context comes again with each token and each choice.
            "cache_prompt": true,
        })
    }

    fn scores(&self, _: &Value, _: &[u32], _: usize) -> Result<Vec<TokenScore>, String> {
        Err("llama.cpp's server has no log-probabilities of a whole prompt".to_owned())
    }

    fn next_score(&self, reply: &Value, token: u32) -> Result<Option<TokenScore>, String> {
        let top = reply::list(reply, "/completion_probabilities/0/top_logprobs")?;
        let place = "completion_probabilities.top_logprobs";
        let mut likeliest = f64::NEG_INFINITY;
        let mut found = None;
        for entry in top {
            let id = reply::token(entry.get("id").unwrap_or(&Value::Null), place)?;
            // Of other tokens the smallest number stands for −∞, which is no trouble.
            let value = entry.get("logprob").and_then(Value::as_f64);
            likeliest = likeliest.max(value.unwrap_or(f64::NEG_INFINITY));
            if id == token {
                found = Some(reply::log_probability(entry.get("logprob"), place)?);
            }
        }
        Ok(found.map(|log_probability| TokenScore {
            log_probability,
            greedy: log_probability >= likeliest,
        }))
    }
}

fn own(entry: &Value, token: u32) -> Result<f64, String> {
    let place = "completion_probabilities";
    let found = reply::token(entry.get("id").unwrap_or(&Value::Null), place)?;
    if found != token {
        return Err(format!("`{place}` is of token {found}, expected {token}"));
    }
    reply::log_probability(entry.get("logprob"), place)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// As `server_task_result_cmpl_final::to_json_non_oaicompat` writes it, with the fields that are not read left out.
    fn completion() -> Value {
        json!({"index": 0, "content": "a b", "tokens": [5, 2], "stop": true, "tokens_predicted": 2, "tokens_evaluated": 3,
            "truncated": false, "stop_type": "eos", "stopping_word": "", "completion_probabilities": [
                {"id": 5, "token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": [{"id": 5, "logprob": -0.5}]},
                {"id": 2, "token": "", "bytes": [], "logprob": -0.25, "top_logprobs": [{"id": 2, "logprob": -0.25}]}]})
    }

    #[test]
    fn answers_are_read() {
        let found = LlamaCpp.completion(&completion()).unwrap();
        let expected = Said::Tokens {
            ids: vec![5, 2],
            log_probabilities: Some(vec![-0.5, -0.25]),
        };
        assert_eq!(
            (found.prompt_tokens, found.finish.as_str(), found.said),
            (3, "eos", expected)
        );
        let mut stopped = completion();
        stopped["completion_probabilities"].as_array_mut().unwrap().pop();
        let found = LlamaCpp.completion(&stopped).unwrap();
        assert!(matches!(
            found.said,
            Said::Tokens {
                log_probabilities: None,
                ..
            }
        ));
    }

    #[test]
    fn the_next_token_is_scored_if_it_is_among_the_likeliest() {
        let reply = json!({"completion_probabilities": [{"id": 9, "logprob": -0.1, "top_logprobs": [
            {"id": 9, "logprob": -0.1}, {"id": 7, "logprob": -2.5}, {"id": 8, "logprob": f64::from(f32::MIN)}]}]});
        let score = |token| LlamaCpp.next_score(&reply, token);
        assert_eq!(
            score(9).unwrap().map(|s| (s.log_probability, s.greedy)),
            Some((-0.1, true))
        );
        assert_eq!(
            score(7).unwrap().map(|s| (s.log_probability, s.greedy)),
            Some((-2.5, false))
        );
        assert_eq!(score(6).unwrap(), None);
        assert!(score(8).unwrap_err().contains("finite"));
    }

    #[test]
    fn hostile_replies_are_said() {
        for (place, value, word) in [
            ("/truncated", json!(true), "-c"),
            ("/tokens", json!(null), "`tokens`"),
            ("/tokens_evaluated", json!(-1), "tokens_evaluated"),
            ("/stop_type", json!(3), "stop_type"),
            ("/completion_probabilities", json!("x"), "completion_probabilities"),
            ("/completion_probabilities/0/id", json!(6), "token 6, expected 5"),
            ("/completion_probabilities/0/logprob", json!(0.7), "0.7"),
        ] {
            let mut reply = completion();
            *reply.pointer_mut(place).unwrap() = value;
            let message = LlamaCpp.completion(&reply).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
        assert!(LlamaCpp.next_score(&json!({}), 1).is_err());
        let no_id = json!({"completion_probabilities": [{"top_logprobs": [{"logprob": -1.0}]}]});
        assert!(LlamaCpp.next_score(&no_id, 1).is_err());
    }
}
