//! Every line has a time of its own, which tells where it came from and which one it was: nothing has to be added to the lines.

/// Where lines come from, each with microseconds of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum From {
    File,
    Redis,
    Http,
    Syslog,
}

pub const ALL: [From; 4] = [From::File, From::Redis, From::Http, From::Syslog];
const STRIDE: u64 = ALL.len() as u64;

impl From {
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Redis => "Redis",
            Self::Http => "HTTP",
            Self::Syslog => "syslog",
        }
    }
}

/// The times of the lines from one place, at an even rate.
#[derive(Clone, Copy)]
pub struct Numbers {
    pub from: From,
    start: u64,
    step: u64,
}

impl Numbers {
    /// About so many a second from then on, in microseconds since 1970.
    pub fn new(from: From, start: u64, rate: f64) -> Self {
        let step = ((1e6 / rate / STRIDE as f64).round() as u64).max(1) * STRIDE;
        Self { from, start: start / STRIDE * STRIDE, step }
    }

    /// When the line of this number is written.
    pub fn micros(&self, number: usize) -> u64 {
        self.start + self.from as u64 + number as u64 * self.step
    }

    pub fn rate(&self) -> f64 {
        1e6 / self.step as f64
    }

    /// The number of the line with this time, if it is from here.
    pub fn number(&self, micros: u64) -> Option<usize> {
        let since = micros.checked_sub(self.start + self.from as u64)?;
        (since % self.step == 0 && micros % STRIDE == self.from as u64).then(|| (since / self.step) as usize)
    }
}

/// Where the line with this time is from.
pub fn from(micros: u64) -> From {
    ALL[(micros % STRIDE) as usize]
}

/// The time at the beginning of a line, in microseconds since 1970, whatever stands before it.
pub fn micros(payload: &[u8]) -> Option<u64> {
    const LENGTH: usize = "2026-01-01T00:00:00.000000Z".len();
    let is_stamp = |text: &[u8]| text[4] == b'-' && text[10] == b'T' && text[19] == b'.' && text[26] == b'Z';
    let text = payload.windows(LENGTH).find(|text| is_stamp(text))?;
    let stamp = std::str::from_utf8(text).ok()?.parse::<jiff::Timestamp>().ok()?;
    u64::try_from(stamp.as_microsecond()).ok()
}

/// Which numbers there are.
#[derive(Default)]
pub struct Set {
    bits: Vec<u64>,
    pub count: u64,
}

impl Set {
    /// Whether it is new.
    pub fn insert(&mut self, number: usize) -> bool {
        let (word, bit) = (number / 64, 1 << (number % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + word / 2 + 1, 0);
        }
        let is_new = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        self.count += u64::from(is_new);
        is_new
    }

    pub fn has(&self, number: usize) -> bool {
        self.bits.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub fn numbers(&self) -> impl Iterator<Item = usize> + Clone {
        (0..self.bits.len() * 64).filter(|number| self.has(*number))
    }
}
