//! Long logs in one page that grow: what is known of them is not decoded again, and whatever else happens to them is seen.

use std::{sync::Arc, time::Duration};

use collect::Mode;
use sim::{Bmc, Profile};

use crate::world::{MINUTE, SECOND, World, fan_fails, fans_fail};

const LONG: usize = 300;
/// Entries in front of the new ones that are read again.
const OVERLAP: u64 = 64;

/// A polled BMC whose log of so many entries was read.
async fn long_log() -> (World, Arc<Bmc>) {
    polled(World::new(1).await).await
}

async fn polled(mut world: World) -> (World, Arc<Bmc>) {
    world.settings.mode = Mode::Periodic;
    world.settings.periodic.logs_collection_interval = MINUTE;
    let bmc = world.add("bmc", Profile { page_size: None, ..Profile::openbmc() });
    fans_fail(&bmc, LONG, SECOND).await;
    world.start();
    world.pass(3 * MINUTE).await;
    (world, bmc)
}

/// Entries that were read while a minute and a half passed: one or two polls, of which one finds something.
async fn read_of(world: &World, happens: impl Future<Output = ()>) -> u64 {
    let before = world.count("poll_entries_total", &[]);
    happens.await;
    world.pass(MINUTE + 30 * SECOND).await;
    world.count("poll_entries_total", &[]) - before
}

#[tokio::test(start_paused = true)]
async fn of_a_long_log_only_the_end_is_read_again_also_after_a_restart() {
    let (mut world, bmc) = long_log().await;
    assert_eq!(read_of(&world, async {}).await, 0, "nothing is new");
    let one = async { drop(fan_fails(&bmc)) };
    assert_eq!(read_of(&world, one).await, OVERLAP + 1);
    // Three alike in one second.
    let three = async { (0..3).for_each(|_| drop(fan_fails(&bmc))) };
    assert_eq!(read_of(&world, three).await, OVERLAP + 3);
    world.stop().await;
    fans_fail(&bmc, 5, SECOND).await;
    world.start();
    world.pass(MINUTE).await;
    assert_eq!(world.count("poll_entries_total", &[]), OVERLAP + 5, "the bookmark knows it");
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_log_is_read_whole_where_it_does_not_begin_as_before() {
    let whole = LONG as u64;
    let (world, bmc) = long_log().await;
    let gone = async {
        bmc.delete_at(0, 100);
        fan_fails(&bmc);
    };
    assert_eq!(read_of(&world, gone).await, whole, "one further up was deleted");
    let many = async { (0..65).for_each(|_| drop(fan_fails(&bmc))) };
    assert_eq!(read_of(&world, many).await, whole + 65, "there is much that is new");
    let stepped = async {
        // The clock goes back to where old entries were made: new ones may say what one of them said.
        bmc.step_clock(-600);
        fan_fails(&bmc);
    };
    assert_eq!(read_of(&world, stepped).await, whole + 66, "the same second comes again");
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_log_is_read_whole_where_changes_of_its_entries_are_told() {
    let mut world = World::new(1).await;
    world.settings.report_changes = true;
    let (world, bmc) = polled(world).await;
    let one = async { drop(fan_fails(&bmc)) };
    assert_eq!(read_of(&world, one).await, LONG as u64 + 1);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_a_long_log_after_that_is_told() {
    let (world, bmc) = long_log().await;
    for _ in 0..3 {
        fan_fails(&bmc);
        world.pass(2 * MINUTE).await;
    }
    bmc.clear_log();
    fans_fail(&bmc, LONG - 10, Duration::from_millis(10)).await;
    world.pass(5 * MINUTE).await;
    let told: Vec<_> = world.gaps().await.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(told, ["cleared", "gap"], "and what may have come and gone meanwhile");
    world.assert_nothing_lost_nothing_twice().await;
}
