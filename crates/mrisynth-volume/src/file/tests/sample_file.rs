//! Image files made byte by byte, with any field set to anything.
//!
//! Also the seeds of the fuzz target, which includes this file, so it depends on nothing else here.

use std::io::Write;

/// Which format, and where its voxels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// NIfTI-1 in one file.
    Nifti1,
    /// NIfTI-2 in one file.
    Nifti2,
    /// The header of a NIfTI-1 pair.
    Nifti1Pair,
    /// The header of a NIfTI-2 pair.
    Nifti2Pair,
}

/// A NIfTI header; its fields as in the specification.
#[derive(Clone, Debug)]
pub(crate) struct SampleHeader {
    pub(crate) format: Format,
    pub(crate) big_endian: bool,
    pub(crate) sizeof_hdr: i32,
    pub(crate) dim: [i64; 8],
    pub(crate) datatype: i16,
    pub(crate) bitpix: i16,
    pub(crate) pixdim: [f64; 8],
    pub(crate) vox_offset: f64,
    pub(crate) scl_slope: f64,
    pub(crate) scl_inter: f64,
    pub(crate) xyzt_units: u8,
    pub(crate) descrip: String,
    pub(crate) intent_code: i16,
    pub(crate) qform_code: i16,
    pub(crate) sform_code: i16,
    pub(crate) quatern: [f64; 3],
    pub(crate) qoffset: [f64; 3],
    pub(crate) srow: [[f64; 4]; 3],
}

impl SampleHeader {
    /// A valid little-endian int16 header of 2 × 3 × 4 voxels with an sform.
    pub(crate) fn new(format: Format) -> Self {
        let (sizeof_hdr, vox_offset) = match format {
            Format::Nifti1 => (348, 352.0),
            Format::Nifti2 => (540, 544.0),
            Format::Nifti1Pair => (348, 0.0),
            Format::Nifti2Pair => (540, 0.0),
        };
        Self {
            format,
            big_endian: false,
            sizeof_hdr,
            dim: [3, 2, 3, 4, 1, 1, 1, 1],
            datatype: 4,
            bitpix: 16,
            pixdim: [1.0, 2.0, 3.0, 4.0, 1.0, 1.0, 1.0, 1.0],
            vox_offset,
            scl_slope: 1.0,
            scl_inter: 0.0,
            xyzt_units: 2,
            descrip: "a sample".into(),
            intent_code: 0,
            qform_code: 0,
            sform_code: 1,
            quatern: [0.0; 3],
            qoffset: [0.0; 3],
            srow: [[-2.0, 0.0, 0.0, 90.0], [0.0, 3.0, 0.0, -126.0], [0.0, 0.0, 4.0, -72.0]],
        }
    }

    /// The bytes of the header alone.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Fields { bytes: Vec::new(), big_endian: self.big_endian };
        match self.format {
            Format::Nifti1 => self.write_1(&mut out, b"n+1\0"),
            Format::Nifti1Pair => self.write_1(&mut out, b"ni1\0"),
            Format::Nifti2 => self.write_2(&mut out, b"n+2\0\r\n\x1a\n"),
            Format::Nifti2Pair => self.write_2(&mut out, b"ni2\0\r\n\x1a\n"),
        }
        out.bytes
    }

    /// A single file: the header, padding up to `vox_offset`, and these bytes.
    pub(crate) fn file(&self, voxels: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes();
        let offset = if self.vox_offset.is_finite() { self.vox_offset as usize } else { 0 };
        bytes.resize(bytes.len().max(offset.min(1 << 16)), 0);
        bytes.extend_from_slice(voxels);
        bytes
    }

    fn write_1(&self, out: &mut Fields, magic: &[u8; 4]) {
        out.int(4, self.sizeof_hdr.into());
        out.zeros(36);
        self.dim.iter().for_each(|&n| out.int(2, n));
        out.zeros(12);
        [self.intent_code, self.datatype, self.bitpix, 0]
            .iter()
            .for_each(|&n| out.int(2, n.into()));
        self.pixdim.iter().for_each(|&x| out.float(4, x));
        [self.vox_offset, self.scl_slope, self.scl_inter].iter().for_each(|&x| out.float(4, x));
        out.zeros(3);
        out.bytes.push(self.xyzt_units);
        out.zeros(24);
        out.text(80, &self.descrip);
        out.zeros(24);
        [self.qform_code, self.sform_code].iter().for_each(|&n| out.int(2, n.into()));
        self.quatern.iter().chain(&self.qoffset).for_each(|&x| out.float(4, x));
        self.srow.iter().flatten().for_each(|&x| out.float(4, x));
        out.zeros(16);
        out.bytes.extend_from_slice(magic);
    }

    fn write_2(&self, out: &mut Fields, magic: &[u8; 8]) {
        out.int(4, self.sizeof_hdr.into());
        out.bytes.extend_from_slice(magic);
        [self.datatype, self.bitpix].iter().for_each(|&n| out.int(2, n.into()));
        self.dim.iter().for_each(|&n| out.int(8, n));
        out.zeros(24);
        self.pixdim.iter().for_each(|&x| out.float(8, x));
        out.int(8, self.vox_offset as i64);
        [self.scl_slope, self.scl_inter].iter().for_each(|&x| out.float(8, x));
        out.zeros(48);
        out.text(80, &self.descrip);
        out.zeros(24);
        [self.qform_code, self.sform_code].iter().for_each(|&n| out.int(4, n.into()));
        self.quatern.iter().chain(&self.qoffset).for_each(|&x| out.float(8, x));
        self.srow.iter().flatten().for_each(|&x| out.float(8, x));
        out.int(4, 0);
        out.int(4, self.xyzt_units.into());
        out.int(4, self.intent_code.into());
        out.zeros(32);
    }
}

