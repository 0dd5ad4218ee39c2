//! Against the definition, in f64.

use std::collections::HashMap;

use candle_core::{Device, Var};

use super::*;
use crate::gradient_check::{check_gradients, distinct, weighted_sum};

fn numbers(count: usize, phase: f64) -> Vec<f32> {
    let x: Vec<f64> = distinct(&[count], phase).unwrap().to_vec1().unwrap();
    x.into_iter().map(|x| x as f32).collect()
}

/// `Σ_k a(i, k) b(k, j)` for every i and j, and the same of the absolute terms.
fn product(
    [rows, depth, columns]: [usize; 3],
    a: impl Fn(usize, usize) -> f32,
    b: impl Fn(usize, usize) -> f32,
) -> Vec<[f64; 2]> {
    let element = |i, j| {
        let terms = (0..depth).map(|k| f64::from(a(i, k)) * f64::from(b(k, j)));
        terms.fold([0.0, 0.0], |[sum, size], term| [sum + term, size + term.abs()])
    };
    (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect()
}

/// The bound is relative to the absolute terms, since the sums cancel.
fn assert_close(got: &[f32], want: &[[f64; 2]]) {
    assert_eq!(got.len(), want.len());
    for (got, [sum, size]) in got.iter().zip(want) {
        assert!((f64::from(*got) - sum).abs() <= 1e-6 * size, "{got} for {sum}");
    }
}

#[test]
fn every_tier_agrees_with_the_definition_forward_and_backward() {
    let sizes = [(1, 1, 1), (3, 5, 2), (9, 33, 31), (65, 64, 70), (130, 3, 129), (4500, 9, 40)];
    for (rows, c_in, c_out) in sizes {
        let (x, w) = (numbers(rows * c_in, 0.1), numbers(c_out * c_in, 0.2));
        let (b, g) = (numbers(c_out, 0.3), numbers(rows * c_out, 0.4));
        let mut y_want =
            product([rows, c_in, c_out], |i, k| x[i * c_in + k], |k, j| w[j * c_in + k]);
        y_want.iter_mut().zip(b.iter().cycle()).for_each(|([y, _], b)| *y += f64::from(*b));
        let dx_want = product([rows, c_out, c_in], |i, k| g[i * c_out + k], |k, j| w[k * c_in + j]);
        let dw_want = product([c_out, rows, c_in], |i, k| g[k * c_out + i], |k, j| x[k * c_in + j]);
        let db_want = product([1, rows, c_out], |_, _| 1.0, |k, j| g[k * c_out + j]);
        for tier in Tier::available() {
            let (mut y, mut dx) = (vec![0.0; rows * c_out], vec![0.0; rows * c_in]);
            let forward = PackedMatrix::new(&w, c_in, Weight::Forward);
            multiply(tier, &x, &forward, Some(&b), &mut y);
            assert_close(&y, &y_want);
            let backward = PackedMatrix::new(&w, c_in, Weight::Backward);
            multiply(tier, &g, &backward, None, &mut dx);
            assert_close(&dx, &dx_want);
            let (outputs, inputs) = (Rows::new(&g[..], c_out), Rows::new(&x[..], c_in));
            assert_close(&outer_products(tier, outputs, inputs, rows), &dw_want);
            assert_close(&sum_of_rows(&g, c_out), &db_want);
        }
    }
}

#[test]
fn neither_threads_nor_other_rows_change_a_bit() {
    let device = &Device::Cpu;
    let (rows, c_in, c_out) = (4200, 20, 37);
    let tensor = |data, dims: &[usize]| Tensor::from_vec(data, dims, device).unwrap();
    let x = Var::from_tensor(&tensor(numbers(rows * c_in, 0.1), &[rows, c_in])).unwrap();
    let w = Var::from_tensor(&tensor(numbers(c_out * c_in, 0.2), &[c_out, c_in])).unwrap();
    let b = Var::from_tensor(&tensor(numbers(c_out, 0.3), &[c_out])).unwrap();
    let weights = tensor(numbers(rows * c_out, 0.7), &[rows, c_out]);
    let bits = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let run = || {
        let y = linear(&x, &w, Some(&b)).unwrap();
        let gradients = (&y * &weights).unwrap().sum_all().unwrap().backward().unwrap();
        let of = |var: &Var| bits(gradients.get(var.as_tensor()).unwrap());
        [bits(&y), of(&x), of(&w), of(&b)]
    };
    let all = run();
    for threads in 1..4 {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(run), all);
    }
    for row in [0, 77, 4199] {
        let alone = linear(&x.narrow(0, row, 1).unwrap(), &w, Some(&b)).unwrap();
        assert_eq!(bits(&alone), all[0][row * c_out..][..c_out]);
    }
}

