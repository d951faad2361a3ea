#!/usr/bin/env bash
# Lays the seeds of every target into fuzz/corpus/ and the words it should try into fuzz/words/; both are ignored by git.
# They come from the fixtures of the tests, from the example configurations, and from the recordings of real BMCs where
# they are beside the repository (BMCWATCH_RECORDINGS names another directory). What is there already stays.
set -euo pipefail
cd "$(dirname "$0")"

recordings=${BMCWATCH_RECORDINGS:-../../shared/recordings}
fixtures=../crates/redfish/tests/fixtures
# A longer seed makes slow work of every change to it.
bytes_max=16384

mkdir -p words
# Adds standard input to the corpus of the target `$1`, under the name of its content.
add() {
    local text sum
    mkdir -p "corpus/$1"
    text=$(mktemp)
    cat >"$text"
    sum=$(sha1sum <"$text")
    mv "$text" "corpus/$1/${sum%% *}"
}
# Adds each line of standard input by itself.
add_lines() {
    while IFS= read -r line; do
        printf '%s' "$line" | add "$1"
    done
}
# Adds each of these files to each of the targets `$1`.
add_files() {
    local target file targets=$1
    shift
    for file in "$@"; do
        for target in $targets; do
            add "$target" <"$file"
        done
    done
}
# Names of JSON, quoted for a file of words.
names_of() {
    grep -ohE '"[A-Za-z@.#_]{2,40}" *:' "$@" | tr -d '" :' | sort | uniq -c | sort -rn | sed -n '1,400s/ *[0-9]* //p' |
        sed 's/.*/"\\"&\\":"/'
}

answers=()
if [[ -d $recordings ]]; then
    mapfile -t answers < <(find "$recordings" -name '*.json' -size "-${bytes_max}c" | sort)
else
    echo "no recordings in $recordings: seeds are the fixtures only"
fi

add_files "sse event" "$fixtures"/*.sse
add_files "event entry" "$fixtures"/*.json
add_files entry "${answers[@]}"
add_lines sse <<'LINES'
data
data:a
id: 7
retry: 3000
:
LINES
printf 'id: 7\r\ndata: a\r\n\r\nevent: b\rdata: c\r\r: d\n\ndata\n\n' | add sse
printf '\xef\xbb\xbfdata: caf\xc3\xa9 \xb0\n\n' | add sse
names_of "$fixtures"/*.json "$fixtures"/*.sse "${answers[@]}" >words/entry
cp words/entry words/event
printf '%s\n' '"data:"' '"id:"' '"event:"' '"retry:"' '"\x0a\x0a"' '"\x0d\x0a"' '"\x0d"' '"\xef\xbb\xbf"' | tee words/sse >>words/event
printf '%s\n' '"\\\\ud800"' '"\\\\u0000"' '"1e999"' '"null"' '"[]"' '"{}"' >>words/entry

# The values of these names wherever they are known.
values_of() {
    grep -ohE "\"($1)\" *: *\"[^\"]*\"" "$fixtures"/* "${answers[@]}" | sed -E 's/.*: *"(.*)"/\1/' | sort -u | sed -n '1,200p'
}
values_of 'Created|EventTimestamp|DateTime|Modified' | add_lines time
add_lines time <<'LINES'
2024-01-01T00:00:00.123456-00:00
 2018-05-30 13:27:39,5 +02 
2012-03-07T14:44UTC
2016-12-31T23:59:60Z
1791618011123
Tue, 29 Nov 2022 12:04:25 GMT
0000-00-00T00:00:00Z
9999-12-31T23:59:59-23:59
LINES
printf '"%s"\n' Z UTC +00:00 -2359 T :60 . , 9999 Nov GMT >words/time

for address in https://bmc 'https://[fd00::12]:8443' http://10.0.0.1; do
    { values_of '@odata.id|@odata.nextLink|Members@odata.nextLink' | sed -n '1,40p'; cat <<'LINES'; } |
?$skip=50
Entries/1
//evil/a
https://bmc@evil/a
HTTPS://BMC:443\a
http://10.0.0.1:80/a b?$filter=x ge 'ü'#y
../../x/./y%2e%2e/%2F
LINES
        while IFS= read -r link; do
            printf '%s\n/redfish/v1/Log/Entries?$skip=50\n%s' "$address" "$link" | add link
        done
done
printf '"%s"\n' https:// http:// // @ :443 '[::1]' '$skip=' '&$skiptoken=' '%2e' '..' '\\\\' '#' '?' evil >words/link

add_files config ../example/*.toml $(find ../deploy -name '*.toml') ../crates/bmcwatch/tests/testdata/bad/*.toml
add config <<'TOML'
[[endpoints]]
address = "https://10.0.0.1"
credentials = "a"

[[endpoints]]
address = "https://10.0.0.2"
credentials = "b"

[credentials.a]
username = "u"
password = "PASSWORD"

[credentials.b]
username = "u"
password_env = "PW"
TOML
{
    grep -ohE '^#* *[a-z_]+ = ' ../docs/CONFIGURATION.md ../example/*.toml ../crates/bmcwatch/tests/testdata/bad/*.toml |
        tr -d '# =' | sort -u | sed 's/.*/"& = "/'
    grep -ohE '^\[[^"]*\]$' ../example/*.toml | sort -u | sed 's/.*/"&\\x0a"/'
    printf '"%s"\n' PASSWORD '\"PASSWORD\"' 'password = \"PASSWORD\"\x0a' '${PW}' '$${' ':-' '5m' '1GiB' '\"\"\"' "'''" '\\\\u0041'
} >words/config

