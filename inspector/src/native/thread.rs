//! The worker in a thread of its own.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::open::writer;
use super::watch::watcher;
use crate::ask::{Cost, Reply, Request, Trouble};
use crate::desk::Wire;
use crate::work::{Opener, Worker};

/// The way to a worker in a thread.
pub struct Thread {
    requests: Sender<Request>,
    replies: Receiver<Reply>,
}

impl Thread {
    /// Starts the thread; it ends with the returned value. `wake` is called after every answer.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(open: Opener, wake: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let (requests, asked) = channel::<Request>();
        let (answered, replies) = channel();
        std::thread::Builder::new().name("worker".to_owned()).spawn(move || {
            let began = Instant::now();
            let clock = move || u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            let worker = Worker::new(open).with_clock(Box::new(clock));
            let mut worker = worker.with_watcher(watcher()).with_writer(writer());
            while let Ok(request) = asked.recv() {
                let missing = || Trouble {
                    text: "the bytes cannot be fetched".to_owned(),
                    damaged: false,
                    advice: String::new(),
                };
                let reply = worker.answer(&request).unwrap_or_else(|| Reply {
                    number: request.number,
                    result: Err(missing()),
                    cost: Cost::default(),
                });
                if answered.send(reply).is_err() {
                    return;
                }
                wake();
            }
        })?;
        Ok(Self { requests, replies })
    }
}

impl Wire for Thread {
    fn send(&mut self, request: Request) {
        // A worker that is gone answers nothing; the window stays usable and says that it waits.
        let _ = self.requests.send(request);
    }

    fn receive(&mut self) -> Option<Reply> {
        self.replies.try_recv().ok()
    }
}
