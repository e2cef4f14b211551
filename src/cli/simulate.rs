//! `unmask simulate`: executions as CSV or JSON lines, in constant memory.

use std::fmt::Write as _;
use std::io::Write;

use super::console::{Failure, Status, plain, tell, write_output};
use super::{DrawFormat, SimulateArgs};
use crate::runtime::{Batch, Columns};
use crate::value::{Array, Base, Value, format_real, unravel};

pub(super) fn simulate(arguments: &SimulateArgs) -> Result<Status, Failure> {
    let model = arguments.program.model()?;
    let data = arguments.data.read()?;
    let csv_name = arguments.output.as_ref().is_some_and(|p| p.extension().is_some_and(|e| e == "csv"));
    let format = arguments.format.unwrap_or(if csv_name { DrawFormat::Csv } else { DrawFormat::Jsonl });
    let run = |to: &mut dyn Write| -> Result<(), Failure> {
        let mut writer = Writer { format, header: None, text: String::new() };
        let (warnings, sources) =
            model.simulate_batches(&data, arguments.n, arguments.seed, |batch| writer.batch(batch, to))??;
        tell(&warnings, &sources);
        Ok(())
    };
    write_output(arguments.output.as_deref(), run)?;
    Ok(Status::Fine)
}

struct Writer {
    format: DrawFormat,
    /// Of the CSV: every execution must have these.
    header: Option<String>,
    text: String,
}

impl Writer {
    fn batch(&mut self, batch: &Batch<'_>, to: &mut dyn Write) -> Result<(), Failure> {
        self.text.clear();
        match batch {
            Batch::Columns(columns) => {
                for i in 0..columns.n {
                    self.column_execution(columns, i)?;
                }
            }
            Batch::Executions(executions) => {
                for execution in *executions {
                    match self.format {
                        DrawFormat::Jsonl => {
                            let members = execution.variables.iter();
                            json_object(&mut self.text, members.map(|(name, value)| (&**name, value)));
                        }
                        DrawFormat::Csv => {
                            let mut header = Row::default();
                            let mut row = Row::default();
                            for (name, value) in &execution.variables {
                                header.names(name, value.shape());
                                row.value(value);
                            }
                            self.row(header.0, &row.0)?;
                        }
                    }
                }
            }
        }
        to.write_all(self.text.as_bytes())?;
        Ok(())
    }

    fn column_execution(&mut self, columns: &Columns, i: usize) -> Result<(), Failure> {
        let lane = |at: usize| columns.lanes.get(at).and_then(|l| l.get(i)).copied().unwrap_or(f64::NAN);
        match self.format {
            DrawFormat::Csv => {
                let (mut header, mut row) = (Row::default(), Row::default());
                for v in &columns.variables {
                    header.names(&v.name, &v.shape);
                    for e in 0..v.shape.iter().product() {
                        row.field(&csv_scalar(&Value::scalar(v.base, lane(v.first + e))));
                    }
                }
                self.row(header.0, &row.0)
            }
            DrawFormat::Jsonl => {
                self.text.push('{');
                for (at, v) in columns.variables.iter().enumerate() {
                    member(&mut self.text, at, &v.name);
                    let mut next = v.first;
                    nested(&mut self.text, v.base, &v.shape, &mut || {
                        next += 1;
                        lane(next - 1)
                    });
                }
                self.text.push_str("}\n");
                Ok(())
            }
        }
    }

    fn row(&mut self, header: String, row: &str) -> Result<(), Failure> {
        match &self.header {
            None => {
                self.text.push_str(&header);
                self.text.push('\n');
                self.header = Some(header);
            }
            Some(first) if *first != header => {
                return Err(plain(
                    "E0906",
                    "executions have different variables, which CSV cannot hold: use `--format jsonl`",
                ));
            }
            Some(_) => {}
        }
        self.text.push_str(row);
        self.text.push('\n');
        Ok(())
    }
}

/// A row of CSV.
#[derive(Default)]
struct Row(String);

impl Row {
    fn field(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        if text.contains(',') {
            let _ = write!(self.0, "\"{text}\"");
        } else {
            self.0.push_str(text);
        }
    }

    /// One column a scalar, named as in the language.
    fn names(&mut self, name: &str, shape: &[usize]) {
        if shape.is_empty() {
            return self.field(name);
        }
        for flat in 0..shape.iter().product() {
            let indices: Vec<String> = unravel(shape, flat).iter().map(ToString::to_string).collect();
            self.field(&format!("{name}[{}]", indices.join(",")));
        }
    }

    fn value(&mut self, value: &Value) {
        match value.as_array() {
            Some(array) => {
                (0..array.size()).filter_map(|i| array.elements().get(i)).for_each(|v| self.field(&csv_scalar(&v)))
            }
            None => self.field(&csv_scalar(value)),
        }
    }
}

fn csv_scalar(value: &Value) -> String {
    value.to_string()
}

fn member(text: &mut String, at: usize, name: &str) {
    let _ = write!(text, "{}\"{name}\": ", if at > 0 { ", " } else { "" });
}

/// One line: a JSON object that reads back as data.
pub(super) fn json_object<'a>(text: &mut String, members: impl Iterator<Item = (&'a str, &'a Value)>) {
    text.push('{');
    for (at, (name, value)) in members.enumerate() {
        member(text, at, name);
        json_value(text, value);
    }
    text.push_str("}\n");
}

fn json_value(text: &mut String, value: &Value) {
    match value.as_array() {
        Some(array) => json_array(text, array),
        None => json_scalar(text, value),
    }
}

fn json_array(text: &mut String, array: &Array) {
    text.push('[');
    for i in 0..array.len() {
        if i > 0 {
            text.push_str(", ");
        }
        if let Some(row) = array.get(i) {
            json_value(text, &row);
        }
    }
    text.push(']');
}

fn json_scalar(text: &mut String, value: &Value) {
    let _ = match value {
        Value::Real(x) if x.is_nan() => text.write_str("\"NaN\""),
        Value::Real(x) if x.is_infinite() => text.write_str(if *x > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" }),
        Value::Real(x) => text.write_str(&format_real(*x)),
        Value::Bool(_) | Value::Int(_) => write!(text, "{value}"),
        Value::Record(record) => match &record.returned {
            Some(returned) => return json_value(text, returned),
            None => text.write_str("null"),
        },
        Value::Array(_) | Value::Str(_) | Value::Posterior(_) | Value::Marginal(_) => text.write_str("null"),
    };
}

fn nested(text: &mut String, base: Base, shape: &[usize], next: &mut dyn FnMut() -> f64) {
    match shape {
        [] => json_scalar(text, &Value::scalar(base, next())),
        [size, inner @ ..] => {
            text.push('[');
            for i in 0..*size {
                if i > 0 {
                    text.push_str(", ");
                }
                nested(text, base, inner, next);
            }
            text.push(']');
        }
    }
}
