//! The keys of `[[sinks]]`, of all types.

use super::{DURATION, Form, LABELS, SIZE, Section, TABLE, TEXT, key};

const FACILITY: &str = "\"kern\", \"user\", \"mail\", \"daemon\", \"auth\", \"syslog\", \"lpr\", \"news\", \"uucp\", \"cron\", \"authpriv\", \"ftp\", \"local0\", \"local1\", \"local2\", \"local3\", \"local4\", \"local5\", \"local6\" or \"local7\"";
const SEVERITY_NUMBER: &str = "a whole number from 0 to 24";

pub(crate) static SINK: Section = Section {
    name: "sinks",
    form: Form::Array,
    doc: "Where records go. None at all means one sink of type `stdout`. Each sink has its own place in the journal, kept under its name: a new name starts anew. `min_severity`, `kinds`, `labels` and `message_ids` say which records it gets: every key that is given must fit, and of a list one is enough. What does not fit is counted and passed over.",
    keys: &[
        key(
            "type",
            "\"stdout\", \"file\", \"http\", \"otlp\", \"syslog\" or \"nats\"",
            "required",
            "`stdout` writes JSON lines, or a table on a terminal. `file` writes JSON lines to `path`. `http` posts to a log store in its `format`. `otlp` posts OpenTelemetry log records (HTTP, protobuf). `syslog` writes RFC 5424 lines to a receiver. `nats` publishes JSON lines to a JetStream stream, each once.",
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
        key(
            "rotate_every",
            DURATION,
            "none: by size alone",
            "The file is also renamed before a record is written that was stored so long after the first one in it. It goes by records: a file that gets none stays. Only for `file`.",
        ),
        key(
            "compress",
            "\"none\", \"gzip\" or \"zstd\"",
            "\"none\"",
            "How older files are packed: all but the newest, so that a shipper can finish reading it. `path.2.gz` or `path.2.zst`, and so on. Only for `file`.",
        ),
        key(
            "sync",
            "\"batch\" or \"never\"",
            "\"batch\"",
            "When lines are on disk. `batch`: before the records count as delivered, so that a power cut loses none. `never`: when the system thinks fit; a power cut may lose the last half minute. Only for `file`.",
        ),
        key(
            "url",
            TEXT,
            "required for `http` and `otlp`",
            "What is posted to, whole: `https://loki.example.net/loki/api/v1/push`, `https://logs.example.net/insert/jsonline`, `https://search.example.net/bmcwatch/_bulk`, `https://otel.example.net:4318/v1/logs`.",
        ),
        key(
            "format",
            "\"ndjson\", \"loki\", \"victorialogs\" or \"elasticsearch\"",
            "required for `http`",
            "The form of a body. `ndjson` is the lines of the file sink. `loki` and `victorialogs` give each line the time when it was observed, because such stores refuse or drop what is old; when it happened is `occurred_at`. `elasticsearch` (also OpenSearch) creates each record under its `uid`, in an index or a data stream. In `victorialogs` and `elasticsearch` the field `original` is a text. Only for `http`.",
        ),
        key(
            "stream_labels",
            "an array of strings",
            "none",
            "Labels of endpoints that name a stream in `loki`, beside `service_name` and `severity`, and in `victorialogs`, beside the endpoint's id: few, with few values, such as `[\"site\"]`. Only for `http`.",
        ),
        key(
            "compression",
            "\"gzip\" or \"none\"",
            "`\"gzip\"`; for `ndjson` `\"none\"`",
            "How bodies are packed. Only for `http` and `otlp`.",
        ),
        key(
            "timeout",
            DURATION,
            "\"30s\"",
            "How long one batch may take, connecting and the answer (where there is one) included. Only for `http`, `otlp`, `syslog` and `nats`.",
        ),
        key(
            "headers",
            "a table of strings",
            "none",
            "Headers of every request, such as `{ X-Scope-OrgID = \"hardware\" }`. Only for `http` and `otlp`.",
        ),
        key(
            "headers_file",
            "a table of paths",
            "none",
            "Headers whose values stand in files, under the rules of `password_file`: `{ Authorization = \"/run/secrets/loki\" }`, where the file holds `Bearer TOKEN` or `Basic BASE64`. Looked at every two seconds. Only for `http` and `otlp`.",
        ),
        key(
            "trust",
            TEXT,
            "\"system\"",
            "Which certificate of the peer is believed: `\"system\"`, `\"ca:/path/to/ca.pem\"`, `\"pin:sha256/BASE64\"` or `\"insecure\"` (any; warned about). The file is looked at every two seconds. Only for `http`, `otlp`, and `syslog` and `nats` with `tls://`.",
        ),
        key(
            "cert_file",
            TEXT,
            "none",
            "Our certificate for peers that ask for one, and behind it those that lead to its authority (PEM). Looked at every two seconds. Only for `http`, `otlp`, and `syslog` and `nats` with `tls://`.",
        ),
        key(
            "key_file",
            TEXT,
            "none",
            "Its private key, closed to others. Only for `http`, `otlp`, and `syslog` and `nats` with `tls://`.",
        ),
        key(
            "instance",
            TEXT,
            "the name of the host",
            "`service.instance.id`: which of several daemons it is. Only for `otlp`.",
        ),
        key(
            "resource",
            "a table of strings",
            "none",
            "Further attributes of every resource, such as `{ \"deployment.environment.name\" = \"prod\" }`. Only for `otlp`.",
        ),
        key("severity_numbers", TABLE, "", ""),
        key(
            "include_original",
            "true or false",
            "false",
            "Whether the BMC's own JSON goes along, as `log.record.original`. Only for `otlp`.",
        ),
        key(
            "address",
            TEXT,
            "required for `syslog`",
            "The receiver: `\"udp://host:514\"` (a datagram a record; nobody tells of lost ones), `\"tcp://host:601\"` and `\"tls://host:6514\"` (octet-counted), or `\"unix:///dev/log\"`. Without a port, these. Only for `syslog`.",
        ),
        key("facility", FACILITY, "\"local0\"", "The facility of every line. Only for `syslog`."),
        key(
            "enterprise_number",
            "a whole number above 0",
            "32473",
            "The number behind `redfish@` in structured data: your organisation's private enterprise number at IANA. The default is the one reserved for examples. Only for `syslog`.",
        ),
        key(
            "max_message_size",
            SIZE,
            "\"8KiB\"",
            "The most bytes of a line, from 1 KiB to 64 KiB: the text of a longer one is cut. What the receiver takes may be less: rsyslog has `maxMessageSize` (8 KiB), syslog-ng `log-msg-size()` (64 KiB). Only for `syslog`.",
        ),
        key(
            "servers",
            "an array of strings",
            "required for `nats`",
            "The servers of one NATS cluster: `\"tls://nats.example.net:4222\"`, or `nats://` where TLS is not insisted on. One is enough; they are tried as they are written. Servers that these tell of are not used. Only for `nats`.",
        ),
        key(
            "subject",
            TEXT,
            "\"bmc.{label:site}.{endpoint}.{severity}\"",
            "Under which subject a record is published: words, `{endpoint}` (its id), `{severity}`, `{kind}` and `{label:NAME}`, with dots between, at most 16; the first is a word. Dots, blanks, wildcards and other than US-ASCII in a value become `_`, as does a label that is not there. Only for `nats`.",
        ),
        key(
            "token_file",
            TEXT,
            "none",
            "The file of a token, under the rules of `password_file`. Of the logins (token, user and password, NKey, credentials) at most one is given; each file is looked at every two seconds. Only for `nats`.",
        ),
        key("username", TEXT, "none", "A user, with `password_file`. Only for `nats`."),
        key(
            "password_file",
            TEXT,
            "none",
            "The file of the user's password, under the rules of `password_file` in `[credentials.NAME]`. Only for `nats`.",
        ),
        key(
            "nkey_seed_file",
            TEXT,
            "none",
            "The file of the seed of an NKey (`SU...`), under the rules of `password_file`. The seed is not sent. Only for `nats`.",
        ),
        key(
            "credentials_file",
            TEXT,
            "none",
            "A credentials file (`.creds`: a JWT and the seed of its NKey), under the rules of `password_file`. Only for `nats`.",
        ),
    ],
};

pub(crate) static SEVERITY_NUMBERS: Section = Section {
    name: "sinks.severity_numbers",
    form: Form::Table,
    doc: "The OpenTelemetry `SeverityNumber` of each severity, for a sink of type `otlp`; written within its table, as `severity_numbers = { critical = 21 }`.",
    keys: &[
        key("ok", SEVERITY_NUMBER, "9 (INFO)", "Of `ok`."),
        key("warning", SEVERITY_NUMBER, "13 (WARN)", "Of `warning`."),
        key(
            "critical",
            SEVERITY_NUMBER,
            "18 (ERROR2)",
            "Of `critical`: where OpenTelemetry puts syslog's Critical.",
        ),
        key("unknown", SEVERITY_NUMBER, "0 (unspecified)", "Of `unknown`."),
    ],
};
