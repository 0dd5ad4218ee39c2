//! A digital brain cohort with labels, diagnoses and contrasts.
