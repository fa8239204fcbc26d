# The lines of the plan's checklist, in its order.

checklist_checks() {
    check shrink_starts_as_its_unit
    check an_attack_over_the_journal_and_over_redis_becomes_soc_events
    check the_redis_streams_are_up
    check layer_3_and_4_write_the_hot_store_on_the_memory_disk
    check the_journal_has_lines_under_dsmil_identifiers_with_fields_and_priorities
    check the_flat_log_has_the_lines_of_the_identifiers_and_of_the_daemon_itself
    check shrink_runs_as_its_unit_and_shows_metrics
    check soc_events_fuse_layer_3_with_what_shrink_measures
    check the_archive_has_what_the_hot_store_has
    check prometheus_scrapes_the_daemon_and_shrink
    check loki_is_pushed_to
    check the_daemons_own_lines_are_never_events
    check a_log_file_that_group_adm_may_read_is_followed_through_the_sandbox
}

# The program that the unit runs, as the comment in the unit says it is installed.
shrink_starts_as_its_unit() {
    install -D -m 755 "$here/inside/shrink" "$machine/opt/SHRINK/.venv/bin/shrink"
    inside useradd --system --home-dir /opt/SHRINK --groups adm shrink
    inside systemctl daemon-reload
    inside systemctl start shrink-dsmil
    wait_for 20 "SHRINK's stand-in" shrink_is_seen
}

shrink_is_seen() {
    [[ $(metric dsmil_shrink_up) == 1 ]]
}

# Somebody guesses passwords and gets in, over the journal and over Redis, which Layer 4 counts; and one line that says
# enough by itself, for Layer 3.
attack() {
    on_machine 'for n in $(seq 20); do
            line="Failed password for root from 203.0.113.7 port $((40000 + n)) ssh2"
            logger -t sshd "$line"
            redis-cli XADD L3_IN "*" ts "$(date +%s)" source other compartment soc payload "sshd[$n]: $line" >/dev/null
            redis-cli XADD L4_IN "*" ts "$(date +%s)" source other compartment soc payload "sshd[$n]: $line" >/dev/null
        done
        logger -t sshd "Accepted password for root from 203.0.113.7 port 41000 ssh2"
        logger -t backup "the audit log has been cleared by root"'
}

an_attack_over_the_journal_and_over_redis_becomes_soc_events() {
    attack
    # What the journal got last, Layer 3 judges; what came before it may be reported long before where the disk is slow.
    wait_for 20 'a SOC event of layer 3' has_soc_event_of 3
    wait_for 20 'a SOC event of layer 4' has_soc_event_of 4
}

has_soc_event_of() {
    on_machine 'redis-cli --json XREVRANGE SOC_EVENTS + - COUNT 200 >/tmp/soc
        python3 - "$1" <<"P"
import json, sys
events = [dict(zip(fields[::2], map(json.loads, fields[1::2]))) for _, fields in json.load(open("/tmp/soc"))]
assert any(event["src_layer"] == sys.argv[1] for event in events)
P' "$1"
}

the_redis_streams_are_up() {
    local stream
    for stream in L3_IN L4_IN L3_OUT L4_OUT SOC_EVENTS; do
        wait_for 20 "entries in $stream" on_machine '(($(redis-cli XLEN "$1") > 0))' "$stream"
        figure "$stream $(inside redis-cli XLEN "$stream")"
    done
    expect 'the group that reads L3_IN' "$(inside redis-cli XINFO GROUPS L3_IN | sed -n 2p)" dsmil
    wait_for 10 'every entry to be acknowledged' nothing_is_pending
}

nothing_is_pending() {
    [[ $(inside redis-cli XPENDING L3_IN dsmil | head -n 1) == 0 && $(inside redis-cli XPENDING L4_IN dsmil | head -n 1) == 0 ]]
}

