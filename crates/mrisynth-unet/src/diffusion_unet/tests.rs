use candle_core::{Device, Var};
use candle_nn3d::{Distribution, ParameterStore};

use super::*;

fn normal(label: &str, shape: &[usize]) -> Tensor {
    let law = Distribution::Normal { mean: 0.0, stdev: 1.0 };
    law.tensor(&Key::new(5).with(label), shape, DType::F32, &Device::Cpu).unwrap()
}

/// Attention at both levels, of both kinds' options, and every other part of the network.
fn config() -> DiffusionUnetConfig {
    DiffusionUnetConfig {
        in_channels: 2,
        channels: vec![4, 8],
        attention_levels: vec![true, true],
        num_res_blocks: PerLevel::Each(vec![2, 1]),
        num_head_channels: PerLevel::Each(vec![2, 4]),
        norm_num_groups: 2,
        num_class_embeds: Some(3),
        ..DiffusionUnetConfig::default()
    }
}

fn conditioned() -> DiffusionUnetConfig {
    DiffusionUnetConfig {
        with_conditioning: true,
        cross_attention_dim: Some(5),
        resblock_updown: true,
        ..config()
    }
}

/// The network with every parameter drawn: new ones are zeros in places.
fn drawn(config: &DiffusionUnetConfig) -> (DiffusionUnet, ParameterStore) {
    let store = ParameterStore::new(Key::new(1));
    let unet = DiffusionUnet::new(config, store.builder(DType::F32)).unwrap();
    for (name, parameter) in store.variables() {
        let new = (normal(&name, parameter.dims()) * 0.3).unwrap();
        parameter.set(&new).unwrap();
    }
    (unet, store)
}

struct Given {
    x: Tensor,
    timesteps: Tensor,
    context: Tensor,
    classes: Tensor,
}

impl Given {
    fn new() -> Self {
        Self {
            x: normal("x", &[2, 2, 4, 6, 2]),
            timesteps: Tensor::new(&[3_i64, 700], &Device::Cpu).unwrap(),
            context: normal("context", &[2, 3, 5]),
            classes: Tensor::new(&[2_i64, 0], &Device::Cpu).unwrap(),
        }
    }

    fn input(&self, config: &DiffusionUnetConfig) -> UnetInput<'_> {
        UnetInput {
            context: config.with_conditioning.then_some(&self.context),
            class_labels: Some(&self.classes),
            ..UnetInput::new(&self.x, &self.timesteps)
        }
    }

    fn item(&self, i: usize) -> Self {
        let one = |t: &Tensor| t.narrow(0, i, 1).unwrap().contiguous().unwrap();
        Self {
            x: one(&self.x),
            timesteps: one(&self.timesteps),
            context: one(&self.context),
            classes: one(&self.classes),
        }
    }
}

