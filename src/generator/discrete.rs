//! Mixtures, branches, and networks of discrete variables.

use super::names::Kind;
use super::sketch::Sketch;
use super::term::{Term, show};

/// Two or three clusters, ordered or alike, their members assigned or not.
pub(super) fn mixture(s: &mut Sketch) {
    let (k, i, y) = (s.int(2, 3), s.index(&[]), s.name(Kind::Data));
    let (scale, width, location) = (s.scale(), s.number(2.0, 10.0), s.location());
    let centre = s.name(Kind::Latent);
    if s.chance(0.4) {
        s.push(format!("sample {centre} ~ ordered(normal({location}, {width}), {k});"));
    } else {
        let j = s.index(&[]);
        s.plate(j, k, &[format!("sample {centre}[{j}] ~ normal({location}, {width});")]);
    }
    let known = s.pick([
        ["[0.5, 0.5]", "[0.4, 0.3, 0.3]"],
        ["[0.7, 0.3]", "[0.6, 0.2, 0.2]"],
        ["[0.4, 0.6]", "[0.2, 0.3, 0.5]"],
    ])[k - 2];
    let weight = |s: &mut Sketch| {
        let concentration = s.pick([["[1, 1]", "[1, 1, 1]"], ["[2, 2]", "[2, 2, 2]"], ["[4, 2]", "[3, 1, 2]"]])[k - 2];
        if s.chance(0.4) {
            known.to_owned()
        } else {
            s.sample(Kind::Share, format!("dirichlet({concentration})"), 0.5).to_string()
        }
    };
    s.offer(Term::new(format!("{centre}[{}]", k - 1), width.size));
    let n = s.int(2, 5);
    if s.chance(0.5) && s.room(k.pow(n as u32)) {
        let (weight, member) = (weight(s), s.name(Kind::Choice));
        let assigned = format!("sample {member}[{i}] ~ categorical({weight});");
        s.plate(i, n, &[assigned, format!("observe {y}[{i}] ~ normal({centre}[{member}[{i}]], {scale});")]);
        return;
    }
    let weight = weight(s);
    let parts: Vec<String> = (0..k).map(|c| format!("normal({centre}[{c}], {scale})")).collect();
    let n = s.int(3, 9);
    s.plate(i, n, &[format!("observe {y}[{i}] ~ mixture({weight}, [{}]);", parts.join(", "))]);
}

/// A condition on something unknown.
fn condition(s: &mut Sketch) -> String {
    if s.chance(0.6) {
        let t = s.real();
        let sign = s.pick([">", ">", "<"]);
        let limit = if t.is_positive {
            s.log_number(0.3 * t.size, 0.9 * t.size)
        } else if s.chance(0.5) {
            Term::new("0", 0.0)
        } else {
            s.number(-2.0, 2.0)
        };
        return format!("{t} {sign} {limit}");
    }
    let p = if s.chance(0.3) { s.unit() } else { s.number(0.2, 0.8) };
    let p = s.probability(p);
    s.sample(Kind::Choice, format!("bernoulli({p})"), 1.0).to_string()
}

/// Which latent is seen depends on another one; in statements or expressions, sometimes within each other.
pub(super) fn branch(s: &mut Sketch) {
    let (a, b) = (s.real(), s.real());
    if !s.room(2) {
        return s.observe(&a);
    }
    let first = condition(s);
    let nested = s.chance(0.35) && s.room(2);
    let (second, c) = if nested { (condition(s), s.real()) } else { (String::new(), b.clone()) };
    let size = a.size.max(b.size).max(c.size);
    match s.int(0, 3) {
        0 | 1 => {
            let mean = if nested {
                format!("if {first} then {a} else if {second} then {b} else {c}")
            } else {
                format!("if {first} then {a} else {b}")
            };
            let name = s.name(Kind::Value);
            s.push(format!("let {name} = {mean};"));
            let mean = Term::new(name, size);
            if s.chance(0.8) { s.observe(&mean) } else { s.observe_any(&mean) }
        }
        2 => {
            let y = s.name(Kind::Data);
            let mut seen = |of: &Term| {
                let (mean, scale) = (s.affine(of), s.known_scale());
                format!("observe {y} ~ {};", s.around(&mean, &scale).0)
            };
            let (left, right, last) = (seen(&a), seen(&b), seen(&c));
            let within = nested && s.chance(0.5);
            s.push(if within {
                format!("if {first} {{ if {second} {{ {left} }} else {{ {right} }} }} else {{ {last} }}")
            } else if nested {
                format!("if {first} {{ {left} }} else if {second} {{ {right} }} else {{ {last} }}")
            } else {
                format!("if {first} {{ {left} }} else {{ {right} }}")
            });
        }
        _ => {
            // A latent of one branch only.
            let (y, x) = (s.name(Kind::Data), s.name(Kind::Latent));
            let (near, far, scale) = (s.known_scale(), s.known_scale(), s.known_scale());
            let other = if nested { format!("if {second} then {b} else {c}") } else { b.to_string() };
            s.push(format!(
                "if {first} {{ sample {x} ~ normal({a}, {near}); observe {y} ~ normal({x}, {scale}); }}
                else {{ observe {y} ~ normal({other}, {far}); }}"
            ));
        }
    }
}

