//! Text and classification metrics (`metrics/*.json`).
