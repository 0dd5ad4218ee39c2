//! A piece of work behind a pipe, for a driver that has several sides do theirs in turn.

use std::io::{BufRead, Write};
use std::time::Instant;

use candle_core::{Device, Tensor};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
pub(crate) type Work = Box<dyn FnMut() -> Result<Tensor>>;

/// Answers on stdout to lines on stdin: `time` does the work once and prints seconds on the clock and of the
/// processors; `keep FILE` writes the result, raw little-endian f32; `memory` prints the greatest memory so
/// far, in MiB.
pub(crate) fn serve(mut work: Work) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match &line.split_whitespace().collect::<Vec<_>>()[..] {
            ["time"] => {
                let (start, processor) = (Instant::now(), processor_seconds());
                work()?;
                let seconds = start.elapsed().as_secs_f64();
                let spent =
                    processor_seconds().zip(processor).map(|(after, before)| after - before);
                writeln!(stdout, "{seconds} {}", spent.unwrap_or(f64::NAN))?;
            }
            ["keep", path] => {
                let values = work()?.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                std::fs::write(path, bytes)?;
                writeln!(stdout, "kept")?;
            }
            ["memory"] => writeln!(stdout, "{}", peak_mib().unwrap_or(f64::NAN))?,
            other => return Err(format!("no such command: {other:?}").into()),
        }
        stdout.flush()?;
    }
    Ok(())
}

/// Seconds that all threads of this process have computed, as Linux counts them.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}