/// Causes and effects: effects with several causes, each of which may fail, or tables of probabilities.
pub(super) fn network(s: &mut Sketch) {
    if !s.room(1 << 2) {
        return branch(s);
    }
    if s.chance(0.25) {
        return tables(s);
    }
    let table = s.chance(0.5);
    let mut causes: Vec<Term> = Vec::new();
    for at in 0..s.int(2, 5) {
        if at >= 2 && !s.room(2) {
            break;
        }
        let p = s.number(0.05, 0.6).to_string();
        let p = if at > 0 && s.chance(0.5) {
            let (parent, other) = (s.one(&causes).clone(), s.number(0.3, 0.95));
            format!("if {parent} then {other} else {p}")
        } else if at == 0 {
            s.probability(Term::new(p, 0.6)).to_string()
        } else {
            p
        };
        causes.push(s.sample(Kind::Choice, format!("bernoulli({p})"), 1.0));
    }
    // Each cause has an effect, and most effects have a cause in common with the last.
    let mut at = 0;
    while at < causes.len() {
        let from = if at > 0 && (at + 1 == causes.len() || s.chance(0.7)) { at - 1 } else { at };
        let mut own = causes[from..causes.len().min(at + 2)].to_vec();
        at += 2;
        if own.len() < 3 && causes.len() > own.len() + from && s.chance(0.2) {
            own.push(causes[causes.len() - 1].clone());
        }
        let p = if table && own.len() == 2 {
            let (x, y) = (&own[0], &own[1]);
            let (both, one, none) = (s.number(0.8, 0.99), s.number(0.3, 0.8), s.number(0.01, 0.2));
            match s.int(0, 1) {
                0 => format!("if {x} && {y} then {both} else if {x} || {y} then {one} else {none}"),
                _ => format!("if {x} then (if {y} then {both} else {one}) else {none}"),
            }
        } else {
            let mut absent = vec![s.number(0.7, 0.99).to_string()];
            absent.extend(own.iter().map(|cause| format!("(1 - {} * {cause})", s.number(0.3, 0.95))));
            format!("1 - {}", absent.join(" * "))
        };
        let effect = s.name(Kind::Data);
        s.push(format!("observe {effect} ~ bernoulli({p});"));
    }
}

/// `let NAME = [...];` of `k` probabilities for each of `rows` values, and its text: tables, as those of networks.
fn rows(s: &mut Sketch, rows: usize, k: usize) -> (Term, String) {
    let row = |s: &mut Sketch, most: usize| {
        // In twentieths, each at least one of them; one entry has most.
        let (mut row, mut left) = (vec![1; k], 20 - k);
        for (i, x) in row.iter_mut().enumerate() {
            let more = if i == most { left.min(s.int(8, 14)) } else { s.int(0, left / 2) };
            *x += more;
            left -= more;
        }
        row[most] += left;
        let row: Vec<String> = row.into_iter().map(|x| show(x as f64 / 20.0)).collect();
        format!("[{}]", row.join(", "))
    };
    let table: Vec<String> = (0..rows).map(|i| row(s, i % k)).collect();
    let (name, table) = (s.name(Kind::Table), format!("[{}]", table.join(", ")));
    s.define_known(&name, &table);
    (Term::new(name, 1.0), table)
}

/// Variables of a few values, each with a table of probabilities given the last: a chain or a tree, the leaves of which are seen.
fn tables(s: &mut Sketch) {
    let k = s.int(2, 3);
    let first = s.pick([["[0.5, 0.5]", "[0.5, 0.3, 0.2]"], ["[0.3, 0.7]", "[0.2, 0.4, 0.4]"]])[k - 2];
    let mut nodes = vec![s.sample(Kind::Choice, format!("categorical({first})"), 1.0)];
    while nodes.len() < 4 && s.room(k) && (nodes.len() == 1 || s.chance(0.5)) {
        let last = if s.chance(0.7) { nodes.len() - 1 } else { 0 };
        let (table, text) = rows(s, k, k);
        s.table(&text, 1);
        let node = s.sample(Kind::Choice, format!("categorical({table}[{}])", nodes[last]), 1.0);
        s.offer_choice(format!("{node} == 0"));
        nodes.push(node);
    }
    for node in nodes.iter().skip(1) {
        let seen = if s.chance(0.5) {
            let (table, text) = rows(s, k, 2);
            s.table(&text, 1);
            format!("categorical({table}[{node}])")
        } else {
            let low = s.number(0.05, 0.4);
            let high = s.number(0.5, 0.95);
            format!("bernoulli(if {node} == {} then {high} else {low})", s.int(0, k - 1))
        };
        s.see(&seen, 0.2);
    }
}

