//! Pictures and drawings with their descriptions.

use mrisynth_volume::{LabelMap, Volume, freesurfer};

use crate::error::{Error, Result};
use crate::html::{Html, base64};
use crate::montage::{MontageOptions, Overlay, bare_montage};
use crate::palette::Palette;
use crate::picture::Picture;
use crate::plot::Svg;

/// Wider pictures are scaled down to this on a page.
pub const MAX_FIGURE_WIDTH_PX: usize = 1600;

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The picture.
    pub picture: Picture,
    /// What it shows, for those who do not see it.
    pub alt: String,
    /// What is written below it.
    pub caption: String,
}

/// A plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// The plot.
    pub svg: Svg,
    /// What it shows, for those who do not see it.
    pub alt: String,
    /// What is written below it.
    pub caption: String,
}

/// Pictures of several subjects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gallery {
    /// The subjects.
    pub rows: Vec<GalleryRow>,
    /// What the colours mean.
    pub legend: Vec<LegendEntry>,
}

/// The pictures of one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct GalleryRow {
    /// Whose pictures they are.
    pub name: String,
    /// The pictures.
    pub figures: Vec<Figure>,
}

/// The meaning of a colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegendEntry {
    /// What is drawn in it.
    pub name: String,
    /// The colour: red, green, blue.
    pub colour: [u8; 3],
}

/// A mask, the scan that was synthesised from it, and the scan that the mask was made from.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The mask.
    pub mask: &'a LabelMap,
    /// The scan made from it.
    pub synthetic: &'a Volume,
    /// The real scan, where there is one: an edited mask has none.
    pub real: Option<&'a Volume>,
    /// The colours of the labels; by default those of [`Palette::for_map`].
    pub palette: Option<&'a Palette>,
}

impl Case<'_> {
    /// The mask, the synthetic and the real scan in three planes, then the scans with the mask over
    /// them. Without a focus in the options the planes go through the middle of what is labelled.
    ///
    /// # Errors
    /// Those of [`montage`](crate::montage).
    pub fn figures(&self, options: &MontageOptions) -> Result<GalleryRow> {
        let focus_mm = options.focus_mm.or_else(|| middle_mm(self.mask));
        let options = MontageOptions { focus_mm, ..options.clone() };
        let mut overlay = Overlay::new(self.mask);
        if let Some(palette) = self.palette {
            overlay.palette = palette.clone();
        }
        let opaque = Overlay { opacity: 1.0, ..overlay.clone() };
        let empty = self.mask.map(|_| 0.0);
        let over = Some(&overlay);
        let drawn = [
            ("mask", Some(&empty), Some(&opaque)),
            ("synthetic", Some(self.synthetic), None),
            ("real", self.real, None),
            ("synthetic, mask over it", Some(self.synthetic), over),
            ("real, mask over it", self.real, over),
        ];
        let there =
            drawn.into_iter().filter_map(|(what, volume, over)| Some((what, volume?, over)));
        let figures = there.map(|(what, volume, over)| self.figure(what, volume, over, &options));
        Ok(GalleryRow { name: self.name.to_owned(), figures: figures.collect::<Result<_>>()? })
    }

    fn figure(
        &self,
        what: &str,
        volume: &Volume,
        overlay: Option<&Overlay<'_>>,
        options: &MontageOptions,
    ) -> Result<Figure> {
        let (picture, details) = bare_montage(volume, overlay, options)?;
        let alt = format!("{}, {what}: sagittal, coronal and axial plane", self.name);
        Ok(Figure { picture, alt, caption: format!("{what}: {}", details.join(", ")) })
    }
}

/// The middle of the box around all labels.
fn middle_mm(labels: &LabelMap) -> Option<[f64; 3]> {
    let around = labels.foreground_box()?;
    let half = |axis: usize| (around.shape[axis] - 1) as f64 / 2.0;
    let middle = [0, 1, 2].map(|axis| around.start[axis] as f64 + half(axis));
    Some(labels.geometry().voxel_to_world().apply(middle))
}

impl LegendEntry {
    /// The labels of these maps in the colours that overlays have, by the names of FreeSurfer's
    /// table where it lists them, by number otherwise.
    #[must_use]
    pub fn of(masks: &[&LabelMap]) -> Vec<Self> {
        let labels = masks.iter().flat_map(|mask| {
            let palette = Palette::for_map(mask);
            let drawn: Vec<i32> = mask.counts().into_keys().filter(|&label| label != 0).collect();
            drawn.into_iter().map(move |label| (label, palette.clone()))
        });
        let by_number: std::collections::BTreeMap<i32, Palette> = labels.collect();
        let entry = |(label, palette): (i32, Palette)| {
            let listed = freesurfer::label(label).filter(|_| palette == Palette::FreeSurfer);
            let name = listed.map_or_else(|| format!("label {label}"), |l| l.name.to_owned());
            Self { name, colour: palette.colour(label) }
        };
        by_number.into_iter().map(entry).collect()
    }
}

impl Figure {
    pub(super) fn draw(&self, html: &mut Html) -> Result<()> {
        refuse_missing_description(&self.alt, &self.caption)?;
        let picture = self.picture.shrunk_to_width(MAX_FIGURE_WIDTH_PX);
        html.element("figure", &[], |html| {
            draw_picture(&picture, &self.alt, html)?;
            html.leaf("figcaption", &[], &self.caption);
            Ok(())
        })
    }
}

impl Drawing {
    pub(super) fn draw(&self, html: &mut Html) -> Result<()> {
        refuse_missing_description(&self.alt, &self.caption)?;
        html.element("figure", &[("class", "drawing")], |html| {
            html.trusted(&self.svg.to_element(&self.alt));
            html.leaf("figcaption", &[], &self.caption);
        });
        Ok(())
    }
}

impl Gallery {
    pub(super) fn draw(&self, html: &mut Html) -> Result<()> {
        for row in &self.rows {
            html.leaf("h3", &[], &row.name);
            html.element("div", &[("class", "figures")], |html| {
                row.figures.iter().try_for_each(|figure| figure.draw(html))
            })?;
        }
        if !self.legend.is_empty() {
            html.element("details", &[], |html| {
                html.leaf("summary", &[], &format!("Colours of {} labels", self.legend.len()));
                html.element("ul", &[("class", "legend")], |html| {
                    self.legend.iter().for_each(|entry| entry.draw(html));
                });
            });
        }
        Ok(())
    }
}

impl LegendEntry {
    fn draw(&self, html: &mut Html) {
        let [r, g, b] = self.colour;
        let style = format!("background:rgb({r},{g},{b})");
        html.element("li", &[], |html| {
            html.leaf("span", &[("class", "swatch"), ("style", &style)], "");
            html.text(&self.name);
        });
    }
}

/// The picture itself as part of the page.
pub(crate) fn draw_picture(picture: &Picture, alt: &str, html: &mut Html) -> Result<()> {
    let data = format!("data:image/png;base64,{}", base64(&picture.to_png()?));
    let [width, height] = [picture.width(), picture.height()].map(|side| side.to_string());
    html.void("img", &[("width", &width), ("height", &height), ("alt", alt), ("src", &data)]);
    Ok(())
}

fn refuse_missing_description(alt: &str, caption: &str) -> Result<()> {
    if alt.trim().is_empty() {
        return Err(Error::argument("alt", alt, format!("what the figure {caption:?} shows")));
    }
    Ok(())
}
