//! Subscribers against a simple model: random offers, polls, acks, failures and time-outs.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Each in a commit of its own, for within one no source comes twice.
fn offer(n: u32, source: u64, priority: Priority) -> Offer<u32> {
    Offer { at: place(n), source, priority, expires_millis: None, item: n }
}

fn place(n: u32) -> Position {
    Position { commit: u64::from(n), row: 0 }
}

/// Everything up to this offer is done.
fn behind(n: u32) -> Position {
    Position { row: 1, ..place(n) }
}

fn items(subscriber: &Subscriber<u32>, receipts: &[Receipt]) -> Vec<u32> {
    receipts.iter().map(|&r| subscriber.get(r).unwrap().item).collect()
}

#[test]
fn the_more_urgent_overtakes_but_never_its_own_source() {
    let mut s = Subscriber::new(SubscriberPolicy::default());
    s.offer(offer(0, 1, Priority::Low));
    s.offer(offer(1, 2, Priority::Normal));
    s.offer(offer(2, 3, Priority::Critical));
    s.offer(offer(3, 1, Priority::Critical));
    let (taken, _) = s.poll(10, 0);
    assert_eq!(items(&s, &taken), [2, 1, 0], "3 waits for 0, which is of its source");
    s.ack(taken[0]);
    assert_eq!(s.progress(), (place(0), vec![place(2)]));
    s.ack(taken[2]);
    let (next, _) = s.poll(10, 0);
    assert_eq!(items(&s, &next), [3]);
    s.ack(next[0]);
    s.ack(taken[1]);
    assert_eq!(s.progress(), (behind(3), vec![]));
    assert!(s.is_idle());
}

#[test]
fn what_is_not_confirmed_in_time_comes_again_and_ends_by_priority() {
    let mut s = Subscriber::new(SubscriberPolicy { ack_timeout_millis: 50, ..SubscriberPolicy::default() });
    s.offer(offer(0, 1, Priority::Normal));
    let (first, _) = s.poll(1, 0);
    assert!(s.poll(1, 49).0.is_empty() && s.deadline() == Some(50));
    assert_eq!(s.poll(1, 50).0, first, "the time is over");
    let mut now = 60;
    let mut waits = Vec::new();
    while let Verdict::Again(due) = s.nack(first[0], now) {
        waits.push(due - now);
        assert_eq!(s.status(false), SubscriberStatus::Backpressured);
        assert!(s.poll(1, due - 1).0.is_empty());
        now = due;
        assert_eq!(s.poll(1, now).0, first);
    }
    assert_eq!(waits, [200, 400], "the time-out counted as the first failure");
    assert_eq!((s.metrics().dead, s.is_idle()), (1, true));
    assert_eq!(s.nack(first[0], now), Verdict::Done);
}

#[test]
fn a_poison_pill_ends_even_where_retries_do_not() {
    let mut s = Subscriber::new(SubscriberPolicy::default());
    s.offer(offer(0, 1, Priority::Critical));
    let (mut now, mut attempts) = (0, 0);
    loop {
        let (taken, _) = s.poll(1, now);
        attempts += 1;
        match s.refuse(taken[0], now) {
            Verdict::Again(due) => now = due,
            verdict => break assert_eq!(verdict, Verdict::Dead),
        }
    }
    assert_eq!(attempts, 16);
}

#[test]
fn the_old_expire_and_a_paused_one_takes_nothing() {
    let mut s = Subscriber::new(SubscriberPolicy::default());
    s.offer(Offer { expires_millis: Some(10), ..offer(0, 1, Priority::Normal) });
    s.offer(Offer { expires_millis: Some(10), ..offer(1, 2, Priority::Normal) });
    s.offer(offer(2, 1, Priority::Normal));
    s.pause(true);
    assert_eq!((s.poll(9, 5), s.status(false)), ((vec![], vec![]), SubscriberStatus::Paused));
    s.pause(false);
    let (taken, expired) = s.poll(9, 10);
    assert_eq!((items(&s, &taken), expired, s.metrics().expired), (vec![2], vec![0, 1], 2));
}

