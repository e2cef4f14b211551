#!/usr/bin/env bash
# The `cuda` feature: builds it with or without a GPU, and where there is one, checks and times it.
#
#   benches/cuda.sh                   build, then (with a GPU) correctness, speed, training with checkpoints
#   benches/cuda.sh run COMMAND ...   runs a command in the environment that the feature needs, for instance
#                                     benches/cuda.sh run cargo clippy --all-targets --features cuda -- -D warnings
#
# The toolkit is the installed one where `nvcc` and CUDA_PATH are there, else NVIDIA's Python wheels, which pip puts below
# UNMASK_CUDA (default: target/cuda). Without a driver, stand-ins let everything link and start: a `nvidia-smi` that names
# the architecture of UNMASK_CUDA_CAP (default: 9.0), and a `libcuda` whose every function answers that there is no device.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
place=${UNMASK_CUDA:-$root/target/cuda}
major=13 # of CUDA: wheels before it have no compiler
wheels=(nvidia-cuda-nvcc nvidia-nvvm nvidia-cuda-crt nvidia-cuda-cccl nvidia-cuda-runtime nvidia-cuda-nvrtc)

fail() {
    echo "benches/cuda.sh: $*" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Whether there is a driver with a GPU; asked before the stand-ins are on the PATH.
gpu=false
if has nvidia-smi && nvidia-smi --query-gpu=compute_cap --format=csv >/dev/null 2>&1; then gpu=true; fi

# Sets CUDA_PATH to a toolkit with a compiler.
toolkit() {
    if [[ -n ${CUDA_PATH:-} && -f $CUDA_PATH/include/cuda.h ]] && has nvcc; then return; fi
    has python3 || fail "python3 is needed, to get NVIDIA's compiler from its wheels; or set CUDA_PATH, with nvcc on the PATH"
    python3 -m pip --version >/dev/null 2>&1 || fail "pip is needed: \`python3 -m pip\` does not run"
    if $gpu; then
        local driver
        driver=$(nvidia-smi | sed -n 's/.*CUDA Version: *\([0-9]*\).*/\1/p' | head -n 1)
        [[ ${driver:-0} -ge $major ]] ||
            fail "the driver is for CUDA ${driver:-?}, the wheels' compiler for $major: update it, or set CUDA_PATH to an older toolkit"
    fi
    if [[ ! -f $place/complete ]]; then
        rm -rf "$place/wheels"
        python3 -m pip install --quiet --no-deps --target "$place/wheels" \
            "${wheels[@]/%/==$major.0.*}" "nvidia-cublas==$major.*" nvidia-curand ||
            fail "pip could not install NVIDIA's compiler (above)"
        [[ -x $place/wheels/nvidia/cu$major/bin/nvcc ]] || fail "the wheels have no nvcc for this platform"
        touch "$place/complete"
    fi
    export CUDA_PATH=$place/wheels/nvidia/cu$major
    export PATH=$CUDA_PATH/bin:$PATH
}

# Links `libNAME.so` to what wheels name `libNAME.so.VERSION`. Everything links to a stand-in for the driver, whose own folder
# often has `libcuda.so.1` alone; where there is no driver, it is also what runs.
links() {
    mkdir -p "$place/lib" "$place/driver" "$place/bin"
    local name file
    for name in cublas cublasLt nvrtc curand cudart; do
        file=$(find "$CUDA_PATH/lib" "$CUDA_PATH/lib64" -maxdepth 1 -name "lib$name.so*" 2>/dev/null | sort | head -n 1 || true)
        [[ -n $file ]] || fail "$CUDA_PATH has no lib$name.so"
        ln -sf "$file" "$place/lib/lib$name.so"
    done
    has cc || fail "a C compiler (cc) is needed, to link and to stand in for the driver"
    # CUDA_ERROR_NO_DEVICE is 100; whoever gets it asks for its name.
    {
        echo 'int cuGetErrorName(int code, const char **text) { *text = "CUDA_ERROR_NO_DEVICE"; return 0; }'
        echo 'int cuGetErrorString(int code, const char **text) { *text = "no driver"; return 0; }'
        grep -oE '\bcu[A-Z][A-Za-z0-9]*(_v[0-9]+)?\b' "$CUDA_PATH/include/cuda.h" | sort -u |
            grep -vE '^cuGetError(Name|String)$' | sed 's/.*/int &(void) { return 100; }/'
    } >"$place/driver/cuda.c"
    cc -shared -fPIC -w -Wl,-soname,libcuda.so.1 -o "$place/driver/libcuda.so.1" "$place/driver/cuda.c" ||
        fail "cc could not build the stand-in for the driver (above)"
    ln -sf libcuda.so.1 "$place/driver/libcuda.so"
    export RUSTFLAGS="${RUSTFLAGS:-} -L native=$place/lib -C link-arg=-Wl,-rpath,$(dirname "$file") -L native=$place/driver"
    if $gpu; then return; fi
    printf '#!/bin/sh\necho compute_cap\necho %s\n' "${UNMASK_CUDA_CAP:-9.0}" >"$place/bin/nvidia-smi"
    chmod +x "$place/bin/nvidia-smi"
    export PATH=$place/bin:$PATH
    export LD_LIBRARY_PATH=$place/driver${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

[[ $place != *[[:space:]]* ]] || fail "the compiler's flags cannot have spaces: set UNMASK_CUDA to another folder than $place"
toolkit
links
export CUDA_ROOT=$CUDA_PATH
export CARGO_TARGET_DIR=$place/build # other flags than elsewhere: all would be built anew, again and again
cd "$root"
if [[ ${1:-} == run ]]; then
    shift
    exec "$@"
fi

echo "== build (compute capability $(nvidia-smi --query-gpu=compute_cap --format=csv | sed -n 2p))"
cargo build --release --features cuda
unmask=$CARGO_TARGET_DIR/release/unmask
program=examples/eight_schools.ppl=examples/eight_schools.json
weights=$place/weights.safetensors
train() { "$unmask" train "$program" -o "$weights" --batch 16 --heldout 64 --device "$@"; }

echo "== the operations of a GPU against the fused ones"
if ! $gpu; then
    # On the processor; and the stand-in for the driver must be refused with an error.
    cargo test --features cuda --test it -- network::composed
    if message=$(train cuda --steps 1 2>&1); then fail "training on a GPU that is not there succeeded"; fi
    [[ $message == *"no GPU can be used"* ]] || fail "training on a GPU that is not there says: $message"
    echo "built and linked; no GPU here: values, gradients and speed on one are not checked"
    exit
fi
UNMASK_GPU=1 cargo test --features cuda --test it -- network::composed

echo "== speed"
threads=$(nproc)
cargo bench --features cuda --bench network -- "$threads" 10 16 cpu
for sequences in 16 128; do cargo bench --features cuda --bench network -- "$threads" 10 "$sequences" cuda; done

echo "== training, stopped and resumed, on the GPU; then the same weights on both"
train cuda --steps 100
train cuda --steps 200 --resume
for device in cpu cuda; do
    "$unmask" evaluate "$program" --weights "$weights" -n 200 --no-draws --device "$device"
done
