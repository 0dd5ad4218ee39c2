#!/usr/bin/env bash
# Our U-Net beside MONAI on PyTorch and OpenVINO, in one run:
#     benches/peers/run_unet.sh [--only TEXT] [--rounds N] [--threads N] [--sizes]
# Needs Python 3.11 or newer; the peers are installed into benches/peers/.venv/unet. PYTHON names an
# interpreter to use instead, one that has requirements-unet.txt.
set -euo pipefail
cd "$(dirname "$0")"
if [ -z "${PYTHON:-}" ]; then
    PYTHON=$PWD/.venv/unet/bin/python
    if [ ! -x "$PYTHON" ]; then
        python3 -m venv .venv/unet
        .venv/unet/bin/pip install --quiet --requirement requirements-unet.txt
    fi
fi
target=$(cargo metadata --format-version 1 --no-deps |
    "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
cargo build --quiet --release --locked -p mrisynth-benches --example peer_unet
exec "$PYTHON" unet.py --ours "$target/release/examples/peer_unet" "$@"
