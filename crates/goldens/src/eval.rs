//! Parsing, prompts and scores of the reference experiment (`eval/*.json`).
