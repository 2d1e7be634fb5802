//! A loaded checkpoint: one set of weights, a switchable mask.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::blocks::linear::Linear;
use crate::blocks::moe::Moe;
use crate::blocks::router::{Router, host_f64};
use crate::cache::Cache;
use crate::checkpoint::Checkpoint;
use crate::decoder::{Decoder, Watch};
use crate::device::{Device, DeviceKind};
use crate::error::ModelError;
use crate::families::{self, Family};
use crate::kept_layers::KeptLayers;
use crate::kept_states::KeptStates;
use crate::layerwise::{KeptWaves, LayerFiles, Resumed, Visits, memory_limits, memory_plan};
use crate::mask::{ExpertId, ExpertMask};
use crate::matrix::reads_in_place;
use crate::observe::MoeObserver;
use crate::reading::rows_per_projection;
use crate::spec::{DecoderSpec, ExpertLayout, LayerSpec};
use crate::weights::{CheckpointWeights, expected};

/// A mixture-of-experts layer, as planning needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoeLayer {
    /// Decoder layer index.
    pub layer: usize,
    /// Experts in the checkpoint.
    pub experts: usize,
    /// Experts per token.
    pub top_k: usize,
    /// Groups that the router limits itself to; 1 where it does not.
    pub groups: usize,
    /// Groups a token may use.
    pub topk_groups: usize,
}

/// A matrix on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixValues {
    /// `gate`, `up`, `down` or `router`.
    pub name: &'static str,
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Row by row.
    pub values: Vec<f32>,
}

/// A checkpoint on a device. Masks are switched; weights are never copied.
///
/// ```
/// use secateur_model::checkpoint::Checkpoint;
/// use secateur_model::mask::{ExpertId, ExpertMask};
/// use secateur_model::{Device, DeviceKind, Model, Precision};
///
/// let checkpoint = Checkpoint::open("../goldens/fixtures/core/models/mixtral/checkpoint")?;
/// let device = Device::open(DeviceKind::Cpu, Precision::F32)?;
/// let mut model = Model::load(&checkpoint, &device)?;
/// let whole = model.logits(&[1, 5, 9])?;
///
/// // Of the first layer, as few experts stay as a token needs.
/// let first = model.moe_layers()[0];
/// let kept = (0..first.top_k).map(ExpertId).collect();
/// model.set_mask(Some(&ExpertMask { kept: [(first.layer, kept)].into() }))?;
/// assert_ne!(model.logits(&[1, 5, 9])?, whole);
///
/// model.set_mask(None)?;
/// assert_eq!(model.logits(&[1, 5, 9])?, whole);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Model {
    family: &'static dyn Family,
    directory: PathBuf,
    unused: Vec<String>,
    skipped: Vec<String>,
    unread: Vec<String>,
    moe_layers: Vec<MoeLayer>,
    pub(crate) decoder: Decoder,
    pub(crate) visits: Visits,
    /// Of earlier comparisons with it.
    pub(crate) unpruned: KeptStates,
    pub(crate) kept_layers: KeptLayers,
    pub(crate) kept_waves: Option<KeptWaves>,
}

impl std::fmt::Debug for dyn Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Model {
    /// Loads a checkpoint: config and shapes are checked before any weight is read, every weight is checked to be finite. Where the
    /// weights do not fit into memory ([`crate::layerwise`]), a layer's are checked when they are first read.
    ///
    /// # Errors
    /// If anything about the checkpoint is missing, malformed or unsupported, there is too little memory, or the device fails.
    pub fn load(checkpoint: &Checkpoint, device: &Device) -> Result<Self, ModelError> {
        let visits = if reads_in_place(device) {
            let (_, spec, _) = inspect(checkpoint)?;
            memory_plan(checkpoint, &spec, &memory_limits())?.visits
        } else {
            Visits::PassByPass
        };
        Self::load_visiting(checkpoint, device, visits)
    }

