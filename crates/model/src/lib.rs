//! Secateur: model.
