//! The text of `/metrics`. To make it takes milliseconds, and whoever asks a thousand times a second is shown the same.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Mutex;

const MADE_EVERY: Duration = Duration::from_millis(100);

/// The newest text and when it was made. Who asks while one is made waits for that.
#[derive(Default)]
pub struct MetricsText(Mutex<Option<(Instant, Bytes)>>);

impl MetricsText {
    pub async fn get(&self, now: impl Fn() -> Instant, make: impl FnOnce() -> String) -> Bytes {
        let mut newest = self.0.lock().await;
        if let Some((made, text)) = &*newest
            && now().duration_since(*made) < MADE_EVERY
        {
            return text.clone();
        }
        let text = Bytes::from(make());
        // Counted from its end, so that to make it never takes all the time there is.
        *newest = Some((now(), text.clone()));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_text_is_made_a_few_times_a_second_however_often_it_is_asked_for() {
        let (text, start, mut made) = (MetricsText::default(), Instant::now(), 0);
        for millisecond in 0..1000 {
            let now = || start + Duration::from_millis(millisecond);
            let make = || {
                made += 1;
                made.to_string()
            };
            assert_eq!(text.get(now, make).await, (millisecond / 100 + 1).to_string());
        }
    }
}
