//! Families about the journal, rendered from its own numbers at each scrape.

use journal::Stat;

use super::text::{Text, Type};

/// All families about the journal. Without `stat` (the journal could not be read) only whether it takes writes.
pub(super) fn write(text: &mut Text<'_>, stat: Option<&Stat>, writable: Writable) {
    let writable = match writable {
        Writable::Yes => 1,
        Writable::No => 0,
    };
    text.family(
        "journal_writable",
        Type::Gauge,
        "Whether the journal takes writes; 0 when the disk is full or failing.",
    )
    .sample(&[], writable);
    let Some(stat) = stat else { return };
    text.family("journal_events", Type::Gauge, "Records in the journal.").sample(&[], stat.records);
    text.family("journal_bytes", Type::Gauge, "Bytes of the records in the journal.").sample(&[], stat.bytes);
    text.family(
        "journal_file_bytes",
        Type::Gauge,
        "Bytes of the journal on disk, its write-ahead log included.",
    )
    .sample(&[], stat.file_bytes);
    text.family("journal_keys", Type::Gauge, "Keys by which a record that comes again is known.")
        .sample(&[], stat.keys);
    text.family("journal_head_sequence", Type::Gauge, "Position of the newest record.")
        .sample(&[], stat.head);
    text.family(
        "journal_oldest_sequence",
        Type::Gauge,
        "Position of the oldest record, 0 when there is none.",
    )
    .sample(&[], stat.oldest);
    let mut family = text.family("journal_commits_total", Type::Counter, "Commits of the journal by result.");
    family.sample(&[("result", "success")], stat.commits);
    family.sample(&[("result", "failure")], stat.failed_commits);
    text.family("journal_commit_seconds_total", Type::Counter, "Time that successful commits took together.")
        .sample(&[], stat.total_commit.as_secs_f64());
    text.family(
        "journal_committed_events_total",
        Type::Counter,
        "Items in successful commits, duplicates included.",
    )
    .sample(&[], stat.committed_items);
    let mut family = text.family(
        "journal_pruned_events_total",
        Type::Counter,
        "Records deleted by age or size; delivered=\"false\" is loss for at least one sink.",
    );
    family.sample(&[("delivered", "true")], stat.pruned_delivered);
    family.sample(&[("delivered", "false")], stat.pruned_undelivered);
    let mut family = text.family(
        "journal_dead_letters",
        Type::Gauge,
        "Records that are kept because the sink's peer will never take them.",
    );
    for (reader, letters) in &stat.dead_letters {
        family.sample(&[("sink", reader)], letters);
    }
    text.family(
        "journal_displaced_dead_letters_total",
        Type::Counter,
        "Dead letters that had to go for newer ones.",
    )
    .sample(&[], stat.displaced_letters);
}

/// Whether the journal takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writable {
    /// It does.
    Yes,
    /// The disk is full or failing.
    No,
}
