//! What a network is told of the volumes to make.

use candle_core::{DType, Device, Result, Tensor};
use serde::{Deserialize, Serialize};

/// The conditions of a batch; all are absent by default.
///
/// # Shapes
/// `channels` `[b, c, x, y, z]`, `context` `[b, tokens, dim]`, `class_labels` `[b]`.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mrisynth_diffusion::{Condition, Unconditional};
/// let channels = Tensor::ones((2, 1, 1, 1, 1), DType::F32, &Device::Cpu)?;
/// let condition = Condition { channels: Some(channels), ..Default::default() };
/// let dropped = condition.without(&[true, false], &Unconditional::default())?;
/// assert_eq!(dropped.channels.unwrap().flatten_all()?.to_vec1::<f32>()?, [-1.0, 1.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Condition {
    /// What lies beside the image voxel by voxel, as a mask; networks put it behind the image.
    pub channels: Option<Tensor>,
    /// Tokens for cross-attention.
    pub context: Option<Tensor>,
    /// One class per item.
    pub class_labels: Option<Tensor>,
}

/// What stands where a condition is left out.
///
/// # Source
/// Ho and Salimans 2022 (Classifier-Free Guidance) section 3.2, the null token. `Default` fills with
/// −1, as `cfg_fill_value` of MONAI's `DiffusionInferer`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Unconditional {
    /// The value of every channel and token.
    pub fill: f64,
    /// The class.
    pub class_label: i64,
}

impl Default for Unconditional {
    fn default() -> Self {
        Self { fill: -1.0, class_label: 0 }
    }
}

impl Condition {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.channels.is_none() && self.context.is_none() && self.class_labels.is_none()
    }

    /// The same, with channels and context of this dtype; tensors that have it are not copied.
    ///
    /// # Errors
    /// None but candle's.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        let cast = |tensor: &Option<Tensor>| {
            tensor.as_ref().map(|tensor| tensor.to_dtype(dtype)).transpose()
        };
        let class_labels = self.class_labels.clone();
        Ok(Self { channels: cast(&self.channels)?, context: cast(&self.context)?, class_labels })
    }

    /// The same with channels and context on a device. Class labels stay on the CPU, where networks
    /// look whether there are such classes.
    ///
    /// # Errors
    /// None but candle's.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        let moved = |tensor: &Option<Tensor>| {
            tensor.as_ref().map(|tensor| tensor.to_device(device)).transpose()
        };
        let class_labels = self.class_labels.clone();
        Ok(Self { channels: moved(&self.channels)?, context: moved(&self.context)?, class_labels })
    }

    /// The same with the items marked in `dropped` left out.
    ///
    /// Nothing is copied where none is dropped.
    ///
    /// # Errors
    /// candle's, for another number of items than flags.
    pub fn without(&self, dropped: &[bool], unconditional: &Unconditional) -> Result<Self> {
        if !dropped.contains(&true) {
            return Ok(self.clone());
        }
        let (fill, class) = (unconditional.fill, unconditional.class_label as f64);
        Ok(Self {
            channels: filled(self.channels.as_ref(), dropped, fill)?,
            context: filled(self.context.as_ref(), dropped, fill)?,
            class_labels: filled(self.class_labels.as_ref(), dropped, class)?,
        })
    }

    /// The same with every item left out.
    ///
    /// # Errors
    /// None but candle's.
    pub fn dropped(&self, unconditional: &Unconditional) -> Result<Self> {
        self.without(&vec![true; self.items().unwrap_or(0)], unconditional)
    }

    /// Conditions one behind the other, as one batch.
    ///
    /// # Errors
    /// candle's, where they are of different shapes, or one says what another does not.
    pub fn concat(parts: &[&Self]) -> Result<Self> {
        let join = |of: fn(&Self) -> Option<&Tensor>| {
            let tensors: Vec<&Tensor> = parts.iter().filter_map(|part| of(part)).collect();
            match tensors.len() {
                0 => Ok(None),
                1 if parts.len() == 1 => Ok(Some(tensors[0].clone())),
                some if some == parts.len() => Tensor::cat(&tensors, 0).map(Some),
                some => candle_core::bail!("{some} of {} items have a condition", parts.len()),
            }
        };
        Ok(Self {
            channels: join(|part| part.channels.as_ref())?,
            context: join(|part| part.context.as_ref())?,
            class_labels: join(|part| part.class_labels.as_ref())?,
        })
    }

    /// The number of items, if anything is said.
    #[must_use]
    pub fn items(&self) -> Option<usize> {
        let first =
            [&self.channels, &self.context, &self.class_labels].into_iter().flatten().next();
        first.and_then(|tensor| tensor.dims().first().copied())
    }
}

