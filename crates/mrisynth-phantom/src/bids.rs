//! The files of a cohort in the layout of BIDS.
//!
//! # Source
//! The Brain Imaging Data Structure 1.10: anatomical images, `participants.tsv`, `sessions.tsv`,
//! derivatives with `dseg` label maps. A T1w with contrast agent has the entity `ce`, a proton
//! density image the suffix `PDw`. That an image is synthetic stands in `Synthetic` of the JSON
//! beside it, for which BIDS has no field, and in the header of the NIfTI file.

use std::path::{Path, PathBuf};

use mrisynth_volume::{Datatype, LabelMap, Volume, WriteOptions, freesurfer};
use serde_json::{Value, json};

use crate::cohort::CohortConfig;
use crate::error::{Error, Result};
use crate::lesions::{ENHANCING, NECROSIS, OEDEMA};
use crate::pulse_sequence::{Modality, PulseSequence};
use crate::scanner::Scanner;
use crate::subject::{Sex, Subject};

const GENERATOR: &str = concat!("mrisynth-phantom ", env!("CARGO_PKG_VERSION"));
const BIDS_VERSION: &str = "1.10.0";

/// One row of `participants.tsv`.
#[derive(Clone, Debug)]
pub(crate) struct Participant {
    pub(crate) number: usize,
    /// Such as `sub-001`.
    pub(crate) name: String,
    pub(crate) subject: Subject,
    pub(crate) site: u32,
}

impl Participant {
    pub(crate) fn of(config: &CohortConfig, number: usize) -> Self {
        let name = format!("sub-{:03}", number + 1);
        Self { number, name, subject: config.subject(number), site: config.site(number) }
    }
}

/// The folder of a cohort.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    root: &'a Path,
    config: &'a CohortConfig,
}

impl<'a> Tree<'a> {
    /// Makes the folder, or takes an empty one, and writes what describes the data set.
    pub(crate) fn create(root: &'a Path, config: &'a CohortConfig) -> Result<Self> {
        let fault = |source| Error::Folder { path: root.to_owned(), source };
        if root.exists() && std::fs::read_dir(root).map_err(fault)?.next().is_some() {
            return Err(Error::NotEmpty { path: root.to_owned() });
        }
        durable_file::create_folder(root)?;
        let tree = Self { root, config };
        let description = |name: &str, kind: &str| {
            json!({
                "Name": name,
                "BIDSVersion": BIDS_VERSION,
                "DatasetType": kind,
                "License": "CC0",
                "Synthetic": true,
                "GeneratedBy": [{ "Name": "mrisynth-phantom", "Version": env!("CARGO_PKG_VERSION") }],
            })
        };
        let mut main = description("Synthetic brain MRI", "raw");
        main["SyntheticConfiguration"] = json!(config);
        tree.write_json(&root.join("dataset_description.json"), &main)?;
        let readme = "Synthetic brain MRI: no image here is of a person. Made by mrisynth-phantom; \
            dataset_description.json has the configuration, which makes the same voxels again.\n";
        durable_file::write(root.join("README"), readme.as_bytes())?;
        let derivatives = tree.derivatives();
        durable_file::create_folder(&derivatives)?;
        let labels = description("Labels of synthetic brain MRI", "derivative");
        tree.write_json(&derivatives.join("dataset_description.json"), &labels)?;
        Ok(tree)
    }

    fn derivatives(&self) -> PathBuf {
        self.root.join("derivatives").join("phantom")
    }

    fn write_json(&self, path: &Path, value: &Value) -> Result<()> {
        durable_file::write(path, format!("{value:#}\n").as_bytes())?;
        Ok(())
    }

    /// The folder of a session below `root`, made if need be, and how its file names begin.
    fn anat(&self, root: &Path, who: &Participant, session: u32) -> Result<(PathBuf, String)> {
        let (mut folder, mut stem) = (root.join(&who.name), who.name.clone());
        if self.config.sessions > 1 {
            let session = format!("ses-{session:02}");
            folder.push(&session);
            stem = format!("{stem}_{session}");
        }
        folder.push("anat");
        durable_file::create_folder(&folder)?;
        Ok((folder, stem))
    }

    fn description(&self) -> String {
        format!("synthetic: {GENERATOR}, seed {}", self.config.seed)
    }

    pub(crate) fn write_image(
        &self,
        who: &Participant,
        session: u32,
        modality: Modality,
        scanner: &Scanner,
        image: &Volume,
    ) -> Result<()> {
        let (folder, stem) = self.anat(self.root, who, session)?;
        let suffix = match modality {
            Modality::T1ce => "ce-gadolinium_T1w",
            Modality::Pd => "PDw",
            other => other.suffix(),
        };
        let sidecar = sidecar(self.config.seed, who, modality, scanner);
        // The mark is there before the image is.
        self.write_json(&folder.join(format!("{stem}_{suffix}.json")), &sidecar)?;
        let options = WriteOptions {
            datatype: Some(Datatype::I16),
            description: Some(self.description()),
            compression: None,
        };
        image.write(folder.join(format!("{stem}_{suffix}.nii.gz")), &options)?;
        Ok(())
    }

