//! How names are sanitized: as the Python service does.

/// The text with `_` for each character that is neither one of `A-Za-z0-9_-` nor one of `also`.
pub(crate) fn sanitize(text: &str, also: &str) -> String {
    let keeps = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c) || also.contains(c);
    text.chars().map(|c| if keeps(c) { c } else { '_' }).collect()
}
