//! Our side of the comparison of 3-D layers: does a piece of work when told to, and says how long
//! it took. `run_nn3d.sh` builds it and `nn3d.py` drives it; there is no use in running it by hand.
//!
//! It answers commands on stdin, one line each:
//! - `load OPERATION DTYPE FILE` takes the inputs from a safetensors file, `[n, c, x, y, z]` in f32;
//! - `time` does the work once and prints the seconds;
//! - `keep FILE` writes the result, raw little-endian f32, `[n, c, x, y, z]`;
//! - `tier` prints the instructions that the kernels run on.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::time::Instant;

use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::backprop::GradStore;
use candle_core::cpu_backend::CpuDevice;
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Tensor, Var};
use candle_nn3d::{
    Adam, AdamSettings, ChannelsLast, Conv3d, Conv3dConfig, ConvTranspose3dConfig, Gradients,
    Optimiser, ParameterStore, Tier, ops,
};

#[global_allocator]
static MEMORY: candle_nn3d::KeptMemory = candle_nn3d::KeptMemory::new();

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What a job leaves; dropped outside the clock, as Python drops its own.
enum Outcome {
    Volume(ChannelsLast),
    Plain(Tensor),
    /// Kept only to be dropped later.
    Tape {
        _gradients: GradStore,
    },
    Nothing,
}

type Work = Box<dyn FnMut() -> candle_core::Result<Outcome>>;

/// What is measured; and what gives the result, where that is something else.
struct Job {
    work: Work,
    kept: Option<Work>,
}

impl Job {
    fn new(work: impl FnMut() -> candle_core::Result<Outcome> + 'static) -> Self {
        Self { work: Box::new(work), kept: None }
    }

    fn keeping(self, kept: impl FnMut() -> candle_core::Result<Outcome> + 'static) -> Self {
        Self { kept: Some(Box::new(kept)), ..self }
    }
}

/// The inputs by name, in the dtype of the job.
struct Inputs(HashMap<String, Tensor>);

impl Inputs {
    fn read(path: &str, dtype: DType) -> Result<Self> {
        let tensors = candle_core::safetensors::load(path, &Device::Cpu)?;
        let cast = tensors.into_iter().map(|(name, t)| Ok((name, t.to_dtype(dtype)?)));
        Ok(Self(cast.collect::<candle_core::Result<_>>()?))
    }

    fn tensor(&self, name: &str) -> Result<Tensor> {
        Ok(self.0.get(name).ok_or_else(|| format!("no input {name}"))?.clone())
    }

    fn volume(&self, name: &str) -> Result<ChannelsLast> {
        Ok(ChannelsLast::from_ncxyz(&self.tensor(name)?)?)
    }
}

/// Where a loss would begin: its result is of no interest, its gradient is the given one.
struct Upstream(Tensor);

