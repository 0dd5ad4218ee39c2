//! The operations and layers on tensors; the arithmetic is tested with the kernels.

use candle_core::{DType, Device, Module, Tensor, Var};
use candle_nn::VarBuilder;

use super::op::{ConvTranspose3dConfig, conv_transpose3d as transpose, conv3d as convolve};
use super::*;
use crate::gradient_check::{check_gradients, distinct, weighted_sum};

/// `x`, `weight` and `bias` of a convolution in f64.
fn inputs(x: [usize; 5], weight: [usize; 5], bias: usize) -> [Tensor; 3] {
    let weight = distinct(&weight, 0.4).unwrap();
    [distinct(&x, 0.1).unwrap(), weight, distinct(&[bias], 0.8).unwrap()]
}

fn values(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn relative_error(got: &Tensor, want: &Tensor) -> f64 {
    assert_eq!(got.dims(), want.dims());
    let (got, want) = (values(got), values(want));
    let error: f64 = got.iter().zip(&want).map(|(g, w)| (g - w).powi(2)).sum();
    (error / want.iter().map(|w| w * w).sum::<f64>()).sqrt()
}

fn odd() -> Conv3dConfig {
    Conv3dConfig {
        stride: [2, 1, 3],
        dilation: [1, 2, 1],
        padding: [[1, 0], [2, 1], [0, 2]],
        groups: 2,
    }
}

fn odd_transposed() -> ConvTranspose3dConfig {
    ConvTranspose3dConfig {
        stride: [2, 1, 3],
        padding: [1, 0, 1],
        output_padding: [1, 1, 0],
        dilation: [1, 2, 1],
        groups: 2,
    }
}

#[test]
fn gradients_of_a_convolution_are_its_differences() {
    let cases = [
        ([2, 3, 4, 5, 4], [6, 2, 2, 3, 3], odd()),
        (
            [1, 3, 1, 4, 2],
            [3, 2, 3, 1, 3],
            Conv3dConfig { padding: [[1; 2], [0; 2], [1; 2]], ..Conv3dConfig::default() },
        ),
    ];
    for (x, weight, config) in cases {
        let inputs = inputs(x, weight, weight[0]);
        check_gradients(&inputs, |t| {
            let x = ChannelsLast::new(t[0].clone())?;
            weighted_sum(convolve(&x, &t[1], Some(&t[2]), &config)?.tensor())
        });
        check_gradients(&inputs[..2], |t| {
            let x = ChannelsLast::new(t[0].clone())?;
            weighted_sum(convolve(&x, &t[1], None, &config)?.tensor())
        });
    }
}

#[test]
fn gradients_of_a_transposed_convolution_are_its_differences() {
    let inputs = inputs([2, 3, 2, 3, 4], [4, 3, 2, 3, 2], 6);
    check_gradients(&inputs, |t| {
        let x = ChannelsLast::new(t[0].clone())?;
        weighted_sum(transpose(&x, &t[1], Some(&t[2]), &odd_transposed())?.tensor())
    });
    check_gradients(&inputs[..2], |t| {
        let x = ChannelsLast::new(t[0].clone())?;
        weighted_sum(transpose(&x, &t[1], None, &odd_transposed())?.tensor())
    });
}

#[test]
fn a_transposed_convolution_is_the_adjoint_of_the_convolution() {
    // ⟨conv(x), y⟩ = ⟨x, conv_transpose(y)⟩, with the same weight.
    let config = Conv3dConfig {
        stride: [2, 1, 3],
        padding: [[1; 2], [0; 2], [1; 2]],
        dilation: [1, 2, 1],
        groups: 2,
    };
    let [x, weight, _] = inputs([2, 7, 6, 9, 6], [4, 3, 2, 3, 2], 1);
    let y = convolve(&ChannelsLast::new(x.clone()).unwrap(), &weight, None, &config).unwrap();
    let dy = distinct(y.tensor().dims(), 0.2).unwrap();
    let config = ConvTranspose3dConfig { output_padding: [1, 0, 0], ..odd_transposed() };
    let back = transpose(&ChannelsLast::new(dy.clone()).unwrap(), &weight, None, &config).unwrap();
    assert_eq!(back.tensor().dims(), x.dims());
    let dot =
        |a: &Tensor, b: &Tensor| (a * b).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap();
    let (left, right) = (dot(y.tensor(), &dy), dot(&x, back.tensor()));
    assert!((left - right).abs() < 1e-12 * left.abs().max(1.0), "{left} {right}");
}

/// The output and all gradients in one dtype.
fn all_results(inputs: &[Tensor; 3], dtype: DType, transposed: bool) -> Vec<Tensor> {
    let vars: Vec<Var> =
        inputs.iter().map(|t| Var::from_tensor(&t.to_dtype(dtype).unwrap()).unwrap()).collect();
    let x = ChannelsLast::new(vars[0].as_tensor().clone()).unwrap();
    let y = if transposed {
        transpose(&x, &vars[1], Some(&vars[2]), &odd_transposed()).unwrap()
    } else {
        convolve(&x, &vars[1], Some(&vars[2]), &odd()).unwrap()
    };
    let gradients = weighted_sum(y.tensor()).unwrap().backward().unwrap();
    let mut results = vec![y.into_tensor()];
    results.extend(vars.iter().map(|v| gradients.get(v.as_tensor()).unwrap().clone()));
    assert!(results.iter().all(|t| t.dtype() == dtype));
    results
}

#[test]
fn narrower_dtypes_follow_f64_forward_and_backward() {
    let plain = inputs([2, 5, 6, 7, 10], [18, 5, 2, 3, 3], 18);
    let turned = inputs([2, 3, 4, 3, 10], [10, 9, 2, 3, 2], 18);
    for (inputs, transposed) in [(&plain, false), (&turned, true)] {
        let want = all_results(inputs, DType::F64, transposed);
        for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::BF16, 6e-3)] {
            for (got, want) in all_results(inputs, dtype, transposed).iter().zip(&want) {
                let error = relative_error(got, want);
                assert!(error < tolerance, "{dtype:?}: {error}");
            }
        }
    }
}

