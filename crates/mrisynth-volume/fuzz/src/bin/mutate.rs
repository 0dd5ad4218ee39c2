//! Reads spoiled files of every format and counts what came of it, on a stable compiler.
//!
//! `cargo run --release --bin mutate -- [INPUTS_PER_FORMAT] [KEY] [FILE...]`; the files are real
//! NIfTI-1 scans, compressed, of which the headers are used. The same key gives the same inputs.
//! Exit status 1 when an input made the reader panic; that input is written to `crash-N`.

use std::panic;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use mrisynth_volume_fuzz::{Outcome, read, seed_from_file, seeds, spoil};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default| arguments.get(i).map_or(Ok(default), |a| a.parse::<u64>());
    let (Ok(per_format), Ok(key)) = (number(0, 100_000), number(1, 0)) else {
        eprintln!("usage: mutate [INPUTS_PER_FORMAT] [KEY] [FILE...]");
        return ExitCode::FAILURE;
    };
    let mut all = seeds();
    for path in arguments.iter().skip(2) {
        match seed_from_file(Path::new(path)) {
            Ok(seed) => all.push(seed),
            Err(error) => eprintln!("{path}: {error}"),
        }
    }
    let mut crashes = 0_u64;
    println!("{:>12} {:>12} {:>12} {:>8}  format", "inputs", "read", "refused", "s");
    for (format, seed) in all.iter().enumerate() {
        let (start, mut n_read) = (Instant::now(), 0_u64);
        for i in 0..per_format {
            let mut input = seed.input(i as u8 % 3);
            spoil(&mut input, key.wrapping_add(((format as u64) << 40) + i));
            match panic::catch_unwind(|| read(&input)) {
                Ok(outcome) => n_read += u64::from(outcome == Outcome::Read),
                Err(_) => {
                    crashes += 1;
                    let path = format!("crash-{crashes}");
                    if let Err(error) = std::fs::write(&path, &input) {
                        eprintln!("{path}: {error}");
                    }
                }
            }
        }
        let (refused, seconds) = (per_format - n_read, start.elapsed().as_secs_f64());
        println!("{per_format:>12} {n_read:>12} {refused:>12} {seconds:>8.1}  {}", seed.name);
    }
    println!("{} inputs, {crashes} crashes", per_format * all.len() as u64);
    if crashes == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
