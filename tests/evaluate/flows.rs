//! Flows against NSL-KDD: trained on rows of normal traffic alone, judged on KDDTest-21, in which most attacks are of kinds that are hard to
//! tell.

use std::fs;

use dsmild::detect::flow_habits::FlowHabits;
use dsmild::event::{Measured, MeasuredFlow};
use serde_json::json;

use crate::data;
use crate::network::auroc;
use crate::table::{Bound, figure};

/// Columns 1 to 6 are what a flow has; column 42 says what it was.
fn flows(name: &str) -> Vec<(MeasuredFlow, bool)> {
    let text = fs::read_to_string(data("nsl-kdd").join(name)).unwrap();
    let flow = |line: &str| {
        let columns: Vec<&str> = line.split(',').collect();
        let flow = json!({"duration_s": columns[0], "proto": columns[1], "service": columns[2], "state": columns[3],
            "bytes_sent": columns[4], "bytes_received": columns[5]});
        let payload = json!({"kind": "flows", "flows": [flow]}).to_string();
        let Ok(Some(Measured::Flows(flows))) = Measured::read(payload.as_bytes()) else { panic!("{line}") };
        (flows[0].clone(), columns[41] != "normal")
    };
    text.lines().map(flow).collect()
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn attacks_are_less_usual_than_normal_flows() {
    let mut habits = FlowHabits::default();
    let training = flows("KDDTrain+_20Percent.txt");
    training.iter().filter(|(_, is_attack)| !is_attack).for_each(|(flow, _)| habits.learn(flow));
    let tested: Vec<(f64, bool)> =
        flows("KDDTest-21.txt").iter().map(|(flow, is_attack)| (habits.judge(flow).score, *is_attack)).collect();
    let of = |half: Option<usize>, attacks: bool| -> Vec<f64> {
        let chosen = tested.iter().enumerate().filter(|(place, _)| half.is_none_or(|half| place % 2 == half));
        chosen.filter(|(_, (_, is_attack))| *is_attack == attacks).map(|(_, (score, _))| *score).collect()
    };
    let area = |half| auroc(&of(half, true), &of(half, false));
    let (all, halves) = (area(None), [area(Some(0)), area(Some(1))]);
    eprintln!("flows: halves {halves:.4?}; PCA reaches 0.821");
    figure("NSL-KDD", "flows of KDDTest-21: AUROC", all, Bound::AtLeast(0.83));
}
