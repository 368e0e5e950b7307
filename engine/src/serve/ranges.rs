//! Conditions and ranges: which part of something that has an ETag is sent.

use std::sync::Arc;

use super::http::{Head, Payload, Response};
use crate::store::DiskFile;

/// Answers a request for a file, or a piece of it; several ranges at once are answered with the whole.
///
/// `tag` is the ETag without its quotes. RFC 9110: If-Match, then If-None-Match, then Range under If-Range.
pub fn file_response(head: &Head, file: Arc<dyn DiskFile>, len: u64, kind: &str, tag: &str) -> Response {
    let quoted = format!("\"{tag}\"");
    let dressed = |response: Response| response.header("ETag", quoted.clone()).header("Accept-Ranges", "bytes");
    if head.header("if-match").is_some_and(|wanted| !names(wanted, &quoted)) {
        let help = "read it again from the beginning";
        return dressed(Response::refused(412, "it is no longer what If-Match names", help));
    }
    if head.header("if-none-match").is_some_and(|known| names(known, &quoted)) {
        return dressed(Response::text(304, ""));
    }
    let fresh = head.header("if-range").is_none_or(|known| known == quoted);
    let whole = |file| dressed(Response::new(200, kind, Payload::File { file, offset: 0, len }));
    match head.header("range").filter(|_| fresh).map(|range| parse(range, len)) {
        None | Some(Wanted::Whole) => whole(file),
        Some(Wanted::Part { offset, len: part }) => {
            let content = format!("bytes {offset}-{}/{len}", offset + part - 1);
            dressed(Response::new(206, kind, Payload::File { file, offset, len: part }))
                .header("Content-Range", content)
        }
        Some(Wanted::Nothing) => {
            dressed(Response::error(416, format!("it is {len} bytes long, and the range lies behind")))
                .header("Content-Range", format!("bytes */{len}"))
        }
    }
}

/// Returns whether a list of tags holds one, or stands for all.
fn names(list: &str, tag: &str) -> bool {
    list.split(',').map(|t| t.trim().trim_start_matches("W/")).any(|t| t == "*" || t == tag)
}

/// What a Range header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part { offset: u64, len: u64 },
    Nothing,
}

/// Reads a Range header; what is malformed is as if it were not there.
fn parse(range: &str, len: u64) -> Wanted {
    let Some((first, last)) = range.trim().strip_prefix("bytes=").and_then(|r| r.trim().split_once('-')) else {
        return Wanted::Whole;
    };
    let number = |text: &str| -> Option<Option<u64>> {
        if text.is_empty() {
            return Some(None);
        }
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        // A number beyond all files is as good as the largest.
        digits.then(|| Some(text.parse().unwrap_or(u64::MAX)))
    };
    let (Some(first), Some(last)) = (number(first), number(last)) else { return Wanted::Whole };
    match (first, last) {
        (None, None) => Wanted::Whole,
        (None, Some(0)) => Wanted::Nothing,
        (None, Some(_)) if len == 0 => Wanted::Nothing,
        (None, Some(n)) => Wanted::Part { offset: len.saturating_sub(n), len: n.min(len) },
        (Some(from), Some(to)) if to < from => Wanted::Whole,
        (Some(from), _) if from >= len => Wanted::Nothing,
        (Some(from), to) => {
            let end = to.map_or(len, |to| to.saturating_add(1).min(len));
            Wanted::Part { offset: from, len: end - from }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let part = |offset, len| Wanted::Part { offset, len };
        let cases = [
            ("bytes=0-0", part(0, 1)),
            ("bytes=0-9", part(0, 10)),
            ("bytes=2-", part(2, 8)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-99", part(0, 10)),
            ("bytes=9-99", part(9, 1)),
            ("bytes= 1-2", part(1, 2)),
            ("bytes=0-18446744073709551615", part(0, 10)),
            ("bytes=0-99999999999999999999999", part(0, 10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=99999999999999999999999-", Wanted::Nothing),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
            ("", Wanted::Whole),
        ];
        for (range, wanted) in cases {
            assert_eq!(parse(range, 10), wanted, "{range}");
        }
        assert_eq!(parse("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(parse("bytes=-1", 0), Wanted::Nothing);
    }

    #[test]
    fn tags_are_compared_whole() {
        assert!(names("\"a\"", "\"a\"") && names("*", "\"a\"") && names("\"b\", W/\"a\"", "\"a\""));
        assert!(!names("a", "\"a\"") && !names("\"ab\"", "\"a\"") && !names("", "\"a\""));
    }
}
