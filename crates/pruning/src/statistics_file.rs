//! Statistics on disk: a safetensors file that any reader of that format opens.
//!
//! Tensors `layer{L}.{statistic}` of `[experts]`, F64 (counts U64), `L` the decoder layer index. The metadata entry `statistics`
//! is a JSON object: `schema`, `provenance`, `layers` (shape and token count each) and `checksum`, the SHA-256 over the other
//! three and all values. Equal statistics give equal bytes.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::PruningError;
use crate::shape::LayerShape;
use crate::statistics::{LayerStatistics, Provenance, Statistic, Statistics};

/// Version of the layout and of what the statistics mean.
const SCHEMA: u32 = 1;
/// Metadata entry that holds [`Header`].
const METADATA_KEY: &str = "statistics";
/// Real files are a few megabytes; more than this is something else.
const LARGEST_FILE_BYTES: u64 = 1 << 30;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    schema: u32,
    provenance: Provenance,
    layers: Vec<LayerHeader>,
    checksum: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerHeader {
    shape: LayerShape,
    tokens: u64,
}

impl Statistics {
    /// Writes the statistics, whole or not at all: to a file beside `path`, which is then renamed.
    ///
    /// # Errors
    ///
    /// What [`Statistics::check`] finds, or [`PruningError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), PruningError> {
        self.check()?;
        let bytes = to_bytes(self).map_err(|reason| bad(path, reason))?;
        write_atomically(path, &bytes)
    }

    /// Reads what [`Statistics::save`] wrote and checks everything: shapes, finiteness, counts, checksum.
    ///
    /// # Errors
    ///
    /// [`PruningError::Io`] or [`PruningError::BadStatisticsFile`].
    pub fn load(path: &Path) -> Result<Self, PruningError> {
        let bytes = read_limited(path, LARGEST_FILE_BYTES)?
            .ok_or_else(|| bad(path, format!("is larger than {LARGEST_FILE_BYTES} bytes")))?;
        let statistics = from_bytes(&bytes).map_err(|reason| bad(path, reason))?;
        statistics.check().map_err(|e| bad(path, e.to_string()))?;
        Ok(statistics)
    }
}

/// Reads a file, or nothing if it is longer than `limit` bytes.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, PruningError> {
    let io = |source| PruningError::Io {
        action: "read",
        file: path.into(),
        source,
    };
    if fs::metadata(path).map_err(io)?.len() > limit {
        return Ok(None);
    }
    fs::read(path).map_err(io).map(Some)
}

/// Writes through a file beside `path` and a rename, so that no reader sees half of it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), PruningError> {
    let io = |source| PruningError::Io {
        action: "write",
        file: path.into(),
        source,
    };
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".partial-{}", std::process::id()));
    let partial = path.with_file_name(name);
    let written = fs::File::create(&partial)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // The disk may be full: the half-written file must not stay. Its removal may fail too; the first error is the one to tell.
        let _ = fs::remove_file(&partial);
    }
    written.map_err(io)
}

fn bad(path: &Path, reason: String) -> PruningError {
    PruningError::BadStatisticsFile {
        file: path.into(),
        reason,
    }
}

fn tensor_name(layer: usize, statistic: Statistic) -> String {
    format!("layer{layer}.{}", statistic.name())
}

fn encode(statistic: Statistic, values: &[f64]) -> Vec<u8> {
    let bytes = |v: &f64| {
        if statistic.is_count() {
            count(*v).to_le_bytes()
        } else {
            v.to_le_bytes()
        }
    };
    values.iter().flat_map(bytes).collect()
}

/// Counts are whole and below 2⁵³.
#[allow(clippy::cast_sign_loss)]
fn count(value: f64) -> u64 {
    value as u64
}

fn dtype(statistic: Statistic) -> Dtype {
    if statistic.is_count() { Dtype::U64 } else { Dtype::F64 }
}

