//! Every table and key that a config file may hold: name, kind, default and meaning, each declared once.
//!
//! This serves the check for unknown keys, the suggestions, and the generated reference. Defaults of tables that are
//! always there are not repeated here: the reference reads them from the effective config of an empty file.

mod sink;
mod source;

pub(crate) use sink::{SEVERITY_NUMBERS, SINK};
pub(crate) use source::{FILE_SD, HTTP_SD};

/// One key of a table.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// Completes "NAME is ...".
    pub(crate) kind: &'static str,
    /// What holds when the key is absent and the effective config of an empty file does not show it.
    pub(crate) absent: &'static str,
    pub(crate) doc: &'static str,
}

/// How the header of a table is written.
pub(crate) enum Form {
    /// `[name]`
    Table,
    /// `[[name]]`, any number of them.
    Array,
    /// `[name.NAME]`, with names of the operator's choice.
    Named,
}

/// One table.
pub(crate) struct Section {
    /// The path of the table; empty for the top of the file.
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Key],
}

impl Section {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The header as it is written in a file.
    pub(crate) fn header(&self) -> String {
        match self.form {
            Form::Table => format!("[{}]", self.name),
            Form::Array => format!("[[{}]]", self.name),
            Form::Named => format!("[{}.NAME]", self.name),
        }
    }
}

const fn key(name: &'static str, kind: &'static str, absent: &'static str, doc: &'static str) -> Key {
    Key { name, kind, absent, doc }
}

const DURATION: &str = "a duration such as \"5m\"";
const SIZE: &str = "a size such as \"10GiB\"";
const TEXT: &str = "a string";
const LABELS: &str = "a table of strings";
const TABLE: &str = "a table";
const MODE: &str = "\"auto\", \"sse\" or \"periodic\"";

pub(crate) static TOP: Section = Section {
    name: "",
    form: Form::Table,
    doc: "",
    keys: &[
        key("endpoints", "an array of tables", "", ""),
        key("credentials", TABLE, "", ""),
        key("discovery", TABLE, "", ""),
        key("collectors", TABLE, "", ""),
        key("journal", TABLE, "", ""),
        key("sinks", "an array of tables", "", ""),
        key("admin", TABLE, "", ""),
        key("metrics", TABLE, "", ""),
        key("log", TABLE, "", ""),
    ],
};

pub(crate) static ENDPOINT: Section = Section {
    name: "endpoints",
    form: Form::Array,
    doc: "One BMC to watch.",
    keys: &[
        key(
            "address",
            TEXT,
            "required",
            "Where its Redfish service is: `https://HOST` or `https://HOST:PORT`, nothing behind it. `http` is for laboratories: passwords travel in clear.",
        ),
        key(
            "id",
            TEXT,
            "the address without scheme and default port",
            "The name that records, metrics and commands use. It should stay when the address changes. No blanks; at most 253 bytes; each id once.",
        ),
        key(
            "credentials",
            TEXT,
            "the one that matches",
            "The NAME of a `[credentials.NAME]` table. Without it, the one whose `match` fits best; there must be one unless `auth` is `\"none\"`.",
        ),
        key(
            "auth",
            "\"auto\", \"session\", \"basic\" or \"none\"",
            "\"auto\"",
            "How to log in. `auto` asks for a Redfish session and falls back to Basic where the BMC refuses to give one.",
        ),
        key(
            "trust",
            TEXT,
            "\"system\"",
            "Which certificate is believed: `\"system\"` (the machine's store), `\"ca:/path/to/ca.pem\"`, `\"pin:sha256/BASE64\"` (SHA-256 of the public key; works with self-signed and expired certificates), `\"tofu\"` (the key shown at first contact is stored and no other is believed; `bmcwatch endpoints trust` accepts another), or `\"insecure\"` (any; warned about, and shown in status and metrics).",
        ),
        key(
            "allowed_origins",
            "an array of addresses",
            "none",
            "Other origins that links of this BMC may lead to, such as `[\"https://10.0.17.12:8443\"]` for an event stream on another port. They get the credentials, under the same `trust`. Links to any other origin are not followed, and counted in `links_refused_total`.",
        ),
        key(
            "labels",
            LABELS,
            "none",
            "Free labels, carried by every record: rack, row, site. `discovery.only` selects by them. Names as in Prometheus.",
        ),
        key("log_mode", MODE, "`collectors.logs.mode`", "The mode of this endpoint alone."),
    ],
};

