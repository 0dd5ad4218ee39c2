//! Our side of the comparison with the peers: does a piece of work when told to, and says how long
//! it took. `run.sh` builds it and `volume.py` drives it; there is no use in running it by hand.
//!
//! - `peer_volume synthetic FILE` writes the synthetic head.
//! - `peer_volume memory FILE` loads a scan and prints the growth of the resident set.
//! - `peer_volume serve FILE` loads a scan, then answers commands on stdin, one line each.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use mrisynth_volume::{
    Geometry, Image, Interpolation, Regrid, Resampling, Scaling, StoredVoxels, Volume, WriteOptions,
};

#[path = "../synthetic_head.rs"]
mod synthetic_head;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["synthetic", path] => synthetic(Path::new(path)),
        ["memory", path] => memory(Path::new(path)),
        ["serve", path] => serve(Path::new(path)),
        _ => Err("expected synthetic, memory or serve, and a file".into()),
    }
}

fn synthetic(path: &Path) -> Result<()> {
    let scan = synthetic_head::scan();
    let geometry = *scan.geometry();
    let stored = StoredVoxels::I16(scan.into_voxels());
    Image::new(geometry, 1, stored, Scaling::IDENTITY)?.write(path, &WriteOptions::default())?;
    Ok(())
}

/// Prints the peak of the resident set before and after loading, and the size of the result.
fn memory(path: &Path) -> Result<()> {
    let before = peak_kib()?;
    let volume = Volume::<f32>::read(path)?;
    let after = peak_kib()?;
    let grown = (after - before) * 1024;
    Ok(writeln!(std::io::stdout(), "{grown} {}", size_of_val(volume.voxels()))?)
}

fn peak_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn serve(path: &Path) -> Result<()> {
    let image = Image::read(path)?;
    let scan = image.volume(0)?;
    let target = scan.geometry().with_spacing_mm([1.5; 3])?;
    let mut stdout = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["grid"] => writeln!(stdout, "{}", describe(&target))?,
            ["time", "load"] => {
                let seconds = time(|| Ok(Volume::<f32>::read(path)?))?.1;
                writeln!(stdout, "{seconds}")?;
            }
            ["time", "write", out] => {
                let out = Path::new(out);
                let seconds = time(|| Ok(image.write(out, &WriteOptions::default())?))?.1;
                writeln!(stdout, "{seconds}")?;
            }
            ["time", name] => {
                let seconds = time(|| resample(&scan, &target, name))?.1;
                writeln!(stdout, "{seconds}")?;
            }
            ["keep", "load", out] => {
                save(Path::new(out), &Volume::read(path)?)?;
                writeln!(stdout, "kept")?;
            }
            ["keep", name, out] => {
                save(Path::new(out), &resample(&scan, &target, name)?)?;
                writeln!(stdout, "kept")?;
            }
            _ => return Err(format!("unknown command {line:?}").into()),
        }
        stdout.flush()?;
    }
    Ok(())
}

/// The result is dropped outside the clock, as Python drops its own.
fn time<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let start = Instant::now();
    let result = work()?;
    Ok((result, start.elapsed().as_secs_f64()))
}

fn resample(scan: &Volume, target: &Geometry, name: &str) -> Result<Volume> {
    let interpolation = match name {
        "linear" => Interpolation::Linear,
        "cubic" => Interpolation::CubicBSpline,
        _ => return Err(format!("unknown interpolation {name:?}").into()),
    };
    let resampling = Resampling { interpolation, ..Resampling::default() };
    Ok(Regrid::new(*scan.geometry(), *target)?.apply(scan, &resampling)?)
}

/// Shape, then the affine by rows, as numbers in one line.
fn describe(geometry: &Geometry) -> String {
    let shape = geometry.shape().map(|n| n as f64);
    let rows = geometry.voxel_to_world().rows();
    let numbers: Vec<String> =
        shape.into_iter().chain(rows.into_iter().flatten()).map(|v| v.to_string()).collect();
    numbers.join(" ")
}

/// Raw little-endian `f32`, x fastest.
fn save(path: &Path, volume: &Volume) -> Result<()> {
    let bytes: Vec<u8> = volume.voxels().iter().flat_map(|v| v.to_le_bytes()).collect();
    Ok(std::fs::write(path, bytes)?)
}
