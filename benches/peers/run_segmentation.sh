#!/usr/bin/env bash
# Our segmentation networks beside PyTorch, in one run:
#     benches/peers/run_segmentation.sh [--only TEXT] [--rounds N] [--threads N]
# Needs Python 3.11 or newer; the peers are installed into benches/peers/.venv/segmentation. PYTHON names
# an interpreter to use instead, one that has requirements-segmentation.txt.
set -euo pipefail
cd "$(dirname "$0")"
if [ -z "${PYTHON:-}" ]; then
    PYTHON=$PWD/.venv/segmentation/bin/python
    if [ ! -x "$PYTHON" ]; then
        python3 -m venv .venv/segmentation
        .venv/segmentation/bin/pip install --quiet --requirement requirements-segmentation.txt
    fi
fi
target=$(cargo metadata --format-version 1 --no-deps |
    "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
cargo build --quiet --release --locked -p mrisynth-benches --example peer_segmentation
exec "$PYTHON" segmentation.py --ours "$target/release/examples/peer_segmentation" "$@"