fn filled(tensor: Option<&Tensor>, dropped: &[bool], value: f64) -> Result<Option<Tensor>> {
    let Some(tensor) = tensor else { return Ok(None) };
    if tensor.dims().first() != Some(&dropped.len()) {
        candle_core::bail!("a condition of {:?} for {} items", tensor.dims(), dropped.len());
    }
    let constant = |items: usize| {
        let mut dims = tensor.dims().to_vec();
        dims[0] = items;
        let value = Tensor::new(value, tensor.device())?.to_dtype(tensor.dtype())?;
        value.broadcast_as(dims)?.contiguous()
    };
    if !dropped.contains(&false) {
        return constant(dropped.len()).map(Some);
    }
    let blank = constant(1)?;
    let items = dropped.iter().enumerate().map(|(item, &dropped)| match dropped {
        true => Ok(blank.clone()),
        false => tensor.narrow(0, item, 1),
    });
    Tensor::cat(&items.collect::<Result<Vec<_>>>()?, 0).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(of: i64) -> Condition {
        let number = Tensor::full(of as f32, (1, 2, 1, 1, 1), &Device::Cpu).unwrap();
        Condition {
            context: Some(number.reshape((1, 1, 2)).unwrap()),
            channels: Some(number),
            class_labels: Some(Tensor::new(&[of], &Device::Cpu).unwrap()),
        }
    }

    fn numbers(condition: &Condition) -> (Vec<f32>, Vec<f32>, Vec<i64>) {
        let floats = |tensor: &Option<Tensor>| {
            tensor.as_ref().unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let classes = condition.class_labels.as_ref().unwrap().to_vec1::<i64>().unwrap();
        (floats(&condition.channels), floats(&condition.context), classes)
    }

    #[test]
    fn items_are_joined_and_left_out_in_their_places() {
        let batch = Condition::concat(&[&item(3), &item(4), &item(5)]).unwrap();
        assert_eq!(batch.items(), Some(3));
        let unconditional = Unconditional { fill: 0.0, class_label: 9 };
        let some = batch.without(&[false, true, false], &unconditional).unwrap();
        let floats = vec![3.0, 3.0, 0.0, 0.0, 5.0, 5.0];
        assert_eq!(numbers(&some), (floats.clone(), floats, vec![3, 9, 5]));
        let none = batch.dropped(&unconditional).unwrap();
        assert_eq!(numbers(&none), (vec![0.0; 6], vec![0.0; 6], vec![9; 3]));
        assert_eq!(numbers(&batch.without(&[false; 3], &unconditional).unwrap()), numbers(&batch));
    }

    #[test]
    fn conditions_that_do_not_fit_are_refused() {
        let batch = Condition::concat(&[&item(3), &item(4)]).unwrap();
        assert!(batch.without(&[true], &Unconditional::default()).is_err());
        assert!(Condition::concat(&[&item(3), &Condition::default()]).is_err());
        assert!(Condition::concat(&[&Condition::default()]).unwrap().is_empty());
        assert!(Condition::default().dropped(&Unconditional::default()).unwrap().is_empty());
    }

    #[test]
    fn whole_numbers_stay_whole_in_bf16() {
        let narrow = item(300).to_dtype(DType::BF16).unwrap();
        assert_eq!(narrow.channels.unwrap().dtype(), DType::BF16);
        assert_eq!(narrow.class_labels.unwrap().to_vec1::<i64>().unwrap(), [300]);
    }
}
