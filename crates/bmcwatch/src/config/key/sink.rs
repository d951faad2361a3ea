//! The keys of `[[sinks]]`, of all types.

use super::{DURATION, Form, LABELS, SIZE, Section, TEXT, key};

pub(crate) static SINK: Section = Section {
    name: "sinks",
    form: Form::Array,
    doc: "Where records go. None at all means one sink of type `stdout`. Each sink has its own place in the journal, kept under its name: a new name starts anew. `min_severity`, `kinds`, `labels` and `message_ids` say which records it gets: every key that is given must fit, and of a list one is enough. What does not fit is counted and passed over.",
    keys: &[
        key(
            "type",
            "\"stdout\" or \"file\"",
            "required",
            "`stdout` writes JSON lines, or a table on a terminal. `file` writes JSON lines to `path`.",
        ),
        key("name", TEXT, "the type", "Letters, digits, `-`, `_` and `.`; each name once."),
        key(
            "min_severity",
            "\"ok\", \"warning\" or \"critical\"",
            "none: all",
            "The least severity. A record of unknown severity passes as a warning.",
        ),
        key(
            "kinds",
            "an array of strings",
            "none: all",
            "Kinds of records: `\"entry\"`, `\"event\"`, `\"gap\"`, `\"cleared\"`, `\"changed\"`.",
        ),
        key("labels", LABELS, "none: all", "Labels that the endpoint carries, all of them."),
        key(
            "message_ids",
            "an array of strings",
            "none: all",
            "Patterns such as `\"IDRAC.*.CPU*\"`, in which `*` stands for any characters; letters count as they are written. A record without a `message_id` (also every `gap` and `cleared`) does not fit any.",
        ),
        key(
            "max_lag",
            DURATION,
            "none: what the journal holds",
            "Records that have waited for this sink for longer are skipped, and counted as `expired`. For peers that take nothing old, or to which old news is noise.",
        ),
        key(
            "path",
            TEXT,
            "required for `file`",
            "The file. Older ones stand beside it with a number at the end. Each path once.",
        ),
        key(
            "max_size",
            SIZE,
            "\"100MiB\"",
            "The file is renamed and a new one begun before it grows beyond this. Only for `file`.",
        ),
        key("max_files", "a whole number above 0", "10", "So many older files are kept. Only for `file`."),
    ],
};
