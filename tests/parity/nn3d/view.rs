//! The same numbers as tensors that lie differently in memory.

use candle_core::{Result, Tensor, Var};

/// How the inputs and the upstream gradient of an operation lie in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Layout {
    Contiguous,
    /// The axes lie in reverse order.
    Permuted,
    /// The last axis is the middle of a longer one.
    Narrowed,
}

impl Layout {
    pub(crate) const ALL: [Self; 3] = [Self::Contiguous, Self::Permuted, Self::Narrowed];
}

/// A variable, and the view of it that an operation is given.
pub(crate) struct View {
    layout: Layout,
    variable: Var,
    pub(crate) tensor: Tensor,
}

impl View {
    pub(crate) fn new(x: &Tensor, layout: Layout) -> Result<Self> {
        let layout = if x.rank() == 0 { Layout::Contiguous } else { layout };
        let variable = Var::from_tensor(&match layout {
            Layout::Contiguous => x.clone(),
            Layout::Permuted => reversed(x)?.contiguous()?,
            Layout::Narrowed => {
                let rim = (x.narrow(x.rank() - 1, 0, 1)?.ones_like()? * 7.0)?;
                Tensor::cat(&[&rim, x, &rim], x.rank() - 1)?
            }
        })?;
        let all = variable.as_tensor();
        let tensor = match layout {
            Layout::Contiguous => all.clone(),
            Layout::Permuted => reversed(all)?,
            Layout::Narrowed => all.narrow(x.rank() - 1, 1, x.dim(x.rank() - 1)?)?,
        };
        Ok(Self { layout, variable, tensor })
    }

    /// The gradient at the view, if any arrived.
    pub(crate) fn gradient(
        &self,
        store: &candle_core::backprop::GradStore,
    ) -> Result<Option<Tensor>> {
        let Some(gradient) = store.get(self.variable.as_tensor()) else { return Ok(None) };
        let last = gradient.rank().saturating_sub(1);
        Ok(Some(match self.layout {
            Layout::Contiguous => gradient.clone(),
            Layout::Permuted => reversed(gradient)?,
            Layout::Narrowed => gradient.narrow(last, 1, gradient.dim(last)? - 2)?,
        }))
    }
}

/// The axes in reverse order.
pub(crate) fn reversed(x: &Tensor) -> Result<Tensor> {
    x.permute((0..x.rank()).rev().collect::<Vec<_>>())
}