#[test]
fn bf16_is_the_f32_result_rounded_once() {
    let inputs =
        inputs([1, 5, 6, 7, 10], [18, 5, 2, 3, 3], 18).map(|t| t.to_dtype(DType::BF16).unwrap());
    let result = |dtype| {
        let [x, weight, bias] = inputs.each_ref().map(|t| t.to_dtype(dtype).unwrap());
        let x = ChannelsLast::new(x).unwrap();
        convolve(&x, &weight, Some(&bias), &odd()).unwrap().into_tensor()
    };
    let rounded = result(DType::F32).to_dtype(DType::BF16).unwrap();
    assert_eq!(values(&result(DType::BF16)), values(&rounded));
}

#[test]
fn an_item_alone_and_in_a_batch_gives_the_same_bits() {
    let inputs = inputs([3, 5, 6, 7, 10], [18, 5, 2, 3, 3], 18);
    let whole = all_results(&inputs, DType::F32, false);
    let dy = distinct(whole[0].dims(), 0.5).unwrap().to_dtype(DType::F32).unwrap();
    let mut weight_sum: Option<Tensor> = None;
    for item in 0..3 {
        let x =
            Var::from_tensor(&inputs[0].to_dtype(DType::F32).unwrap().narrow(0, item, 1).unwrap());
        let x = x.unwrap();
        let weight = Var::from_tensor(&inputs[1].to_dtype(DType::F32).unwrap()).unwrap();
        let bias = inputs[2].to_dtype(DType::F32).unwrap();
        let y = convolve(
            &ChannelsLast::new(x.as_tensor().clone()).unwrap(),
            &weight,
            Some(&bias),
            &odd(),
        );
        let y = y.unwrap().into_tensor();
        assert_eq!(values(&y), values(&whole[0].narrow(0, item, 1).unwrap()));
        let loss = (&y * dy.narrow(0, item, 1).unwrap()).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        let dx = gradients.get(x.as_tensor()).unwrap();
        assert_eq!(values(dx), values(&whole[1].narrow(0, item, 1).unwrap()));
        let dw = gradients.get(weight.as_tensor()).unwrap().clone();
        weight_sum = Some(weight_sum.map_or_else(|| dw.clone(), |sum| (sum + &dw).unwrap()));
    }
    assert!(relative_error(&weight_sum.unwrap(), &whole[2]) < 1e-6);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let inputs = inputs([2, 5, 6, 7, 10], [18, 5, 2, 3, 3], 18);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let results = pool.install(|| all_results(&inputs, DType::F32, false));
        results.iter().map(values).collect::<Vec<_>>()
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(3));
}

