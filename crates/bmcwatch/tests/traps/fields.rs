//! T40-T50: times, severities, types and texts of entries.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use model::Record;
use serde_json::{Value, json};
use sim::{
    Bmc, ClockAtStart, EntryShape, IdStyle, Keys, Members, Profile, Severity, SeverityStyle, Slots, TimeStyle,
};

use crate::{
    identity::{TWO_POLLS, hpe_events, polled},
    pages::holding,
    world::{HOUR, MINUTE, SECOND, World, fan_fails, fans_fail, token},
};

/// A log whose ids count up.
fn counting() -> Profile {
    Profile { ids: IdStyle::Rising, ..polled(Profile::openbmc(), 500) }
}

/// One entry, served with this change.
fn odd(bmc: &Bmc, edit: impl Fn(&mut Value) + Send + Sync + 'static) {
    fan_fails(bmc);
    bmc.edit_newest(0, edit);
}

/// The records, with when what they tell of happened by our own count; each is told once.
async fn told(world: &World, bmc: &Bmc) -> Vec<(Record, DateTime<Utc>)> {
    world.assert_nothing_lost_nothing_twice().await;
    let truth = bmc.truth();
    let happened = |record: &Record| {
        let token = token(record);
        truth.iter().find(|logged| logged.token == token).expect("it happened").time
    };
    let records = world.records().await;
    records.into_iter().map(|record| (record.clone(), happened(&record))).collect()
}

