//! The table itself. Pairs are left, right, name without its side, tissue, colour (and the colour
//! of the right one where it differs).

use super::{Label, Side, Tissue};

const fn label(
    id: i32,
    name: &'static str,
    (side, partner): (Side, Option<i32>),
    (tissue, extracerebral): (Tissue, bool),
    colour: [u8; 3],
) -> Label {
    Label { id, name, side, partner, tissue, extracerebral, colour }
}

/// The two labels `Left-NAME` and `Right-NAME`, after a prefix.
macro_rules! pair {
    ($left:literal, $right:literal, $name:literal, $tissue:ident, $colour:expr) => {
        pair!($left, $right, "", $name, ($tissue, false), $colour, $colour)
    };
    ($left:literal, $right:literal, $name:literal, $tissue:ident, $colour:expr, $other:expr) => {
        pair!($left, $right, "", $name, ($tissue, false), $colour, $other)
    };
    ($left:literal, $right:literal, $prefix:literal, $name:literal,
     ($tissue:ident, $outside:literal), $colour:expr, $other:expr) => {
        [
            label(
                $left,
                concat!($prefix, "Left-", $name),
                (Side::Left, Some($right)),
                (Tissue::$tissue, $outside),
                $colour,
            ),
            label(
                $right,
                concat!($prefix, "Right-", $name),
                (Side::Right, Some($left)),
                (Tissue::$tissue, $outside),
                $other,
            ),
        ]
    };
}

/// A structure of the brain without a partner.
const fn brain(id: i32, name: &'static str, side: Side, tissue: Tissue, colour: [u8; 3]) -> Label {
    label(id, name, (side, None), (tissue, false), colour)
}

/// A structure outside the brain.
const fn head(id: i32, name: &'static str, tissue: Tissue, colour: [u8; 3]) -> Label {
    label(id, name, (Side::Unsided, None), (tissue, true), colour)
}

/// The cortical parcel of this number in the Desikan–Killiany atlas, left and right, and the white
/// matter below it, whose colour is the complement.
macro_rules! parcel {
    ($number:literal, $name:literal, $colour:expr) => {
        parcel!($number, $name, $colour, complement($colour))
    };
    ($number:literal, $name:literal, $colour:expr, $white:expr) => {
        [
            parcel!("ctx-lh-", $name, Left, 1000 + $number, 2000 + $number, CorticalGrey, $colour),
            parcel!("ctx-rh-", $name, Right, 2000 + $number, 1000 + $number, CorticalGrey, $colour),
            parcel!("wm-lh-", $name, Left, 3000 + $number, 4000 + $number, WhiteMatter, $white),
            parcel!("wm-rh-", $name, Right, 4000 + $number, 3000 + $number, WhiteMatter, $white),
        ]
    };
    ($prefix:literal, $name:literal, $side:ident, $id:expr, $other:expr, $tissue:ident, $colour:expr) => {
        label(
            $id,
            concat!($prefix, $name),
            (Side::$side, Some($other)),
            (Tissue::$tissue, false),
            $colour,
        )
    };
}

const fn complement([r, g, b]: [u8; 3]) -> [u8; 3] {
    [255 - r, 255 - g, 255 - b]
}

