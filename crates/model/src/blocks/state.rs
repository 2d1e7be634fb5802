//! What a layer remembers of the tokens before.

use burn::tensor::{Int, Tensor, TensorData};
use rayon::prelude::*;

use super::recurrent::RecurrentState;
use crate::matrix::{heads, in_place};

/// Positions by which the room for keys and values grows.
const BLOCK: usize = 64;

/// What one step of a layer remembers between forward passes.
#[derive(Debug, Clone, Default)]
pub enum LayerState {
    /// Nothing: feed-forward steps.
    #[default]
    Stateless,
    /// Keys and values.
    KeyValue(KeyValueCache),
    /// A state of fixed size.
    Recurrent(RecurrentState),
}

/// Keys and values of the positions seen so far. Room is made for a block of positions at a time, so that a step of decoding writes its
/// own and copies none.
#[derive(Debug, Clone, Default)]
pub struct KeyValueCache {
    entries: Option<Box<Entries>>,
}

#[derive(Debug, Clone)]
struct Entries {
    /// `[batch, key_value_heads, room, width]`.
    keys: Tensor<4>,
    /// The same of values.
    values: Tensor<4>,
    /// Positions of the room that are filled, the first ones.
    used: usize,
}

impl LayerState {
    /// The keys and values, where the step has them.
    pub fn key_values(&mut self) -> Option<&mut KeyValueCache> {
        match self {
            Self::KeyValue(cache) => Some(cache),
            _ => None,
        }
    }

    /// The state of a mixer.
    pub(crate) fn recurrent(&mut self) -> Option<&mut RecurrentState> {
        match self {
            Self::Recurrent(state) => Some(state),
            _ => None,
        }
    }

    /// Numbers that it holds.
    pub(crate) fn numbers(&self) -> usize {
        match self {
            Self::Stateless => 0,
            Self::KeyValue(cache) => cache.numbers(),
            Self::Recurrent(state) => state.numbers(),
        }
    }

    /// Keeps only the given rows of the batch, in that order, and forgets the first `skipped` positions; `on_device` holds the same rows.
    pub(crate) fn select(&mut self, rows: &[usize], on_device: &Tensor<1, Int>, skipped: usize) {
        match self {
            Self::Stateless => {}
            Self::KeyValue(cache) => cache.select(on_device, skipped),
            Self::Recurrent(state) => state.select(rows, on_device),
        }
    }

    /// The rows of several states of one step, one below the other, padded before their first position to `positions`.
    pub(crate) fn join(parts: Vec<Self>, positions: usize) -> Self {
        let (mut caches, mut joined) = (Vec::new(), None::<RecurrentState>);
        for part in parts {
            match part {
                Self::Stateless => {}
                Self::KeyValue(cache) => caches.push(cache),
                Self::Recurrent(state) => match &mut joined {
                    Some(joined) => joined.append(state),
                    None => joined = Some(state),
                },
            }
        }
        match joined {
            Some(state) => Self::Recurrent(state),
            None if caches.is_empty() => Self::Stateless,
            None => Self::KeyValue(KeyValueCache::join(caches, positions)),
        }
    }
}

impl KeyValueCache {
    /// Adds positions and gives all of them.
    pub fn append(&mut self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let entries = match self.entries.take() {
            Some(entries) => entries.appended(key, value),
            None => Entries::full(key, value),
        };
        let all = entries.seen(0);
        self.entries = Some(Box::new(entries));
        all
    }

    fn numbers(&self) -> usize {
        let of = |x: &Tensor<4>| x.dims().iter().product::<usize>();
        self.entries
            .as_ref()
            .map_or(0, |entries| of(&entries.keys) + of(&entries.values))
    }

    fn select(&mut self, rows: &Tensor<1, Int>, skipped: usize) {
        if let Some(entries) = self.entries.take() {
            let (keys, values) = entries.seen(skipped);
            let entries = Entries::full(keys.select(0, rows.clone()), values.select(0, rows.clone()));
            self.entries = Some(Box::new(entries));
        }
    }

    fn join(parts: Vec<Self>, positions: usize) -> Self {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for entries in parts.into_iter().filter_map(|part| part.entries) {
            let missing = positions - entries.used;
            let (key, value) = entries.seen(0);
            keys.push(after_nothing(key, missing));
            values.push(after_nothing(value, missing));
        }
        let entries = (!keys.is_empty()).then(|| Entries::full(Tensor::cat(keys, 0), Tensor::cat(values, 0)));
        Self {
            entries: entries.map(Box::new),
        }
    }
}

impl Entries {
    /// No room left.
    fn full(keys: Tensor<4>, values: Tensor<4>) -> Self {
        Self {
            used: keys.dims()[2],
            keys,
            values,
        }
    }

    fn appended(self, key: Tensor<4>, value: Tensor<4>) -> Self {
        let used = self.used + key.dims()[2];
        Self {
            keys: written(self.keys, self.used, key),
            values: written(self.values, self.used, value),
            used,
        }
    }

    /// The positions that are filled, but for the first `skipped`.
    fn seen(&self, skipped: usize) -> (Tensor<4>, Tensor<4>) {
        let part = |all: &Tensor<4>| all.clone().narrow(2, skipped, self.used - skipped);
        (part(&self.keys), part(&self.values))
    }
}

/// `part` behind the first `used` positions of `all`, which are moved where there is room if they have none.
fn written(all: Tensor<4>, used: usize, part: Tensor<4>) -> Tensor<4> {
    let [batch, heads, room, width] = all.dims();
    let end = used + part.dims()[2];
    let all = if end <= room {
        all
    } else {
        with_room(all, used, end.next_multiple_of(BLOCK))
    };
    all.slice_assign([0..batch, 0..heads, used..end, 0..width], part)
}

