#![allow(clippy::unwrap_used)]

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::families::MLP_EXPERTS;
use crate::mask::ExpertId;

/// Two layers of four experts in two files, every tensor's bytes of one value; a third layer that the config does not count.
fn toy() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| fs::write(directory.path().join(name), content).unwrap();
    let config = r#"{"model_type":"qwen3_moe","num_hidden_layers":2,"num_experts":4,"num_experts_per_tok":2,"rms_norm_eps":1e-06,"z":null}"#;
    write("config.json", config.as_bytes());
    write("tokenizer.json", b"{}");
    write("README.md", b"---\nlicense: mit\n---\n# Toy\n");
    write("pytorch_model.bin", b"pickle");
    write(".hidden", b"x");
    fs::create_dir(directory.path().join("onnx")).unwrap();
    let mut map = serde_json::Map::new();
    for (shard, layers) in [
        ("model-00001-of-00002.safetensors", 0..1),
        ("model-00002-of-00002.safetensors", 1..3),
    ] {
        let mut tensors: Vec<(String, &str, Vec<usize>, Vec<u8>)> = Vec::new();
        for layer in layers {
            for expert in 0..4_u8 {
                let value = 16 * layer + expert;
                tensors.push((
                    format!("model.layers.{layer}.mlp.experts.{expert}.up_proj.weight"),
                    "BF16",
                    vec![2],
                    vec![value; 4],
                ));
            }
            let rows = (0..4_u8).flat_map(|row| [row; 12]).collect();
            tensors.push((format!("model.layers.{layer}.mlp.gate.weight"), "F32", vec![4, 3], rows));
            tensors.push((
                format!("model.layers.{layer}.norm.weight"),
                "F16",
                vec![1],
                vec![layer; 2],
            ));
        }
        for (name, ..) in &tensors {
            map.insert(name.clone(), shard.into());
        }
        let borrowed: Vec<_> = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| (name.as_str(), *dtype, shape.as_slice(), bytes.as_slice()))
            .collect();
        write(shard, &crate::checkpoint::test_file(&borrowed));
    }
    write(
        "model.safetensors.index.json",
        json!({"weight_map": map}).to_string().as_bytes(),
    );
    directory
}

fn mask(layers: &[(usize, &[usize])]) -> ExpertMask {
    ExpertMask {
        kept: layers
            .iter()
            .map(|(layer, ids)| (*layer, ids.iter().map(|&id| ExpertId(id)).collect()))
            .collect(),
    }
}

fn run(model: &TempDir, mask: &ExpertMask, extra_layers: ExtraLayers, to: &Path) -> Result<Exported, ExportError> {
    let options = ExportOptions {
        extra_layers,
        ..ExportOptions::default()
    };
    export(
        &Checkpoint::open(model.path()).unwrap(),
        mask,
        &MLP_EXPERTS,
        &options,
        to,
    )
}

