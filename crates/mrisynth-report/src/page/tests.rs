//! Pages are whole, escaped, the same every time, and need nothing beside them.

use std::collections::BTreeMap;

use mrisynth_volume::{Affine, Geometry, LabelMap, Volume};

use super::*;
use crate::estimate::Estimate;
use crate::html::tests::tags;
use crate::montage::MontageOptions;
use crate::picture::Picture;
use crate::plot::svg::{FAINT, INK, PAIR};
use crate::plot::{LineAxes, LineSeries, line_plot};

const HOSTILE: &str = "</td><script src=x>&\"'<b>\u{1}";

fn settings(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn metric(name: &str, value: f64, entries: &[(&str, &str)]) -> MetricRow {
    MetricRow {
        name: name.into(),
        group: HOSTILE.into(),
        estimate: Estimate { value, interval: Some([0.5, 0.9]) },
        level: Some(0.95),
        n: 12,
        settings: settings(entries),
    }
}

fn study(published: Vec<PublishedRow>) -> StudyTable {
    let estimate = Some(Estimate { value: 0.81, interval: None });
    StudyTable {
        caption: HOSTILE.into(),
        row_header: "trained on".into(),
        columns: vec!["Dice".into(), "HD95".into()],
        ours: vec![StudyRow { name: "real".into(), cells: vec![estimate, None] }],
        published,
        settings: Facts(vec![("seed".into(), "7".into())]),
    }
}

fn published(source: &str) -> PublishedRow {
    let cells = vec![Some(Estimate { value: 0.77, interval: None }); 2];
    PublishedRow { row: StudyRow { name: HOSTILE.into(), cells }, source: source.into() }
}

fn figure(picture: Picture) -> Figure {
    Figure { picture, alt: HOSTILE.into(), caption: HOSTILE.into() }
}

fn gallery() -> Gallery {
    let geometry = Geometry::new([10, 12, 8], Affine::identity()).unwrap();
    let labels = |[x, y, z]: [usize; 3]| if x > 5 { 17 + (y + z) as i32 % 2 } else { 0 };
    let mask = LabelMap::from_fn(geometry, labels);
    let scan = Volume::from_fn(geometry, |[x, y, z]| (x * y * z) as f32);
    let options = MontageOptions { longest_side_px: 40, ..MontageOptions::default() };
    let real = Some(&scan);
    let case = Case { name: HOSTILE, mask: &mask, synthetic: &scan, real, palette: None };
    let edited = Case { name: "edited", real: None, ..case };
    let rows = [case, edited].map(|case| case.figures(&options).unwrap());
    Gallery { rows: rows.into(), legend: LegendEntry::of(&[&mask]) }
}

/// A page with every kind of block, and text that would break it.
fn page() -> Page {
    let points = vec![[0.0, 1.0], [1.0, 0.1]];
    let series = [LineSeries { label: HOSTILE.into(), points }];
    let svg = line_plot(HOSTILE, &LineAxes::default(), &series).unwrap();
    let rows = vec![
        metric("Dice", 0.7, &[("seed", "7"), ("label", "17")]),
        metric("Dice", 0.8, &[("seed", "7"), ("label", HOSTILE)]),
    ];
    let blocks = vec![
        Block::Text(HOSTILE.into()),
        Block::Figure(figure(Picture::black(30, 20).unwrap())),
        Block::Gallery(gallery()),
        Block::Drawing(Drawing { svg, alt: HOSTILE.into(), caption: HOSTILE.into() }),
        Block::Metrics(MetricTable { caption: HOSTILE.into(), rows }),
        Block::Study(study(vec![published("Somebody et al. (2024), table 2")])),
        Block::Card(Card { title: HOSTILE.into(), markdown: format!("# {HOSTILE}\n- {HOSTILE}") }),
        Block::Provenance(Facts(vec![(HOSTILE.into(), HOSTILE.into())])),
        Block::Skipped(HOSTILE.into()),
    ];
    let section = |title: &str, blocks| Section { title: title.into(), blocks };
    Page {
        title: HOSTILE.into(),
        summary: HOSTILE.into(),
        reference: Reference::Phantom,
        sections: vec![section("All", blocks), section(HOSTILE, vec![])],
    }
}

fn with(block: Block) -> Page {
    let sections = vec![Section { title: "s".into(), blocks: vec![block] }];
    let (title, summary) = ("t".into(), String::new());
    Page { title, summary, reference: Reference::People, sections }
}

fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_page_is_well_formed_and_needs_nothing_beside_it() {
    let html = page().to_html().unwrap();
    assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("url("));
    let tags = tags(&html);
    assert!(tags.iter().all(|(name, _)| !["script", "link", "iframe"].contains(&name.as_str())));
    for (name, attributes) in &tags {
        assert!(attributes.iter().all(|(key, _)| !key.starts_with("on")), "{name} {attributes:?}");
        match name.as_str() {
            "img" => {
                let source = attribute(attributes, "src").unwrap();
                assert!(source.starts_with("data:image/png;base64,"));
                assert!(attribute(attributes, "alt").is_some_and(|alt| !alt.is_empty()));
            }
            "svg" => assert!(attribute(attributes, "aria-label").is_some()),
            "th" => assert!(attribute(attributes, "scope").is_some()),
            "a" => {
                let target = attribute(attributes, "href").unwrap().strip_prefix('#').unwrap();
                let is_it = |(_, a): &(String, Vec<_>)| attribute(a, "id") == Some(target);
                assert_eq!(tags.iter().filter(|tag| is_it(tag)).count(), 1, "{target}");
            }
            _ => {}
        }
    }
    // 1 alone, 5 of the case with a real scan and 3 of the one without.
    assert_eq!(tags.iter().filter(|(name, _)| name == "img").count(), 1 + 5 + 3);
}

