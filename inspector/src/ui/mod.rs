//! The window: one file for each panel.

pub mod act;
pub mod app;
pub mod changes;
pub mod collection;
pub mod commit;
pub mod compare;
pub mod cost;
pub mod drift;
pub mod export;
pub mod font;
pub mod graph;
pub mod help;
pub mod icon;
pub mod integrity;
pub mod keys;
pub mod palette;
pub mod pipeline;
pub mod projection;
pub mod shell;
pub mod start;
pub mod state;
pub mod theme;
pub mod timeline;
pub mod vector;
pub mod view;
pub mod widgets;
