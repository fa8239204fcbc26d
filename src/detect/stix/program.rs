//! A pattern's expression as a list of instructions, so that trying combinations needs no recursion.

use super::expression::Expression;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// Takes so many observations for which the comparisons with this number hold, all in these intervals.
    Take {
        observation: usize,
        times: u32,
        between: Vec<(i64, i64)>,
    },
    /// What is taken up to the matching `End` lies within so many microseconds.
    Begin {
        within: Option<i64>,
    },
    End,
    /// What is taken from here up to the `End` is not before what was taken since the `Begin`.
    Then,
    /// Goes on at one of these.
    Fork(Vec<usize>),
    Jump(usize),
    /// Begins to count to so many rounds.
    Count(u32),
    /// Goes back there until the rounds are done.
    Again(usize),
}

pub fn compile(expression: &Expression) -> Vec<Instruction> {
    let mut program = Vec::new();
    add(expression, &[], &mut program);
    program
}

fn add(expression: &Expression, between: &[(i64, i64)], program: &mut Vec<Instruction>) {
    match expression {
        Expression::Observation(observation) => {
            program.push(Instruction::Take { observation: *observation, times: 1, between: between.to_vec() });
        }
        Expression::All(parts) => parts.iter().for_each(|part| add(part, between, program)),
        Expression::InOrder(parts) => {
            program.push(Instruction::Begin { within: None });
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    program.push(Instruction::Then);
                }
                add(part, between, program);
            }
            program.push(Instruction::End);
        }
        Expression::Any(parts) => add_any(parts, between, program),
        Expression::Within(inner, within) => {
            program.push(Instruction::Begin { within: Some(*within) });
            add(inner, between, program);
            program.push(Instruction::End);
        }
        Expression::Between { inner, start, stop } => {
            let all: Vec<(i64, i64)> = between.iter().copied().chain([(*start, *stop)]).collect();
            add(inner, &all, program);
        }
        Expression::Repeated(inner, times) => match &**inner {
            Expression::Observation(observation) => {
                program.push(Instruction::Take { observation: *observation, times: *times, between: between.to_vec() });
            }
            inner => {
                program.push(Instruction::Count(*times));
                let first = program.len();
                add(inner, between, program);
                program.push(Instruction::Again(first));
            }
        },
    }
}

fn add_any(parts: &[Expression], between: &[(i64, i64)], program: &mut Vec<Instruction>) {
    let fork = program.len();
    program.push(Instruction::Fork(Vec::new()));
    let (mut starts, mut jumps) = (Vec::new(), Vec::new());
    for part in parts {
        starts.push(program.len());
        add(part, between, program);
        jumps.push(program.len());
        program.push(Instruction::Jump(0));
    }
    let end = program.len();
    for (at, instruction) in
        jumps.into_iter().map(|at| (at, Instruction::Jump(end))).chain([(fork, Instruction::Fork(starts))])
    {
        if let Some(place) = program.get_mut(at) {
            *place = instruction;
        }
    }
}
