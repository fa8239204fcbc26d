# Sourced by the scripts beside it.

# rust-toolchain.toml names the oldest version that builds this. Where that can be neither found nor fetched, the toolchain that
# is installed must do.
if ! cargo --version >/dev/null 2>&1 && RUSTUP_TOOLCHAIN=stable cargo --version >/dev/null 2>&1; then
    export RUSTUP_TOOLCHAIN=stable
    echo "the toolchain of rust-toolchain.toml is not to be had, taking $(rustc --version)"
fi
