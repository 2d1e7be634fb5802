//! Threads of the pool that are kept from falling asleep.

/// Gives a thread that waits for work something that is none.
///
/// Between the products of a few tokens, one thread computes norms and who goes to which expert. The others look for work for some tens of
/// microseconds, then they sleep, and to wake one takes as long again, up to five times a layer.
pub(crate) fn stir() {
    if rayon::current_thread_index().is_some() && rayon::current_num_threads() > 1 {
        rayon::spawn(|| {});
    }
}