    /// The same in a given order.
    ///
    /// # Errors
    /// As [`Model::load`], whatever memory there is.
    pub fn load_visiting(checkpoint: &Checkpoint, device: &Device, visits: Visits) -> Result<Self, ModelError> {
        let (family, spec, unused) = inspect(checkpoint)?;
        let skipped: Vec<String> = checkpoint
            .names()
            .filter(|name| spec.is_skipped(name))
            .map(str::to_owned)
            .collect();
        let scales = packed_scales(&spec);
        // All at once, or layer by layer when they are read.
        let at_once = visits == Visits::PassByPass || !reads_in_place(device);
        let later = |name: &str| !at_once && spec.layers.iter().any(|layer| name.starts_with(&layer.prefix));
        checkpoint.verify_finite(&|name| spec.is_skipped(name) || unused.iter().any(|u| u == name) || later(name))?;
        for tensor in scales.iter().filter_map(|name| checkpoint.tensor(name)) {
            if at_once {
                checkpoint.verify_scales(tensor)?;
            }
        }
        let files = LayerFiles::new(&spec, checkpoint, &scales, at_once);
        let mut decoder = Decoder::new(spec, &CheckpointWeights { checkpoint, device }, device)?;
        decoder.files = reads_in_place(device).then(|| Arc::new(files));
        Ok(Self {
            family,
            directory: checkpoint.directory().to_path_buf(),
            unused,
            skipped,
            unread: checkpoint.config().unread(),
            moe_layers: moe_layers(&decoder.spec),
            decoder,
            visits,
            unpruned: KeptStates::default(),
            kept_layers: KeptLayers::default(),
            kept_waves: None,
        })
    }

    /// A model around a decoder that was put together elsewhere (while it is being trained).
    #[must_use]
    pub fn from_decoder(family: &'static dyn Family, decoder: Decoder) -> Self {
        Self {
            family,
            directory: PathBuf::new(),
            unused: Vec::new(),
            skipped: Vec::new(),
            unread: Vec::new(),
            moe_layers: moe_layers(&decoder.spec),
            decoder,
            visits: Visits::PassByPass,
            unpruned: KeptStates::default(),
            kept_layers: KeptLayers::default(),
            kept_waves: None,
        }
    }

