//! The inspector's program.

#[cfg(not(target_arch = "wasm32"))]
mod program {
    use std::path::PathBuf;
    use std::process::ExitCode;

    use clap::{Parser, ValueEnum};
    use vecdelta_inspector::ask::Place;
    use vecdelta_inspector::native::{screenshot, window};

    /// Look at a vecdelta repository: the graph of its commits, their vectors, and how they change.
    #[derive(Parser)]
    #[command(name = "vecdelta-inspector", version, max_term_width = 100)]
    struct Args {
        /// A repository's directory, a bundle's file, or the address of either on a web server; without it the start page is shown.
        #[arg(value_name = "REPO")]
        repo: Option<String>,
        /// Open the demo history that is built in.
        #[arg(long, conflicts_with = "repo")]
        demo: bool,
        /// Where to go, as copied from the window: `#c=1f0e9a2b&view=changes`.
        #[arg(long, value_name = "LINK", default_value = "")]
        state: String,
        /// Draw a picture into this PNG file instead of showing a window; needs no display.
        #[arg(long, value_name = "FILE")]
        screenshot: Option<PathBuf>,
        /// The picture's size in points.
        #[arg(long, value_name = "WxH", default_value = "1280x720", value_parser = size)]
        size: [usize; 2],
        /// Pixels per point in the picture.
        #[arg(long, default_value_t = 1.0, value_parser = scale)]
        scale: f32,
        /// Dark or light; as the system has it, and dark in pictures, if it is not given.
        #[arg(long)]
        theme: Option<Theme>,
    }

    #[derive(Clone, Copy, ValueEnum)]
    enum Theme {
        Dark,
        Light,
    }

    fn size(text: &str) -> Result<[usize; 2], String> {
        let parse = |t: &str| t.parse().ok().filter(|n| (200..=8192).contains(n));
        let pair = text.split_once('x').and_then(|(w, h)| Some([parse(w)?, parse(h)?]));
        pair.ok_or_else(|| "write width and height between 200 and 8192, such as 1280x720".to_owned())
    }

    fn scale(text: &str) -> Result<f32, String> {
        let value = text.parse().ok().filter(|s| (0.5..=4.0).contains(s));
        value.ok_or_else(|| "a number between 0.5 and 4".to_owned())
    }

    pub fn main() -> ExitCode {
        let args = Args::parse();
        let place = if args.demo { Some(Place::Demo) } else { args.repo.as_deref().and_then(Place::parse) };
        let theme = args.theme.map(|t| match t {
            Theme::Dark => egui::Theme::Dark,
            Theme::Light => egui::Theme::Light,
        });
        let result = match &args.screenshot {
            Some(file) => {
                let theme = theme.unwrap_or(egui::Theme::Dark);
                let shot = screenshot::Shot { place, link: args.state, size: args.size, scale: args.scale, theme };
                let picture = screenshot::take(&shot);
                screenshot::write(&picture, file).map_err(|e| format!("cannot write {}: {e}", file.display()))
            }
            None => window::run(place, &args.state, theme)
                .map_err(|e| format!("cannot show a window: {e}\n`--screenshot FILE.png` draws without a display")),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => {
                eprintln!("error: {text}");
                ExitCode::from(1)
            }
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    program::main()
}

#[cfg(target_arch = "wasm32")]
fn main() {}
