//! How much a bench measures: less than that to see whether it still runs.

/// A thousandth where `DSMILD_BENCH_SHORT` is set: such figures mean nothing.
pub fn size(usual: usize) -> usize {
    if std::env::var_os("DSMILD_BENCH_SHORT").is_some() { (usual / 1000).max(1) } else { usual }
}
