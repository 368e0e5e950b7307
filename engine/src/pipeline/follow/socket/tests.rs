//! What a connection may send, cut up in every way, and what it may not.

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use super::door::Stream;
use super::frames::{Frames, Wish};
use super::guest::parse;
use super::places::{Places, STREAMS_MAX};
use crate::capture::read::ReadOptions;
use crate::pipeline::feed::Ticket;
use crate::pipeline::link::Budget;

/// Sends pieces, each when the one before may have been read, and returns what `read` makes of them.
fn sent<T>(pieces: &[&[u8]], budget: u64, read: impl FnOnce(&mut Frames<'_>) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            for piece in pieces {
                // Whoever reads may have given up.
                let _ = stream.write_all(piece);
                thread::yield_now();
            }
            let _ = stream.shutdown(Shutdown::Write);
        });
        let stream = Stream::Tcp(listener.accept().unwrap().0);
        let (budget, wish) = (Budget::new(budget), || Wish::Read);
        read(&mut Frames::new(&stream, &wish, &budget, None))
    })
}

fn lines(pieces: &[&[u8]]) -> (String, Result<(), String>) {
    sent(pieces, 1 << 30, |frames| {
        let mut all = Vec::new();
        loop {
            match frames.lines() {
                Ok(Some(lines)) => all.extend(lines),
                end => return (String::from_utf8(all).unwrap(), end.map(drop)),
            }
        }
    })
}

#[test]
fn lines_come_whole_however_they_are_cut() {
    let text = b"{\"a\":1}\n\n{\"b\":2}\r\n{\"c\":3}\n";
    for cut in 0..text.len() {
        let (all, end) = lines(&[&text[..cut], &text[cut..]]);
        assert_eq!((all.as_bytes(), end), (&text[..], Ok(())), "{cut}");
    }
    // A last line without an end counts when it is an object; half of one is never taken.
    assert_eq!(lines(&[b"{\"a\":1}\n{\"b\":2}"]), ("{\"a\":1}\n{\"b\":2}".to_owned(), Ok(())));
    let (all, end) = lines(&[b"{\"a\":1}\n{\"b\":"]);
    assert_eq!(all, "{\"a\":1}\n");
    assert!(end.unwrap_err().contains("within a line"));
}

#[test]
fn what_is_not_whole_stays_within_the_budget() {
    let piece = vec![b'x'; 3 << 20];
    let end = sent(&[&piece, &piece, &piece], 2 << 20, |frames| frames.lines().map(drop));
    // One piece always fits, as everywhere; more than the budget does not.
    assert!(end.unwrap_err().contains("too much"));
}

/// The messages of a small Arrow stream: a schema, batches of 3 and 2 rows, and the end mark.
fn arrow() -> Vec<u8> {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
    use arrow_schema::{DataType, Field};

    let rows = |ids: &[&str]| {
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let numbers = Float32Array::from(vec![0.5; ids.len() * 2]);
        let keys: ArrayRef = Arc::new(StringArray::from(ids.to_vec()));
        let vectors: ArrayRef = Arc::new(FixedSizeListArray::new(item, 2, Arc::new(numbers), None));
        RecordBatch::try_from_iter([("id", keys), ("x", vectors)]).unwrap()
    };
    let (one, two) = (rows(&["a", "b", "c"]), rows(&["d", "e"]));
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &one.schema()).unwrap();
    writer.write(&one).unwrap();
    writer.write(&two).unwrap();
    writer.into_inner().unwrap()
}

fn batches(bytes: &[u8]) -> (Vec<u64>, Result<(), String>) {
    sent(&[bytes], 1 << 30, |frames| {
        let mut rows = Vec::new();
        loop {
            match frames.batch() {
                Ok(Some(batch)) => {
                    // Each is a whole stream of its own; whatever it holds, its rows are counted or refused.
                    if let Ok((batches, refused)) = parse(batch.bytes, &ReadOptions::default()) {
                        let own: usize = batches.iter().map(|(_, _, batch)| batch.keys.len()).sum();
                        assert_eq!(own + refused.len(), batch.rows as usize);
                    }
                    rows.push(batch.rows);
                }
                end => return (rows, end.map(drop)),
            }
        }
    })
}

#[test]
fn batches_of_a_stream_come_one_by_one() {
    assert_eq!(batches(&arrow()), (vec![3, 2], Ok(())));
    let cut = arrow();
    let (rows, end) = batches(&cut[..cut.len() - 20]);
    assert_eq!(rows, [3]);
    assert!(end.unwrap_err().contains("cut short"));
    assert!(batches(b"GET / HTTP/1.1\r\n\r\n").1.unwrap_err().contains("no Arrow stream"));
    // Lengths that nobody can have: no memory is asked for.
    assert!(batches(&[0xFF, 0xFF, 0xFF, 0xFF, 0xF0, 0xFF, 0xFF, 0x7F, 1]).1.unwrap_err().contains("larger than"));
}

#[test]
fn a_damaged_stream_is_an_error_and_no_panic() {
    let whole = arrow();
    for at in 0..whole.len() {
        for bit in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            let _ = batches(&bytes);
        }
    }
}

#[test]
fn a_stream_goes_on_where_it_is_durable_or_known_to_be() {
    let mut places = Places::default();
    let begun = places.go_on("a", 1, 0).unwrap();
    assert_eq!((begun.taken, begun.durable), (0, 0));
    let ticket = Ticket::new();
    let mark = places.take("a", 1, Some((7, &ticket))).unwrap().unwrap();
    assert_eq!(mark, "{\"a\":7}");
    // Another connection goes on behind what was taken; the first one no more.
    let begun = places.go_on("a", 2, 3).unwrap();
    assert_eq!((begun.taken, begun.durable, begun.last.is_some()), (7, 0, true));
    assert!(places.take("a", 1, Some((8, &ticket))).unwrap_err().contains("another connection"));
    places.durable("a", 5);
    // A turn of the run ended: what is not durable is sent again.
    places.begin(Places::read("{\"a\":4,\"b\":9}").unwrap());
    assert_eq!(places.go_on("a", 3, 0).unwrap().taken, 5);
    assert_eq!(places.go_on("b", 4, 0).unwrap().durable, 9);
    assert_eq!(places.go_on("b", 4, 12).unwrap().taken, 12);
    for i in 2..STREAMS_MAX {
        places.go_on(&format!("s{i}"), 5, 0).unwrap();
    }
    assert!(places.go_on("one-more", 5, 0).is_err());
    assert!(Places::read("17").is_err() && Places::read("{\"a\":-1}").is_err());
}
