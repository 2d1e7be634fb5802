//! Experts on grouped tokens: GF/s, share of the multiplication peak, and of the read bandwidth where weights are what is waited for.
//!
//! `cargo bench --package secateur-kernels --bench experts`. Peaks are measured beside each figure, since clocks and neighbours change.
//! With `EXPERTS_BENCH_JSON` naming a file, the figures are kept there; with `EXPERTS_BENCH_TOKENS=64,512`, only these numbers of tokens per expert
//! are measured.

#![allow(clippy::unwrap_used)]

mod machine;

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
#[cfg(target_os = "linux")]
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use secateur_kernels::mapped::MappedFile;
use secateur_kernels::{Activation, Expert, Precision, Projection, ProjectionWeights, WeightDtype, Weights};
use serde_json::{Value, json};

/// Width, and width inside: of OLMoE-1B-7B, and of the random model that `benchmarks/side_by_side` makes.
const SHAPES: [(usize, usize); 2] = [(2048, 1024), MIDDLE];
/// Criterion measures this one.
const MIDDLE: (usize, usize) = (1024, 512);
/// Weights, and how they are multiplied: rounding f32 weights' activations makes nothing faster.
const KINDS: [(&str, WeightDtype, Precision); 3] = [
    ("bf16", WeightDtype::Bf16, Precision::Exact),
    ("bf16 fast", WeightDtype::Bf16, Precision::Fast),
    ("f32", WeightDtype::F32, Precision::Exact),
];
/// Tokens per expert.
const TOKENS: [usize; 4] = [1, 8, 64, 512];
/// Experts of a product; as many as a token has.
const AT_ONCE: usize = 8;
/// Bytes of weights that are gone through before one is read again: more than any cache holds.
const WEIGHTS: usize = 256 << 20;
/// Figures that a median is taken of.
const RUNS: usize = 25;
/// What each is measured for, at least.
const RUN: Duration = Duration::from_millis(20);
/// Looks at the bandwidth, which take longer.
const BANDWIDTHS: usize = 3;

/// Weights of so many experts that none is in a cache when its turn comes, in a mapped file as those of a checkpoint are.
struct Pool<'a> {
    bytes: &'a [u8],
    dtype: WeightDtype,
    precision: Precision,
    hidden: usize,
    inner: usize,
    /// The expert whose turn it is.
    turn: usize,
}

impl<'a> Pool<'a> {
    fn new(bytes: &'a [u8], dtype: WeightDtype, precision: Precision, (hidden, inner): (usize, usize)) -> Self {
        Self {
            bytes,
            dtype,
            precision,
            hidden,
            inner,
            turn: 0,
        }
    }

    /// Bytes of one matrix.
    fn matrix(&self) -> usize {
        self.hidden * self.inner * self.dtype.size()
    }

    fn expert(&self, index: usize) -> Expert<'_> {
        let size = self.matrix();
        let projection = |place: usize, rows: usize, columns: usize| {
            let start = (3 * index + place) * size;
            let weights = Weights {
                bytes: &self.bytes[start..start + size],
                dtype: self.dtype,
                rows,
                columns,
            };
            Projection {
                weights: ProjectionWeights::Plain(weights),
                bias: None,
            }
        };
        Expert {
            gate: Some(projection(0, self.inner, self.hidden)),
            up: projection(1, self.inner, self.hidden),
            down: projection(2, self.hidden, self.inner),
            activation: Activation::SiluGated,
        }
    }

    /// The next experts, with so many tokens each.
    fn run(&mut self, x: &[f32], tokens: usize, out: &mut [f32]) {
        let count = self.bytes.len() / (3 * self.matrix());
        let groups: Vec<(Expert<'_>, usize)> = (0..AT_ONCE)
            .map(|at| (self.expert((self.turn + at) % count), tokens))
            .collect();
        self.precision.experts(x, self.hidden, &groups, out);
        self.turn = (self.turn + AT_ONCE) % count;
    }

    /// Multiplications and additions of [`Pool::run`].
    fn operations(&self, tokens: usize) -> u64 {
        (6 * AT_ONCE * tokens * self.hidden * self.inner) as u64
    }

    /// Bytes of weights that it reads.
    fn read(&self) -> f64 {
        (3 * AT_ONCE * self.matrix()) as f64
    }
}

/// What a product reaches, and what the machine could do just before and after.
struct Run {
    rate: f64,
    of_f32: f64,
    of_bf16: Option<f64>,
    of_bandwidth: f64,
}