impl CustomOp1 for Upstream {
    fn name(&self) -> &'static str {
        "upstream"
    }

    fn cpu_fwd(&self, x: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let zero = CpuDevice.zeros_impl(&Shape::from(()), x.dtype())?;
        Ok((zero, Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}

/// The job of this name; `None` if there is none.
fn job(operation: &str, inputs: &Inputs) -> Result<Option<Job>> {
    Ok(Some(match operation {
        "conv3d" => convolution(inputs)?,
        "conv3d-input-gradient" => input_gradient(inputs)?,
        "conv3d-weight-gradient" => weight_gradient(inputs)?,
        "group_norm_silu" => {
            let (x, weight, bias) =
                (inputs.volume("x")?, inputs.tensor("weight")?, inputs.tensor("bias")?);
            Job::new(move || {
                ops::group_norm_silu(&x, 32, Some(&weight), Some(&bias), 1e-6).map(Outcome::Volume)
            })
        }
        "upsample_nearest" => {
            let x = inputs.volume("x")?;
            Job::new(move || ops::upsample_nearest(&x, [2; 3]).map(Outcome::Volume))
        }
        "upsample_trilinear" => {
            let x = inputs.volume("x")?;
            Job::new(move || ops::upsample_trilinear(&x, [2.0; 3]).map(Outcome::Volume))
        }
        "attention" => {
            let (q, k, v) = (inputs.tensor("q")?, inputs.tensor("k")?, inputs.tensor("v")?);
            Job::new(move || ops::attention(&q, &k, &v, 1, None).map(Outcome::Plain))
        }
        "adam" => adam(inputs)?,
        _ => return Ok(None),
    }))
}

/// The layer as in a network: its weights are brought into the kernels' form once.
fn convolution(inputs: &Inputs) -> Result<Job> {
    let (x, weight, bias) = (inputs.volume("x")?, inputs.tensor("weight")?, inputs.tensor("bias")?);
    let layer = Conv3d::new(weight, Some(bias), Conv3dConfig::same(3)).prepared(x.space())?;
    Ok(Job::new(move || layer.forward_channels_last(&x).map(Outcome::Volume)))
}

/// The same sum is a transposed convolution.
fn input_gradient(inputs: &Inputs) -> Result<Job> {
    let (upstream, weight) = (inputs.volume("upstream")?, inputs.tensor("weight")?);
    let config = ConvTranspose3dConfig { padding: [1; 3], ..Default::default() };
    Ok(Job::new(move || {
        ops::conv_transpose3d(&upstream, &weight, None, &config).map(Outcome::Volume)
    }))
}

/// Through candle's tape: what is measured starts from a gradient of ones, and what is kept from
/// the given one, which is the same work but for what the tape itself adds.
fn weight_gradient(inputs: &Inputs) -> Result<Job> {
    let weight = Var::from_tensor(&inputs.tensor("weight")?)?;
    let upstream = inputs.volume("upstream")?.into_tensor();
    let y = ops::conv3d(&inputs.volume("x")?, &weight, None, &Conv3dConfig::same(3))?;
    let y = y.into_tensor();
    let again = y.clone();
    Ok(Job::new(move || y.backward().map(|_gradients| Outcome::Tape { _gradients })).keeping(
        move || {
            let end = again.apply_op1(Upstream(upstream.clone()))?;
            let mut gradients = end.backward()?;
            match gradients.remove(&weight) {
                Some(gradient) => Ok(Outcome::Plain(gradient)),
                None => candle_core::bail!("no gradient arrives at the weight"),
            }
        },
    ))
}

fn adam(inputs: &Inputs) -> Result<Job> {
    let store = ParameterStore::new(keyed_random::Key::new(0));
    let mut tape = GradStore::default();
    for (name, tensor) in &inputs.0 {
        if let Some(number) = name.strip_prefix("weight.") {
            store.set(number, tensor)?;
            let parameter = store.get(number).ok_or("the parameter just set")?;
            tape.insert(&parameter, inputs.tensor(&format!("gradient.{number}"))?);
        }
    }
    let gradients = Gradients::of(&store, tape)?;
    let mut adam = Adam::new(AdamSettings::default())?;
    let first = store.get("00").ok_or("no weight.00")?;
    let work = move || adam.step(&store, &gradients, 1e-3).map(|()| Outcome::Nothing);
    Ok(Job::new(work).keeping(move || Ok(Outcome::Plain(first.as_detached_tensor()))))
}

fn main() -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let mut current: Option<Job> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match (&words[..], &mut current) {
            (["tier"], _) => writeln!(stdout, "{}", Tier::current())?,
            (["load", operation, dtype, path], current) => {
                *current = None; // before the next takes memory
                *current = job(operation, &Inputs::read(path, dtype.parse()?)?)?;
                let answer = if current.is_some() { "loaded" } else { "no such operation" };
                writeln!(stdout, "{answer}")?;
            }
            (["time"], Some(job)) => {
                let start = Instant::now();
                let outcome = (job.work)()?;
                writeln!(stdout, "{}", start.elapsed().as_secs_f64())?;
                drop(outcome);
            }
            (["keep", path], Some(job)) => {
                let outcome = job.kept.as_mut().unwrap_or(&mut job.work)()?;
                let result = match outcome {
                    Outcome::Volume(volume) => volume.to_ncxyz()?,
                    Outcome::Plain(tensor) => tensor,
                    Outcome::Tape { .. } | Outcome::Nothing => return Err("nothing to keep".into()),
                };
                let numbers = result.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
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
