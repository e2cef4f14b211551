//! Distributions: every family against reference values, its own derivatives, its sampler and its transform. The cases
//! are those of `tests/golden/dist/reference.json`; a family without one fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

mod derivatives;
mod errors;
mod reference;
mod samplers;
mod transforms;

use std::sync::LazyLock;

use serde_json::Value as Json;
use unmask::dist::{Argument, Distribution, Dual, Family, ParameterKind, Point, Scalar};

/// A distribution and where it is known.
pub struct Case {
    pub name: String,
    pub family: Family,
    pub json: Json,
    pub distribution: Distribution<f64>,
    /// Whether it is so extreme that moments and quadrature say nothing.
    pub far: bool,
    pub points: Vec<Known>,
}

pub struct Known {
    pub x: Vec<f64>,
    pub is_vector: bool,
    pub log_density: f64,
    pub tails: Option<(f64, f64)>,
    /// Whether the tails are known to fewer digits.
    pub loose: bool,
}

pub static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let text = include_str!("../../golden/dist/reference.json");
    let cases: Vec<Json> = serde_json::from_str(text).unwrap();
    cases.iter().map(case).collect()
});

fn case(json: &Json) -> Case {
    let distribution = build::<f64>(json, &mut f64::constant);
    let points = json["points"].as_array().unwrap().iter().map(|p| Known {
        x: p["x"].as_array().map_or_else(|| vec![number(&p["x"])], |xs| xs.iter().map(number).collect()),
        is_vector: p["x"].is_array(),
        log_density: number(&p["log_density"]),
        loose: p.get("loose").is_some(),
        tails: p.get("log_cdf").map(|c| (number(c), number(&p["log_survival"]))),
    });
    Case {
        name: distribution.to_string(),
        family: distribution.family(),
        far: json["far"].as_bool().unwrap(),
        points: points.collect(),
        json: json.clone(),
        distribution,
    }
}

pub fn number(json: &Json) -> f64 {
    match json.as_str() {
        Some(text) => text.parse().unwrap(),
        None => json.as_f64().unwrap(),
    }
}

/// The distribution that `json` describes, its numbers mapped through `lift` in order.
pub fn build<S: Scalar>(json: &Json, lift: &mut impl FnMut(f64) -> S) -> Distribution<S> {
    let family = Family::lookup(json["family"].as_str().unwrap()).unwrap();
    let mut arguments = Vec::new();
    for (parameter, json) in family.info().parameters.iter().zip(json["arguments"].as_array().unwrap()) {
        let list = |json: &Json| json.as_array().unwrap().clone();
        arguments.push(match parameter.kind {
            ParameterKind::Real | ParameterKind::Int => Argument::Scalar(lift(number(json))),
            ParameterKind::Vector => Argument::Vector(list(json).iter().map(|x| lift(number(x))).collect()),
            ParameterKind::Matrix => {
                let rows = list(json);
                let elements = rows.iter().flat_map(list).map(|x| lift(number(&x))).collect();
                Argument::Matrix { rows: rows.len(), columns: list(&rows[0]).len(), elements }
            }
            ParameterKind::Distribution => Argument::Distribution(Box::new(build(json, lift))),
            ParameterKind::Distributions => {
                Argument::Distributions(list(json).iter().map(|d| build(d, lift)).collect())
            }
        });
    }
    Distribution::new(family, arguments).unwrap()
}

/// The log density at a point, integers and vectors included.
pub fn log_density<S: Scalar>(d: &Distribution<S>, x: &[S], is_vector: bool) -> S {
    if is_vector {
        d.log_density(&Point::Vector(x))
    } else if d.support().integer_bounds().is_some() {
        d.log_density(&Point::Int(x[0].value() as i64))
    } else {
        d.log_density(&Point::Scalar(x[0]))
    }
}

pub fn dual(value: f64, seed: bool) -> Dual {
    Dual { value, derivative: f64::from(u8::from(seed)) }
}

pub fn close(found: f64, wanted: f64, relative: f64, absolute: f64) -> bool {
    found == wanted || (found - wanted).abs() <= relative * wanted.abs() + absolute
}
