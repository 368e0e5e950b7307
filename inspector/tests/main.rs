//! The inspector's tests: the model against plain oracles, journeys through the window, pictures, hostile files.

mod export;
mod frames;
mod hostile;
mod journeys;
mod lanes;
mod merging;
mod paths;
mod pictures;
mod pipeline;
mod projection;
mod served;
mod support;
mod views;
