//! What is multiplied with weights, in the form that the machine's widest instructions want.

use crate::portable;
use crate::weights::Weights;

/// Activations `[tokens, columns]` for any number of products.
pub(crate) struct Activations<'a> {
    x: &'a [f32],
    #[cfg(target_arch = "x86_64")]
    packed: Option<crate::avx2::Packed<'a>>,
}

impl<'a> Activations<'a> {
    /// `x` is `[tokens, columns]`; it is packed on all threads if `parallel`.
    pub(crate) fn new(x: &'a [f32], columns: usize, parallel: bool) -> Self {
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (columns, parallel);
        Self {
            x,
            #[cfg(target_arch = "x86_64")]
            packed: (!crate::avx512::available() && crate::avx2::available())
                .then(|| crate::avx2::Packed::new(x, columns, parallel)),
        }
    }

    /// `out[r, t] = Σ_c x[t, c] · w[r, c]`.
    pub(crate) fn product(&self, w: Weights<'_>, out: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(packed) = &self.packed {
                return crate::avx2::product(packed, w, out);
            }
            if crate::avx512::available() {
                return crate::avx512::product(self.x, w, out);
            }
        }
        portable::product(self.x, w, out);
    }
}
