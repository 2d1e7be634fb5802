//! The passes of a wave between two layers: all that is needed to go on there.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use sha2::{Digest, Sha256};

use crate::batch::Batch;
use crate::checkpoint::digits;
use crate::device::Precision;
use crate::error::ModelError;
use crate::model::Model;

/// What is known when all passes of a wave have gone through a layer.
#[derive(Debug)]
pub struct Between<'a> {
    /// Layers behind them.
    pub layers_done: usize,
    /// Layers in all.
    pub layers: usize,
    pub(crate) streams: &'a [Tensor<2>],
}

impl Between<'_> {
    /// The residual streams, pass by pass: `[batch * length, hidden]` little-endian, f32, or f64 where arithmetic is.
    pub fn streams(&self) -> impl Iterator<Item = Result<Vec<u8>, ModelError>> {
        self.streams.iter().map(|stream| {
            let data = stream.clone().try_into_data().map_err(|error| ModelError::Execution {
                place: "the residual stream".into(),
                reason: format!("{error:?}"),
            })?;
            Ok(data.as_bytes().to_vec())
        })
    }

    /// Writes the streams to a file and syncs it; their SHA-256, or what the disk said.
    ///
    /// # Errors
    /// If the device fails.
    pub fn write(&self, path: &Path) -> Result<io::Result<String>, ModelError> {
        let mut hash = Sha256::new();
        let mut out = match File::create(path) {
            Ok(file) => BufWriter::new(file),
            Err(error) => return Ok(Err(error)),
        };
        for stream in self.streams() {
            let bytes = stream?;
            hash.update(&bytes);
            if let Err(error) = out.write_all(&bytes) {
                return Ok(Err(error));
            }
        }
        let synced = out
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all());
        Ok(synced.map(|()| digits(&hash.finalize())))
    }
}

/// A wave that was left between two layers.
#[derive(Debug)]
pub struct Resumed {
    pub(crate) layers_done: usize,
    pub(crate) streams: Vec<Tensor<2>>,
}

impl Model {
    /// The wave as [`Between::streams`] wrote it behind `layers_done` layers.
    ///
    /// # Errors
    /// If reading fails, or there are fewer or more bytes than these batches need.
    pub fn resumed(&self, wave: &[Batch], layers_done: usize, mut bytes: impl Read) -> io::Result<Resumed> {
        let hidden = self.spec().hidden;
        let mut stream = |batch: &Batch| {
            let shape = [batch.ids.len(), hidden];
            let numbers = shape[0] * hidden;
            let data = match self.device().precision() {
                Precision::F64 => TensorData::new(values(&mut bytes, numbers, f64::from_le_bytes)?, shape),
                Precision::F32 | Precision::Fast => {
                    TensorData::new(values(&mut bytes, numbers, f32::from_le_bytes)?, shape)
                }
            };
            Ok(Tensor::from_data(data, self.device().options()))
        };
        let streams = wave.iter().map(&mut stream).collect::<io::Result<_>>()?;
        if bytes.read(&mut [0])? > 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "there is more than the wave",
            ));
        }
        Ok(Resumed { layers_done, streams })
    }
}

/// Hashes what is read.
pub struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    /// Reads what `inner` has.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
        }
    }

    /// Of all that was read, hexadecimal.
    #[must_use]
    pub fn sha256(self) -> String {
        digits(&self.hash.finalize())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

fn values<T, const N: usize>(bytes: &mut impl Read, numbers: usize, value: fn([u8; N]) -> T) -> io::Result<Vec<T>> {
    let mut raw = vec![0; numbers * N];
    bytes.read_exact(&mut raw)?;
    let (elements, _) = raw.as_chunks::<N>();
    Ok(elements.iter().map(|&element| value(element)).collect())
}