fn checksum(
    provenance: &Provenance,
    layers: &[LayerHeader],
    tensors: &BTreeMap<String, Vec<u8>>,
) -> Result<String, String> {
    let described = serde_json::to_vec(&(SCHEMA, provenance, layers)).map_err(|e| e.to_string())?;
    let mut hash = Sha256::new();
    hash.update(described);
    for (name, data) in tensors {
        hash.update([0]);
        hash.update(name);
        hash.update([0]);
        hash.update(data);
    }
    Ok(hex(&hash.finalize()))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

fn to_bytes(statistics: &Statistics) -> Result<Vec<u8>, String> {
    let mut tensors = BTreeMap::new();
    let mut dtypes = BTreeMap::new();
    for layer in &statistics.layers {
        for (&statistic, values) in &layer.values {
            let name = tensor_name(layer.shape.layer, statistic);
            dtypes.insert(name.clone(), dtype(statistic));
            tensors.insert(name, encode(statistic, values));
        }
    }
    let layers: Vec<_> = statistics
        .layers
        .iter()
        .map(|l| LayerHeader {
            shape: l.shape,
            tokens: l.tokens,
        })
        .collect();
    let checksum = checksum(&statistics.provenance, &layers, &tensors)?;
    let header = Header {
        schema: SCHEMA,
        provenance: statistics.provenance.clone(),
        layers,
        checksum,
    };
    let header = serde_json::to_string(&header).map_err(|e| e.to_string())?;
    let views = tensors
        .iter()
        .map(|(name, data)| {
            let view = TensorView::new(dtypes[name], vec![data.len() / 8], data).map_err(|e| e.to_string())?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>, String>>()?;
    // One entry: the map's order cannot reach the file.
    let metadata = HashMap::from([(METADATA_KEY.to_string(), header)]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
}

fn from_bytes(bytes: &[u8]) -> Result<Statistics, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| format!("is not a safetensors file ({e})"))?;
    let header = metadata
        .metadata()
        .as_ref()
        .and_then(|m| m.get(METADATA_KEY))
        .ok_or_else(|| format!("has no `{METADATA_KEY}` entry in its metadata: it holds something else"))?;
    let version: serde_json::Value =
        serde_json::from_str(header).map_err(|e| format!("its `{METADATA_KEY}` metadata is not JSON ({e})"))?;
    if version.get("schema").and_then(serde_json::Value::as_u64) != Some(SCHEMA.into()) {
        let found = version.get("schema").cloned().unwrap_or_default();
        return Err(format!(
            "has layout version {found}, this program reads version {SCHEMA}"
        ));
    }
    let header: Header =
        serde_json::from_str(header).map_err(|e| format!("its `{METADATA_KEY}` metadata is damaged ({e})"))?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| format!("is not a safetensors file ({e})"))?;
    let mut layers = header
        .layers
        .iter()
        .map(|l| LayerStatistics {
            shape: l.shape,
            tokens: l.tokens,
            values: BTreeMap::new(),
        })
        .collect::<Vec<_>>();
    let mut raw = BTreeMap::new();
    for (name, view) in file.iter() {
        read_tensor(name, &view, &mut layers)?;
        raw.insert(name.to_string(), view.data().to_vec());
    }
    let found = checksum(&header.provenance, &header.layers, &raw)?;
    if found != header.checksum {
        return Err(format!(
            "its contents have the checksum {found}, but it says {}: it was damaged or edited",
            header.checksum
        ));
    }
    Ok(Statistics {
        provenance: header.provenance,
        layers,
    })
}

fn read_tensor(name: &str, view: &TensorView<'_>, layers: &mut [LayerStatistics]) -> Result<(), String> {
    let unknown = || format!("has a tensor `{name}`, which is not `layer<L>.<statistic>` of a listed layer");
    let (layer, statistic) = name
        .strip_prefix("layer")
        .and_then(|rest| rest.split_once('.'))
        .ok_or_else(unknown)?;
    let index: usize = layer.parse().map_err(|_| unknown())?;
    let statistic = Statistic::from_name(statistic).ok_or_else(unknown)?;
    let layer = layers.iter_mut().find(|l| l.shape.layer == index).ok_or_else(unknown)?;
    let expected = [layer.shape.experts];
    if view.dtype() != dtype(statistic) || view.shape() != expected {
        return Err(format!(
            "tensor `{name}` is {:?} {:?}, expected {:?} {expected:?}",
            view.dtype(),
            view.shape(),
            dtype(statistic)
        ));
    }
    let value = |bytes: &[u8]| {
        let mut word = [0; 8];
        word.copy_from_slice(bytes);
        if statistic.is_count() {
            u64::from_le_bytes(word) as f64
        } else {
            f64::from_le_bytes(word)
        }
    };
    layer
        .values
        .insert(statistic, view.data().chunks_exact(8).map(value).collect());
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::statistics::tests::sample;

    fn message(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.safetensors");
        fs::write(&path, bytes).unwrap();
        Statistics::load(&path).unwrap_err().to_string()
    }

    #[test]
    fn what_is_saved_is_loaded_and_equal_bytes_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let mut statistics = sample();
        statistics.layers[0]
            .values
            .insert(Statistic::Gate, vec![0.1 + 0.2, f64::MIN_POSITIVE, 1e300, 0.0]);
        statistics.save(&path).unwrap();
        assert_eq!(Statistics::load(&path).unwrap(), statistics);
        let first = fs::read(&path).unwrap();
        statistics.save(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn damage_is_told() {
        let good = to_bytes(&sample()).unwrap();
        assert!(message(&good[..good.len() - 3]).contains("not a safetensors file"));
        assert!(message(b"").contains("not a safetensors file"));
        assert!(message(&u64::MAX.to_le_bytes()).contains("not a safetensors file"));
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert!(message(&flipped).contains("checksum"), "{}", message(&flipped));
        let replaced = |from: &str, to: &str| {
            let at = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            let mut bytes = good.clone();
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            message(&bytes)
        };
        assert!(replaced("\\\"seed\\\":7", "\\\"seed\\\":9").contains("checksum"));
        assert!(replaced("\\\"schema\\\":1", "\\\"schema\\\":9").contains("layout version 9"));
        assert!(replaced("layer3.gate\"", "layer4.gate\"").contains("layer4.gate"));
        assert!(replaced("layer3.gate\"", "layer3.gaze\"").contains("layer3.gaze"));
        assert!(replaced("\"statistics\"", "\"statistisc\"").contains("no `statistics` entry"));
    }

    #[test]
    fn a_statistic_that_is_not_finite_is_neither_saved_nor_loaded() {
        let mut bad = sample();
        bad.layers[1].values.get_mut(&Statistic::Gate).unwrap()[0] = f64::INFINITY;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        assert!(bad.save(&path).is_err());
        assert!(!path.exists());
        let told = message(&to_bytes(&bad).unwrap());
        assert!(told.contains("layer 3, expert 0"), "{told}");
        assert!(matches!(Statistics::load(&path), Err(PruningError::Io { .. })));
    }
}
