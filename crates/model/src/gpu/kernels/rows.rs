//! Rows of a matrix by index.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::words::{Storage, value};

/// `out[i] = matrix[base + ids[i]]` for the rows `first..end` that lie in this part of the matrix. Units go through the values in strides.
#[cube(launch)]
pub(crate) fn rows(
    words: &[u32],
    ids: &[i32],
    out: &mut [f32],
    first: u32,
    end: u32,
    base: u32,
    columns: u32,
    row_words: u32,
    values: u32,
    units: u32,
    #[comptime] storage: Storage,
) {
    let mut at = ABSOLUTE_POS as u32;
    while at < values {
        let id = base + ids[(at / columns) as usize] as u32;
        if id >= first && id < end {
            let row = ((id - first) * row_words) as usize;
            out[at as usize] = value(words, row, (at % columns) as usize, storage);
        }
        at += units;
    }
}