#[test]
fn at_most_once_is_confirmed_by_being_taken() {
    let policy = SubscriberPolicy { guarantee: DeliveryGuarantee::AtMostOnce, ..SubscriberPolicy::default() };
    let mut s = Subscriber::new(policy);
    (0..3).for_each(|n| s.offer(offer(n, u64::from(n), Priority::Normal)));
    let (taken, _) = s.poll(2, 0);
    assert_eq!(items(&s, &taken), [0, 1]);
    assert_eq!(s.progress(), (place(2), vec![]));
    assert_eq!(s.nack(taken[0], 0), Verdict::Done);
    assert_eq!(s.drop_oldest(5), 1);
    assert!(s.is_idle());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever is acked, failed and lost: every delta is done or dead in the end, and those of a source in order.
    #[test]
    fn nothing_is_lost_and_a_source_keeps_its_order(
        offers in prop::collection::vec((0u64..6, 0usize..4), 1..60),
        choices in prop::collection::vec(any::<u8>(), 400),
    ) {
        let mut s = Subscriber::new(SubscriberPolicy { ack_timeout_millis: 1_000, ..SubscriberPolicy::default() });
        let priority = |p: usize| Priority::DESCENDING[p];
        let mut choice = choices.into_iter().cycle();
        let mut next = || choice.next().unwrap();
        let (mut now, mut offered, mut done) = (0u64, 0usize, BTreeSet::new());
        let mut open: BTreeSet<Receipt> = BTreeSet::new();
        let mut orders: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for _ in 0..20_000 {
            match next() % 8 {
                0 | 1 if offered < offers.len() => {
                    let (source, p) = offers[offered];
                    s.offer(offer(offered as u32, source, priority(p)));
                    offered += 1;
                }
                2 | 3 => {
                    let (taken, expired) = s.poll(usize::from(next() % 5) + 1, now);
                    prop_assert!(expired.is_empty());
                    for receipt in taken {
                        let offer = s.get(receipt).unwrap();
                        let before = (0..offer.item).filter(|&i| offers[i as usize].0 == offer.source);
                        for earlier in before {
                            let held = open.iter().any(|&r| s.get(r).is_some_and(|o| o.item == earlier));
                            prop_assert!(done.contains(&earlier) || held, "{earlier} before {}", offer.item);
                        }
                        open.insert(receipt);
                    }
                }
                4 | 5 => if let Some(receipt) = open.pop_first() {
                    let offer = s.get(receipt).unwrap().clone();
                    s.ack(receipt);
                    if done.insert(offer.item) {
                        orders.entry(offer.source).or_default().push(offer.item);
                    }
                },
                6 => if let Some(receipt) = open.pop_last() {
                    let item = s.get(receipt).map(|o| o.item);
                    if s.nack(receipt, now) == Verdict::Dead {
                        done.insert(item.unwrap());
                    }
                },
                _ => now += u64::from(next()) * 8,
            }
            let (low, ahead) = s.progress();
            prop_assert!((0..low.commit as u32 + low.row).all(|n| done.contains(&n)));
            prop_assert!(ahead.iter().all(|at| done.contains(&(at.commit as u32))));
            if offered == offers.len() && s.is_idle() {
                break;
            }
        }
        // A cycle of choices may fail one delta for ever: in the end somebody takes everything.
        for (n, &(source, p)) in offers.iter().enumerate().skip(offered) {
            s.offer(offer(n as u32, source, priority(p)));
        }
        while !s.is_idle() {
            now += 100_000;
            for receipt in s.poll(7, now).0 {
                done.insert(s.get(receipt).unwrap().item);
                s.ack(receipt);
            }
        }
        prop_assert_eq!(done.len(), offers.len());
        prop_assert_eq!(s.progress().0, behind(offers.len() as u32 - 1));
        let m = s.metrics();
        prop_assert_eq!(m.acked + m.dead, m.received);
    }
}
