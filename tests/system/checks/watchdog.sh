# What systemd does about a critical actor. The daemon of examples/faulty.rs freezes or panics one on request.

watchdog_checks() {
    check the_daemon_that_fails_on_request_takes_the_daemons_place
    check a_panicking_critical_actor_restarts_alone_and_systemd_does_nothing
    check a_frozen_critical_actor_makes_systemd_restart_the_unit_through_the_watchdog
    check the_daemon_itself_is_back_in_its_place
}

the_daemon_that_fails_on_request_takes_the_daemons_place() {
    build_faulty || fail 'it cannot be built'
    strip -o "$machine/usr/bin/dsmild-faulty" "${CARGO_TARGET_DIR:-target}/debug/examples/faulty"
    on_machine 'mkdir -p /run/systemd/system/dsmil.service.d
        printf "[Service]\nExecStart=\nExecStart=/usr/bin/dsmild-faulty run -c /etc/dsmil/dsmil.toml\n" \
            >/run/systemd/system/dsmil.service.d/faulty.conf
        systemctl daemon-reload && systemctl restart dsmil'
    until_ready
    expect 'the program' "$(inside readlink "/proc/$(property MainPID)/exe")" /usr/bin/dsmild-faulty
}

# order FAULT ACTOR: done at the next event that the actor sees.
order() {
    on_machine 'printf %s "$1" >/run/dsmil/new && chown dsmil: /run/dsmil/new && mv /run/dsmil/new "/run/dsmil/fault.$2"' "$@"
    inside logger -t sshd 'something to look at'
}

restarts_of_l3() {
    metric 'dsmil_actor_restarts_total{actor="l3",reason="panic"}'
}

l3_has_panicked() {
    (($(restarts_of_l3) > 0))
}

a_panicking_critical_actor_restarts_alone_and_systemd_does_nothing() {
    local pid restarts
    pid=$(property MainPID)
    restarts=$(property NRestarts)
    order panic l3
    wait_for 20 'the restart of l3' l3_has_panicked
    numbered panic 1 100
    wait_for 20 'every event' has_stored panic 100
    # Longer than the watchdog would take.
    wait_for 20 'the watchdog to have had its chance' older_than 15 "$(now_ms)"
    expect 'the process' "$(property MainPID)" "$pid"
    expect NRestarts "$(property NRestarts)" "$restarts"
    is_ready
    figure "l3 restarted $(restarts_of_l3) time, the process not"
}

older_than() {
    (($(now_ms) > $2 + $1 * 1000))
}

a_frozen_critical_actor_makes_systemd_restart_the_unit_through_the_watchdog() {
    local pid restarts began ordered
    pid=$(property MainPID)
    restarts=$(property NRestarts)
    ordered=$(moment)
    began=$(now_ms)
    order freeze l3
    numbered freeze 1 100
    wait_for 60 'another process' is_another_process "$pid"
    figure "after $(($(now_ms) - began)) ms"
    until_ready
    expect NRestarts "$(property NRestarts)" $((restarts + 1))
    inside journalctl -q -b -u dsmil --since="$ordered" --output=cat | grep 'Watchdog timeout'
    wait_for 20 'every event' has_stored freeze 100
    expect 'the events' "$(stored freeze)" '100 of 100'
}

is_another_process() {
    [[ $(property MainPID) != @(0|"$1") ]]
}

the_daemon_itself_is_back_in_its_place() {
    on_machine 'rm -r /run/systemd/system/dsmil.service.d /usr/bin/dsmild-faulty; systemctl daemon-reload; systemctl restart dsmil'
    until_ready
    expect 'the program' "$(inside readlink "/proc/$(property MainPID)/exe")" /usr/bin/dsmild
}
