//! The kernels' sources.

/// A file of kernels.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its name without the ending.
    pub(crate) name: &'static str,
    /// Its text, which the prelude goes before.
    pub(crate) text: &'static str,
    /// Whether multiplications and additions may be fused. Not for random numbers and updates of
    /// parameters, whose bits are the CPU's.
    pub(crate) fused: bool,
}

/// What goes before every source: the element types and reductions.
pub(crate) const PRELUDE: &str = include_str!("kernels/prelude.cuh");

pub(crate) static ELEMENTWISE: Source =
    Source { name: "elementwise", text: include_str!("kernels/elementwise.cu"), fused: true };

pub(crate) static LAYOUT: Source =
    Source { name: "layout", text: include_str!("kernels/layout.cu"), fused: true };

pub(crate) static CHANNELS: Source =
    Source { name: "channels", text: include_str!("kernels/channels.cu"), fused: true };

pub(crate) static PARAMETERS: Source =
    Source { name: "parameters", text: include_str!("kernels/parameters.cu"), fused: false };

pub(crate) static RANDOM: Source = Source {
    name: "random",
    text: concat!(include_str!("kernels/philox.cuh"), include_str!("kernels/random.cu")),
    fused: false,
};

pub(crate) static COMBINATION: Source = Source {
    name: "combination",
    text: concat!(include_str!("kernels/philox.cuh"), include_str!("kernels/combination.cu")),
    fused: false,
};

pub(crate) static SUMS: Source =
    Source { name: "sums", text: include_str!("kernels/sums.cu"), fused: true };

pub(crate) static GROUPED_NORM: Source =
    Source { name: "grouped_norm", text: include_str!("kernels/grouped_norm.cu"), fused: true };

pub(crate) static LAYER_NORM: Source =
    Source { name: "layer_norm", text: include_str!("kernels/layer_norm.cu"), fused: true };

pub(crate) static ATTENTION: Source =
    Source { name: "attention", text: include_str!("kernels/attention.cu"), fused: true };
pub(crate) static CONCAT: Source =
    Source { name: "concat", text: include_str!("kernels/concat.cu"), fused: true };

pub(crate) static DICE_CROSS_ENTROPY: Source = Source {
    name: "dice_cross_entropy",
    text: include_str!("kernels/dice_cross_entropy.cu"),
    fused: true,
};

pub(crate) static DROPOUT: Source = Source {
    name: "dropout",
    text: concat!(include_str!("kernels/philox.cuh"), include_str!("kernels/dropout.cu")),
    fused: false,
};

pub(crate) static ITEM_CHANNELS: Source =
    Source { name: "item_channels", text: include_str!("kernels/item_channels.cu"), fused: true };

pub(crate) static LOSS: Source =
    Source { name: "loss", text: include_str!("kernels/loss.cu"), fused: true };

pub(crate) static MAX_POOL: Source =
    Source { name: "max_pool", text: include_str!("kernels/max_pool.cu"), fused: true };

/// Not fused, so that its numbers are the CPU's.
pub(crate) static RESAMPLE: Source =
    Source { name: "resample", text: include_str!("kernels/resample.cu"), fused: false };

/// Every source: tests compile them all.
#[cfg(test)]
pub(crate) static ALL: &[&Source] = &[
    &ATTENTION,
    &CHANNELS,
    &COMBINATION,
    &CONCAT,
    &DICE_CROSS_ENTROPY,
    &DROPOUT,
    &ELEMENTWISE,
    &GROUPED_NORM,
    &ITEM_CHANNELS,
    &LAYER_NORM,
    &LAYOUT,
    &LOSS,
    &MAX_POOL,
    &PARAMETERS,
    &RANDOM,
    &RESAMPLE,
    &SUMS,
];

impl Source {
    /// What is compiled.
    pub(crate) fn whole(&self) -> String {
        // Messages of the compiler name lines of the file.
        format!("{PRELUDE}\n#line 1 \"{}.cu\"\n{}", self.name, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::gpu::compile;

    #[test]
    fn every_source_compiles_for_ampere_and_hopper() {
        for source in ALL {
            for capability in [(8, 0), (9, 0)] {
                let ptx = compile(source, capability).unwrap().to_src();
                assert!(ptx.contains(&format!(".target sm_{}{}", capability.0, capability.1)));
            }
        }
    }

    #[test]
    fn an_error_of_the_compiler_comes_with_its_log() {
        static BROKEN: Source = Source { name: "broken", text: "\nint x = y;", fused: true };
        let error = compile(&BROKEN, (9, 0)).unwrap_err().to_string();
        assert!(error.contains("broken.cu(2)") && error.contains('y'), "{error}");
    }
}