#[test]
fn gradients_of_two_consumers_add_up() {
    let [x, weight, bias] = inputs([1, 3, 4, 5, 2], [2, 2, 3, 3, 3], 2);
    check_gradients(&[x, weight, bias], |t| {
        let x = ChannelsLast::new(t[0].clone())?;
        let same = Conv3dConfig::same(3);
        // The weight is used twice, and so is `x`: by the convolution and by the sum.
        let once = convolve(&x, &t[1], Some(&t[2]), &same)?;
        let twice = convolve(&once, &t[1], None, &same)?;
        weighted_sum(&(twice.tensor() + x.tensor())?)
    });
}

#[test]
fn inputs_and_gradients_need_not_be_contiguous() {
    let [x, weight, bias] = inputs([1, 3, 4, 5, 2], [2, 3, 3, 3, 2], 2);
    check_gradients(&[x, weight, bias], |t| {
        let x = ChannelsLast::from_ncxyz(&t[0].permute((0, 4, 3, 2, 1))?)?;
        let weight = t[1].permute((0, 4, 2, 3, 1))?;
        let y = convolve(&x, &weight, Some(&t[2]), &Conv3dConfig::same(3))?;
        weighted_sum(&y.tensor().transpose(1, 3)?)
    });
}

#[test]
fn a_layer_on_the_usual_layout_follows_the_operation() {
    let [x, weight, bias] = inputs([2, 5, 6, 7, 4], [6, 2, 2, 3, 3], 6);
    let x = ChannelsLast::new(x).unwrap();
    let layer = Conv3d::new(weight, Some(bias), odd());
    let want = layer.forward_channels_last(&x).unwrap().to_ncxyz().unwrap();
    let got = layer.forward(&x.to_ncxyz().unwrap()).unwrap();
    assert_eq!(values(&got), values(&want));
}

#[test]
fn a_prepared_layer_gives_the_same_bits_and_refuses_to_train() {
    let inputs = inputs([2, 5, 6, 7, 4], [6, 2, 2, 3, 3], 6);
    for dtype in [DType::F32, DType::BF16] {
        let [x, weight, bias] = inputs.each_ref().map(|t| t.to_dtype(dtype).unwrap());
        let x = Var::from_tensor(&x).unwrap();
        let x = ChannelsLast::new(x.as_tensor().clone()).unwrap();
        let layer = Conv3d::new(weight, Some(bias), odd());
        let prepared = layer.prepared([5, 6, 7]).unwrap();
        assert!(prepared.bytes() >= 4 * (6 * 2 * 2 * 3 * 3 + 6));
        let y = prepared.forward_channels_last(&x).unwrap().into_tensor();
        let want = layer.forward_channels_last(&x).unwrap().into_tensor();
        assert_eq!(values(&y), values(&want));
        assert!(y.sum_all().unwrap().backward().unwrap_err().to_string().contains("prepared"));
    }
    let [x, weight, _] = inputs;
    let narrow = weight.to_dtype(DType::F32).unwrap();
    let prepared = Conv3d::new(narrow, None, odd()).prepared([5, 6, 8]).unwrap();
    let message = prepared.forward(&x.permute((0, 4, 1, 2, 3)).unwrap()).unwrap_err().to_string();
    assert!(message.contains("f64"), "{message}");
    let x = x.to_dtype(DType::F32).unwrap().narrow(4, 0, 2).unwrap();
    let x = ChannelsLast::new(x).unwrap();
    let message = prepared.forward_channels_last(&x).unwrap_err().to_string();
    assert!(
        message.contains("[2, 5, 6, 7, 2]") && message.contains("[6, 2, 2, 3, 3]"),
        "{message}"
    );
    assert!(Conv3d::new(weight, None, odd()).prepared([5, 6, 7]).is_err());
}

