//! The keys of sources of endpoints: `[[discovery.file_sd]]` and `[[discovery.http_sd]]`.

use super::{DURATION, Form, Section, TEXT, key};

pub(crate) static FILE_SD: Section = Section {
    name: "discovery.file_sd",
    form: Form::Array,
    doc: "Endpoints from files, in the JSON form of Prometheus: `[{ \"targets\": [\"10.0.17.12\"], \"labels\": { \"rack\": \"r17\", \"__bmc_credential\": \"dell\" } }]`. A target is `HOST`, `HOST:PORT`, `[IPV6]:PORT` or `https://...`. Labels are attached to its endpoint, but for those that begin with `__`: `__bmc_id` is its `id`, `__bmc_credential` its `credentials`, `__bmc_tls` its `trust` (empty or absent: as for `[[endpoints]]`), the others are ignored. A bad target is warned about and costs itself; a file that cannot be used keeps its last good list. Where two have the same id, the config file wins, then the first source in it. A refresh that would drop more than half of a source's endpoints takes effect when the next one agrees, or after a reload. At most 100 sources, 64 MiB and 100,000 targets each.",
    keys: &[
        key(
            "files",
            "an array of strings",
            "required",
            "Paths; in the last element `*` stands for any characters, and names that begin with a dot are left out: `[\"/etc/bmcwatch/targets/*.json\"]`. Changes are noticed within two seconds, also where a file is moved or a link is exchanged. At most 10,000 files.",
        ),
        key(
            "refresh_interval",
            DURATION,
            "\"5m\"",
            "How often all files are read, whether they seem to have changed or not.",
        ),
    ],
};

pub(crate) static HTTP_SD: Section = Section {
    name: "discovery.http_sd",
    form: Form::Array,
    doc: "Endpoints from an HTTP server, asked as Prometheus asks: it answers 200 with `Content-Type: application/json` and the whole list, in the form of `file_sd`. Anything else, and no answer within the interval or a minute, is a failure: the last good list stays, over a restart too. A redirect is followed within the same origin only.",
    keys: &[
        key("url", TEXT, "required", "What is asked. It holds no user name and no password."),
        key("refresh_interval", DURATION, "\"1m\"", "Time between two refreshes."),
        key("username", TEXT, "none", "The user of a login with Basic; it needs `password_file`."),
        key(
            "password_file",
            TEXT,
            "none",
            "A file that holds the password, under the rules of `credentials.NAME.password_file`. Read at each refresh.",
        ),
        key(
            "token_file",
            TEXT,
            "none",
            "A file that holds a token, sent as `Authorization: Bearer`. Read at each refresh.",
        ),
        key(
            "trust",
            TEXT,
            "\"system\"",
            "Which certificate of the server is believed: `\"system\"`, `\"ca:/path/to/ca.pem\"`, `\"pin:sha256/BASE64\"` or `\"insecure\"` (any; warned about).",
        ),
        key(
            "cert_file",
            TEXT,
            "none",
            "Our certificate for a server that asks for one, and behind it those that lead to its authority (PEM).",
        ),
        key("key_file", TEXT, "none", "Its private key, closed to others."),
    ],
};
