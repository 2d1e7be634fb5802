//! Sweeps on clusters. There is no scheduler of our own: a sweep is cut into shards, one task each, and what is done is known
//! from the records alone. A task runs `secateur sweep run --shard i/n`, which may run any number of times.
//!
//! `[cluster]` of the sweep file → [`Resources`] → Slurm scripts or Kubernetes manifests. Knows no model.

pub mod words;
pub mod units;
pub mod section;
pub mod resources;
pub mod work;
pub mod coverage;
pub mod slurm;
pub mod kubernetes;

pub use coverage::Coverage;
pub use resources::Resources;
pub use section::ClusterSection;
pub use work::Work;
