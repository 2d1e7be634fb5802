//! vLLM: `/v1/completions` with its own fields.
//!
//! Source: vLLM 0.10.2 and newer, `vllm/entrypoints/openai/completion/` (`protocol.py`, `serving.py`). `return_token_ids` makes it
//! return what it generated, `prompt_logprobs` the log-probabilities of the prompt, keyed by token id, with ranks.

use serde_json::{Value, json};

use super::dialect::{Ask, Dialect, Prompt, Scoring};
use super::reply::{self, Completion, Said, TokenScore};

/// vLLM.
#[derive(Debug)]
pub struct Vllm;

impl Dialect for Vllm {
    fn path(&self) -> &'static str {
        "/v1/completions"
    }

    fn scoring(&self) -> Scoring {
        Scoring::AtOnce
    }

    fn generate(&self, ask: &Ask<'_>) -> Value {
        let prompt = match &ask.prompt {
            Prompt::Tokens(ids) => json!(ids),
            Prompt::Text(text) => json!(text),
        };
        json!({
            "model": ask.model,
            "prompt": prompt,
            "max_tokens": ask.max_new_tokens,
            "temperature": ask.temperature,
            "top_p": ask.top_p,
            // Its defaults come from the checkpoint's generation_config.json.
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "seed": ask.seed,
            "stop": ask.stop,
            "stop_token_ids": ask.end_tokens,
            // A stop text may name a special token.
            "skip_special_tokens": false,
            "logprobs": 0,
            "return_token_ids": true,
        })
    }

    fn completion(&self, reply: &Value) -> Result<Completion, String> {
        let choice = reply::choice(reply)?;
        if choice.get("token_ids").is_none_or(Value::is_null) {
            return Err("the reply has no `token_ids`; vLLM 0.10.2 or newer returns them".to_owned());
        }
        let ids = reply::ids(choice, "/token_ids")?;
        let place = "/logprobs/token_logprobs";
        let values = reply::list(choice, place)?;
        reply::same_count(values.len(), ids.len(), "logprobs.token_logprobs")?;
        let values = values
            .iter()
            .map(|value| reply::log_probability(Some(value), "logprobs.token_logprobs"));
        Ok(Completion {
            prompt_tokens: reply::count(reply, "/usage/prompt_tokens")?,
            finish: reply::text(choice, "/finish_reason")?.to_owned(),
            said: Said::Tokens {
                ids,
                log_probabilities: Some(values.collect::<Result<_, _>>()?),
            },
        })
    }

    fn score(&self, model: &str, tokens: &[u32], _: usize) -> Value {
        // It generates at least one token.
        json!({"model": model, "prompt": tokens, "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 1})
    }

    fn scores(&self, reply: &Value, tokens: &[u32], from: usize) -> Result<Vec<TokenScore>, String> {
        let values = reply::list(reply::choice(reply)?, "/prompt_logprobs")?;
        reply::same_count(values.len(), tokens.len(), "prompt_logprobs")?;
        let one = |(entry, token): (&Value, &u32)| {
            let entry = entry.as_object().ok_or("`prompt_logprobs` lacks a token's entry")?;
            let own = entry.get(&token.to_string()).ok_or_else(|| {
                format!("`prompt_logprobs` has no entry for token {token}: the server read other tokens")
            })?;
            let log_probability = reply::log_probability(own.get("logprob"), "prompt_logprobs.logprob")?;
            let greedy = match own.get("rank").and_then(Value::as_u64) {
                Some(rank) => rank == 1,
                None => return Err("`prompt_logprobs` has no `rank`".to_owned()),
            };
            Ok(TokenScore {
                log_probability,
                greedy,
            })
        };
        values.iter().zip(tokens).skip(from).map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Recorded from vLLM 0.32.0.
    const ANSWER: &str = r#"{"id":"cmpl-b21794697b3de05d","object":"text_completion","created":1795837993,"model":"demo","choices":[{"index":0,"text":" prote prote prote","logprobs":{"text_offset":[0,6,12],"token_logprobs":[-3.4699182510375977,-3.185091972351074,-2.8823649883270264],"tokens":[" prote"," prote"," prote"],"top_logprobs":[{" prote":-3.4699182510375977},{" prote":-3.185091972351074},{" prote":-2.8823649883270264}]},"finish_reason":"length","stop_reason":null,"token_ids":[1628,1628,1628],"prompt_logprobs":null,"prompt_token_ids":[340,361,406],"routed_experts":null}],"service_tier":null,"system_fingerprint":"vllm-0.32.0-4903e24d","usage":{"prompt_tokens":3,"total_tokens":6,"completion_tokens":3,"prompt_tokens_details":null,"completion_tokens_details":null},"kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}"#;
    const PROMPT: &str = r#"{"id":"cmpl-b800691e85edc1cd","object":"text_completion","created":1795837993,"model":"demo","choices":[{"index":0,"text":" prote","logprobs":null,"finish_reason":"length","stop_reason":null,"token_ids":null,"prompt_logprobs":[null,{"361":{"logprob":-11.070765495300293,"rank":1779,"decoded_token":" does"},"314":{"logprob":-3.3080430030822754,"rank":1,"decoded_token":" l"}},{"406":{"logprob":-11.212060928344727,"rank":1811,"decoded_token":" V"},"1925":{"logprob":-1.739925742149353,"rank":1,"decoded_token":" levetiracetam"}}],"prompt_token_ids":null,"routed_experts":null}],"service_tier":null,"system_fingerprint":"vllm-0.32.0-4903e24d","usage":{"prompt_tokens":3,"total_tokens":4,"completion_tokens":1,"prompt_tokens_details":null,"completion_tokens_details":null},"kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}"#;

    fn recorded(text: &str) -> Value {
        reply::json(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_recorded_answer_is_read() {
        let found = Vllm.completion(&recorded(ANSWER)).unwrap();
        assert_eq!((found.prompt_tokens, found.finish.as_str()), (3, "length"));
        let expected = Said::Tokens {
            ids: vec![1628; 3],
            log_probabilities: Some(vec![
                -3.469_918_251_037_597_7,
                -3.185_091_972_351_074,
                -2.882_364_988_327_026_4,
            ]),
        };
        assert_eq!(found.said, expected);
    }

    #[test]
    fn recorded_scores_are_those_of_the_tokens_asked_for() {
        let scores = |tokens: &[u32], from| Vllm.scores(&recorded(PROMPT), tokens, from);
        let found = scores(&[340, 361, 1925], 1).unwrap();
        let values: Vec<f64> = found.iter().map(|s| s.log_probability).collect();
        assert_eq!(values, [-11.070_765_495_300_293, -1.739_925_742_149_353]);
        assert_eq!(found.iter().map(|s| s.greedy).collect::<Vec<_>>(), [false, true]);
        assert!(scores(&[340, 360, 406], 1).unwrap_err().contains("token 360"));
        assert!(scores(&[340, 361], 1).unwrap_err().contains("3 entries, expected 2"));
        assert!(scores(&[340, 361, 406], 0).unwrap_err().contains("lacks"));
    }

    #[test]
    fn hostile_replies_are_said() {
        let error = |place: &str, value: Value| {
            let mut reply = recorded(ANSWER);
            *reply.pointer_mut(place).unwrap() = value;
            Vllm.completion(&reply).unwrap_err()
        };
        assert!(error("/choices", json!([])).contains("0 `choices`"));
        assert!(error("/choices/0/token_ids", json!(null)).contains("0.10.2"));
        assert!(error("/choices/0/token_ids", json!([1])).contains("3 entries, expected 1"));
        assert!(error("/choices/0/token_ids/0", json!(-4)).contains("`-4`"));
        assert!(error("/choices/0/logprobs/token_logprobs/1", json!("NaN")).contains("log-probability"));
        assert!(error("/choices/0/logprobs", json!(null)).contains("logprobs.token_logprobs"));
        assert!(error("/usage", json!({})).contains("usage.prompt_tokens"));
    }
}