pub(crate) static CREDENTIALS: Section = Section {
    name: "credentials",
    form: Form::Named,
    doc: "A login. Endpoints name it with `credentials`, or it names them with `match`. It has a `username` and exactly one of `password_file`, `password_env` and `password`.",
    keys: &[
        key("username", TEXT, "required", "The user. An account that may only read is enough."),
        key(
            "password_file",
            TEXT,
            "none",
            "A file that holds the password; one newline at its end is ignored. A relative path is looked up in `$CREDENTIALS_DIRECTORY` (systemd's `LoadCredential=`). Elsewhere the file must be closed to group and others (`chmod 600`); only a file that root owns may be readable by its group (0440), as Kubernetes mounts a Secret with `defaultMode: 0440` and an `fsGroup`. It is looked at every two seconds: a new password is used from the next login on, without a reload.",
        ),
        key(
            "password_env",
            TEXT,
            "none",
            "The name of an environment variable that holds the password. Other processes of the same user can read it; prefer a file.",
        ),
        key(
            "password",
            TEXT,
            "none",
            "The password itself. It works, and warns: whoever reads the config has it.",
        ),
        key("match", TABLE, "", ""),
    ],
};

pub(crate) static MATCH: Section = Section {
    name: "credentials.NAME.match",
    form: Form::Table,
    doc: "The endpoints that get this login without naming it; at least one key. All keys that are given must fit, and of a list one is enough. An endpoint's own `credentials` wins. Of several logins that fit, the narrowest is taken: an id before a range of addresses before labels; of two ids the one with more characters, of two ranges the smaller, of two sets of labels the larger. Two that fit equally well are a problem. `bmcwatch check-config --explain ENDPOINT` says which one an endpoint gets, and why.",
    keys: &[
        key(
            "endpoints",
            "an array of strings",
            "none",
            "Ids of endpoints; `*` stands for any characters: `\"r17-*\"`, or `\"*\"` for all.",
        ),
        key(
            "addresses",
            "an array of strings",
            "none",
            "Ranges such as `\"10.0.17.0/24\"` and `\"fd00:17::/64\"`, or single addresses. Only for endpoints whose `address` is an IP address: host names are not looked up.",
        ),
        key("labels", LABELS, "none", "Labels that the endpoint carries, all of them."),
    ],
};

pub(crate) static DISCOVERY: Section = Section {
    name: "discovery",
    form: Form::Table,
    doc: "Which endpoints this process watches.",
    keys: &[
        key(
            "interval",
            DURATION,
            "",
            "Time between two comparisons of what runs with what should run. A collector that ends is looked at at once.",
        ),
        key(
            "only",
            LABELS,
            "none: every endpoint",
            "Take only endpoints that carry all of these labels. With `only = { node = \"${NODE_NAME}\" }` each pod of a DaemonSet takes the endpoints of its own node.",
        ),
        key(
            "shard",
            "\"INDEX/SHARDS\" such as \"0/4\"",
            "none: every endpoint",
            "Take one share of all endpoints, by rendezvous hashing on their ids. Processes with `0/4` to `3/4` share a fleet without overlap. Applied after `only`.",
        ),
        key(
            "allowed_origins",
            "an array of addresses",
            "none",
            "Origins that links of any endpoint may lead to, beside those of the endpoint itself.",
        ),
        key("file_sd", "an array of tables", "", ""),
        key("http_sd", "an array of tables", "", ""),
    ],
};

pub(crate) static COLLECTORS: Section =
    Section { name: "collectors", form: Form::Table, doc: "", keys: &[key("logs", TABLE, "", "")] };

