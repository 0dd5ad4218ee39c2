//! Volumes of any size, padded to one that a network takes.

use candle_core::Tensor;
use candle_nn3d::{ChannelsLast, ops};

use crate::error::Result;
use crate::unet::{Unet, UnetInput};

impl Unet {
    /// What the size of every volume must be a multiple of along each axis.
    #[must_use]
    pub fn total_stride(&self) -> usize {
        match self {
            Self::Diffusion(unet) => unet.config().total_stride(),
            Self::Guided(unet) => unet.config().total_stride(),
        }
    }

    /// As [`forward`](Self::forward), for volumes of any size: voxels of `value` are added behind each
    /// axis up to the next multiple of [`total_stride`](Self::total_stride), and what the network
    /// answers there is cut off.
    ///
    /// The network sees the added voxels; choose the value of its background (−1 for Med-DDPM's
    /// volumes and masks). What a ControlNet gives must have been made from the padded volumes.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_padded(&self, input: &UnetInput<'_>, value: f64) -> Result<Tensor> {
        let stride = self.total_stride();
        let &[_, _, x, y, z] = input.x.dims() else { return self.forward(input) };
        let space = [x, y, z];
        let missing = space.map(|size| size.next_multiple_of(stride) - size);
        if missing == [0; 3] {
            return self.forward(input);
        }
        let behind = missing.map(|voxels| [0, voxels]);
        let padded = ops::pad_constant(&ChannelsLast::from_ncxyz(input.x)?, behind, value)?;
        let padded = padded.to_ncxyz()?;
        let out = self.forward(&UnetInput { x: &padded, ..*input })?;
        Ok(ops::crop(&ChannelsLast::from_ncxyz(&out)?, [0; 3], space)?.to_ncxyz()?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use candle_nn3d::{Distribution, ParameterStore};
    use keyed_random::Key;

    use super::*;
    use crate::guided_unet::GuidedUnetConfig;
    use crate::{Error, UnetConfig};

    #[test]
    fn a_padded_run_is_the_run_on_the_padded_volume_cut_to_size() {
        let config = GuidedUnetConfig {
            num_channels: 32,
            channel_mult: vec![1.0, 1.0, 1.0],
            in_channels: 1,
            ..GuidedUnetConfig::default()
        };
        let store = ParameterStore::new(Key::new(2));
        let config = UnetConfig::GuidedUnet(config);
        Unet::new(&config, store.builder(DType::F32)).unwrap();
        let law = Distribution::Normal { mean: 0.0, stdev: 0.1 };
        for (name, tensor) in store.tensors() {
            let key = Key::new(3).with(name.as_str());
            store
                .set(&name, &law.tensor(&key, tensor.shape(), DType::F32, &Device::Cpu).unwrap())
                .unwrap();
        }
        let unet = Unet::new(&config, store.builder(DType::F32)).unwrap();
        assert_eq!(unet.total_stride(), 4);
        let t = Tensor::new(&[5_i64], &Device::Cpu).unwrap();
        let noise = |shape: (usize, usize, usize, usize, usize)| {
            let law = Distribution::STANDARD_NORMAL;
            law.tensor(&Key::new(4), shape, DType::F32, &Device::Cpu).unwrap()
        };
        let numbers = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();

        let x = noise((1, 1, 5, 8, 3));
        let refused = unet.forward(&UnetInput::new(&x, &t)).unwrap_err();
        assert!(matches!(refused, Error::Input { argument: "x", .. }), "{refused}");
        let got = unet.forward_padded(&UnetInput::new(&x, &t), -1.0).unwrap();
        assert_eq!(got.dims(), x.dims());
        let along_z = Tensor::full(-1.0_f32, (1, 1, 5, 8, 1), &Device::Cpu).unwrap();
        let along_x = Tensor::full(-1.0_f32, (1, 1, 3, 8, 4), &Device::Cpu).unwrap();
        let padded = Tensor::cat(&[&x, &along_z], 4).unwrap();
        let padded = Tensor::cat(&[&padded, &along_x], 2).unwrap();
        let want = unet.forward(&UnetInput::new(&padded, &t)).unwrap();
        let want = want.narrow(2, 0, 5).unwrap().narrow(4, 0, 3).unwrap();
        assert_eq!(numbers(&got), numbers(&want));

        let fits = noise((1, 1, 4, 4, 8));
        let input = UnetInput::new(&fits, &t);
        let want = unet.forward(&input).unwrap();
        assert_eq!(numbers(&unet.forward_padded(&input, 7.0).unwrap()), numbers(&want));
    }
}
