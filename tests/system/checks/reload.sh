# systemctl reload, again and again.

rounds=100

reload_checks() {
    check a_reload_is_done_when_systemctl_reload_returns_and_one_line_says_what_changed
    check a_change_in_any_section_is_taken_over_by_a_reload
    check a_hundred_reloads_under_load_half_of_them_broken_lose_nothing
    check every_listener_answers_after_the_reloads
}

a_reload_is_done_when_systemctl_reload_returns_and_one_line_says_what_changed() {
    local began said
    inside cp -a /etc/dsmil/dsmil.toml /tmp/good.toml
    inside sed -i 's/^half_life = .*/half_life = "17m"/' /etc/dsmil/dsmil.toml
    began=$(now_ms)
    inside systemctl reload dsmil
    figure "$(($(now_ms) - began)) ms"
    # Asked of the daemon itself, for the journal may be a moment behind.
    said=$(inside dsmild status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["config"]["last_reload"])')
    [[ $said == *'done: 1 parts changed'* ]] || fail "the last reload when it returned: $said"
    wait_for 5 'the line in the journal' on_machine 'journalctl -q -t dsmild -n 20 -o cat | grep -x "reload done: 1 parts changed: .*half_life.*"'
    inside cp -a /tmp/good.toml /etc/dsmil/dsmil.toml
    inside systemctl reload dsmil
}

# SECTION, KEY, and a value that differs from the default.
changes=(
    'log level "debug"'
    'http listen "127.0.0.1:8601"'
    'store retention "23h"'
    'redis maxlen 999999'
    'archive every "2s"'
    'shrink every "2s"'
    'intake.journal compartment "checks"'
    'intake.http enabled false'
    'flat_log identifiers ["of-the-checks"]'
    'l3 builtin_rules false'
    'l4 half_life "2h"'
    'fusion include_benign true'
    'device.51 enabled false'
    'device.58 enabled false'
    'supervisor frozen_after "11s"'
    'supervisor.backoff min "200ms"'
    'supervisor.intensity restarts 6'
)

# Sets one key of the good configuration, in its section and whether or not it is there.
set_key='
import re, sys
section, key, value = sys.argv[1:]
head, inside, tail = re.split(rf"(?ms)(^\[+{re.escape(section)}\]+[^\n]*\n.*?)(?=^\[|\Z)", open("/tmp/good.toml").read(), maxsplit=1)
inside = re.sub(rf"(?m)^{key} = .*\n", "", inside)
title, rest = inside.split("\n", 1)
open("/etc/dsmil/dsmil.toml", "w").write(f"{head}{title}\n{key} = {value}\n{rest}{tail}")
'

a_change_in_any_section_is_taken_over_by_a_reload() {
    local change section key value pid said
    pid=$(property MainPID)
    for change in "${changes[@]}"; do
        read -r section key value <<<"$change"
        inside python3 -c "$set_key" "$section" "$key" "$value"
        inside systemctl reload dsmil || fail "the reload of $section.$key"
        # The change back of the one before is in the same line.
        said=$(inside cat /run/dsmil/reload)
        [[ $said == *' ok done: '*@("$section"|"$key")* ]] || fail "$section.$key: $said"
    done
    inside bash -c 'cat /tmp/good.toml >/etc/dsmil/dsmil.toml; systemctl reload dsmil'
    expect 'the process' "$(property MainPID)" "$pid"
    until_ready
    figure "${#changes[@]} sections"
}

# numbered NAME FROM TO: entries for Redis, numbered.
numbered() {
    on_machine 'seq "$2" "$3" | sed "s/.*/XADD L3_IN * source numbered compartment checks payload $1=&/" | redis-cli >/dev/null' "$@"
}

# How many different entries of that name the hot store has, and how many in all.
stored() {
    store "SELECT count(DISTINCT payload) || ' of ' || count(*) FROM raw_events_fast WHERE CAST(payload AS TEXT) LIKE '%$1=%'"
}

has_stored() {
    [[ $(stored "$1") == "$2 of"* ]]
}

a_hundred_reloads_under_load_half_of_them_broken_lose_nothing() {
    local began per_round=200 total=$((rounds * 200)) before pid restarts
    restarts=$(property NRestarts)
    before=$(inside dsmild status --json)
    pid=$(property MainPID)
    began=$(moment)
    (for ((round = 0; round < rounds; round++)); do
        numbered reload $((round * per_round + 1)) $(((round + 1) * per_round))
    done) &
    local load=$! started refused=0
    started=$(now_ms)
    for ((round = 1; round <= rounds; round++)); do
        if ((round % 2)); then
            inside bash -c 'printf "\n[nonsense]\nround = %d\n" "$1" | cat /tmp/good.toml - >/etc/dsmil/dsmil.toml' checks $round
        else
            inside sed "s/^half_life = .*/half_life = \"$((round % 50 + 10))m\"/" /tmp/good.toml >"$work/good"
            inside sed -i "s/^half_life = .*/half_life = \"$((round % 50 + 10))m\"/" /tmp/good.toml
            inside bash -c 'cat /tmp/good.toml >/etc/dsmil/dsmil.toml'
        fi
        inside systemctl reload dsmil 2>/dev/null || refused=$((refused + 1))
    done
    figure "$((($(now_ms) - started) / rounds)) ms a reload"
    wait $load
    wait_for 60 'every event' has_stored reload $total
    expect 'the events' "$(stored reload)" "$total of $total"
    expect 'the refused ones' $refused $((rounds / 2))
    expect NRestarts "$(property NRestarts)" "$restarts"
    expect 'the process' "$(property MainPID)" "$pid"
    expect 'the restarts of actors' "$(restarts_of <<<"$(inside dsmild status --json)")" "$(restarts_of <<<"$before")"
    wait_for 10 'every finding in the journal' has_findings "$began"
    # Nothing but what was changed.
    expect 'reloads that touched something else than l4' \
        "$(said_since "$began" -t dsmild | grep 'reload done' | grep -vx 'reload done: 1 parts changed: l4 [^;]*' || true)" ''
    figure "$total events, $refused refused"
}

restarts_of() {
    python3 -c 'import json, sys; print(sorted((actor["name"], actor["restarts"]) for actor in json.load(sys.stdin)["actors"]))'
}

has_findings() {
    (($(said_since "$1" -t dsmild -p err | grep -c 'reload refused.*nonsense') == rounds / 2))
}

every_listener_answers_after_the_reloads() {
    inside bash -c 'cat /tmp/good.toml >/etc/dsmil/dsmil.toml'
    inside systemctl reload dsmil
    local path
    for path in /healthz /readyz /metrics /api/v1/status / '/api/v1/streams/SOC_EVENTS?count=1'; do
        inside curl -fsS -o /dev/null "http://127.0.0.1:8600$path" || fail "$path does not answer"
    done
    expect 'what HTTP takes in' "$(inside curl -fsS --data-binary '{"payload":"over http"}' http://127.0.0.1:8600/api/v1/streams/L3_IN)" \
        '{"accepted":1,"rejected":[]}'
    numbered later 1 10
    wait_for 20 'what Redis takes in' has_stored later 10
    inside logger -t dsmil-test 'after the reloads'
    wait_for 5 'the flat log' on_machine 'grep -q "after the reloads" /var/log/dsmil.log'
}
