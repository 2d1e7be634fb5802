//! Secateur: demo.