pub(crate) static LOGS: Section = Section {
    name: "collectors.logs",
    form: Form::Table,
    doc: "How logs are collected. Without this table everything below is the default; with it, `[collectors.logs.periodic]` is required in the modes `auto` and `periodic`, and refused in the mode `sse`.",
    keys: &[
        key(
            "mode",
            MODE,
            "",
            "`auto` follows the event stream and polls while there is none; `sse` follows the stream and is never downgraded; `periodic` polls and never opens a stream.",
        ),
        key(
            "initial_history",
            "\"all\", \"none\" or a duration such as \"24h\"",
            "",
            "What the first contact with a log brings: everything it holds, nothing that is there already, or what is not older than this. A restart resumes and never asks again.",
        ),
        key(
            "reconcile_interval",
            DURATION,
            "",
            "How often the logs are read while the stream is up, because many BMCs do not push everything that they log.",
        ),
        key(
            "exclude_services",
            "an array of strings",
            "",
            "Ids of log services that are not read, such as those that record our own requests.",
        ),
        key(
            "report_changes",
            "true or false",
            "",
            "Whether an entry that was told is told again, as a record of the kind `changed`, when the BMC changes it in place: its count rises, it is marked as repaired or resolved.",
        ),
        key("periodic", TABLE, "", ""),
        key("auto", TABLE, "", ""),
        key("sse", TABLE, "", ""),
    ],
};

pub(crate) static PERIODIC: Section = Section {
    name: "collectors.logs.periodic",
    form: Form::Table,
    doc: "The periodic collector, to which an endpoint without a working stream is downgraded.",
    keys: &[
        key("logs_collection_interval", DURATION, "", "Time between two polls of one endpoint."),
        key(
            "state_refresh_interval",
            DURATION,
            "",
            "How often the log services and the service root are looked up again.",
        ),
        key(
            "logs_state_file",
            TEXT,
            "none",
            "Where infra-controller kept its progress, such as `/tmp/logs_collector_{machine_id}.json`; `{machine_id}` becomes the endpoint's label `machine_id`, or its id without that label. Read once, and never written: where the journal does not know a log yet, entries up to the number in the file are not told. `initial_history` holds for logs that the file does not name, and for all when there is no file. Whoever may write that file decides what is not told.",
        ),
    ],
};

pub(crate) static AUTO: Section = Section {
    name: "collectors.logs.auto",
    form: Form::Table,
    doc: "When the mode `auto` leaves the stream of an endpoint, and when it tries again.",
    keys: &[
        key(
            "sse_not_available_threshold",
            "a whole number above 0",
            "",
            "So many answers that there is no event stream downgrade the endpoint.",
        ),
        key(
            "connect_failure_window",
            DURATION,
            "",
            "Length of the rolling window in which failures of the stream are counted.",
        ),
        key(
            "connect_failure_threshold",
            "a whole number above 0",
            "",
            "So many failures within the window downgrade the endpoint.",
        ),
        key(
            "min_stream_lifetime",
            DURATION,
            "",
            "A stream that has lived so long has proved itself, and clears the window.",
        ),
        key(
            "retry_sse_after",
            "a duration such as \"30m\", or \"never\"",
            "",
            "How long after a downgrade the stream is tried again; the wait doubles after each failed try. `never` keeps the downgrade until restart.",
        ),
        key("retry_sse_max", DURATION, "", "The doubling wait ends here. Not below `retry_sse_after`."),
    ],
};

pub(crate) static SSE: Section = Section {
    name: "collectors.logs.sse",
    form: Form::Table,
    doc: "The stream collector.",
    keys: &[
        key("initial_backoff", DURATION, "", "First wait before a lost stream is opened again; it doubles."),
        key(
            "max_backoff",
            DURATION,
            "",
            "Longest wait before a lost stream is opened again. Not below `initial_backoff`.",
        ),
        key(
            "idle_timeout",
            DURATION,
            "",
            "A stream that used to send keep-alives and then no byte for so long is dead.",
        ),
    ],
};

pub(crate) static JOURNAL: Section = Section {
    name: "journal",
    form: Form::Table,
    doc: "The durable store between BMCs and sinks.",
    keys: &[
        key("directory", TEXT, "", "Where it lives. It belongs to one process at a time."),
        key(
            "max_age",
            DURATION,
            "",
            "Older records are deleted. Deleting what a sink has not had is counted as loss.",
        ),
        key("max_size", SIZE, "", "The oldest records are deleted when the journal grows beyond this."),
    ],
};

