//! How long lines are broken: inside brackets only, filled, so that the layout depends on the tree alone.

/// Lines are kept this long, in characters, where brackets allow it.
pub const LINE_WIDTH: usize = 100;

/// Spaces of one level.
const INDENT: usize = 4;

/// Text and brackets one after another.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    pieces: Vec<Piece>,
    /// On one line, in characters.
    width: usize,
}

#[derive(Debug)]
enum Piece {
    Text(String, usize),
    Brackets(Brackets),
}

/// `open items close`, with commas between the items.
#[derive(Debug)]
struct Brackets {
    open: &'static str,
    items: Vec<Sequence>,
    close: &'static str,
    /// Whether spaces stand inside the brackets on one line.
    padded: bool,
    width: usize,
}

impl Sequence {
    /// Appends text, which must not contain line breaks.
    pub(super) fn text(&mut self, text: &str) {
        let width = text.chars().count();
        self.width += width;
        if let Some(Piece::Text(last, last_width)) = self.pieces.last_mut() {
            last.push_str(text);
            *last_width += width;
        } else {
            self.pieces.push(Piece::Text(text.into(), width));
        }
    }

    /// Appends items in brackets.
    pub(super) fn brackets(&mut self, open: &'static str, items: Vec<Sequence>, close: &'static str) {
        let padded = open == "{";
        let inner: usize = items.iter().map(|item| item.width + 2).sum();
        let width = 2 + inner.saturating_sub(2) + if padded && !items.is_empty() { 2 } else { 0 };
        self.width += width;
        self.pieces.push(Piece::Brackets(Brackets { open, items, close, padded, width }));
    }
}

/// Text under construction.
#[derive(Debug, Default)]
pub(super) struct Output {
    text: String,
    column: usize,
}

impl Output {
    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    /// Ends the line and begins one of this level.
    pub(super) fn new_line(&mut self, level: usize) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n(' ', level * INDENT));
        self.column = level * INDENT;
    }

    /// An empty line.
    pub(super) fn empty_line(&mut self) {
        self.text.push('\n');
        self.column = 0;
    }

    /// Begins a line of this level at the start of the text or after [`Self::end_line`].
    pub(super) fn begin_line(&mut self, level: usize) {
        self.text.extend(std::iter::repeat_n(' ', level * INDENT));
        self.column = level * INDENT;
    }

    /// Ends the line.
    pub(super) fn end_line(&mut self) {
        self.text.push('\n');
        self.column = 0;
    }

    /// Writes a sequence at a level, before `tail` more characters on its last line.
    pub(super) fn write(&mut self, sequence: &Sequence, level: usize, tail: usize) {
        stacker::maybe_grow(super::RED_ZONE, super::STACK_PIECE, || {
            for (i, piece) in sequence.pieces.iter().enumerate() {
                match piece {
                    Piece::Text(text, _) => self.push(text),
                    Piece::Brackets(brackets) => {
                        let after = unbreakable(sequence.pieces.get(i + 1..).unwrap_or_default(), tail);
                        if brackets.items.is_empty() || self.column + brackets.width + after <= LINE_WIDTH {
                            self.flat(brackets);
                        } else {
                            self.broken(brackets, level);
                        }
                    }
                }
            }
        });
    }

    fn flat(&mut self, brackets: &Brackets) {
        let pad = if brackets.padded && !brackets.items.is_empty() { " " } else { "" };
        self.push(brackets.open);
        self.push(pad);
        for (i, item) in brackets.items.iter().enumerate() {
            if i > 0 {
                self.push(", ");
            }
            // What fits as a whole fits in its parts.
            self.write(item, 0, 0);
        }
        self.push(pad);
        self.push(brackets.close);
    }

    fn broken(&mut self, brackets: &Brackets, level: usize) {
        self.push(brackets.open);
        self.new_line(level + 1);
        let last = brackets.items.len().saturating_sub(1);
        for (i, item) in brackets.items.iter().enumerate() {
            let comma = usize::from(i < last);
            if i > 0 {
                self.push(",");
                if self.column + 1 + item.width + comma <= LINE_WIDTH {
                    self.push(" ");
                } else {
                    self.new_line(level + 1);
                }
            }
            self.write(item, level + 1, comma);
        }
        self.new_line(level);
        self.push(brackets.close);
    }
}

/// How many characters follow before a line could be broken.
fn unbreakable(pieces: &[Piece], tail: usize) -> usize {
    let mut width = 0;
    for piece in pieces {
        match piece {
            Piece::Text(_, text) => width += text,
            Piece::Brackets(brackets) if brackets.items.is_empty() => width += brackets.width,
            Piece::Brackets(brackets) => return width + brackets.open.len(),
        }
    }
    width + tail
}
