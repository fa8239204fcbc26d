# The booted machine: its tree is $machine, the process id of its init is in $work/init.

# Powers on; returns when everything that starts has started.
boot() {
    setsid systemd-nspawn --quiet --directory="$machine" --machine="dsmil-check-$$" --hostname=checks --register=no \
        --keep-unit --private-network --console=pipe --boot "${binds[@]}" \
        </dev/null >>"$work/console" 2>&1 &
    echo $! >"$work/nspawn"
    disown
    wait_for 180 "the machine to be up" is_up
}

# The first child of systemd-nspawn is not yet the init, which is why it is looked for again.
is_up() {
    pgrep --newest --parent "$(<"$work/nspawn")" >"$work/init"
    [[ $(inside systemctl is-system-running) == @(running|degraded) ]]
}

# Powers off in order.
power_off() {
    kill -s TERM "$(<"$work/nspawn")"
    wait_for 90 "the machine to be off" is_off
}

is_off() {
    ! kill -0 "$(<"$work/nspawn")"
}

# Whatever state it is in, and whether or not there is one: a run that was killed may have left it behind.
unplug() {
    [[ -f $work/nspawn && $(ps -o comm= -p "$(<"$work/nspawn")") == systemd-nspawn ]] || return 0
    (power_off) >/dev/null 2>&1 || kill -s KILL "$(<"$work/init")"
}

# inside COMMAND...: as root on the machine, with nothing of this one's environment.
inside() {
    timeout 300 nsenter --target "$(<"$work/init")" --mount --pid --uts --ipc --net \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TERM=dumb HOME=/root "$@"
}

# on_machine SCRIPT ARGUMENTS...: a piece of bash.
on_machine() {
    inside bash -euo pipefail -c "$1" checks "${@:2}"
}

property() {
    inside systemctl show --property="$1" --value dsmil.service
}

is_ready() {
    inside curl --fail --silent --show-error --output /dev/null http://127.0.0.1:8600/readyz
}

until_ready() {
    wait_for 60 "the daemon to be ready" is_ready
}

# metric NAME{LABELS}: 0 while it has never been counted.
metric() {
    inside curl --fail --silent http://127.0.0.1:8600/metrics |
        awk -v name="$1" '$1 == name { value = $2 } END { print value + 0 }'
}

# store SQL: asks the hot store while the daemon writes it.
store() {
    inside sqlite3 -readonly -cmd '.timeout 10000' /mnt/dsmil-ram/hotpath.db "$1"
}

# What the daemon said since the moment $1.
said_since() {
    inside journalctl --quiet --no-pager --output=cat --since="$1" "${@:2}"
}

# The lines of the machine's flat log and of its rotated files that match $1.
flat_lines() {
    on_machine 'cd /var/log; { zcat -f $(ls -rt dsmil.log.* 2>/dev/null) /dev/null; cat dsmil.log; } | grep -a -e "$1" || true' "$1"
}
