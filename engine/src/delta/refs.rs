//! Names of branches and tags.

/// The fewest hex digits that may stand for a commit.
pub const HASH_DIGITS_MIN: usize = 6;

/// Checks that a text can name a branch or tag: that it is not empty, long, like a hash, or like another revision.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_ref(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 128 {
        Err("a name has 1 to 128 bytes")
    } else if name.starts_with(['@', '-', '/']) || name.ends_with('/') || name.contains("..") {
        Err("it begins or ends with a sign that means something else")
    } else if name.chars().any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c)) {
        Err("spaces and the signs ~ ^ : ? * [ \\ are not allowed")
    } else if name.len() >= HASH_DIGITS_MIN && name.bytes().all(|b| b.is_ascii_hexdigit()) {
        Err("it could be taken for a hash")
    } else {
        Ok(())
    }
}