fn bits(x: &Tensor) -> Vec<u32> {
    let values = x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn blocks_that_run_again_give_the_same_gradients_to_the_last_bit() {
    let dropping = DiffusionUnetConfig { dropout_cattn: 0.25, ..conditioned() };
    for config in [config(), dropping] {
        let (unet, store) = drawn(&config);
        let mut given = Given::new();
        let tracked = |t: &Tensor| Var::from_tensor(t).unwrap().into_inner();
        given.x = tracked(&given.x);
        given.context = tracked(&given.context);
        let keys = [Key::new(8), Key::new(9)];
        let recompute = Recompute::new();
        let again = unet.clone().with_recompute(&recompute);
        let [remembered, again] = [&unet, &again].map(|unet| {
            let y = unet.forward_train(&given.input(&config), &keys).unwrap();
            let loss = (&y * normal("loss", y.dims())).unwrap().sum_all().unwrap();
            (y, recompute.backward(&loss).unwrap())
        });
        assert_eq!(bits(&remembered.0), bits(&again.0));
        let variables = store.variables();
        let named = variables.iter().map(|(name, var)| (name.as_str(), var.as_tensor()));
        let inputs = [("x", &given.x), ("context", &given.context)];
        let inputs =
            inputs.into_iter().filter(|(name, _)| *name == "x" || config.with_conditioning);
        for (name, tensor) in named.chain(inputs) {
            let [one, two] = [&remembered.1, &again.1].map(|gradients| {
                bits(gradients.get(tensor).unwrap_or_else(|| panic!("no gradient of {name}")))
            });
            assert_eq!(one, two, "{name}");
        }
    }
}

#[test]
fn an_item_gives_the_same_bits_alone_and_on_any_number_of_threads() {
    for config in [config(), conditioned()] {
        let (unet, _) = drawn(&config);
        let given = Given::new();
        let together = unet.forward(&given.input(&config)).unwrap();
        for i in 0..2 {
            let alone = unet.forward(&given.item(i).input(&config)).unwrap();
            assert_eq!(bits(&alone), bits(&together.narrow(0, i, 1).unwrap()));
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let y = pool.install(|| unet.forward(&given.input(&config)).unwrap());
            assert_eq!(bits(&y), bits(&together));
        }
    }
}

#[test]
fn a_new_network_predicts_zero() {
    let store = ParameterStore::new(Key::new(1));
    let unet = DiffusionUnet::new(&config(), store.builder(DType::F32)).unwrap();
    let y = unet.forward(&Given::new().input(&config())).unwrap();
    assert_eq!(y.dims(), [2, 1, 4, 6, 2]);
    assert_eq!(y.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap(), 0.0);
}

#[test]
fn the_output_has_the_dtype_of_the_weights() {
    let (_, store) = drawn(&conditioned());
    let given = Given::new();
    let f32s = DiffusionUnet::new(&conditioned(), store.builder(DType::F32)).unwrap();
    let want = f32s.forward(&given.input(&conditioned())).unwrap();
    let bf16s = DiffusionUnet::new(&conditioned(), store.builder(DType::BF16)).unwrap();
    let got = bf16s.forward(&given.input(&conditioned())).unwrap();
    assert_eq!(got.dtype(), DType::BF16);
    let norm = |t: &Tensor| t.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
    let far = norm(&(got.to_dtype(DType::F32).unwrap() - &want).unwrap());
    assert!(far < 0.03 * norm(&want), "{far}");
}

#[test]
fn dropout_is_for_training_and_follows_the_key_of_each_item() {
    let config = DiffusionUnetConfig { dropout_cattn: 0.5, ..conditioned() };
    let (unet, store) = drawn(&config);
    let given = Given::new();
    let keys = [Key::new(8), Key::new(9)];
    let train = |keys: &[Key], given: &Given| {
        bits(&unet.forward_train(&given.input(&config), keys).unwrap())
    };
    let dropped = train(&keys, &given);
    assert_eq!(dropped, train(&keys, &given));
    assert_ne!(dropped, train(&[Key::new(8), Key::new(10)], &given));
    assert_eq!(dropped[48..], train(&keys[1..], &given.item(1)));
    let evaluated = bits(&unet.forward(&given.input(&config)).unwrap());
    assert_ne!(dropped, evaluated);

    let without = DiffusionUnet::new(&conditioned(), store.builder(DType::F32)).unwrap();
    let input = given.input(&config);
    assert_eq!(bits(&without.forward_train(&input, &keys).unwrap()), evaluated);
    assert!(without.forward_train(&input, &keys[1..]).is_err());
}

#[test]
fn dropping_nothing_from_an_explicit_matrix_of_weights_is_the_same_attention() {
    // So small a probability drops nothing, but takes the path that makes the matrix.
    let config = DiffusionUnetConfig { dropout_cattn: 1e-12, ..conditioned() };
    let (unet, _) = drawn(&config);
    let given = Given::new();
    let want = unet.forward(&given.input(&config)).unwrap();
    let got = unet.forward_train(&given.input(&config), &[Key::new(8), Key::new(9)]).unwrap();
    let far = (got - &want).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    let size = want.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    assert!(far < 1e-4 * size, "{far} of {size}");
}

#[test]
fn a_value_that_no_network_can_be_made_from_is_refused_under_its_name() {
    type Change = fn(&mut DiffusionUnetConfig);
    let refused: [(&str, Change); 16] = [
        ("spatial_dims", |c| c.spatial_dims = 2),
        ("in_channels", |c| c.in_channels = 0),
        ("out_channels", |c| c.out_channels = usize::MAX),
        ("channels", |c| c.channels = vec![]),
        ("channels", |c| c.channels = vec![4, 9]),
        ("norm_num_groups", |c| c.norm_num_groups = 0),
        ("norm_eps", |c| c.norm_eps = f64::NAN),
        ("attention_levels", |c| c.attention_levels = vec![true]),
        ("num_res_blocks", |c| c.num_res_blocks = PerLevel::Each(vec![1; 3])),
        ("num_res_blocks", |c| c.num_res_blocks = PerLevel::All(0)),
        ("num_head_channels", |c| c.num_head_channels = PerLevel::Each(vec![2])),
        ("num_head_channels", |c| c.num_head_channels = PerLevel::All(3)),
        // The middle has attention always.
        ("num_head_channels", |c| {
            c.num_head_channels = PerLevel::All(0);
            c.attention_levels = vec![false; 2];
        }),
        ("cross_attention_dim", |c| c.cross_attention_dim = Some(4)),
        ("cross_attention_dim", |c| c.with_conditioning = true),
        ("dropout_cattn", |c| c.dropout_cattn = 1.5),
    ];
    for (field, change) in refused {
        let mut changed = config();
        change(&mut changed);
        let store = ParameterStore::new(Key::new(1));
        let error = DiffusionUnet::new(&changed, store.builder(DType::F32)).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{field} is ")), "{field}: {error}");
        assert_eq!(store.names(), [""; 0]);
    }
}

#[test]
fn an_input_that_does_not_fit_is_refused_under_its_name() {
    let (unet, _) = drawn(&config());
    let (crossed, _) = drawn(&conditioned());
    let given = Given::new();
    let refusal = |unet: &DiffusionUnet, argument: &str, part: &str, input: UnetInput<'_>| {
        let message = unet.forward(&input).unwrap_err().to_string();
        assert!(message.starts_with(argument) && message.contains(part), "{message}");
    };
    let (plain, whole) = (given.input(&config()), given.input(&conditioned()));
    let odd = normal("odd", &[2, 2, 4, 5, 2]);
    refusal(&unet, "x", "the next larger size is [4, 6, 2]", UnetInput { x: &odd, ..plain });
    let channels = normal("channels", &[2, 3, 4, 4, 4]);
    refusal(&unet, "x", "[n, 2, x, y, z]", UnetInput { x: &channels, ..plain });
    let flat = normal("flat", &[2, 2, 4, 4]);
    refusal(&unet, "x", "[n, 2, x, y, z]", UnetInput { x: &flat, ..plain });
    let one = Tensor::new(&[1_i64], &Device::Cpu).unwrap();
    refusal(&unet, "timesteps", "[2]", UnetInput { timesteps: &one, ..plain });
    refusal(
        &unet,
        "class_labels",
        "below num_class_embeds, 3",
        UnetInput { class_labels: None, ..plain },
    );
    for wrong in [[0.0_f64, 3.0], [-1.0, 0.0], [0.5, 0.0], [f64::NAN, 0.0]] {
        let wrong = Tensor::new(&wrong, &Device::Cpu).unwrap();
        refusal(&unet, "class_labels", "below", UnetInput { class_labels: Some(&wrong), ..plain });
    }
    refusal(
        &unet,
        "context",
        "with_conditioning",
        UnetInput { context: Some(&given.context), ..plain },
    );
    refusal(&crossed, "context", "[2, tokens, 5]", UnetInput { context: None, ..whole });
    let narrow = normal("narrow", &[2, 3, 4]);
    refusal(&crossed, "context", "[2, tokens, 5]", UnetInput { context: Some(&narrow), ..whole });
    let residuals = [normal("r", &[2, 4, 4, 6, 2])];
    refusal(
        &unet,
        "down_block_additional_residuals",
        "not 1",
        UnetInput { down_block_additional_residuals: &residuals, ..plain },
    );
    refusal(
        &unet,
        "mid_block_additional_residual",
        "[2, 8, 2, 3, 1]",
        UnetInput { mid_block_additional_residual: Some(&residuals[0]), ..plain },
    );
}

#[test]
fn configurations_are_read_under_monais_names() {
    let text = r#"{"channels": [8, 16], "attention_levels": [false, true], "num_res_blocks": 1,
        "num_head_channels": [0, 4], "norm_num_groups": 4, "cross_attention_dim": null}"#;
    let read: DiffusionUnetConfig = serde_json::from_str(text).unwrap();
    assert_eq!(read.num_res_blocks, PerLevel::All(1));
    assert_eq!(read.num_head_channels, PerLevel::Each(vec![0, 4]));
    assert_eq!((read.in_channels, read.norm_eps, read.total_stride()), (1, 1e-6, 2));
    let written = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<DiffusionUnetConfig>(&written).unwrap(), read);
    for wrong in [r#"{"chanels": [8]}"#, r#"{"num_res_blocks": -1}"#, r#"{"num_res_blocks": "2"}"#]
    {
        serde_json::from_str::<DiffusionUnetConfig>(wrong).unwrap_err();
    }
}
