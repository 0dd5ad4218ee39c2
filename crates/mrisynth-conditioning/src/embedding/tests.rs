use candle_core::{DType, Device, Tensor};
use candle_nn3d::ParameterStore;

use super::*;
use crate::Error;

fn config() -> EmbeddingConfig {
    let categorical = |name: &str, values: &[&str]| CategoricalField {
        name: name.into(),
        values: values.iter().map(|v| (*v).to_owned()).collect(),
    };
    EmbeddingConfig {
        dim: 8,
        dropout: 0.25,
        categorical: vec![
            categorical("diagnosis", &["healthy", "dementia"]),
            categorical("modality", &["T1w", "T2w", "FLAIR"]),
        ],
        scalar: vec![ScalarField { name: "age".into(), low: 20.0, high: 90.0, n_frequencies: 3 }],
    }
}

fn embedding() -> (ParameterStore, MetadataEmbedding) {
    let store = ParameterStore::new(Key::new(3));
    let embedding = MetadataEmbedding::new(&config(), store.builder(DType::F32)).unwrap();
    (store, embedding)
}

fn record(diagnosis: &str, modality: &str, age: f64) -> MetadataRecord {
    MetadataRecord::from([
        ("diagnosis".into(), diagnosis.into()),
        ("modality".into(), modality.into()),
        ("age".into(), age.into()),
    ])
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn tokens_are_table_rows_and_linear_maps_of_fourier_features() {
    let (store, embedding) = embedding();
    let tokens = embedding.forward(&[record("dementia", "FLAIR", 72.5)], None).unwrap();
    assert_eq!(tokens.dims(), [1, 3, 8]);
    let parameter = |name: &str| store.get(name).unwrap().as_tensor().clone();
    let row = |name: &str, row: usize| values(&parameter(name).get(row).unwrap());
    assert_eq!(values(&tokens.get(0).unwrap().get(0).unwrap()), row("diagnosis.weight", 1));
    assert_eq!(values(&tokens.get(0).unwrap().get(1).unwrap()), row("modality.weight", 2));
    // u = 0.5: sines of π/2, π, 2π and cosines of the same.
    let features = [0.5, 1.0, 0.0, 0.0, 0.0, -1.0, 1.0];
    let (weight, bias) = (parameter("age.linear.weight"), values(&parameter("age.linear.bias")));
    for (out, got) in values(&tokens.get(0).unwrap().get(2).unwrap()).iter().enumerate() {
        let weights = values(&weight.get(out).unwrap());
        let want: f32 = bias[out] + weights.iter().zip(features).map(|(w, f)| w * f).sum::<f32>();
        assert!((got - want).abs() < 1e-6);
    }
}

#[test]
fn what_is_missing_is_the_null_token_and_a_record_is_the_same_in_any_batch() {
    let (store, embedding) = embedding();
    let null = embedding.unconditional(2).unwrap();
    assert_eq!(values(&null.get(0).unwrap()), values(&null.get(1).unwrap()));
    let learned = store.get("age.null").unwrap();
    assert_eq!(values(&null.get(0).unwrap().get(2).unwrap()), values(learned.as_tensor()));
    let mut unaged = record("healthy", "T1w", 1.0);
    unaged.remove("age");
    let batch = [record("healthy", "T1w", 50.0), unaged.clone()];
    let tokens = embedding.forward(&batch, None).unwrap();
    let alone = embedding.forward(&[unaged], None).unwrap();
    assert_eq!(values(&tokens.get(1).unwrap()), values(&alone));
    assert_eq!(values(&alone)[16..], values(&null)[16..24]);
    assert_ne!(values(&alone)[..16], values(&null)[..16]);
}

#[test]
fn items_are_dropped_by_their_own_keys_as_often_as_asked() {
    let (_, embedding) = embedding();
    let n = 2000;
    let records = vec![record("dementia", "T2w", 80.0); n];
    let keys: Vec<Key> = (0..n).map(|i| Key::new(5).with_index(i as u64)).collect();
    let rows = |records: &[MetadataRecord], keys: &[Key]| -> Vec<Vec<f32>> {
        let tokens = embedding.forward(records, Some(keys)).unwrap();
        tokens.flatten_from(1).unwrap().to_vec2().unwrap()
    };
    let all = rows(&records, &keys);
    let (null, kept) = (
        values(&embedding.unconditional(1).unwrap()),
        values(&embedding.forward(&records[..1], None).unwrap()),
    );
    assert!(all.iter().all(|row| *row == null || *row == kept));
    let dropped = all.iter().filter(|row| **row == null).count();
    // Four standard errors: 4 · √(n · 0.25 · 0.75) = 77.
    assert!(dropped.abs_diff(500) < 77, "{dropped}");
    assert_eq!(rows(&records[..10], &keys[700..710]), all[700..710]);
}

#[test]
fn gradients_reach_every_parameter_that_took_part_and_match_differences() {
    let store = ParameterStore::with_dtype(Key::new(3), DType::F64).unwrap();
    let embedding = MetadataEmbedding::new(&config(), store.builder(DType::F64)).unwrap();
    let mut unaged = record("dementia", "T2w", 0.0);
    unaged.remove("age");
    let records = [record("healthy", "T2w", 33.0), unaged, MetadataRecord::new()];
    let loss = || embedding.forward(&records, None).unwrap().sqr().unwrap().sum_all().unwrap();
    let gradients = loss().backward().unwrap();
    for name in store.names() {
        let var = store.get(&name).unwrap();
        let gradient = gradients.get(&var).unwrap_or_else(|| panic!("no gradient of {name}"));
        let step = Tensor::ones(var.shape(), DType::F64, &Device::Cpu).unwrap();
        let slope: f64 = gradient.sum_all().unwrap().to_scalar().unwrap();
        let at = |h: f64| -> f64 {
            let before = var.as_tensor().copy().unwrap();
            var.set(&(&before + step.affine(h, 0.0).unwrap()).unwrap()).unwrap();
            let loss = loss().to_scalar().unwrap();
            var.set(&before).unwrap();
            loss
        };
        let difference = (at(1e-4) - at(-1e-4)) / 2e-4;
        assert!((slope - difference).abs() < 1e-6 * (1.0 + slope.abs()), "{name}");
    }
}

#[test]
fn metadata_that_do_not_fit_name_item_and_field() {
    let (_, embedding) = embedding();
    let message = |wrong: MetadataRecord| {
        let records = [record("healthy", "T1w", 40.0), wrong];
        embedding.forward(&records, None).unwrap_err().to_string()
    };
    let one = |field: &str, value: MetadataValue| MetadataRecord::from([(field.into(), value)]);
    assert_eq!(
        message(one("diagnosis", "AD".into())),
        "item 1: diagnosis is \"AD\", expected one of healthy, dementia"
    );
    assert!(message(one("modality", 3.0.into())).contains("modality is 3, expected one of T1w"));
    assert!(message(one("age", "old".into())).contains("age is \"old\", expected a finite number"));
    assert!(message(one("age", f64::NAN.into())).contains("expected a finite number"));
    assert!(message(one("height", 1.8.into())).contains("a field of the embedding: diagnosis"));
    let keys = [Key::new(1)];
    let records = vec![record("healthy", "T1w", 40.0); 2];
    let refused = embedding.forward(&records, Some(&keys)).unwrap_err().to_string();
    assert_eq!(refused, "keys is 1, expected a key for each of 2 records");
    assert!(embedding.forward(&[], None).unwrap_err().to_string().starts_with("records"));
}

#[test]
fn every_refused_configuration_names_its_field() {
    let message = |change: &dyn Fn(&mut EmbeddingConfig)| {
        let mut config = config();
        change(&mut config);
        let store = ParameterStore::new(Key::new(3));
        let made = MetadataEmbedding::new(&config, store.builder(DType::F32));
        let error = made.unwrap_err();
        assert!(matches!(error, Error::Argument { .. }));
        error.to_string()
    };
    assert!(message(&|c| c.dim = 0).starts_with("dim"));
    assert!(message(&|c| c.dropout = 1.5).starts_with("dropout"));
    assert!(message(&|c| c.dropout = f64::NAN).starts_with("dropout"));
    assert!(
        message(&|c| (c.categorical, c.scalar) = Default::default()).contains("at least one field")
    );
    assert!(message(&|c| c.scalar[0].name = "diagnosis".into()).starts_with("name"));
    assert!(message(&|c| c.categorical[0].name = String::new()).starts_with("name"));
    assert!(message(&|c| c.categorical[1].values.clear()).starts_with("values of modality"));
    assert!(
        message(&|c| c.categorical[0].values[1] = "healthy".into()).starts_with("values of diag")
    );
    assert!(message(&|c| c.scalar[0].high = 20.0).starts_with("low and high of age"));
    assert!(message(&|c| c.scalar[0].n_frequencies = 99).starts_with("n_frequencies of age"));
}

#[test]
fn a_configuration_survives_toml_and_refuses_strangers() {
    let text = toml::to_string(&config()).unwrap();
    assert_eq!(toml::from_str::<EmbeddingConfig>(&text).unwrap(), config());
    assert!(toml::from_str::<EmbeddingConfig>("dims = 3").is_err());
    let record: MetadataRecord = toml::from_str("age = 71.5\ndiagnosis = \"healthy\"").unwrap();
    assert_eq!(record["age"], 71.5.into());
}
