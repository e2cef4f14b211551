use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use unmask::dist::{Argument, Column, Constraint, Distribution, DistributionError, Family, ParameterKind};

use super::{CASES, build};

fn family(name: &str) -> Family {
    Family::lookup(name).unwrap()
}

fn refused(name: &str, arguments: impl IntoIterator<Item = Argument<f64>>) -> String {
    Distribution::new(family(name), arguments).unwrap_err().to_string()
}

fn scalars(values: &[f64]) -> Vec<Argument<f64>> {
    values.iter().map(|x| Argument::Scalar(*x)).collect()
}

fn distribution(name: &str, values: &[f64]) -> Distribution<f64> {
    Distribution::new(family(name), scalars(values)).unwrap()
}

/// Values that a constraint on one number refuses.
fn invalid(constraint: Constraint) -> Vec<f64> {
    let always = vec![f64::NAN];
    let more: &[f64] = match constraint {
        Constraint::Bound => &[],
        Constraint::Positive | Constraint::PositiveElements => &[0.0, -1.0, f64::INFINITY],
        Constraint::NonNegative | Constraint::Simplex => &[-1.0, f64::INFINITY],
        Constraint::Probability => &[-0.1, 1.1],
        Constraint::PositiveProbability => &[0.0, -0.1, 1.1],
        Constraint::Size => &[0.0, 1e7],
        Constraint::Finite
        | Constraint::Above(_)
        | Constraint::AtLeast(_)
        | Constraint::FiniteElements
        | Constraint::Covariance
        | Constraint::CholeskyFactor => &[f64::INFINITY, f64::NEG_INFINITY],
        Constraint::HasCdf | Constraint::RealScalar | Constraint::SameScalars => &[],
    };
    [always, more.to_vec()].concat()
}

#[test]
fn every_parameter_of_every_family_is_checked() {
    for case in CASES.iter() {
        for (i, parameter) in case.family.info().parameters.iter().enumerate() {
            for bad in invalid(parameter.constraint) {
                let mut arguments = case.distribution.arguments().to_vec();
                match &mut arguments[i] {
                    Argument::Scalar(x) => *x = bad,
                    Argument::Vector(v) | Argument::Matrix { elements: v, .. } => v[0] = bad,
                    Argument::Distribution(_) | Argument::Distributions(_) => continue,
                }
                let error = Distribution::new(case.family, arguments).unwrap_err();
                assert_eq!(error.parameter(), Some(parameter), "{} with {bad}: {error}", case.name);
                assert!(error.to_string().starts_with(parameter.name), "{error}");
            }
            if parameter.kind == ParameterKind::Int {
                let mut arguments = case.distribution.arguments().to_vec();
                arguments[i] = Argument::Scalar(2.5);
                let error = Distribution::new(case.family, arguments).unwrap_err();
                assert!(matches!(error, DistributionError::NotAnInteger { .. }), "{error}");
            }
            let mut arguments = case.distribution.arguments().to_vec();
            let wrong =
                if parameter.kind == ParameterKind::Matrix { ParameterKind::Vector } else { ParameterKind::Matrix };
            arguments[i] = match wrong {
                ParameterKind::Matrix => Argument::Matrix { rows: 1, columns: 1, elements: vec![1.0] },
                _ => Argument::Vector(vec![1.0]),
            };
            let error = Distribution::new(case.family, arguments).unwrap_err();
            assert!(matches!(error, DistributionError::Kind { found, .. } if found == wrong), "{error}");
        }
        let mut arguments = case.distribution.arguments().to_vec();
        arguments.push(Argument::Scalar(1.0));
        let error = Distribution::new(case.family, arguments).unwrap_err();
        assert!(matches!(error, DistributionError::Arity { .. }), "{error}");
    }
}

