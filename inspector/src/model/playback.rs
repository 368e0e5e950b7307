//! The clock of a replay: it is told how much time went by and says where on the path it stands.

/// The speeds that can be chosen, in commits a second.
pub const SPEEDS: [f64; 7] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0];

/// The longest time that one tick counts: after a pause of the program the replay goes on, it does not leap.
pub const TICK_MAX: f64 = 0.25;

/// A replay along a path of commits.
#[derive(Clone, Debug, PartialEq)]
pub struct Playback {
    /// Whether it runs.
    pub playing: bool,
    /// Commits a second; one of [`SPEEDS`].
    pub speed: f64,
    /// Whether it begins again at the end.
    pub looping: bool,
    /// The stretch that is played: places on the path, both included; `None` for all.
    pub range: Option<(usize, usize)>,
    position: f64,
}

impl Default for Playback {
    fn default() -> Self {
        Self { playing: false, speed: 2.0, looping: false, range: None, position: 0.0 }
    }
}

impl Playback {
    /// Makes a replay that stands at the beginning.
    pub fn new(speed: f64, looping: bool, range: Option<(usize, usize)>) -> Self {
        Self { speed, looping, range, ..Self::default() }
    }

    /// Returns the place on the path.
    pub fn place(&self) -> usize {
        self.position as usize
    }

    /// Returns how far it stands between two places, from 0 to 1.
    pub fn between(&self) -> f64 {
        self.position.fract()
    }

    /// Goes to a place.
    pub fn seek(&mut self, place: usize) {
        self.position = place as f64;
    }

    /// Loops over a stretch, from one place to another one; one place alone takes the stretch away.
    pub fn loop_between(&mut self, from: usize, to: usize) {
        self.range = (from != to).then_some((from.min(to), from.max(to)));
        self.looping |= self.range.is_some();
    }

    /// Sets one end of the stretch after the other to where the replay stands; the third time takes it away.
    pub fn mark_loop(&mut self, len: usize) {
        let (here, last) = (self.place(), len.saturating_sub(1));
        self.range = match self.range {
            None => Some((here, last)),
            Some((from, to)) if to == last && here > from && here < last => Some((from, here)),
            Some(_) => None,
        };
        self.looping |= self.range.is_some();
    }

    /// Starts or stops; at the end it starts from the beginning.
    pub fn toggle(&mut self, len: usize) {
        let (first, last) = self.stretch(len);
        if !self.playing && (self.place() >= last || self.place() < first) {
            self.seek(first);
        }
        self.playing = !self.playing && len > 1;
    }

    /// Goes some places back or on, and stops.
    pub fn step(&mut self, by: i64, len: usize) {
        self.playing = false;
        let last = len.saturating_sub(1) as i64;
        self.seek((self.place() as i64).saturating_add(by).clamp(0, last) as usize);
    }

    /// Chooses the next speed up or down.
    pub fn change_speed(&mut self, up: bool) {
        let at = SPEEDS.iter().position(|&s| s >= self.speed).unwrap_or(SPEEDS.len() - 1);
        let at = if up { (at + 1).min(SPEEDS.len() - 1) } else { at.saturating_sub(1) };
        self.speed = SPEEDS[at];
    }

    /// Lets time go by, in seconds; returns whether the place changed. `len` is the length of the path.
    pub fn tick(&mut self, dt: f64, len: usize) -> bool {
        if !self.playing || len == 0 {
            return false;
        }
        let before = self.place();
        let (first, last) = self.stretch(len);
        self.position = self.position.max(first as f64);
        if dt.is_finite() && dt > 0.0 {
            self.position += dt.min(TICK_MAX) * self.speed;
        }
        // The last place is held as long as any other before a loop begins again.
        if self.looping && self.position >= (last + 1) as f64 {
            let length = (last + 1 - first) as f64;
            self.position = first as f64 + (self.position - first as f64) % length;
        }
        if !self.looping && self.position >= last as f64 {
            self.position = last as f64;
            self.playing = false;
        }
        self.place() != before
    }

    fn stretch(&self, len: usize) -> (usize, usize) {
        let last = len.saturating_sub(1);
        let (a, b) = self.range.unwrap_or((0, last));
        (a.min(b).min(last), a.max(b).min(last))
    }
}
