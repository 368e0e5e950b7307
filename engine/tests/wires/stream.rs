//! A NATS stream: published once and followed without gaps, whatever breaks off.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use vecdelta::delta::{Delta, DeltaInfo, Element, Table};
use vecdelta::wire::nats::{Follower, Keeps, Place, Publisher, Use, check, unpack};

use super::servers::{nats, together};

/// A stream that nobody else has.
pub fn new_place(partitions: u32) -> Place {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("t{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    Place { url: nats(), stream: name.clone(), subject: name, partitions, keeps: Keeps::default() }
}

fn deltas(from: u32, to: u32) -> Vec<Delta> {
    let table = Table { collection: "c".to_owned(), element: Element::F32, dims: 4 };
    let delta = |i: u32| {
        let row: Vec<u8> = (0..4).flat_map(|d| ((i * 7 + d) as f32).to_le_bytes()).collect();
        Delta::new(&table, &format!("key-{}", i % 50), None, Some(&row), DeltaInfo::default()).unwrap()
    };
    (from..to).map(delta).collect()
}

/// Reads a partition to its end.
fn read(place: &Place, partition: u32) -> Vec<Delta> {
    let mut follower = Follower::open(place, &place.partition(partition), 0).unwrap();
    let mut found = Vec::new();
    while let Some(message) = follower.next(Duration::from_millis(500)).unwrap() {
        found.extend(unpack(&message.payload).unwrap());
    }
    found
}

fn holds(place: &Place, want: &[Delta]) {
    for partition in 0..place.partitions {
        let own = |d: &&Delta| place.partition_of(&d.source().collection, &d.source().key) == partition;
        assert_eq!(read(place, partition), want.iter().filter(own).cloned().collect::<Vec<_>>());
    }
}

#[test]
fn what_is_published_is_followed_in_order() {
    let _together = together();
    let place = new_place(3);
    assert!(check(&place, Use::Publish).unwrap().contains("will be made"));
    assert!(check(&place, Use::Follow).unwrap_err().to_string().contains("no stream"));
    let (mut publisher, resumed) = Publisher::open(&place).unwrap();
    assert_eq!((resumed.cursor, resumed.ahead), (None, 0));
    let all = deltas(0, 1_000);
    for (i, part) in all.chunks(130).enumerate() {
        publisher.publish(part, &format!("after {i}")).unwrap();
    }
    holds(&place, &all);
    drop(publisher);
    assert_eq!(Publisher::open(&place).unwrap().1.cursor.as_deref(), Some("after 7"));
    assert!(check(&place, Use::Follow).unwrap().contains("with "));
}

/// A publisher breaks off behind its deltas and before its cursor: they come again, in other groups, and count once.
#[test]
fn a_publisher_that_broke_off_goes_on_where_it_was() {
    let _together = together();
    let place = new_place(4);
    let all = deltas(0, 600);
    let (mut first, _) = Publisher::open(&place).unwrap();
    first.publish(&all[..200], "200").unwrap();
    first.publish_without_cursor(&all[200..350]).unwrap();
    drop(first);
    let (mut second, resumed) = Publisher::open(&place).unwrap();
    assert_eq!((resumed.cursor.as_deref(), resumed.ahead), (Some("200"), 150));
    // A cursor in the midst of what is there already would hide the rest of it.
    assert!(!second.publish(&all[200..260], "260").unwrap());
    drop(second);
    let (mut third, resumed) = Publisher::open(&place).unwrap();
    assert_eq!((resumed.cursor.as_deref(), resumed.ahead), (Some("200"), 150));
    assert!(!third.publish(&all[200..300], "300").unwrap());
    assert!(third.publish(&all[300..500], "500").unwrap());
    third.publish(&all[500..], "600").unwrap();
    holds(&place, &all);
}

#[test]
fn two_publishers_do_not_mix() {
    let _together = together();
    let place = new_place(1);
    let (mut first, _) = Publisher::open(&place).unwrap();
    let (mut second, _) = Publisher::open(&place).unwrap();
    second.publish(&deltas(0, 10), "a").unwrap();
    let error = first.publish(&deltas(10, 20), "b").unwrap_err();
    assert!(error.to_string().contains("somebody else publishes"), "{error}");
    holds(&place, &deltas(0, 10));
}

#[test]
fn a_stream_that_is_divided_in_another_way_is_refused() {
    let _together = together();
    let place = new_place(2);
    Publisher::open(&place).unwrap();
    let other = Place { partitions: 3, ..place.clone() };
    let error = Publisher::open(&other).err().unwrap();
    assert!(error.to_string().contains("2 partitions"), "{error}");
    let error = Publisher::open(&Place { url: "nats://a:hidden@127.0.0.1:1".to_owned(), ..place }).err().unwrap();
    assert!(error.to_string().contains("NATS_PASSWORD") && !error.to_string().contains("hidden"));
}

/// A follower goes on behind the last message it took, and notices one that was removed before it came.
#[test]
fn a_follower_goes_on_and_notices_a_gap() {
    let _together = together();
    let place = new_place(1);
    let (mut publisher, _) = Publisher::open(&place).unwrap();
    let all = deltas(0, 50);
    all.chunks(10).for_each(|part| assert!(publisher.publish(part, "x").unwrap()));
    let subject = place.partition(0);
    let mut follower = Follower::open(&place, &subject, 0).unwrap();
    let wait = Duration::from_secs(5);
    follower.next(wait).unwrap().unwrap();
    let second = follower.next(wait).unwrap().unwrap();
    drop(follower);
    let mut again = Follower::open(&place, &subject, second.sequence).unwrap();
    let third = again.next(wait).unwrap().unwrap();
    assert_eq!(unpack(&third.payload).unwrap(), all[20..30]);
    drop(again);
    // The fourth and the fifth are what limits would have removed, had they come to it.
    let (fourth, fifth) = (third.sequence + 2, third.sequence + 4);
    remove(&place, fourth);
    let mut gap = Follower::open(&place, &subject, third.sequence + 1).unwrap();
    let said = gap.next(wait).unwrap_err().to_string();
    assert!(said.contains(&format!("message {fifth}")) && said.contains("removed before"), "{said}");
}

/// Removes a message behind the program's back.
fn remove(place: &Place, sequence: u64) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let context = async_nats::jetstream::new(async_nats::connect(&place.url).await.unwrap());
        context.get_stream(&place.stream).await.unwrap().delete_message(sequence).await.unwrap();
    });
}

