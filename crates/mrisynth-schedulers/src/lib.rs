//! Noise schedules and samplers for diffusion models, right at any number of steps.
