//! The meaning of patterns, against a matcher that is too simple to be wrong, and the time they take.

use std::time::{Duration, Instant};

use super::*;

fn hit(pattern: &str, text: &str) -> bool {
    Glob::new(pattern).unwrap().is_match(text)
}

#[test]
fn wildcards_know_segments_and_characters() {
    for (pattern, text) in [
        ("**", "dump/a/b"),
        ("**", ""),
        ("dump/{berlin,paris}/**", "dump/paris/x/y"),
        ("dump/*", "dump/äöü"),
        ("dump/?", "dump/ä"),
        ("dump/[ä-ü]x", "dump/öx"),
        ("dump/[a-]", "dump/-"),
        ("**/x", "x"),
        ("**/x", "a/b/x"),
        ("a/**/b", "a/b"),
        ("a/**/b", "a/1/2/b"),
        ("{a,{b,c}d}/*.npy", "cd/x.npy"),
        ("a\\*/b", "a*/b"),
    ] {
        assert!(hit(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [
        ("dump/*", "dump/a/b"),
        ("dump/**", "dumps/a"),
        ("dump/?", "dump/ab"),
        ("dump/[!a]", "dump/a"),
        ("**/x", "ax"),
        ("**/x", "a/bx"),
        ("a\\*/b", "ab/b"),
        ("ab*ba", "aba"),
    ] {
        assert!(!hit(pattern, text), "{pattern} {text}");
    }
}

#[test]
fn bad_patterns_say_why() {
    let many = ["{a,b}".repeat(14), "a".repeat(BYTES_MAX + 1)];
    let bad = ["[a", "{a", "a}", "[]", "[z-a]", "a\\", "{a,[}", "a{,b}", "x**", "**x", "***", "a/"];
    for bad in bad.into_iter().chain(many.iter().map(String::as_str)) {
        assert!(Glob::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn hostile_patterns_take_no_longer_than_pattern_times_text() {
    let start = Instant::now();
    assert!(!hit(&"*a".repeat(60), &"a".repeat(59)));
    assert!(hit(&"*a".repeat(60), &"ba".repeat(400)));
    assert!(!hit(&"**/*a".repeat(3).replace("a**", "a/**"), &"a/".repeat(512)));
    let longest = "*a".repeat(BYTES_MAX / 2);
    assert!(!hit(&longest, &"a".repeat(1_000)));
    let nested = format!("{}a{}", "{".repeat(BYTES_MAX / 2 - 1), "}".repeat(BYTES_MAX / 2 - 1));
    assert!(hit(&nested, "a"));
    let folders = format!("{}x", "**/".repeat(BYTES_MAX / 4));
    assert!(!hit(&folders, &"a/".repeat(512)));
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn prefixes_tell_what_can_still_match() {
    let below = |pattern: &str| Glob::new(pattern).unwrap().matches_below("dump/");
    for pattern in ["**", "d*/x", "dump/**", "{dump,x}/a", "*/a", "**/a", "dump/a"] {
        assert!(below(pattern), "{pattern}");
    }
    for pattern in ["dmp/**", "*", "eu*", "dump", "dump2/**", "?/a"] {
        assert!(!below(pattern), "{pattern}");
    }
}

#[test]
fn only_the_widest_pattern_takes_all() {
    let all = |pattern: &str| Glob::new(pattern).unwrap().takes_all();
    assert!(all("**") && all("{a,**}"));
    assert!(!all("*") && !all("*/**") && !all("**/*"));
}

fn word(mut n: usize, letters: &[&str]) -> String {
    let mut word = String::new();
    while n > 0 {
        word.push_str(letters[n % letters.len()]);
        n /= letters.len();
    }
    word
}

/// Tries everything that each wildcard could stand for; `pattern` is known to be good.
fn simple(pattern: &str, text: &str) -> bool {
    let ends = || (0..=text.len()).filter(|&at| text.is_char_boundary(at));
    if let Some(rest) = pattern.strip_prefix("{a,b/}") {
        simple(&format!("a{rest}"), text) || simple(&format!("b/{rest}"), text)
    } else if let Some(rest) = pattern.strip_prefix("**/") {
        simple(rest, text) || ends().any(|at| text[..at].ends_with('/') && simple(rest, &text[at..]))
    } else if pattern == "**" {
        true
    } else if let Some(rest) = pattern.strip_prefix('*') {
        ends().any(|at| !text[..at].contains('/') && simple(rest, &text[at..]))
    } else {
        let Some(c) = text.chars().next() else { return pattern.is_empty() };
        let below = &text[c.len_utf8()..];
        let one = |rest: Option<&str>, takes: bool| takes && rest.is_some_and(|rest| simple(rest, below));
        one(pattern.strip_prefix('?'), c != '/')
            || one(pattern.strip_prefix("[!a]"), c != 'a')
            || one(pattern.strip_prefix(c), true)
    }
}

#[test]
fn short_patterns_mean_what_trying_everything_says() {
    let pieces = ["ä", "b", "/", "*", "?", "**", "/**/", "{a,b/}", "[!a]"];
    let texts: Vec<String> = (0..256).map(|n| word(n, &["a", "b", "/", "ä"])).collect();
    let mut compared = 0;
    for pattern in (0..9_usize.pow(4)).map(|n| word(n, &pieces)) {
        let Ok(glob) = Glob::new(&pattern) else { continue };
        for text in &texts {
            let whole = simple(&pattern, text);
            assert_eq!(glob.is_match(text), whole, "{pattern:?} {text:?}");
            if let Some((collection, key)) = text.split_once('/') {
                assert_eq!(glob.is_source(collection, key), whole, "{pattern:?} {text:?}");
            }
            // What matches makes every shorter text a prefix of something that matches.
            if whole && !text.is_empty() {
                let cut = text.char_indices().next_back().unwrap().0;
                assert!(glob.matches_below(&text[..cut]), "{pattern:?} {text:?}");
            }
            compared += 1;
        }
    }
    assert!(compared > 100_000);
}

#[test]
fn long_patterns_are_carried_in_as_many_words_as_they_need() {
    for length in [62, 63, 64, 65, 127, 255, 256, 300, 1_000] {
        let pattern = format!("{}*{}", "ab".repeat(length / 2), "c".repeat(length % 2));
        let text = format!("{}xyz{}", "ab".repeat(length / 2), "c".repeat(length % 2));
        assert!(hit(&pattern, &text) && !hit(&pattern, &text[1..]), "{length}");
    }
}