/// More than a server holds for one connection (64 MB): it must not be asked for all at once, or it cuts the connection off.
#[test]
fn a_long_backlog_is_followed_without_a_break() {
    let _together = together();
    let place = new_place(1);
    let (mut publisher, _) = Publisher::open(&place).unwrap();
    let table = Table { collection: "c".to_owned(), element: Element::F32, dims: 110_000 };
    let (messages, mut row) = (350u32, vec![0u8; 440_000]);
    let mut state = 1u64;
    for i in 0..messages {
        for word in row.as_chunks_mut::<8>().0 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *word = (state >> 8).to_le_bytes();
        }
        let delta = Delta::new(&table, &format!("key-{i}"), None, Some(&row), DeltaInfo::default()).unwrap();
        publisher.publish(&[delta], "x").unwrap();
    }
    for _ in 0..3 {
        let mut follower = Follower::open(&place, &place.partition(0), 0).unwrap();
        for number in 0..messages {
            assert!(!follower.is_read(), "{number} of {messages} have come");
            // One that was cut off comes back after the heartbeats are missed: half a minute.
            let message = follower.next(Duration::from_secs(8)).unwrap();
            let message = message.unwrap_or_else(|| panic!("{number} of {messages} have come"));
            assert_eq!(unpack(&message.payload).unwrap()[0].source().key, format!("key-{number}"));
        }
        assert!(follower.is_read() && follower.is_at_end().unwrap());
    }
}

/// That nothing has come yet is not the end, and what was removed meanwhile is not waited for.
#[test]
fn the_end_of_a_stream_is_known() {
    let _together = together();
    let place = new_place(2);
    let (mut publisher, _) = Publisher::open(&place).unwrap();
    let subject = format!("{}.*", place.subject);
    let nothing = Follower::open(&place, &subject, 0).unwrap();
    assert!(nothing.is_read() && nothing.is_at_end().unwrap());
    publisher.publish(&deltas(0, 40), "x").unwrap();
    let mut follower = Follower::open(&place, &subject, 0).unwrap();
    assert!(!follower.is_read() && !follower.is_at_end().unwrap());
    let mut last = 0;
    while !follower.is_read() {
        last = follower.next(Duration::from_secs(5)).unwrap().unwrap().sequence;
        assert_eq!(follower.is_at_end().unwrap(), follower.is_read());
    }
    drop(follower);
    assert!(Follower::open(&place, &subject, last).unwrap().is_read());
    // One that was told of three messages does not wait for those that are gone.
    let mut late = Follower::open(&place, &subject, 0).unwrap();
    (1..=last).for_each(|sequence| remove(&place, sequence));
    let _ = late.next(Duration::ZERO);
    assert!(late.is_at_end().unwrap());
}
