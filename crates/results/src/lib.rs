//! Records, tables and charts. Knows no model.

pub mod record;
