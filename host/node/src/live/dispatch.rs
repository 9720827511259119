//! Frames and the release that is to see them, handed out together.
//!
//! Both lie behind one lock. Frames leave in the order in which they came, so there is one frame before which all saw the release
//! before a swap, and from which on all see the new one: a swap is between two frames, and no frame can see two releases (SBX-17).

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Frames that wait, and who looks next. `W` is a frame, `S` the seated release.
pub(crate) struct Dispatcher<W, S> {
    inner: Mutex<Inner<W, S>>,
    changed: Condvar,
    limit: usize,
}

struct Inner<W, S> {
    waiting: VecDeque<W>,
    seat: Option<Arc<S>>,
    closed: bool,
}

impl<W, S> Dispatcher<W, S> {
    /// At most `limit` frames wait.
    pub(crate) fn new(limit: usize) -> Self {
        let inner = Inner { waiting: VecDeque::new(), seat: None, closed: false };
        Self { inner: Mutex::new(inner), changed: Condvar::new(), limit: limit.max(1) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<W, S>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a frame wait. Where there is no room, the one that waited longest is given back: it is dropped before it is decoded.
    pub(crate) fn push(&self, frame: W) -> Option<W> {
        let mut inner = self.lock();
        let oldest = if inner.waiting.len() >= self.limit { inner.waiting.pop_front() } else { None };
        inner.waiting.push_back(frame);
        drop(inner);
        self.changed.notify_one();
        oldest
    }

    /// Frames for which there is room.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.lock().waiting.len())
    }

    /// Frames that wait.
    pub(crate) fn depth(&self) -> usize {
        self.lock().waiting.len()
    }

    /// The next frame and the release that sees it; waits for both. `None` when it is over.
    pub(crate) fn next(&self) -> Option<(W, Arc<S>)> {
        let mut inner = self.lock();
        loop {
            if inner.closed {
                return None;
            }
            if let Some(seat) = inner.seat.clone()
                && let Some(frame) = inner.waiting.pop_front()
            {
                return Some((frame, seat));
            }
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Seats a release: the next frame that is handed out is its first. Answers with the one before.
    pub(crate) fn seat(&self, seat: Option<Arc<S>>) -> Option<Arc<S>> {
        let before = std::mem::replace(&mut self.lock().seat, seat);
        self.changed.notify_all();
        before
    }

    /// Who is seated.
    pub(crate) fn seated(&self) -> Option<Arc<S>> {
        self.lock().seat.clone()
    }

    /// Takes everything that waits.
    pub(crate) fn drain(&self) -> Vec<W> {
        self.lock().waiting.drain(..).collect()
    }

    /// Nobody gets a frame any more.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn skj_09n_overload_drops_the_oldest_and_says_which() {
        let dispatcher: Dispatcher<u32, ()> = Dispatcher::new(3);
        let dropped: Vec<u32> = (0..10).filter_map(|n| dispatcher.push(n)).collect();
        assert_eq!(dropped, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!((dispatcher.depth(), dispatcher.room()), (3, 0));
        assert_eq!(dispatcher.drain(), [7, 8, 9]);
    }

    #[test]
    fn sbx_17n_swaps_under_load_split_the_frames_at_one_point_and_lose_none() {
        let dispatcher: Dispatcher<u32, u32> = Dispatcher::new(1_000_000);
        let seen = Mutex::new(BTreeMap::new());
        let over = AtomicBool::new(false);
        dispatcher.seat(Some(Arc::new(0)));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Some((frame, seat)) = dispatcher.next() {
                        let twice = seen.lock().unwrap().insert(frame, *seat);
                        assert_eq!(twice, None, "frame {frame}");
                    }
                });
            }
            scope.spawn(|| {
                for generation in 1.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    dispatcher.seat(Some(Arc::new(generation)));
                    std::thread::yield_now();
                }
            });
            for frame in 0..20_000 {
                assert_eq!(dispatcher.push(frame), None);
            }
            while dispatcher.depth() > 0 {
                std::thread::yield_now();
            }
            over.store(true, Ordering::Relaxed);
            dispatcher.close();
        });
        let seen = seen.into_inner().unwrap();
        assert_eq!(seen.len(), 20_000);
        let generations: Vec<u32> = seen.into_values().collect();
        assert!(generations.is_sorted(), "an earlier frame saw a later release");
        assert!(generations.last() > generations.first(), "no swap fell between frames: the test shows nothing");
    }
}
