//! A mask or ranking file of any bytes: a plan that fits the model, or a message that names the file.
#![no_main]

use std::collections::BTreeSet;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use secateur_pruning::import::{Imported, parse};
use secateur_pruning::mask_files::parse_kept;
use secateur_pruning::plan::{Plan, Protected};
use secateur_pruning::shape::LayerShape;

fn check(plan: &Plan) {
    for layer in &plan.layers {
        let distinct: BTreeSet<usize> = layer.kept.iter().map(|id| id.0).collect();
        assert_eq!(distinct.len(), layer.kept.len());
        assert!(distinct.len() >= layer.shape.top_k && distinct.last() < Some(&layer.shape.experts));
    }
}

fuzz_target!(|content: &[u8]| {
    let path = Path::new("expert_mask.json");
    let plain = [LayerShape::ungrouped(0, 4, 2), LayerShape::ungrouped(2, 4, 2)];
    let grouped = [LayerShape {
        groups: 2,
        ..LayerShape::ungrouped(0, 4, 1)
    }];
    for shapes in [&plain[..], &grouped] {
        match parse(path, content, shapes) {
            Ok(Imported::Mask(plan)) => check(&plan),
            Ok(Imported::Ranking(ranking)) => {
                for fraction in [0.0, 0.25, 0.5] {
                    if let Ok(plan) = Plan::new(&ranking, shapes, fraction, &Protected::new()) {
                        check(&plan);
                    }
                }
            }
            Err(error) => assert!(error.to_string().contains("expert_mask.json"), "{error}"),
        }
    }
    let _ = parse_kept(path, content);
});
