use mrisynth_volume::freesurfer::{self, Side, Tissue};

use super::*;

fn scheme(name: &str) -> LabelScheme {
    LabelScheme::built_in(name).unwrap()
}

fn ids(channel: &ChannelConfig) -> Vec<i32> {
    channel.ids.iter().flat_map(|range| range.first..=range.last).collect()
}

#[test]
fn ad_structures_has_its_ids_in_its_order() {
    let expected: [(&str, Vec<i32>); 13] = [
        ("lateral ventricles", vec![4, 43, 31, 63, 72, 136, 163]),
        ("inferior lateral ventricles", vec![5, 44, 137, 164]),
        ("third and fourth ventricle", vec![14, 15]),
        ("hippocampus", vec![17, 53]),
        ("amygdala", vec![18, 54]),
        ("entorhinal cortex", vec![1006, 2006]),
        (
            "cortex",
            [3, 42]
                .into_iter()
                .chain(1000..=1035)
                .chain(2000..=2035)
                .filter(|id| ![1006, 2006].contains(id))
                .collect(),
        ),
        ("white matter", vec![2, 41, 77, 78, 79, 251, 252, 253, 254, 255, 25, 57]),
        ("thalamus", vec![10, 49]),
        ("other deep grey matter", vec![11, 12, 13, 26, 28, 50, 51, 52, 58, 60, 80]),
        ("brainstem", vec![16]),
        ("cerebellum", vec![7, 8, 46, 47]),
        ("CSF and vessels", vec![24, 30, 62, 85]),
    ];
    let ad = scheme("ad-structures");
    let found: Vec<_> = ad.channels_config().iter().map(|c| (c.name.as_str(), ids(c))).collect();
    assert_eq!(found, expected);
    assert_eq!(ad.config().coding, Coding::Signed);
    for (number, channel) in (1..).zip(ad.channels_config()) {
        assert_eq!(channel.required, number != 6);
        assert!(ids(channel).iter().all(|&id| ad.channel_number(id) == Some(number)));
    }
    assert_eq!(ad.channels_config()[5].folds_into.as_deref(), Some("cortex"));
    for outside in [0, 502, 511, 530, 599] {
        assert_eq!(ad.channel_number(outside), Some(0));
    }
    for unknown in [-1, 6, 99, 499, 600, 1036, i32::MIN, i32::MAX] {
        assert_eq!(ad.channel_number(unknown), None, "{unknown}");
    }
}

/// Every id of a channel has the tissue that its name says, and none is outside the brain.
#[test]
fn schemes_of_freesurfer_ids_agree_with_its_table() {
    use Tissue::*;
    let tissues = |name: &str| -> &[Tissue] {
        let name = name.trim_start_matches("left ").trim_start_matches("right ");
        match name {
            "white matter" | "white matter without a side" => &[WhiteMatter, WhiteMatterLesion],
            "hippocampus" | "amygdala" | "thalamus" => &[DeepGrey],
            "other deep grey matter" | "deep grey matter without a side" => &[DeepGrey],
            "entorhinal cortex" | "cortex" => &[CorticalGrey],
            "brainstem" => &[Brainstem],
            "cerebellum" => &[CerebellarGrey, CerebellarWhite],
            // The optic chiasm (85), a nerve in the fluid of its cistern, is listed with it.
            "CSF and vessels" => &[Csf, Vessel, WhiteMatter],
            ventricle if ventricle.contains("ventricle") => &[Ventricle, ChoroidPlexus],
            other => panic!("{other}"),
        }
    };
    for name in ["ad-structures", "ad-structures-lr"] {
        for channel in scheme(name).channels_config() {
            for id in ids(channel) {
                let label = freesurfer::label(id).unwrap();
                assert!(tissues(&channel.name).contains(&label.tissue), "{}: {id}", channel.name);
                assert!(!label.extracerebral);
            }
        }
    }
    for channel in scheme("tissues").channels_config() {
        let expected: &[Tissue] = match channel.name.as_str() {
            "CSF" => &[Csf, Ventricle, ChoroidPlexus, Vessel],
            "grey matter" => &[CorticalGrey, DeepGrey, CerebellarGrey],
            _ => &[WhiteMatter, WhiteMatterLesion, CerebellarWhite, Brainstem],
        };
        for id in ids(channel) {
            assert!(expected.contains(&freesurfer::label(id).unwrap().tissue), "{id}");
        }
    }
}

