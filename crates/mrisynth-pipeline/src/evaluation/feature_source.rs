//! What makes the features that sets are compared by.

use std::path::PathBuf;
use std::str::FromStr;

use mrisynth_metrics::features::{
    BrainEncoder, FeatureExtractor, InceptionV3, InceptionVariant, MedicalNet, MedicalNetDepth,
    Preprocessing, RandomNetwork, ThreePlanes, ThreePlanesConfig,
};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where features of scans come from: a network, or files that were made elsewhere.
///
/// As a text, such as an argument of a program: `random`, `medicalnet10:WEIGHTS`,
/// `medicalnet50:WEIGHTS`, `inception:WEIGHTS`, `hd-bet:WEIGHTS` or `files:REAL,SYNTHETIC[,HELD-OUT]`.
///
/// # Examples
/// ```
/// use mrisynth_pipeline::evaluation::FeatureSource;
/// let source: FeatureSource = "hd-bet:weights.safetensors".parse()?;
/// assert_eq!(source, FeatureSource::HdBet { weights: "weights.safetensors".into() });
/// # Ok::<(), mrisynth_pipeline::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FeatureSource {
    /// A network with random weights of one seed, which needs no file. It ranks sets that differ in
    /// texture, blur or noise, and is comparable with nothing but itself.
    #[default]
    Random,
    /// A 3-D network of MedicalNet.
    MedicalNet {
        /// How many layers.
        depth: MedicalNetDepth,
        /// The published weights.
        weights: PathBuf,
    },
    /// InceptionV3 of pytorch-fid, on planes across three axes.
    Inception {
        /// The published weights.
        weights: PathBuf,
    },
    /// The encoder of HD-BET.
    HdBet {
        /// The published weights, converted.
        weights: PathBuf,
    },
    /// Features that were made elsewhere: npy, csv or safetensors, a row per scan, in the order of a
    /// manifest, or of the names of the files.
    Files {
        /// Of the real scans.
        real: PathBuf,
        /// Of the synthetic ones.
        synthetic: PathBuf,
        /// Of those that were held out, where there are any.
        #[serde(default)]
        held_out: Option<PathBuf>,
    },
}

impl FromStr for FeatureSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let medical_net = |depth, file: &str| Self::MedicalNet { depth, weights: file.into() };
        let expected = "random, medicalnet10:WEIGHTS, medicalnet50:WEIGHTS, inception:WEIGHTS, \
                        hd-bet:WEIGHTS or files:REAL,SYNTHETIC[,HELD-OUT]";
        let refused = || Error::argument("features", text, expected);
        Ok(match text.split_once(':') {
            None if text == "random" => Self::Random,
            Some(("medicalnet10", file)) => medical_net(MedicalNetDepth::ResNet10, file),
            Some(("medicalnet50", file)) => medical_net(MedicalNetDepth::ResNet50, file),
            Some(("inception", file)) => Self::Inception { weights: file.into() },
            Some(("hd-bet", file)) => Self::HdBet { weights: file.into() },
            Some(("files", files)) => {
                let files: Vec<PathBuf> = files.split(',').map(PathBuf::from).collect();
                let (real, synthetic, held_out) = match files.as_slice() {
                    [real, synthetic] => (real, synthetic, None),
                    [real, synthetic, held_out] => (real, synthetic, Some(held_out.clone())),
                    _ => return Err(refused()),
                };
                Self::Files { real: real.clone(), synthetic: synthetic.clone(), held_out }
            }
            _ => return Err(refused()),
        })
    }
}

impl FeatureSource {
    /// The network; none for files.
    pub(super) fn network(&self) -> Result<Option<Box<dyn FeatureExtractor>>> {
        Ok(Some(match self {
            Self::Random => Box::new(RandomNetwork::new(0)?),
            Self::MedicalNet { depth, weights } => {
                Box::new(MedicalNet::read(weights, *depth, Preprocessing::default())?)
            }
            Self::Inception { weights } => {
                let network = InceptionV3::read(weights, InceptionVariant::Fid)?;
                Box::new(ThreePlanes::new(network, &ThreePlanesConfig::default())?)
            }
            Self::HdBet { weights } => {
                Box::new(BrainEncoder::read(weights, Preprocessing::default())?)
            }
            Self::Files { .. } => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_line_says_is_understood_or_refused() {
        let of = |text: &str| text.parse::<FeatureSource>();
        assert_eq!(of("random").unwrap(), FeatureSource::default());
        let files = |held_out: Option<&str>| FeatureSource::Files {
            real: "a.npy".into(),
            synthetic: "b.npy".into(),
            held_out: held_out.map(PathBuf::from),
        };
        assert_eq!(of("files:a.npy,b.npy").unwrap(), files(None));
        assert_eq!(of("files:a.npy,b.npy,c.csv").unwrap(), files(Some("c.csv")));
        for text in ["", "random:x", "medicalnet18:x", "files:a.npy", "files:a,b,c,d"] {
            let refused = of(text).unwrap_err().to_string();
            assert!(refused.contains("expected random, medicalnet10:WEIGHTS"), "{text}: {refused}");
        }
    }
}