#[test]
fn no_text_becomes_markup() {
    let html = page().to_html().unwrap();
    assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains('\u{1}'));
    // Everywhere that it was given, and as the label of drawings and pictures.
    assert!(html.matches("&lt;/td&gt;&lt;script src=x&gt;&amp;&quot;'&lt;b&gt;").count() > 20);
}

#[test]
fn the_same_page_has_the_same_bytes() {
    assert_eq!(page().to_html().unwrap(), page().to_html().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    page().write(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page().to_html().unwrap());
}

#[test]
fn every_page_says_that_scans_are_synthetic() {
    for reference in [Reference::Phantom, Reference::People] {
        let html = Page { reference, ..page() }.to_html().unwrap();
        let banner = html.split("class=\"banner\"").nth(1).unwrap();
        assert!(banner.contains("All scans here are synthetic"));
    }
}

#[test]
fn settings_are_complete_and_shared_ones_stand_once() {
    let html = page().to_html().unwrap();
    assert_eq!(html.matches("seed 7").count(), 1);
    assert!(html.contains("<td>label 17</td>"));
    assert!(html.contains(">0.700</td>") && html.contains(">[0.500, 0.900]</td>"));
    assert!(html.contains(">95 %</td>"));
}

#[test]
fn published_numbers_stand_apart_and_name_their_source() {
    let html = page().to_html().unwrap();
    let (ours, theirs) = html.split_once("Published numbers").unwrap();
    assert!(ours.contains("0.810") && !ours.contains("0.770"));
    assert!(theirs.contains("0.770") && theirs.contains("Somebody et al. (2024), table 2"));
    assert!(with(Block::Study(study(vec![published(" ")]))).to_html().is_err());
    assert!(!with(Block::Study(study(vec![]))).to_html().unwrap().contains("Published"));
}

#[test]
fn what_is_incomplete_is_refused() {
    let picture = Picture::black(3, 3).unwrap();
    let mute = Figure { alt: " ".into(), ..figure(picture) };
    let mut short = study(vec![]);
    short.ours[0].cells.pop();
    let no_arms = StudyTable { ours: vec![], ..study(vec![]) };
    for block in [
        Block::Figure(mute),
        Block::Metrics(MetricTable::default()),
        Block::Study(short),
        Block::Study(no_arms),
    ] {
        let error = with(block.clone()).to_html().unwrap_err();
        assert!(matches!(error, Error::Argument { .. }), "{block:?}");
    }
}

#[test]
fn a_legend_names_every_label_that_is_drawn() {
    let legend = gallery().legend;
    let names: Vec<_> = legend.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["Left-Hippocampus", "Left-Amygdala"]);
    assert_eq!(legend[0].colour, crate::Palette::FreeSurfer.colour(17));
}

#[test]
fn wide_pictures_are_scaled_down_and_pages_bounded() {
    let wide = figure(Picture::black(2 * MAX_FIGURE_WIDTH_PX, 10).unwrap());
    let html = with(Block::Figure(wide)).to_html().unwrap();
    assert!(html.contains(&format!("width=\"{MAX_FIGURE_WIDTH_PX}\" height=\"5\"")));
    let long = Block::Text("x".repeat(MAX_PAGE_BYTES / 2));
    let mut page = with(long.clone());
    page.sections[0].blocks.push(long);
    assert!(matches!(page.to_html(), Err(Error::TooLarge { .. })));
}

#[test]
fn dark_mode_knows_the_inks_of_plots() {
    for ink in [INK, FAINT, PAIR[0], PAIR[1]] {
        assert!(STYLE.contains(&format!("\"{ink}\"")), "{ink}");
    }
}
