//! burn's side of the comparison: the forward 3×3×3 convolution on burn-flex, in f32. It answers
//! the commands that `peers/nn3d.py` writes to stdin, one line each.

use std::io::{BufRead, Write};
use std::time::Instant;

use burn_tensor::module::conv3d;
use burn_tensor::ops::ConvOptions;
use burn_tensor::{Device, Tensor, TensorData};
use safetensors::SafeTensors;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Job {
    x: Tensor<5>,
    weight: Tensor<5>,
    bias: Tensor<1>,
}

impl Job {
    fn load(path: &str) -> Result<Self> {
        let bytes = std::fs::read(path)?;
        let file = SafeTensors::deserialize(&bytes)?;
        Ok(Self {
            x: tensor(&file, "x")?,
            weight: tensor(&file, "weight")?,
            bias: tensor(&file, "bias")?,
        })
    }

    fn run(&self) -> Tensor<5> {
        let options = ConvOptions::new([1; 3], [1; 3], [1; 3], 1);
        conv3d(self.x.clone(), self.weight.clone(), Some(self.bias.clone()), options)
    }
}

fn tensor<const D: usize>(file: &SafeTensors<'_>, name: &str) -> Result<Tensor<D>> {
    let view = file.tensor(name)?;
    let numbers: Vec<f32> =
        view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    let shape: [usize; D] = view.shape().try_into()?;
    Ok(Tensor::from_data(TensorData::new(numbers, shape), &Device::flex()))
}

fn main() -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let mut job = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match (&words[..], &job) {
            (["load", "conv3d", "f32", path], _) => {
                job = Some(Job::load(path)?);
                writeln!(stdout, "loaded")?;
            }
            (["load", ..], _) => writeln!(stdout, "only conv3d in f32")?,
            (["time"], Some(job)) => {
                let start = Instant::now();
                let result = job.run();
                writeln!(stdout, "{}", start.elapsed().as_secs_f64())?;
                drop(result);
            }
            (["keep", path], Some(job)) => {
                let numbers =
                    job.run().into_data().try_to_vec::<f32>().map_err(|e| format!("{e:?}"))?;
                let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
                std::fs::write(path, bytes)?;
                writeln!(stdout, "kept")?;
            }
            _ => return Err(format!("unknown command {line:?}").into()),
        }
        stdout.flush()?;
    }
    Ok(())
}
