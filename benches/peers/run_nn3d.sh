#!/usr/bin/env bash
# Our 3-D layers beside PyTorch's, in one run:
#     benches/peers/run_nn3d.sh [--burn] [--only TEXT] [--rounds N] [--threads N]
# Needs Python 3.11 or newer; PyTorch is installed into benches/peers/.venv/nn3d. PYTHON names an
# interpreter to use instead, one that has requirements-nn3d.txt. --burn builds burn and measures it too.
set -euo pipefail
cd "$(dirname "$0")"
if [ -z "${PYTHON:-}" ]; then
    PYTHON=$PWD/.venv/nn3d/bin/python
    if [ ! -x "$PYTHON" ]; then
        python3 -m venv .venv/nn3d
        .venv/nn3d/bin/pip install --quiet --requirement requirements-nn3d.txt
    fi
fi
target() { # of the workspace of this manifest
    cargo metadata --format-version 1 --no-deps --manifest-path "$1" |
        "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])'
}
burn=()
arguments=()
for argument in "$@"; do
    if [ "$argument" = --burn ]; then
        cargo build --quiet --release --locked --manifest-path burn/Cargo.toml
        burn=(--burn "$(target burn/Cargo.toml)/release/burn-peer")
    else
        arguments+=("$argument")
    fi
done
cargo build --quiet --release --locked -p mrisynth-benches --example peer_nn3d
exec "$PYTHON" nn3d.py --ours "$(target ../Cargo.toml)/release/examples/peer_nn3d" "${burn[@]}" "${arguments[@]}"