/// An MGH header; its fields as FreeSurfer names them.
#[derive(Clone, Debug)]
pub(crate) struct SampleMgh {
    pub(crate) version: i32,
    pub(crate) dims: [i32; 4],
    pub(crate) datatype: i32,
    pub(crate) good_ras: i16,
    pub(crate) delta: [f32; 3],
    /// The directions of the columns, rows and slices.
    pub(crate) mdc: [[f32; 3]; 3],
    pub(crate) centre: [f32; 3],
}

impl SampleMgh {
    /// A valid header of 2 × 3 × 4 bytes, coronal.
    pub(crate) fn new() -> Self {
        Self {
            version: 1,
            dims: [2, 3, 4, 1],
            datatype: 0,
            good_ras: 1,
            delta: [1.0, 1.5, 2.0],
            mdc: [[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]],
            centre: [5.0, -10.0, 20.0],
        }
    }

    /// The header, 284 bytes, and these.
    pub(crate) fn file(&self, voxels: &[u8]) -> Vec<u8> {
        let mut out = Fields { bytes: Vec::new(), big_endian: true };
        out.int(4, self.version.into());
        self.dims.iter().for_each(|&n| out.int(4, n.into()));
        out.int(4, self.datatype.into());
        out.int(4, 0);
        out.int(2, self.good_ras.into());
        let floats = self.delta.iter().chain(self.mdc.iter().flatten()).chain(&self.centre);
        floats.for_each(|&x| out.float(4, x.into()));
        out.bytes.resize(284, 0);
        out.bytes.extend_from_slice(voxels);
        out.bytes
    }
}

/// One gzip member.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
    encoder.write_all(bytes).expect("memory does not fail");
    encoder.finish().expect("memory does not fail")
}

struct Fields {
    bytes: Vec<u8>,
    big_endian: bool,
}

impl Fields {
    /// The low `size` bytes of a whole number.
    fn int(&mut self, size: usize, value: i64) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&value.to_le_bytes()[..size]);
        self.order(start);
    }

    fn float(&mut self, size: usize, value: f64) {
        let start = self.bytes.len();
        match size {
            4 => self.bytes.extend_from_slice(&(value as f32).to_le_bytes()),
            _ => self.bytes.extend_from_slice(&value.to_le_bytes()),
        }
        self.order(start);
    }

    fn order(&mut self, start: usize) {
        if self.big_endian {
            self.bytes[start..].reverse();
        }
    }

    fn zeros(&mut self, n: usize) {
        self.bytes.resize(self.bytes.len() + n, 0);
    }

    fn text(&mut self, size: usize, text: &str) {
        let end = self.bytes.len() + size;
        self.bytes.extend_from_slice(&text.as_bytes()[..text.len().min(size)]);
        self.bytes.resize(end, 0);
    }
}

/// A valid file, or the two files of a pair.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    /// What it is.
    pub(crate) name: &'static str,
    /// The file, or the header of a pair.
    pub(crate) file: Vec<u8>,
    /// The voxels of a pair.
    pub(crate) voxels: Option<Vec<u8>>,
    /// Whether the files are to be compressed.
    pub(crate) compressed: bool,
}

/// Valid files of every format.
pub(crate) fn seeds() -> Vec<Seed> {
    let header = |format, big_endian, sform_code, datatype: (i16, i16)| {
        let mut header = SampleHeader { big_endian, sform_code, ..SampleHeader::new(format) };
        header.qform_code = 1;
        (header.quatern, header.scl_slope) = ([0.1, -0.2, 0.3], 1.5);
        (header.datatype, header.bitpix) = datatype;
        header
    };
    let (u8_, i16_, f32_, f64_) = ((2, 8), (4, 16), (16, 32), (64, 64));
    let voxels = |bits: i16| (0..3 * bits as u8).map(|i| i.wrapping_mul(37)).collect::<Vec<_>>();
    let mut seeds = Vec::new();
    let mut single = |name, header: SampleHeader| {
        let file = header.file(&voxels(header.bitpix));
        for compressed in [false, true] {
            seeds.push(Seed { name, file: file.clone(), voxels: None, compressed });
        }
    };
    single("NIfTI-1, little-endian, int16, sform", header(Format::Nifti1, false, 1, i16_));
    single("NIfTI-1, big-endian, float32, qform", header(Format::Nifti1, true, 0, f32_));
    single("NIfTI-2, little-endian, float64, qform", header(Format::Nifti2, false, 0, f64_));
    single("NIfTI-2, big-endian, int16, sform", header(Format::Nifti2, true, 1, i16_));
    let mgh = SampleMgh::new().file(&voxels(8));
    for compressed in [false, true] {
        let file = mgh.clone();
        seeds.push(Seed { name: "MGH, uchar", file, voxels: None, compressed });
        for (name, format) in [
            ("NIfTI-1 pair, uint8", Format::Nifti1Pair),
            ("NIfTI-2 pair, uint8", Format::Nifti2Pair),
        ] {
            let (file, voxels) = (header(format, false, 1, u8_).bytes(), Some(voxels(8)));
            seeds.push(Seed { name, file, voxels, compressed });
        }
    }
    seeds
}
