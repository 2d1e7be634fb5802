//! `transformers serve`: `/v1/completions`, text in and text out.
//!
//! Source: transformers 5.23, `cli/serving/completion.py`, and its replies. It takes no token ids, tells no log-probabilities, and
//! samples only where a generation config says `do_sample`, whatever the temperature; so the whole config is sent along. It draws
//! all samples from one generator, which each request seeds.

use serde_json::{Value, json};

use super::dialect::{Ask, Dialect, Prompt, Scoring};
use super::reply::{self, Completion, Said, TokenScore};

/// transformers' server.
#[derive(Debug)]
pub struct Transformers;

impl Dialect for Transformers {
    fn path(&self) -> &'static str {
        "/v1/completions"
    }

    fn takes_text(&self) -> bool {
        true
    }

    fn shares_its_generator(&self) -> bool {
        true
    }

    fn scoring(&self) -> Scoring {
        Scoring::Never("transformers' server tells no log-probabilities; vLLM, SGLang and llama.cpp's server do")
    }

    fn generate(&self, ask: &Ask<'_>) -> Value {
        let prompt = match &ask.prompt {
            Prompt::Text(text) => json!(text),
            Prompt::Tokens(ids) => json!(ids),
        };
        let mut config = json!({
            "max_new_tokens": ask.max_new_tokens,
            "do_sample": ask.temperature > 0.0,
            "eos_token_id": ask.end_tokens,
            "pad_token_id": ask.end_tokens.first(),
        });
        if ask.temperature > 0.0 {
            config["temperature"] = json!(ask.temperature);
            config["top_p"] = json!(ask.top_p);
            // Its default keeps the 50 likeliest tokens.
            config["top_k"] = json!(0);
        }
        let mut body = json!({
            "model": ask.model,
            "prompt": prompt,
            "max_tokens": ask.max_new_tokens,
            "generation_config": config.to_string(),
            "seed": ask.seed,
        });
        let stop: Vec<&String> = ask.stop.iter().filter(|stop| !stop.is_empty()).collect();
        if !stop.is_empty() {
            body["stop"] = json!(stop);
        }
        body
    }

    fn completion(&self, reply: &Value) -> Result<Completion, String> {
        let choice = reply::choice(reply)?;
        Ok(Completion {
            prompt_tokens: reply::count(reply, "/usage/prompt_tokens")?,
            finish: reply::text(choice, "/finish_reason")?.to_owned(),
            said: Said::Text {
                text: reply::text(choice, "/text")?.to_owned(),
                tokens: reply::count(reply, "/usage/completion_tokens")?,
            },
        })
    }

    fn score(&self, model: &str, tokens: &[u32], _: usize) -> Value {
        json!({"model": model, "prompt": tokens})
    }

    fn scores(&self, _: &Value, _: &[u32], _: usize) -> Result<Vec<TokenScore>, String> {
        Err("transformers' server tells no log-probabilities".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Recorded from transformers 5.23.
    const RECORDED: &str = r#"{"id":"30cda412-84ae-42eb-a8e3-b1d5b6a482d7","choices":[{"finish_reason":"stop","index":0,"text":"The drug finasteride is used to treat enlarged prostate."}],"created":1795836682,"model":"demo-olmoe@main","object":"text_completion","usage":{"completion_tokens":18,"prompt_tokens":19,"total_tokens":37}}"#;

    #[test]
    fn a_recorded_answer_is_read() {
        let found = Transformers
            .completion(&reply::json(RECORDED.as_bytes()).unwrap())
            .unwrap();
        assert_eq!((found.prompt_tokens, found.finish.as_str()), (19, "stop"));
        let Said::Text { text, tokens } = found.said else {
            unreachable!("it answers in text");
        };
        assert_eq!((text.ends_with("prostate."), tokens), (true, 18));
    }

    #[test]
    fn hostile_replies_are_said() {
        for (place, value, word) in [
            ("/choices", json!({}), "choices"),
            ("/choices/0/text", json!(null), "`text`"),
            ("/choices/0/finish_reason", json!(1), "finish_reason"),
            ("/usage/completion_tokens", json!(1.5), "completion_tokens"),
        ] {
            let mut reply: Value = serde_json::from_str(RECORDED).unwrap();
            *reply.pointer_mut(place).unwrap() = value;
            let message = Transformers.completion(&reply).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn the_config_says_what_the_server_would_not_do_by_itself() {
        let ask = |temperature| {
            let stop = ["\n".to_owned(), String::new()];
            let ask = Ask {
                model: "m",
                prompt: Prompt::Text("a".into()),
                end_tokens: &[2, 0],
                stop: &stop,
                max_new_tokens: 4,
                temperature,
                top_p: 0.9,
                seed: 1,
            };
            Transformers.generate(&ask)
        };
        let config =
            |body: &Value| -> Value { serde_json::from_str(body["generation_config"].as_str().unwrap()).unwrap() };
        let (greedy, sampled) = (ask(0.0), ask(0.7));
        assert_eq!(greedy["stop"], json!(["\n"]));
        let expected = json!({"max_new_tokens": 4, "do_sample": false, "eos_token_id": [2, 0], "pad_token_id": 2});
        assert_eq!(config(&greedy), expected);
        let sampling = config(&sampled);
        assert_eq!((&sampling["do_sample"], &sampling["top_k"]), (&json!(true), &json!(0)));
        assert_eq!(
            (&sampling["temperature"], &sampling["top_p"]),
            (&json!(0.7), &json!(0.9))
        );
    }
}
