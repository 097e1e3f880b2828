//! Smileys made of letters, as people have typed them since 1982.

/// What is typed, and what is meant.
const SMILEYS: [(&str, &str); 16] = [
    (":-)", "🙂"),
    (":)", "🙂"),
    (";-)", "😉"),
    (";)", "😉"),
    (":-(", "🙁"),
    (":(", "🙁"),
    (":-D", "😀"),
    (":D", "😀"),
    (":-P", "😛"),
    (":P", "😛"),
    (":-O", "😮"),
    (":'(", "😢"),
    (":-*", "😘"),
    ("8-)", "😎"),
    (":-|", "😐"),
    ("<3", "❤\u{fe0f}"),
];

/// Text with emoji in the place of smileys that stand alone between spaces.
pub(super) fn smileys(text: &str) -> String {
    if !SMILEYS.iter().any(|(typed, _)| text.contains(typed)) {
        return text.to_owned();
    }
    let meant = |word: &str| SMILEYS.iter().find(|(typed, _)| *typed == word).map(|(_, meant)| *meant);
    let words: Vec<&str> = text.split(' ').map(|word| meant(word).unwrap_or(word)).collect();
    words.join(" ")
}
