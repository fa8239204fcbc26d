//! The helper that locks accounts: `dsmild respond-accounts-helper`, run by `dsmil-respond-accounts.service` when somebody connects to its
//! socket, and every minute by its timer. It runs as long as an account is locked, and unlocks it by itself when the time is over: what
//! is locked is on the disk, with how it was before.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::accounts::{Account, NoAccount, judge};
use super::locked::{Change, EXPIRED, Locked, locking};
use super::program::Input;
use super::protocol::{Answer, Outcome, Request};
use super::serve::{self, Helper};
use super::user::UserName;
use super::{program, spent_file, surroundings};
use crate::event::{EventId, Timestamp};
use crate::{limits, named_files};

const USERMOD: &str = "/usr/sbin/usermod";
const LOGINCTL: &str = "/usr/bin/loginctl";
const REMEDY: &str = "install it (apt-get install passwd systemd)";
/// Between two attempts to unlock what could not be unlocked.
const PAUSE: Duration = Duration::from_secs(5);
/// Between two looks at the clock: it may be set.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Arguments of the helper.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    #[command(flatten)]
    asked: serve::Asked,
    /// Where it keeps what is locked and the actions of the last hour. It must outlive the machine's next start, and the daemon must not be able to
    /// write there.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/dsmil-respond-accounts")]
    state: PathBuf,
    /// The file system whose accounts these are.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Ends after so many seconds without a connection, unless an account is locked.
    #[arg(long, default_value_t = 20)]
    idle_s: u64,
    /// Restores every account that is locked, whatever its time, and ends: before the program is removed.
    #[arg(long)]
    unlock_all: bool,
}

pub fn run(options: &Options) -> ExitCode {
    let helper = Locks(options);
    if options.unlock_all {
        return serve::once(helper.unlock_all());
    }
    serve::run(helper, &options.asked.user, Duration::from_secs(options.idle_s))
}

/// Of a step that did not work: whether another attempt may, and why.
type Failure = (Outcome, String);

fn failed(error: String) -> Failure {
    (Outcome::Failed, error)
}

struct Locks<'a>(&'a Options);

impl Helper for Locks<'_> {
    async fn answer(&mut self, request: &Request) -> Answer {
        self.act(request).await.unwrap_or_else(|(outcome, said)| Answer::new(outcome, said))
    }

    async fn tend(&mut self) -> Option<Duration> {
        match self.unlock_due().await {
            Ok(next) => next.map(|next| next.since(Timestamp::now()).clamp(Duration::from_millis(50), LOOK_EVERY)),
            Err(error) => {
                eprintln!("an account whose time is over is still locked, it is tried again: {error}");
                Some(PAUSE)
            }
        }
    }
}

