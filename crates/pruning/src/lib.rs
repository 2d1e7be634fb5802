//! Secateur: pruning.
