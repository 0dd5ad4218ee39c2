//! The arguments of a network inside a MONAI bundle, with references followed.
//!
//! # Source
//! MONAI 1.6, the bundle's configuration specification; GenerativeModels 0.2 for the older names.

use serde_json::{Map, Value};

/// What a target must be called; whatever else has this in its name is a relative of it, and not it.
const NETWORK: &str = "DiffusionModelUNet";
/// How many references may lead from one to the next.
const MAX_REFERENCES: usize = 64;
/// How deep values may nest.
const MAX_DEPTH: usize = 32;

/// What MONAI's constructor takes.
const ARGUMENTS: [&str; 19] = [
    "spatial_dims",
    "in_channels",
    "out_channels",
    "num_res_blocks",
    "channels",
    "attention_levels",
    "norm_num_groups",
    "norm_eps",
    "resblock_updown",
    "num_head_channels",
    "with_conditioning",
    "transformer_num_layers",
    "cross_attention_dim",
    "num_class_embeds",
    "upcast_attention",
    "dropout_cattn",
    "include_fc",
    "use_combined_linear",
    "use_flash_attention",
];
/// Those of them that have no default.
const REQUIRED: [&str; 3] = ["spatial_dims", "in_channels", "out_channels"];
/// Those of them that change nothing here, and why.
const WITHOUT_EFFECT: [(&str, &str); 2] = [
    ("upcast_attention", "scores of attention are f32 whatever the dtype"),
    ("use_flash_attention", "attention never makes the matrix of scores"),
];
/// What a bundle says about an object beside its arguments.
const OF_THE_BUNDLE: [&str; 6] =
    ["_target_", "_requires_", "_disabled_", "_desc_", "_mode_", "_imports_"];

/// The arguments of a network, ours now.
#[derive(Debug)]
pub(crate) struct Found {
    /// The name of the network in the bundle and `::`; nothing for a bare object.
    pub(crate) place: String,
    /// The arguments, with the `architecture`.
    pub(crate) arguments: Map<String, Value>,
    pub(crate) notes: Vec<String>,
}

/// The network of an object that is a bundle, or the arguments of a network themselves.
pub(crate) fn network(bundle: &Map<String, Value>) -> Result<Found, String> {
    if target(bundle).is_some() {
        let root = Value::Object(bundle.clone());
        return found(&root, String::new(), bundle);
    }
    let root = Value::Object(bundle.clone());
    let mut candidates = Vec::new();
    collect(&root, String::new(), 0, &mut candidates)?;
    match candidates.as_slice() {
        [] if ARGUMENTS.iter().chain(&["num_channels"]).any(|name| bundle.contains_key(*name)) => {
            found(&root, String::new(), bundle)
        }
        [] => Err(format!("there is neither an architecture nor a _target_ ending in {NETWORK}")),
        [(place, arguments)] => found(&root, format!("{place}::"), arguments),
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|(place, network)| {
                    format!("{place} ({})", target(network).unwrap_or_default())
                })
                .collect();
            Err(format!(
                "there are {} networks, {}; which one is meant? Put it into a file of its own",
                names.len(),
                names.join(" and ")
            ))
        }
    }
}

fn target(object: &Map<String, Value>) -> Option<&str> {
    object.get("_target_").and_then(Value::as_str)
}