#[test]
fn messages_name_parameter_constraint_and_value() {
    assert_eq!(refused("normal", scalars(&[0.0, -1.0])), "s of `normal` must be positive, found -1.0");
    assert_eq!(refused("uniform", scalars(&[1.0, 1.0])), "hi of `uniform` must be greater than lo, found 1.0");
    assert_eq!(
        refused("discrete_uniform", scalars(&[3.0, 1.0])),
        "hi of `discrete_uniform` must be at least lo, found 1.0"
    );
    assert_eq!(refused("binomial", scalars(&[1.5, 0.5])), "n of `binomial` must be an integer, found 1.5");
    assert_eq!(refused("normal", scalars(&[0.0])), "`normal` takes 2 arguments, found 1");
    assert_eq!(
        refused("categorical", [Argument::Vector(vec![0.5, 0.25])]),
        "p of `categorical` must sum to 1, found 0.75"
    );
    assert_eq!(refused("dirichlet", [Argument::Vector(vec![])]), "alpha of `dirichlet` must not be empty");
    assert_eq!(
        refused("dirichlet", [Argument::Vector(vec![1.0, -2.0])]),
        "alpha[1] of `dirichlet` must be positive, found -2.0"
    );
    assert_eq!(refused("dirichlet", scalars(&[1.0])), "alpha of `dirichlet` must be real[n], found real");
}

#[test]
fn matrices_must_have_their_structure() {
    let mean = || Argument::Vector(vec![0.0, 0.0]);
    let matrix = |elements: &[f64]| Argument::Matrix { rows: 2, columns: 2, elements: elements.to_vec() };
    let wide = Argument::Matrix { rows: 2, columns: 1, elements: vec![1.0, 1.0] };
    let one = Argument::Matrix { rows: 1, columns: 1, elements: vec![1.0] };
    let fails = "covariance of `multi_normal` must be symmetric and positive definite, which fails at row 1";
    assert_eq!(refused("multi_normal", [mean(), matrix(&[1.0, 0.5, 0.4, 1.0])]), fails);
    assert_eq!(refused("multi_normal", [mean(), matrix(&[1.0, 2.0, 2.0, 1.0])]), fails);
    assert_eq!(refused("multi_normal", [mean(), wide]), "covariance of `multi_normal` must have size 2, found 1");
    assert_eq!(refused("multi_normal", [mean(), one]), "covariance of `multi_normal` must have size 2, found 1");
    let factor = refused("multi_normal_cholesky", [mean(), matrix(&[1.0, 0.1, 0.0, 1.0])]);
    assert!(factor.contains("lower triangular") && factor.ends_with("row 0"), "{factor}");
}

#[test]
fn combinations_refuse_what_they_cannot_use() {
    let base = |d: Distribution<f64>| Argument::Distribution(Box::new(d));
    let all = |lo: f64, hi: f64| [Argument::Scalar(lo), Argument::Scalar(hi)];
    let dirichlet = Distribution::new(family("dirichlet"), [Argument::Vector(vec![1.0, 1.0])]).unwrap();
    for d in [distribution("flat", &[]), dirichlet.clone()] {
        let arguments = std::iter::once(base(d)).chain(all(0.0, 1.0));
        let error = Distribution::new(family("truncated"), arguments).unwrap_err();
        assert!(matches!(error, DistributionError::Base { .. }), "{error}");
    }
    for (lo, hi) in [(2.0, 3.0), (0.5, 0.5), (0.7, 0.2)] {
        let arguments = std::iter::once(base(distribution("uniform", &[0.0, 1.0]))).chain(all(lo, hi));
        let error = Distribution::new(family("truncated"), arguments).unwrap_err();
        assert!(matches!(error, DistributionError::Empty { .. }), "{error}");
    }
    let arguments = std::iter::once(base(distribution("poisson", &[1.0]))).chain(all(0.2, 0.8));
    assert!(Distribution::new(family("truncated"), arguments).is_err());
    let arguments = [base(distribution("poisson", &[1.0])), Argument::Scalar(2.0)];
    assert!(matches!(Distribution::new(family("ordered"), arguments), Err(DistributionError::Base { .. })));
    let mixture = |weights: &[f64], ds: Vec<Distribution<f64>>| {
        Distribution::new(family("mixture"), [Argument::Vector(weights.to_vec()), Argument::Distributions(ds)])
    };
    let normal = || distribution("normal", &[0.0, 1.0]);
    let poisson = || distribution("poisson", &[1.0]);
    assert!(matches!(mixture(&[0.5, 0.5], vec![normal(), poisson()]), Err(DistributionError::Base { .. })));
    assert!(matches!(mixture(&[1.0], vec![dirichlet]), Err(DistributionError::Base { .. })));
    assert!(matches!(mixture(&[1.0], vec![normal(), normal()]), Err(DistributionError::Dimension { .. })));
    assert!(matches!(mixture(&[1.0], vec![]), Err(DistributionError::Dimension { .. })));
}

