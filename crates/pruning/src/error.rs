//! What can go wrong between a model and a mask.

use std::path::PathBuf;

/// An error of calibration, ranking or planning: where, what was found, what was expected.
#[derive(Debug, thiserror::Error)]
pub enum PruningError {
    /// Layer counts that cannot belong to one layer.
    #[error("layer {layer} is impossible: {reason}")]
    ImpossibleLayer {
        /// Decoder layer index.
        layer: usize,
        /// What contradicts what.
        reason: String,
    },
    /// A calibration corpus without a token.
    #[error(
        "calibration corpus `{corpus}` {found}; every method but the weight-only ones needs at least one token: \
         check the path and the sample count"
    )]
    EmptyCorpus {
        /// Name of the corpus.
        corpus: String,
        /// Which emptiness was found.
        found: String,
    },
    /// A sum, or a score made from sums, that is NaN or infinite.
    #[error(
        "layer {layer}, expert {expert}: `{quantity}` is {value}, not a finite number; \
         the model's activations or weights overflow or are damaged, so no ranking is made from them"
    )]
    NotFinite {
        /// Decoder layer index.
        layer: usize,
        /// Index in the original checkpoint.
        expert: usize,
        /// Statistic or method.
        quantity: String,
        /// NaN or an infinity.
        value: f64,
    },
    /// A statistic that the method needs was not collected.
    #[error(
        "method `{method}` needs the statistic `{statistic}`, which was not collected for `{corpus}` in layer {layer}; \
         calibrate again with this method among those asked for"
    )]
    MissingStatistic {
        /// Asking method.
        method: String,
        /// Name of the statistic.
        statistic: &'static str,
        /// Calibration corpus.
        corpus: String,
        /// Decoder layer index.
        layer: usize,
    },
    /// A method gave a number of scores that is not the number of experts.
    #[error("method `{method}` gave {found} scores for the {expected} experts of layer {layer}")]
    ScoreCount {
        /// The method.
        method: String,
        /// Decoder layer index.
        layer: usize,
        /// Scores given.
        found: usize,
        /// Experts of the layer.
        expected: usize,
    },
    /// The method does not know the profile.
    #[error("method `{method}` has no `{profile}` profile; it has: {known}")]
    UnknownProfile {
        /// The method.
        method: String,
        /// Asked-for profile.
        profile: String,
        /// Profiles it has.
        known: String,
    },
    /// No method, profile or statistic of that name.
    #[error("no {kind} is called `{found}`; there are: {known}")]
    UnknownName {
        /// `method`, `profile`, `statistic`.
        kind: &'static str,
        /// What was asked for.
        found: String,
        /// Names there are.
        known: String,
    },
    /// A method that ranks by calibration statistics was given none.
    #[error("method `{method}` ranks by calibration statistics, but none were given")]
    NoStatistics {
        /// The method.
        method: String,
    },
    /// Two sets of statistics, or statistics and a model, that do not belong together.
    #[error("{left} and {right} do not belong together: {what} is {found}, expected {expected}")]
    Mismatch {
        /// Where `found` was found.
        left: String,
        /// Where `expected` comes from.
        right: String,
        /// The differing property.
        what: String,
        /// Found.
        found: String,
        /// Expected.
        expected: String,
    },
    /// A domain whose scores cannot be divided by their sum.
    #[error(
        "domain `{corpus}`: the `{method}` scores of layer {layer} sum to {sum}, so they cannot be divided by their sum \
         and mixed with another domain's; calibrate this domain with more text, or alone"
    )]
    UnmixableDomain {
        /// Calibration corpus.
        corpus: String,
        /// The method.
        method: String,
        /// Decoder layer index.
        layer: usize,
        /// Zero, or an overflow.
        sum: f64,
    },
    /// A fraction outside [0, 1).
    #[error("the fraction of experts to remove is {found}; it must be at least 0 and below 1")]
    FractionOutOfRange {
        /// Asked-for fraction.
        found: f64,
    },
    /// A plan that leaves a token too few experts.
    #[error(
        "removing {fraction} of layer {layer}'s {experts} experts keeps {kept}, but every token is routed to {top_k}; \
         the largest fraction this layer allows is {largest}"
    )]
    FewerThanTopK {
        /// Asked-for fraction.
        fraction: f64,
        /// Decoder layer index.
        layer: usize,
        /// Experts before.
        experts: usize,
        /// Experts after.
        kept: usize,
        /// Experts per token.
        top_k: usize,
        /// Largest feasible fraction.
        largest: f64,
    },
    /// A plan that leaves a group-limited router too few experts.
    #[error(
        "removing {fraction} of layer {layer} keeps {kept_per_group} experts in each of its groups; a token chooses {top_k} experts \
         from {topk_groups} of them, which then hold only {reachable}; the largest fraction this layer allows is {largest}"
    )]
    FewerThanTopKInGroups {
        /// Asked-for fraction.
        fraction: f64,
        /// Decoder layer index.
        layer: usize,
        /// Experts kept in each group.
        kept_per_group: usize,
        /// Experts per token.
        top_k: usize,
        /// Groups per token.
        topk_groups: usize,
        /// `topk_groups · kept_per_group`.
        reachable: usize,
        /// Largest feasible fraction.
        largest: f64,
    },
    /// More protected experts than places.
    #[error(
        "layer {layer} has {protected} protected experts, but the plan keeps {kept} there; remove fewer experts or protect none"
    )]
    TooManyProtected {
        /// Decoder layer index.
        layer: usize,
        /// Protected experts.
        protected: usize,
        /// Experts that the plan keeps.
        kept: usize,
    },
    /// A ranking that does not fit the model's layers.
    #[error("the ranking by `{method}` does not fit the model: {reason}")]
    RankingDoesNotFit {
        /// Method of the ranking.
        method: String,
        /// What differs.
        reason: String,
    },
    /// A mask or ranking file with wrong contents.
    #[error("{file}: {reason}")]
    BadMaskFile {
        /// The file.
        file: PathBuf,
        /// Where, what was found, what was expected.
        reason: String,
    },
    /// A statistics file with wrong contents.
    #[error("statistics file {file}: {reason}; delete it and calibrate again, or point to the right file")]
    BadStatisticsFile {
        /// The file.
        file: PathBuf,
        /// What was found and expected.
        reason: String,
    },
    /// A file that cannot be read or written.
    #[error("cannot {action} {file}: {source}")]
    Io {
        /// `read`, `write`.
        action: &'static str,
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The model failed outside a sample.
    #[error(transparent)]
    Model(Box<secateur_model::ModelError>),
    /// The model failed on a sample.
    #[error("calibration corpus `{corpus}`, sample {sample} (counted from 0): {source}")]
    Sample {
        /// Calibration corpus.
        corpus: String,
        /// Index of the sample.
        sample: usize,
        /// The model's error.
        source: Box<secateur_model::ModelError>,
    },
}

impl From<secateur_model::ModelError> for PruningError {
    fn from(error: secateur_model::ModelError) -> Self {
        Self::Model(Box::new(error))
    }
}
