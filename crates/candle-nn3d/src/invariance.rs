//! Results that depend neither on the number of threads nor on the rest of the batch.

use candle_core::{DType, Result, Tensor, Var};
use keyed_random::Key;

use crate::channels_last::ChannelsLast;
use crate::ops;
use crate::reference::Volume;

type Operation = fn(&ChannelsLast, &[Key]) -> Result<ChannelsLast>;

const OPERATIONS: [(&str, Operation); 15] = [
    ("nearest", |x, _| ops::upsample_nearest(x, [2; 3])),
    ("nearest to", |x, _| ops::upsample_nearest_to(x, [20, 7, 13])),
    ("trilinear", |x, _| ops::upsample_trilinear(x, [2.0; 3])),
    ("trilinear to", |x, _| ops::upsample_trilinear_to(x, [20, 7, 13])),
    ("average", |x, _| ops::avg_pool3d(x, [3; 3], [2; 3], [1; 3], true)),
    ("max", |x, _| ops::max_pool3d(x, [3; 3], [2; 3], [1; 3])),
    ("global average", |x, _| ops::global_avg_pool3d(x)),
    ("pad", |x, _| ops::pad_constant(x, [[1, 2], [0, 3], [2, 0]], 0.5)),
    ("crop", |x, _| ops::crop(x, [1, 2, 3], [9, 8, 7])),
    ("concat", |x, _| ops::concat_channels(&[x, x])),
    ("add", |x, _| ops::add(x, x)),
    ("scale", |x, _| ops::scale(x, 0.3)),
    ("channel bias", |x, _| {
        let means = ops::global_avg_pool3d(x)?.into_tensor();
        ops::add_channel_bias(x, &means.reshape((x.batch(), x.channels()))?)
    }),
    ("dropout", |x, keys| ops::dropout(x, 0.4, keys)),
    ("channel dropout", |x, keys| ops::dropout_channels(x, 0.4, keys)),
];

/// Large enough for several tasks per item.
const SHAPE: [usize; 5] = [3, 13, 11, 12, 9];

/// The values of an operation and of its gradient, for the sum of squares.
fn forward_and_backward(operation: Operation, x: &Tensor, keys: &[Key]) -> [Tensor; 2] {
    let x = Var::from_tensor(x).unwrap();
    let last = ChannelsLast::new(x.as_tensor().clone()).unwrap();
    let y = operation(&last, keys).unwrap().into_tensor();
    // Items meet in the sum, but its gradient, 2 y, is each item's own.
    let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    let gradient = gradients.get(x.as_tensor()).unwrap();
    assert_eq!((gradient.dims(), gradient.dtype()), (x.dims(), x.dtype()));
    [y, gradient.clone()]
}

fn bits(x: &Tensor) -> Vec<u64> {
    let wide = x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    wide.into_iter().map(f64::to_bits).collect()
}

fn keys() -> [Key; 3] {
    [0, 1, 2].map(|item| Key::new(2).with_index(item))
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let pools = [1, 2, 3].map(pool);
    for dtype in [DType::F32, DType::BF16] {
        let x = Volume::sample(SHAPE).channels_last(dtype).into_tensor();
        for (name, operation) in OPERATIONS {
            let results = pools.each_ref().map(|pool| {
                pool.install(|| forward_and_backward(operation, &x, &keys()).map(|t| bits(&t)))
            });
            assert_eq!(results[0], results[1], "{name}");
            assert_eq!(results[0], results[2], "{name}");
        }
    }
}

#[test]
fn an_item_alone_is_the_item_in_its_batch() {
    for dtype in [DType::F32, DType::BF16] {
        let x = Volume::sample(SHAPE).channels_last(dtype).into_tensor();
        for (name, operation) in OPERATIONS {
            let batch = forward_and_backward(operation, &x, &keys());
            for item in 0..SHAPE[0] {
                let alone = x.narrow(0, item, 1).unwrap();
                let alone = forward_and_backward(operation, &alone, &keys()[item..=item]);
                for (alone, batch) in alone.iter().zip(&batch) {
                    let want = bits(&batch.narrow(0, item, 1).unwrap());
                    assert!(bits(alone) == want, "{name}, item {item}");
                }
            }
        }
    }
}

#[test]
fn losses_are_the_same_bits_for_any_number_of_threads() {
    let a = Volume::sample(SHAPE).channels_last(DType::F32).into_tensor();
    let b = ops::scale(&ChannelsLast::new(a.clone()).unwrap(), 0.3).unwrap().into_tensor();
    let weights = [0.5, 1.0, 2.0];
    let losses = [1, 2, 3].map(|threads| {
        pool(threads).install(|| {
            [
                ops::mse_loss(&a, &b, Some(&weights)),
                ops::l1_loss(&a, &b, None),
                ops::huber_loss(&a, &b, 0.2, Some(&weights)),
            ]
            .map(|loss| bits(&loss.unwrap()))
        })
    });
    assert_eq!(losses[0], losses[1]);
    assert_eq!(losses[0], losses[2]);
}

#[test]
fn every_operation_takes_a_gradient_that_is_not_contiguous() {
    for (name, operation) in OPERATIONS {
        let x = Volume::sample([2, 9, 10, 11, 3]).channels_last(DType::F32).into_tensor();
        let keys = &keys()[..2];
        let gradient = |permuted: bool| {
            let x = Var::from_tensor(&x).unwrap();
            let last = ChannelsLast::new(x.as_tensor().clone()).unwrap();
            let last = match name {
                // Its window needs more voxels than there are.
                "crop" => ops::pad_constant(&last, [[0, 9]; 3], 0.0).unwrap(),
                _ => last,
            };
            let y = operation(&last, keys).unwrap().into_tensor();
            let weights = Volume::sample(y.dims().to_vec().try_into().unwrap());
            let weights = weights.channels_last(DType::F32).into_tensor();
            // The gradient of a transpose is a view with exchanged strides.
            let loss = if permuted {
                let weights = weights.transpose(1, 4).unwrap().contiguous().unwrap();
                y.transpose(1, 4).unwrap() * weights
            } else {
                y * weights
            };
            let gradients = loss.unwrap().sum_all().unwrap().backward().unwrap();
            bits(gradients.get(x.as_tensor()).unwrap())
        };
        assert_eq!(gradient(true), gradient(false), "{name}");
    }
}