    /// `qwen3_moe`, `olmoe`, …
    #[must_use]
    pub fn family(&self) -> &'static str {
        self.family.name()
    }

    /// Where it was loaded from.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Tensors of the file that the model does not use.
    #[must_use]
    pub fn unused_tensors(&self) -> &[String] {
        &self.unused
    }

    /// Tensors that the family knows and a text model leaves alone: further prediction layers, other modalities.
    #[must_use]
    pub fn skipped_tensors(&self) -> &[String] {
        &self.skipped
    }

    /// Fields of config.json that nothing asked for.
    #[must_use]
    pub fn unread_config_fields(&self) -> &[String] {
        &self.unread
    }

    /// What it is made of.
    #[must_use]
    pub fn spec(&self) -> &DecoderSpec {
        &self.decoder.spec
    }

    /// `MoE` layers in order.
    #[must_use]
    pub fn moe_layers(&self) -> &[MoeLayer] {
        &self.moe_layers
    }

    /// Rows of the embedding.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.decoder.spec.vocabulary
    }

    /// The device it computes on.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.decoder.device()
    }

    /// Switches to a mask; `None` is the unpruned model.
    ///
    /// # Errors
    /// If a layer is no `MoE` layer, an id is out of range, or fewer than top-k experts stay. The mask is then unchanged.
    pub fn set_mask(&mut self, mask: Option<&ExpertMask>) -> Result<(), ModelError> {
        if let Some(mask) = mask {
            self.check_mask(mask)?;
        }
        for (index, layer) in self.decoder.layers.iter_mut().enumerate() {
            if let Some(Moe { router, .. }) = layer.moe_mut() {
                let kept = mask
                    .and_then(|mask| mask.kept.get(&index))
                    .filter(|kept| kept.len() < router.experts);
                router.kept = kept.map(|kept| {
                    let mut flags = vec![false; router.experts];
                    for id in kept {
                        flags[id.0] = true;
                    }
                    flags
                });
            }
        }
        Ok(())
    }

    /// The mask that is set: the layers that lost experts. Empty for the unpruned model.
    #[must_use]
    pub fn mask(&self) -> ExpertMask {
        let kept = |(index, layer): (usize, &crate::decoder::Layer)| {
            let flags = layer.moe()?.router.kept.as_ref()?;
            let ids = flags.iter().enumerate().filter(|(_, kept)| **kept);
            Some((index, ids.map(|(id, _)| ExpertId(id)).collect()))
        };
        let layers = self.decoder.layers.iter().enumerate();
        ExpertMask {
            kept: layers.filter_map(kept).collect(),
        }
    }

    /// What `ask` says of the unpruned model. The mask that is set is set again afterwards, also where `ask` fails.
    ///
    /// # Errors
    /// What `ask` fails with.
    pub fn unmasked<T, E>(&mut self, ask: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        let set: Vec<Option<Vec<bool>>> = self.swap_masks(|router| router.kept.take());
        let answer = ask(self);
        let mut set = set.into_iter();
        self.swap_masks(|router| router.kept = set.next().flatten());
        answer
    }

    /// Does something to the router of every `MoE` layer, in order.
    fn swap_masks<T>(&mut self, change: impl FnMut(&mut Router) -> T) -> Vec<T> {
        let layers = self.decoder.layers.iter_mut();
        let routers = layers.filter_map(|layer| Some(&mut layer.moe_mut()?.router));
        routers.map(change).collect()
    }

    fn check_mask(&self, mask: &ExpertMask) -> Result<(), ModelError> {
        for (&layer, kept) in &mask.kept {
            let refuse = |reason: String| Err(ModelError::Mask { layer, reason });
            let Some(moe) = self.moe_layers.iter().find(|moe| moe.layer == layer) else {
                return refuse("the model has no experts there".into());
            };
            if let Some(id) = kept.iter().find(|id| id.0 >= moe.experts) {
                return refuse(format!("expert {} is out of range: there are {}", id.0, moe.experts));
            }
            if !kept.is_sorted_by(|a, b| a < b) {
                return refuse("kept experts must be ascending, without repetition".into());
            }
            if kept.len() < moe.top_k {
                return refuse(format!(
                    "{} experts kept, but each token needs {}",
                    kept.len(),
                    moe.top_k
                ));
            }
            if let Some(reason) = groups_refuse(moe, kept.len()) {
                return refuse(reason);
            }
        }
        Ok(())
    }

    /// Runs one sequence; the observer sees every `MoE` layer in order.
    ///
    /// # Errors
    /// If the sequence is empty or a token out of range, the observer refuses, or the device fails.
    pub fn observe(&self, tokens: &[u32], observer: &mut dyn MoeObserver) -> Result<(), ModelError> {
        self.observe_batch(&[tokens], observer)
    }

    /// Runs several sequences side by side, each as [`Model::observe`] would.
    ///
    /// # Errors
    /// As [`Model::observe`]; which sequence it arose in is not told.
    pub fn observe_batch(&self, sequences: &[&[u32]], observer: &mut dyn MoeObserver) -> Result<(), ModelError> {
        if sequences.is_empty() || sequences.iter().any(|tokens| tokens.is_empty()) {
            return Err(ModelError::Tokens("an empty sequence has nothing to observe".into()));
        }
        self.observe_wave(&[Batch::right_padded(sequences)], None, observer)
    }

    /// Runs the batches of one of [`Model::waves`], padded behind their tokens: the observer sees layer by layer and, within a layer, batch
    /// by batch, and what is between layers. The wave goes on where it was left, if it was.
    ///
    /// # Errors
    /// As [`Model::observe`]; which sequence it arose in is not told.
    pub fn observe_wave(
        &self,
        wave: &[Batch],
        from: Option<Resumed>,
        observer: &mut dyn MoeObserver,
    ) -> Result<(), ModelError> {
        if let ([batch], None) = (wave, &from)
            && self.device().kind() == DeviceKind::Wgpu
        {
            // One pass, so that answers can wait for its end.
            return self
                .decoder
                .forward(batch, None, &mut Watch::Observer(observer))
                .map(drop);
        }
        self.visit(wave, from, &mut Watch::Observer(observer), None).map(drop)
    }

    /// Logits of every position of one sequence, `[tokens, vocabulary]`.
    ///
    /// # Errors
    /// As [`Model::observe`].
    pub fn logits(&self, tokens: &[u32]) -> Result<Vec<f64>, ModelError> {
        if tokens.is_empty() {
            return Err(ModelError::Tokens("an empty sequence has no logits".into()));
        }
        let x = self.decoder.forward(&Batch::single(tokens), None, &mut Watch::Nobody)?;
        self.all_logits(&x)
    }

    /// The same with a key–value cache, the sequence fed in consecutive pieces of the given lengths.
    ///
    /// # Errors
    /// As [`Model::observe`]; also if the pieces do not add up to the sequence.
    pub fn logits_in_pieces(&self, tokens: &[u32], pieces: &[usize]) -> Result<Vec<f64>, ModelError> {
        if pieces.iter().sum::<usize>() != tokens.len() || pieces.contains(&0) {
            return Err(ModelError::Tokens(format!(
                "pieces {pieces:?} do not make up {} tokens",
                tokens.len()
            )));
        }
        let mut cache = Cache::default();
        let (mut logits, mut start) = (Vec::new(), 0);
        for &piece in pieces {
            let ids = tokens[start..start + piece].to_vec();
            let positions = (start..start + piece).collect();
            let batch = Batch {
                ids,
                positions,
                documents: vec![Some(0); piece],
                follows: Vec::new(),
                behind: Vec::new(),
                batch: 1,
                length: piece,
            };
            let x = self.decoder.forward(&batch, Some(&mut cache), &mut Watch::Nobody)?;
            logits.extend(self.all_logits(&x)?);
            start += piece;
        }
        Ok(logits)
    }

    /// Logits of several sequences run side by side, padded to one length; each as [`Model::logits`] would give it.
    ///
    /// # Errors
    /// As [`Model::observe`].
    pub fn logits_batched(&self, sequences: &[&[u32]]) -> Result<Vec<Vec<f64>>, ModelError> {
        if sequences.iter().any(|sequence| sequence.is_empty()) {
            return Err(ModelError::Tokens("an empty sequence has no logits".into()));
        }
        let batch = Batch::left_padded(sequences);
        let x = self.decoder.forward(&batch, None, &mut Watch::Nobody)?;
        let all = self.all_logits(&x)?;
        let row = batch.length * self.vocabulary();
        let real = |(logits, sequence): (&[f64], &&[u32])| logits[row - sequence.len() * self.vocabulary()..].to_vec();
        Ok(all.chunks_exact(row).zip(sequences).map(real).collect())
    }

    /// Logits of all rows of the final residual stream, some at a time.
    fn all_logits(&self, hidden: &Tensor<2>) -> Result<Vec<f64>, ModelError> {
        let (rows, at_once) = (hidden.dims()[0], rows_per_projection(self.vocabulary()));
        let mut logits = Vec::with_capacity(rows * self.vocabulary());
        for first in (0..rows).step_by(at_once) {
            let some = hidden.clone().narrow(0, first, at_once.min(rows - first));
            logits.extend(host_f64(self.decoder.logits(some), "logits")?);
        }
        match logits.iter().position(|logit| !logit.is_finite()) {
            None => Ok(logits),
            Some(at) => Err(ModelError::NotFinite {
                place: format!(
                    "logits, position {}, token {}",
                    at / self.vocabulary(),
                    at % self.vocabulary()
                ),
                found: logits[at].to_string(),
            }),
        }
    }

    /// Most tokens of a forward pass, padding included, that the device can take; any number where there is no limit but memory.
    #[must_use]
    pub fn most_tokens_per_pass(&self) -> usize {
        self.decoder.most_tokens()
    }

    /// Weights of one expert as f32: gate (where the family has one), up, down.
    ///
    /// # Errors
    /// If there is no such expert.
    pub fn expert_matrices(&self, layer: usize, expert: ExpertId) -> Result<Vec<MatrixValues>, ModelError> {
        let experts = &self.moe(layer)?.experts.experts;
        let mlp = experts.get(expert.0).ok_or_else(|| ModelError::Mask {
            layer,
            reason: format!("expert {} is out of range: there are {}", expert.0, experts.len()),
        })?;
        let values = |name, linear: &Linear| {
            let [rows, columns] = linear.weight.shape();
            MatrixValues {
                name,
                rows,
                columns,
                values: linear.weight.to_f32(),
            }
        };
        let gate = mlp.gate.iter().map(|gate| values("gate", gate));
        Ok(gate.chain([values("up", &mlp.up), values("down", &mlp.down)]).collect())
    }

    /// Router weight, `[experts, hidden]`.
    ///
    /// # Errors
    /// If `layer` is no `MoE` layer.
    pub fn router_matrix(&self, layer: usize) -> Result<MatrixValues, ModelError> {
        let router = &self.moe(layer)?.router;
        let (rows, columns) = (router.experts, self.decoder.spec.hidden);
        Ok(MatrixValues {
            name: "router",
            rows,
            columns,
            values: router.weight.to_f32(),
        })
    }

    fn moe(&self, layer: usize) -> Result<&Moe, ModelError> {
        self.decoder.check(layer)?;
        let layers = &self.decoder.layers;
        layers
            .get(layer)
            .and_then(|layer| layer.moe())
            .ok_or_else(|| no_experts(layer))
    }
}

