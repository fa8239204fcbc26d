//! A PostgreSQL server of the test's own, in a folder in memory.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use crate::harness::{free_port, memory_dir, wait_for};

pub struct Postgres {
    dir: tempfile::TempDir,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    /// Initialised, not started. None, visibly, where PostgreSQL is not installed.
    pub fn new() -> Option<Self> {
        if binary("initdb").is_none() {
            eprintln!("skipped: PostgreSQL is not installed (initdb not found)");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("dsmild-pg").tempdir_in(memory_dir()).unwrap();
        let postgres = Self { dir, port: free_port(), server: None };
        if is_root() {
            // The server refuses to run as root.
            assert!(Command::new("chown").arg("postgres").arg(postgres.dir.path()).status().unwrap().success());
        }
        let output = as_server("initdb")
            .args(["--no-sync", "--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8"])
            .args(["--locale=C", "-D"])
            .arg(postgres.data())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(postgres)
    }

    pub fn started() -> Option<Self> {
        let mut postgres = Self::new()?;
        postgres.start();
        Some(postgres)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn start(&mut self) {
        let log = std::fs::File::options().append(true).create(true).open(self.dir.path().join("log")).unwrap();
        let server = as_server("postgres")
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.dir.path())
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "shared_buffers=16MB", "-c", "max_wal_size=128MB"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.server = Some(server);
        wait_for("PostgreSQL to answer", || block_on(self.options().connect()).is_ok());
    }

    /// As after a crash: sessions are cut off, open transactions rolled back.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            kill_process(Pid::from_child(&server), Signal::QUIT).unwrap();
            server.wait().unwrap();
        }
    }

    /// Keeps everybody else from the table until the guard is dropped.
    pub fn lock(&self, table: &str) -> Locked<'_> {
        let sql = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3600)");
        let options = self.options().application_name("holds a lock");
        std::thread::spawn(move || {
            block_on(async {
                let mut connection = options.connect().await.unwrap();
                // Ends when the session is cut off.
                let _ = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
            });
        });
        wait_for("the table to be locked", || {
            self.count("pg_stat_activity WHERE application_name = 'holds a lock' AND wait_event = 'PgSleep'") == 1
        });
        Locked(self)
    }

    /// Stops the daemon's session and lets it go on, as a server that hangs.
    pub fn signal_session(&self, signal: Signal) {
        let sessions = "SELECT pid FROM pg_stat_activity WHERE application_name = 'dsmild'";
        for pid in self.rows(sessions, |row| sqlx::Row::get::<i32, _>(&row, 0)) {
            kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
        }
    }

    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.dir.path())
            .port(self.port)
            .username("postgres")
            .database("postgres")
            .disable_statement_logging()
    }

    /// For `archive.url`: over the socket, as the superuser, without a password.
    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost:{}/postgres?host={}", self.port, self.dir.path().display())
    }

    /// Over TCP, where a password is asked for.
    pub fn tcp_url(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/postgres", self.port)
    }

    pub fn execute(&self, sql: &str) {
        block_on(async {
            let mut connection = self.options().connect().await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        });
    }

    pub fn rows<T>(&self, sql: &str, row: impl Fn(PgRow) -> T) -> Vec<T> {
        block_on(async {
            let mut connection: PgConnection = self.options().connect().await.unwrap();
            let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap();
            rows.into_iter().map(row).collect()
        })
    }

    /// 0 while the table is not there yet.
    pub fn count(&self, from: &str) -> u64 {
        block_on(async {
            let mut connection = self.options().connect().await.ok()?;
            let sql = AssertSqlSafe(format!("SELECT count(*) FROM {from}"));
            let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.ok()?;
            u64::try_from(count).ok()
        })
        .unwrap_or(0)
    }
}

/// A lock that somebody holds.
pub struct Locked<'server>(&'server Postgres);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.0
            .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holds a lock'");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

pub fn block_on<Output>(future: impl Future<Output = Output>) -> Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let output = runtime.block_on(future);
    runtime.shutdown_timeout(Duration::from_millis(100));
    output
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn as_server(name: &str) -> Command {
    let binary = binary(name).unwrap();
    if !is_root() {
        return Command::new(binary);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(binary).current_dir("/");
    command
}

fn binary(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = installed.map(|version| version.path().join("bin"));
    std::env::split_paths(&path).chain(folders).map(|folder| folder.join(name)).find(|file| Path::is_file(file))
}
