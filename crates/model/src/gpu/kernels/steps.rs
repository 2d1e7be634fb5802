//! A timeline on the device, and the states that its tokens begin with.
//!
//! The words of a cell: the cell that its token follows, where the state before it comes from, and where that behind it is kept. Behind those of
//! all cells comes a word for each row: the cell of its last token.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// Of a cell.
pub(crate) const WORDS: u32 = 3;
/// Instead of a cell or a state: there is none, a document begins, or a row has no token.
pub(crate) const NOTHING: u32 = u32::MAX;
/// Instead of a cell or a state: this is no token.
pub(crate) const PADDING: u32 = u32::MAX - 1;
/// Instead of a cell or a state: what was there before this pass. Cells and kept states have smaller numbers.
pub(crate) const CACHED: u32 = u32::MAX - 2;
/// The state is that behind the token before, or is not kept; those that are kept have numbers from 1 on.
pub(crate) const ON: u32 = 0;

/// What a unit has of a state: every `stride`-th value from `first` on.
#[cube]
pub(super) fn load(own: &mut Array<f32>, states: &[f32], first: u32, stride: u32, #[comptime] count: u32) {
    for i in 0..count {
        own[i as usize] = states[(first + i * stride) as usize];
    }
}

/// The same of a buffer that is written, too.
#[cube]
pub(super) fn reload(own: &mut Array<f32>, states: &mut [f32], first: u32, stride: u32, #[comptime] count: u32) {
    for i in 0..count {
        own[i as usize] = states[(first + i * stride) as usize];
    }
}

/// The other way.
#[cube]
pub(super) fn save(own: &Array<f32>, states: &mut [f32], first: u32, stride: u32, #[comptime] count: u32) {
    for i in 0..count {
        states[(first + i * stride) as usize] = own[i as usize];
    }
}

/// A state of zeros.
#[cube]
pub(super) fn clear(own: &mut Array<f32>, #[comptime] count: u32) {
    for i in 0..count {
        own[i as usize] = 0.0f32;
    }
}
