//! Names of months and days of the week, as `date` and syslog daemons abbreviate them under the locales that servers
//! run with.

/// English first: nearly every log has it. The others where they differ, in lower case.
const MONTHS: [&[&str]; 12] = [
    &["jan", "janv", "ene", "gen", "янв", "sty", "led", "janeiro", "januari", "januar", "jän", "ian"],
    &["feb", "févr", "fév", "fev", "фев", "лют", "lut", "úno", "febr", "febbr"],
    &["mar", "mär", "märz", "mars", "мар", "mrt", "bře", "marz", "maart", "maar"],
    &["apr", "avr", "avril", "abr", "апр", "kwi", "dub"],
    &["may", "mai", "maj", "mag", "май", "мая", "mei", "kvě", "mayo", "maio", "maggio"],
    &["jun", "juin", "giu", "июн", "cze", "čen", "čer", "juni", "jui"],
    &["jul", "juil", "lug", "июл", "lip", "čec", "čvc", "juli"],
    &["aug", "août", "aoû", "ago", "авг", "sie", "srp", "agos"],
    &["sep", "sept", "set", "сен", "сент", "wrz", "zář"],
    &["oct", "okt", "out", "ott", "окт", "paź", "říj"],
    &["nov", "ноя", "нояб", "lis"],
    &["dec", "dez", "déc", "dic", "дек", "gru", "pro", "dicembre"],
];

const WEEKDAYS: &[&str] = &[
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "mo", "di", "mi", "do", "fr", "sa", "so", "lun", "mar", "mer",
    "jeu", "ven", "sam", "dim", "пн", "вт", "ср", "чт", "пт", "сб", "вс",
];

/// Letters of the longest name above, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 24;

/// A month at the start of the text, with what follows its name and the full stop of an abbreviation.
pub(super) fn named(text: &str) -> Option<(i8, &str)> {
    if let Some(found) = english(text) {
        return Some(found);
    }
    let (name, rest) = word(text)?;
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    if !rest.starts_with([' ', '/', '-']) {
        return None;
    }
    let name = name.to_lowercase();
    let month = MONTHS.iter().position(|names| names.contains(&name.as_str()))?;
    Some((i8::try_from(month + 1).ok()?, rest))
}

/// Without a look at the others, since this is in every line.
fn english(text: &str) -> Option<(i8, &str)> {
    let (name, rest) = text.split_at_checked(3)?;
    let month = match name {
        "Jan" => 1,
        "Feb" => 2,
        "Mar" => 3,
        "Apr" => 4,
        "May" => 5,
        "Jun" => 6,
        "Jul" => 7,
        "Aug" => 8,
        "Sep" => 9,
        "Oct" => 10,
        "Nov" => 11,
        "Dec" => 12,
        _ => return None,
    };
    (!rest.starts_with(char::is_alphabetic)).then_some((month, rest))
}

/// What follows a day of the week and its comma or full stop.
pub(super) fn after_weekday(text: &str) -> Option<&str> {
    let (name, rest) = word(text).filter(|(_, rest)| rest.starts_with([' ', ',', '.']))?;
    WEEKDAYS.contains(&name.to_lowercase().as_str()).then(|| rest.trim_start_matches(['.', ',']))
}

fn word(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(name, _)| (2..=NAME_BYTES_MAX).contains(&name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_of_other_languages_are_months() {
        for (text, month) in [
            ("сен 08", 9),
            ("Mär 08", 3),
            ("märz 08", 3),
            ("Mai 08", 5),
            ("Okt 08", 10),
            ("Dez 08", 12),
            ("févr. 08", 2),
            ("août 08", 8),
            ("juil. 08", 7),
            ("ene 08", 1),
            ("dic 08", 12),
            ("gen 08", 1),
            ("ago 08", 8),
            ("ott 08", 10),
            ("fev 08", 2),
            ("out 08", 10),
            ("mrt 08", 3),
            ("mei 08", 5),
            ("мая 08", 5),
            ("июн 08", 6),
            ("sty 08", 1),
            ("paź 08", 10),
            ("lis 08", 11),
            ("úno 08", 2),
            ("říj 08", 10),
            ("pro 08", 12),
            ("maj 08", 5),
        ] {
            assert_eq!(named(text), Some((month, " 08")), "{text}");
        }
    }

    #[test]
    fn every_month_is_read_in_english_and_in_lower_case() {
        let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        for (name, month) in names.into_iter().zip(1..) {
            assert_eq!(english(&format!("{name} 08")), Some((month, " 08")));
            assert_eq!(named(&format!("{} 08", name.to_lowercase())), Some((month, " 08")));
        }
    }

    #[test]
    fn a_day_of_the_week_is_left_out_with_its_comma_or_full_stop() {
        for text in ["Mon, 08", "mo. 08", "сб, 08", "Sun 08"] {
            assert_eq!(after_weekday(text), Some(" 08"), "{text}");
        }
        for text in ["M, 08", "Month, 08", "Mon-08", ""] {
            assert_eq!(after_weekday(text), None, "{text}");
        }
    }

    #[test]
    fn words_that_begin_like_a_month_are_none() {
        for text in ["Marc 08", "Mayday 08", "", "é", "Decide 08", "junk 08"] {
            assert_eq!(named(text), None, "{text}");
        }
    }
}
