//! Decoding of many sequences in few rows: whoever ends makes room for the next.
//!
//! How many rows there are follows from what keys and values may take in memory, and not from the number of requests or of cores.

use std::collections::VecDeque;

use crate::batch::Batch;
use crate::blocks::router::host_f64;
use crate::cache::Cache;
use crate::device::Precision;
use crate::error::ModelError;
use crate::generate::{Running, StopRule};
use crate::matrix::in_pool;
use crate::model::Model;
use crate::spec::{BlockSpec, DecoderSpec};
use crate::stem_states::StemStates;

/// Most sequences decoded side by side.
pub(crate) const ROWS: usize = 64;

/// What keys and values of all rows may take, in bytes.
const KEY_VALUE_BYTES: usize = 1 << 30;

/// Padded tokens of prompts that are read at a time.
const PROMPT_TOKENS: usize = 2048;

/// Sequences on their way.
pub(crate) struct Decoding<'a> {
    model: &'a Model,
    stop: &'a StopRule<'a>,
    /// What all prompts begin with, if it is read before them.
    stem: Option<&'a StemStates>,
    rows: usize,
    /// In the order in which they are begun.
    waiting: VecDeque<Running<'a>>,
    /// Row by row of the cache.
    running: Vec<Running<'a>>,
    cache: Cache,
    done: Vec<Running<'a>>,
    work: Work,
}

/// What a model had to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Work {
    /// Forward passes over prompts.
    prompts: usize,
    /// Forward passes over one further token of each row.
    steps: usize,
    /// Tokens of all of them, padding included.
    tokens: usize,
}