/// Why a router with groups cannot do with so many experts: its groups are equal parts of them.
fn groups_refuse(moe: &MoeLayer, kept: usize) -> Option<String> {
    if moe.groups <= 1 {
        return None;
    }
    let (size, rest) = (kept / moe.groups, kept % moe.groups);
    if rest > 0 {
        Some(format!(
            "{kept} experts kept, but the router needs {} equal groups",
            moe.groups
        ))
    } else if moe.topk_groups * size < moe.top_k {
        Some(format!(
            "{kept} experts kept: {} groups of {size} are fewer than the {} experts per token",
            moe.topk_groups, moe.top_k
        ))
    } else {
        None
    }
}

fn no_experts(layer: usize) -> ModelError {
    ModelError::Mask {
        layer,
        reason: "the model has no experts there".into(),
    }
}

/// What a checkpoint holds, by its config and headers: no weight is read but those of an output projection that ought to be the embedding.
///
/// # Errors
/// If the family is unknown, an option unsupported, or a tensor missing or of the wrong shape.
pub fn inspect(checkpoint: &Checkpoint) -> Result<(&'static dyn Family, DecoderSpec, Vec<String>), ModelError> {
    let family = families::family(checkpoint.config())?;
    let mut spec = family.spec(checkpoint.config())?;
    family.adapt(&mut spec, &|name| checkpoint.tensor(name).is_some());
    tie(&mut spec, checkpoint);
    let unused = checkpoint.check(&expected(&spec), &|name| spec.is_skipped(name))?;
    Ok((family, spec, unused))
}