    pub(crate) fn write_labels(
        &self,
        who: &Participant,
        session: u32,
        labels: &LabelMap,
    ) -> Result<()> {
        let (folder, stem) = self.anat(&self.derivatives(), who, session)?;
        let sidecar = json!({ "Synthetic": true, "SyntheticGenerator": GENERATOR });
        self.write_json(&folder.join(format!("{stem}_dseg.json")), &sidecar)?;
        let names = |id: i32| match id {
            NECROSIS => Some("Tumour-necrosis"),
            OEDEMA => Some("Tumour-oedema"),
            ENHANCING => Some("Tumour-enhancing"),
            _ => freesurfer::label(id).map(|label| label.name),
        };
        let mut table = String::from("index\tname\n");
        for id in labels.counts().into_keys() {
            table.push_str(&format!("{id}\t{}\n", names(id).unwrap_or("n/a")));
        }
        durable_file::write(folder.join(format!("{stem}_dseg.tsv")), table.as_bytes())?;
        let path = folder.join(format!("{stem}_dseg.nii.gz"));
        let options =
            WriteOptions { description: Some(self.description()), ..WriteOptions::default() };
        labels.write(path, &options)?;
        Ok(())
    }

    /// Writes the table of sessions of a subject who has several.
    pub(crate) fn finish_subject(&self, who: &Participant, sessions: u32) -> Result<()> {
        if self.config.sessions < 2 {
            return Ok(());
        }
        let mut table = String::from("session_id\tage\n");
        for session in 1..=sessions {
            let years = f64::from(session - 1) * self.config.session_interval_years;
            let age = who.subject.age_years + years;
            table.push_str(&format!("ses-{session:02}\t{age:.1}\n"));
        }
        let path = self.root.join(&who.name).join(format!("{}_sessions.tsv", who.name));
        durable_file::write(path, table.as_bytes())?;
        Ok(())
    }

    /// Writes the table of those participants who are written.
    pub(crate) fn finish(&self, subjects: usize) -> Result<()> {
        let mut table = String::from("participant_id\tage\tsex\tdiagnosis\tsite\n");
        for number in 0..subjects {
            let who = Participant::of(self.config, number);
            let site = format!("site-{:02}", who.site + 1);
            if self.config.labels.is_some() {
                // Whose heads these are is not known.
                table.push_str(&format!("{}\tn/a\tn/a\tn/a\t{site}\n", who.name));
                continue;
            }
            let sex = if who.subject.sex == Sex::Female { "F" } else { "M" };
            let (age, diagnosis) = (who.subject.age_years, who.subject.diagnosis);
            table.push_str(&format!("{}\t{age:.1}\t{sex}\t{diagnosis}\t{site}\n", who.name));
        }
        durable_file::write(self.root.join("participants.tsv"), table.as_bytes())?;
        Ok(())
    }
}

/// The JSON beside an image. Times in seconds, as BIDS has them.
fn sidecar(seed: u64, who: &Participant, modality: Modality, scanner: &Scanner) -> Value {
    let mut fields = json!({
        "Synthetic": true,
        "SyntheticGenerator": GENERATOR,
        "SyntheticSeed": seed,
        "Modality": "MR",
        "MagneticFieldStrength": scanner.field.tesla(),
        "InstitutionName": format!("site-{:02}", who.site + 1),
    });
    let mut put = |name: &str, value: Value| fields[name] = value;
    let seconds = |ms: f64| json!(ms / 1000.0);
    match scanner.sequence(modality) {
        PulseSequence::SpoiledGradientEcho { tr_ms, te_ms, flip_degrees } => {
            put("RepetitionTime", seconds(tr_ms));
            put("EchoTime", seconds(te_ms));
            put("FlipAngle", json!(flip_degrees));
        }
        PulseSequence::Mprage { tr_ms, ti_ms, te_ms, flip_degrees, .. } => {
            put("RepetitionTime", seconds(tr_ms));
            put("InversionTime", seconds(ti_ms));
            put("EchoTime", seconds(te_ms));
            put("FlipAngle", json!(flip_degrees));
        }
        PulseSequence::SpinEcho { tr_ms, te_ms } => {
            put("RepetitionTime", seconds(tr_ms));
            put("EchoTime", seconds(te_ms));
        }
        PulseSequence::InversionRecovery { tr_ms, ti_ms, te_ms } => {
            put("RepetitionTime", seconds(tr_ms));
            put("InversionTime", seconds(ti_ms));
            put("EchoTime", seconds(te_ms));
        }
    }
    if modality.is_enhanced() {
        put("ContrastBolusIngredient", json!("GADOLINIUM"));
    }
    fields
}
