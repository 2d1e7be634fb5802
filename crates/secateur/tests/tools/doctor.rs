//! `doctor`, on good checkpoints and on broken ones.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{fixture, olmoe, refusal, run, stdout, text, write};

/// A copy of the sharded `OLMoE` checkpoint.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(olmoe()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

fn json_of(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let output = run(folder, &[&["doctor", ".", "--json"], arguments].concat());
    let told = text(&output.stdout);
    let value = serde_json::from_str(&told).unwrap_or_else(|e| panic!("{e}: {told}{}", text(&output.stderr)));
    (output.status.code().unwrap(), value)
}

fn problems(found: &Value) -> String {
    let all = found["problems"].as_array().unwrap();
    all.iter()
        .map(|p| p["message"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

fn edit(folder: &Path, name: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(name);
    let mut value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

#[test]
fn good_checkpoints_of_every_fixture_pass() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "core/models/olmoe_bf16_sharded",
        "core/models/mixtral",
        "core/models/qwen3_moe_v5cfg_tied",
        "paper/models/qwen3_moe_paper",
    ] {
        let checkpoint = fixture(&format!("{name}/checkpoint"));
        let told = stdout(folder.path(), &["doctor", checkpoint.to_str().unwrap(), "--deep"]);
        for words in [
            "can be loaded    yes",
            "can be pruned    yes",
            "can be exported  yes",
            "pass by pass: the weights stay in memory",
            "no problem found",
            "MB of weights were read",
        ] {
            assert!(told.contains(words), "{name}: {words}\n{told}");
        }
    }
}

#[test]
fn sizes_are_those_of_the_files_that_prune_writes() {
    let folder = copy();
    let (status, found) = json_of(folder.path(), &["--ratios", "0,0.25,0.5"]);
    assert_eq!((status, &found["exports"]), (0, &json!(true)), "{found:#}");
    let plan = &found["memory"]["plan"];
    let all: u64 = found["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(
        (&plan["order"], &plan["weight_bytes"]),
        (&json!("pass_by_pass"), &json!(all)),
        "{plan:#}"
    );
    let mask: Vec<Vec<usize>> = vec![(0..4).collect(); 3];
    write(folder.path(), "mask.json", json!(mask).to_string());
    stdout(folder.path(), &["prune", ".", "pruned", "--mask", "mask.json"]);
    let mut bytes = 0;
    for entry in fs::read_dir(folder.path().join("pruned")).unwrap().flatten() {
        if entry.path().extension().is_some_and(|e| e == "safetensors") {
            bytes += entry.metadata().unwrap().len();
        }
    }
    // What generation_config.json leaves to config.json is read as well.
    assert!(
        !found["unread_config_fields"].to_string().contains("eos_token_id"),
        "{found:#}"
    );
    let half = &found["ratios"][2];
    assert_eq!(
        (&half["file_bytes"], &half["experts_kept"]),
        (&json!(bytes), &json!([4]))
    );
    let parts = found["parts"].as_array().unwrap();
    let total: u64 = parts.iter().map(|p| p["bytes"].as_u64().unwrap()).sum();
    // All tensors of the unpruned model are written at ratio 0; the cache of 4096 tokens is 3 layers × 2 × 2 heads × 8 × 4 bytes.
    assert_eq!(
        found["ratios"][0]["memory_bytes"].as_u64().unwrap(),
        total + 4096 * 3 * 2 * 2 * 8 * 4
    );
    assert_eq!(parts[0]["name"], "experts");
    assert_eq!(
        found["layers"],
        json!([{"layers": [0, 1, 2], "experts": 8, "top_k": 2, "groups": 1, "topk_groups": 1}])
    );
    let (status, found) = json_of(folder.path(), &["--ratios", "0.9"]);
    assert_eq!(
        (status, &found["loads"], &found["prunes"]),
        (1, &json!(true), &json!(false))
    );
    assert!(problems(&found).contains("every token is routed to 2"));
}

#[test]
fn every_problem_is_listed_not_only_the_first() {
    let folder = copy();
    let at = folder.path();
    edit(at, "config.json", |config| {
        config["rms_norm_eps"] = json!("small");
        config["hidden_act"] = json!("gelu");
        config["num_attention_heads"] = json!(-1);
    });
    edit(at, "generation_config.json", |config| config["temperature"] = json!(-3));
    write(at, "model-00002-of-00003.safetensors", "short");
    write(at, "chat_template.jinja", "{% if %}");
    write(at, "modeling_olmoe.py", "import os");
    write(at, "pytorch_model.bin", "x");
    let (status, found) = json_of(at, &[]);
    let told = problems(&found);
    assert_eq!(status, 1);
    for words in [
        "`rms_norm_eps` is \"small\"",
        "`hidden_act` = `gelu`",
        "`num_attention_heads` is -1",
        "model-00002-of-00003.safetensors is not a valid safetensors file",
        "`temperature` is -3",
        "chat template",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
    let notes = found["notes"].to_string();
    for words in ["modeling_olmoe.py", "pytorch_model.bin"] {
        assert!(notes.contains(words), "{words}\n{notes}");
    }
    assert_eq!(
        [&found["loads"], &found["prunes"], &found["exports"]],
        [&json!(false); 3]
    );
    assert!(text(&run(at, &["doctor", "."]).stdout).contains("[cannot be loaded]"));
}

#[test]
fn tensors_that_do_not_fit_are_all_named() {
    let folder = copy();
    edit(folder.path(), "config.json", |config| {
        config["num_hidden_layers"] = json!(4);
        config["vocab_size"] = json!(500);
    });
    let (status, found) = json_of(folder.path(), &[]);
    let told = problems(&found);
    assert_eq!(status, 1);
    assert!(
        told.contains("tensors that config.json implies are missing: `model.layers.3."),
        "{told}"
    );
    assert!(
        told.contains("`model.embed_tokens.weight` is [512, 48], but config.json implies [500, 48]"),
        "{told}"
    );
    assert!(told.contains("lm_head.weight"), "{told}");
    assert!(told.contains("the model's embedding has 500 rows"), "{told}");
}

#[test]
fn weights_that_are_no_numbers_are_found_by_a_deep_look_only() {
    let folder = copy();
    let path = folder.path().join("model-00003-of-00003.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 2;
    bytes[last..].copy_from_slice(&[0xc0, 0x7f]);
    fs::write(&path, bytes).unwrap();
    assert_eq!(json_of(folder.path(), &[]).0, 0);
    let (status, found) = json_of(folder.path(), &["--deep"]);
    assert!(
        status == 1 && problems(&found).contains("holds NaN at element"),
        "{found:#}"
    );
}

#[test]
fn what_is_no_checkpoint_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (status, found) = json_of(at, &[]);
    let told = problems(&found);
    assert_eq!(status, 1);
    for words in [
        "has no config.json",
        "has no model.safetensors",
        "has no tokenizer.json",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
    write(
        at,
        "config.json",
        json!({"model_type": "brand_new", "auto_map": {"AutoModel": "modeling.Brand"}}).to_string(),
    );
    write(at, "pytorch_model.bin", "x");
    let told = problems(&json_of(at, &[]).1);
    assert!(
        told.contains("model_type `brand_new` is not supported") && told.contains("which Secateur never runs"),
        "{told}"
    );
    assert!(told.contains("only as pytorch_model.bin"), "{told}");
    for (name, words) in [
        ("nowhere", "neither an existing directory nor a hub id"),
        ("org/absent", "nothing is downloaded"),
    ] {
        let output = run(at, &["doctor", name]);
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains(words), "{told}");
    }
}

#[test]
fn code_that_comes_with_a_checkpoint_is_never_run() {
    let folder = copy();
    let at = folder.path();
    let code = |config: &mut Value| config["auto_map"] = json!({"AutoModelForCausalLM": "modeling.Model"});
    edit(at, "config.json", code);
    write(at, "modeling.py", "open('ran', 'w')");
    let (status, found) = json_of(at, &[]);
    assert_eq!(status, 0, "a known family needs no code: {found:#}");
    assert!(found["notes"].to_string().contains("it is not run"), "{found:#}");
    edit(at, "config.json", |config| config["model_type"] = json!("brand_new"));
    for command in [
        &["prune", ".", "out", "--mask", "m"][..],
        &["rank", ".", "--method", "random"],
        &["logits", ".", "--tokens", "tokens.json", "--output", "x"],
    ] {
        write(at, "tokens.json", "[[1]]");
        let told = refusal(at, command);
        assert!(
            told.contains("`brand_new` is not supported") && told.contains("which Secateur never runs"),
            "{told}"
        );
    }
    assert!(!at.join("ran").exists());
}

/// Words of the message, and the damage.
type Case<'a> = (&'a str, &'a dyn Fn(&Path));

/// Numbers in small files that ask for far more memory than the files have: within 2 GiB of address space the program still answers.
#[cfg(target_os = "linux")]
#[test]
fn memory_follows_the_files_and_not_what_they_claim() {
    let limited = |folder: &Path| {
        let program = env!("CARGO_BIN_EXE_secateur");
        let output = std::process::Command::new("sh")
            .args([
                "-c",
                &format!("ulimit -v 2097152; exec '{program}' doctor '{}'", folder.display()),
            ])
            .env("RAYON_NUM_THREADS", "1")
            .output()
            .unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let good = copy();
    let (status, told, complaint) = limited(good.path());
    assert_eq!(status, Some(0), "{told}{complaint}");
    let header = r#"{"a":{"dtype":"U8","shape":[1125899906842624],"data_offsets":[0,1125899906842624]}}"#;
    let mut claim = (header.len() as u64).to_le_bytes().to_vec();
    claim.extend_from_slice(header.as_bytes());
    let cases: [Case; 4] = [
        ("num_experts", &|at| {
            edit(at, "config.json", |config| {
                config["num_hidden_layers"] = json!(60);
                config["num_experts"] = json!(65_536);
            });
        }),
        ("num_hidden_layers", &|at| {
            edit(at, "config.json", |config| {
                config["num_hidden_layers"] = json!(4_000_000_000_u64);
            });
        }),
        ("ends at byte 1125899906842624", &|at| {
            write(at, "model-00001-of-00003.safetensors", &claim);
        }),
        ("config.json implies", &|at| {
            edit(at, "config.json", |config| {
                config["vocab_size"] = json!(4_294_967_296_u64);
            });
        }),
    ];
    for (words, damage) in cases {
        let folder = copy();
        damage(folder.path());
        let (status, told, complaint) = limited(folder.path());
        assert!(
            status == Some(1) && told.contains(words),
            "{words}: {status:?} {told}{complaint}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_enough_is_no_panic() {
    use std::process::Stdio;
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_secateur"))
        .args(["tasks"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
