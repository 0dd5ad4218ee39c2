#!/usr/bin/env bash
# Our speed beside nibabel's, SciPy's and SimpleITK's, in one run:
#     benches/peers/run.sh [--scan FILE] [--rounds N] [--threads N]
# Needs Python 3.11 or newer; the peers are installed into benches/peers/.venv.
set -euo pipefail
cd "$(dirname "$0")"
if [ ! -x .venv/bin/python ]; then
    python3 -m venv .venv
    .venv/bin/pip install --quiet --requirement requirements.txt
fi
cargo build --quiet --release --locked -p mrisynth-benches --example peer_volume
target=$(cargo metadata --format-version 1 --no-deps |
    .venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
cd - >/dev/null # so that --scan may be a relative path
exec "$OLDPWD/.venv/bin/python" "$OLDPWD/volume.py" --ours "$target/release/examples/peer_volume" "$@"
