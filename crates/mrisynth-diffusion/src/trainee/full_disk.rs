//! A disk that is full when tensors are saved.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use candle_core::{Result as CandleResult, Tensor};
use candle_nn::VarBuilder;
use candle_nn3d::ParameterStore;
use keyed_random::Key;
use mrisynth_training::{Event, RunConfig, RunFolder, Stop, train};

use super::DiffusionTrainee;
use crate::condition::Condition;
use crate::config::DiffusionConfig;
use crate::small_network::{SmallNetwork, batches};

/// Where this test works, if it is a process of its own.
const ROOT: &str = "MRISYNTH_DIFFUSION_TEST_ROOT";
const TEST: &str = "trainee::full_disk::a_disk_full_of_tensors_is_called_full";

/// A network with 400 KB of parameters.
fn heavy(vb: VarBuilder<'static>) -> CandleResult<impl crate::Network> {
    let ballast = vb.get(100_000, "ballast")?;
    let network = SmallNetwork::builder(2)(vb)?;
    Ok(move |x: &Tensor, t: &Tensor, condition: &Condition| {
        assert_eq!(ballast.dims(), [100_000]);
        crate::Network::forward(&network, x, t, condition)
    })
}

fn fill_the_disk(root: &Path) {
    let parameters = ParameterStore::new(Key::new(1));
    let config = DiffusionConfig::default();
    let mut trainee =
        DiffusionTrainee::new(&config, parameters, heavy, Box::new(batches(1))).unwrap();
    let folder = RunFolder::create(root.join("run"), "").unwrap();
    let run = RunConfig {
        steps: 1,
        checkpoint_every: 1,
        validate_every: 0,
        preview_every: 0,
        ..RunConfig::default()
    };
    let failed = train(&mut trainee, &run, &folder, &Stop::new(), &mut |_: &Event<'_>| {});
    let error = failed.unwrap_err();
    assert!(error.is_full_disk(), "{error}");
    assert!(error.to_string().contains("model.safetensors"), "{error}");
    assert_eq!(folder.checkpoints().steps().unwrap(), [0; 0]);
}

#[test]
fn a_disk_full_of_tensors_is_called_full() {
    if let Some(root) = std::env::var_os(ROOT) {
        return fill_the_disk(Path::new(&root));
    }
    let root = tempfile::tempdir().unwrap();
    // A disk of 64 KiB that nobody else sees, where the system lets this process mount one.
    let mount = "mount -t tmpfs -o size=64k none \"$0\" || exit 77; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", mount]).arg(root.path());
    command.arg(std::env::current_exe().unwrap());
    command.args([TEST, "--exact", "--nocapture", "--test-threads=1"]).env(ROOT, root.path());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Ok(output) = command.output()
        && let text = String::from_utf8_lossy(&output.stdout)
        && text.contains("running 1 test")
    {
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    } else {
        // To the real standard error: the harness keeps what `eprintln!` says of a passed test.
        let said = b"full_disk SKIPPED: no small disk can be mounted here\n";
        std::io::stderr().write_all(said).unwrap();
    }
}