#[test]
fn a_layer_prepared_for_one_volume_is_right_for_every_other() {
    let (c_in, c_out) = (24, 32);
    let [_, weight, bias] = inputs([1, 1, 1, 1, c_in], [c_out, c_in, 3, 3, 3], c_out);
    let [weight, bias] = [weight, bias].map(|t| t.to_dtype(DType::F32).unwrap());
    let mut layer = Conv3d::new(weight, Some(bias), Conv3dConfig::same(3));
    let original = layer.clone();
    layer.prepare([17, 18, 19]).unwrap();
    assert!(layer.weight().is_none() && layer.bytes() > original.bytes());
    for space in [[17, 18, 19], [1, 1, 1], [1, 9, 2], [5, 4, 23]] {
        let [x, ..] = inputs([2, space[0], space[1], space[2], c_in], [1, 1, 1, 1, 1], 1);
        let x = ChannelsLast::new(x.to_dtype(DType::F32).unwrap()).unwrap();
        let got = values(layer.forward_channels_last(&x).unwrap().tensor());
        let want = values(original.forward_channels_last(&x).unwrap().tensor());
        let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
        let difference = norm(&mut got.iter().zip(&want).map(|(a, b)| a - b));
        assert!(difference <= 1e-5 * norm(&mut want.iter().copied()), "{space:?}: {difference}");
    }
}

#[test]
fn what_a_prepared_layer_adds_is_what_follows_an_unprepared_one() {
    for (c_in, c_out, config) in [
        (24, 32, Conv3dConfig::same(3)),
        (3, 6, Conv3dConfig::same(3)),
        (32, 20, Conv3dConfig::same(3)),
    ] {
        let [x, weight, bias] = inputs([2, 9, 10, 11, c_in], [c_out, c_in, 3, 3, 3], c_out);
        let [residual, ..] = inputs([2, 9, 10, 11, c_out], [1, 1, 1, 1, 1], 1);
        let time = residual.narrow(1, 0, 1).unwrap().narrow(2, 0, 1).unwrap();
        let time = time.narrow(3, 3, 1).unwrap().reshape((2, c_out)).unwrap();
        for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::BF16, 1e-2)] {
            let [x, weight, bias, residual, time] =
                [&x, &weight, &bias, &residual, &time].map(|t| t.to_dtype(dtype).unwrap());
            let [x, residual] = [x, residual].map(|t| ChannelsLast::new(t).unwrap());
            let plain = Conv3d::new(weight, Some(bias), config);
            let mut prepared = plain.clone();
            prepared.prepare(x.space()).unwrap();
            for (time, residual) in
                [(Some(&time), Some(&residual)), (Some(&time), None), (None, Some(&residual))]
            {
                let run = |layer: &Conv3d| layer.forward_adding(&x, time, residual).unwrap();
                let (got, want) = (values(run(&prepared).tensor()), values(run(&plain).tensor()));
                let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
                let far = norm(&mut got.iter().zip(&want).map(|(a, b)| a - b));
                assert!(far <= tolerance * norm(&mut want.iter().copied()), "{c_out} {dtype:?}");
                assert!(got.iter().all(|v| v.is_finite()));
            }
            let other = ChannelsLast::new(time.reshape((2, c_out, 1, 1, 1)).unwrap()).unwrap();
            assert!(prepared.forward_adding(&x, None, Some(&other)).is_err());
            assert!(prepared.forward_adding(&x, Some(other.tensor()), None).is_err());
        }
    }
}

