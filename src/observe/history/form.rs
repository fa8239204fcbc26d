//! The form in which the history is kept on the disk: a line of JSON, and a line with its BLAKE3 hash. Pure.

use serde::{Deserialize, Serialize};

use super::changes::Change;
use super::latency::Latencies;
use super::minute::{Minute, Scores};

/// Of what is written here; another one is not read.
const FORM: u32 = 1;

/// What was kept.
#[derive(Debug)]
pub struct Kept {
    pub minutes: Vec<Minute>,
    /// Of SHRINK's scores, beside those with a meaning.
    pub names: Vec<String>,
    pub changes: Vec<Change>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    form: u32,
    names: Vec<String>,
    changes: Vec<Change>,
    minutes: Vec<WrittenMinute>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMinute {
    number: u64,
    running_ms: u32,
    raw: u32,
    soc: [u32; 5],
    silenced: u32,
    /// Class and events of those that have any.
    latency: Vec<(usize, u32)>,
    /// Place, mean and samples.
    shrink: Vec<(usize, f32, u8)>,
}

pub fn write<'known>(
    minutes: impl Iterator<Item = &'known Minute>,
    names: &[String],
    changes: impl Iterator<Item = &'known Change>,
) -> String {
    let minutes = minutes.map(|minute| WrittenMinute {
        number: minute.number,
        running_ms: minute.running_ms,
        raw: minute.raw_events,
        soc: minute.soc_events,
        silenced: minute.silenced,
        latency: minute.latency.0.into_iter().enumerate().filter(|(_, events)| *events > 0).collect(),
        shrink: shrink(&minute.shrink),
    });
    let written =
        Written { form: FORM, names: names.to_vec(), changes: changes.cloned().collect(), minutes: minutes.collect() };
    let line = serde_json::to_string(&written).unwrap_or_default(); // texts and numbers always serialise
    format!("{line}\n{}\n", blake3::hash(line.as_bytes()).to_hex())
}

fn shrink(scores: &Scores) -> Vec<(usize, f32, u8)> {
    let all = scores.means.into_iter().zip(scores.samples).enumerate();
    all.filter(|(_, (_, samples))| *samples > 0).map(|(place, (mean, samples))| (place, mean, samples)).collect()
}

/// # Errors
/// Why this is not what was written here.
pub fn read(text: &str) -> Result<Kept, String> {
    let (line, hash) = text.strip_suffix('\n').and_then(|text| text.split_once('\n')).ok_or("it has no end")?;
    if blake3::hash(line.as_bytes()).to_hex().as_str() != hash {
        return Err("it was changed: its content does not match its hash".to_owned());
    }
    let written: Written = serde_json::from_str(line).map_err(|error| format!("it is no history: {error}"))?;
    if written.form != FORM {
        return Err(format!("it has form {}, and this program reads form {FORM}", written.form));
    }
    let minutes = written.minutes.into_iter().map(WrittenMinute::read).collect();
    Ok(Kept { minutes, names: written.names, changes: written.changes })
}

impl WrittenMinute {
    fn read(self) -> Minute {
        let (mut latency, mut shrink) = (Latencies::default(), Scores::default());
        for (class, events) in self.latency {
            latency.0.get_mut(class).into_iter().for_each(|known| *known = events);
        }
        for (place, mean, samples) in self.shrink {
            shrink.means.get_mut(place).into_iter().for_each(|known| *known = mean);
            shrink.samples.get_mut(place).into_iter().for_each(|known| *known = samples);
        }
        let Self { number, running_ms, raw: raw_events, soc: soc_events, silenced, .. } = self;
        Minute { number, running_ms, raw_events, soc_events, silenced, latency, shrink }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_damaged_or_is_another_form_is_not_read_and_says_why() {
        let text = write([Minute { running_ms: 7, ..Minute::of(29_000_000) }].iter(), &[], [].iter());
        assert_eq!(read(&text).unwrap().minutes.len(), 1);
        let said = |text: &str| read(text).unwrap_err();
        assert!(said(&text.replace("29000000", "29000001")).contains("does not match its hash"));
        assert!(said(&text[..text.len() / 2]).contains("no end"));
        assert!(said("").contains("no end"));
        let sealed = |line: &str| format!("{line}\n{}\n", blake3::hash(line.as_bytes()).to_hex());
        assert!(said(&sealed("{}")).contains("no history"));
        let other = "{\"form\":2,\"names\":[],\"changes\":[],\"minutes\":[]}";
        assert!(said(&sealed(other)).contains("form 2"));
    }

    proptest! {
        #[test]
        fn whatever_stands_in_the_file_is_read_or_refused(text in "\\PC*") {
            let _ = read(&text);
            let sealed = format!("{text}\n{}\n", blake3::hash(text.as_bytes()).to_hex());
            let _ = read(&sealed);
        }
    }
}
