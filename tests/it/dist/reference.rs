use unmask::dist::{Family, Point, ValueKind};

use super::{CASES, close, log_density};

#[test]
fn every_family_has_reference_values() {
    for family in Family::ALL {
        assert!(CASES.iter().any(|c| c.family == *family), "no case for {family} in tests/golden/dist/reference.json");
        assert_eq!(Family::lookup(family.name()), Some(*family));
        let info = family.info();
        assert!(!info.doc.is_empty() && !info.source.is_empty() && !info.support.is_empty());
        assert_eq!(Family::ALL.iter().filter(|f| f.name() == family.name()).count(), 1);
    }
}

#[test]
fn log_densities_agree_with_the_reference() {
    for case in CASES.iter() {
        for known in &case.points {
            let found = log_density(&case.distribution, &known.x, known.is_vector);
            assert!(
                close(found, known.log_density, 1e-9, 1e-10),
                "{} at {:?}: {found} instead of {}",
                case.name,
                known.x,
                known.log_density
            );
        }
    }
}

#[test]
fn both_tails_agree_with_the_reference() {
    for case in CASES.iter() {
        for known in &case.points {
            let Some((below, above)) = known.tails else { continue };
            let x = known.x[0];
            let found = (case.distribution.log_cdf(x).unwrap(), case.distribution.log_survival(x).unwrap());
            for (found, wanted) in [(found.0, below), (found.1, above)] {
                // A tail near 1 has a log near 0, of which an absolute error of 1e-15 is all that can be asked.
                let relative = if known.loose { 1e-7 } else { 1e-9 };
                assert!(close(found, wanted, relative, 1e-15), "{} at {x}: {found} instead of {wanted}", case.name);
            }
            let cdf = case.distribution.cdf(x).unwrap();
            assert!(close(cdf, below.exp(), 1e-8, 1e-300), "{} at {x}: {cdf}", case.name);
        }
    }
}

#[test]
fn densities_integrate_to_one() {
    for case in CASES.iter().filter(|c| !c.far && c.distribution.is_proper()) {
        let d = &case.distribution;
        let total = match d.value_kind() {
            ValueKind::Vector | ValueKind::SameAsBase => continue,
            ValueKind::Int => {
                let (lower, upper) = d.support().integer_bounds().unwrap();
                let last = upper.unwrap_or(3_000_000).min(3_000_000);
                (lower..=last).map(|k| d.log_density(&Point::Int(k)).exp()).sum::<f64>()
            }
            ValueKind::Real => {
                // Over the unconstrained line, where tails are short; substituted by sinh, which shortens those of powers.
                let support = d.support();
                let step = 1.0 / 512.0;
                let centre = support.unconstrain_scalar(case.points[0].x[0]).unwrap();
                let terms = (-18 * 512..=18 * 512).map(|i| {
                    let t = f64::from(i) * step;
                    let (x, log_jacobian) = support.constrain_scalar(centre + t.sinh() * 0.05).unwrap();
                    if !x.is_finite() {
                        return 0.0;
                    }
                    let log = d.log_density(&Point::Scalar(x)) + log_jacobian + (t.cosh() * 0.05).ln();
                    if log.is_finite() { log.exp() * step } else { 0.0 }
                });
                terms.sum::<f64>()
            }
        };
        // Kinks, as in Laplace's density, leave this much of the trapezoidal rule's error.
        assert!((total - 1.0).abs() < 2e-5, "{} integrates to {total}", case.name);
    }
}

#[test]
fn log_densities_stay_finite_far_out() {
    for case in CASES.iter() {
        let d = &case.distribution;
        if d.value_kind() != ValueKind::Real {
            continue;
        }
        for z in [-200.0, -50.0, -1.0, 0.0, 1.0, 3.0] {
            let (x, _) = d.support().constrain_scalar(z).unwrap();
            if d.support().interior(x) == x && x > 1e-80 {
                let found = d.log_density(&Point::Scalar(x));
                assert!(found.is_finite(), "{} at {x}: {found}", case.name);
            }
        }
    }
}

#[test]
fn points_outside_have_no_density() {
    for case in CASES.iter() {
        let d = &case.distribution;
        let outside = |p: Point<'_, f64>| assert_eq!(d.log_density(&p), f64::NEG_INFINITY, "{} at {p:?}", case.name);
        if d.value_kind() == ValueKind::Vector {
            outside(Point::Scalar(0.5));
            outside(Point::Vector(&[0.5]));
            outside(Point::Vector(&vec![f64::NAN; case.points[0].x.len()]));
            continue;
        }
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            outside(Point::Scalar(x));
        }
        outside(Point::Vector(&[0.5]));
        if let Some((lower, upper)) = d.support().integer_bounds() {
            outside(Point::Int(lower - 1));
            outside(Point::Scalar(lower as f64 + 0.5));
            if let Some(upper) = upper {
                outside(Point::Int(upper + 1));
            }
        }
        if let Some((lower, upper)) = d.support().real_bounds() {
            lower.into_iter().for_each(|l| outside(Point::Scalar(l.next_down())));
            upper.into_iter().for_each(|u| outside(Point::Scalar(u.next_up())));
        }
    }
}
