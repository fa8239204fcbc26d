//! Threads for work that is a function of what it is given. Whichever thread is free does it, and whoever handed it in takes what has
//! come of it in an order of his own: so the number of threads changes the speed and never the result.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, SendError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::limits;
use crate::locked::locked;

/// Waits for nothing but a processor.
type Job = Box<dyn FnOnce() + Send>;

pub struct Pool {
    /// `None`: work is done by whoever hands it in.
    jobs: Option<SyncSender<Job>>,
    threads: usize,
}

/// What has been handed in.
pub struct Pending<T>(Receiver<thread::Result<T>>);

impl Pool {
    /// So many threads, which end with the pool, or as many as the system lets it have. With less than two, whoever hands work
    /// in does it.
    pub fn new(threads: usize) -> Self {
        if threads < 2 {
            return Self { jobs: None, threads: 0 };
        }
        let (jobs, given) = sync_channel::<Job>(limits::POOL_JOBS_MAX);
        let given = Arc::new(Mutex::new(given));
        let begin = |number: &usize| {
            let given = Arc::clone(&given);
            thread::Builder::new().name(format!("pool-{number}")).spawn(move || work(&given)).is_ok()
        };
        let threads = (0..threads).filter(begin).count();
        Self { jobs: (threads > 0).then_some(jobs), threads }
    }

    /// One thread for each processor that this process may use.
    pub fn of_all_cores() -> Self {
        Self::new(thread::available_parallelism().map_or(1, usize::from))
    }

    /// How much may be handed in before anything of it is taken, so that no thread is without work.
    pub fn ahead(&self) -> usize {
        2 * self.threads + 1
    }

    /// Hands in work, and waits while much of it is not begun.
    pub fn start<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Pending<T> {
        let (done, result) = sync_channel(1);
        let job: Job = Box::new(move || {
            // Nobody may wait for it any more.
            let _ = done.send(catch_unwind(AssertUnwindSafe(work)));
        });
        match &self.jobs {
            Some(jobs) => {
                if let Err(SendError(job)) = jobs.send(job) {
                    job();
                }
            }
            None => job(),
        }
        Pending(result)
    }
}

impl<T> Pending<T> {
    /// What has come of it. If it panicked, so does this.
    pub fn wait(self) -> T {
        match self.0.recv() {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(lost) => resume_unwind(Box::new(lost)),
        }
    }
}

fn work(given: &Mutex<Receiver<Job>>) {
    loop {
        // The lock ends with the statement.
        let job = locked(given).recv();
        let Ok(job) = job else { return };
        job();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_taken_in_the_order_of_whoever_waits_however_many_threads_there_are() {
        for threads in [0, 1, 2, 8] {
            let pool = Pool::new(threads);
            let pending: Vec<_> = (0..1000_u64).map(|number| pool.start(move || number * number)).collect();
            let results: Vec<u64> = pending.into_iter().map(Pending::wait).collect();
            assert_eq!(results, (0..1000).map(|number| number * number).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_comes_to_whoever_waits_and_the_thread_goes_on() {
        let pool = Pool::new(2);
        let broken: Vec<Pending<u64>> = (0..9).map(|_| pool.start(|| panic!("on purpose"))).collect();
        for pending in broken {
            assert!(catch_unwind(AssertUnwindSafe(|| pending.wait())).is_err());
        }
        assert_eq!(pool.start(|| 7).wait(), 7);
    }

    #[test]
    fn what_nobody_waits_for_any_more_holds_nothing_up() {
        let pool = Pool::new(2);
        (0..1000).for_each(|number| drop(pool.start(move || number)));
        assert_eq!(pool.start(|| 7).wait(), 7);
    }
}