#[test]
fn improper_distributions_cannot_be_drawn_from() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let flat = distribution("flat", &[]);
    assert_eq!(flat.sample(&mut rng).unwrap_err().family, family("flat"));
    assert!(!flat.is_proper());
    let mixed = [Argument::Vector(vec![1.0]), Argument::Distributions(vec![flat])];
    let mixture = Distribution::new(family("mixture"), mixed).unwrap();
    assert!(mixture.sample(&mut rng).is_err() && !mixture.is_proper());
}

#[test]
fn columns_report_the_first_lane_that_is_wrong() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let scales = [1.0, 2.0, 0.0, -1.0];
    let mut out = [7.0; 4];
    let result = family("normal").sample_column(&mut rng, &[Column::Constant(0.0), Column::Lanes(&scales)], &mut out);
    let (lane, error) = result.unwrap_err();
    assert_eq!((lane, error.parameter().unwrap().name, out), (2, "s", [7.0; 4]));
    let means = [0.0, f64::NAN, 0.0, 0.0];
    let result = family("normal").sample_column(&mut rng, &[Column::Lanes(&means), Column::Lanes(&scales)], &mut out);
    assert_eq!(result.unwrap_err().0, 1);
    let result = family("uniform").sample_column(&mut rng, &[Column::Lanes(&scales), Column::Constant(1.5)], &mut out);
    assert_eq!(result.unwrap_err().0, 1);
    let short =
        family("normal").sample_column(&mut rng, &[Column::Constant(0.0), Column::Lanes(&scales[..2])], &mut out);
    assert_eq!(short.unwrap_err().0, 2);
    assert!(family("dirichlet").sample_column(&mut rng, &[Column::Constant(1.0)], &mut out).is_err());
    let result = family("binomial").sample_column(&mut rng, &[Column::Constant(1.5), Column::Constant(0.5)], &mut out);
    assert!(matches!(result, Err((0, DistributionError::NotAnInteger { .. }))));
}

#[test]
fn distributions_print_as_they_are_written() {
    let mixture = r#"{"family": "mixture", "arguments": [[0.25, 0.75], [{"family": "normal", "arguments": [0, 1]},
        {"family": "truncated", "arguments": [{"family": "cauchy", "arguments": [-1.5, 2]}, "-inf", 3]}]]}"#;
    let d = build::<f64>(&serde_json::from_str(mixture).unwrap(), &mut |x| x);
    let wanted = "mixture([0.25, 0.75], [normal(0.0, 1.0), truncated(cauchy(-1.5, 2.0), -inf, 3.0)])";
    assert_eq!(d.to_string(), wanted);
    assert_eq!(distribution("binomial", &[10.0, 0.5]).to_string(), "binomial(10, 0.5)");
    assert_eq!(family("student_t").signature(), "student_t(df, loc, scale)");
}

#[test]
fn finite_values_are_listed() {
    assert_eq!(distribution("bernoulli", &[0.5]).finite_values(), Some(0..2));
    assert_eq!(distribution("binomial", &[3.0, 0.5]).finite_values(), Some(0..4));
    assert_eq!(distribution("discrete_uniform", &[-1.0, 2.0]).finite_values(), Some(-1..3));
    assert_eq!(distribution("poisson", &[3.0]).finite_values(), None);
    assert_eq!(distribution("normal", &[3.0, 1.0]).finite_values(), None);
    let base = Argument::Distribution(Box::new(distribution("poisson", &[3.0])));
    let truncated =
        Distribution::new(family("truncated"), [base, Argument::Scalar(1.5), Argument::Scalar(4.0)]).unwrap();
    assert_eq!(truncated.finite_values(), Some(2..5));
}
