# One package, one file, one unit.

install_checks() {
    check apt_installs_the_package_beside_redis_and_postgres
    check systemctl_start_brings_the_memory_disk_and_the_daemon_up
    check the_package_has_program_link_manual_and_completions
    check systemd_finds_nothing_wrong_with_the_units
    check the_unit_notifies_is_watched_and_is_limited
    check the_sandbox_scores_one_and_a_half_or_better
    check a_secret_reaches_the_daemon_as_a_credential_and_the_archive_is_up
}

apt_installs_the_package_beside_redis_and_postgres() {
    cp "$work"/packages/dsmil_*-1_*.deb "$machine/srv/"
    local began
    began=$(now_ms)
    on_machine 'cd /srv && DEBIAN_FRONTEND=noninteractive apt-get install --yes ./dsmil_*-1_*.deb'
    figure "$(($(now_ms) - began)) ms"
    inside id dsmil
    expect 'the unit at the next boot' "$(inside systemctl is-enabled dsmil)" enabled
}

systemctl_start_brings_the_memory_disk_and_the_daemon_up() {
    inside systemctl stop dsmil.service 'mnt-dsmil\x2dram.mount'
    local began
    began=$(now_ms)
    inside systemctl start dsmil
    figure "started in $(($(now_ms) - began)) ms"
    is_ready
    expect 'the state of every actor' "$(inside dsmild status --json | grep -c '"state": "failed"' || true)" 0
    figure "$(property StatusText)"
}

the_package_has_program_link_manual_and_completions() {
    local file
    inside dpkg -L dsmil >"$work/files"
    for file in usr/bin/dsmild usr/bin/dsmil etc/dsmil/dsmil.toml etc/logrotate.d/dsmil \
        usr/lib/sysusers.d/dsmil.conf usr/lib/tmpfiles.d/dsmil.conf usr/share/man/man1/dsmild.1.gz \
        usr/share/man/man1/dsmil.1.gz usr/share/man/man1/dsmild-run.1.gz \
        usr/share/bash-completion/completions/dsmil.bash usr/share/zsh/vendor-completions/_dsmild \
        usr/share/fish/vendor_completions.d/dsmil.fish usr/share/doc/dsmil/shrink/shrink-dsmil.service; do
        grep -qx "/$file" "$work/files" || fail "$file is not in the package"
        on_machine 'test -s "$1"' "/$file" || fail "$file is not on the machine"
    done
    expect 'what dsmil says' "$(inside dsmil --version)" "$(inside dsmild --version)"
    expect 'configuration files' "$(inside dpkg-query -W -f '${Conffiles}' dsmil | grep -c /etc/)" 2
    inside dsmil check
    figure "$(wc -l <"$work/files") files, dsmild of $(inside stat -c %s /usr/bin/dsmild | numfmt --to=iec)"
}

systemd_finds_nothing_wrong_with_the_units() {
    inside cp /usr/share/doc/dsmil/shrink/shrink-dsmil.service /etc/systemd/system/
    local unit said
    for unit in dsmil.service 'mnt-dsmil\x2dram.mount' shrink-dsmil.service; do
        said=$(inside systemd-analyze verify --man=no "$unit" 2>&1) || fail "$unit: $said"
        expect "what is said of $unit" "$said" ''
    done
}

the_unit_notifies_is_watched_and_is_limited() {
    expect Type "$(property Type)" notify
    expect User "$(property User)" dsmil
    expect WatchdogUSec "$(property WatchdogUSec)" 10s
    expect MemoryMax "$(property MemoryMax)" $((5 * 1024 * 1024 * 1024))
    expect TasksMax "$(property TasksMax)" 256
    expect Restart "$(property Restart)" on-failure
    expect StateDirectory "$(property StateDirectory)" dsmil
}

the_sandbox_scores_one_and_a_half_or_better() {
    inside systemd-analyze security --no-pager --threshold=15 dsmil.service >"$work/security"
    figure "$(sed -n 's/.*exposure level for dsmil.service: //p' "$work/security" | tr -d -c '0-9. A-Z')"
}

a_secret_reaches_the_daemon_as_a_credential_and_the_archive_is_up() {
    inside runuser -u postgres -- psql -q -c "CREATE ROLE dsmil LOGIN PASSWORD 'of-the-checks'" -c 'CREATE DATABASE dsmil OWNER dsmil'
    on_machine 'printf of-the-checks >/etc/dsmil/secrets/postgres.password
        printf "\n[archive]\nurl = \"postgres://dsmil@127.0.0.1/dsmil\"\npassword_file = \"%s\"\n" \
            /run/credentials/dsmil.service/secrets_postgres.password >>/etc/dsmil/dsmil.toml
        dsmil check && systemctl restart dsmil'
    until_ready
    wait_for 30 'the archive to be up' archive_is_up
}

archive_is_up() {
    [[ $(metric dsmil_archive_up) == 1 ]]
}
