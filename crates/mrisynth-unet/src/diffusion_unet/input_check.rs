//! Whether what a network is given fits it.

use candle_core::{DType, Tensor};

use crate::error::{Error, Result};
use crate::unet::UnetInput;

use super::config::DiffusionUnetConfig;

/// Checks shapes; class labels are checked where they are read, by [`checked_classes`].
pub(super) fn check(config: &DiffusionUnetConfig, input: &UnetInput<'_>) -> Result<()> {
    let wanted = config.in_channels;
    let (n, space) = match *input.x.dims() {
        [n, c, x, y, z] if c == wanted && input.x.elem_count() > 0 => (n, [x, y, z]),
        _ => return refused("x", input.x, format!("[n, {wanted}, x, y, z], no axis empty")),
    };
    let stride = config.total_stride();
    if space.iter().any(|size| !size.is_multiple_of(stride)) {
        let levels = config.channels.len();
        let larger = space.map(|size| size.div_ceil(stride).saturating_mul(stride));
        let expected = format!(
            "multiples of {stride} along x, y and z, since {levels} levels halve the size {} \
             times; the next larger size is {larger:?}",
            levels - 1
        );
        return refused("x", input.x, expected);
    }
    if input.timesteps.dims() != [n] {
        return refused("timesteps", input.timesteps, format!("[{n}], one for each volume"));
    }
    check_context(config, input.context, n)
}

fn check_context(config: &DiffusionUnetConfig, context: Option<&Tensor>, n: usize) -> Result<()> {
    match (context, config.cross_attention_dim) {
        (Some(context), None) => {
            let expected = "none, since with_conditioning is false".to_owned();
            refused("context", context, expected)
        }
        (Some(context), Some(channels)) => match *context.dims() {
            [batch, tokens, c] if batch == n && tokens > 0 && c == channels => Ok(()),
            _ => refused("context", context, format!("[{n}, tokens, {channels}]")),
        },
        (None, Some(channels)) => {
            // Without a context each cross-attention is of the voxels to themselves, as in MONAI.
            let Some(inner) = attended_channels(config).find(|&inner| inner != channels) else {
                return Ok(());
            };
            Err(Error::Input {
                argument: "context",
                found: vec![],
                expected: format!(
                    "[{n}, tokens, {channels}]; it may be left out only where cross_attention_dim \
                     is the channels of all attention blocks, which are {inner} in one of them"
                ),
            })
        }
        (None, None) => Ok(()),
    }
}

/// The channels of the tokens of each transformer.
fn attended_channels(config: &DiffusionUnetConfig) -> impl Iterator<Item = usize> {
    let levels = config.channels.len();
    let widths = config.num_head_channels.for_levels(levels);
    let attended = config.attention_levels.iter().enumerate();
    let attended = attended.filter(move |&(i, &attended)| attended || i + 1 == levels);
    attended.map(move |(i, _)| config.channels[i] / widths[i].max(1) * widths[i])
}

/// The classes as indices, `[n]` U32, where the network wants classes.
pub(super) fn checked_classes(
    config: &DiffusionUnetConfig,
    input: &UnetInput<'_>,
) -> Result<Option<Tensor>> {
    let n = input.x.dims()[0];
    let (labels, classes) = match (input.class_labels, config.num_class_embeds) {
        (None, None) => return Ok(None),
        (Some(labels), None) => {
            let expected = "none, since there is no num_class_embeds".to_owned();
            return refused("class_labels", labels, expected);
        }
        (None, Some(classes)) => {
            let expected = format!("[{n}], whole numbers below num_class_embeds, {classes}");
            return Err(Error::Input { argument: "class_labels", found: vec![], expected });
        }
        (Some(labels), Some(classes)) => (labels, classes),
    };
    if labels.dims() != [n] {
        return refused("class_labels", labels, format!("[{n}], one for each volume"));
    }
    let numbers = labels.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    let wrong = |&label: &f64| !(label >= 0.0 && label < classes as f64 && label.fract() == 0.0);
    if let Some(label) = numbers.iter().copied().find(wrong) {
        let expected =
            format!("whole numbers below num_class_embeds, {classes}, one of which is {label}");
        return refused("class_labels", labels, expected);
    }
    Ok(Some(labels.to_dtype(DType::U32)?))
}

/// Checks that a ControlNet gives as many residuals as there are skip connections.
pub(super) fn check_count(residuals: &[Tensor], skips: usize) -> Result<()> {
    if residuals.is_empty() || residuals.len() == skips {
        return Ok(());
    }
    let found = residuals.iter().flat_map(|residual| residual.dims().to_vec()).collect();
    Err(Error::Input {
        argument: "down_block_additional_residuals",
        found,
        expected: format!("{skips} tensors, one for each skip connection, not {}", residuals.len()),
    })
}

/// Checks that what a ControlNet adds has the shape of what it is added to.
pub(super) fn check_residual(
    argument: &'static str,
    residual: &Tensor,
    [n, x, y, z, c]: [usize; 5],
) -> Result<()> {
    if residual.dims() == [n, c, x, y, z] {
        return Ok(());
    }
    refused(argument, residual, format!("{:?}", [n, c, x, y, z]))
}

fn refused<T>(argument: &'static str, found: &Tensor, expected: String) -> Result<T> {
    Err(Error::Input { argument, found: found.dims().to_vec(), expected })
}