#[test]
fn the_sides_apart_are_the_merged_channels_split() {
    let (merged, apart) = (scheme("ad-structures"), scheme("ad-structures-lr"));
    let all = |scheme: &LabelScheme| {
        let mut all: Vec<i32> = scheme.channels_config().iter().flat_map(ids).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(all(&merged), all(&apart));
    for channel in apart.channels_config() {
        let side = match channel.name.split(' ').next() {
            Some("left") => Some(Side::Left),
            Some("right") => Some(Side::Right),
            _ => None,
        };
        for id in ids(channel) {
            let label = freesurfer::label(id).unwrap();
            if let Some(side) = side {
                assert_eq!(label.side, side, "{id} in {}", channel.name);
                let partner = apart.channel_number(label.partner.unwrap()).unwrap();
                let name = &apart.channels_config()[partner - 1].name;
                let other = if side == Side::Left { "right" } else { "left" };
                assert_eq!(*name, format!("{other} {}", channel.name.split_once(' ').unwrap().1));
            }
        }
    }
    assert_eq!(apart.n_channels(), 25);
}

#[test]
fn the_published_networks_get_their_channels() {
    let head = scheme("med-ddpm-whole-head");
    let brats = scheme("med-ddpm-brats");
    assert_eq!((head.n_channels(), head.config().coding), (2, Coding::Signed));
    assert_eq!(head.representative_ids(), [1, 2]);
    assert_eq!((brats.n_channels(), brats.config().coding), (4, Coding::Unsigned));
    assert_eq!(brats.representative_ids(), [1, 2, 3, 4]);
    assert!(brats.channels_config()[3].required && brats.channels_config()[3].name == "brain");
    assert_eq!(scheme("slab-tissues").representative_ids(), [1, 2, 3, 4]);
    assert_eq!(scheme("tissues").n_channels(), 3);
}

#[test]
fn built_in_schemes_are_named_and_others_listed() {
    for name in BUILT_IN {
        assert_eq!(scheme(name).name(), name);
        assert_eq!(LabelScheme::open(name).unwrap(), scheme(name));
        let text = toml::to_string(scheme(name).config()).unwrap();
        assert_eq!(LabelScheme::from_toml(&text, "again").unwrap(), scheme(name));
    }
    let message = LabelScheme::open("ad").unwrap_err().to_string();
    assert!(message.contains("\"ad\"") && message.contains("ad-structures, ad-structures-lr"));
}

#[test]
fn folding_gives_the_ids_of_optional_channels_away() {
    let folded = scheme("ad-structures").folded().unwrap();
    assert_eq!((folded.n_channels(), folded.name()), (12, "ad-structures-folded"));
    let cortex = folded.channel_by_name("cortex").unwrap();
    assert_eq!((cortex, folded.channel_number(2006)), (6, Some(6)));
    assert!(folded.channel_by_name("entorhinal cortex").is_err());
    assert_eq!(folded.folded().unwrap().n_channels(), 12);
}

#[test]
fn a_scheme_of_ones_own_is_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.toml");
    let missing = LabelScheme::open(path.to_str().unwrap()).unwrap_err();
    assert!(matches!(missing, Error::Read { .. }) && missing.to_string().contains("own.toml"));
    let text = r#"
        format = "mrisynth-label-scheme"
        version = 1
        name = "mice"
        ids = "own"
        coding = "unsigned"
        background = [0, "900-999"]
        channels = [{ name = "brain", ids = ["1-20", 7000] }]
    "#;
    std::fs::write(&path, text).unwrap();
    let mice = LabelScheme::open(path.to_str().unwrap()).unwrap();
    assert_eq!((mice.channel_number(20), mice.channel_number(7000)), (Some(1), Some(1)));
    assert_eq!((mice.channel_number(950), mice.channel_number(21)), (Some(0), None));
    assert_eq!((mice.id_name(3), mice.id_name(21)), ("brain".into(), "unknown".into()));
}

