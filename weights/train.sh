#!/usr/bin/env bash
# Trains weights as those that are built in: on random programs and on examples, the toy programs twice as often.
#
#   weights/train.sh WEIGHTS [OPTION of `unmask train`]...
#
#   weights/train.sh mine.safetensors --width 96 --steps 4000            on the processor
#   weights/train.sh mine.safetensors --steps 9000 --resume              goes on where it was stopped
#   weights/train.sh large.safetensors --width 256 --layers 8 --batch 128 --buckets 8 --steps 100000 --device cuda
#                                                                        a larger network, on a GPU (benches/cuda.sh builds for one)
#
# UNMASK is the binary (default: unmask), SHARE the share of random programs (default: 0.7).
set -euo pipefail

[[ $# -gt 0 ]] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }
examples=$(cd "$(dirname "${BASH_SOURCE[0]}")/../examples" && pwd)
weights=$1
shift
toys=(latent clustering hierarchical multilevel milky_way rosenbrock)
others=(independent_gaussians conditional_independence conditional_independence_p common_effect irt_k1 irt_k2 irt_k5 irt_k30 funnel)
files=()
for name in "${toys[@]}" "${toys[@]}" "${others[@]}"; do files+=("$examples/$name.ppl"); done
files+=("$examples/eight_schools.ppl=$examples/eight_schools.json")
exec "${UNMASK:-unmask}" train "${files[@]}" "--generated=${SHARE:-0.7}" --output "$weights" "$@"