add_lines state_file <<'LINES'
{"last_seen_ids":{"/redfish/v1/Systems/1/LogServices/EventLog":4711}}
{"last_seen_ids":{"https://10.0.0.1/redfish/v1/Systems/1/LogServices/SEL/Entries/":-1,"/redfish/v1/systems/1/logservices/sel":9},"x":[]}
LINES
printf '%s\n' '"\"last_seen_ids\":{"' '"/Entries"' '"://"' '"9223372036854775807"' >words/state_file

line='"uid":"5b0c9d1e-2f3a-8b4c-9d5e-6f708192a3b4","kind":"entry","source":"backfill","endpoint":{"id":"r17-u12","address":"https://10.0.17.12","labels":{"rack":"r17"}},"observed_at":"2026-11-20T14:02:11.304Z","occurred_at":"2026-11-20T14:02:09Z","occurred_at_raw":"2026-11-20T08:02:09-06:00","severity":"critical","message":"a \"b\"\nc","message_id":"IDRAC.2.9.CPU0001","message_args":["1"],"log_service":"/redfish/v1/Managers/1/LogServices/Sel","entry_id":"1024","event_id":null,"origin":"/redfish/v1/Systems/1","original":{ "Id": "1024" }}'
printf '{"schema":1,"position":48211,%s\n' "$line" | add record
printf '{%s' "$line" | add record
names_of <(printf '%s' "$line") >words/record
printf '"%s"\n' entry event gap cleared changed stream poll backfill reconcile ok warning critical unknown null >>words/record

registry='{"Messages":{"PowerOn":{"Message":"Server %1 powered on at %2.","Severity":"OK"},"Fan":{"Message":"%1%1%10 %0 %","MessageSeverity":"Critical","Severity":"Warning"},"Odd":7}}'
printf 'iLOEvents.3.15.PowerOn\n7\n%s' "$registry" | add registry
printf 'Base.1.18.1.Fan\na b\n%s' "$registry" | add registry
{ printf 'iLOEvents.3.15.Fan\n7\n' && gzip -c <<<"$registry"; } | add registry
printf '%s\n' '"\"Messages\":{"' '"\"Message\":"' '"\"Severity\":"' '"%1"' '".1.0."' '"\x1f\x8b\x08"' >words/registry

for target in corpus/*/; do
    printf '%s: %d seeds\n' "${target#corpus/}" "$(ls "$target" | wc -l)"
done