#[test]
fn gradients_are_those_of_central_differences() {
    let inputs = [
        distinct(&[2, 3, 4], 0.1).unwrap(),
        distinct(&[5, 4], 0.2).unwrap(),
        distinct(&[5], 0.3).unwrap(),
    ];
    check_gradients(&inputs, |x| weighted_sum(&linear(&x[0], &x[1], Some(&x[2]))?));
    // Without a bias, and with a gradient and an argument that are not contiguous.
    check_gradients(&inputs[..2], |x| {
        weighted_sum(&linear(&x[0].transpose(0, 1)?, &x[1], None)?.transpose(0, 2)?)
    });
}

#[test]
fn bf16_sums_in_f32_and_rounds_once() {
    let ones = Tensor::ones((1, 4096), DType::BF16, &Device::Cpu).unwrap();
    let y = linear(&ones, &ones, None).unwrap();
    // Sums of ones in bf16 stop at 256.
    assert_eq!(y.to_dtype(DType::F32).unwrap().to_vec2::<f32>().unwrap(), [[4096.0]]);
}

#[test]
fn misuse_names_the_argument_and_both_shapes() {
    let zeros = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
    let (x, w) = (zeros(&[2, 3]), zeros(&[4, 3]));
    let message =
        |x: &Tensor, w: &Tensor, b: Option<&Tensor>| linear(x, w, b).unwrap_err().to_string();
    let text = message(&x, &zeros(&[3, 4]), None);
    assert!(
        text.contains("weight") && text.contains("[3, 4]") && text.contains("[2, 3]"),
        "{text}"
    );
    assert!(message(&zeros(&[0, 3]), &w, None).contains("empty"));
    assert!(message(&zeros(&[]), &w, None).contains("[.., c_in]"));
    assert!(message(&x, &w, Some(&zeros(&[3]))).contains("bias"));
    assert!(message(&x, &w.to_dtype(DType::F64).unwrap(), None).contains("f64"));
    let whole = |t: &Tensor| t.to_dtype(DType::U32).unwrap();
    assert!(message(&whole(&x), &whole(&w), None).contains("u32"));
    assert!(Linear::new(x.clone(), Some(w)).unwrap_err().to_string().contains("bias"));
    assert!(Linear::new(zeros(&[3]), None).unwrap_err().to_string().contains("c_out"));
}

#[test]
fn a_layer_loads_pytorch_names_and_refuses_no_channels() {
    let (weight, bias) = (distinct(&[2, 3], 0.1).unwrap(), distinct(&[2], 0.2).unwrap());
    let named = HashMap::from([("weight".to_owned(), weight), ("bias".to_owned(), bias)]);
    let vb = VarBuilder::from_tensors(named, DType::F64, &Device::Cpu);
    let layer = linear_layer(3, 2, true, vb.clone()).unwrap();
    let x = distinct(&[4, 3], 0.5).unwrap();
    let want = x.matmul(&layer.weight().t().unwrap()).unwrap();
    let want = want.broadcast_add(layer.bias().unwrap()).unwrap();
    let difference = (layer.forward(&x).unwrap() - want).unwrap().abs().unwrap();
    assert!(difference.sum_all().unwrap().to_scalar::<f64>().unwrap() < 1e-14);
    assert!(linear_layer(0, 2, true, vb).unwrap_err().to_string().contains("channels"));
}