/// A chain of hidden states, each seen through something noisy.
pub(super) fn hidden_chain(s: &mut Sketch) {
    let n = s.int(3, 5);
    if n < 5 && s.chance(0.5) && s.room(3_usize.pow(n as u32)) {
        // Three states, with tables.
        let ((x, y), (t, u)) = ((s.name(Kind::Choice), s.name(Kind::Data)), (s.index(&[]), s.index(&[])));
        let ((next, text), (level, scale)) = (rows(s, 3, 3), (s.name(Kind::Value), s.known_scale()));
        s.table(&text, n - 1);
        s.offer_choice(format!("{x}[{}] == 1", n - 1));
        s.push(format!("sample {x}[0] ~ categorical([0.4, 0.3, 0.3]);"));
        s.repeat("for", t, 1, n, &[format!("sample {x}[{t}] ~ categorical({next}[{x}[{t} - 1]]);")]);
        let levels = [s.location(), s.real(), s.number(2.0, 9.0)].map(|l| l.to_string()).join(", ");
        s.push(format!("let {level} = [{levels}];"));
        s.table(&levels, n);
        return s.plate(u, n, &[format!("observe {y}[{u}] ~ normal({level}[{x}[{u}]], {scale});")]);
    }
    if !s.room(1 << n) {
        return mixture(s);
    }
    let (stay, start) = (s.int(60, 95) as f64 / 100.0, s.number(0.3, 0.7));
    let enter =
        if s.chance(0.5) { show((100.0 - 100.0 * stay).round() / 100.0) } else { s.number(0.05, 0.5).to_string() };
    let stay = show(stay);
    let binary = s.chance(0.3);
    let (low, high) = if binary { (s.number(0.05, 0.4), s.number(0.6, 0.95)) } else { (s.real(), s.real()) };
    let (scale, indexed) = (s.known_scale(), s.chance(0.5));
    let seen = |state: &str| {
        let level = format!("if {state} then {high} else {low}");
        if binary { format!("bernoulli({level})") } else { format!("normal({level}, {scale})") }
    };
    if indexed {
        let (x, y, t, u) = (s.name(Kind::Choice), s.name(Kind::Data), s.index(&[]), s.index(&[]));
        s.offer_choice(format!("{x}[{}]", n - 1));
        s.push(format!("sample {x}[0] ~ bernoulli({start});"));
        let move_on = format!("sample {x}[{t}] ~ bernoulli(if {x}[{t} - 1] then {stay} else {enter});");
        s.repeat("for", t, 1, n, &[move_on]);
        return s.plate(u, n, &[format!("observe {y}[{u}] ~ {};", seen(&format!("{x}[{u}]")))]);
    }
    let mut last: Option<Term> = None;
    for _ in 0..n {
        let p = last.map_or_else(|| start.to_string(), |last| format!("if {last} then {stay} else {enter}"));
        let state = s.sample(Kind::Choice, format!("bernoulli({p})"), 1.0);
        let y = s.name(Kind::Data);
        s.push(format!("observe {y} ~ {};", seen(&state.to_string())));
        last = Some(state);
    }
}

/// Shares of a whole, and members that are drawn by them.
pub(super) fn shares(s: &mut Sketch) {
    let (k, n, i, y) = (s.int(2, 4), s.int(2, 10), s.index(&[]), s.name(Kind::Data));
    let concentration: Vec<String> = (0..k).map(|_| s.number(0.5, 4.0).to_string()).collect();
    let share = s.sample(Kind::Share, format!("dirichlet([{}])", concentration.join(", ")), 0.5);
    s.offer(share.at(k - 1));
    if s.chance(0.4) {
        // A sum with known costs.
        let cost: Vec<String> = (0..k).map(|_| s.number(1.5, 9.0).to_string()).collect();
        let terms: Vec<String> = cost.iter().enumerate().map(|(j, c)| format!("{c} * {share}[{j}]")).collect();
        let mean = s.define(Term::new(terms.join(" + "), 4.0));
        s.observe(&mean);
    }
    let distribution = match s.int(0, 3) {
        0 => {
            let (part, trials) = (s.int(0, k - 1), s.int(3, 20));
            return s.see(&format!("binomial({trials}, {share}[{part}])"), 0.7);
        }
        _ => format!("categorical({share})"),
    };
    s.plate(i, n, &[format!("observe {y}[{i}] ~ {distribution};")]);
}
