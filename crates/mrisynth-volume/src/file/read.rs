//! Reading images: from files or from memory, as stored or straight as the values wanted.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::decode::{AsStored, AsValues, Convert, Decoder, Stored};
use super::image_header::{ImageHeader, VoxelsIn};
use super::pair::{self, Role};
use super::source::{Source, Span};
use crate::datatype::with_datatype;
use crate::error::{Error, FileFault, Result};
use crate::image::{Image, IntoStored, Warning};
use crate::volume::Volume;
use crate::voxel_value::VoxelValue;

/// What a reader puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// A compressed file may not come to more bytes than this: a file of 16 MiB could otherwise
    /// fill 16 GiB of memory, with zeros.
    pub max_decompressed_bytes: u64,
    /// Refuse a file in which bytes follow the voxels, instead of a [`Warning`]. The footer of MGH
    /// files is no such thing.
    pub refuse_trailing_bytes: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { max_decompressed_bytes: 16 << 30, refuse_trailing_bytes: false }
    }
}

impl Image {
    /// Reads an image file as it is stored.
    ///
    /// NIfTI-1 and NIfTI-2 (`.nii`, or either file of a `.hdr` and `.img` pair) and FreeSurfer's MGH
    /// (`.mgh`, `.mgz`), compressed or not. The content decides which it is and whether it is
    /// compressed, never the name, except that `.hdr` and `.img` say that there is a second file.
    ///
    /// # Errors
    /// [`Error::File`] with what is wrong; [`Error::OutOfMemory`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_with(path, &ReadOptions::default())
    }

    /// [`Image::read`] with other limits.
    ///
    /// # Errors
    /// As [`Image::read`].
    pub fn read_with(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        Opened::file(path.as_ref(), options)?.image(options)
    }

    /// Reads the bytes of a file in memory; `name` stands for it in messages.
    ///
    /// # Errors
    /// As [`Image::read`].
    pub fn from_bytes(name: &Path, bytes: &[u8], options: &ReadOptions) -> Result<Self> {
        Opened::bytes(name, bytes, options)?.image(options)
    }

    /// Reads the bytes of the two files of a pair in memory; `name` stands for both in messages.
    ///
    /// # Errors
    /// As [`Image::read`].
    pub fn from_pair_bytes(
        name: &Path,
        header: &[u8],
        voxels: &[u8],
        options: &ReadOptions,
    ) -> Result<Self> {
        Opened::pair_bytes(name, header, voxels, options)?.image(options)
    }
}

/// Reading intensities (`Volume`, which is `Volume<f32>`) or labels (`LabelMap`, which is
/// `Volume<i32>`).
impl<V: VoxelValue> Volume<V> {
    /// Reads an image file of one frame: intensities scaled in `f64` and rounded once, or labels.
    ///
    /// The voxels are converted while they are being read, so that there is never a second copy.
    /// What is odd about the file but no error goes unsaid here: [`Image::warnings`] has it.
    ///
    /// # Errors
    /// As [`Image::read`], and [`FileFault::Field`] when the file has several frames or, for labels,
    /// a value that is not a whole number.
    ///
    /// # Examples
    /// ```no_run
    /// use mrisynth_volume::{LabelMap, Volume};
    /// let scan: Volume = Volume::read("sub-01_T1w.nii.gz")?;
    /// let labels = LabelMap::read("sub-01/mri/aseg.mgz")?;
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_with(path, &ReadOptions::default())
    }

    /// [`Volume::read`] with other limits.
    ///
    /// # Errors
    /// As [`Volume::read`].
    pub fn read_with(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        Opened::file(path.as_ref(), options)?.volume(options)
    }

    /// Reads the bytes of a file in memory; `name` stands for it in messages.
    ///
    /// # Errors
    /// As [`Volume::read`].
    pub fn from_bytes(name: &Path, bytes: &[u8], options: &ReadOptions) -> Result<Self> {
        Opened::bytes(name, bytes, options)?.volume(options)
    }
}

/// An image whose header is read and whose voxels are not.
#[derive(Debug)]
struct Opened<'a> {
    header: ImageHeader,
    header_name: PathBuf,
    voxels: Source<'a>,
    voxel_name: PathBuf,
}

impl Opened<'static> {
    fn file(path: &Path, options: &ReadOptions) -> Result<Self> {
        let role = Role::of(path);
        if role == Role::Single {
            return Opened::single(path, Source::open(path, options)?);
        }
        // Opened first, so that what is wrong with the file that was asked for is said of it.
        let given = Source::open(path, options)?;
        let other = pair::partner(path, role).map_err(|other| {
            Error::file(path, FileFault::Pair { other, found: "there is no such file".into() })
        });
        if role == Role::Header {
            let header = parse(path, &given)?;
            require_pair(path, &header, "the voxels in a second file, since its name says .hdr")?;
            let voxel_name = other?;
            let voxels = Source::open(&voxel_name, options)?;
            return Ok(Self { header, header_name: path.to_owned(), voxels, voxel_name });
        }
        let header_name = other?;
        let header = parse(&header_name, &Source::open(&header_name, options)?)?;
        require_pair(
            &header_name,
            &header,
            "the voxels in a second file, since its name says .hdr",
        )?;
        Ok(Self { header, header_name, voxels: given, voxel_name: path.to_owned() })
    }
}

