#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;

fn refusal_of(text: &str) -> String {
    parse(Path::new("model.safetensors.index.json"), text)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_good_index_lists_its_shards_once() {
    let index = parse(
        Path::new("i"),
        r#"{"metadata":{"total_size":8},"weight_map":{"b":"2.safetensors","a":"1.safetensors","c":"2.safetensors"}}"#,
    )
    .unwrap();
    assert_eq!(index.shards, ["1.safetensors", "2.safetensors"]);
    assert_eq!(index.weight_map["b"], "2.safetensors");
}

#[test]
fn each_broken_index_is_refused_with_its_reason() {
    const CASES: &[(&str, &str)] = &[
        ("", "not the expected JSON"),
        ("[]", "not the expected JSON"),
        ("{}", "missing field `weight_map`"),
        (r#"{"weight_map":null}"#, "expected an object of tensor names"),
        (r#"{"weight_map":[]}"#, "expected an object of tensor names"),
        (r#"{"weight_map":{"a":1}}"#, "expected a string"),
        (r#"{"weight_map":{"a":null}}"#, "expected a string"),
        (r#"{"weight_map":{"a":["x.safetensors"]}}"#, "expected a string"),
        (r#"{"weight_map":{"a":"x.safetensors"}"#, "EOF"),
        (
            r#"{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}"#,
            "tensor `a` is listed twice",
        ),
        (
            r#"{"weight_map":{"a":"x.safetensors"},"weight_map":{}}"#,
            "duplicate field",
        ),
    ];
    for (text, expected) in CASES {
        let message = refusal_of(text);
        assert!(message.contains(expected), "{text}\n{message}");
    }
    assert!(refusal_of(r#"{"weight_map":{}}"#).contains("`weight_map` is empty"));
}

#[test]
fn each_name_that_is_no_plain_file_is_refused() {
    const CASES: &[(&str, &str)] = &[
        ("", "is empty"),
        ("../x.safetensors", "leads out of the directory"),
        ("a/../../x.safetensors", "leads out of the directory"),
        ("..\\\\x.safetensors", "leads out of the directory"),
        ("..", "leads out of the directory"),
        ("/etc/x.safetensors", "is an absolute path"),
        ("\\\\x.safetensors", "is an absolute path"),
        ("\\\\\\\\server\\\\share\\\\x.safetensors", "is a network path"),
        ("//server/share/x.safetensors", "is a network path"),
        ("\\\\\\\\?\\\\C:\\\\x.safetensors", "is a network path"),
        ("C:\\\\x.safetensors", "names a drive or a stream"),
        ("C:x.safetensors", "names a drive or a stream"),
        ("file:///etc/x.safetensors", "names a drive or a stream"),
        ("x.safetensors:stream.safetensors", "names a drive or a stream"),
        ("sub/x.safetensors", "is a path"),
        ("./x.safetensors", "is a path"),
        ("sub\\\\x.safetensors", "is a path"),
        ("x\\u0000.safetensors", "has a control character"),
        ("x\\n.safetensors", "has a control character"),
        ("pytorch_model.bin", "is no safetensors file"),
        (".safetensors", "is no safetensors file"),
        ("config.json", "is no safetensors file"),
        (".", "is no safetensors file"),
    ];
    for (shard, expected) in CASES {
        let message = refusal_of(&format!(r#"{{"weight_map":{{"w":"{shard}"}}}}"#));
        assert!(
            message.contains("tensor `w` is said to be in") && message.contains(expected),
            "{shard}\n{message}"
        );
    }
    let long = format!("{}.safetensors", "x".repeat(300));
    assert!(refusal_of(&format!(r#"{{"weight_map":{{"w":"{long}"}}}}"#)).contains("too long"));
}
