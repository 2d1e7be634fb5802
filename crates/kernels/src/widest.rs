//! Loops that the compiler turns into vectors, compiled for the widest ones of this machine.
//!
//! Additions and multiplications stay those that are written, in their order: the bits are the same on every machine.

#![allow(unsafe_code)]

/// A loop. What it calls must be inlined to be compiled with it.
pub(crate) trait Work {
    /// Does it; `#[inline(always)]`.
    fn run(self);
}

/// Does the work.
#[inline]
pub(crate) fn widest(work: impl Work) {
    #[cfg(target_arch = "x86_64")]
    {
        if wide() {
            // SAFETY: the machine was asked for all of it.
            return unsafe { avx512(work) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the machine was asked for it.
            return unsafe { avx2(work) };
        }
    }
    work.run();
}

/// Has the bytes there, which need not exist, brought into the first cache.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
pub(crate) fn prefetch(at: *const u8) {
    // SAFETY: every x86-64 has the instruction, and it does nothing where nothing is.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Whether vectors of 512 bits are there with all that compilers use beside them.
#[cfg(target_arch = "x86_64")]
pub(crate) fn wide() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq")]
fn avx512(work: impl Work) {
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(work: impl Work) {
    work.run();
}

#[cfg(test)]
mod tests {
    use super::{Work, widest};

    struct Sums<'a>(&'a [f32], &'a mut [f32]);

    impl Work for Sums<'_> {
        #[inline(always)]
        #[allow(clippy::inline_always)] // Into whoever names the instructions.
        fn run(self) {
            self.1.iter_mut().zip(self.0).for_each(|(y, x)| *y = *y * 3.0 + x);
        }
    }

    /// Products are rounded before they are added wherever it is compiled.
    #[test]
    fn bits_are_those_of_the_plain_loop() {
        let x: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.7).sin()).collect();
        let (mut found, mut plain) = (vec![0.1f32; 1000], vec![0.1f32; 1000]);
        for _ in 0..3 {
            widest(Sums(&x, &mut found));
            Sums(&x, &mut plain).run();
        }
        assert_eq!(crate::tests::bits(&found), crate::tests::bits(&plain));
    }
}