impl<'a> Opened<'a> {
    fn bytes(name: &Path, bytes: &'a [u8], options: &ReadOptions) -> Result<Self> {
        let source = Source::from_bytes(bytes, options).map_err(|f| Error::file(name, f))?;
        Self::single(name, source)
    }

    fn single(name: &Path, voxels: Source<'a>) -> Result<Self> {
        let header = parse(name, &voxels)?;
        if header.voxels_in == VoxelsIn::OtherFile {
            return Err(Error::file(
                name,
                FileFault::Field {
                    field: "magic",
                    found: "that of a .hdr (\"ni1\" or \"ni2\")".into(),
                    expected: "that of a single file (\"n+1\" or \"n+2\")".into(),
                },
            ));
        }
        Ok(Self { header, header_name: name.to_owned(), voxels, voxel_name: name.to_owned() })
    }

    fn pair_bytes(
        name: &Path,
        header: &[u8],
        voxels: &'a [u8],
        options: &ReadOptions,
    ) -> Result<Self> {
        let source = |bytes| Source::from_bytes(bytes, options).map_err(|f| Error::file(name, f));
        let header = parse(name, &source(header)?)?;
        require_pair(name, &header, "the voxels in a second file")?;
        let (header_name, voxel_name) = (name.to_owned(), name.to_owned());
        let voxels = Source::from_bytes(voxels, options).map_err(|f| Error::file(name, f))?;
        Ok(Self { header, header_name, voxels, voxel_name })
    }

    fn image(mut self, options: &ReadOptions) -> Result<Image> {
        let ImageHeader { geometry, n_frames, datatype, scaling, .. } = self.header;
        let notes = std::mem::take(&mut self.header.notes);
        let (stored, warnings) = with_datatype!(datatype, S => {
            let (voxels, warnings) = self.decode::<S, _>(&AsStored, options)?;
            (S::into_stored(voxels), warnings)
        });
        Ok(Image::new(geometry, n_frames, stored, scaling)?
            .with_notes(notes)
            .with_warnings(warnings))
    }

    fn volume<V: VoxelValue>(self, options: &ReadOptions) -> Result<Volume<V>> {
        let ImageHeader { geometry, n_frames, frames_field, datatype, scaling, .. } = self.header;
        if n_frames != 1 {
            return Err(Error::file(
                &self.header_name,
                FileFault::Field {
                    field: frames_field,
                    found: n_frames.to_string(),
                    expected: "1 frame; read an Image to get at several".into(),
                },
            ));
        }
        let convert = AsValues::<V> { scaling, shape: geometry.shape(), value: PhantomData };
        let voxels = with_datatype!(datatype, S => self.decode::<S, _>(&convert, options)?.0);
        Volume::new(voxels, geometry)
    }

    /// Reads the voxels and returns them with all warnings.
    fn decode<S: Stored, C: Convert<S>>(
        self,
        convert: &C,
        options: &ReadOptions,
    ) -> Result<(Vec<C::Voxel>, Vec<Warning>)> {
        let header = self.header;
        let fault = |fault| match fault {
            // Which of the two files is wrong cannot be known.
            FileFault::Truncated { expected, found, .. }
                if header.voxels_in == VoxelsIn::OtherFile =>
            {
                let found = format!("it holds {found} bytes, the header asks for {expected}");
                let other = self.header_name.clone();
                Error::file(&self.voxel_name, FileFault::Pair { other, found })
            }
            fault => Error::file(&self.voxel_name, fault),
        };
        let span = Span { offset: header.voxel_offset, length: header.voxel_bytes };
        self.voxels.check_holds(span).map_err(fault)?;
        let n_voxels = header.voxel_bytes / size_of::<S>() as u64;
        let mut decoder = Decoder::<S, C>::new(n_voxels, header.order, convert)?;
        let count = self.voxels.deliver(span, &mut |bytes| decoder.push(bytes)).map_err(fault)?;
        let mut warnings = header.warnings;
        if count > 0 && !header.has_footer {
            if options.refuse_trailing_bytes {
                return Err(fault(FileFault::TrailingBytes { count }));
            }
            warnings.push(Warning::TrailingBytes { count });
        }
        Ok((decoder.finish(), warnings))
    }
}

fn parse(name: &Path, source: &Source<'_>) -> Result<ImageHeader> {
    ImageHeader::parse(source.head()).map_err(|f| Error::file(name, f))
}

fn require_pair(name: &Path, header: &ImageHeader, expected: &str) -> Result<()> {
    if header.voxels_in == VoxelsIn::OtherFile {
        return Ok(());
    }
    let (found, expected) =
        ("that of a single file".into(), format!("{expected} (\"ni1\", \"ni2\")"));
    Err(Error::file(name, FileFault::Field { field: "magic", found, expected }))
}