#[test]
fn experts_are_renumbered_and_router_rows_sliced() {
    let (model, out) = (toy(), tempfile::tempdir().unwrap());
    let to = out.path().join("new/pruned");
    let exported = run(&model, &mask(&[(0, &[1, 3]), (1, &[0, 2])]), ExtraLayers::Drop, &to).unwrap();
    assert_eq!((exported.experts, exported.tensors, exported.dropped.len()), (2, 8, 6));
    assert_eq!(exported.copied, ["tokenizer.json"]);
    assert_eq!(exported.not_copied, [".hidden", "onnx", "pytorch_model.bin"]);

    let pruned = Checkpoint::open(&to).unwrap();
    let bytes = |name: &str| pruned.bytes(pruned.tensor(name).unwrap()).to_vec();
    assert_eq!(bytes("model.layers.0.mlp.experts.0.up_proj.weight"), [1; 4]);
    assert_eq!(bytes("model.layers.0.mlp.experts.1.up_proj.weight"), [3; 4]);
    assert_eq!(bytes("model.layers.1.mlp.experts.1.up_proj.weight"), [18; 4]);
    assert_eq!(bytes("model.layers.0.mlp.gate.weight"), [[1; 12], [3; 12]].concat());
    assert_eq!(pruned.tensor("model.layers.1.mlp.gate.weight").unwrap().shape, [2, 3]);
    assert!(pruned.tensor("model.layers.1.mlp.experts.2.up_proj.weight").is_none());
    assert_eq!(
        pruned
            .tensors()
            .map(|tensor| tensor.range.start % (tensor.dtype.bits() / 8))
            .max(),
        Some(0)
    );

    let config = fs::read_to_string(to.join("config.json")).unwrap();
    let old: Value = serde_json::from_str(&fs::read_to_string(model.path().join("config.json")).unwrap()).unwrap();
    let mut new: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(new["num_experts"], 2);
    new["num_experts"] = 4.into();
    assert_eq!(new, old);
    let card = fs::read_to_string(to.join("README.md")).unwrap();
    assert!(
        card.starts_with("---\nlicense: mit\n---\n# Toy\n") && card.contains("  \"0\": [1, 3],\n  \"1\": [0, 2]\n"),
        "{card}"
    );
    assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn an_export_of_all_experts_has_the_same_tensors_and_is_reproducible() {
    let (model, out) = (toy(), tempfile::tempdir().unwrap());
    let same = run(
        &model,
        &ExpertMask::default(),
        ExtraLayers::Keep,
        &out.path().join("same"),
    )
    .unwrap();
    assert_eq!(same.tensors, 18);
    assert_eq!(digest(&out.path().join("same")).unwrap(), digest(model.path()).unwrap());
    let keep = mask(&[(0, &[0, 1]), (1, &[0, 1]), (2, &[2, 3])]);
    run(&model, &keep, ExtraLayers::Keep, &out.path().join("a")).unwrap();
    run(&model, &keep, ExtraLayers::Keep, &out.path().join("b")).unwrap();
    for entry in fs::read_dir(out.path().join("a")).unwrap() {
        let name = entry.unwrap().file_name();
        assert_eq!(
            fs::read(out.path().join("a").join(&name)).unwrap(),
            fs::read(out.path().join("b").join(&name)).unwrap()
        );
    }
}

#[test]
fn masks_that_do_not_fit_are_refused_before_anything_is_written() {
    let (model, out) = (toy(), tempfile::tempdir().unwrap());
    let refusal = |layers: &[(usize, &[usize])], extra| {
        let message = run(&model, &mask(layers), extra, &out.path().join("x"))
            .unwrap_err()
            .to_string();
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
        message
    };
    let drop = ExtraLayers::Drop;
    assert!(
        refusal(&[(0, &[0, 1]), (1, &[0, 1, 2])], drop)
            .contains("layer 1 keeps 3 experts and layer 0 keeps 2; config.json can state only one number")
    );
    assert!(refusal(&[(0, &[0, 1])], drop).contains("layer 1 keeps 4 experts"));
    assert!(refusal(&[(0, &[0, 1]), (1, &[0, 1])], ExtraLayers::Keep).contains("layer 2 keeps 4 experts"));
    assert!(
        refusal(&[(0, &[0, 4]), (1, &[0, 1])], drop).contains("layer 0 is to keep expert 4, and it has experts 0 to 3")
    );
    assert!(refusal(&[(0, &[1, 0]), (1, &[0, 1])], drop).contains("not ascending and distinct: [1, 0]"));
    assert!(refusal(&[(0, &[1, 1]), (1, &[0, 1])], drop).contains("not ascending and distinct"));
    assert!(
        refusal(&[(0, &[1]), (1, &[0])], drop).contains("it keeps 1 experts per layer, and the model uses 2 per token")
    );
    assert!(refusal(&[(0, &[]), (1, &[])], drop).contains("keeps 0 experts"));
    assert!(refusal(&[(7, &[0, 1])], drop).contains("it names layer 7, and those with experts are layer 0, layer 1"));
}

#[test]
fn checkpoints_whose_experts_contradict_their_config_are_refused() {
    let (model, out) = (toy(), tempfile::tempdir().unwrap());
    let config = |text: &str| fs::write(model.path().join("config.json"), text).unwrap();
    let refusal = || {
        run(&model, &ExpertMask::default(), ExtraLayers::Drop, &out.path().join("x"))
            .unwrap_err()
            .to_string()
    };
    config(r#"{"num_hidden_layers":2,"num_experts":8}"#);
    assert!(refusal().contains("layer 0 has 4 experts, the last of them 3, but config.json states 8"));
    config(r#"{"num_hidden_layers":2}"#);
    assert!(refusal().contains("field `num_experts` is missing, expected the number of experts"));
    config(r#"{"num_hidden_layers":2,"num_experts":4,"num_local_experts":5}"#);
    assert!(
        refusal().contains("field `num_local_experts` is 5, expected the same as in num_experts and num_local_experts")
    );
    config(r#"{"num_hidden_layers":0,"num_experts":4}"#);
    assert!(refusal().contains("it has no tensors of experts"));
}

#[test]
fn nothing_is_overwritten() {
    let (model, out) = (toy(), tempfile::tempdir().unwrap());
    let message = run(&model, &ExpertMask::default(), ExtraLayers::Drop, out.path())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("exists already: name a new directory, or say --overwrite"),
        "{message}"
    );
    let file = out.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(run(&model, &ExpertMask::default(), ExtraLayers::Drop, &file).is_err());
    assert!(matches!(
        run(&model, &ExpertMask::default(), ExtraLayers::Drop, &file.join("below")),
        Err(ExportError::Write { .. })
    ));
}

#[test]
fn only_an_export_is_replaced_and_only_when_asked() {
    let (model, out) = (toy(), tempfile::tempdir().unwrap());
    let to = out.path().join("pruned");
    let options = ExportOptions {
        overwrite: true,
        provenance: serde_json::Map::from_iter([("chosen_by".to_owned(), json!({"method": "reap"}))]),
        ..ExportOptions::default()
    };
    let replace = |kept: &[usize], to: &Path| {
        let checkpoint = Checkpoint::open(model.path()).unwrap();
        export(&checkpoint, &mask(&[(0, kept), (1, kept)]), &MLP_EXPERTS, &options, to)
    };
    replace(&[0, 1, 2], &to).unwrap();
    fs::write(to.join("more"), "x").unwrap();
    assert_eq!(replace(&[1, 3], &to).unwrap().experts, 2);
    assert!(!to.join("more").exists());
    let provenance: Value = serde_json::from_str(&fs::read_to_string(to.join(PROVENANCE)).unwrap()).unwrap();
    assert_eq!(provenance["kept"], json!({"0": [1, 3], "1": [1, 3]}));
    assert_eq!(provenance["chosen_by"]["method"], "reap");
    assert_eq!(
        (&provenance["experts_before"], &provenance["experts"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);

    let other = out.path().join("thesis");
    fs::create_dir(&other).unwrap();
    assert!(matches!(replace(&[1, 3], &other), Err(ExportError::NoExport { .. })));
    assert!(matches!(
        replace(&[1, 3], model.path()),
        Err(ExportError::Source { .. })
    ));
    let again = Checkpoint::open(&to).unwrap();
    let twice = out.path().join("twice");
    export(
        &again,
        &mask(&[(0, &[0, 1]), (1, &[0, 1])]),
        &MLP_EXPERTS,
        &options,
        &twice,
    )
    .unwrap();
    let provenance: Value = serde_json::from_str(&fs::read_to_string(twice.join(PROVENANCE)).unwrap()).unwrap();
    assert_eq!(provenance["source_provenance"]["kept"]["0"], json!([1, 3]));
}

#[test]
fn names_beyond_ascii_are_digested_as_python_writes_them() {
    assert_eq!(ascii_json("a\"é🧬"), "\"a\\\"\\u00e9\\ud83e\\uddec\"");
}

#[test]
fn prediction_layers_keep_as_many_experts_and_python_floats_stay() {
    let directory = tempfile::tempdir().unwrap();
    let config = r#"{"text_config":{"num_hidden_layers":1,"num_experts":3,"num_experts_per_tok":1},"limit":[0.0,Infinity],"s":"NaN"}"#;
    fs::write(directory.path().join("config.json"), config).unwrap();
    let rows = [0_u8, 0, 1, 1, 2, 2];
    let mut tensors = vec![("model.layers.0.mlp.gate.weight".to_owned(), vec![3, 1], rows.to_vec())];
    tensors.push(("mtp.layers.0.mlp.gate.weight".to_owned(), vec![3, 1], rows.to_vec()));
    for expert in 0..3_u8 {
        let name = format!("mtp.layers.0.mlp.experts.{expert}.up_proj.weight");
        tensors.push((name, vec![1], vec![expert; 2]));
    }
    let borrowed: Vec<_> = tensors
        .iter()
        .map(|(name, shape, bytes)| (name.as_str(), "BF16", shape.as_slice(), bytes.as_slice()))
        .collect();
    let file = crate::checkpoint::test_file(&borrowed);
    fs::write(directory.path().join("model.safetensors"), file).unwrap();
    let naming = MoeNaming {
        expert_count_keys: &["text_config.num_experts"],
        ..MLP_EXPERTS
    };
    let to = directory.path().join("pruned");
    let checkpoint = Checkpoint::open(directory.path()).unwrap();
    export(
        &checkpoint,
        &mask(&[(0, &[0, 2])]),
        &naming,
        &ExportOptions::default(),
        &to,
    )
    .unwrap();
    let pruned = Checkpoint::open(&to).unwrap();
    let bytes = |name: &str| pruned.bytes(pruned.tensor(name).unwrap()).to_vec();
    assert_eq!(bytes("mtp.layers.0.mlp.gate.weight"), [0, 0, 2, 2]);
    assert_eq!(bytes("mtp.layers.0.mlp.experts.1.up_proj.weight"), [2, 2]);
    assert!(pruned.tensor("mtp.layers.0.mlp.experts.2.up_proj.weight").is_none());
    let text = fs::read_to_string(to.join("config.json")).unwrap();
    assert!(
        text.contains("\"num_experts\": 2") && text.contains("Infinity\n") && text.contains("\"NaN\""),
        "{text}"
    );
    assert!(!text.contains("\"Infinity\""), "{text}");
}
