//! Counts, tails, truncation and censoring, and responses that are not real.

use super::names::Kind;
use super::sketch::{Link, Sketch};
use super::term::Term;

/// Rates, proportions and counts, with conjugate priors or log-normal ones.
pub(super) fn counts(s: &mut Sketch) {
    let (n, i, y) = (s.int(2, 8), s.index(&[]), s.name(Kind::Data));
    let (a, b) = (s.number(1.0, 5.0), s.number(0.3, 2.0));
    let mut body = Vec::new();
    let distribution = match s.int(0, 6) {
        0 | 1 => {
            let rate = if s.chance(0.6) {
                s.sample_real(format!("gamma({a}, {b})"), 3.0)
            } else {
                let b = s.near(b);
                s.sample_real(format!("lognormal({b}, 0.8)"), 3.0)
            };
            s.exponent(&rate);
            let exposure = s.known(n, 0.5, 5.0);
            format!("poisson({rate} * {})", exposure.at(i))
        }
        2 => {
            let (p, trials) = (s.unit(), s.int(3, 40));
            format!("binomial({trials}, {p})")
        }
        3 => {
            let (level, spread, rate) = (s.number(-0.5, 2.0), s.positive(Kind::Scale), s.name(Kind::Latent));
            let level = s.near(level);
            body.push(format!("sample {rate}[{i}] ~ normal({level}, {spread} / (1 + {spread}));"));
            format!("poisson_log({rate}[{i}])")
        }
        4 => {
            // Groups with rates of their own.
            let (shape, rate) = (s.positive(Kind::Latent), s.name(Kind::Latent));
            s.offer(Term::new(format!("{rate}[0]"), 5.0).positive());
            body.push(format!("sample {rate}[{i}] ~ gamma({a}, {b} / (0.2 + {shape}));"));
            format!("poisson({rate}[{i}])")
        }
        5 => {
            // Groups with proportions of their own.
            let (mean, count, p, trials) = (s.unit(), s.number(2.0, 9.0), s.name(Kind::Share), s.int(4, 30));
            body.push(format!("sample {p}[{i}] ~ beta({count} * {mean}, {count} * (1 - {mean}));"));
            format!("binomial({trials}, {p}[{i}])")
        }
        _ => {
            // More zeros than a Poisson distribution has.
            let (rate, p) = (s.sample_real(format!("gamma({a}, {b})"), 3.0), s.unit());
            format!("mixture([{p}, 1 - {p}], [poisson(0), poisson({rate})])")
        }
    };
    body.push(format!("observe {y}[{i}] ~ {distribution};"));
    s.plate(i, n, &body);
}

/// Heavy tails and outliers.
pub(super) fn outliers(s: &mut Sketch) {
    let (n, i, y) = (s.int(3, 12), s.index(&[]), s.name(Kind::Data));
    let level = s.real();
    let mean = if s.chance(0.4) {
        let (slope, x) = (s.real(), s.known(n, -2.0, 2.0));
        Term::new(format!("{level} + {slope} * {}", x.at(i)), level.size + slope.size)
    } else {
        level
    };
    let scale = s.scale();
    let distribution = match s.int(0, 2) {
        0 => format!("student_t({}, {mean}, {scale})", s.int(1, 4)),
        1 => format!("cauchy({mean}, {scale})"),
        _ => {
            let weights = if s.chance(0.5) {
                s.pick(["[0.95, 0.05]", "[0.9, 0.1]", "[0.8, 0.2]", "[0.7, 0.3]"]).to_owned()
            } else {
                let p = s.sample(Kind::Share, "beta(1, 5)", 0.2);
                format!("[1 - {p}, {p}]")
            };
            let wide = s.int(3, 10);
            let wide = scale.times(wide as f64);
            format!("mixture({weights}, [normal({mean}, {scale}), normal({mean}, {wide})])")
        }
    };
    s.plate(i, n, &[format!("observe {y}[{i}] ~ {distribution};")]);
}

