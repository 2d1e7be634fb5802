#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

/// `(name, dtype, shape, bytes)` as a safetensors file.
pub(crate) fn safetensors(tensors: &[(&str, &str, &[usize], &[u8])]) -> Vec<u8> {
    padded(tensors, 0)
}

/// The same with `pad` spaces after the header.
fn padded(tensors: &[(&str, &str, &[usize], &[u8])], pad: usize) -> Vec<u8> {
    let mut offset = 0;
    let entries: Vec<String> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            let begin = offset;
            offset += bytes.len();
            format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{offset}]}}"#)
        })
        .collect();
    let header = format!("{{{}}}{}", entries.join(","), " ".repeat(pad));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    for (_, _, _, bytes) in tensors {
        file.extend_from_slice(bytes);
    }
    file
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("config.json"),
        r#"{"model_type":"toy","hidden_size":2}"#,
    )
    .unwrap();
    for (name, content) in files {
        fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

fn refusal(directory: &Path) -> String {
    Checkpoint::open(directory).unwrap_err().to_string()
}

#[test]
fn a_single_file_opens_and_reads_without_a_copy() {
    let weights = floats(&[1.0, -2.0]);
    let directory = directory(&[(
        "model.safetensors",
        &safetensors(&[("a", "F32", &[2], &weights), ("b", "BF16", &[1, 1], &[0x80, 0x3f])]),
    )]);
    let checkpoint = Checkpoint::open(directory.path()).unwrap();
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b"]);
    let tensor = checkpoint.tensor("a").unwrap();
    assert_eq!((tensor.dtype, tensor.shape.as_slice()), (Dtype::F32, [2].as_slice()));
    assert_eq!(checkpoint.bytes(tensor), weights);
    assert_eq!(checkpoint.config().required_usize("hidden_size").unwrap(), 2);
    assert!(checkpoint.tensor("c").is_none());
}

#[test]
fn bytes_are_aligned_wherever_the_header_ends() {
    let weights = floats(&[1.0, -2.0, 3.0]);
    for pad in 0..8 {
        let directory = directory(&[("model.safetensors", &padded(&[("a", "F32", &[3], &weights)], pad))]);
        let checkpoint = Checkpoint::open(directory.path()).unwrap();
        let bytes = checkpoint.bytes(checkpoint.tensor("a").unwrap());
        assert_eq!(bytemuck::cast_slice::<u8, f32>(&bytes), [1.0, -2.0, 3.0]);
    }
}

#[test]
fn check_names_what_is_missing_misshapen_unsupported_or_unused() {
    let file = safetensors(&[
        ("a", "F32", &[2], &[0; 8]),
        ("i", "I64", &[1], &[0; 8]),
        ("mtp.x", "F32", &[1], &[0; 4]),
        ("z", "F32", &[1], &[0; 4]),
    ]);
    let directory = directory(&[("model.safetensors", &file)]);
    let checkpoint = Checkpoint::open(directory.path()).unwrap();
    let skip = |name: &str| name.starts_with("mtp.");
    assert_eq!(checkpoint.check(&[Expected::new("a", [2])], &skip).unwrap(), ["i", "z"]);
    let message = |expected: &[Expected]| checkpoint.check(expected, &skip).unwrap_err().to_string();
    let missing = message(&[
        Expected::new("a", [2]),
        Expected::new("q", [3, 4]),
        Expected::new("r", [1]),
    ]);
    assert!(
        missing.starts_with("tensor `q` [3, 4] is in none of the 1 safetensors file(s) of ")
            && missing.ends_with("implies it; 1 more are missing"),
        "{missing}"
    );
    let shape = message(&[Expected::new("a", [1, 2])]);
    assert!(
        shape.starts_with("tensor `a` is [2] in ")
            && shape.ends_with("model.safetensors, but config.json implies [1, 2]"),
        "{shape}"
    );
    let dtype = message(&[Expected::new("i", [1])]);
    assert!(
        dtype.contains("has dtype I64; supported dtypes of weights are BF16, F16 and F32"),
        "{dtype}"
    );
}

#[test]
fn nan_weights_are_found_by_name_and_index() {
    let mut weights = vec![0.5; 3_000_000];
    weights[2_500_000] = f32::NAN;
    let file = safetensors(&[
        ("a", "F32", &[2], &[0; 8]),
        ("b", "F32", &[3_000_000], &floats(&weights)),
        ("c", "F16", &[1], &[0, 0x7c]),
    ]);
    let directory = directory(&[("model.safetensors", &file)]);
    let checkpoint = Checkpoint::open(directory.path()).unwrap();
    let (index, value) = checkpoint.find_non_finite(checkpoint.tensor("b").unwrap()).unwrap();
    assert!(index == 2_500_000 && value.is_nan());
    let message = checkpoint.verify_finite(&|_| false).unwrap_err().to_string();
    assert!(
        message.starts_with("tensor `b` in ") && message.contains("holds NaN at element 2500000"),
        "{message}"
    );
    let message = checkpoint.verify_finite(&|name| name == "b").unwrap_err().to_string();
    assert!(
        message.contains("tensor `c`") && message.contains("holds inf at element 0"),
        "{message}"
    );
    checkpoint.verify_finite(&|name| name != "a").unwrap();
}

const PART: &str = r#"{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#;

fn one(name: &str) -> Vec<u8> {
    safetensors(&[(name, "F32", &[1], &[0, 0, 128, 63])])
}

#[test]
fn sharding_does_not_change_the_hash_but_content_does() {
    let hash = |directory: &TempDir| Checkpoint::open(directory.path()).unwrap().content_hash().unwrap();
    let whole = directory(&[(
        "model.safetensors",
        &padded(
            &[
                ("b", "F32", &[1], &[0, 0, 128, 63]),
                ("a", "F32", &[1], &[0, 0, 128, 63]),
            ],
            3,
        ),
    )]);
    let parts = directory(&[
        ("model.safetensors.index.json", PART.as_bytes()),
        ("1.safetensors", &one("a")),
        ("2.safetensors", &one("b")),
    ]);
    let first = hash(&whole);
    assert_eq!(first, hash(&parts));
    assert_eq!(
        (
            first.weights.len(),
            first.tokenizer.clone(),
            first.chat_template.clone()
        ),
        (64, None, None)
    );

    fs::write(parts.path().join("tokenizer.json"), "{}").unwrap();
    fs::write(
        parts.path().join("tokenizer_config.json"),
        r#"{"chat_template":"{{ x }}"}"#,
    )
    .unwrap();
    let more = hash(&parts);
    assert_eq!(more.weights, first.weights);
    assert!(more.tokenizer.is_some());
    fs::write(parts.path().join("chat_template.jinja"), "{{ x }}").unwrap();
    assert_eq!(hash(&parts).chat_template, more.chat_template);

    let reshaped = directory(&[(
        "model.safetensors",
        &safetensors(&[
            ("b", "F32", &[1, 1], &[0, 0, 128, 63]),
            ("a", "F32", &[1], &[0, 0, 128, 63]),
        ]),
    )]);
    assert_ne!(hash(&reshaped).weights, first.weights);
    fs::write(
        whole.path().join("config.json"),
        r#"{"hidden_size": 2, "model_type":"toy"}"#,
    )
    .unwrap();
    assert_eq!(hash(&whole).weights, first.weights);
    fs::write(
        whole.path().join("config.json"),
        r#"{"hidden_size": 3, "model_type":"toy"}"#,
    )
    .unwrap();
    assert_ne!(hash(&whole).weights, first.weights);
}

#[test]
fn index_and_shards_must_agree() {
    let message = |files: &[(&str, &[u8])]| {
        let mut all = vec![("model.safetensors.index.json", PART.as_bytes())];
        all.extend_from_slice(files);
        refusal(directory(&all).path())
    };
    let two = safetensors(&[("a", "F32", &[1], &[0; 4]), ("b", "F32", &[1], &[0; 4])]);
    let (a, b, c) = (one("a"), one("b"), one("c"));
    assert!(message(&[("1.safetensors", &a)]).contains("it names the file 2.safetensors, which is not there"));
    assert!(
        message(&[("1.safetensors", &a), ("2.safetensors", &c)])
            .contains("2.safetensors holds tensor `c`, which `weight_map` does not list")
    );
    assert!(
        message(&[("1.safetensors", &a), ("2.safetensors", &a)])
            .contains("2.safetensors holds tensor `a`, which `weight_map` places in 1.safetensors")
    );
    assert!(
        message(&[("1.safetensors", &two), ("2.safetensors", &b)])
            .contains("1.safetensors holds tensor `b`, which `weight_map` places in 2.safetensors")
    );
    let empty = safetensors(&[]);
    assert!(
        message(&[("1.safetensors", &a), ("2.safetensors", &empty)])
            .contains("`weight_map` places tensor `b` in 2.safetensors, which does not hold it")
    );
    assert!(message(&[("1.safetensors", &a), ("2.safetensors", &b[..b.len() - 1])]).contains("truncated?"));
}

#[test]
fn what_is_no_model_directory_is_refused() {
    let empty = tempfile::tempdir().unwrap();
    let message = refusal(&empty.path().join("nowhere"));
    assert!(
        message.contains("nowhere` does not exist; a model is a directory with config.json"),
        "{message}"
    );
    let message = refusal(empty.path());
    assert!(
        message.contains("has no config.json: expected a Hugging Face model directory"),
        "{message}"
    );
    let config = directory(&[]);
    assert!(refusal(&config.path().join("config.json")).contains("is not a directory"));
    assert!(refusal(config.path()).contains("has no model.safetensors: expected it, or model.safetensors.index.json"));
}

#[test]
fn pickles_are_named_and_refused() {
    let message = refusal(directory(&[("pytorch_model-1.bin", b"x"), ("pytorch_model-2.bin", b"x")]).path());
    assert!(
        message.contains("only as pytorch_model-1.bin and 1 more (Python pickles"),
        "{message}"
    );
    let message = refusal(directory(&[("model-00001-of-00002.safetensors", b"x")]).path());
    assert!(
        message.contains("has no model.safetensors and no model.safetensors.index.json: without it, the 1 safetensors"),
        "{message}"
    );
}

#[test]
fn config_must_be_a_small_object() {
    let directory = directory(&[("model.safetensors", &one("a"))]);
    let config = directory.path().join("config.json");
    fs::write(&config, "[1]").unwrap();
    assert!(refusal(directory.path()).contains("config.json is not the expected JSON: it is [1], expected an object"));
    fs::write(&config, b"{\"a\": \"\xff\"}").unwrap();
    assert!(refusal(directory.path()).contains("not UTF-8 text"));
    fs::write(&config, " ".repeat(9 << 20)).unwrap();
    assert!(refusal(directory.path()).contains("at most 8388608 are accepted"));
    fs::remove_file(&config).unwrap();
    fs::create_dir(&config).unwrap();
    assert!(refusal(directory.path()).contains("is a directory"));
}

#[cfg(unix)]
#[test]
fn links_may_stay_inside_or_lead_to_the_blobs_of_a_cache_only() {
    use std::os::unix::fs::symlink;
    let elsewhere = directory(&[("weights.safetensors", &one("a"))]);
    let model = directory(&[]);
    let link = model.path().join("model.safetensors");
    symlink(elsewhere.path().join("weights.safetensors"), &link).unwrap();
    let message = refusal(model.path());
    assert!(
        message.contains("model.safetensors is a link to ") && message.contains("copy the file"),
        "{message}"
    );
    fs::remove_file(&link).unwrap();
    fs::write(model.path().join("inside.safetensors"), one("a")).unwrap();
    symlink("inside.safetensors", &link).unwrap();
    assert!(Checkpoint::open(model.path()).is_ok());

    let cache = tempfile::tempdir().unwrap();
    let (blobs, snapshot) = (cache.path().join("m/blobs"), cache.path().join("m/snapshots/abc"));
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(blobs.join("1"), one("a")).unwrap();
    fs::write(blobs.join("2"), "{}").unwrap();
    symlink("../../blobs/1", snapshot.join("model.safetensors")).unwrap();
    symlink("../../blobs/2", snapshot.join("config.json")).unwrap();
    assert!(Checkpoint::open(&snapshot).is_ok());
    fs::write(cache.path().join("m/secret"), one("a")).unwrap();
    fs::remove_file(snapshot.join("model.safetensors")).unwrap();
    symlink("../../secret", snapshot.join("model.safetensors")).unwrap();
    assert!(refusal(&snapshot).contains("is a link to"));
}
