use super::*;
use crate::cuda::launch::Launch;

static KERNELS: Source = Source {
    name: "of_the_emulation",
    text: r#"
extern "C" __global__ void sum_of_each_block(const float *x, float *y, u64 n) {
    u64 i = thread_index();
    float sum = block_sum(i < n ? x[i] : 0.0f);
    if (threadIdx.x == 0) y[blockIdx.x] = sum;
}
extern "C" __global__ void largest(const float *x, float *y, u64 n) {
    float m = block_max(threadIdx.x < n ? x[threadIdx.x] : -INFINITY);
    if (threadIdx.x == 0) y[0] = m;
}
extern "C" __global__ void sum_of_each_warp(const float *x, float *y) {
    float s = x[threadIdx.x];
    for (unsigned half = 16; half > 0; half /= 2) s += __shfl_down_sync(0xffffffff, s, half);
    if (threadIdx.x % 32 == 0) y[threadIdx.x / 32] = s;
}
extern "C" __global__ void leaves_before_a_barrier(float *y) {
    if (threadIdx.x == 7) return;
    __syncthreads();
    y[0] = 1;
}
extern "C" __global__ void races(float *y) { y[0] = threadIdx.x; }
extern "C" __global__ void writes_past_the_end(float *y, u64 n) { y[n] = 0; }
"#,
    fused: true,
};

fn launch<'a>(machine: &'a Emulation, name: &str) -> Launch<'a, Emulation> {
    Launch::named(machine, &KERNELS, name.to_owned())
}

#[test]
fn blocks_and_warps_add_up_what_their_threads_have() {
    let x: Vec<f32> = (0..600).map(|i| i as f32).collect();
    let x = Guarded::new(&x);
    let sums = Emulation::both_orders(|machine| {
        let mut y = machine.unwritten::<f32>(3)?;
        let launch = launch(machine, "sum_of_each_block").read(x.slice(), 600);
        launch.write(&mut y, 3).size(600).over(600)?;
        Ok(y)
    });
    assert_eq!(sums, [32_640.0, 98_176.0, 48_884.0]);
    let sums = Emulation::both_orders(|machine| {
        let mut y = machine.unwritten::<f32>(8)?;
        let launch = launch(machine, "sum_of_each_warp").read(x.slice(), 600);
        launch.write(&mut y, 8).blocks(1, 1)?;
        Ok(y)
    });
    assert_eq!(sums, std::array::from_fn::<f32, 8, _>(|warp| 496.0 + 1024.0 * warp as f32));
}

#[test]
fn the_largest_of_a_block_is_not_a_number_where_any_is() {
    for (last, expected) in [(-3.0_f32, 2.0), (f32::NAN, f32::NAN)] {
        let x = Guarded::new(&[-1.0, 2.0, last]);
        let got = Emulation::both_orders(|machine| {
            let mut y = machine.unwritten::<f32>(1)?;
            launch(machine, "largest").read(x.slice(), 3).write(&mut y, 1).size(3).over(3)?;
            Ok(y)
        });
        assert!(got[0] == expected || got[0].is_nan() && expected.is_nan(), "{got:?}");
    }
}

#[test]
fn a_barrier_that_a_thread_never_reaches_is_an_error() {
    let machine = Emulation::forwards();
    let mut y = machine.unwritten::<f32>(1).unwrap();
    let error = launch(&machine, "leaves_before_a_barrier").write(&mut y, 1).over(1).unwrap_err();
    assert!(error.to_string().contains("barrier"), "{error}");
}

#[test]
fn arguments_and_lengths_that_are_not_the_kernels_are_errors() {
    let machine = Emulation::forwards();
    let mut y = machine.unwritten::<f32>(1).unwrap();
    let error = launch(&machine, "races").write(&mut y, 1).word(3).over(1).unwrap_err();
    assert!(error.to_string().contains("arguments"), "{error}");
    let error = launch(&machine, "races").write(&mut y, 2).over(1).unwrap_err();
    assert!(error.to_string().contains("1 numbers, expected 2"), "{error}");
    let error = launch(&machine, "races").write(&mut y, 1).blocks(1, 70_000).unwrap_err();
    assert!(error.to_string().contains("70000 blocks"), "{error}");
}

#[test]
#[should_panic(expected = "the order of threads shows")]
fn a_race_is_seen() {
    Emulation::both_orders(|machine| {
        let mut y = machine.unwritten::<f32>(1)?;
        launch(machine, "races").write(&mut y, 1).over(1)?;
        Ok(y)
    });
}

#[test]
#[should_panic(expected = "outside of an array of 4 numbers")]
fn writing_past_the_end_is_seen() {
    let machine = Emulation::forwards();
    let mut y = machine.unwritten::<f32>(4).unwrap();
    launch(&machine, "writes_past_the_end").write(&mut y, 4).size(4).over(1).unwrap();
}
