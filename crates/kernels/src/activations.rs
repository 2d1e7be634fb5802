//! The paths, and what is multiplied with weights in the form that a path wants.

use crate::blank::{Fill, Filled};
use crate::blocks;
use crate::columns::Columns;
use crate::packed::Packed;
use crate::portable::Portable;
use crate::precision::Precision;
use crate::tokens::{Tokens, Visit};
use crate::vector::Vector;
use crate::weights::{WeightDtype, Weights};

/// The instructions that products with weights of `dtype` are taken with on this machine, in words.
#[must_use]
pub fn instructions(dtype: WeightDtype, precision: Precision) -> &'static str {
    Path::best(dtype, precision).name
}

/// Instructions for products.
pub(crate) struct Path {
    pub name: &'static str,
    /// bf16 weights are multiplied with bf16 activations, and nothing else.
    pub pairs: bool,
    /// Whether this machine has them.
    pub available: fn() -> bool,
    pack: Pack,
    /// Room for so many tokens and columns.
    pub blank: fn(usize, usize, WeightDtype, Precision) -> Box<dyn Fill>,
}

/// Packs activations for weights of a dtype, on all threads if the last argument says so.
type Pack = for<'a> fn(Tokens<'a>, WeightDtype, Precision, bool) -> Box<dyn Product + 'a>;

/// The first that fits is taken.
pub(crate) const PATHS: &[Path] = &[
    #[cfg(target_arch = "x86_64")]
    path::<crate::avx512::Avx512Bf16>("AVX-512 BF16"),
    #[cfg(target_arch = "x86_64")]
    path::<crate::avx512::Avx512>("AVX-512"),
    #[cfg(target_arch = "x86_64")]
    path::<crate::avx2::Avx2>("AVX2"),
    #[cfg(target_arch = "aarch64")]
    path::<crate::neon::NeonBf16>("NEON BF16"),
    #[cfg(target_arch = "aarch64")]
    path::<crate::neon::Neon>("NEON"),
    path::<Portable>("portable"),
];

pub(crate) const fn path<V: Vector + 'static>(name: &'static str) -> Path {
    Path {
        name,
        pairs: V::PAIRS,
        available: V::available,
        pack: |x, dtype, precision, parallel| Box::new(Packed::<V>::new(x, dtype, precision, parallel)),
        blank: |tokens, columns, dtype, precision| {
            Box::new(Filled {
                packed: Packed::<V>::blank(tokens, columns, dtype),
                precision,
            })
        },
    }
}

impl Path {
    pub(crate) fn best(dtype: WeightDtype, precision: Precision) -> &'static Self {
        let fits = |path: &&Self| path.fits(dtype, precision);
        // The portable one does always.
        PATHS.iter().find(fits).unwrap_or(&PATHS[PATHS.len() - 1])
    }

    /// Whether products with such weights may take it.
    pub(crate) fn fits(&self, dtype: WeightDtype, precision: Precision) -> bool {
        (self.available)() && (!self.pairs || (dtype == WeightDtype::Bf16 && precision == Precision::Fast))
    }

    /// Activations for products with weights of `dtype`.
    pub(crate) fn pack<'a>(
        &self,
        x: Tokens<'a>,
        dtype: WeightDtype,
        precision: Precision,
        parallel: bool,
    ) -> Activations<'a> {
        Activations((self.pack)(x, dtype, precision, parallel))
    }
}

/// Activations `[tokens, columns]` for any number of products with weights of one dtype.
pub(crate) struct Activations<'a>(pub Box<dyn Product + 'a>);

impl<'a> Activations<'a> {
    /// Packs rows, on all threads if `parallel`.
    pub(crate) fn new(x: Tokens<'a>, dtype: WeightDtype, precision: Precision, parallel: bool) -> Self {
        Path::best(dtype, precision).pack(x, dtype, precision, parallel)
    }

    /// The rows that `visits` name, without their weights.
    ///
    /// # Panics
    /// If these are some rows of others already.
    pub(crate) fn of<'b>(&'b self, visits: &'b [Visit]) -> Activations<'b> {
        Activations(self.0.of(visits))
    }

    /// `out[t, r] = Σ_c x[t, c] · w[r, c]`: `out` is `[tokens, rows]`. The weights at `then` are looked at next, without it those behind `w`: they
    /// are fetched, and need not exist.
    ///
    /// # Panics
    /// If the lengths do not fit together.
    pub(crate) fn product(&self, w: Weights<'_>, then: Option<*const u8>, out: &mut Columns<'_>) {
        self.0.product(w, then, out);
    }
}

/// Packed activations of some path.
pub(crate) trait Product: Send + Sync {
    fn of<'b>(&'b self, visits: &'b [Visit]) -> Box<dyn Product + 'b>;

    fn product(&self, w: Weights<'_>, then: Option<*const u8>, out: &mut Columns<'_>);
}

impl<V: Vector + 'static> Product for Packed<'_, V> {
    fn of<'b>(&'b self, visits: &'b [Visit]) -> Box<dyn Product + 'b> {
        Box::new(self.of(visits))
    }

    fn product(&self, w: Weights<'_>, then: Option<*const u8>, out: &mut Columns<'_>) {
        blocks::product(self, w, then, out);
    }
}
