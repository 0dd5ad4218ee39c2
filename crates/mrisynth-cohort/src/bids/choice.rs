//! Which image and which label map of each visit.

use std::collections::BTreeMap;

use super::tree::ImageFile;
use super::{BidsName, Finding, FindingKind, ScanOptions, finding};
use crate::visit::{SUFFIXES, Visit};

/// The suffix of label maps.
const DSEG: &str = "dseg";
/// Entities by which a label map names the image that it was made of.
const OF_IMAGE: [&str; 4] = ["acq", "run", "rec", "ce"];
/// Spaces that are the subject's own; a suffix, such as `space-T1w`, is one too.
const OWN_SPACES: [&str; 3] = ["orig", "individual", "native"];

/// The files of one visit.
#[derive(Default)]
struct Candidates {
    images: BTreeMap<&'static str, Vec<ImageFile>>,
    masks: Vec<ImageFile>,
}

pub(super) fn visits(
    files: Vec<ImageFile>,
    options: &ScanOptions,
    findings: &mut Vec<Finding>,
) -> Vec<Visit> {
    let mut visits = BTreeMap::<(String, Option<String>), Candidates>::new();
    for file in files {
        let key = (file.name.subject(), file.name.session());
        let suffix = SUFFIXES.into_iter().find(|suffix| *suffix == file.name.image_suffix());
        match suffix {
            _ if file.name.suffix() == DSEG => {
                if is_wanted(&file, options, findings) {
                    visits.entry(key).or_default().masks.push(file);
                }
            }
            // Derived images are copies of those that stand in the tree.
            _ if file.is_derived => {}
            Some(suffix) => {
                visits.entry(key).or_default().images.entry(suffix).or_default().push(file);
            }
            None => {
                let detail = format!("no column for the suffix {}; left out", file.name.suffix());
                findings.push(finding(FindingKind::OtherSuffix, &file.path, detail));
            }
        }
    }
    visits.into_iter().map(|(key, files)| visit(key, files, findings)).collect()
}

/// Whether a label map is of the description and space asked for.
fn is_wanted(file: &ImageFile, options: &ScanOptions, findings: &mut Vec<Finding>) -> bool {
    let own = |space: &str| OWN_SPACES.contains(&space) || SUFFIXES.contains(&space);
    let is_there = match (file.name.entity("space"), options.space.as_deref()) {
        (found, Some(wanted)) => found == Some(wanted),
        (Some(found), None) => own(found),
        (None, None) => true,
    };
    if !is_there {
        let space = file.name.entity("space").unwrap_or("the subject's own");
        let detail = format!("is in the space {space}; left out");
        findings.push(finding(FindingKind::OtherSpace, &file.path, detail));
    }
    is_there && options.desc.as_deref().is_none_or(|desc| file.name.entity("desc") == Some(desc))
}

fn visit(
    (subject, session): (String, Option<String>),
    files: Candidates,
    findings: &mut Vec<Finding>,
) -> Visit {
    let images = files
        .images
        .into_iter()
        .filter_map(|(suffix, files)| Some((suffix, first_of(files, suffix, findings)?)));
    let images: Vec<(&str, ImageFile)> = images.collect();
    let (fitting, others): (Vec<_>, Vec<_>) =
        files.masks.into_iter().partition(|mask: &ImageFile| {
            images.is_empty() || images.iter().any(|(_, image)| is_of(&mask.name, &image.name))
        });
    for mask in others {
        let detail = "its entities fit no image that was chosen; left out";
        findings.push(finding(FindingKind::MaskOfOtherImage, &mask.path, detail));
    }
    let mask = first_of(fitting, "label map", findings);
    match (images.first(), &mask) {
        (Some((_, image)), None) => {
            let detail = "a visit without a label map";
            findings.push(finding(FindingKind::WithoutMask, &image.path, detail));
        }
        (None, Some(mask)) => {
            let detail = "a label map of a visit without images";
            findings.push(finding(FindingKind::WithoutImage, &mask.path, detail));
        }
        _ => {}
    }
    let images = images.into_iter().map(|(suffix, file)| (suffix.to_owned(), file.path)).collect();
    Visit { subject, session, images, mask: mask.map(|mask| mask.path), ..Visit::default() }
}

/// A label map that names an image must name this one; what it leaves open fits every image.
fn is_of(mask: &BidsName, image: &BidsName) -> bool {
    let agrees = |key: &&str| {
        let named = mask.entity(key);
        named.is_none() || named == image.entity(key)
    };
    OF_IMAGE.iter().all(agrees)
}

fn first_of(
    mut files: Vec<ImageFile>,
    what: &str,
    findings: &mut Vec<Finding>,
) -> Option<ImageFile> {
    let order = |file: &ImageFile| (file.name.n_further(), file.name.run(), file.path.clone());
    files.sort_by_cached_key(order);
    let mut files = files.into_iter();
    let first = files.next()?;
    for other in files {
        let detail = format!("another {what} of the visit of {}; left out", first.path.display());
        findings.push(finding(FindingKind::Duplicate, &other.path, detail));
    }
    Some(first)
}
