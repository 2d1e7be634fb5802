//! α against the Python package `krippendorff`; `benchmarks/goldens/gen_krippendorff.py` made the values.
#![allow(clippy::unwrap_used)]

use secateur_metrics::krippendorff::{Scale, alpha};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    units: Vec<Vec<Option<f64>>>,
    nominal: f64,
    interval: f64,
}

#[test]
fn alpha_equals_the_reference_package() {
    let golden: Golden = serde_json::from_str(include_str!("values.json")).unwrap();
    assert!(golden.cases.len() > 40);
    for (index, case) in golden.cases.iter().enumerate() {
        for (scale, expected) in [(Scale::Nominal, case.nominal), (Scale::Interval, case.interval)] {
            let found = alpha(&case.units, scale).unwrap();
            assert!(
                (found - expected).abs() < 1e-9,
                "case {index} {scale:?}: {found} {expected}"
            );
        }
    }
}
