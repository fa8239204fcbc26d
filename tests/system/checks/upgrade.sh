# The later life of the package.

upgrade_checks() {
    check an_upgrade_goes_on_where_the_old_version_was_and_keeps_the_configuration
    check an_upgrade_leaves_a_stopped_and_disabled_unit_alone
    check a_removal_keeps_configuration_logs_and_state
    check a_purge_leaves_nothing_behind
    check it_can_be_installed_again
}

install_revision() {
    cp "$work"/packages/dsmil_*-"$1"_*.deb "$machine/srv/"
    on_machine 'cd /srv && DEBIAN_FRONTEND=noninteractive apt-get install --yes --allow-downgrades ./dsmil_*-"$1"_*.deb' "$1"
}

an_upgrade_goes_on_where_the_old_version_was_and_keeps_the_configuration() {
    local pid newest configuration
    inside bash -c 'echo "# of the operator" >>/etc/dsmil/dsmil.toml'
    configuration=$(inside md5sum /etc/dsmil/dsmil.toml)
    pid=$(property MainPID)
    numbered entry=upgrade 1 5000
    inside bash -c 'seq -f "upgrade=%.0f" 100 | logger -t dsmil-test'
    newest=$(store 'SELECT max(id) FROM raw_events_fast')
    install_revision 2
    until_ready
    expect 'the version' "$(inside dpkg-query -W -f '${Version}' dsmil | sed 's/.*-//')" 2
    [[ $(property MainPID) != "$pid" ]] || fail 'the old process still runs'
    expect 'the configuration' "$(inside md5sum /etc/dsmil/dsmil.toml)" "$configuration"
    inside bash -c 'seq -f "upgrade=%.0f" 101 200 | logger -t dsmil-test'
    wait_for 30 'the last line' on_machine 'grep -q " upgrade=200$" /var/log/dsmil.log'
    expect 'lines from before and after it' "$(flat_lines ' upgrade=[0-9]*$' | sed 's/.*=//' | paste -sd ' ')" "$(seq 200 | paste -sd ' ')"
    wait_for 30 'every event' has_stored entry=upgrade 5000
    expect 'events from Redis' "$(stored entry=upgrade)" '5000 of 5000'
    (($(store 'SELECT max(id) FROM raw_events_fast') > newest)) || fail 'nothing came after it'
}

an_upgrade_leaves_a_stopped_and_disabled_unit_alone() {
    inside systemctl disable --now dsmil
    install_revision 1
    expect 'the unit' "$(inside systemctl is-active dsmil || true)" inactive
    expect 'the unit at the next boot' "$(inside systemctl is-enabled dsmil || true)" disabled
    inside systemctl enable --now dsmil
    until_ready
}

a_removal_keeps_configuration_logs_and_state() {
    inside apt-get remove --yes dsmil
    expect 'the unit' "$(inside systemctl is-active dsmil || true)" inactive
    ! inside findmnt /mnt/dsmil-ram || fail 'the memory disk is still mounted'
    ! inside test -e /usr/bin/dsmild || fail 'the program is still there'
    local path
    for path in /etc/dsmil/dsmil.toml /var/log/dsmil.log /var/lib/dsmil; do
        inside test -e "$path" || fail "$path is gone"
    done
}

a_purge_leaves_nothing_behind() {
    inside apt-get purge --yes dsmil
    local left
    left=$(inside find /etc /usr /var -name '*dsmil*' -not -path '/var/lib/systemd/*' -not -name 'shrink-dsmil*' -not -path '/etc/prometheus/*')
    figure "$(inside id -un dsmil) stays, for files may still be its own"
    expect 'what is left' "$left" ''
}

it_can_be_installed_again() {
    install_revision 2
    until_ready
    expect 'the unit at the next boot' "$(inside systemctl is-enabled dsmil)" enabled
}
