//! Cohorts of scans: manifests, BIDS, splits by subject, cached loading, dataset cards.
