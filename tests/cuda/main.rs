//! A GPU against the CPU: every operation, training, sampling. Built with the feature `cuda` alone; each
//! test says SKIPPED, with the reason, where there is no GPU.

mod gpu;
mod learning;
mod operation_cases;
mod operations;
mod random_numbers;
mod sampling;
mod tiny_network;
