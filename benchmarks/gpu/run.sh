#!/usr/bin/env bash
# Ours, nanoGPT, nanochat and transformers on one GPU, in one command of at most ten minutes.
#
#     benchmarks/gpu/run.sh [--minutes 9.5] [--shapes 300M] [--contenders ours] [--results FILE]
#     benchmarks/gpu/run.sh --tiny            a few seconds on a CPU, to try the script (or TINY=1)
#
# Each of the 16 cells (4 shapes, 4 contenders) trains for 60 seconds, so they do not all fit: a
# command ends in time, says what is left, and the next one goes on from FILE. --seconds 15 fits
# all into one command.
#
# PYTHON  the Python that has torch for CUDA; python3 if not given.
# PEERS   the folder of nanoGPT.tar.gz and nanochat.tar.gz; ../shared/peers if not given.
# WHEELS  a folder of wheels to install from, where no package index can be reached.
#
# What is missing there is put into a virtual environment of its own that sees PYTHON's packages.
# Torch is taken as it is there: its version is in the results.
set -euo pipefail
cd "$(dirname "$0")/../.."

python="${PYTHON:-python3}"
folder="${WORK:-bench-work/gpu}"
given=("$@")
[ "${TINY:-0}" = 1 ] && given+=(--tiny)
[ -n "${PEERS:-}" ] && given+=(--peers "$PEERS")

# Modules that are not there, as names for pip. accelerate is for Trainer, filelock for nanochat.
missing() {
    "$1" - <<'PY'
from importlib.util import find_spec

names = "torch numpy tokenizers safetensors pydantic regex transformers accelerate filelock".split()
print(*[name for name in names if find_spec(name) is None])
PY
}

needed="$(missing "$python")"
if [ -n "$needed" ] && [ "$needed" != accelerate ]; then
    echo "not there: $needed; installing into $folder/venv" >&2
    "$python" -m venv --clear "$folder/venv" || true
    if [ -x "$folder/venv/bin/python" ]; then
        "$python" -c 'import sys; print(*[p for p in sys.path if p.endswith("-packages")], sep="\n")' \
            >"$(echo "$folder"/venv/lib/python3*/site-packages)/seen.pth"
        from=()
        [ -n "${WHEELS:-}" ] && from=(--no-index --find-links "$WHEELS")
        # One by one: what cannot be had must not keep away what can.
        for name in $needed; do
            "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 0 \
                --timeout 15 "${from[@]}" "$name" || echo "cannot be installed: $name" >&2
        done
        python="$folder/venv/bin/python"
    fi
    needed="$(missing "$python")"
fi
for name in $needed; do
    case "$name" in
    transformers | accelerate | filelock) echo "without $name: see the results" >&2 ;;
    *)
        echo "error: this needs the Python package $name, and pip cannot fetch it here." >&2
        echo "  Carry its wheel and name the folder: WHEELS=wheels $0" >&2
        exit 3
        ;;
    esac
done

export PYTHONPATH="src:benchmarks${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" benchmarks/gpu/measure.py "${given[@]}"