#[test]
fn every_refused_scheme_names_its_field() {
    let message = |change: &dyn Fn(&mut LabelSchemeConfig)| {
        let mut config = scheme("ad-structures").config().clone();
        change(&mut config);
        LabelScheme::new(&config).unwrap_err().to_string()
    };
    assert!(message(&|c| c.format = "other".into()).starts_with("format"));
    assert!(message(&|c| c.version = 2).starts_with("version is 2"));
    assert!(message(&|c| c.name = " ".into()).starts_with("name"));
    assert!(message(&|c| c.channels.clear()).starts_with("channels"));
    assert!(message(&|c| c.channels[0].name.clear()).starts_with("channels.name"));
    assert!(message(&|c| c.channels[0].name = "cortex".into()).contains("\"cortex\" twice"));
    assert!(message(&|c| c.channels[3].ids.clear()).starts_with("ids of channel \"hippocampus\""));
    assert!(message(&|c| c.channels[3].ids.push(6000.into())).contains("6000"));
    assert!(
        message(&|c| c.channels[3].ids.push(18.into()))
            .contains("18 in hippocampus and in amygdala")
    );
    assert!(message(&|c| c.channels[3].ids.push(512.into())).contains("the background"));
    assert!(
        message(&|c| c.channels[3].ids.push(IdRange { first: 9, last: 6 }))
            .contains("lower id first")
    );
    assert!(
        message(&|c| c.channels[3].plausible_ml = Some([5.0, 2.0])).starts_with("plausible_ml")
    );
    assert!(
        message(&|c| c.channels[3].plausible_ml = Some([0.0, f64::NAN])).starts_with("plausible")
    );
    assert!(
        message(&|c| c.channels[3].folds_into = Some("cortex".into()))
            .contains("as it is required")
    );
    assert!(
        message(&|c| c.channels[5].folds_into = Some("cortices".into())).contains("\"cortices\"")
    );
    assert!(
        message(&|c| c.channels[5].folds_into = Some("entorhinal cortex".into())).contains("folds")
    );
    assert!(message(&|c| c.background.remove(0).first = 0).contains("0 among the background"));
    let syntax = LabelScheme::from_toml("name = 3", "mine.toml").unwrap_err().to_string();
    assert!(syntax.starts_with("mine.toml: "), "{syntax}");
    let stranger = LabelScheme::from_toml("colour = 'red'", "mine.toml").unwrap_err().to_string();
    assert!(stranger.contains("colour"), "{stranger}");
}

#[test]
fn partners_are_freesurfers_or_the_schemes_own() {
    assert_eq!(scheme("ad-structures").partner(17), Some(53));
    let slabs = scheme("slab-tissues");
    assert_eq!(slabs.partner(2), None, "41 is FreeSurfer's, not the scheme's");
    let with = |partners: &[[i32; 2]]| {
        let partners = partners.to_vec();
        LabelScheme::new(&LabelSchemeConfig { partners, ..slabs.config().clone() })
    };
    let paired = with(&[[1, 4], [2, 3]]).unwrap();
    assert_eq!(
        [1, 2, 3, 4, 0].map(|id| paired.partner(id)),
        [Some(4), Some(3), Some(2), Some(1), None]
    );
    let text = toml::to_string(paired.config()).unwrap();
    assert_eq!(LabelScheme::from_toml(&text, "again").unwrap(), paired);
    assert!(!toml::to_string(slabs.config()).unwrap().contains("partners"));
    for (partners, says) in
        [(&[[1, 1]][..], "1 twice"), (&[[1, 2], [2, 3]], "2 twice"), (&[[1, 9]], "partners is 9")]
    {
        let error = with(partners).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let partners = vec![[17, 53]];
    let listed = LabelSchemeConfig { partners, ..scheme("ad-structures").config().clone() };
    assert!(LabelScheme::new(&listed).is_err());
}
