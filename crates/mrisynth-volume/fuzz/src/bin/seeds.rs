//! Writes the seeds to `corpus/read`, where cargo-fuzz looks for them.

use std::fs;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/read");
    fs::create_dir_all(&folder)?;
    let seeds = mrisynth_volume_fuzz::seeds();
    for (i, seed) in seeds.iter().enumerate() {
        for turn in 0..3 {
            fs::write(folder.join(format!("{i:02}-{turn}")), seed.input(turn))?;
        }
    }
    println!("{} seeds in {}", 3 * seeds.len(), folder.display());
    Ok(())
}
