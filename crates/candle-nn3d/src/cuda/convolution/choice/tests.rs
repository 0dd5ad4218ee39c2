use super::*;
use crate::conv_shape::{Conv3dConfig, ConvShape};
use crate::cuda::convolution::problem::Problem;

const FAST: Candidate =
    Candidate { algorithm: 7, ready: true, deterministic: true, workspace: 100, time: -1.0 };

/// A key of its own for each test: they share the process's record.
fn key(c_out: usize) -> Key {
    let shape = ConvShape::new([1, 4, 4, 4, 2], [c_out, 2, 3, 3, 3], &Conv3dConfig::same(3));
    Problem::new(&shape.unwrap()).unwrap().key(Pass::Forward, "f32")
}

#[test]
fn the_first_that_is_deterministic_and_small_enough_is_taken() {
    let candidates = [
        Candidate { algorithm: 1, ready: false, ..FAST },
        Candidate { algorithm: 2, deterministic: false, ..FAST },
        Candidate { algorithm: 3, workspace: 101, ..FAST },
        Candidate { algorithm: 4, ..FAST },
        FAST,
    ];
    assert_eq!(first_fit(&candidates, 100).unwrap().algorithm, 4);
    assert_eq!(first_fit(&candidates, 99), None);
}

#[test]
fn a_choice_is_made_once_and_read_back_from_its_record() {
    let key = key(11);
    let made = choose(key.clone(), |_, _| Ok(vec![FAST])).unwrap();
    assert_eq!(made, Choice { order: Order::ChannelsLast, algorithm: 7, workspace: 100 });
    let again = choose(key.clone(), |_, _| panic!("it is recorded")).unwrap();
    assert_eq!(again, made);
    let record = serde_json::to_string(&Choices::made()).unwrap();
    let read: Choices = serde_json::from_str(&record).unwrap();
    assert!(read.choices.contains(&(key, made)));
    assert_eq!(read.settings, Settings::default());
}

#[test]
fn arrays_are_copied_where_cudnn_has_no_other_way() {
    let by_order = |_: &Settings, order| match order {
        Order::ChannelsLast => candle_core::bail!("not supported"),
        Order::ChannelsFirst => Ok(vec![FAST]),
    };
    assert_eq!(choose(key(12), by_order).unwrap().order, Order::ChannelsFirst);
}

#[test]
fn nothing_deterministic_is_an_error_that_says_what_there_was() {
    let only = |_: &Settings, _| Ok(vec![Candidate { deterministic: false, ..FAST }]);
    let error = choose(key(13), only).unwrap_err().to_string();
    assert!(
        error.contains("1073741824 bytes") && error.contains("deterministic: false"),
        "{error}"
    );
}
