//! What results come from: cards, versions, seeds, digests, configuration.

use mrisynth_diffusion::Provenance;
use mrisynth_report::page::{Block, Card, Facts};

use super::ResultPage;
use crate::checkpoint::Checkpoint;
use crate::derivative::read_sidecar;
use crate::error::{Error, Result};

const MODEL_CARD: &str = "model-card.md";
const CONFIG: &str = "config.toml";

impl ResultPage {
    pub(super) fn model_and_data_cards(&self) -> Result<Vec<Block>> {
        let model = self.file_of_run(MODEL_CARD)?;
        let model = model.map(|markdown| Card { title: "Model card".into(), markdown });
        Ok(model.into_iter().chain(self.cards.iter().cloned()).map(Block::Card).collect())
    }

    pub(super) fn provenance(&self) -> Result<Vec<Block>> {
        let mut facts = vec![("software", format!("mrisynth {}", env!("CARGO_PKG_VERSION")))];
        if let Some(run) = self.run.as_ref().filter(|run| run.join("checkpoints").is_dir()) {
            let checkpoint = Checkpoint::find(run)?;
            facts.push(("weights, SHA-256", checkpoint.sha256()?.to_string()));
            if let Some(experiment) = checkpoint.experiment() {
                facts.push(("experiment", experiment.name.clone()));
                facts.push(("seed of the training", experiment.diffusion.seed.to_string()));
            }
        }
        if let Some(made) = self.sampled()? {
            facts.extend(sampling_facts(&made)?);
        }
        let own = facts.into_iter().map(|(name, value)| (name.to_owned(), value));
        let facts = own.chain(self.provenance.iter().cloned()).collect();
        let mut blocks = vec![Block::Provenance(Facts(facts))];
        if let Some(config) = self.file_of_run(CONFIG)? {
            let markdown = format!("````toml\n{}\n````\n", config.trim_end());
            let title = "Configuration of the training run, all defaults written out".into();
            blocks.push(Block::Card(Card { title, markdown }));
        }
        Ok(blocks)
    }

    /// A text file of the run; none where it is not there.
    fn file_of_run(&self, name: &str) -> Result<Option<String>> {
        let path = self.run.as_ref().map(|run| run.join(name)).filter(|path| path.is_file());
        let read = |path| std::fs::read_to_string(&path).map_err(|e| Error::io(path, "read", e));
        path.map(read).transpose()
    }

    /// The record of the first scan that has one beside it.
    fn sampled(&self) -> Result<Option<Provenance>> {
        let beside = self.cases.iter().filter_map(|case| {
            let name = case.synthetic.file_name()?.to_str()?;
            let stem = name.strip_suffix(".nii.gz").or_else(|| name.strip_suffix(".nii"))?;
            Some(case.synthetic.with_file_name(format!("{stem}.json")))
        });
        let found = beside.into_iter().find(|path| path.is_file());
        Ok(found.map(|path| read_sidecar(&path)).transpose()?.map(|(provenance, _)| provenance))
    }
}

fn sampling_facts(made: &Provenance) -> Result<[(&'static str, String); 7]> {
    let fault = |e| Error::argument("sampler", e, "a sampler that JSON holds");
    let sampler = serde_json::to_value(made.sampling.sampler).map_err(fault)?;
    let sampler = sampler["kind"].as_str().unwrap_or_default().to_owned();
    Ok([
        ("scans made by", format!("{} {}", made.generator, made.generator_version)),
        ("with weights, SHA-256", made.checkpoint_sha256.to_string()),
        ("seed of the scans", made.seed.to_string()),
        ("sampler", format!("{sampler}, {} steps", made.sampling.steps)),
        ("guidance", made.guidance.scale.to_string()),
        ("precision", made.precision.dtype().as_str().to_owned()),
        ("instructions of the processor", made.kernel_tier.clone()),
    ])
}
