# The flat log, /var/log/dsmil.log: every line of the identifiers, once, whatever happens.

lines=100000

flat_log_checks() {
    check a_line_is_in_the_flat_log_in_under_a_second
    check a_hundred_thousand_lines_are_each_there_once_over_kills_a_rotation_and_a_restart_of_journald
    check after_a_plain_rename_it_is_down_everywhere_until_a_reload_or_a_start_makes_the_file
    check rotation_by_copytruncate_loses_nothing
    check a_full_disk_is_reported_and_survived
}

a_line_is_in_the_flat_log_in_under_a_second() {
    on_machine 'for n in $(seq 20); do
            began=$(date +%s%3N)
            logger -t dsmil-test "latency $n of $began"
            until grep -q "latency $n of $began" /var/log/dsmil.log; do
                (($(date +%s%3N) < began + 10000))
                sleep 0.005 # between two looks
            done
            echo $(($(date +%s%3N) - began))
        done' >"$work/latencies"
    sort -n "$work/latencies" | paste -sd ' ' >"$work/sorted"
    local sorted
    read -ra sorted <"$work/sorted"
    # journald itself tells its readers after a quarter of a second.
    figure "${sorted[9]} ms in the middle, ${sorted[18]} and ${sorted[19]} ms at most"
    # One may meet a moment in which this machine is busy with something else.
    ((sorted[18] < 1000)) || fail "two took a second or more"
}

# count FROM TO: numbered lines, as anybody may write them.
count() {
    inside bash -c 'seq -f "number=%.0f" "$1" "$2" | logger -t dsmil-test' checks "$1" "$2"
}

a_hundred_thousand_lines_are_each_there_once_over_kills_a_rotation_and_a_restart_of_journald() {
    local part=$((lines / 5)) began restarts
    began=$(now_ms)
    restarts=$(property NRestarts)
    count 1 $part
    kill_daemon & count $((part + 1)) $((2 * part)); wait $!
    inside logrotate --force /etc/logrotate.d/dsmil & count $((2 * part + 1)) $((3 * part)); wait $!
    kill_daemon & count $((3 * part + 1)) $((4 * part)); wait $!
    inside systemctl restart systemd-journald & count $((4 * part + 1)) $lines; wait $!
    kill_daemon
    until_ready
    wait_for 120 'the last line' has_line $lines
    figure "$(($(now_ms) - began)) ms"
    flat_lines ' dsmil-test\[[0-9]*\]: number=' | sed 's/.*number=//' | sort -n >"$work/numbers"
    figure "$(wc -l <"$work/numbers") lines, $(uniq "$work/numbers" | wc -l) different"
    seq $lines | cmp - "$work/numbers" || fail 'lines are missing or twice'
    expect 'the restarts' "$(property NRestarts)" $((restarts + 3))
}

kill_daemon() {
    until_ready
    inside systemctl kill --kill-whom=main --signal=KILL dsmil
}

# The very last lines: looking through all of them each time would take too long.
has_line() {
    inside tail -n 2000 /var/log/dsmil.log | grep -q "number=$1\$"
}

after_a_plain_rename_it_is_down_everywhere_until_a_reload_or_a_start_makes_the_file() {
    local remedy
    for remedy in reload restart; do
        inside mv /var/log/dsmil.log "/var/log/dsmil.log.$remedy"
        wait_for 10 'status to say that it is down' flat_log_is False
        wait_for 10 "systemd's status line to say so" on_machine 'systemctl show -P StatusText dsmil | grep -q "flat-log is down"'
        wait_for 10 'readyz to warn' on_machine 'curl -fsS http://127.0.0.1:8600/readyz | grep -q "flat-log is down"'
        # Metrics are brought up to date once a second.
        wait_for 10 'its metric' on_machine 'curl -fsS http://127.0.0.1:8600/metrics | grep -qx "dsmil_outlet_up{outlet=\"flat-log\"} 0"'
        on_machine "seq -f 'after-$remedy %.0f' 1000 | logger -t dsmil-test"
        inside systemctl "$remedy" dsmil
        [[ $(inside stat -c '%a %U %G' /var/log/dsmil.log) == '640 dsmil adm' ]] || fail 'the file is not there after it'
        wait_for 30 'the last line' on_machine "tail -n 500 /var/log/dsmil.log | grep -q ' after-$remedy 1000'"
        wait_for 10 'status to say that it is up' flat_log_is True
        expect "the lines after it" "$(flat_lines " after-$remedy [0-9]*\$" | wc -l)" 1000
        wait_for 10 "systemd's status line" on_machine '! systemctl show -P StatusText dsmil | grep -q "flat-log is down"'
    done
    until_ready
}

flat_log_is() {
    [[ $(flat_log_is_up) == "$1" ]]
}

rotation_by_copytruncate_loses_nothing() {
    on_machine 'sed "s/^    create.*/    copytruncate/" /etc/logrotate.d/dsmil >/root/copytruncate
        grep -q copytruncate /root/copytruncate
        seq -f "before=%.0f" 1000 | logger -t dsmil-test
        until tail -n 100 /var/log/dsmil.log | grep -q before=1000; do sleep 0.02; done
        logrotate --force /root/copytruncate
        seq -f "after=%.0f" 1000 | logger -t dsmil-test
        until grep -q after=1000 /var/log/dsmil.log; do sleep 0.02; done'
    expect 'lines before it' "$(flat_lines ' before=[0-9]*$' | wc -l)" 1000
    expect 'lines after it' "$(flat_lines ' after=[0-9]*$' | wc -l)" 1000
    on_machine '! grep -aq -P "\x00" /var/log/dsmil.log' || fail 'the file has a hole'
}

a_full_disk_is_reported_and_survived() {
    on_machine 'install -d -o dsmil /var/log/small && mount -t tmpfs -o size=128k,uid=dsmil tmpfs /var/log/small
        sed -i "s#^path = \"/var/log/dsmil.log\"#path = \"/var/log/small/dsmil.log\"#" /etc/dsmil/dsmil.toml
        systemctl restart dsmil
        head -c 120K /dev/zero >/var/log/small/filler
        seq -f "full=%.0f" 2000 | logger -t dsmil-test'
    until_ready
    wait_for 30 'the report' on_machine 'journalctl -q -t dsmil-tail -p err --since -1min | grep "Make room on the disk"'
    expect 'what status says of it' "$(flat_log_is_up)" False
    inside mount -o remount,size=64m /var/log/small
    wait_for 30 'the last line' on_machine 'tail -n 500 /var/log/small/dsmil.log | grep -q full=2000'
    expect 'the lines' "$(inside grep -c ' full=[0-9]*$' /var/log/small/dsmil.log)" 2000
    wait_for 10 'the end of the error in status' on_machine 'journalctl -q -t dsmil-tail --since -1min | grep "the flat log takes lines"'
    on_machine 'sed -i "s#^path = \"/var/log/small/dsmil.log\"#path = \"/var/log/dsmil.log\"#" /etc/dsmil/dsmil.toml
        systemctl restart dsmil; umount -l /var/log/small; rmdir /var/log/small'
    until_ready
}

flat_log_is_up() {
    inside dsmild status --json | python3 -c \
        'import json, sys; print(*[outlet["up"] for outlet in json.load(sys.stdin)["outlets"] if outlet["name"] == "flat-log"])'
}