/// A figure beside the machine's peaks at that moment: neighbours slow down either for a while, so that many short looks tell more than a few long ones.
fn shares(pool: &mut Pool<'_>, name: &str, tokens: usize, x: &[f32], out: &mut [f32]) -> Value {
    let bandwidths: Vec<f64> = (0..BANDWIDTHS).map(|_| machine::read_bandwidth(pool.bytes)).collect();
    let bandwidth = quartiles(bandwidths)[1];
    let mut before = (machine::f32_peak(), machine::bf16_peak());
    let runs: Vec<Run> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            let mut times = 0;
            while times == 0 || started.elapsed() < RUN {
                pool.run(x, tokens, out);
                times += 1;
            }
            let seconds = started.elapsed().as_secs_f64() / f64::from(times);
            let rate = pool.operations(tokens) as f64 / seconds;
            let after = (machine::f32_peak(), machine::bf16_peak());
            let share = |(before, after): (f64, f64)| 2.0 * rate / (before + after);
            let run = Run {
                rate,
                of_f32: share((before.0, after.0)),
                of_bf16: before.1.zip(after.1).map(share),
                of_bandwidth: pool.read() / seconds / bandwidth,
            };
            before = after;
            run
        })
        .collect();
    let all = |of: fn(&Run) -> Option<f64>| {
        let values: Option<Vec<f64>> = runs.iter().map(of).collect();
        values.map(quartiles)
    };
    let (rate, of_f32) = (all(|run| Some(run.rate)), all(|run| Some(run.of_f32)));
    let (of_bf16, of_bandwidth) = (all(|run| run.of_bf16), all(|run| Some(run.of_bandwidth)));
    let middle = |values: Option<[f64; 3]>| values.map(|[_, middle, _]| middle);
    let percent = |name: &str, values: Option<[f64; 3]>| {
        values.map_or_else(String::new, |[lower, middle, upper]| {
            let [lower, middle, upper] = [lower, middle, upper].map(|value| 100.0 * value);
            format!(", {middle:.0} % ({lower:.0} – {upper:.0}) of the {name}")
        })
    };
    println!(
        "{name}, {tokens} tokens per expert: {:.1} GF/s{}{}{}",
        middle(rate).unwrap() / 1e9,
        percent("f32 peak", of_f32),
        percent("bf16 peak", of_bf16),
        percent("read bandwidth", of_bandwidth),
    );
    json!({
        "kernel": name, "hidden": pool.hidden, "inner": pool.inner, "experts": AT_ONCE, "tokens_per_expert": tokens,
        "gflops": middle(rate).unwrap() / 1e9, "share_of_f32_peak": middle(of_f32), "share_of_bf16_peak": middle(of_bf16),
        "share_of_read_bandwidth": middle(of_bandwidth),
        "quartiles_of_f32_peak": of_f32, "quartiles_of_bf16_peak": of_bf16, "quartiles_of_read_bandwidth": of_bandwidth,
    })
}

/// A quarter, half and three quarters of the values are no larger.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

/// A mapped file of weights, read from the disk: what was written a moment ago is in the system's memory in other pages.
fn mapped() -> MappedFile {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("experts-{}", std::process::id()));
    // The bytes of 1.0 in a half, repeated, are a finite number in every dtype here.
    fs::write(&path, 0x3C00_u16.to_le_bytes().repeat(WEIGHTS / 2)).unwrap();
    let file = File::open(&path).unwrap();
    file.sync_all().unwrap();
    #[cfg(target_os = "linux")]
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    let map = MappedFile::map(&file).unwrap();
    fs::remove_file(&path).unwrap();
    map
}

fn main() {
    let bytes = mapped();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("experts");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500));
    let mut kept = Vec::new();
    let chosen = chosen();
    for shape in SHAPES {
        for (dtype, kind, precision) in KINDS {
            let mut pool = Pool::new(&bytes, kind, precision, shape);
            let name = format!("{dtype} {} × {}", shape.0, shape.1);
            for &tokens in &chosen {
                let x = vec![0.5f32; AT_ONCE * tokens * shape.0];
                let mut out = vec![0.0f32; x.len()];
                kept.push(shares(&mut pool, &name, tokens, &x, &mut out));
                if shape != MIDDLE {
                    continue;
                }
                group.throughput(Throughput::Elements(pool.operations(tokens)));
                group.bench_with_input(BenchmarkId::new(&name, tokens), &tokens, |bencher, _| {
                    bencher.iter(|| pool.run(&x, tokens, &mut out));
                });
            }
        }
    }
    group.finish();
    criterion.final_summary();
    if let Some(file) = std::env::var_os("EXPERTS_BENCH_JSON") {
        let page =
            json!({ "kind": "kernels", "threads": rayon::current_num_threads(), "peaks": peaks(&bytes), "rows": kept });
        fs::write(file, serde_json::to_string_pretty(&page).unwrap() + "\n").unwrap();
    }
}

/// Numbers of tokens per expert to measure.
fn chosen() -> Vec<usize> {
    std::env::var("EXPERTS_BENCH_TOKENS").map_or_else(
        |_| TOKENS.to_vec(),
        |names| {
            let number = |name: &str| name.parse().expect("EXPERTS_BENCH_TOKENS names numbers: 64,512");
            names.split(',').map(number).collect()
        },
    )
}

fn peaks(bytes: &[u8]) -> Value {
    json!({
        "f32_gflops": machine::f32_peak() / 1e9,
        "bf16_gflops": machine::bf16_peak().map(|peak| peak / 1e9),
        "read_gb_s": machine::read_bandwidth(bytes) / 1e9,
    })
}
