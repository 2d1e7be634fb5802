#!/bin/sh
# Runs the tests of this crate under AddressSanitizer and under ThreadSanitizer: bounds of whatever unsafe code reads and writes, and threads that
# write where others look, on every path of this machine and on the portable one. The standard library is built with them, too.
#
#   sh crates/kernels/tests/sanitizers.sh [ARGUMENTS OF THE TESTS]
set -eu

toolchain=nightly-2026-10-30
target=$(rustc -vV | sed -n 's/^host: //p')
cd "$(dirname "$0")/../../.."
rustup toolchain install $toolchain --profile minimal --component rust-src
for sanitizer in address thread; do
    RUSTFLAGS="-Zsanitizer=$sanitizer" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/$sanitizer" \
        cargo +$toolchain test --package secateur-kernels --lib --test refusals --target "$target" -Zbuild-std -- "$@"
done
