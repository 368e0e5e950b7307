//! The meaning of patterns, and that `globset` agrees.

use super::*;

fn hit(pattern: &str, text: &str) -> bool {
    let glob = Glob::new(pattern).expect("a good pattern");
    let whole = |a: &Alternative| {
        let rest = text.strip_prefix(a.head.as_str());
        rest.is_some_and(|rest| reached(&a.steps, rest)[a.steps.len()])
    };
    glob.alternatives.iter().any(whole)
}

#[test]
fn wildcards_know_segments_and_characters() {
    for (pattern, text) in [
        ("**", "dump/a/b"),
        ("dump/{berlin,paris}/**", "dump/paris/x/y"),
        ("dump/*", "dump/äöü"),
        ("dump/?", "dump/ä"),
        ("dump/[ä-ü]x", "dump/öx"),
        ("dump/[a-]", "dump/-"),
        ("**/x", "x"),
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
        ("a\\*/b", "ab/b"),
    ] {
        assert!(!hit(pattern, text), "{pattern} {text}");
    }
}

#[test]
fn bad_patterns_say_why() {
    let many = ["{a,b}".repeat(11), "**/".repeat(11)];
    let bad = [
        "[a", "{a", "a}", "[]", "[z-a]", "a\\", "{a,[}", "a{,b}", "x**", "**x", "***", "a/",
    ];
    for bad in bad.into_iter().chain(many.iter().map(String::as_str)) {
        assert!(Glob::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn many_wildcards_take_no_longer_than_pattern_times_text() {
    assert!(!hit(&"*a".repeat(60), &"a".repeat(59)));
    assert!(hit(&"*a".repeat(60), &"ba".repeat(400)));
}

#[test]
fn prefixes_tell_what_can_still_match() {
    let below = |pattern: &str| {
        Glob::new(pattern)
            .expect("a good pattern")
            .matches_below("dump/")
    };
    for pattern in [
        "**",
        "d*/x",
        "dump/**",
        "{dump,x}/a",
        "*/a",
        "**/a",
        "dump/a",
    ] {
        assert!(below(pattern), "{pattern}");
    }
    for pattern in ["dmp/**", "*", "eu*", "dump", "dump2/**", "?/a"] {
        assert!(!below(pattern), "{pattern}");
    }
}

fn word(mut n: usize, letters: &[&str]) -> String {
    let mut word = String::new();
    while n > 0 {
        word.push_str(letters[n % letters.len()]);
        n /= letters.len();
    }
    word
}

/// Keys with `ä` are left out: `?` is one byte in `globset`, and one character here.
#[test]
fn short_patterns_mean_the_same_as_in_the_stages() {
    let pieces = ["a", "b", "/", "*", "?", "**", "/**/", "{a,b/}", "[!a]"];
    let mut compared = 0;
    for pattern in (0..9_usize.pow(4)).map(|n| word(n, &pieces)) {
        let Ok(glob) = GlobBuilder::new(&pattern).literal_separator(true).build() else {
            continue;
        };
        if Glob::new(&pattern).is_err() {
            continue;
        }
        let matcher = glob.compile_matcher();
        for text in (0..81).map(|n| word(n, &["a", "b", "/"])) {
            assert_eq!(
                hit(&pattern, &text),
                matcher.is_match(&text),
                "{pattern:?} {text:?}"
            );
            compared += 1;
        }
    }
    assert!(compared > 100_000);
}
