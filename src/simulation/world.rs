//! The course of things: one thing after the other happens, as the seed has it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use super::disk::Disk;
use super::input::{Input, Queue};
use super::machine::Machine;
use super::memory::Memory;
use super::outside::Outside;
use super::random::Random;
use super::story::{self, Story};
use crate::config::Config;
use crate::daemon::{Plan, prepare};

const TICK_EVERY: Duration = Duration::from_secs(10);
const STEP_MS_MAX: u64 = 400;
/// After the story, in which nothing is written.
const QUIET: Duration = Duration::from_secs(900);
const SETTLES_WITHIN: Duration = Duration::from_secs(600);
const DAY_MS: i64 = 86_400_000;

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let mut config = Config::default();
    config.device.insert("51".to_owned(), toml::from_str("silence_min = \"60s\"").unwrap());
    prepare(&config).unwrap()
});

pub fn plan() -> &'static Plan {
    &PLAN
}

pub struct World {
    random: Random,
    pub inputs: Vec<Input>,
    pub attacker: String,
    machine: Machine,
    pub disk: Rc<RefCell<Disk>>,
    pub outside: Rc<Outside>,
    memory: Option<Memory>,
    ticked: Duration,
    /// One of so many steps is a misfortune; how bad this world is.
    calm: u64,
    commits_fail: bool,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let story = Story::new(&mut random);
        let file = |name, lines| Input { name, lines, queue: None };
        let queue = Input { queue: Some(Queue::default()), ..file("requests", story.requests) };
        let inputs = vec![file("logins", story.logins), file("beats", story.beats), queue];
        let (machine, disk) = (Machine::new(), Rc::<RefCell<Disk>>::default());
        let outside = Outside::new(Random::new(seed ^ 0x6f75_7473_6964_6500));
        let memory = Some(Memory::start(plan(), &disk, &outside, &machine));
        // The first world of all is without a fault.
        let calm = if seed == 0 { u64::MAX } else { *random.pick(&[40, 200, 1000]) };
        let (attacker, ticked, commits_fail) = (story.attacker, Duration::ZERO, false);
        Self { random, inputs, attacker, machine, disk, outside, memory, ticked, calm, commits_fail }
    }

    /// The story to its end, and then until all of it has arrived everywhere.
    pub async fn live(&mut self) {
        while self.machine.up() < story::ENDS {
            if self.random.one_in(self.calm) {
                self.misfortune().await;
            }
            self.happen().await;
        }
        self.machine.set_ahead(0);
        self.outside.is_away.set(false);
        self.outside.fails_one_in.set(0);
        self.outside.slow.set(Duration::ZERO);
        self.commits_fail = false;
        self.settle().await;
        // How long a source may be silent depends on how long it ever was, also because of what happened to the machine.
        let end = self.machine.up() + QUIET;
        while self.machine.up() < end {
            self.machine.pass(TICK_EVERY);
            self.happen().await;
        }
        self.settle().await;
    }

    async fn settle(&mut self) {
        let end = self.machine.up() + SETTLES_WITHIN;
        while !self.is_settled() {
            assert!(self.machine.up() < end, "it does not settle");
            self.happen().await;
        }
    }

    fn is_settled(&self) -> bool {
        let Some(memory) = &self.memory else { return false };
        self.inputs.iter().all(|input| input.is_read(&memory.intake))
            && memory.is_settled(&self.outside, &self.disk.borrow())
    }

    /// Some time passes, and somebody does something.
    async fn happen(&mut self) {
        let pause = Duration::from_millis(1 + self.random.below(STEP_MS_MAX));
        self.machine.pass(pause);
        tokio::time::sleep(pause).await;
        if self.memory.is_none() {
            self.memory = Some(Memory::start(plan(), &self.disk, &self.outside, &self.machine));
        }
        let Some(memory) = &mut self.memory else { return };
        if self.machine.up() >= self.ticked + TICK_EVERY {
            self.ticked = self.machine.up();
            memory.tick(&self.machine);
            memory.assert_bounded(&self.disk.borrow());
        }
        for _ in 0..6 {
            match self.random.below(10) {
                0 | 1 => {
                    let input = self.random.below(self.inputs.len() as u64) as usize;
                    self.inputs[input].read(&memory.intake, &memory.task, &self.machine, &mut self.random);
                }
                2 | 3 if !self.commits_fail => {
                    let events = 1 + self.random.below(60) as usize;
                    memory.commit(&mut self.disk.borrow_mut(), events, true);
                    self.inputs.iter().for_each(|input| input.acknowledge(&memory.bus));
                }
                4 if self.random.one_in(8) => {
                    memory.remove_old(&mut self.disk.borrow_mut());
                }
                _ => {
                    let stage = self.random.below(memory.stages() as u64) as usize;
                    let saves = self.random.one_in(10);
                    memory.step(stage, &self.disk.borrow(), saves);
                }
            }
        }
    }

    async fn misfortune(&mut self) {
        let Some(mut memory) = self.memory.take() else { return };
        match self.random.below(9) {
            0 | 1 => return self.kill(memory),
            2 => {
                // Killed between the commit and its answer.
                memory.commit(&mut self.disk.borrow_mut(), 1 + self.random.below(100) as usize, false);
                return self.kill(memory);
            }
            3 => {
                memory.stop(&self.disk, &mut self.random).await;
                self.inputs.iter().for_each(Input::lose_connection);
                return;
            }
            4 => memory.kill_stage(self.random.below(memory.stages() as u64) as usize),
            5 => self.commits_fail = !self.commits_fail,
            6 => {
                let hours = self.random.below(49) as i64 - 24;
                self.machine.set_ahead(*self.random.pick(&[0, 0, hours * 3_600_000, 365 * DAY_MS]));
            }
            7 => self.outside.is_away.set(!self.outside.is_away.get()),
            _ => {
                self.outside.fails_one_in.set(*self.random.pick(&[0, 2, 10]));
                self.outside.slow.set(Duration::from_millis(self.random.below(3000)));
            }
        }
        self.memory = Some(memory);
    }

    fn kill(&mut self, memory: Memory) {
        memory.kill();
        self.inputs.iter().for_each(Input::lose_connection);
        // It is away for a while.
        self.machine.pass(Duration::from_millis(self.random.below(20_000)));
    }
}