#[test]
fn new_layers_are_drawn_within_the_bound_of_pytorch() {
    let variables = candle_nn::VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let config = Conv3dConfig { groups: 2, ..Conv3dConfig::same(3) };
    let layer = conv3d(8, 32, [3; 3], config, vb.pp("a")).unwrap();
    let weight = layer.weight().unwrap();
    assert_eq!(weight.dims(), [32, 4, 3, 3, 3]);
    let config = ConvTranspose3dConfig { groups: 2, ..ConvTranspose3dConfig::default() };
    let turned = transposed::conv_transpose3d(32, 8, [3; 3], config, vb.pp("b")).unwrap();
    assert_eq!(turned.weight().dims(), [32, 4, 3, 3, 3]);
    // Both see 4 · 27 inputs by PyTorch's count.
    let bound = 1.0 / 108.0_f64.sqrt();
    for weight in [weight, turned.weight()] {
        let largest = values(weight).into_iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        assert!(largest <= bound * 1.000_001 && largest > 0.99 * bound);
    }
    for bias in [layer.bias().unwrap(), turned.bias().unwrap()] {
        let largest = values(bias).into_iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        assert!(largest <= bound * 1.000_001 && largest > 0.3 * bound);
    }
    let names: Vec<_> = variables.data().lock().unwrap().keys().cloned().collect();
    assert!(names.contains(&"a.bias".to_owned()) && names.contains(&"b.weight".to_owned()));
}

#[test]
fn misuse_is_an_error_that_names_the_argument() {
    let f32s = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let x = ChannelsLast::new(f32s(&[1, 4, 4, 4, 2])).unwrap();
    let weight = f32s(&[3, 2, 3, 3, 3]);
    let plain = Conv3dConfig::default();
    let refused = |w: &Tensor, b: Option<&Tensor>, config: &Conv3dConfig| {
        convolve(&x, w, b, config).unwrap_err().to_string()
    };
    assert!(refused(&f32s(&[3, 2, 3]), None, &plain).contains("weight has the shape [3, 2, 3]"));
    assert!(refused(&f32s(&[3, 1, 3, 3, 3]), None, &plain).contains("[1, 4, 4, 4, 2]"));
    assert!(refused(&f32s(&[3, 2, 5, 3, 3]), None, &plain).contains("padded input"));
    assert!(refused(&weight, Some(&f32s(&[2])), &plain).contains("bias has the shape [2]"));
    let wide = weight.to_dtype(DType::F64).unwrap();
    assert!(refused(&wide, None, &plain).contains("weight is f64"));
    let whole = ChannelsLast::new(x.tensor().to_dtype(DType::U32).unwrap()).unwrap();
    assert!(convolve(&whole, &weight, None, &plain).unwrap_err().to_string().contains("u32"));

    let plain = ConvTranspose3dConfig::default();
    let refused = |w: &Tensor, config: ConvTranspose3dConfig| {
        transpose(&x, w, None, &config).unwrap_err().to_string()
    };
    let weight = f32s(&[2, 3, 3, 3, 3]);
    assert!(refused(&f32s(&[3, 2, 3, 3, 3]), plain).contains("[1, 4, 4, 4, 2]"));
    let config = ConvTranspose3dConfig { output_padding: [1; 3], ..plain };
    assert!(refused(&weight, config).contains("output_padding"));
    let config = ConvTranspose3dConfig { padding: [3; 3], ..plain };
    assert!(refused(&weight, config).contains("padding"));
    let config = ConvTranspose3dConfig { padding: [usize::MAX; 3], ..plain };
    assert!(refused(&weight, config).contains("padding"));
    let config = ConvTranspose3dConfig { stride: [1 << 63; 3], ..plain };
    assert!(refused(&weight, config).contains("[1, 4, 4, 4, 2]"));
    let config = ConvTranspose3dConfig { stride: [1 << 40; 3], ..plain };
    assert!(refused(&weight, config).contains("fits memory"));
    let config = ConvTranspose3dConfig { groups: 3, ..plain };
    assert!(refused(&weight, config).contains("groups"));
    let config = ConvTranspose3dConfig { stride: [0; 3], ..plain };
    assert!(refused(&weight, config).contains("stride"));
    let vb = || VarBuilder::zeros(DType::F32, &Device::Cpu);
    assert!(conv3d(2, 3, [0; 3], Conv3dConfig::default(), vb()).is_err());
    assert!(conv3d(1 << 40, 1 << 40, [3; 3], Conv3dConfig::default(), vb()).is_err());
    let config = Conv3dConfig { groups: 0, ..Conv3dConfig::default() };
    assert!(conv3d(2, 3, [1; 3], config, vb()).is_err());
}
