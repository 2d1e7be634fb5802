//! What this machine can do at most at this moment, on all threads of the pool: multiplications, and bytes read.

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;

/// Steps of one measurement; some 10 ms.
const STEPS: usize = 1 << 21;
/// Sums side by side, so that none waits for itself; unknown to the compiler, which would else make one of them.
const SUMS: usize = 12;

/// Fused f32 multiplications and additions per second, counted as two each.
pub fn f32_peak() -> f64 {
    on_all_threads(|| {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return x86::fma_512();
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return x86::fma_256();
            }
        }
        if cfg!(target_arch = "aarch64") {
            sums::<4>(f32::mul_add)
        } else {
            sums::<8>(|a, b, c| a * b + c)
        }
    })
}

/// The same for products of bf16 pairs summed in f32; `None` where the processor has no such instruction.
pub fn bf16_peak() -> Option<f64> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512f") {
        return Some(on_all_threads(x86::dot_bf16));
    }
    None
}

/// Bytes per second that all threads together read of `bytes`, one after the other, in as many streams at a time as is fastest here.
pub fn read_bandwidth(bytes: &[u8]) -> f64 {
    STREAMS
        .iter()
        .map(|&streams| read_in_streams(bytes, streams))
        .fold(0.0, f64::max)
}

/// Streams of a thread: one alone does not fill the memory's queue everywhere, and many open more of its pages than some keep open.
const STREAMS: [usize; 3] = [1, 2, 8];

fn read_in_streams(bytes: &[u8], streams: usize) -> f64 {
    let part = bytes.len().div_ceil(rayon::current_num_threads()).next_multiple_of(64);
    let started = Instant::now();
    let sums: Vec<u64> = bytes.par_chunks(part).map(|part| sum(part, streams)).collect();
    let seconds = started.elapsed().as_secs_f64();
    black_box(sums);
    bytes.len() as f64 / seconds
}

fn sum(bytes: &[u8], streams: usize) -> u64 {
    let stream = (bytes.len() / streams).next_multiple_of(64).max(64);
    let streams: Vec<&[u8]> = bytes.chunks(stream).collect();
    let mut sums = [0u64; 8];
    for at in (0..stream).step_by(64) {
        for stream in &streams {
            let Some(line) = stream.get(at..at + 64) else { continue };
            for (sum, word) in sums.iter_mut().zip(line.chunks_exact(8)) {
                let mut value = [0; 8];
                value.copy_from_slice(word);
                *sum = sum.wrapping_add(u64::from_le_bytes(value));
            }
        }
    }
    sums.iter().fold(0, |all, sum| all.wrapping_add(*sum))
}

/// Operations per second of all threads, each of which does the `work` and says how many it did.
fn on_all_threads(work: impl Fn() -> f64 + Sync) -> f64 {
    let started = Instant::now();
    let done: Vec<f64> = rayon::broadcast(|_| work());
    done.iter().sum::<f64>() / started.elapsed().as_secs_f64()
}

/// Operations done on vectors of `LANES` that the compiler makes.
fn sums<const LANES: usize>(step: impl Fn(f32, f32, f32) -> f32) -> f64 {
    let (a, b) = (black_box([1.0f32; LANES]), black_box([0.5f32; LANES]));
    let mut sums = black_box([[0.0f32; LANES]; SUMS]);
    for _ in 0..STEPS {
        for sum in &mut sums {
            for lane in 0..LANES {
                sum[lane] = step(a[lane], b[lane], sum[lane]);
            }
        }
    }
    black_box(sums);
    (2 * LANES * SUMS * STEPS) as f64
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, __m512bh, _mm256_fmadd_ps, _mm256_set1_ps, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_set1_ps,
    };
    use std::hint::black_box;

    use super::{STEPS, SUMS};

    /// The machine must have AVX-512F.
    pub(super) fn fma_512() -> f64 {
        assert!(is_x86_feature_detected!("avx512f"));
        // SAFETY: the feature was checked.
        unsafe { fma_512_steps() }
        (2 * 16 * SUMS * STEPS) as f64
    }

    /// The machine must have AVX2 and FMA.
    pub(super) fn fma_256() -> f64 {
        assert!(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"));
        // SAFETY: the features were checked.
        unsafe { fma_256_steps() }
        (2 * 8 * SUMS * STEPS) as f64
    }

    /// The machine must have AVX-512 BF16.
    pub(super) fn dot_bf16() -> f64 {
        assert!(is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512f"));
        // SAFETY: the features were checked.
        unsafe { dot_bf16_steps() }
        (2 * 32 * SUMS * STEPS) as f64
    }

    #[target_feature(enable = "avx512f")]
    fn fma_512_steps() {
        let (a, b) = black_box((_mm512_set1_ps(1.0), _mm512_set1_ps(0.5)));
        let mut sums: [__m512; SUMS] = black_box([_mm512_set1_ps(0.0); SUMS]);
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(a, b, *sum);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2,fma")]
    fn fma_256_steps() {
        let (a, b) = black_box((_mm256_set1_ps(1.0), _mm256_set1_ps(0.5)));
        let mut sums: [__m256; SUMS] = black_box([_mm256_set1_ps(0.0); SUMS]);
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(a, b, *sum);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn dot_bf16_steps() {
        // SAFETY: both are 64 bytes for which every bit pattern is valid.
        let ones: __m512bh = unsafe { std::mem::transmute([0x3F80_u16; 32]) };
        let (a, b) = black_box((ones, ones));
        let mut sums: [__m512; SUMS] = black_box([_mm512_set1_ps(0.0); SUMS]);
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, a, b);
            }
        }
        black_box(sums);
    }
}