layer_3_and_4_write_the_hot_store_on_the_memory_disk() {
    expect 'the file system' "$(inside findmnt -no FSTYPE,OPTIONS /mnt/dsmil-ram | grep -o '^tmpfs\|size=[0-9]*k\|mode=[0-7]*' | paste -sd ' ')" \
        'tmpfs size=4194304k mode=770'
    expect 'its owner' "$(inside stat -c %U:%G:%a /mnt/dsmil-ram)" dsmil:dsmil:770
    local layer
    for layer in 3 4 8; do
        wait_for 20 "a row of layer $layer" has_rows_of_layer "$layer"
        figure "layer $layer: $(rows_of_layer "$layer") rows"
    done
    figure "$(store 'SELECT count(*) FROM raw_events_fast') raw"
}

rows_of_layer() {
    store "SELECT count(*) FROM model_outputs_fast WHERE layer = $1"
}

has_rows_of_layer() {
    (($(rows_of_layer "$1") > 0))
}

the_journal_has_lines_under_dsmil_identifiers_with_fields_and_priorities() {
    local identifiers
    identifiers=$(inside journalctl -F SYSLOG_IDENTIFIER | grep -x 'dsmild\|dsmil-.*' | sort | paste -sd ' ')
    [[ " $identifiers " == *' dsmil-soc-router '* ]] || fail "only $identifiers speak"
    figure "$identifiers"
    on_machine 'journalctl -o export -t dsmil-soc-router -n 1 >/tmp/entry
        for field in EVENT_ID SCORE SEVERITY CATEGORY DSMILD_INSTANCE; do grep -aqx "$field.*" /tmp/entry; done'
    # The same line at -p info and not at -p notice.
    inside journalctl -q -t dsmild -p info --output=cat | grep 'up: http'
    ! inside journalctl -q -t dsmild -p notice --output=cat | grep 'up: http'
    expect 'warnings and worse so far' "$(inside journalctl -q -t dsmild -p warning --output=cat)" ''
}

the_flat_log_has_the_lines_of_the_identifiers_and_of_the_daemon_itself() {
    local identifier
    # The flat log follows the journal by up to half a second.
    for identifier in dsmild dsmil-soc-router; do
        wait_for 20 "a line of $identifier" has_flat_line_of "$identifier"
    done
    expect 'owner and mode' "$(inside stat -c %U:%G:%a /var/log/dsmil.log)" dsmil:adm:640
    # Sorted, for journald may give entries of one moment in another order.
    on_machine 'journalctl -q -o short-iso --boot=all $(journalctl -F SYSLOG_IDENTIFIER | grep -x "dsmild\|dsmil-.*" | sed "s/^/-t /") |
        sort >/tmp/shown; sort /var/log/dsmil.log >/tmp/written; comm -13 /tmp/shown /tmp/written >/tmp/more
        head -n 3 /tmp/more; test ! -s /tmp/more'
    figure "$(inside wc -l </dev/null /var/log/dsmil.log | cut -d ' ' -f 1) lines"
}

has_flat_line_of() {
    (($(flat_lines " $1\[[0-9]*\]: " | wc -l) > 0))
}

shrink_runs_as_its_unit_and_shows_metrics() {
    expect 'the unit' "$(inside systemctl is-active shrink-dsmil)" active
    figure "risk_acute_stress $(inside curl -fsS http://127.0.0.1:8500/metrics | awk '$1 == "risk_acute_stress" { print $2 }')"
    figure "log_lines $(inside curl -fsS http://127.0.0.1:8500/metrics | awk '$1 == "log_lines" { print $2 }')"
    expect 'what the daemon sees' "$(metric 'dsmil_shrink_value{metric="risk_acute_stress"}')" 0.42
}

soc_events_fuse_layer_3_with_what_shrink_measures() {
    on_machine 'redis-cli --json XREVRANGE SOC_EVENTS + - COUNT 200 >/tmp/soc
        python3 - <<"P"
import json
events = [dict(zip(fields[::2], map(json.loads, fields[1::2]))) for _, fields in json.load(open("/tmp/soc"))]
fused = [event for event in events if event["src_layer"] == "3" and event["shrink_risk"] == 0.42]
print(f"figure: {len(fused)} of {len(events)} from layer 3 with the risk that SHRINK measured")
assert fused, events[:2]
assert all(event["shrink"]["state"] == "fresh" for event in fused)
P'
}