pub(super) const PAIRS: &[[Label; 2]] = &[
    pair!(2, 41, "Cerebral-White-Matter", WhiteMatter, [245, 245, 245]),
    pair!(3, 42, "Cerebral-Cortex", CorticalGrey, [205, 62, 78]),
    pair!(4, 43, "Lateral-Ventricle", Ventricle, [120, 18, 134]),
    pair!(5, 44, "Inf-Lat-Vent", Ventricle, [196, 58, 250]),
    pair!(7, 46, "Cerebellum-White-Matter", CerebellarWhite, [220, 248, 164]),
    pair!(8, 47, "Cerebellum-Cortex", CerebellarGrey, [230, 148, 34]),
    pair!(9, 48, "Thalamus-unused", DeepGrey, [0, 118, 14]),
    pair!(10, 49, "Thalamus", DeepGrey, [0, 118, 14]),
    pair!(11, 50, "Caudate", DeepGrey, [122, 186, 220]),
    pair!(12, 51, "Putamen", DeepGrey, [236, 13, 176]),
    pair!(13, 52, "Pallidum", DeepGrey, [12, 48, 255], [13, 48, 255]),
    pair!(17, 53, "Hippocampus", DeepGrey, [220, 216, 20]),
    pair!(18, 54, "Amygdala", DeepGrey, [103, 255, 255]),
    pair!(19, 55, "Insula", CorticalGrey, [80, 196, 98]),
    pair!(20, 56, "Operculum", CorticalGrey, [60, 58, 210]),
    pair!(25, 57, "Lesion", WhiteMatterLesion, [255, 165, 0]),
    pair!(26, 58, "Accumbens-area", DeepGrey, [255, 165, 0]),
    pair!(27, 59, "Substancia-Nigra", DeepGrey, [0, 255, 127]),
    pair!(28, 60, "VentralDC", DeepGrey, [165, 42, 42]),
    pair!(29, 61, "undetermined", DeepGrey, [135, 206, 235]),
    pair!(30, 62, "vessel", Vessel, [160, 32, 240]),
    pair!(31, 63, "choroid-plexus", ChoroidPlexus, [0, 200, 200], [0, 200, 221]),
    pair!(34, 66, "WMCrowns", WhiteMatter, [123, 135, 50], [122, 135, 50]),
    pair!(75, 76, "Locus-Coeruleus", Brainstem, [91, 97, 255], [0, 7, 218]),
    pair!(78, 79, "WM-hypointensities", WhiteMatterLesion, [255, 148, 10]),
    pair!(81, 82, "non-WM-hypointensities", DeepGrey, [164, 108, 226]),
    pair!(96, 97, "Amygdala-Anterior", DeepGrey, [205, 10, 125]),
    pair!(
        136,
        163,
        "SynthSeg-",
        "Lateral-Ventricle-choroid-plexus",
        (ChoroidPlexus, false),
        [0, 200, 200],
        [0, 200, 221]
    ),
    pair!(
        137,
        164,
        "SynthSeg-",
        "Inf-Lat-Vent-choroid-plexus",
        (ChoroidPlexus, false),
        [0, 200, 200],
        [0, 200, 221]
    ),
    pair!(138, 139, "Claustrum", DeepGrey, [65, 135, 20]),
    pair!(155, 156, "IntCapsule-Ant", WhiteMatter, [238, 59, 59]),
    pair!(157, 158, "IntCapsule-Pos", WhiteMatter, [62, 10, 205]),
    pair!(183, 184, "Vermis", CerebellarGrey, [119, 100, 176], [100, 119, 176]),
    pair!(263, 264, "", "Eustachian", (Air, true), [119, 159, 176], [119, 159, 176]),
    pair!(265, 266, "", "Eyeball", (Eye, true), [60, 60, 60], [60, 60, 60]),
    pair!(5001, 5002, "UnsegmentedWhiteMatter", WhiteMatter, [20, 30, 40]),
];

