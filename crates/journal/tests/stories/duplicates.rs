//! When an item is new, known, paired or noted.

use journal::{Batch, Item, Outcome, Outcome::*, Twin, TwinSide, TwinSide::*, When};

use crate::{KEEP, Story, batch, item, key};

const WINDOW_MS: i64 = 5_000;

fn seen(number: u64, side: TwinSide, at_ms: i64) -> Item {
    Item { twins: vec![twin(7, side, at_ms)], ..item(number) }
}

fn twin(content: u64, side: TwinSide, at_ms: i64) -> Twin {
    Twin { side, content: key(content), at_ms, window_ms: WINDOW_MS, claims: [0; 2] }
}

async fn check(items: Vec<Item>, expected: &[Outcome]) {
    // One by one, and all in one batch: the outcomes are the same.
    let story = Story::in_memory(KEEP).await;
    let mut outcomes = Vec::new();
    for item in items.clone() {
        outcomes.push(story.append(item).await);
    }
    assert_eq!(outcomes, expected, "one by one");
    let story = Story::in_memory(KEEP).await;
    assert_eq!(story.journal.append(batch(items)).await.unwrap().outcomes, expected, "in one batch");
    assert_eq!(story.journal.verify().await.unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_item_whose_key_is_known_is_not_stored_again() {
    check(vec![item(1), item(2), item(1)], &[Stored(1), Stored(2), Known]).await;
}

#[tokio::test(start_paused = true)]
async fn old_news_is_remembered_without_being_stored() {
    let old = Item { bytes: None, ..item(1) };
    check(vec![old, item(1), item(2)], &[Noted, Known, Stored(1)]).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_and_its_entry_become_one_record_whichever_comes_first() {
    check(vec![seen(1, Stream, 0), seen(2, Log, 4_000)], &[Stored(1), Paired]).await;
    check(vec![seen(1, Log, 0), seen(2, Stream, -4_000), seen(2, Stream, 0)], &[Stored(1), Paired, Known])
        .await;
}

#[tokio::test(start_paused = true)]
async fn times_further_apart_than_the_larger_window_are_two_things() {
    check(vec![seen(1, Stream, 0), seen(2, Log, WINDOW_MS)], &[Stored(1), Paired]).await;
    check(vec![seen(1, Stream, 0), seen(2, Log, WINDOW_MS + 1)], &[Stored(1), Stored(2)]).await;
    let narrow = |number, side, at_ms| {
        let twin = Twin { window_ms: 10, ..twin(7, side, at_ms) };
        Item { twins: vec![twin], ..item(number) }
    };
    check(vec![narrow(1, Stream, 0), seen(2, Log, WINDOW_MS)], &[Stored(1), Paired]).await;
    check(vec![seen(1, Stream, 0), narrow(2, Log, WINDOW_MS)], &[Stored(1), Paired]).await;
    check(vec![narrow(1, Stream, 0), narrow(2, Log, 11)], &[Stored(1), Stored(2)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_window_reaches_over_hours_and_no_further_than_a_day() {
    const HOUR_MS: i64 = 3_600_000;
    let wide = |number, side, at_ms| {
        let twin = Twin { window_ms: i64::MAX, ..twin(7, side, at_ms) };
        Item { twins: vec![twin], ..item(number) }
    };
    for (apart, second) in [(2 * HOUR_MS, Paired), (24 * HOUR_MS, Paired), (24 * HOUR_MS + 1, Stored(2))] {
        for (one, other) in [(-HOUR_MS, apart - HOUR_MS), (apart - HOUR_MS, -HOUR_MS)] {
            check(vec![wide(1, Stream, one), wide(2, Log, other)], &[Stored(1), second]).await;
        }
    }
    let near = vec![
        wide(1, Stream, -3 * HOUR_MS),
        wide(2, Stream, HOUR_MS),
        wide(3, Log, 0),
        seen(4, Log, -3 * HOUR_MS),
    ];
    check(near, &[Stored(1), Stored(2), Paired, Paired]).await;
}

#[tokio::test(start_paused = true)]
async fn a_wide_window_reaches_over_a_nearer_item_with_a_narrow_one() {
    let windowed = |number, at_ms, window_ms| Item {
        twins: vec![Twin { window_ms, ..twin(7, Stream, at_ms) }],
        ..item(number)
    };
    let log = Item { twins: vec![Twin { window_ms: 1, ..twin(7, Log, 0) }], ..item(3) };
    let items = vec![windowed(1, 100, 10), windowed(2, 200, 500), log];
    check(items, &[Stored(1), Stored(2), Paired]).await;
}

#[tokio::test(start_paused = true)]
async fn two_that_contradict_are_no_pair_and_a_further_one_that_agrees_is() {
    let says = |number, side, at_ms, claims| Item {
        twins: vec![Twin { claims, ..twin(7, side, at_ms) }],
        ..item(number)
    };
    let others = [says(1, Stream, 0, [1, 5]), says(2, Stream, 100, [2, 0])];
    let check = async |claims, outcome| {
        let [near, far] = others.clone();
        check(vec![near, far, says(3, Log, 0, claims)], &[Stored(1), Stored(2), outcome]).await;
    };
    check([1, 5], Paired).await;
    check([1, 6], Stored(3)).await;
    check([2, 6], Paired).await;
    check([3, 0], Stored(3)).await;
    // Silence contradicts nothing.
    check([0, 0], Paired).await;
    check([0, 6], Paired).await;
}

#[tokio::test(start_paused = true)]
async fn two_of_the_same_side_are_never_a_pair() {
    check(vec![seen(1, Log, 0), seen(2, Log, 0)], &[Stored(1), Stored(2)]).await;
}

#[tokio::test(start_paused = true)]
async fn three_equal_events_need_three_entries() {
    let events = (1..=3).map(|number| seen(number, Stream, 0));
    let entries = (4..=7).map(|number| seen(number, Log, 0));
    let expected = [Stored(1), Stored(2), Stored(3), Paired, Paired, Paired, Stored(4)];
    check(events.chain(entries).collect(), &expected).await;
}

#[tokio::test(start_paused = true)]
async fn the_nearest_in_time_is_taken() {
    // Were the entry at 0 paired with the event at 5000, the entry at 9000 would find none.
    let items = vec![seen(1, Stream, 5_000), seen(2, Stream, 1_000), seen(3, Log, 0), seen(4, Log, 9_000)];
    check(items, &[Stored(1), Stored(2), Paired, Paired]).await;
}

#[tokio::test(start_paused = true)]
async fn a_spent_item_is_gone_with_all_its_contents() {
    let two = |number, side| Item { twins: vec![twin(7, side, 0), twin(8, side, 0)], ..item(number) };
    let other = Item { twins: vec![twin(8, Log, 0)], ..item(3) };
    check(vec![two(1, Stream), seen(2, Log, 0), other], &[Stored(1), Paired, Stored(2)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_old_news_pairs_with_the_noted_entry() {
    let old = Item { bytes: None, ..seen(1, Log, 0) };
    check(vec![old, seen(2, Stream, 0)], &[Noted, Paired]).await;
    let old = Item { bytes: None, ..seen(1, Stream, 0) };
    check(vec![old, seen(2, Log, 0)], &[Noted, Stored(1)]).await;
}

#[tokio::test(start_paused = true)]
async fn twins_of_another_scope_are_strangers() {
    let story = Story::in_memory(KEEP).await;
    let other = Batch { scope: "other".into(), ..batch(vec![seen(1, Stream, 0)]) };
    story.journal.append(other).await.unwrap();
    assert_eq!(story.append(seen(2, Log, 0)).await, Stored(2));
}

/// Tells how the item before it has changed.
fn change(number: u64) -> Item {
    Item { when: When::PreviousKnown, ..item(number) }
}

/// All in one batch, after what is known already.
async fn check_batch(known: Vec<Item>, items: Vec<Item>, expected: &[Outcome]) {
    let story = Story::in_memory(KEEP).await;
    story.journal.append(batch(known)).await.unwrap();
    let again = items.iter().map(|_| Known).collect::<Vec<_>>();
    assert_eq!(story.journal.append(batch(items.clone())).await.unwrap().outcomes, expected);
    assert_eq!(story.journal.append(batch(items)).await.unwrap().outcomes, again, "nothing is told twice");
    assert_eq!(story.journal.verify().await.unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_an_item_that_was_told_is_a_record() {
    check_batch(vec![item(1)], vec![item(1), change(11)], &[Known, Stored(2)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_comes_with_its_item_is_in_it_already() {
    check_batch(vec![], vec![item(1), change(11)], &[Stored(1), Noted]).await;
    check_batch(vec![seen(1, Stream, 0)], vec![seen(2, Log, 0), change(11)], &[Paired, Noted]).await;
    let old = Item { bytes: None, ..item(1) };
    check_batch(vec![], vec![old, change(11)], &[Noted, Noted]).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_old_news_is_a_record() {
    let old = Item { bytes: None, ..item(1) };
    check_batch(vec![old], vec![item(1), change(11)], &[Known, Stored(1)]).await;
}

#[tokio::test(start_paused = true)]
async fn each_further_change_is_told_and_the_same_one_is_not() {
    let story = Story::in_memory(KEEP).await;
    for (last, expected) in
        [(11, Noted), (11, Known), (12, Stored(2)), (12, Known), (13, Stored(3)), (11, Known)]
    {
        let appended = story.journal.append(batch(vec![item(1), change(last)])).await.unwrap();
        assert_eq!(appended.outcomes[1], expected, "{last}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_item_right_before_it_in_its_own_batch_counts() {
    check_batch(vec![item(1)], vec![item(1), item(2), change(11)], &[Known, Stored(2), Noted]).await;
    // What another batch of the same commit ends with is not before it.
    let story = Story::in_memory(KEEP).await;
    story.append(item(1)).await;
    let (known, lonely) = tokio::join!(
        story.journal.append(batch(vec![item(1)])),
        story.journal.append(batch(vec![change(11)]))
    );
    assert_eq!((known.unwrap().outcomes, lonely.unwrap().outcomes), (vec![Known], vec![Noted]));
    assert_eq!(story.journal.stat().await.unwrap().commits, 2);
}