the_archive_has_what_the_hot_store_has() {
    wait_for 30 'the archive to have every row' archive_is_level
    figure "$(archive_rows raw_events_fast) raw, $(archive_rows model_outputs_fast) outputs"
}

archive_rows() {
    inside runuser -u postgres -- psql -qAt -d dsmil -c "SELECT count(*) FROM $1"
}

archive_is_level() {
    (($(archive_rows model_outputs_fast) >= $(store 'SELECT count(*) FROM model_outputs_fast')))
}

prometheus_scrapes_the_daemon_and_shrink() {
    inside test -x /usr/bin/prometheus || skip 'prometheus is not installed on this machine'
    mkdir -p "$machine/etc/prometheus"
    cp config/prometheus/*.yml "$machine/etc/prometheus/"
    sed -i 's/15s/1s/' "$machine/etc/prometheus/prometheus.yml"
    inside systemd-run --quiet --unit=prometheus prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/tmp/prometheus
    local job
    for job in dsmild shrink; do
        wait_for 30 "a scrape of $job" is_scraped "$job"
    done
    figure "$(asked_of_prometheus 'count({job="dsmild"})') series of dsmild, $(asked_of_prometheus 'count({job="shrink"})') of SHRINK"
    inside systemctl stop prometheus
}

asked_of_prometheus() {
    inside curl -fsS --data-urlencode "query=$1" http://127.0.0.1:9090/api/v1/query | python3 -c \
        'import json, sys; print(json.load(sys.stdin)["data"]["result"][0]["value"][1])'
}

is_scraped() {
    [[ $(asked_of_prometheus "up{job=\"$1\"}") == 1 ]]
}

loki_is_pushed_to() {
    install -m 755 "$here/inside/loki" "$machine/usr/local/bin/loki"
    on_machine 'cp /etc/dsmil/dsmil.toml /tmp/with-loki.toml
        printf "\n[loki]\nurl = \"http://127.0.0.1:3100\"\n" >>/tmp/with-loki.toml'
    inside systemd-run --quiet --unit=loki /usr/local/bin/loki /tmp/pushes
    on_machine 'cp -a /etc/dsmil/dsmil.toml /tmp/without-loki.toml; cat /tmp/with-loki.toml >/etc/dsmil/dsmil.toml; systemctl reload dsmil'
    attack
    wait_for 30 'a push' on_machine 'grep -aq /loki/api/v1/push /tmp/pushes'
    figure "$(inside wc -l /tmp/pushes | cut -d ' ' -f 1) pushes"
    on_machine 'cat /tmp/without-loki.toml >/etc/dsmil/dsmil.toml; systemctl reload dsmil; systemctl stop loki'
}

the_daemons_own_lines_are_never_events() {
    expect 'own lines among the events' "$(store "SELECT count(*) FROM raw_events_fast WHERE CAST(payload AS TEXT) LIKE '%serves the console%'")" 0
    (($(store "SELECT count(*) FROM raw_events_fast WHERE CAST(payload AS TEXT) LIKE '%203.0.113.7%'") > 0)) || fail 'nor are the lines of others'
}

a_log_file_that_group_adm_may_read_is_followed_through_the_sandbox() {
    on_machine 'install -m 640 -o root -g adm /dev/null /var/log/of-adm.log
        cp -a /etc/dsmil/dsmil.toml /tmp/without-file.toml
        printf "\n[[intake.file]]\npath = \"/var/log/of-adm.log\"\n" >>/etc/dsmil/dsmil.toml
        systemctl reload dsmil
        echo "a line of adm" >>/var/log/of-adm.log'
    wait_for 20 'its line' on_machine 'sqlite3 -readonly /mnt/dsmil-ram/hotpath.db \
        "SELECT CAST(payload AS TEXT) FROM raw_events_fast" | grep "a line of adm"'
    on_machine 'cat /tmp/without-file.toml >/etc/dsmil/dsmil.toml; systemctl reload dsmil'
}
