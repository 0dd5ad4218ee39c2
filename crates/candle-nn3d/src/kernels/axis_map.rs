//! One axis of a separable linear map between volumes: upsampling, average pooling, and the
//! transposes that are their gradients.

/// For every output along one axis, the inputs that it reads and their weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AxisMap {
    inputs: usize,
    /// Output `o` owns `taps[starts[o]..starts[o + 1]]`.
    starts: Vec<usize>,
    taps: Vec<(usize, f64)>,
}

impl AxisMap {
    fn from_rows<R>(inputs: usize, rows: impl Iterator<Item = R>) -> Self
    where
        R: IntoIterator<Item = (usize, f64)>,
    {
        let (mut starts, mut taps) = (vec![0], Vec::new());
        for row in rows {
            taps.extend(row);
            starts.push(taps.len());
        }
        Self { inputs, starts, taps }
    }

    /// Output `o` copies input ⌊o · inputs / outputs⌋.
    pub(crate) fn nearest(inputs: usize, outputs: usize) -> Self {
        // Wide enough for the product of two sizes.
        let source = |o: usize| (o as u128 * inputs as u128 / outputs as u128) as usize;
        Self::from_rows(inputs, (0..outputs).map(|o| [(source(o), 1.0)]))
    }

    /// Output `o` copies input ⌊o / `factor`⌋, or the last one.
    pub(crate) fn nearest_by(inputs: usize, outputs: usize, factor: f64) -> Self {
        let source = |o: usize| ((o as f64 / factor) as usize).min(inputs - 1);
        Self::from_rows(inputs, (0..outputs).map(|o| [(source(o), 1.0)]))
    }

    /// Linear interpolation at max(0, (o + ½) · `scale` − ½), the last input held beyond the end.
    pub(crate) fn linear(inputs: usize, outputs: usize, scale: f64) -> Self {
        let last = inputs - 1;
        let row = |o: usize| {
            let source = ((o as f64 + 0.5) * scale - 0.5).max(0.0);
            let low = (source.floor() as usize).min(last);
            let high_weight = if low == last { 0.0 } else { source - low as f64 };
            let taps = [(low, 1.0 - high_weight), (low + 1, high_weight)];
            // An input of weight zero is not read: an infinity there does no harm.
            taps.into_iter().filter(|&(_, weight)| weight != 0.0)
        };
        Self::from_rows(inputs, (0..outputs).map(row))
    }

    /// The mean over windows; padding counts as zeros, or (`count_padding` false) not at all.
    ///
    /// Every window holds at least one input.
    pub(crate) fn window_mean(
        inputs: usize,
        outputs: usize,
        [kernel, stride, padding]: [usize; 3],
        count_padding: bool,
    ) -> Self {
        let row = |o: usize| {
            let from = (o * stride).saturating_sub(padding);
            let to = (o * stride + kernel - padding).min(inputs);
            let count = if count_padding { kernel } else { to - from };
            (from..to).map(move |i| (i, 1.0 / count as f64))
        };
        Self::from_rows(inputs, (0..outputs).map(row))
    }

    /// Every output is the mean's share of one input: the transpose of a mean over `outputs`.
    pub(crate) fn spread(outputs: usize) -> Self {
        Self::from_rows(1, (0..outputs).map(|_| [(0, 1.0 / outputs as f64)]))
    }

    /// The map of gradients: every input gathers from the outputs that read it, in their order.
    pub(crate) fn transposed(&self) -> Self {
        let mut rows = vec![Vec::new(); self.inputs];
        for output in 0..self.outputs() {
            for &(input, weight) in self.taps(output) {
                rows[input].push((output, weight));
            }
        }
        Self::from_rows(self.outputs(), rows.into_iter())
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    #[inline(always)]
    pub(crate) fn taps(&self, output: usize) -> &[(usize, f64)] {
        &self.taps[self.starts[output]..self.starts[output + 1]]
    }

    /// The input that every output copies, if all of them copy.
    pub(crate) fn selection(&self) -> Option<Vec<usize>> {
        let one = |o| match self.taps(o) {
            &[(input, 1.0)] => Some(input),
            _ => None,
        };
        (0..self.outputs()).map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(map: &AxisMap) -> Vec<Vec<(usize, f64)>> {
        (0..map.outputs()).map(|o| map.taps(o).to_vec()).collect()
    }

    /// Source index and weights as PyTorch documents them for `align_corners=False`.
    #[test]
    fn linear_taps_are_those_of_the_half_pixel_rule() {
        let doubled = AxisMap::linear(3, 6, 0.5);
        let want = [
            vec![(0, 1.0)],
            vec![(0, 0.75), (1, 0.25)],
            vec![(0, 0.25), (1, 0.75)],
            vec![(1, 0.75), (2, 0.25)],
            vec![(1, 0.25), (2, 0.75)],
            vec![(2, 1.0)],
        ];
        assert_eq!(rows(&doubled), want);
        // Halving averages the two in the middle of each pair.
        let halved = AxisMap::linear(4, 2, 2.0);
        assert_eq!(rows(&halved), [vec![(0, 0.5), (1, 0.5)], vec![(2, 0.5), (3, 0.5)]]);
    }

    #[test]
    fn nearest_indices_round_down_exactly() {
        let selection = |inputs, outputs| AxisMap::nearest(inputs, outputs).selection().unwrap();
        assert_eq!(selection(3, 6), [0, 0, 1, 1, 2, 2]);
        assert_eq!(selection(5, 3), [0, 1, 3]);
        assert_eq!(selection(2, 5), [0, 0, 0, 1, 1]);
        // Where o · inputs / outputs is whole, a rounded quotient may fall short of it.
        for (inputs, factor) in [(41, 3), (49, 7), (100, 13)] {
            let indices = selection(inputs, inputs * factor);
            assert!(indices.iter().enumerate().all(|(o, &i)| i == o / factor));
        }
    }

    #[test]
    fn transposing_twice_changes_nothing() {
        for map in [
            AxisMap::linear(5, 13, 5.0 / 13.0),
            AxisMap::nearest(4, 9),
            AxisMap::window_mean(7, 4, [3, 2, 1], false),
        ] {
            assert_eq!(map.transposed().transposed(), map);
        }
    }
}