pub(super) const SINGLES: &[Label] = &[
    brain(0, "Unknown", Side::Unsided, Tissue::Background, [0, 0, 0]),
    brain(14, "3rd-Ventricle", Side::Midline, Tissue::Ventricle, [204, 182, 142]),
    brain(15, "4th-Ventricle", Side::Midline, Tissue::Ventricle, [42, 204, 164]),
    brain(16, "Brain-Stem", Side::Midline, Tissue::Brainstem, [119, 159, 176]),
    brain(24, "CSF", Side::Unsided, Tissue::Csf, [60, 60, 60]),
    brain(72, "5th-Ventricle", Side::Midline, Tissue::Ventricle, [120, 190, 150]),
    brain(77, "WM-hypointensities", Side::Unsided, Tissue::WhiteMatterLesion, [200, 70, 255]),
    brain(80, "non-WM-hypointensities", Side::Unsided, Tissue::DeepGrey, [164, 108, 226]),
    brain(85, "Optic-Chiasm", Side::Midline, Tissue::WhiteMatter, [234, 169, 30]),
    brain(99, "Lesion", Side::Unsided, Tissue::WhiteMatterLesion, [255, 165, 0]),
    brain(172, "Vermis", Side::Midline, Tissue::CerebellarGrey, [119, 100, 176]),
    brain(173, "Midbrain", Side::Midline, Tissue::Brainstem, [242, 104, 76]),
    brain(174, "Pons", Side::Midline, Tissue::Brainstem, [206, 195, 58]),
    brain(175, "Medulla", Side::Midline, Tissue::Brainstem, [119, 159, 176]),
    brain(177, "Vermis-White-Matter", Side::Midline, Tissue::CerebellarWhite, [119, 50, 176]),
    brain(178, "SCP", Side::Unsided, Tissue::Brainstem, [142, 182, 0]),
    brain(192, "Corpus_Callosum", Side::Midline, Tissue::WhiteMatter, [0, 0, 160]),
    brain(250, "Fornix", Side::Unsided, Tissue::WhiteMatter, [255, 0, 0]),
    brain(251, "CC_Posterior", Side::Midline, Tissue::WhiteMatter, [0, 0, 64]),
    brain(252, "CC_Mid_Posterior", Side::Midline, Tissue::WhiteMatter, [0, 0, 112]),
    brain(253, "CC_Central", Side::Midline, Tissue::WhiteMatter, [0, 0, 160]),
    brain(254, "CC_Mid_Anterior", Side::Midline, Tissue::WhiteMatter, [0, 0, 208]),
    brain(255, "CC_Anterior", Side::Midline, Tissue::WhiteMatter, [0, 0, 255]),
    brain(257, "CSF-ExtraCerebral", Side::Unsided, Tissue::Csf, [60, 60, 60]),
    brain(520, "SAMSEG-CHARM-Cortical-CSF", Side::Unsided, Tissue::Csf, [120, 133, 217]),
    brain(920, "Cortical-CSF", Side::Unsided, Tissue::Csf, [120, 133, 217]),
    head(98, "Dura", Tissue::SoftTissue, [160, 32, 240]),
    head(118, "Epidermis", Tissue::Skin, [255, 20, 147]),
    head(121, "Cranium", Tissue::CompactBone, [200, 200, 200]),
    head(126, "Spinal-Cord", Tissue::Brainstem, [133, 203, 229]),
    head(127, "Soft-Tissue", Tissue::SoftTissue, [26, 237, 57]),
    head(129, "Bone", Tissue::CompactBone, [30, 144, 255]),
    head(130, "AirCavity", Tissue::Air, [196, 160, 128]),
    head(165, "Skull", Tissue::CompactBone, [120, 120, 120]),
    head(167, "Scalp", Tissue::Skin, [166, 42, 42]),
    head(258, "Head-ExtraCerebral", Tissue::SoftTissue, [150, 150, 200]),
    head(259, "Eye-Fluid", Tissue::Eye, [60, 60, 60]),
    head(260, "BoneOrAir", Tissue::CompactBone, [119, 159, 176]),
    head(262, "Sinus", Tissue::Air, [196, 160, 128]),
    head(501, "SAMSEG-CHARM-Air-Internal", Tissue::Air, [0, 170, 0]),
    head(502, "SAMSEG-CHARM-Artery", Tissue::Vessel, [204, 0, 0]),
    head(506, "SAMSEG-CHARM-EyeBalls", Tissue::Eye, [230, 189, 66]),
    head(507, "SAMSEG-CHARM-Other-Tissues", Tissue::SoftTissue, [85, 85, 0]),
    head(508, "SAMSEG-CHARM-Rectus-Muscles", Tissue::Muscle, [190, 50, 73]),
    head(509, "SAMSEG-CHARM-Mucosa", Tissue::Mucosa, [255, 160, 188]),
    head(511, "SAMSEG-CHARM-Skin", Tissue::Skin, [85, 85, 85]),
    head(512, "SAMSEG-CHARM-Spinal-Cord", Tissue::Brainstem, [0, 187, 169]),
    head(514, "SAMSEG-CHARM-Vein", Tissue::Vessel, [0, 84, 255]),
    head(515, "SAMSEG-CHARM-Bone-Cortical", Tissue::CompactBone, [0, 85, 0]),
    head(516, "SAMSEG-CHARM-Bone-Cancellous", Tissue::SpongyBone, [190, 156, 120]),
    head(517, "SAMSEG-CHARM-Background", Tissue::Background, [0, 168, 255]),
    head(530, "SAMSEG-CHARM-Optic-Nerve", Tissue::WhiteMatter, [0, 191, 122]),
    head(901, "Air-Internal", Tissue::Air, [0, 170, 0]),
    head(902, "Artery", Tissue::Vessel, [204, 0, 0]),
    head(906, "EyeBalls", Tissue::Eye, [230, 189, 66]),
    head(907, "Other-Tissues", Tissue::SoftTissue, [85, 85, 0]),
    head(908, "Rectus-Muscles", Tissue::Muscle, [190, 50, 73]),
    head(909, "Mucosa", Tissue::Mucosa, [255, 160, 188]),
    head(911, "Skin", Tissue::Skin, [85, 85, 85]),
    head(912, "Charm-Spinal-Cord", Tissue::Brainstem, [0, 187, 169]),
    head(914, "Vein", Tissue::Vessel, [0, 84, 255]),
    head(915, "Bone-Cortical", Tissue::CompactBone, [0, 85, 0]),
    head(916, "Bone-Cancellous", Tissue::SpongyBone, [190, 156, 120]),
    head(917, "Charm-Background", Tissue::Background, [0, 168, 255]),
    head(930, "Optic-Nerve", Tissue::WhiteMatter, [0, 191, 122]),
];