/// The first `used` positions of `all`, and behind them as many as make `room`.
fn with_room(all: Tensor<4>, used: usize, room: usize) -> Tensor<4> {
    if let Some(moved) = moved_in_place(&all, used, room) {
        return moved;
    }
    let [batch, heads, _, width] = all.dims();
    let more = Tensor::zeros([batch, heads, room - used, width], (&all.device(), all.dtype()));
    Tensor::cat(vec![all.narrow(2, 0, used), more], 2)
}

/// [`with_room`] on the CPU, from wherever positions lie and in one go; `None` where values are elsewhere.
fn moved_in_place(all: &Tensor<4>, used: usize, room: usize) -> Option<Tensor<4>> {
    let [batch, heads_of, _, width] = all.dims();
    let from = in_place(all).filter(|_| width > 0)?;
    let from = heads(&from)?;
    let mut values = vec![0.0; batch * heads_of * room * width];
    let each_head = values.par_chunks_exact_mut(room * width).enumerate();
    each_head.for_each(|(at, to)| {
        for (position, to) in to.chunks_exact_mut(width).take(used).enumerate() {
            to.copy_from_slice(from.vector(at / heads_of, at % heads_of, position));
        }
    });
    let values = TensorData::new(values, [batch, heads_of, room, width]);
    Some(Tensor::from_data(values, &all.device()))
}

/// `missing` positions of zeros before those of `x`.
fn after_nothing(x: Tensor<4>, missing: usize) -> Tensor<4> {
    let [batch, heads, _, width] = x.dims();
    if missing == 0 {
        return x;
    }
    let nothing = Tensor::zeros([batch, heads, missing, width], (&x.device(), x.dtype()));
    Tensor::cat(vec![nothing, x], 2)
}

/// Through a cache, if there is one.
pub(crate) fn remembered(state: Option<&mut LayerState>, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    match state.and_then(LayerState::key_values) {
        Some(cache) => cache.append(key, value),
        None => (key, value),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::{BLOCK, KeyValueCache};
    use crate::blocks::experts::indices;
    use crate::blocks::rope::host;
    use crate::device::{Device, DeviceKind, Precision};
    use crate::error::ModelError;

    /// Two rows, one head, one value each position: `10 · row + position`.
    fn positions(range: std::ops::Range<usize>, device: &Device) -> Tensor<4> {
        let shape = [2, 1, range.len(), 1];
        let values = (0..2).flat_map(|row| range.clone().map(move |at| (10 * row + at) as f64));
        host(values.collect(), shape, device)
    }

    fn values(x: Tensor<4>) -> Vec<f32> {
        x.into_data().convert::<f32>().try_into_vec().unwrap_or_default()
    }

    #[test]
    fn positions_are_written_behind_each_other() -> Result<(), ModelError> {
        let device = Device::open(DeviceKind::Cpu, Precision::F32)?;
        let mut cache = KeyValueCache::default();
        let mut add = |range: std::ops::Range<usize>| {
            let key = positions(range, &device);
            values(cache.append(key.clone(), key).0)
        };
        assert_eq!(add(0..3), [0., 1., 2., 10., 11., 12.]);
        assert_eq!(add(3..4), [0., 1., 2., 3., 10., 11., 12., 13.]);
        assert_eq!(add(4..6), [0., 1., 2., 3., 4., 5., 10., 11., 12., 13., 14., 15.]);
        let room = |cache: &KeyValueCache| cache.entries.as_ref().map(|entries| entries.keys.dims()[2]);
        assert_eq!(room(&cache), Some(BLOCK));

        let mut other = cache.clone();
        other.select(&indices(&[1], &device), 4);
        let joined = KeyValueCache::join(vec![cache, other], 6);
        let entries = joined
            .entries
            .map(|entries| values(entries.seen(0).1))
            .unwrap_or_default();
        let expected = [
            0., 1., 2., 3., 4., 5., 10., 11., 12., 13., 14., 15., 0., 0., 0., 0., 14., 15.,
        ];
        assert_eq!(entries, expected);
        Ok(())
    }

    /// What a projection gives lies token by token; it is moved head by head, by the CPU's own way and by the other.
    #[test]
    fn positions_move_from_where_they_lie() -> Result<(), ModelError> {
        let value = |row: usize, head: usize, at: usize| (1000 * row + 100 * head + at) as f64;
        for precision in [Precision::F32, Precision::F64] {
            let device = Device::open(DeviceKind::Cpu, precision)?;
            let token_by_token = |range: std::ops::Range<usize>| -> Tensor<4> {
                let of_token = |row, at| (0..3).map(move |head| value(row, head, at));
                let of_row = |row| range.clone().flat_map(move |at| of_token(row, at));
                let all: Vec<f64> = (0..2).flat_map(of_row).collect();
                host::<4>(all, [2, range.len(), 3, 1], &device).swap_dims(1, 2)
            };
            let mut cache = KeyValueCache::default();
            let mut add = |range: std::ops::Range<usize>| {
                let key = token_by_token(range);
                values(cache.append(key.clone(), key).1)
            };
            add(0..BLOCK);
            let found = add(BLOCK..BLOCK + 1);
            let of_head = |row, head| (0..=BLOCK).map(move |at| value(row, head, at) as f32);
            let of_row = |row| (0..3).flat_map(move |head| of_head(row, head));
            assert_eq!(found, (0..2).flat_map(of_row).collect::<Vec<_>>());
        }
        Ok(())
    }
}
