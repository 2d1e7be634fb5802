#!/bin/sh
# Runs the tests of this crate under Miri, which looks at every access to memory: the portable paths, since it knows few instructions of vectors.
# Needs rustup, and takes minutes.
#
#   sh crates/kernels/tests/miri.sh [ARGUMENTS OF THE TESTS]
set -eu

cd "$(dirname "$0")/../../.."
rustup toolchain install nightly --profile minimal --component miri,rust-src
# Files and their mappings are foreign to it.
MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-tree-borrows -Zmiri-permissive-provenance" cargo +nightly miri test --package secateur-kernels --lib -- --skip mapped "$@"
