//! The worker's side: answers questions, and says which bytes it needs for that.

use std::sync::{Arc, Mutex};

use serde_json::json;
use vecdelta::store::{Bundle, Disk, PagedFile, StoreError};
use vecdelta::version::VersionError;
use vecdelta_inspector::ask::{Cost, Place, Reply, Request, Stages, Trouble};
use vecdelta_inspector::work::{Opener, Watcher, Worker, demo};
use wasm_bindgen::prelude::*;

/// The most bytes of a bundle that are kept in memory.
const HELD_MAX: u64 = 128 << 20;

/// The file that is open, or the place that is to be looked up.
#[derive(Default)]
struct Source {
    place: Option<Place>,
    file: Option<PagedFile>,
    /// The pipeline that is asked, and what it said.
    stages: Option<(String, Option<String>)>,
}

/// What answers.
#[wasm_bindgen]
pub struct Answerer {
    worker: Worker,
    source: Arc<Mutex<Source>>,
}

#[wasm_bindgen]
impl Answerer {
    /// Begins with nothing open.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Answerer {
        let source = Arc::<Mutex<Source>>::default();
        let worker = Worker::new(opener(source.clone())).with_watcher(watcher(source.clone()));
        Self { worker, source }
    }

    /// Tells that another question comes.
    pub fn begin(&self) {
        if let Some(file) = self.file() {
            file.begin();
        }
    }

    /// Answers a question; nothing when bytes are lacking: then `wants` or `missing` says which.
    pub fn answer(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let request: Request = borsh::from_slice(request).ok()?;
        self.worker.answer(&request).map(|reply| bytes_of(&reply))
    }

    /// Returns the place whose length is not known yet, as JSON.
    pub fn wants(&self) -> Option<String> {
        let source = self.source();
        if let Some((url, None)) = &source.stages {
            return Some(json!({ "stages": url }).to_string());
        }
        if source.file.is_some() {
            return None;
        }
        match source.place.as_ref()? {
            Place::Url(url) => Some(json!({ "url": url }).to_string()),
            Place::File(number, _) => Some(json!({ "file": number }).to_string()),
            Place::Demo | Place::Path(_) => None,
        }
    }

    /// Says what the pipeline that was wanted answered.
    #[wasm_bindgen(js_name = setStages)]
    pub fn set_stages(&self, text: String) {
        if let Some((_, said)) = &mut self.source().stages {
            *said = Some(text);
        }
    }

    /// Says how long the file is at the place that was wanted.
    #[wasm_bindgen(js_name = setLength)]
    pub fn set_length(&self, length: f64) {
        self.source().file = Some(PagedFile::new(length as u64, HELD_MAX));
    }

    /// Returns the ranges that are lacking: begin and end of each, one after the other.
    pub fn missing(&self) -> Vec<f64> {
        let ranges = self.file().map(|file| file.missing()).unwrap_or_default();
        ranges.into_iter().flat_map(|r| [r.start as f64, r.end as f64]).collect()
    }

    /// Takes bytes; returns what is wrong with them, if something is.
    pub fn fill(&self, offset: f64, bytes: &[u8]) -> Option<String> {
        self.file()?.fill(offset as u64, bytes).err().map(|e| e.to_string())
    }

    /// Makes the answer that there is none, since bytes could not be fetched.
    pub fn fail(&self, request: &[u8], text: &str) -> Option<Vec<u8>> {
        let request: Request = borsh::from_slice(request).ok()?;
        // A pipeline that does not answer is no reason to close the repository.
        if self.source().stages.take().is_none() {
            *self.source() = Source::default();
        }
        let advice = "Look at the address and at the server, then open it again.".to_owned();
        let trouble = Trouble { text: text.to_owned(), damaged: false, advice };
        Some(bytes_of(&Reply { number: request.number, result: Err(trouble), cost: Cost::default() }))
    }

    /// Returns how many bytes of the bundle are in memory.
    pub fn held(&self) -> f64 {
        self.file().map_or(0.0, |file| file.held() as f64)
    }
}

impl Answerer {
    fn source(&self) -> std::sync::MutexGuard<'_, Source> {
        self.source.lock().expect("there is one thread")
    }

    fn file(&self) -> Option<PagedFile> {
        self.source().file.clone()
    }
}

impl Default for Answerer {
    fn default() -> Self {
        Self::new()
    }
}

fn bytes_of(reply: &Reply) -> Vec<u8> {
    borsh::to_vec(reply).expect("writing to memory cannot fail")
}

/// Asks pipelines by what the scripts bring; `.` is the server that sent the page.
fn watcher(source: Arc<Mutex<Source>>) -> Watcher {
    Box::new(move |of| {
        let mut source = source.lock().expect("there is one thread");
        match source.stages.take() {
            Some((asked, Some(text))) if asked == of => Ok(Stages { lines: text.replace('\n', " "), live: true }),
            _ => {
                source.stages = Some((of.to_owned(), None));
                let error = std::io::Error::new(std::io::ErrorKind::WouldBlock, "it is being asked");
                Err(StoreError::io("ask", of)(error).into())
            }
        }
    })
}

/// Finds repositories by what the scripts bring.
fn opener(source: Arc<Mutex<Source>>) -> Opener {
    Box::new(move |place| {
        if *place == Place::Demo {
            return Ok((demo()?, false));
        }
        let mut source = source.lock().expect("there is one thread");
        if source.place.as_ref() != Some(place) {
            *source = Source { place: Some(place.clone()), ..Source::default() };
        }
        let name = match place {
            Place::Url(name) | Place::File(_, name) => name.clone(),
            _ => return Err(VersionError::Refused("a browser opens no directories".to_owned())),
        };
        let Some(file) = &source.file else {
            let error = std::io::Error::new(std::io::ErrorKind::WouldBlock, "its length is not known yet");
            return Err(StoreError::io("look at", name)(error).into());
        };
        let bundle = Bundle::open(Box::new(file.clone()), name)?;
        if bundle.is_thin() {
            let text =
                "It holds only what came after some commits, so it cannot be read by itself: `vecdelta pull` takes it.";
            return Err(VersionError::Refused(text.to_owned()));
        }
        Ok((Arc::new(bundle) as Arc<dyn Disk>, true))
    })
}
