//! The affine of a NIfTI header: sform, else qform, else spacing, as nibabel chooses.

use super::nifti_fields::NiftiFields;
use crate::affine::Affine;
use crate::error::FileFault;
use crate::image::Warning;

/// The largest code of a coordinate system: `nifti::XForm::TemplateOther`.
const LAST_XFORM_CODE: i32 = nifti::XForm::TemplateOther as i32;

impl NiftiFields {
    /// The voxel-to-world map. An unknown code counts as 0, as in nibabel, with a warning.
    ///
    /// # Source
    /// nibabel's `Nifti1Header.get_best_affine`. Unlike nibabel, which takes a spacing of 0 as 1
    /// and a negative one as positive, we refuse both where they decide.
    pub(super) fn voxel_to_world(&self, warnings: &mut Vec<Warning>) -> Result<Affine, FileFault> {
        let mut is_set = |field, code: i32| {
            let known = (0..=LAST_XFORM_CODE).contains(&code);
            if !known {
                let (found, taken) = (code.to_string(), "0 (not set)".into());
                warnings.push(Warning::Substituted { field, found, taken });
            }
            known && code != 0
        };
        let sform_is_set = is_set("sform_code", self.sform_code);
        let qform_is_set = is_set("qform_code", self.qform_code);
        if sform_is_set {
            self.sform()
        } else if qform_is_set {
            self.qform(warnings)
        } else {
            self.spacing_only()
        }
    }

    fn sform(&self) -> Result<Affine, FileFault> {
        let [x, y, z] = self.srow;
        Affine::from_rows([x, y, z, [0.0, 0.0, 0.0, 1.0]])
            .map_err(|fault| FileFault::Affine { field: "sform", fault })
    }

    fn qform(&self, warnings: &mut Vec<Warning>) -> Result<Affine, FileFault> {
        let spacing = self.spacing()?;
        let qfac = self.qfac(warnings);
        let rotation = self.rotation()?;
        let scale = [spacing[0], spacing[1], spacing[2] * qfac];
        let columns = [0, 1, 2].map(|c| [0, 1, 2].map(|r| rotation[r][c] * scale[c]));
        Affine::from_columns(columns, self.qoffset)
            .map_err(|fault| FileFault::Affine { field: "qform", fault })
    }

    /// −1 when the third axis is reversed, which no rotation can express; otherwise 1.
    fn qfac(&self, warnings: &mut Vec<Warning>) -> f64 {
        let qfac = self.pixdim[0];
        if qfac == 1.0 || qfac == -1.0 {
            return qfac;
        }
        let (found, taken) = (qfac.to_string(), "1".into());
        warnings.push(Warning::Substituted { field: "pixdim[0] (qfac)", found, taken });
        1.0
    }

    /// The rotation matrix, by rows, of the unit quaternion `(a, b, c, d)` of which b, c and d are
    /// stored and `a = √(1 − b² − c² − d²)`.
    fn rotation(&self) -> Result<[[f64; 3]; 3], FileFault> {
        let [b, c, d] = self.quatern;
        let a_squared = 1.0 - (b * b + c * c + d * d);
        let a = if a_squared.abs() < self.version.quaternion_tolerance() {
            0.0
        } else if a_squared > 0.0 {
            a_squared.sqrt()
        } else {
            return Err(FileFault::Field {
                field: "quatern_b, quatern_c, quatern_d",
                found: format!("{b}, {c}, {d}"),
                expected: "the end of a unit quaternion, b² + c² + d² ≤ 1".into(),
            });
        };
        // Divided by the norm, which is 1 up to rounding unless `a` was set to 0.
        let s = 2.0 / (a * a + b * b + c * c + d * d);
        Ok([
            [1.0 - s * (c * c + d * d), s * (b * c - a * d), s * (b * d + a * c)],
            [s * (b * c + a * d), 1.0 - s * (b * b + d * d), s * (c * d - a * b)],
            [s * (b * d - a * c), s * (c * d + a * b), 1.0 - s * (b * b + c * c)],
        ])
    }

    /// Axis-aligned around the centre of the image, x to the left as in ANALYZE. Axes that the
    /// image does not have get a spacing of 1.
    ///
    /// # Source
    /// nibabel's `AnalyzeHeader.get_base_affine` with `default_x_flip`.
    fn spacing_only(&self) -> Result<Affine, FileFault> {
        let mut steps = self.spacing()?;
        steps[self.n_axes..].fill(1.0);
        steps[0] = -steps[0];
        let origin = [0, 1, 2].map(|a| -(self.shape[a] as f64 - 1.0) / 2.0 * steps[a]);
        Affine::from_spacing_mm(steps, origin)
            .map_err(|fault| FileFault::Affine { field: "pixdim", fault })
    }

    /// Voxel sizes; 1 for an axis the image does not have and that has none.
    fn spacing(&self) -> Result<[f64; 3], FileFault> {
        const FIELDS: [&str; 3] = ["pixdim[1]", "pixdim[2]", "pixdim[3]"];
        let mut spacing = [1.0; 3];
        for axis in 0..3 {
            let found = self.pixdim[axis + 1];
            if found.is_finite() && found > 0.0 {
                spacing[axis] = found;
            } else if axis < self.n_axes {
                return Err(FileFault::Field {
                    field: FIELDS[axis],
                    found: found.to_string(),
                    expected: "a positive, finite spacing, since no sform overrides it".into(),
                });
            }
        }
        Ok(spacing)
    }
}
