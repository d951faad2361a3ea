//! "Did you mean": the nearest of a few known words.

/// The word nearest to `typed`, if one is near enough to be what was meant.
pub(crate) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let length = typed.chars().count();
    let near_enough = (length / 3).max(1);
    // Among ten thousand ids most are ruled out by their length.
    let known = known.into_iter().filter(|word| word.chars().count().abs_diff(length) <= near_enough);
    let distances = known.map(|word| (distance(&typed, &word.to_lowercase()), word));
    distances
        .filter(|&(distance, _)| distance <= near_enough)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, word)| word)
}

/// The hint for a mistyped word: the nearest one, or all of them.
pub(crate) fn suggest(typed: &str, known: &[&str]) -> String {
    match (nearest(typed, known.iter().copied()), known) {
        (Some(word), _) => format!("did you mean {word:?}?"),
        (None, [only]) => format!("there is only {only:?}"),
        (None, _) => {
            let words: Vec<String> = known.iter().map(|word| format!("{word:?}")).collect();
            format!("there are {}", words.join(", "))
        }
    }
}

/// What is said of an id that no endpoint has.
pub(crate) fn no_such_endpoint<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // It may come from anywhere: nobody's id is longer.
    let typed: String = typed.chars().take(253).collect();
    let near = nearest(&typed, known);
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    format!("there is no endpoint {typed:?}{hint}")
}

/// Edits between two words: insertions, deletions, replacements, and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let edited = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    edited.min(rows[i - 2][j - 2] + 1)
                } else {
                    edited
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word_and_another_word_finds_none() {
        assert_eq!(nearest("intervall", ["interval", "only"]), Some("interval"));
        assert_eq!(nearest("uato", ["auto", "sse"]), Some("auto"));
        assert_eq!(nearest("AUTO", ["auto", "sse"]), Some("auto"));
        assert_eq!(nearest("colour", ["auto", "sse"]), None);
        assert_eq!(
            no_such_endpoint("r17-u1", ["r18-u1", "r17-u12"]),
            "there is no endpoint \"r17-u1\"; did you mean \"r18-u1\"?"
        );
        assert_eq!(no_such_endpoint("\n", ["r17-u12"]), "there is no endpoint \"\\n\"");
        assert!(no_such_endpoint(&"x".repeat(9_000), ["r17-u12"]).len() < 300);
    }
}