pub(crate) static ADMIN: Section = Section {
    name: "admin",
    form: Form::Table,
    doc: "The listener for metrics, health, status and reload. Probes (`/livez`, `/readyz`, `/-/healthy`, `/-/ready`) are answered to everybody, everything else as these keys say.",
    keys: &[
        key(
            "listen",
            "an address such as \"127.0.0.1:9632\"",
            "",
            "IP address and port. Another address than loopback needs `[admin.tls]` or `basic_auth_users`, better both.",
        ),
        key(
            "basic_auth_users",
            LABELS,
            "none: no login",
            "User names and the bcrypt hashes of their passwords: `{ prometheus = \"$2y$10$...\" }`, as `htpasswd -nBC 10 prometheus` makes them. With users, every request but a probe needs a login. Without, a reload can be asked for only from the machine itself.",
        ),
        key(
            "allowed_hosts",
            "an array of strings",
            "none",
            "Names by which the listener may be called in URLs, beside IP addresses and `localhost`, while it has neither TLS nor a login: so a web page cannot lead an operator's browser here by a name of its own.",
        ),
        key(
            "cors_origins",
            "an array of strings",
            "none",
            "Web pages of these origins, such as `\"https://grafana.example\"`, may read `/api/v1/`, with the login that the browser has for it; `\"*\"` lets every page read, without one. Nothing can be changed from there.",
        ),
        key(
            "allow_insecure",
            "true or false",
            "",
            "Lets the listener take any address without TLS and without a login, and warns. Who reaches it sees all endpoints and their state, but no secret. For pods behind a NetworkPolicy.",
        ),
        key("tls", TABLE, "", ""),
    ],
};

pub(crate) static ADMIN_TLS: Section = Section {
    name: "admin.tls",
    form: Form::Table,
    doc: "TLS for the listener; without this table it speaks HTTP. The files are PEM and are read again within seconds when they change; files that cannot be used change nothing and are warned about.",
    keys: &[
        key(
            "cert_file",
            TEXT,
            "required",
            "The certificate, and behind it those that lead to its authority.",
        ),
        key(
            "key_file",
            TEXT,
            "required",
            "Its private key, unencrypted. Closed to others as a `password_file` is; a relative path is looked up in `$CREDENTIALS_DIRECTORY`.",
        ),
        key(
            "client_ca_file",
            TEXT,
            "none",
            "Authorities of clients. With them, every request but a probe needs a certificate that one of them has issued, beside the login where there are users.",
        ),
    ],
};

pub(crate) static METRICS: Section = Section {
    name: "metrics",
    form: Form::Table,
    doc: "The metrics page.",
    keys: &[key("prefix", TEXT, "", "The first word of every metric name. Letters, digits and underscores.")],
};

pub(crate) static LOG: Section = Section {
    name: "log",
    form: Form::Table,
    doc: "The program's own log, on stderr.",
    keys: &[
        key(
            "format",
            "\"auto\", \"json\" or \"text\"",
            "",
            "`auto` is text on a terminal and JSON lines elsewhere.",
        ),
        key(
            "level",
            "a level such as \"info\", or \"info,collect=debug\"",
            "",
            "What is logged: `off`, `error`, `warn`, `info`, `debug` or `trace`, also per crate. The environment variable `RUST_LOG` overrides it.",
        ),
    ],
};

/// Every table, in the order of the reference.
pub(crate) static SECTIONS: [&Section; 19] = [
    &TOP,
    &ENDPOINT,
    &CREDENTIALS,
    &MATCH,
    &DISCOVERY,
    &FILE_SD,
    &HTTP_SD,
    &COLLECTORS,
    &LOGS,
    &PERIODIC,
    &AUTO,
    &SSE,
    &JOURNAL,
    &SINK,
    &SEVERITY_NUMBERS,
    &ADMIN,
    &ADMIN_TLS,
    &METRICS,
    &LOG,
];
