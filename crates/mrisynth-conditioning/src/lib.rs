//! What a network is conditioned on: label schemes, masks, edits of masks, embedded metadata.
