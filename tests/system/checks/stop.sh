# The end of the daemon, and of the machine.

stop_checks() {
    check a_stop_under_load_takes_under_five_seconds_and_everything_is_committed
    check a_reboot_with_an_empty_memory_disk_starts_clean
}

# Entries for Redis until $work/loading is gone, 100 at a time.
load() {
    local number=0
    while [[ -e $work/loading ]]; do
        numbered "$1" $((number + 1)) $((number += 100)) || return 0
    done
    echo $number >"$work/loaded"
}

a_stop_under_load_takes_under_five_seconds_and_everything_is_committed() {
    local began took acknowledged waiting
    touch "$work/loading"
    load stop &
    local load=$!
    wait_for 20 'some of the load' on_machine 'sqlite3 -readonly /mnt/dsmil-ram/hotpath.db \
        "SELECT 1 FROM raw_events_fast WHERE CAST(payload AS TEXT) LIKE '"'stop=%'"' LIMIT 1" | grep -q 1'
    began=$(now_ms)
    inside systemctl stop dsmil
    took=$(($(now_ms) - began))
    figure "$took ms"
    rm "$work/loading"
    wait $load
    ((took < 5000)) || fail "$took ms"
    expect 'how it ended' "$(property Result)" success
    # What was acknowledged must be in the store; what was only handed out is handed out again.
    acknowledged=$(inside redis-cli XINFO GROUPS L3_IN | awk '/^entries-read$/ { getline; print }')
    waiting=$(inside redis-cli XPENDING L3_IN dsmil | head -n 1)
    figure "$acknowledged read, $waiting of them not acknowledged"
    inside systemctl start dsmil
    until_ready
    wait_for 60 'every event' has_stored stop "$(<"$work/loaded")"
    expect 'the events' "$(stored stop)" "$(<"$work/loaded") of $(<"$work/loaded")"
    figure "$(<"$work/loaded") events, each once"
}

a_reboot_with_an_empty_memory_disk_starts_clean() {
    local newest began
    newest=$(store 'SELECT max(id) FROM raw_events_fast')
    inside bash -c 'seq -f "boot=%.0f" 100 | logger -t dsmil-test'
    power_off
    began=$(now_ms)
    boot
    until_ready
    figure "ready $(($(now_ms) - began)) ms after power on"
    expect NRestarts "$(property NRestarts)" 0
    expect 'what went wrong' "$(inside journalctl -q -b -u dsmil -p err --output=cat)" ''
    inside logger -t sshd 'after the reboot'
    wait_for 20 'a new event' on_machine 'sqlite3 -readonly /mnt/dsmil-ram/hotpath.db \
        "SELECT 1 FROM raw_events_fast WHERE CAST(payload AS TEXT) LIKE '"'%after the reboot%'"'" | grep -q 1'
    (($(store 'SELECT min(id) FROM raw_events_fast') > newest)) || fail 'ids went back'
    inside bash -c 'seq -f "boot=%.0f" 101 200 | logger -t dsmil-test'
    wait_for 20 'the last line' on_machine 'grep -q " boot=200$" /var/log/dsmil.log'
    # The hot store has lost what it had; the archive has not.
    wait_for 20 'the events in the archive' has_archived_boots
    expect 'events from before and after it' "$(archived_boots)" '200 of 200'
    figure "events of 200 lines before and after it: $(archived_boots)"
    expect 'lines from before and after it' "$(flat_lines ' boot=[0-9]*$' | sed 's/.*=//' | paste -sd ' ')" "$(seq 200 | paste -sd ' ')"
}

archived_boots() {
    inside runuser -u postgres -- psql -qAt -d dsmil -c "SELECT count(DISTINCT line) || ' of ' || count(line) FROM
        (SELECT substring(convert_from(payload, 'UTF8') FROM '\"payload\":\"(boot=[0-9]+)\"') AS line FROM raw_events_fast) AS lines"
}

has_archived_boots() {
    [[ $(archived_boots) == '200 of'* ]]
}