impl Locks<'_> {
    /// Everything is read anew for each request: what is protected may have changed.
    async fn act(&self, request: &Request) -> Result<Answer, Failure> {
        match request {
            Request::Lock { id, user, ttl_s, approver, dry_run } => {
                let (config, guard) = surroundings::read(&self.0.asked.config).map_err(failed)?;
                let refused = |why| (Outcome::Refused, format!("locking {user} is refused: {why}"));
                let accounts = &config.respond.accounts;
                if !accounts.enabled {
                    return Err(refused("respond.accounts.enabled is false".to_owned()));
                }
                let ttl = Duration::from_secs(*ttl_s);
                guard.judge_ttl(ttl).map_err(refused)?;
                let account = self.account(user)?.map_err(refused)?;
                if user.as_str() == self.0.asked.user {
                    return Err(refused("this is the account of the daemon".to_owned()));
                }
                judge(user, &account, &guard, accounts.uid_min, *approver).map_err(refused)?;
                if *dry_run {
                    return Ok(Answer::new(Outcome::Done, format!("the account {user} would be locked for {ttl_s} s")));
                }
                let spent = self.0.state.join("spent.json");
                if let Some(answer) =
                    spent_file::spend(&spent, *id, user.clone(), config.respond.budget).map_err(failed)?
                {
                    return Ok(answer);
                }
                self.lock(user, &account, *id, Timestamp::now().plus(ttl)).await?;
                let has_session = guard.sessions.iter().any(|session| session.uid == account.uid);
                let sessions = if accounts.end_sessions && has_session { end_sessions(user).await } else { "" };
                Ok(Answer::new(Outcome::Done, format!("the account {user} is locked for {ttl_s} s{sessions}")))
            }
            Request::Unlock { id, user } => {
                let mut locked = self.load().map_err(failed)?;
                let is_free = locked.give_up(user, *id);
                let saved = self.save(&locked);
                // A disk that is full keeps nobody locked.
                let said = if is_free {
                    self.restore(user, &mut locked).await.map_err(failed)?.to_owned()
                } else {
                    saved.map_err(failed)?;
                    let until = locked.list().find(|(locked, _)| *locked == user);
                    until.map_or_else(
                        || "nothing is to be done".to_owned(),
                        |(_, until)| format!("another proposal wants it locked until {until}: it stays so"),
                    )
                };
                Ok(Answer::new(Outcome::Done, format!("the account {user}: {said}")))
            }
            Request::List {} => {
                let locked = self.load().map_err(failed)?;
                let list: Vec<String> = locked.list().map(|(user, until)| format!("{user} until {until}")).collect();
                Ok(Answer::new(Outcome::Done, format!("{} accounts are locked: {}", list.len(), list.join(", "))))
            }
            Request::Check {} => {
                surroundings::read(&self.0.asked.config).map_err(failed)?;
                self.files().map_err(failed)?;
                spent_file::check::<UserName>(&self.0.state.join("spent.json")).map_err(failed)?;
                let locked = self.load().map_err(failed)?;
                self.save(&locked).map_err(failed)?;
                Ok(Answer::new(Outcome::Done, "ready: the configuration and the accounts are read"))
            }
            Request::Block { .. } | Request::Unblock { .. } => {
                Err((Outcome::Refused, "networks have a helper of their own: respond.socket".to_owned()))
            }
        }
    }

    async fn lock(&self, user: &UserName, account: &Account, id: EventId, until: Timestamp) -> Result<(), Failure> {
        let alone = self.alone().map_err(failed)?;
        let mut locked = self.load().map_err(failed)?;
        locked.add(user, account, id, until).map_err(|why| (Outcome::Refused, why))?;
        // Before anything is done: whatever happens now, it is taken back.
        self.save(&locked).map_err(failed)?;
        self.usermod(user, &locking(account), alone).await.map_err(failed)?;
        let after = self.account(user)?.map_err(failed)?;
        if after.expires != EXPIRED {
            return Err(failed(format!("{USERMOD} has said nothing, and {user} has not expired: look at /etc/shadow")));
        }
        Ok(())
    }

    /// Makes an account as it was, and forgets it; in words, what was done.
    async fn restore(&self, user: &UserName, locked: &mut Locked) -> Result<&'static str, String> {
        let alone = self.alone()?;
        let (passwd, shadow) = self.files()?;
        let change = match Account::read(user, &passwd, &shadow) {
            Ok(found) => locked.restored(user, &found),
            Err(NoAccount::Gone(_)) => None,
            Err(NoAccount::Unreadable(why)) => return Err(why),
        };
        let said = match change {
            Some(change) => {
                self.usermod(user, &change, alone).await?;
                "it is as it was before"
            }
            None => "it is not the one that was locked, and stays as it is",
        };
        locked.forget(user);
        self.save(locked)?;
        Ok(said)
    }

    /// When the next is due.
    async fn unlock_due(&self) -> Result<Option<Timestamp>, String> {
        let mut locked = self.load()?;
        self.restore_each(locked.due(Timestamp::now()), &mut locked).await?;
        Ok(locked.next())
    }

    /// # Errors
    /// One could not be restored: the first that could not. The others are.
    async fn restore_each(&self, users: Vec<UserName>, locked: &mut Locked) -> Result<(), String> {
        let mut result = Ok(());
        for user in users {
            match self.restore(&user, locked).await {
                Ok(said) => eprintln!("the lock of {user} is over: {said}"),
                Err(error) => result = result.and_then(|()| Err(format!("{user}: {error}"))),
            }
        }
        result
    }

    async fn unlock_all(&self) -> Result<(), String> {
        let mut locked = self.load()?;
        self.restore_each(locked.users(), &mut locked).await
    }

    /// A lock that usermod holds as long as it runs. Where a helper was killed alone, the one that it had started may still be about to lock:
    /// what is restored before it has ended would be locked again for ever.
    fn alone(&self) -> Result<File, String> {
        let path = self.0.state.join("usermod.lock");
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(|error| format!("{}: it cannot be opened: {error}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(format!(
                "{USERMOD} of a helper that was killed still runs: it is waited for (it holds {})",
                path.display()
            )),
            Err(TryLockError::Error(error)) => Err(format!("{}: it cannot be locked: {error}", path.display())),
        }
    }

    async fn usermod(&self, user: &UserName, change: &Change, alone: File) -> Result<(), String> {
        let arguments = change.arguments();
        if arguments.is_empty() {
            return Ok(());
        }
        let root = self.0.root.to_string_lossy();
        let mut all: Vec<&str> = if root == "/" { Vec::new() } else { vec!["--root", &root] };
        all.extend(arguments.iter().map(String::as_str));
        all.push(user.as_str());
        program::run(USERMOD, &all, Input::Held(alone), REMEDY).await.map(|_| ())
    }

    /// The account as it is now; the inner error says that there is none.
    fn account(&self, user: &UserName) -> Result<Result<Account, String>, Failure> {
        let (passwd, shadow) = self.files().map_err(failed)?;
        Ok(Account::read(user, &passwd, &shadow).map_err(NoAccount::why))
    }

    fn files(&self) -> Result<(String, String), String> {
        let read = |name: &str| {
            let path = self.0.root.join(name);
            let bytes = named_files::bytes(&path, limits::RESPOND_PASSWD_BYTES_MAX);
            let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            text.map_err(|error| format!("{}: it cannot be read: {error}", path.display()))
        };
        Ok((read("etc/passwd")?, read("etc/shadow")?))
    }

    fn load(&self) -> Result<Locked, String> {
        let path = self.0.state.join("locked.json");
        match named_files::text(&path, limits::RESPOND_FILE_BYTES_MAX) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                format!(
                    "{}: what is locked: {error}; look at the file and at /etc/shadow, and remove it",
                    path.display()
                )
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Locked::default()),
            Err(error) => Err(format!("{}: what is locked: {error}", path.display())),
        }
    }

    fn save(&self, locked: &Locked) -> Result<(), String> {
        let path = self.0.state.join("locked.json");
        let text = serde_json::to_vec(locked).map_err(|error| error.to_string())?;
        let replaced = named_files::replace_for_good(&path, 0o600, |file| file.write_all(&text));
        replaced.map_err(|error| format!("{}: what is locked could not be written: {error}", path.display()))
    }
}

/// In words, for the end of a sentence. The account is locked whether or not it works.
async fn end_sessions(user: &UserName) -> &'static str {
    match program::run(LOGINCTL, &["terminate-user", user.as_str()], Input::Text(""), REMEDY).await {
        Ok(_) => ", its sessions are ended",
        Err(error) => {
            eprintln!("{error}");
            ", its sessions could not be ended (see the journal of dsmil-respond-accounts)"
        }
    }
}