pub(super) const PARCELS: &[[Label; 4]] = &[
    parcel!(0, "unknown", [25, 5, 25]),
    parcel!(1, "bankssts", [25, 100, 40]),
    parcel!(2, "caudalanteriorcingulate", [125, 100, 160]),
    parcel!(3, "caudalmiddlefrontal", [100, 25, 0]),
    parcel!(4, "corpuscallosum", [120, 70, 50]),
    parcel!(5, "cuneus", [220, 20, 100]),
    parcel!(6, "entorhinal", [220, 20, 10]),
    parcel!(7, "fusiform", [180, 220, 140]),
    parcel!(8, "inferiorparietal", [220, 60, 220]),
    parcel!(9, "inferiortemporal", [180, 40, 120]),
    parcel!(10, "isthmuscingulate", [140, 20, 140]),
    parcel!(11, "lateraloccipital", [20, 30, 140]),
    parcel!(12, "lateralorbitofrontal", [35, 75, 50]),
    parcel!(13, "lingual", [225, 140, 140]),
    parcel!(14, "medialorbitofrontal", [200, 35, 75]),
    parcel!(15, "middletemporal", [160, 100, 50]),
    parcel!(16, "parahippocampal", [20, 220, 60]),
    parcel!(17, "paracentral", [60, 220, 60]),
    parcel!(18, "parsopercularis", [220, 180, 140]),
    parcel!(19, "parsorbitalis", [20, 100, 50]),
    parcel!(20, "parstriangularis", [220, 60, 20]),
    parcel!(21, "pericalcarine", [120, 100, 60]),
    parcel!(22, "postcentral", [220, 20, 20]),
    parcel!(23, "posteriorcingulate", [220, 180, 220]),
    parcel!(24, "precentral", [60, 20, 220]),
    parcel!(25, "precuneus", [160, 140, 180]),
    parcel!(26, "rostralanteriorcingulate", [80, 20, 140]),
    parcel!(27, "rostralmiddlefrontal", [75, 50, 125]),
    parcel!(28, "superiorfrontal", [20, 220, 160]),
    parcel!(29, "superiorparietal", [20, 180, 140]),
    parcel!(30, "superiortemporal", [140, 220, 220]),
    parcel!(31, "supramarginal", [80, 160, 20]),
    parcel!(32, "frontalpole", [100, 0, 100]),
    parcel!(33, "temporalpole", [70, 70, 70]),
    parcel!(34, "transversetemporal", [150, 150, 200]),
    parcel!(35, "insula", [255, 192, 32], [20, 220, 160]),
];