/// Where the config says that the output projection is the embedding: if the file has both and they differ, both are used; if it has the projection
/// alone, it is the embedding (`tie_weights` in transformers 5.23).
fn tie(spec: &mut DecoderSpec, checkpoint: &Checkpoint) {
    let name = format!("{}.weight", spec.names.output);
    let Some(output) = checkpoint.tensor(&name).filter(|_| spec.tied_embeddings) else {
        return;
    };
    match checkpoint.tensor(&spec.names.embedding) {
        Some(embedding) => {
            let same = embedding.dtype == output.dtype && *checkpoint.bytes(embedding) == *checkpoint.bytes(output);
            spec.tied_embeddings = same;
        }
        None => spec.names.embedding = name,
    }
}

/// Names of the tensors that hold the exponents of packed experts.
fn packed_scales(spec: &DecoderSpec) -> Vec<String> {
    let mut list = Vec::new();
    for layer in &spec.layers {
        if let Some(ExpertLayout::Fused(names)) = layer.moe().map(|moe| &moe.layout)
            && names.mxfp4
        {
            list.extend([&names.gate_up, &names.down].map(|name| format!("{}{name}_scales", layer.prefix)));
        }
    }
    list
}

/// The `MoE` layers of a decoder.
#[must_use]
pub fn moe_layers(spec: &DecoderSpec) -> Vec<MoeLayer> {
    let layer = |(layer, spec): (usize, &LayerSpec)| {
        let moe = spec.moe()?;
        let groups = moe.router.groups;
        Some(MoeLayer {
            layer,
            experts: moe.experts,
            top_k: moe.top_k,
            groups: groups.map_or(1, |groups| groups.groups),
            topk_groups: groups.map_or(1, |groups| groups.chosen),
        })
    };
    spec.layers.iter().enumerate().filter_map(layer).collect()
}
