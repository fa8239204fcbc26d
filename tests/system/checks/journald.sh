# journald stopped dead: nothing else may stand still for it.

frozen_s=30

journald_checks() {
    check a_journald_frozen_for_30_seconds_under_load_slows_nothing_and_the_drops_are_reported
}

# One log line for each event: SOC events of what is benign as well, and the level that shows them.
speak_of_everything() {
    on_machine 'cp -a /etc/dsmil/dsmil.toml /tmp/quiet.toml
        sed -i "s/^include_benign = .*/include_benign = true/; s/^level = .*/level = \"debug\"/" /etc/dsmil/dsmil.toml
        systemctl reload dsmil'
}

a_journald_frozen_for_30_seconds_under_load_slows_nothing_and_the_drops_are_reported() {
    local per_second=1000 second until sent dropped began pid
    began=$(moment)
    pid=$(property MainPID)
    speak_of_everything
    inside systemctl kill --signal=STOP systemd-journald
    until=$(now_ms)
    for ((second = 0; second < frozen_s; second++)); do
        numbered frozen $((second * per_second + 1)) $(((second + 1) * per_second))
        # The next second of the schedule.
        until=$((until + 1000))
        while (($(now_ms) < until)); do sleep 0.02; done
    done
    sent=$((frozen_s * per_second))
    local last
    last=$(now_ms)
    wait_for 10 'the last event while journald is frozen' has_stored frozen $sent
    figure "$sent events in $frozen_s s, the last stored $(($(now_ms) - last)) ms after it was sent"
    is_ready
    inside systemctl kill --signal=CONT systemd-journald
    wait_for 30 'the report of the drops' has_reported_drops "$began"
    dropped=$(metric 'dsmil_dropped_total{where="log",reason="journal_slow"}')
    figure "$dropped log lines dropped; said: $(said_since "$began" -t dsmild | grep 'log lines were dropped' | head -n 1)"
    ((dropped > 0)) || fail 'no drop was counted'
    expect 'the process' "$(property MainPID)" "$pid"
    inside logger -t dsmil-test 'after the thaw'
    wait_for 60 'the flat log' on_machine 'grep -q "after the thaw" /var/log/dsmil.log'
    on_machine 'cat /tmp/quiet.toml >/etc/dsmil/dsmil.toml; systemctl reload dsmil'
}

has_reported_drops() {
    said_since "$1" -t dsmild | grep 'log lines were dropped'
}
