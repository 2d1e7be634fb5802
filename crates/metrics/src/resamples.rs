//! A statistic on every resample, small enough for a record: f32 values in base64.
//!
//! All cells of a task under one seed see the same draws, so that whoever reads their records can resample them jointly, without
//! the model and without the answers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::statistics::Resampled;

/// By draw; NaN where the statistic is undefined on it. Little-endian f32 in base64 in JSON.
#[derive(Debug, Clone, Default)]
pub struct Resamples(pub Vec<f32>);

impl Resamples {
    /// Whether none are kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a resampled statistic of value `observed` on `units` units.
    #[must_use]
    pub fn resampled(&self, observed: f64, units: usize, bounded: bool) -> Resampled {
        Resampled {
            observed,
            draws: self.0.iter().map(|&value| f64::from(value)).collect(),
            units,
            bounded,
            plain: false,
        }
    }
}

impl From<&Resampled> for Resamples {
    fn from(resampled: &Resampled) -> Self {
        Self(resampled.draws.iter().map(|&value| value as f32).collect())
    }
}

/// Equal bit by bit: an undefined draw equals an undefined draw.
impl PartialEq for Resamples {
    fn eq(&self, other: &Self) -> bool {
        let bits = |list: &Self| list.0.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        bits(self) == bits(other)
    }
}

impl Serialize for Resamples {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|value| value.to_le_bytes()).collect();
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Resamples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(&text).map_err(de::Error::custom)?;
        let (values, rest) = bytes.as_chunks::<4>();
        if rest.is_empty() {
            Ok(Self(values.iter().map(|value| f32::from_le_bytes(*value)).collect()))
        } else {
            let found = format!("{} bytes of resamples, expected a multiple of 4", bytes.len());
            Err(de::Error::custom(found))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn they_survive_json() {
        let kept = Resamples(vec![0.25, -1.0e-7, f32::NAN]);
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(text.len(), 2 + 16);
        assert_eq!(serde_json::from_str::<Resamples>(&text).unwrap(), kept);
        assert_ne!(kept, Resamples(vec![0.25, -1.0e-7, 0.0]));
    }

    #[test]
    fn what_is_no_list_of_numbers_is_refused() {
        for text in ["\"AAAA\"", "\"not base64!\"", "3"] {
            assert!(serde_json::from_str::<Resamples>(text).is_err(), "{text}");
        }
    }
}
