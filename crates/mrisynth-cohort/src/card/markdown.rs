//! A card as people read it.

use std::collections::BTreeMap;
use std::fmt::{Result, Write};

use super::Card;

impl Card {
    /// The card as Markdown, the same bytes for the same card.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_markdown(&mut text);
        text
    }

    fn write_markdown(&self, out: &mut String) -> Result {
        let [synthetic, images] = self.synthetic_images;
        writeln!(out, "# {}\n", self.name)?;
        if self.is_synthetic() {
            writeln!(out, "**This cohort is synthetic: its images show nobody.**\n")?;
        } else if synthetic > 0 {
            writeln!(out, "**{synthetic} of its {images} images are synthetic.**\n")?;
        }
        if !self.description.is_empty() {
            writeln!(out, "{}\n", self.description)?;
        }
        writeln!(out, "Licence: {}\n", self.licence)?;
        let counts = &self.counts;
        writeln!(out, "{} subjects, {} visits.\n", counts.subjects, counts.visits)?;
        table(out, "Files", &counts.files)?;
        for (title, of) in [
            ("Subjects by site", &counts.site),
            ("Subjects by sex", &counts.sex),
            ("Subjects by age in years", &counts.age),
            ("Subjects by diagnosis", &counts.diagnosis),
            ("Subjects by split", &counts.split),
            ("Images by voxel size in mm", &counts.voxel_size_mm),
            ("Images by voxels", &counts.shape),
            ("Images by orientation", &counts.orientation),
        ] {
            table(out, title, of)?;
        }
        self.write_volumes(out)?;
        writeln!(out, "## Known limits\n")?;
        if self.limits.is_empty() {
            writeln!(out, "None are known.")?;
        }
        self.limits.iter().try_for_each(|limit| writeln!(out, "- {limit}"))?;
        self.write_files(out)
    }

    fn write_volumes(&self, out: &mut String) -> Result {
        if self.label_volumes.is_empty() {
            return Ok(());
        }
        writeln!(out, "## Label volumes in ml\n")?;
        writeln!(out, "| label | name | masks | mean | SD | min | max |")?;
        writeln!(out, "|--:|---|--:|--:|--:|--:|--:|")?;
        for of in &self.label_volumes {
            let name = of.name.as_deref().unwrap_or("–");
            write!(out, "| {} | {} | {} ", of.label, cell(name), of.masks)?;
            let (mean, std, min, max) = (of.mean_ml, of.std_ml, of.min_ml, of.max_ml);
            writeln!(out, "| {mean:.2} | {std:.2} | {min:.2} | {max:.2} |")?;
        }
        writeln!(out)
    }

    fn write_files(&self, out: &mut String) -> Result {
        writeln!(out, "\n## Files\n\n| path | column | bytes | SHA-256 |\n|---|---|--:|---|")?;
        for file in &self.files {
            let path = cell(&file.path.display().to_string());
            writeln!(out, "| {path} | {} | {} | {} |", file.column, file.bytes, file.sha256)?;
        }
        let (format, version) = (&self.format, self.version);
        writeln!(out, "\nThe same as data is in the JSON file beside it ({format} {version}).")
    }
}

fn table(out: &mut String, title: &str, counts: &BTreeMap<String, usize>) -> Result {
    writeln!(out, "| {title} | |\n|---|--:|")?;
    for (name, count) in counts {
        writeln!(out, "| {} | {count} |", cell(name))?;
    }
    writeln!(out)
}

/// Text that cannot end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