/// Rows to decode `waiting` in, at least one.
pub(crate) fn rows(model: &Model, waiting: &[Running<'_>]) -> usize {
    let width = match model.device().precision() {
        Precision::F32 | Precision::Fast => 4,
        Precision::F64 => 8,
    };
    let prompt = waiting.iter().map(|sequence| sequence.options.prompt.len()).max();
    let new = waiting.iter().map(|sequence| sequence.options.max_new_tokens).max();
    let positions = prompt.unwrap_or(0).saturating_add(new.unwrap_or(0));
    let keys = model.device().most_tokens(model.spec().widest_keys());
    rows_that_fit(key_values(model.spec()) * width, positions).min((keys / positions.max(1)).max(1))
}

fn rows_that_fit(bytes_per_position: usize, positions: usize) -> usize {
    let row = bytes_per_position.saturating_mul(positions).max(1);
    (KEY_VALUE_BYTES / row).clamp(1, ROWS)
}

/// Numbers that all layers together remember of a position.
pub(crate) fn key_values(spec: &DecoderSpec) -> usize {
    let of = |block: &BlockSpec| match block {
        BlockSpec::Attention(attention) => 2 * attention.key_value_heads * attention.head_dim,
        BlockSpec::LatentAttention(attention) => {
            attention.heads * (attention.plain_dim + attention.rope.width + attention.value_dim)
        }
        BlockSpec::Mixer(_) | BlockSpec::Dense(_) | BlockSpec::Moe(_) => 0,
    };
    spec.blocks().map(of).sum()
}

impl<'a> Decoding<'a> {
    pub(crate) fn new(
        model: &'a Model,
        stem: Option<&'a StemStates>,
        waiting: Vec<Running<'a>>,
        rows: usize,
        stop: &'a StopRule<'a>,
    ) -> Self {
        Self {
            model,
            stop,
            stem,
            rows,
            waiting: waiting.into(),
            running: Vec::new(),
            cache: Cache::default(),
            done: Vec::new(),
            work: Work::default(),
        }
    }

    /// Decodes to the end of every sequence; `ended` is called at each.
    ///
    /// # Errors
    /// If a token is out of range, a logit not finite, the stop rule fails, or the device fails.
    pub(crate) fn run(mut self, ended: &mut dyn FnMut()) -> Result<Vec<Running<'a>>, ModelError> {
        self.finish(ended)?;
        Ok(self.done)
    }

    fn finish(&mut self, ended: &mut dyn FnMut()) -> Result<(), ModelError> {
        while !(self.waiting.is_empty() && self.running.is_empty()) {
            if self.has_room() {
                self.begin(ended)?;
            }
            if !self.running.is_empty() {
                self.step(ended)?;
            }
        }
        Ok(())
    }

    /// Whether others are to begin. Each time the whole cache is copied: it is put off until a quarter of the rows is free.
    fn has_room(&self) -> bool {
        let free = self.rows - self.running.len();
        !self.waiting.is_empty() && (self.running.is_empty() || 4 * free >= self.rows)
    }

    /// Reads prompts until all rows are taken.
    fn begin(&mut self, ended: &mut dyn FnMut()) -> Result<(), ModelError> {
        let mut parts = Vec::new();
        if !self.running.is_empty() {
            parts.push(std::mem::take(&mut self.cache));
        }
        while self.running.len() < self.rows && !self.waiting.is_empty() {
            let group = self.next_group();
            let before = self.running.len();
            let cache = self.read(group, ended)?;
            if self.running.len() > before {
                parts.push(cache);
            }
        }
        self.cache = Cache::join(parts);
        Ok(())
    }

    /// Sequences for free rows whose prompts are read together.
    fn next_group(&mut self) -> Vec<Running<'a>> {
        let free = self.rows - self.running.len();
        let (mut group, mut prompts, mut longest) = (Vec::<Running<'a>>::new(), 0, 0);
        while let Some(next) = self.waiting.front().filter(|_| group.len() < free) {
            let prompt = &next.options.prompt;
            prompts += usize::from(group.last().is_none_or(|last| last.options.prompt != *prompt));
            longest = longest.max(prompt.len() - self.before());
            if !group.is_empty() && prompts * longest > PROMPT_TOKENS.min(self.model.most_tokens_per_pass()) {
                break;
            }
            group.extend(self.waiting.pop_front());
        }
        group
    }

    /// Tokens of prompts that were read before them.
    fn before(&self) -> usize {
        self.stem.map_or(0, StemStates::tokens)
    }

    /// Reads the prompts of a group and adds those that go on to the running. Returns their part of the cache.
    fn read(&mut self, group: Vec<Running<'a>>, ended: &mut dyn FnMut()) -> Result<Cache, ModelError> {
        // Neighbours with one prompt (samples of one question) read it once.
        let mut prompts: Vec<&[u32]> = Vec::new();
        let mut rows = Vec::with_capacity(group.len());
        for sequence in &group {
            let prompt = &sequence.options.prompt[self.before()..];
            if prompts.last() != Some(&prompt) {
                prompts.push(prompt);
            }
            rows.push(prompts.len() - 1);
        }
        let before = self.stem.map(|stem| stem.cache(prompts.len(), self.model));
        let mut cache = before.unwrap_or_default();
        self.work.prompts += 1;
        let logits = self.forward(&Batch::left_padded_behind(self.before(), &prompts), &mut cache)?;
        let kept = self.advance(group, &rows, &logits, ended)?;
        if !kept.is_empty() && !kept.iter().copied().eq(0..prompts.len()) {
            cache.select(&kept, self.model.device());
        }
        Ok(cache)
    }

    /// One further token of every row.
    fn step(&mut self, ended: &mut dyn FnMut()) -> Result<(), ModelError> {
        let (ids, positions): (Vec<u32>, Vec<usize>) = self.running.iter().filter_map(Running::last).unzip();
        let mut cache = std::mem::take(&mut self.cache);
        self.work.steps += 1;
        let logits = self.forward(&Batch::step(ids, positions), &mut cache)?;
        let running = std::mem::take(&mut self.running);
        let rows: Vec<usize> = (0..running.len()).collect();
        let kept = self.advance(running, &rows, &logits, ended)?;
        if kept.len() < rows.len() && !kept.is_empty() {
            cache.select(&kept, self.model.device());
        }
        self.cache = cache;
        Ok(())
    }

    /// Logits behind the last token of every row, `[batch * vocabulary]`.
    fn forward(&mut self, batch: &Batch, cache: &mut Cache) -> Result<Vec<f64>, ModelError> {
        self.work.tokens += batch.ids.len();
        let (decoder, device) = (&self.model.decoder, self.model.device());
        in_pool(device, || {
            let last = (1..=batch.batch).map(|row| row * batch.length - 1).collect();
            let hidden = decoder.forward_wanted(batch, last, cache)?;
            host_f64(decoder.logits(hidden), "logits")
        })
    }

    /// Gives each sequence its next token, by the logits of its row. Those that end are done, the others are running; returns their rows.
    fn advance(
        &mut self,
        sequences: Vec<Running<'a>>,
        rows: &[usize],
        logits: &[f64],
        ended: &mut dyn FnMut(),
    ) -> Result<Vec<usize>, ModelError> {
        let width = self.model.vocabulary();
        let mut kept = Vec::with_capacity(sequences.len());
        for (mut sequence, &row) in sequences.into_iter().zip(rows) {
            let token = sequence.next(&logits[row * width..(row + 1) * width])?;
            if sequence.is_done(token, self.stop)? {
                ended();
                self.done.push(sequence);
            } else {
                kept.push(row);
                self.running.push(sequence);
            }
        }
        Ok(kept)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::device::{Device, DeviceKind};
    use crate::generate::{GenerateOptions, Generated};
    use crate::stems::PASS;

    fn fixture(name: &str) -> PathBuf {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../goldens/fixtures");
        fixtures.join(name).join("checkpoint")
    }

    fn load(name: &str) -> Model {
        let device = Device::open(DeviceKind::Cpu, Precision::F64).unwrap();
        Model::load(&Checkpoint::open(fixture(name)).unwrap(), &device).unwrap()
    }

    /// Prompts of 3 to 9 tokens, longest first; the third and the fourth have the same one.
    fn requests(model: &Model, new: &[usize]) -> Vec<GenerateOptions> {
        let token = |at: usize| ((at * at * 37 + at * 11 + 5) % model.vocabulary()) as u32;
        let prompt = |number: usize| -> Vec<u32> {
            let number = if number == 3 { 2 } else { number };
            let length = 9_usize.saturating_sub(number).max(3);
            (0..length).map(|at| token(17 * number + at)).collect()
        };
        let options = |(number, &max_new_tokens): (usize, &usize)| GenerateOptions {
            prompt: prompt(number),
            max_new_tokens,
            end_tokens: Vec::new(),
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
        };
        new.iter().enumerate().map(options).collect()
    }

    fn decode(model: &Model, requests: &[GenerateOptions], rows: usize) -> (Vec<Generated>, Work) {
        decode_behind(model, None, requests, rows)
    }

    fn decode_behind(
        model: &Model,
        stem: Option<&StemStates>,
        requests: &[GenerateOptions],
        rows: usize,
    ) -> (Vec<Generated>, Work) {
        let waiting = requests
            .iter()
            .enumerate()
            .map(|(at, options)| Running::new(at, options));
        let mut ended = 0;
        let never = |_: usize, _: &[u32]| -> Result<bool, ModelError> { Ok(false) };
        let mut decoding = Decoding::new(model, stem, waiting.collect(), rows, &never);
        decoding.finish(&mut || ended += 1).unwrap();
        assert_eq!(ended, requests.len());
        let mut found = vec![Generated::default(); requests.len()];
        for sequence in decoding.done {
            found[sequence.request] = sequence.generated;
        }
        (found, decoding.work)
    }

    #[test]
    fn few_rows_say_what_one_row_says() {
        for name in [
            "core/models/olmoe_bf16_sharded",
            "core/models/deepseek_v3_plain",
            "paper/models/nemotron_h",
        ] {
            let model = load(name);
            let requests = requests(&model, &[4, 1, 9, 2, 7, 3, 1, 5, 6]);
            let (alone, _) = decode(&model, &requests, 1);
            for rows in [2, 3, 4, 9] {
                let (found, _) = decode(&model, &requests, rows);
                for (found, alone) in found.iter().zip(&alone) {
                    assert_eq!(found.tokens, alone.tokens, "{name} in {rows} rows");
                    let pairs = found.log_probabilities.iter().zip(&alone.log_probabilities);
                    assert!(pairs.clone().all(|(one, other)| (one - other).abs() < 1e-8), "{name}");
                }
            }
        }
    }

    #[test]
    fn whoever_ends_makes_room() {
        let model = load("core/models/olmoe_bf16_sharded");
        // The first token comes from the prompt: 8, 1, 1, 1, 1, 1, 1 and 1 steps.
        let requests = requests(&model, &[9, 2, 2, 2, 2, 2, 2, 2]);
        let (_, work) = decode(&model, &requests, 4);
        // Rows that all waited for the longest would take 8 + 1.
        assert_eq!((work.prompts, work.steps), (3, 8));
        // Four prompts of which two are one, three, and one, each group padded; then four rows twice, two, and one five times.
        assert_eq!(work.tokens, 3 * 9 + 3 * 5 + 3 + 4 + 4 + 2 + 5);
    }

    #[test]
    fn one_prompt_is_read_once() {
        let model = load("core/models/olmoe_bf16_sharded");
        let requests = requests(&model, &[1, 1, 3, 3]);
        let (found, work) = decode(&model, &requests[2..], 2);
        assert_eq!(
            work,
            Work {
                prompts: 1,
                steps: 2,
                tokens: 7 + 2 * 2
            }
        );
        assert_eq!(found[0].tokens, found[1].tokens);
    }

    #[test]
    fn what_prompts_begin_with_is_read_once() {
        for name in [
            "core/models/olmoe_bf16_sharded",
            "core/models/deepseek_v3_plain",
            "paper/models/nemotron_h",
        ] {
            let model = load(name);
            let mut requests = requests(&model, &[4, 1, 5, 2, 3]);
            let header: Vec<u32> = (0..PASS as u32 + 6).map(|at| (at * at * 5 + 1) % 90).collect();
            for request in &mut requests {
                request.prompt.splice(0..0, header.iter().copied());
            }
            let prompts: Vec<&[u32]> = requests.iter().map(|request| &request.prompt[..]).collect();
            let stem = StemStates::of_prompts(&model, &prompts).unwrap().unwrap();
            assert_eq!(stem.tokens(), header.len());
            for rows in [1, 2, 5] {
                let (expected, whole) = decode(&model, &requests, rows);
                let (found, work) = decode_behind(&model, Some(&stem), &requests, rows);
                for (found, expected) in found.iter().zip(&expected) {
                    assert_eq!(found.tokens, expected.tokens, "{name} in {rows} rows");
                    let pairs = found.log_probabilities.iter().zip(&expected.log_probabilities);
                    assert!(pairs.clone().all(|(one, other)| (one - other).abs() < 1e-8), "{name}");
                }
                assert_eq!((work.prompts, work.steps), (whole.prompts, whole.steps));
                // Five prompts, of which two are the same.
                let spared = whole.tokens - work.tokens;
                assert!(
                    spared.is_multiple_of(header.len()) && spared >= 4 * header.len(),
                    "{name}"
                );
            }
            // Of one prompt nothing is read before it, nor of prompts with less in common.
            assert!(StemStates::of_prompts(&model, &prompts[..1]).unwrap().is_none());
            let shorter: Vec<&[u32]> = prompts.iter().map(|prompt| &prompt[7..]).collect();
            assert!(StemStates::of_prompts(&model, &shorter).unwrap().is_none());
        }
    }

    #[test]
    fn rows_follow_from_memory() {
        assert_eq!(rows_that_fit(1 << 18, 1 << 9), 8);
        assert_eq!(rows_that_fit(1 << 10, 100), ROWS);
        assert_eq!(rows_that_fit(0, 100), ROWS);
        assert_eq!(rows_that_fit(1 << 20, usize::MAX), 1);
    }
}