#[tokio::test(start_paused = true)]
async fn t40_clocks_that_were_never_set() {
    for reads in [6_566_765, 946_641_639, 1_003_795_200] {
        let clock = ClockAtStart::Unset { reads, lasts: HOUR };
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", Profile { clock, ..counting() });
        world.start();
        for _ in 0..8 {
            fans_fail(&bmc, 3, SECOND).await;
            world.pass(TWO_POLLS).await;
        }
        let told = told(&world, &bmc).await;
        let dated = told.iter().filter(|(record, _)| record.facts.occurred_at.is_some()).count();
        assert!((1..24).contains(&dated), "{dated} of 24 entries came after the clock was set");
        for (record, happened) in &told {
            let believed = record.facts.occurred_at;
            assert_eq!(believed.is_some(), happened.timestamp() > 1_262_304_000, "{:?}", record.facts);
            assert!(record.facts.occurred_at_raw.is_some(), "what it wrote is kept");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn t41_month_0() {
    let (world, bmc) = holding(counting(), 2).await;
    for zero in ["0000-00-00T00:00:00Z", "2026-00-10T00:00:00Z", "2026-02-30T25:61:00Z"] {
        odd(&bmc, move |entry| entry["Created"] = json!(zero));
        world.pass(TWO_POLLS).await;
        let record = world.records().await.pop().expect("it is told");
        assert_eq!((record.facts.occurred_at, record.facts.occurred_at_raw.as_deref()), (None, Some(zero)));
    }
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t42_every_spelling_of_a_time() {
    let readable = [
        TimeStyle::Offset,
        TimeStyle::OffsetMillis,
        TimeStyle::Zulu,
        TimeStyle::Local(-7),
        TimeStyle::BlankOffset,
        TimeStyle::EpochText,
    ];
    // They name no moment, and no zone is guessed.
    let unreadable = [TimeStyle::Blank, TimeStyle::Ctime, TimeStyle::Naive];
    for (time, reads) in
        readable.map(|time| (time, true)).into_iter().chain(unreadable.map(|time| (time, false)))
    {
        let (world, bmc) = holding(Profile { time, ..counting() }, 3).await;
        fan_fails(&bmc);
        world.pass(TWO_POLLS).await;
        for (record, happened) in told(&world, &bmc).await {
            let at = record.facts.occurred_at.map(|at| at.trunc_subsecs(0));
            assert_eq!(at, reads.then(|| happened.trunc_subsecs(0)), "{time:?}");
            assert!(record.facts.occurred_at_raw.is_some());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn t42_offsets_without_a_colon() {
    let (world, bmc) = holding(counting(), 1).await;
    for (sent, read) in [
        ("2026-11-20T06:00:07-0600", "2026-11-20T12:00:07Z"),
        ("2026-11-20T12:00:08+0000", "2026-11-20T12:00:08Z"),
        ("2026-11-20T12:00:09.250-00:00", "2026-11-20T12:00:09.250Z"),
    ] {
        odd(&bmc, move |entry| entry["Created"] = json!(sent));
        world.pass(TWO_POLLS).await;
        let record = world.records().await.pop().expect("it is told");
        assert_eq!(record.facts.occurred_at, Some(read.parse().expect("a time")), "{sent}");
    }
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t43_created_and_event_timestamp_disagree() {
    let mut ami = counting();
    ami.logs[0].shape = EntryShape::AmiSel;
    let (world, bmc) = holding(ami, 3).await;
    fan_fails(&bmc);
    world.pass(TWO_POLLS).await;
    for (record, happened) in told(&world, &bmc).await {
        assert_eq!(record.facts.occurred_at, Some(happened.trunc_subsecs(0)), "not 13 months before");
    }
}

#[tokio::test(start_paused = true)]
async fn t44_two_offsets_in_one_log() {
    let mut world = World::new(1).await;
    let central = Profile { time: TimeStyle::UsCentral, ..polled(Profile::idrac9(), 500) };
    let bmc = world.add("bmc", central);
    // At 07:00 UTC the clocks go back from 02:00 to 01:00.
    bmc.set_clock("2026-11-01T06:00:00Z".parse().expect("a time"));
    world.start();
    for _ in 0..20 {
        fan_fails(&bmc);
        world.pass(6 * MINUTE).await;
    }
    let told = told(&world, &bmc).await;
    let offsets = |zone: &str| {
        told.iter()
            .filter(|(record, _)| {
                record.facts.occurred_at_raw.as_ref().is_some_and(|raw| raw.ends_with(zone))
            })
            .count()
    };
    assert_eq!((offsets("-05:00"), offsets("-06:00")), (10, 10));
    for (record, happened) in &told {
        assert_eq!(record.facts.occurred_at, Some(happened.trunc_subsecs(0)));
    }
    assert!(told.is_sorted_by_key(|(record, _)| record.facts.occurred_at));
}

#[tokio::test(start_paused = true)]
async fn t45_a_service_clock_behind_its_entries() {
    let years = Duration::from_hours(24 * 365 * 3);
    let (world, bmc) = holding(Profile { service_behind: years, ..counting() }, 10).await;
    fan_fails(&bmc);
    world.pass(TWO_POLLS).await;
    // By the log service's clock the entries lie three years ahead.
    for (record, happened) in told(&world, &bmc).await {
        assert_eq!(record.facts.occurred_at, Some(happened.trunc_subsecs(0)));
    }
    let offset = world.view("bmc").clock_offset.expect("it was measured");
    assert!(
        (offset + TimeDelta::from_std(years).expect("it fits")).abs() <= TimeDelta::seconds(2),
        "{offset}"
    );
}

#[tokio::test(start_paused = true)]
async fn t46_severities_of_every_shape() {
    use model::Severity::{Critical, Ok, Unknown};

    let shown = async |profile: Profile, members| {
        let (world, bmc) = holding(Profile { members, ..profile }, 0).await;
        bmc.log(Severity::Ok, "X.1.0.Ok", &[], "It is well.");
        bmc.log(Severity::Critical, "X.1.0.Bad", &[], "It is not.");
        world.pass(TWO_POLLS).await;
        world.assert_nothing_lost_nothing_twice().await;
        world.records().await.iter().map(|record| record.facts.severity).collect::<Vec<_>>()
    };
    for (severity, members, expected) in [
        (SeverityStyle::Redfish, Members::Inline, [Ok, Critical]),
        (SeverityStyle::OkInLowerCase, Members::Inline, [Ok, Critical]),
        (SeverityStyle::Absent, Members::Inline, [Unknown, Unknown]),
        (SeverityStyle::Null, Members::Inline, [Unknown, Unknown]),
        (SeverityStyle::OnlyAlone, Members::Inline, [Unknown, Unknown]),
        (SeverityStyle::OnlyAlone, Members::Links, [Ok, Critical]),
    ] {
        assert_eq!(shown(Profile { severity, ..counting() }, members).await, expected, "{severity:?}");
    }
    let (world, bmc) = holding(counting(), 0).await;
    for (severity, expected) in [
        (json!("Informational"), Ok),
        (json!(""), Critical),
        (json!(["Warning"]), Critical),
        (Value::Null, Critical),
    ] {
        odd(&bmc, move |entry| {
            entry["Severity"] = severity.clone();
            entry["MessageSeverity"] = json!("Critical");
        });
        world.pass(TWO_POLLS).await;
        assert_eq!(world.records().await.last().expect("it is told").facts.severity, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn t47_keys_spelled_otherwise() {
    let (world, bmc) = holding(Profile { keys: Keys::OldDell, ..polled(Profile::idrac9(), 500) }, 3).await;
    odd(&bmc, |entry| entry["SensorType"] = Value::Null);
    world.pass(TWO_POLLS).await;
    for (record, _) in told(&world, &bmc).await {
        assert_eq!(record.facts.message_id.as_deref(), Some("OpenBMC.0.1.FanFailed"));
    }
    assert_eq!(world.records().await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn t48_types_other_than_the_schemas() {
    let (world, bmc) = holding(counting(), 1).await;
    odd(&bmc, |entry| {
        entry["EventId"] = json!(17);
        entry["Id"] = json!(17);
        entry["OriginOfCondition"] = json!("/redfish/v1/Systems/1");
        entry["Links"] = json!([]);
        entry["Oem"] = json!("none");
        entry["SensorNumber"] = json!({ "x": 1 });
    });
    world.pass(TWO_POLLS).await;
    let facts = world.records().await.pop().expect("it is told").facts;
    assert_eq!((facts.entry_id.as_deref(), facts.event_id.as_deref()), (Some("17"), Some("17")));
    assert_eq!(facts.origin.as_deref(), Some("/redfish/v1/Systems/1"));
    // One member that is no entry at all costs itself.
    bmc.edit_pages(0, |page, _| page["Members"].as_array_mut().expect("a list").insert(0, json!(7)));
    fan_fails(&bmc);
    world.pass(TWO_POLLS).await;
    assert_eq!(world.records().await.len(), 3);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t49_message_ids_that_are_none() {
    let (world, bmc) = holding(counting(), 0).await;
    let ids = ["", "Bad User PWD", "7e012790", "35.1017", "NULL"];
    for id in ids {
        bmc.log(Severity::Warning, id, &[], "Something happened.");
        world.pass(TWO_POLLS).await;
        let told = world.records().await.pop().expect("it is told").facts.message_id;
        assert_eq!(told.as_deref(), Some(id).filter(|id| !id.is_empty()));
    }
    // It has a time, so it is no empty slot (T3).
    bmc.log(Severity::Warning, "NULL", &[], "Something happened.");
    bmc.edit_newest(0, |entry| entry["Message"] = Value::Null);
    world.pass(TWO_POLLS).await;
    assert_eq!(world.records().await.len(), ids.len() + 1);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t50_no_text() {
    // This BMC offers no registry; the text from one is proved beside the client.
    let (world, bmc) = holding(hpe_events(Slots::Packed), 3).await;
    for (record, _) in told(&world, &bmc).await {
        let token = record.facts.message_args.last().expect("the token");
        assert_eq!(record.facts.message, format!("FanFailed: fan0, {token}"));
    }
}
