#![allow(clippy::unwrap_used)]
use std::path::Path;

use secateur_pruning::shape::LayerShape;

use super::*;
use crate::sweep::Sweep;
use crate::sweep::opened::{Opened, Place};

const DEMO: [&str; 3] = ["demo-qwen3-moe", "demo-olmoe", "demo-deepseek-v3"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn wish(checkpoint: &Path, folder: &Path) -> Wish {
    Wish {
        named: checkpoint.to_string_lossy().into_owned(),
        directory: checkpoint.to_path_buf(),
        folder: folder.to_path_buf(),
        corpus: None,
        domain: Domain::Biomedical,
    }
}

/// The sweep of a draft that was written into `folder`.
fn written(draft: &Draft, folder: &Path) -> Sweep {
    let file = folder.join("sweep.toml");
    std::fs::write(&file, draft.text()).unwrap();
    Sweep::open(&file).unwrap_or_else(|error| panic!("{}\n{}", crate::message(&error), draft.text()))
}

#[test]
fn every_demo_model_gets_a_file_that_runs_as_it_is() {
    for name in DEMO {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = root().join("datasets/demo/models").join(name);
        let draft = Draft::new(&wish(&checkpoint, folder.path())).unwrap();
        assert!(draft.left_to_do().is_empty(), "{:?}", draft.left_to_do());
        let sweep = written(&draft, folder.path());
        assert_eq!((sweep.name.as_str(), sweep.models.len()), (name, 1));
        assert_eq!(sweep.methods.len(), PROPOSED.len());
        assert_eq!(sweep.tasks.len(), 8);
        // Opens the model, the corpus and every task, and refuses ratios that cannot be.
        let place = Place {
            results: folder.path().join("results"),
            device: None,
            limit: Some(2),
            skip_bad_items: false,
        };
        let opened = Opened::to_look_at(&sweep, &place).unwrap();
        assert_eq!(opened.safe.domain.as_deref(), Some("biomedical"));
        let domains: Vec<_> = opened.tasks.iter().map(|task| task.spec.domain).collect();
        assert!(domains.contains(&Domain::Biomedical) && domains.contains(&Domain::General));
    }
}

#[test]
fn a_checkpoint_of_ones_own_gets_public_tasks_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../goldens/fixtures/core/models/olmoe_bf16_sharded/checkpoint")
        .canonicalize()
        .unwrap();
    let mut wish = wish(&fixture, folder.path());
    let draft = Draft::new(&wish).unwrap();
    let left = draft.left_to_do();
    assert!(
        left.len() == 2 && left[0].contains(NO_CORPUS) && left[1].contains("pubmedqa"),
        "{left:?}"
    );
    let sweep = written(&draft, folder.path());
    assert_eq!(sweep.tasks[0].name, "pubmedqa");
    assert!(sweep.ratios.iter().all(|&ratio| ratio < 0.875), "{:?}", sweep.ratios);
    assert!(draft.text().contains("# Not 0.875: "), "{}", draft.text());

    // A corpus of one's own, for another domain.
    let corpus = folder.path().join("mine.jsonl");
    std::fs::write(&corpus, "{\"text\":\"a\"}\n\n{\"text\":\"b\"}\n").unwrap();
    (wish.corpus, wish.domain) = (Some(corpus.clone()), Domain::General);
    let draft = Draft::new(&wish).unwrap();
    assert_eq!(draft.left_to_do().len(), 1);
    let sweep = written(&draft, folder.path());
    assert_eq!(
        (sweep.corpora[0].samples, sweep.corpora[0].name.as_str()),
        (2, "general")
    );
    assert_eq!(
        (sweep.corpora[0].file.as_path(), sweep.tasks[0].name.as_str()),
        (corpus.as_path(), "hellaswag")
    );
    std::fs::write(&corpus, "\n").unwrap();
    assert!(Draft::new(&wish).err().unwrap().to_string().contains("is empty"));
}

#[test]
fn what_cannot_be_pruned_is_refused_with_its_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Draft::new(&wish(folder.path(), folder.path())).err().unwrap();
    let message = refused.to_string();
    assert!(
        message.contains("cannot be pruned") && message.contains("config.json"),
        "{message}"
    );
}

#[test]
fn a_share_that_removes_nothing_more_is_left_out() {
    let facts = |shapes| Facts {
        family: "olmoe",
        decoder_layers: 1,
        shapes,
        groups: Vec::new(),
        context: 64,
        vocabulary: 10,
        weight_bytes: 0,
        memory_bytes: None,
        chat_template: false,
    };
    // Of four experts 0.125 removes none, and 0.875 leaves fewer than a token needs.
    let (possible, refused) = ratios(&facts(vec![LayerShape::ungrouped(0, 4, 1)])).unwrap();
    let shares: Vec<f64> = possible.iter().map(|ratio| ratio.share).collect();
    assert_eq!(shares, [0.25, 0.5, 0.75]);
    assert_eq!(
        refused.iter().map(|(share, _)| *share).collect::<Vec<_>>(),
        [0.125, 0.875]
    );
    assert!(ratios(&facts(vec![LayerShape::ungrouped(0, 2, 2)])).is_err());
}

#[test]
fn public_tasks_are_of_the_domain_they_stand_for() {
    let folder = tempfile::tempdir().unwrap();
    for domain in [Domain::Biomedical, Domain::General] {
        let wish = Wish {
            domain,
            ..wish(Path::new("nowhere"), folder.path())
        };
        let questions = Questions::beside(Path::new("nowhere"), &wish).unwrap();
        let inside: Vec<bool> = questions.asked.iter().map(|task| task.inside).collect();
        assert_eq!(inside, [true, true, true, true, false, false, false, false]);
    }
}
