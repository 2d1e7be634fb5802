//! Slots, `token * top_k + rank`, grouped by the expert they go to, in the order of slots within an expert.
//!
//! The plan is one buffer of u32: rows of each expert `[experts]`, the slot of each grouped row `[slots]`, and tiles `[tiles, 3]`: expert,
//! first grouped row, rows. Tiles are what one cube of a product takes on; those that are not needed have no rows.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// Units that divide the slots among them.
pub(crate) const UNITS: u32 = 256;

/// One cube an expert: how many slots go to it.
#[cube(launch)]
pub(crate) fn count(selected: &[i32], plan: &mut [u32], slots: u32) {
    let expert = CUBE_POS_X;
    let mut counts = Shared::<[u32]>::new_slice(comptime!(UNITS as usize));
    let share = slots.div_ceil(UNITS);
    let first = UNIT_POS_X * share;
    let end = min(first + share, slots);
    let mut own = 0u32;
    let mut slot = first;
    while slot < end {
        if selected[slot as usize] as u32 == expert {
            own += 1u32;
        }
        slot += 1u32;
    }
    counts[UNIT_POS_X as usize] = own;
    sync_cube();
    if UNIT_POS_X == 0 {
        let mut sum = 0u32;
        for unit in 0..UNITS {
            sum += counts[unit as usize];
        }
        plan[expert as usize] = sum;
    }
}

/// One cube an expert: its slots, and the tiles of at most `height` rows that they make.
#[cube(launch)]
pub(crate) fn place(selected: &[i32], plan: &mut [u32], slots: u32, experts: u32, tiles: u32, height: u32) {
    let expert = CUBE_POS_X;
    let mut starts = Shared::<[u32]>::new_slice(comptime!(UNITS as usize + 1));
    let share = slots.div_ceil(UNITS);
    let first = UNIT_POS_X * share;
    let end = min(first + share, slots);
    let mut own = 0u32;
    let mut slot = first;
    while slot < end {
        if selected[slot as usize] as u32 == expert {
            own += 1u32;
        }
        slot += 1u32;
    }
    starts[UNIT_POS_X as usize] = own;
    sync_cube();
    let table = (experts + slots) as usize;
    if UNIT_POS_X == 0 {
        let mut row = 0u32;
        let mut tile = 0u32;
        for other in 0..expert {
            let rows = plan[other as usize];
            row += rows;
            tile += rows.div_ceil(height);
        }
        let rows = plan[expert as usize];
        let mut done = 0u32;
        while done < rows {
            let at = table + (3u32 * tile) as usize;
            plan[at] = expert;
            plan[at + 1] = row + done;
            plan[at + 2] = min(height, rows - done);
            done += height;
            tile += 1u32;
        }
        if expert == experts - 1 {
            while tile < tiles {
                let at = table + (3u32 * tile) as usize;
                plan[at] = 0u32;
                plan[at + 1] = 0u32;
                plan[at + 2] = 0u32;
                tile += 1u32;
            }
        }
        // What each unit counted becomes where it begins.
        for unit in 0..UNITS {
            let counted = starts[unit as usize];
            starts[unit as usize] = row;
            row += counted;
        }
    }
    sync_cube();
    let mut next = starts[UNIT_POS_X as usize];
    slot = first;
    while slot < end {
        if selected[slot as usize] as u32 == expert {
            plan[(experts + next) as usize] = slot;
            next += 1u32;
        }
        slot += 1u32;
    }
}
