#!/bin/sh
# Runs the tests of this crate with NEON, BF16 of Arm included, on another machine than an Arm: in QEMU. Needs rustup's target and, on Debian,
#
#   apt-get install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross
#
#   sh crates/kernels/tests/arm.sh [ARGUMENTS OF THE TESTS]
set -eu

target=aarch64-unknown-linux-gnu
cd "$(dirname "$0")/../../.."
rustup target add $target
CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu" \
    cargo test --package secateur-kernels --lib --test refusals --target $target -- "$@"
