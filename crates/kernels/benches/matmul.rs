//! Products on weights in place: `[tokens, 1024] × [1024, 1024]ᵀ` per dtype and number of tokens.
//!
//! `cargo bench --package secateur-kernels`

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use secateur_kernels::{WeightDtype, Weights, matmul};

const SIZE: usize = 1024;

fn products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matmul");
    for (name, dtype) in [
        ("bf16", WeightDtype::Bf16),
        ("f16", WeightDtype::F16),
        ("f32", WeightDtype::F32),
    ] {
        // Zeros are as fast as any other finite values.
        let bytes = vec![0u8; SIZE * SIZE * dtype.size()];
        let weights = Weights {
            bytes: &bytes,
            dtype,
            rows: SIZE,
            columns: SIZE,
        };
        for tokens in [1, 8, 64, 512] {
            let x = vec![0.5f32; tokens * SIZE];
            let mut y = vec![0.0f32; tokens * SIZE];
            group.throughput(Throughput::Elements((2 * tokens * SIZE * SIZE) as u64));
            group.bench_with_input(BenchmarkId::new(name, tokens), &tokens, |bencher, _| {
                bencher.iter(|| matmul(&x, weights, &mut y));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, products);
criterion_main!(benches);