/// All objects whose target is the network or a relative of it, with their places.
fn collect<'a>(
    value: &'a Value,
    place: String,
    depth: usize,
    candidates: &mut Vec<(String, &'a Map<String, Value>)>,
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("{place}: nested more than {MAX_DEPTH} deep"));
    }
    let below = |name: &str| match place.as_str() {
        "" => name.to_owned(),
        place => format!("{place}::{name}"),
    };
    match value {
        Value::Object(object) => {
            if target(object).is_some_and(|target| target.contains(NETWORK)) {
                candidates.push((place.clone(), object));
            }
            for (name, value) in object {
                collect(value, below(name), depth + 1, candidates)?;
            }
        }
        Value::Array(list) => {
            for (i, value) in list.iter().enumerate() {
                collect(value, below(&i.to_string()), depth + 1, candidates)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// The arguments of one object, references followed and names made ours.
fn found(root: &Value, place: String, object: &Map<String, Value>) -> Result<Found, String> {
    let target = target(object);
    let class = target.map_or(NETWORK, |target| target.rsplit('.').next().unwrap_or(target));
    if class != NETWORK {
        let target = target.unwrap_or_default();
        return Err(format!("{place}_target_ is {target}, expected one ending in .{NETWORK}"));
    }
    let mut arguments = Map::new();
    for (name, value) in object {
        if OF_THE_BUNDLE.contains(&name.as_str()) {
            continue;
        }
        let field = format!("{place}{name}");
        // GenerativeModels called it so.
        let ours = if name == "num_channels" { "channels" } else { name.as_str() };
        if !ARGUMENTS.contains(&ours) {
            return Err(format!("{field}: {NETWORK} has no such argument"));
        }
        if arguments.insert(ours.to_owned(), literal(root, &field, value, false)?).is_some() {
            return Err(format!("{field}: channels and num_channels are the same argument"));
        }
    }
    if let Some(missing) = REQUIRED.iter().find(|name| !arguments.contains_key(**name)) {
        return Err(format!("{place}{missing} is absent, and MONAI has no default for it"));
    }
    let mut notes = Vec::new();
    for (name, why) in WITHOUT_EFFECT {
        if arguments.get(name) == Some(&Value::Bool(true)) {
            notes.push(format!("{place}{name} has no effect: {why}."));
        }
    }
    if target.is_some_and(|target| target.starts_with("generative.")) {
        drop_unused_projection(&place, &mut arguments, &mut notes);
    }
    arguments.insert("architecture".to_owned(), "diffusion_unet".into());
    Ok(Found { place, arguments, notes })
}

/// GenerativeModels had a projection behind plain attention and did not apply it; transformers
/// applied theirs.
fn drop_unused_projection(
    place: &str,
    arguments: &mut Map<String, Value>,
    notes: &mut Vec<String>,
) {
    let conditioned = arguments.get("with_conditioning") == Some(&Value::Bool(true));
    if !conditioned && !arguments.contains_key("include_fc") {
        arguments.insert("include_fc".to_owned(), false.into());
        notes.push(format!(
            "{place}include_fc is taken as false: attention of GenerativeModels did not apply its \
             output projection."
        ));
    }
}

/// A value with its references replaced by what they refer to: a scalar, or a list of scalars.
fn literal(root: &Value, field: &str, value: &Value, in_list: bool) -> Result<Value, String> {
    let value = follow(root, field, value)?;
    match value {
        Value::Array(list) if !in_list => {
            let each = |(i, value)| literal(root, &format!("{field}::{i}"), value, true);
            list.iter().enumerate().map(each).collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Array(_) | Value::Object(_) => {
            Err(format!("{field} is {value}; expected a number, a word, or a list of them"))
        }
        _ => Ok(value.clone()),
    }
}

/// What a reference leads to, over others; another value itself.
fn follow<'a>(root: &'a Value, field: &str, mut value: &'a Value) -> Result<&'a Value, String> {
    for _ in 0..MAX_REFERENCES {
        let Value::String(text) = value else {
            return Ok(value);
        };
        if text.starts_with('$') {
            return Err(format!("{field} is the expression {text:?}; expected a literal value"));
        }
        let Some(id) = text.strip_prefix('@') else {
            return Ok(value);
        };
        value = lookup(root, id)
            .ok_or_else(|| format!("{field} refers to {text}, which is not there"))?;
    }
    Err(format!("{field}: its references lead in a circle, over {value}"))
}

/// The value of an id, whose parts stand between `::` (or `#`, as in older bundles).
fn lookup<'a>(root: &'a Value, id: &str) -> Option<&'a Value> {
    id.replace('#', "::").split("::").try_fold(root, |value, part| match value {
        Value::Object(object) => object.get(part),
        Value::Array(list) => list.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}
