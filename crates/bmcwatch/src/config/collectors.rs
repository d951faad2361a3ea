//! `[collectors.logs]` and its tables. Every default comes from `collect::LogSettings`.

use collect::{AutoSettings, History, LogSettings, Mode, PeriodicSettings, RetrySse, SseSettings};

use super::{
    key, path,
    problem::Refusal,
    quantity::{self, duration_text},
    reader::{Reader, Table},
};

/// The words of a mode.
pub(super) const MODES: [(&str, Mode); 3] =
    [("auto", Mode::Auto), ("sse", Mode::Sse), ("periodic", Mode::Periodic)];

/// What makes the state file that of one machine.
const MACHINE_ID: &str = "{machine_id}";

/// Thresholds are counts of failures above zero.
const THRESHOLDS: std::ops::RangeInclusive<u32> = 1..=u32::MAX;

pub(super) fn read(reader: &mut Reader<'_>, top: &Table<'_>) -> LogSettings {
    let collectors = top.table(reader, "collectors", &key::COLLECTORS);
    let table = collectors.table(reader, "logs", &key::LOGS);
    let default = LogSettings::default();
    let mode = table.word(reader, "mode", &MODES);
    // With a mistyped mode nothing can be said about the tables that it asks for.
    if mode.is_some() || !table.has("mode") {
        check_periodic_table(reader, &table, mode.unwrap_or(default.mode));
    }
    LogSettings {
        mode: mode.unwrap_or(default.mode),
        initial_history: table.read(reader, "initial_history", history).unwrap_or(default.initial_history),
        reconcile_interval: table
            .read(reader, "reconcile_interval", quantity::duration)
            .unwrap_or(default.reconcile_interval),
        exclude_services: table.texts(reader, "exclude_services").unwrap_or(default.exclude_services),
        report_changes: table.flag(reader, "report_changes").unwrap_or(default.report_changes),
        periodic: periodic(reader, &table),
        auto: auto(reader, &table),
        sse: sse(reader, &table),
    }
}

fn check_periodic_table(reader: &mut Reader<'_>, logs: &Table<'_>, mode: Mode) {
    match (mode, logs.has("periodic")) {
        (Mode::Sse, true) => {
            let refusal = Refusal::new("refused in the mode \"sse\", which never polls on a timer");
            logs.problem(reader, "periodic", refusal.hint("take the table out, or write mode = \"auto\""));
        }
        (Mode::Auto | Mode::Periodic, false) if logs.is_present() => {
            let why = match mode {
                Mode::Auto => "endpoints are downgraded to it",
                _ => "it says how often to poll",
            };
            let refusal =
                Refusal::new(format!("the table is required in the mode {:?}: {why}", mode.as_str()));
            let interval = duration_text(PeriodicSettings::default().logs_collection_interval);
            let hint =
                format!("add [collectors.logs.periodic] with logs_collection_interval = \"{interval}\"");
            logs.problem(reader, "periodic", refusal.hint(hint));
        }
        _ => {}
    }
}

fn history(text: &str) -> Result<History, Refusal> {
    match text {
        "all" => Ok(History::All),
        "none" => Ok(History::None),
        _ => quantity::duration(text)
            .map(History::Last)
            .map_err(|refusal| refusal.hint("write \"all\", \"none\" or a duration such as \"24h\"")),
    }
}

fn periodic(reader: &mut Reader<'_>, logs: &Table<'_>) -> PeriodicSettings {
    let table = logs.table(reader, "periodic", &key::PERIODIC);
    let default = PeriodicSettings::default();
    let logs_state_file = table.read(reader, "logs_state_file", path);
    if logs_state_file.as_deref().is_some_and(|file| !file.to_string_lossy().contains(MACHINE_ID)) {
        let warning = Refusal::new("every endpoint would start from this one file");
        table.warning(reader, "logs_state_file", warning.hint(format!("write {MACHINE_ID} into the path")));
    }
    let mut duration = |name, default| table.read(reader, name, quantity::duration).unwrap_or(default);
    PeriodicSettings {
        logs_collection_interval: duration("logs_collection_interval", default.logs_collection_interval),
        state_refresh_interval: duration("state_refresh_interval", default.state_refresh_interval),
        logs_state_file,
    }
}

fn auto(reader: &mut Reader<'_>, logs: &Table<'_>) -> AutoSettings {
    let table = logs.table(reader, "auto", &key::AUTO);
    let default = AutoSettings::default();
    let mut count = |name, default| table.count(reader, name, THRESHOLDS).unwrap_or(default);
    let sse_not_available_threshold =
        count("sse_not_available_threshold", default.sse_not_available_threshold);
    let connect_failure_threshold = count("connect_failure_threshold", default.connect_failure_threshold);
    let mut duration = |name, default| table.read(reader, name, quantity::duration).unwrap_or(default);
    let settings = AutoSettings {
        sse_not_available_threshold,
        connect_failure_window: duration("connect_failure_window", default.connect_failure_window),
        connect_failure_threshold,
        min_stream_lifetime: duration("min_stream_lifetime", default.min_stream_lifetime),
        retry_sse_max: duration("retry_sse_max", default.retry_sse_max),
        retry_sse_after: table.read(reader, "retry_sse_after", retry).unwrap_or(default.retry_sse_after),
    };
    if let RetrySse::After(after) = settings.retry_sse_after
        && settings.retry_sse_max < after
    {
        let (max, after) = (duration_text(settings.retry_sse_max), duration_text(after));
        let refusal = Refusal::new(format!(
            "{max} is below retry_sse_after, {after}: a doubling wait cannot end below its start"
        ));
        table.problem(reader, "retry_sse_max", refusal.hint(format!("write {after:?} or more")));
    }
    settings
}

fn retry(text: &str) -> Result<RetrySse, Refusal> {
    if text == "never" {
        return Ok(RetrySse::Never);
    }
    let refused = |refusal: Refusal| refusal.hint("write a duration such as \"30m\", or \"never\"");
    quantity::duration(text).map(RetrySse::After).map_err(refused)
}

fn sse(reader: &mut Reader<'_>, logs: &Table<'_>) -> SseSettings {
    let table = logs.table(reader, "sse", &key::SSE);
    let default = SseSettings::default();
    let mut duration = |name, default| table.read(reader, name, quantity::duration).unwrap_or(default);
    let settings = SseSettings {
        initial_backoff: duration("initial_backoff", default.initial_backoff),
        max_backoff: duration("max_backoff", default.max_backoff),
        idle_timeout: duration("idle_timeout", default.idle_timeout),
    };
    if settings.max_backoff < settings.initial_backoff {
        let (max, initial) = (duration_text(settings.max_backoff), duration_text(settings.initial_backoff));
        let refusal = Refusal::new(format!("{max} is below initial_backoff, {initial}"));
        table.problem(reader, "max_backoff", refusal.hint(format!("write {initial:?} or more")));
    }
    settings
}
