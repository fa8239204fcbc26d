# The package, built as it is for good: the one optimised build that tests/run makes.

cargo_deb=3.8.0

# Two packages of the same program: the second only has a higher version.
build_packages() {
    local packages=$1
    if [[ $(cargo deb --version 2>/dev/null) != *"$cargo_deb" ]]; then
        echo "installing cargo-deb $cargo_deb"
        # Without optimisation, for that is built sooner and packs in seconds, too.
        cargo install --quiet --locked --debug --version "$cargo_deb" cargo-deb || return
    fi
    cargo build --profile dist --locked --bin dsmild || return
    rm -rf target/generated "$packages"
    "${CARGO_TARGET_DIR:-target}/dist/dsmild" generate target/generated || return
    local revision
    for revision in 1 2; do
        cargo deb --quiet --no-build --fast --deb-revision "$revision" --output "$packages/" || return
    done
}

# The daemon that fails on request.
build_faulty() {
    cargo build --locked --example faulty
}
