# systemctl reload, again and again.

rounds=100

reload_checks() {
    check a_reload_is_done_when_systemctl_reload_returns_and_one_line_says_what_changed
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
    wait_for 5 'what changed in the journal' on_machine 'journalctl -q -t dsmild -n 20 -o cat | grep "reload: .*half_life"'
    inside cp -a /tmp/good.toml /etc/dsmil/dsmil.toml
    inside systemctl reload dsmil
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
    began=$(date '+%F %T')
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
        inside systemctl reload dsmil || refused=$((refused + 1))
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
    figure "$total events, $refused refused"
}

restarts_of() {
    python3 -c 'import json, sys; print({actor["name"]: actor["restarts"] for actor in json.load(sys.stdin)["actors"]})'
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
