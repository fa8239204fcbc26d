# What is approved is carried out by the units of the package, and ends in time whatever becomes of them.

respond_checks() {
    prepare_responses
    check an_approved_block_drops_packets_and_ends_in_time_with_the_daemon_and_the_helper_dead
    check an_approved_lock_lets_nobody_in_and_ends_in_time_with_the_daemon_killed_and_the_helper_stopped
    forget_responses
}

# An attacker behind a cable, an account that he gets into, and a log that says so.
prepare_responses() {
    sed 's/203\.0\.113\.66/203.0.113.7/' config/demo/auth.log >"$machine/srv/auth.log"
    on_machine '
        ip netns add far
        ip link add near type veth peer name far netns far
        ip addr add 203.0.113.1/24 dev near
        ip link set near up
        ip -n far addr add 203.0.113.7/24 dev far
        ip -n far link set far up
        systemd-run --quiet --unit=answers python3 -m http.server --bind 203.0.113.1 8080
        useradd --uid 1700 deploy
        echo deploy:a-password-of-the-checks | chpasswd --crypt-method SHA512
        cp -a /etc/dsmil/dsmil.toml /tmp/without-responses.toml
        sed -i -e "/^\[respond\]/,/^ttl_max/ { s/^mode = .*/mode = \"approve\"/; s/^ttl_max = .*/ttl_max = \"20s\"/ }" \
            -e "/^\[respond.accounts\]/,/^enabled/ s/^enabled = .*/enabled = true/" \
            -e "s/^hosts = .*/hosts = [\"atlas\"]/" /etc/dsmil/dsmil.toml
        printf "\n[[intake.file]]\npath = \"/var/log/attacked.log\"\n" >>/etc/dsmil/dsmil.toml
        systemctl enable --quiet --now dsmil-respond.socket dsmil-respond-accounts.socket
        systemctl reload dsmil
        install -m 0644 /srv/auth.log /var/log/attacked.log'
}

forget_responses() {
    on_machine '
        cat /tmp/without-responses.toml >/etc/dsmil/dsmil.toml
        systemctl reload-or-restart dsmil
        systemctl disable --quiet --now dsmil-respond.socket dsmil-respond-accounts.socket
        systemctl stop answers dsmil-respond-accounts.timer
        userdel deploy
        ip netns del far'
}

# proposed ACTION [KEY]: of the proposal, its id or another part.
proposed() {
    inside dsmild proposals list --json | python3 -c '
import json, sys
action, key = sys.argv[1:]
for one in json.load(sys.stdin)["proposals"]:
    if one["event"]["proposal"]["action"] == action:
        print(one["id"] if key == "id" else (one["response"] or {}).get(key))
        break
else:
    sys.exit(1)' "$1" "${2:-id}"
}

has_become() {
    [[ $(proposed "$1" state) == "$2" ]]
}

approve_and_wait() {
    wait_for 60 'the proposal' proposed "$1"
    inside dsmild proposals approve "$(proposed "$1")"
    wait_for 30 'it to be carried out' has_become "$1" executed
    figure "$(proposed "$1" said)"
}

passes() {
    inside ip netns exec far curl --silent --output /dev/null --max-time 2 http://203.0.113.1:8080/
}

an_approved_block_drops_packets_and_ends_in_time_with_the_daemon_and_the_helper_dead() {
    wait_for 20 'the cable' passes
    approve_and_wait block_address
    ! passes || fail 'packets still come through'
    inside systemctl kill --signal=KILL dsmil
    inside systemctl stop dsmil dsmil-respond.service
    ! passes || fail 'packets come through since nothing of the daemon runs'
    wait_for 60 'the kernel to let them through' passes
    inside systemctl start dsmil
    until_ready
    wait_for 30 'its end to be on record' has_become block_address ended
}

secret_of() {
    inside grep "^$1:" /etc/shadow
}

may_log_in() {
    inside runuser -u nobody -- true && inside su deploy -s /bin/sh -c true
}

is_secret() {
    [[ $(secret_of deploy) == "$1" ]]
}

an_approved_lock_lets_nobody_in_and_ends_in_time_with_the_daemon_killed_and_the_helper_stopped() {
    local before began
    before=$(secret_of deploy)
    may_log_in
    began=$(now_ms)
    approve_and_wait lock_user
    ! may_log_in || fail 'the account is still open'
    inside passwd --status deploy | grep -q '^deploy L ' || fail "$(inside passwd --status deploy)"
    inside systemctl kill --signal=KILL dsmil
    inside systemctl stop dsmil dsmil-respond-accounts.service
    is_secret "$before" && fail 'the account is open since nothing of the daemon runs'
    # Its timer comes every minute.
    wait_for 120 'the account to be as it was' is_secret "$before"
    figure "$(($(now_ms) - began)) ms after the approval"
    may_log_in
    inside systemctl start dsmil
    until_ready
    wait_for 30 'its end to be on record' has_become lock_user ended
}