/// Truncated priors and likelihoods, censored values, and hard conditions.
pub(super) fn truncation(s: &mut Sketch) {
    let (n, i, y) = (s.int(2, 6), s.index(&[]), s.name(Kind::Data));
    let (scale, limit) = (s.known_scale(), s.number(0.0, 4.0));
    match s.int(0, 4) {
        0 => {
            let (low, width) = (s.int(0, 3), s.int(4, 8));
            let low = if low == 0 { "0".to_owned() } else { format!("-{low}") };
            let high = s.pick([width.to_string(), "inf".to_owned()]);
            let mean = s.near(limit);
            let x = s.sample_real(format!("truncated(normal({mean}, {scale}), {low}, {high})"), 4.0);
            let mean = s.affine(&x);
            s.observe(&mean);
        }
        1 => {
            // What is seen is seen only above a limit.
            let (level, low) = (s.number(0.0, 3.0), s.int(0, 3));
            let (level, spread) = (s.near(level), s.number(0.5, 2.0));
            let level = s.sample_real(format!("normal({level}, {spread})"), 4.0);
            let width = s.number(0.5, 3.0);
            s.plate(
                i,
                n,
                &[format!("observe {y}[{i}] ~ truncated(normal({level}, {width}), -{low}, inf);").replace("-0", "0")],
            );
        }
        2 => {
            // A latent value that is seen only up to a limit.
            let (level, x, noise) = (s.real(), s.name(Kind::Latent), s.known_scale());
            let seen =
                s.pick([format!("min({x}[{i}], {limit})"), format!("max({x}[{i}], -{limit})")]).replace("-0)", "0)");
            s.plate(
                i,
                n,
                &[
                    format!("sample {x}[{i}] ~ normal({level}, {scale});"),
                    format!("observe {y}[{i}] ~ normal({seen}, {noise});"),
                ],
            );
        }
        3 => {
            // Of a latent value, only whether it is beyond a limit.
            let (mean, limit) = (s.number(-2.0, 2.0), s.number(-1.5, 1.5));
            let (mean, scale) = (s.near(mean), s.log_number(0.8, 4.0));
            let x = s.sample_real(format!("normal({mean}, {scale})"), mean.size + scale.size);
            let sign = s.pick([">", "<"]);
            let condition = s.pick([format!("{x} {sign} {limit}"), format!("if {x} {sign} {limit} then 1 else 0")]);
            s.push(format!("observe {y} = {condition};"));
            let mean = s.affine(&x);
            s.observe(&mean);
        }
        _ => {
            // Waiting times, some of which are known to be longer than a limit.
            let (shape, scale, wait) = (s.number(1.0, 3.0), s.positive(Kind::Scale), s.name(Kind::Latent));
            let (n, k) = (s.int(2, 3), s.index(&[]));
            let seen = s.int(2, 4);
            s.offer(Term::new(format!("{wait}[0]"), 2.0 * scale.size).positive());
            s.plate(i, seen, &[format!("observe {y}[{i}] ~ weibull({shape}, {scale});")]);
            let (censored, limit) = (s.name(Kind::Data), s.number(0.5, 2.0));
            s.plate(
                k,
                n,
                &[
                    format!("sample {wait}[{k}] ~ weibull({shape}, {scale});"),
                    format!("observe {censored}[{k}] = {wait}[{k}] > {limit};"),
                ],
            );
        }
    }
}

/// Binary, count and positive responses to the difference or sum of latents.
pub(super) fn responses(s: &mut Sketch) {
    let (a, b) = (s.real(), s.real());
    for at in 0..s.int(1, 3) {
        let link = s.pick([Link::Logit, Link::Logit, Link::Log, Link::Positive]);
        let both = s.pick(["-", "-", "+"]);
        let both = Term::new(format!("{a} {both} {b}"), a.size.hypot(b.size));
        let term = if at == 0 { both } else { s.pick([both, a.clone(), b.clone()]) };
        let predictor = s.predictor(link, term);
        let distribution = s.likelihood(link, &predictor, &Term::new("1", 1.0));
        s.see(&distribution, 0.7);
    }
}
