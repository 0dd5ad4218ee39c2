//! Safetensors files, written durably and streamed both ways.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use candle_core::{DType, Device, Result, Storage, Tensor};
use durable_file::Receipt;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Serialize;

use super::NamedTensors;
use super::little_endian::{self, Elements};
use crate::error::{self, Error};

/// Headers beyond this are refused, as the reference reader does.
const LARGEST_HEADER: u64 = 100_000_000;

/// A header as it is written: everything in the order of the names.
#[derive(Serialize)]
struct Header<'a> {
    #[serde(rename = "__metadata__", skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    #[serde(flatten)]
    tensors: BTreeMap<&'a str, TensorInfo>,
}

impl NamedTensors {
    /// Makes these tensors the content of the safetensors file at `path`, which is whole and on the
    /// disk when this returns, or as it was before if this fails.
    ///
    /// The same content gives the same bytes: names ascend, and the data of wider dtypes comes
    /// first, so that all are aligned. Tensors are written one by one, without a copy of the file
    /// in memory.
    ///
    /// # Errors
    /// [`Error::Tensor`] for a dtype without a file form or the reserved name `__metadata__`;
    /// [`Error::Disk`] when the file cannot be written, with the system's reason behind it.
    pub fn save_safetensors(&self, path: impl AsRef<Path>) -> error::Result<Receipt> {
        let path = path.as_ref();
        let order = self.order_of_data()?;
        let header = self.header(&order).map_err(|error| fault(path, error.to_string()))?;
        Ok(durable_file::write_with(path, |file| {
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            order.iter().try_for_each(|(_, _, tensor)| write_data(tensor, file))
        })?)
    }

    /// Reads a safetensors file. The numbers are taken as they are, NaN included; booleans become
    /// bytes.
    ///
    /// # Errors
    /// [`Error::File`] for a file that is missing, cut off, longer than its header says or damaged,
    /// and for a tensor of a dtype that candle lacks, by name.
    pub fn load_safetensors(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        load(path).map_err(|problem| fault(path, problem).into())
    }

    fn order_of_data(&self) -> error::Result<Vec<(&str, Dtype, &Tensor)>> {
        let mut order = Vec::with_capacity(self.tensors.len());
        for (name, tensor) in &self.tensors {
            let refused = |problem| Error::Tensor { name: name.clone(), problem };
            if name == "__metadata__" {
                return Err(refused("the name is reserved".to_owned()));
            }
            let Some(dtype) = file_dtype(tensor.dtype()) else {
                return Err(refused(format!("{} has no file form", tensor.dtype().as_str())));
            };
            order.push((name.as_str(), dtype, tensor));
        }
        // Stable: names ascend among equals.
        order.sort_by_key(|(_, dtype, _)| std::cmp::Reverse(dtype.bitsize()));
        Ok(order)
    }

    /// The header, padded so that the data is aligned.
    fn header(&self, order: &[(&str, Dtype, &Tensor)]) -> serde_json::Result<Vec<u8>> {
        let mut start = 0;
        let mut tensors = BTreeMap::new();
        for &(name, dtype, tensor) in order {
            let end = start + tensor.elem_count() * dtype.bitsize() / 8;
            let shape = tensor.dims().to_vec();
            tensors.insert(name, TensorInfo { dtype, shape, data_offsets: (start, end) });
            start = end;
        }
        let mut header = serde_json::to_vec(&Header { metadata: &self.metadata, tensors })?;
        header.resize(header.len().next_multiple_of(8), b' ');
        Ok(header)
    }
}

fn write_data(tensor: &Tensor, file: &mut impl Write) -> io::Result<()> {
    let tensor = tensor.to_device(&Device::Cpu).and_then(|tensor| tensor.contiguous());
    let tensor = tensor.map_err(io::Error::other)?;
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(storage), Some((start, end))) => {
            little_endian::write(storage, start..end, file)
        }
        _ => Err(io::Error::other("a tensor that is not contiguous on the CPU")),
    }
}

fn load(path: &Path) -> std::result::Result<NamedTensors, String> {
    let broken = |error: io::Error| error.to_string();
    let file = File::open(path).map_err(broken)?;
    let length = file.metadata().map_err(broken)?.len();
    let mut reader = BufReader::new(file);
    let mut n = [0; 8];
    reader.read_exact(&mut n).map_err(|_| format!("{length} bytes, expected at least 8"))?;
    let n = u64::from_le_bytes(n);
    if n > LARGEST_HEADER || n > length - 8 {
        return Err(format!(
            "the header has {n} bytes, the file {length}: cut off or no safetensors"
        ));
    }
    let mut header = vec![0; n as usize];
    reader.read_exact(&mut header).map_err(broken)?;
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|error| format!("the header: {error}"))?;
    let expected = (header.data_len() as u64).checked_add(n + 8);
    if expected != Some(length) {
        let data = header.data_len();
        return Err(format!("{length} bytes, expected {n} + 8 of the header and {data} of data"));
    }
    let mut tensors = BTreeMap::new();
    // In the order of the data: no seeking.
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else { continue };
        let tensor = read_tensor(info, &mut reader);
        let tensor = tensor.map_err(|problem| format!("the tensor {name:?}: {problem}"))?;
        tensors.insert(name, tensor);
    }
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok(NamedTensors { tensors, metadata })
}

/// The header has been checked against the length of the file.
fn read_tensor(info: &TensorInfo, reader: &mut impl Read) -> std::result::Result<Tensor, String> {
    let dtype = candle_dtype(info.dtype)
        .ok_or_else(|| format!("its dtype {} is not one of candle's", info.dtype))?;
    check_strides(&info.shape)?;
    let count = info.shape.iter().product();
    let tensor = little_endian::read(dtype, count, &info.shape, &Elements::All, reader);
    tensor.map_err(|error| error.to_string())
}

/// An axis of length 0 lets the others be of any length, but candle multiplies them for its strides.
pub(super) fn check_strides(shape: &[usize]) -> std::result::Result<(), String> {
    let product = shape.iter().try_fold(1_usize, |n, &axis| n.checked_mul(axis.max(1)));
    product.map(|_| ()).ok_or_else(|| format!("the shape {shape:?} overflows"))
}

fn file_dtype(dtype: DType) -> Option<Dtype> {
    Some(match dtype {
        DType::U8 => Dtype::U8,
        DType::U32 => Dtype::U32,
        DType::I16 => Dtype::I16,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::BF16 => Dtype::BF16,
        DType::F16 => Dtype::F16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        _ => return None,
    })
}

fn candle_dtype(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::U8 | Dtype::BOOL => DType::U8,
        Dtype::U32 => DType::U32,
        Dtype::I16 => DType::I16,
        Dtype::I32 => DType::I32,
        Dtype::I64 => DType::I64,
        Dtype::BF16 => DType::BF16,
        Dtype::F16 => DType::F16,
        Dtype::F32 => DType::F32,
        Dtype::F64 => DType::F64,
        _ => return None,
    })
}

pub(super) fn fault(path: &Path, problem: String) -> Error {
    Error::File { path: path.to_owned(), problem }
}
