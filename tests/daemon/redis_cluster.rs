//! A Redis cluster: every stream lives on the node that has its slot, and moves with it.

use crate::harness::{free_port, wait_for};
use crate::redis_server::{Connection, Reply, Server, installed};
use crate::redis_variants::Story;

const SLOTS: usize = 16_384;

struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    /// Primaries with an equal share of the slots.
    fn of(primaries: usize) -> Self {
        let cluster = Self { nodes: (0..primaries).map(|_| node()).collect() };
        for (index, node) in cluster.nodes.iter().enumerate() {
            let bound = |index: usize| index * SLOTS / primaries;
            let (first, last) = (bound(index).to_string(), (bound(index + 1) - 1).to_string());
            assert_eq!(node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).text(), "OK");
        }
        cluster.meet();
        cluster
    }

    fn meet(&self) {
        for node in &self.nodes[1..] {
            let (port, bus) = (node.port.to_string(), node.ask(&["CONFIG", "GET", "cluster-port"]));
            let bus = bus.list()[1].text();
            assert_eq!(self.nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]).text(), "OK");
        }
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        wait_for("the nodes to know each other", || {
            self.nodes.iter().all(|node| {
                let info = node.ask(&["CLUSTER", "INFO"]);
                info.text().contains("cluster_state:ok") && info.text().contains(&known)
            })
        });
    }

    fn url(&self) -> String {
        format!("url = \"redis-cluster://127.0.0.1:{}\"", self.nodes[0].port)
    }

    /// The node that has the key, as the last one says.
    fn owner(&self, key: &str) -> usize {
        let answer = self.nodes.last().unwrap().ask(&["XLEN", key]);
        let Reply::Text(moved) = answer else { return self.nodes.len() - 1 };
        let port: u16 = moved.rsplit_once(':').unwrap().1.parse().unwrap();
        self.nodes.iter().position(|node| node.port == port).unwrap()
    }

    fn connect(&self, key: &str) -> Connection {
        self.nodes[self.owner(key)].connect()
    }

    fn id(&self, node: usize) -> String {
        self.nodes[node].ask(&["CLUSTER", "MYID"]).text().to_owned()
    }

    /// Moves the slot of a key with what is in it, as `redis-cli --cluster reshard` does.
    fn reshard(&self, key: &str, from: usize, to: usize) {
        let slot = self.nodes[from].ask(&["CLUSTER", "KEYSLOT", key]).number().to_string();
        let (source, target) = (self.id(from), self.id(to));
        self.nodes[to].ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source]);
        self.nodes[from].ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]);
        let port = self.nodes[to].port.to_string();
        assert_eq!(self.nodes[from].ask(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]).text(), "OK");
        for node in [to, from].into_iter().chain(0..self.nodes.len()) {
            self.nodes[node].ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &target]);
        }
    }
}

fn node() -> Server {
    let bus = free_port().to_string();
    let own = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-announce-ip", "127.0.0.1"];
    Server::started(&[&own[..], &["--cluster-port", &bus]].concat())
}

#[test]
fn a_cluster_of_one_node_is_read_and_written_and_a_url_of_the_wrong_kind_is_reported() {
    if !installed() {
        return;
    }
    let cluster = Cluster::of(1);
    let mut story = Story::begin(&cluster.url());
    story.feed(|key| cluster.connect(key));
    story.expect_through(|key| cluster.connect(key));
    let plain = Server::started(&[]);
    Story::begin(&format!("url = \"redis-cluster://127.0.0.1:{}\"", plain.port))
        .expect_error(&["cluster support disabled", "redis://"]);
    let two = Cluster::of(2);
    let elsewhere = 1 - two.owner("L3_OUT");
    Story::begin(&format!("url = \"{}\"", two.nodes[elsewhere].url()))
        .expect_mirror_error(&["MOVED", "redis-cluster://"]);
}

#[test]
fn streams_are_followed_to_other_nodes_of_a_cluster() {
    if !installed() {
        return;
    }
    let cluster = Cluster::of(3);
    let user = "reset on >correct-horse +@stream +eval +cluster|slots +cluster|info ~*";
    for node in &cluster.nodes {
        let command: Vec<&str> = ["ACL", "SETUSER", "dsmil"].into_iter().chain(user.split(' ')).collect();
        assert_eq!(node.ask(&command).text(), "OK");
    }
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "correct-horse\n").unwrap();
    let secret = secret.path().display();
    let mut story = Story::begin(&format!("{}\nusername = \"dsmil\"\npassword_file = \"{secret}\"", cluster.url()));
    story.feed(|key| cluster.connect(key));
    story.expect_through(|key| cluster.connect(key));

    for key in ["L3_IN", "L3_OUT", "SOC_EVENTS"] {
        let from = cluster.owner(key);
        cluster.reshard(key, from, (from + 1) % 3);
        story.feed(|key| cluster.connect(key));
        story.expect_through(|key| cluster.connect(key));
    }
}
