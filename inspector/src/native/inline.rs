//! The worker at once, in the same thread: for pictures and tests, where everything is to come in the same order.

use std::collections::VecDeque;

use super::open::writer;
use super::watch::watcher;
use crate::ask::{Reply, Request};
use crate::desk::Wire;
use crate::work::{Opener, Worker};

/// The way to a worker that answers at once.
pub struct Inline {
    worker: Worker,
    replies: VecDeque<Reply>,
    wake: Box<dyn Fn()>,
}

impl Inline {
    /// Makes the worker. `wake` is called after every answer.
    pub fn new(open: Opener, wake: impl Fn() + 'static) -> Self {
        Self {
            worker: Worker::new(open).with_watcher(watcher()).with_writer(writer()),
            replies: VecDeque::new(),
            wake: Box::new(wake),
        }
    }
}

impl Wire for Inline {
    fn send(&mut self, request: Request) {
        self.replies.extend(self.worker.answer(&request));
        (self.wake)();
    }

    fn receive(&mut self) -> Option<Reply> {
        self.replies.pop_front()
    }
}
