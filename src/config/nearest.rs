//! The word that was probably meant.

/// The candidate that fewest edits turn the word into; `None` when nothing is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let (edits, best) = candidates
        .into_iter()
        .map(|candidate| (edits(&word, &candidate.to_lowercase()), candidate))
        .min_by_key(|(edits, _)| *edits)?;
    (edits <= (best.chars().count() / 3).max(1)).then_some(best)
}

/// Levenshtein distance, computed row by row (Wagner and Fischer, 1974).
fn edits(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (index, left_char) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut previous = index + 1;
        let mut next_row = vec![previous];
        for (right_char, above) in right.chars().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(left_char != right_char);
            previous = replaced.min(previous + 1).min(above + 1);
            next_row.push(previous);
            diagonal = *above;
        }
        row = next_row;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_mistake_finds_its_word_and_nonsense_finds_none() {
        let keys = ["listen", "tokens_file", "tls_cert_file", "tls_key_file"];
        assert_eq!(nearest("lissten", keys), Some("listen"));
        assert_eq!(nearest("Listen", keys), Some("listen"));
        assert_eq!(nearest("token_file", keys), Some("tokens_file"));
        assert_eq!(nearest("banana", keys), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn distances_are_those_of_the_textbook() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("same", "same"), 0);
    }
}
